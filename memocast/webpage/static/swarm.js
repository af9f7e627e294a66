/** Our presence among peers: one webtorrent client, and a Transfer for each memo or page of a feed. */

import { webTrackers } from './link.js'
import { pieceLength, toInfo } from './memo.js'
import { PieceStore } from './pieces.js'
import { fileName } from './text.js'
import { Transfer } from './transfer.js'

const MOST_TRACKERS = 10
const WAITING_AT_FULL_PACE = 3 // each question makes connections, of which a browser has 500

export class Swarm {
  constructor (WebTorrent, settings) {
    this.settings = settings
    this.transfers = new Map()
    const rtcConfig = { iceServers: settings.iceServers }
    this.client = new WebTorrent({ tracker: { rtcConfig }, webSeeds: false, maxConns: 100 })
    this.client.on('error', () => {}) // the transfer that it is about hears of it too
    // A tab that leaves without a word keeps its place at the seeder for half a minute, and
    // others behind the same address wait for it.
    addEventListener('pagehide', () => { if (!this.client.destroyed) this.client.destroy() })
  }

  /** The Transfer of a link, looked for from now on; `onlyPage` lets in no memo. */
  fetch (link, { onlyPage = false } = {}) {
    const known = this.transfers.get(link.infoHash)
    if (known) return known
    const transfer = this.track(link)
    transfer.onlyPage = onlyPage
    // Of the link itself nothing is handed on: it could name web servers to be asked.
    transfer.follow(this.client.add(`magnet:?xt=urn:btih:${link.infoHash}`, {
      announce: this.announce(link.trackers), store: PieceStore, deselect: true
    }))
    return transfer
  }

  /** Offer a memo that this browser keeps. */
  offer (kept) {
    if (this.transfers.has(kept.infoHash)) return this.transfers.get(kept.infoHash)
    const transfer = this.track(kept)
    transfer.kind = kept.kind
    if (kept.sealed) transfer.opened = kept.blob
    transfer.follow(this.client.add(kept.torrentFile, {
      announce: this.announce(kept.trackers),
      store: PieceStore,
      storeOpts: { blob: kept.sealed ?? kept.blob }
    }))
    return transfer
  }

  /** Make the torrent of audio recorded here: `{infoHash, torrentFile, dn}`, offered from now on. */
  publish (memo, blob, kind) {
    const dn = fileName(memo.title, kind.extension)
    let heard = false
    return new Promise((resolve, reject) => {
      const torrent = this.client.seed(new File([blob], dn), {
        name: dn,
        announce: this.announce([]),
        announceList: this.announce([]).map(url => [url]),
        info: { memocast: toInfo(memo) },
        pieceLength: pieceLength(blob.size),
        store: PieceStore
      }, seeded => { // another than `torrent` when it was offered already
        const { infoHash, torrentFile } = seeded
        const made = { infoHash, torrentFile, dn, trackers: this.settings.trackers }
        if (this.transfers.has(infoHash)) return resolve(made)
        const transfer = this.track(made)
        transfer.kind = kind
        transfer.phase = 'whole'
        transfer.heardTracker = heard
        transfer.follow(seeded)
        resolve(made)
      })
      torrent.once('trackerAnnounce', () => { heard = true })
      torrent.once('error', reject)
    })
  }

  /** Stop looking for it and offering it. */
  drop (infoHash) {
    this.transfers.get(infoHash)?.stop()
    this.transfers.delete(infoHash)
  }

  track (link) {
    const transfer = new Transfer(link, () => Math.max(1, this.waiting / WAITING_AT_FULL_PACE))
    this.transfers.set(link.infoHash, transfer)
    return transfer
  }

  /** How many memos nobody has sent yet. */
  get waiting () {
    return [...this.transfers.values()].filter(transfer => transfer.phase === 'looking').length
  }

  /** The network is back. */
  reconnect () {
    for (const transfer of this.transfers.values()) transfer.reconnect()
  }

  announce (trackers) {
    return [...new Set(webTrackers([...trackers, ...this.settings.trackers]))].slice(0, MOST_TRACKERS)
  }
}
