/** One memo, or page of a feed, in the swarm: what is known of it, and how far it is. */

import { NOT_LOADED, opener, openText } from './age.js'
import { PAGE_MOST, read } from './feed.js'
import { claim, describe, identify, isPage, isSealedPage, sealedBlock } from './memo.js'
import { OpenedFile } from './decrypted_file.js'
import { PieceStore } from './pieces.js'

const ASK_ABOVE = 64e6 // bytes; more than an hour of speech is rarely meant
const MOST = 2 ** 31
const NO_TRACKER_AFTER = 10e3 // milliseconds
const NOBODY_AFTER = 30e3
const ASK_AGAIN_EVERY = 15e3
const STALLED_AFTER = 8e3
const LONGEST_WAIT = 60e3
const DAMAGED = 'This memo is damaged, or was tampered with. Ask the sender to share it anew.'
const LARGE_PAGE = 'The list of this channel is larger than one may be, so it was not downloaded.'
const NO_PAGE = 'This leads to something that is no feed. Tell whoever publishes the channel.'

/**
 * Emits `change` whenever something about it is new, and once `whole`, or `page` when it is no memo.
 *
 * `phase` is `looking` (nobody has sent the metadata, or the page), `asking` (it is large: `start` it),
 * `downloading`, `whole` or `failed` (`problem` says why).
 */
export class Transfer extends EventTarget {
  /** `pace()` tells how many times slower than usual to ask, as when many are waited for. */
  constructor (link, pace) {
    super()
    this.link = link
    this.pace = pace
    this.askEvery = ASK_AGAIN_EVERY
    this.stalledAfter = STALLED_AFTER
    this.phase = 'looking'
    this.problem = ''
    this.name = link.dn
    this.size = 0
    this.said = null
    this.kind = null
    this.open = null // what opens it, when it is sealed
    this.opening = null // its audio on the way
    this.opened = null // and when all of it is here
    this.onlyPage = false
    this.isPage = false
    this.page = null // what it lists, once it is here
    this.torrent = null
    this.heardTracker = false
    this.received = 0
    this.lastNews = performance.now()
    this.began = performance.now()
  }

  /** Follow a torrent of webtorrent's that was added with nothing selected. */
  follow (torrent) {
    this.torrent = torrent
    torrent.on('trackerAnnounce', () => { this.heardTracker = true; this.changed() })
    torrent.on('warning', () => this.changed())
    torrent.on('error', error => this.fail(`This memo cannot be fetched: ${error.message ?? error}`))
    torrent.on('metadata', () => this.preview().catch(() => this.fail(DAMAGED)))
    torrent.on('wire', (wire) => {
      this.changed()
      wire.once('close', () => this.changed())
    })
    torrent.on('verified', index => { if (index === 0) this.look().catch(() => this.fail(DAMAGED)) })
    torrent.on('done', () => this.complete().catch(() => this.fail(DAMAGED)))
    this.timer = setInterval(() => this.tick(), 1000)
    this.nextAsk = performance.now() + ASK_AGAIN_EVERY
  }

  /** Metadata is here: see whether it can be a memo before a byte of it is asked for. */
  async preview () {
    const { files } = this.torrent
    if (files.length !== 1) {
      return this.fail(`This link holds ${files.length} files; a memo is one. Open it with a BitTorrent client.`)
    }
    this.name = files[0].name
    this.size = files[0].length
    if (!this.size || Math.ceil(this.size / this.torrent.pieceLength) !== this.torrent.pieces.length) {
      return this.fail('This memo is damaged: its torrent does not fit its length.')
    }
    if (isPage(claim(this.torrent), this.name)) return this.previewPage()
    if (this.onlyPage) return this.fail(NO_PAGE)
    if (this.size > MOST) {
      return this.fail('This is more than a browser can keep. In a terminal: memocast fetch LINK')
    }
    if (this.opened) return // kept here, and known
    const said = claim(this.torrent)
    const block = sealedBlock(said)
    if (!block) {
      if (this.link.key) return this.fail('The link has a key, but its memo is not sealed. Ask the sender about it.')
      this.said = describe(said)
    } else if (!await this.unseal(block) || this.phase !== 'looking') return
    this.phase = 'asking'
    if (this.size <= ASK_ABOVE) this.start()
    this.changed()
  }

  /** It is a page of a feed: ask for it, unless it cannot be opened. */
  async previewPage () {
    if (this.size > PAGE_MOST) return this.fail(LARGE_PAGE)
    const isSealed = isSealedPage(claim(this.torrent), this.name)
    if (isSealed !== Boolean(this.link.key)) {
      return this.fail(isSealed
        ? 'This channel is private, and the link has no key. Copy the link again, whole.'
        : 'The link has a key, but its channel is not private. Ask the sender about it.')
    }
    if (isSealed && !await this.loadOpener() || this.phase !== 'looking') return
    this.isPage = true
    this.torrent.select(0, this.torrent.pieces.length - 1)
    this.changed()
  }

  /** Open a private memo's description, or say why that cannot be; whether it could. */
  async unseal (block) {
    if (!this.link.key) {
      this.fail('This memo is sealed, and the link has no key. Copy the link again, whole; one for an identity opens in a terminal.')
      return false
    }
    if (!await this.loadOpener()) return false
    try {
      // What age says of a key that does not fit can contain that key.
      this.said = describe(await openText(this.open, block))
    } catch {
      this.fail('The key in this link does not open this memo. Copy the link again, whole.')
      return false
    }
    return true
  }

