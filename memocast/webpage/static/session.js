/** The page's BitTorrent session: one webtorrent client, with a Transfer for each memo or feed page. */

import { webTrackers } from './link.js'
import { pieceLength, toMemoInfo } from './memo.js'
import { PieceStore } from './pieces.js'
import { fileName } from './text.js'
import { Transfer } from './transfer.js'

const MAX_TRACKERS = 10
const FULL_PACE_UP_TO = 3 // searches; each announce makes connections, of which a browser has 500

export class Session {
  constructor (WebTorrent, settings) {
    this.settings = settings
    this.transfers = new Map() // by info-hash
    const rtcConfig = { iceServers: settings.iceServers }
    this.client = new WebTorrent({ tracker: { rtcConfig }, webSeeds: false, maxConns: 100 })
    this.client.on('error', () => {}) // its transfer gets the error too
    // Without a goodbye, a closed tab keeps its place at the seeder for half a minute, and other
    // tabs behind the same address wait for it.
    addEventListener('pagehide', () => { if (!this.client.destroyed) this.client.destroy() })
  }

  /** Download a link's memo or feed page; return its Transfer. With `onlyFeedPage`, refuse memos. */
  fetch (link, { onlyFeedPage = false } = {}) {
    const known = this.transfers.get(link.infoHash)
    if (known) return known
    const transfer = this.addTransfer(link, { onlyFeedPage })
    // Pass on only the info-hash: the link itself could name web servers to contact.
    transfer.follow(this.client.add(`magnet:?xt=urn:btih:${link.infoHash}`, {
      announce: this.trackersFor(link.trackers), store: PieceStore, deselect: true
    }))
    return transfer
  }

  /** Seed a memo that this browser keeps, and return its Transfer. */
  seed (link, { torrentFile, kind, blob, sealed }) {
    if (this.transfers.has(link.infoHash)) return this.transfers.get(link.infoHash)
    const transfer = this.addTransfer(link, { kind, decryptedBlob: sealed ? blob : null })
    transfer.follow(this.client.add(torrentFile, {
      announce: this.trackersFor(link.trackers),
      store: PieceStore,
      storeOpts: { blob: sealed ?? blob }
    }))
    return transfer
  }

  /** Make a recording's torrent, and seed it. Resolves to its link with the `torrentFile`. */
  share (memo, blob, kind) {
    const dn = fileName(memo.title, kind.extension)
    let heardTracker = false
    return new Promise((resolve, reject) => {
      const torrent = this.client.seed(new File([blob], dn), {
        name: dn,
        announce: this.trackersFor([]),
        announceList: this.trackersFor([]).map(url => [url]),
        info: { memocast: toMemoInfo(memo) },
        pieceLength: pieceLength(blob.size),
        store: PieceStore
      }, seeded => { // not `torrent`, if the same memo was seeded already
        const { infoHash, torrentFile } = seeded
        const shared = { infoHash, torrentFile, dn, trackers: this.settings.trackers }
        if (this.transfers.has(infoHash)) return resolve(shared)
        this.addTransfer(shared, { kind, phase: 'whole' }).follow(seeded, heardTracker)
        resolve(shared)
      })
      torrent.once('trackerAnnounce', () => { heardTracker = true })
      torrent.once('error', reject)
    })
  }

  /** Stop downloading and seeding a torrent. */
  drop (infoHash) {
    this.transfers.get(infoHash)?.stop()
    this.transfers.delete(infoHash)
  }

  addTransfer (link, known) {
    const transfer = new Transfer(link, () => Math.max(1, this.searches / FULL_PACE_UP_TO), known)
    this.transfers.set(link.infoHash, transfer)
    return transfer
  }

  /** How many transfers have not found a peer with their data yet. */
  get searches () {
    return [...this.transfers.values()].filter(transfer => transfer.phase === 'looking').length
  }

  /** Search for peers again when the network is back. */
  reconnect () {
    for (const transfer of this.transfers.values()) transfer.reconnect()
  }

  trackersFor (trackers) {
    return [...new Set(webTrackers([...trackers, ...this.settings.trackers]))].slice(0, MAX_TRACKERS)
  }
}