  /** Have what opens things with the link's key, or say why not; whether it is there. */
  async loadOpener () {
    try {
      this.open = await opener(this.link.key)
    } catch {
      this.fail(NOT_LOADED)
    }
    return Boolean(this.open)
  }

  /** Download it. */
  start () {
    if (this.phase !== 'asking') return
    this.phase = 'downloading'
    this.torrent.select(0, this.torrent.pieces.length - 1)
    this.changed()
  }

  /** The first piece is here: see whether it is audio, before anything decodes it. */
  async look () {
    if (this.kind || this.isPage || this.phase === 'failed') return
    this.looking ??= this.head()
    const kind = identify(await this.looking)
    if (this.kind || this.phase === 'failed') return
    this.kind = kind
    if (!this.kind) this.fail('This is not audio that memocast knows, so it was not downloaded.')
    this.changed()
  }

  async head () {
    const [file] = this.torrent.files
    if (!this.open) return new Uint8Array(await file.arrayBuffer({ start: 0, end: Math.min(64, this.size) - 1 }))
    this.opening = await OpenedFile.begin(this.open, file)
    const { value } = await this.opening[Symbol.asyncIterator]({ end: Math.min(64, this.opening.length) - 1 }).next()
    return value ?? new Uint8Array()
  }

  /** What is played: the audio, as it arrives. */
  get file () {
    return this.opening ?? this.torrent?.files[0]
  }

  async complete () {
    if (this.isPage) return this.readPage()
    await this.look()
    if (this.opening) this.opened = await this.opening.whole
    if (this.phase === 'failed' || this.phase === 'whole' || this.torrent.destroyed) return
    this.phase = 'whole'
    this.changed()
    this.dispatchEvent(new Event('whole'))
  }

  /** The page is here: see what it lists. */
  async readPage () {
    if (this.phase !== 'looking') return
    const content = new Uint8Array(await this.content('').arrayBuffer())
    const bytes = this.open ? await this.open(content).catch(() => null) : content
    if (this.phase !== 'looking' || this.torrent.destroyed) return
    if (!bytes) return this.fail('The key in this link does not open this channel. Copy the link again, whole.')
    const page = read(bytes, this.link.key)
    if (typeof page === 'string') return this.fail(page)
    this.page = page
    this.phase = 'whole'
    this.dispatchEvent(new Event('page'))
    this.changed()
  }

  /** The whole audio as a Blob, once all of it is here. */
  blob () {
    return this.opened ? this.opened.slice(0, this.opened.size, this.kind.type) : this.content(this.kind.type)
  }

  /** What the torrent holds, sealed or not. */
  content (type) {
    let store = this.torrent.store
    while (!(store instanceof PieceStore)) store = store.store // webtorrent wraps it in caches
    return store.whole(type)
  }

  fail (problem) {
    this.stop()
    this.phase = 'failed'
    this.problem = problem
    this.changed()
  }

  stop () {
    clearInterval(this.timer)
    if (this.torrent && !this.torrent.destroyed) this.torrent.destroy()
  }

  get people () {
    return this.torrent && !this.torrent.destroyed ? this.torrent.numPeers : 0
  }

  get progress () {
    return this.phase === 'whole' ? 1 : this.torrent?.progress ?? 0
  }

  get speed () {
    return this.torrent?.downloadSpeed ?? 0
  }

  get waited () {
    return performance.now() - this.began
  }

  get noTracker () {
    return !this.heardTracker && this.waited > NO_TRACKER_AFTER
  }

  get nobody () {
    return this.waited > NOBODY_AFTER
  }

  tick () {
    const moment = performance.now()
    const wantsMore = this.phase === 'looking' || this.phase === 'downloading'
    if (this.torrent.received !== this.received) {
      this.received = this.torrent.received
      this.lastNews = moment
      this.askEvery = ASK_AGAIN_EVERY
      this.stalledAfter = STALLED_AFTER
    }
    if (!wantsMore || !this.people) this.lastNews = moment
    if (moment > this.lastNews + this.stalledAfter) {
      // A tab that died looks connected for half a minute, and holds what it was asked for. And
      // two that meet before either knows what the torrent is never ask each other again.
      for (const wire of [...this.torrent.wires]) wire.destroy()
      this.lastNews = moment
      this.stalledAfter = Math.min(2 * this.stalledAfter, LONGEST_WAIT)
      this.nextAsk = 0
    }
    if (wantsMore && !this.people && moment > this.nextAsk) {
      // A seeder lets in one page from an address at a time: ask again when that one may be gone.
      this.torrent.discovery?.tracker?.update()
      this.nextAsk = moment + this.askEvery * this.pace()
      this.askEvery = Math.min(2 * this.askEvery, LONGEST_WAIT)
    }
    this.changed()
  }

  /** The network is back: the trackers would be tried again only after minutes. */
  reconnect () {
    if (!this.torrent || this.torrent.destroyed) return
    this.heardTracker = false
    this.began = performance.now()
    this.torrent.discovery?.destroy()
    this.torrent.discovery = null
    this.torrent._startDiscovery?.() // there is no public way, and the version is pinned
  }

  changed () {
    this.dispatchEvent(new Event('change'))
  }
}
