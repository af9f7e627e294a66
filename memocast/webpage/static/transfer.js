/** The download of a memo or of a feed page, and its seeding afterwards. */

import { NOT_LOADED, decryptMemoInfo, loadDecrypt } from './age.js'
import { DecryptedFile } from './decrypted_file.js'
import { MAX_PAGE_BYTES, parseFeedPage } from './feed.js'
import { identify, isFeedPage, isSealedFeedPage, parseMemoInfo, rawMemoInfo, sealedBlock } from './memo.js'
import { PieceStore } from './pieces.js'

const CONFIRM_ABOVE = 64e6 // bytes; few people mean to send more than an hour of speech
const MAX_SIZE = 2 ** 31
const NO_TRACKER_AFTER = 10e3 // milliseconds
const NOBODY_AFTER = 30e3
const ANNOUNCE_EVERY = 15e3
const STALLED_AFTER = 8e3
const LONGEST_WAIT = 60e3
const DAMAGED = 'This memo is damaged, or was tampered with. Ask the sender to share it anew.'
const LARGE_PAGE = 'The list of this channel is larger than one may be, so it was not downloaded.'
const NO_PAGE = 'This leads to something that is no feed. Tell whoever publishes the channel.'

/**
 * Emits `change` whenever it changes. When it is complete it emits `whole`, or `feedpage` if it is
 * a page of a feed.
 *
 * `phase` is `looking` (for somebody who sends the metadata, or the feed page), `asking` (it is
 * large, and waits for `start`), `downloading`, `whole` or `failed` (`problem` says why).
 */
export class Transfer extends EventTarget {
  /**
   * `slowdown()` is how many times slower than usual to announce. The rest is what is known of the
   * torrent from the start.
   */
  constructor (link, slowdown, {
    onlyFeedPage = false, kind = null, decryptedBlob = null, phase = 'looking', heardTracker = false
  } = {}) {
    super()
    this.link = link
    this.slowdown = slowdown
    this.announceEvery = ANNOUNCE_EVERY
    this.stalledAfter = STALLED_AFTER
    this.phase = phase
    this.problem = ''
    this.name = link.dn
    this.size = 0
    this.memoInfo = null
    this.kind = kind
    this.decrypt = null // a function, if it is private
    this.decryptedFile = null // its audio while it downloads
    this.decryptedBlob = decryptedBlob // its audio when all of it is here
    this.onlyFeedPage = onlyFeedPage
    this.isFeedPage = false
    this.feedPage = null // when it is here
    this.headPromise = null
    this.torrent = null
    this.heardTracker = heardTracker
    this.received = 0
    this.lastProgress = performance.now()
    this.began = performance.now()
  }

  /** Follow a torrent of webtorrent's, which was added without a selection. */
  follow (torrent) {
    this.torrent = torrent
    torrent.on('trackerAnnounce', () => { this.heardTracker = true; this.emitChange() })
    torrent.on('warning', () => this.emitChange())
    torrent.on('error', error => this.fail(`This memo cannot be fetched: ${error.message ?? error}`))
    torrent.on('metadata', () => this.checkMetadata().catch(() => this.fail(DAMAGED)))
    torrent.on('wire', (wire) => {
      this.emitChange()
      wire.once('close', () => this.emitChange())
    })
    torrent.on('verified', index => { if (index === 0) this.checkAudio().catch(() => this.fail(DAMAGED)) })
    torrent.on('done', () => this.complete().catch(() => this.fail(DAMAGED)))
    this.timer = setInterval(() => this.tick(), 1000)
    this.nextAnnounce = performance.now() + ANNOUNCE_EVERY
  }

  /** When the metadata is here, check that it can be a memo before any of it is downloaded. */
  async checkMetadata () {
    const { files } = this.torrent
    if (files.length !== 1) {
      return this.fail(`This link holds ${files.length} files; a memo is one. Open it with a BitTorrent client.`)
    }
    this.name = files[0].name
    this.size = files[0].length
    if (!this.size || Math.ceil(this.size / this.torrent.pieceLength) !== this.torrent.pieces.length) {
      return this.fail('This memo is damaged: its torrent does not fit its length.')
    }
    const raw = rawMemoInfo(this.torrent)
    if (isFeedPage(raw, this.name)) return this.startFeedPage(isSealedFeedPage(raw, this.name))
    if (this.onlyFeedPage) return this.fail(NO_PAGE)
    if (this.size > MAX_SIZE) {
      return this.fail('This is more than a browser can keep. In a terminal: memocast fetch LINK')
    }
    if (this.decryptedBlob) return // this browser keeps it, and knows it
    const block = sealedBlock(raw)
    if (!block) {
      if (this.link.ageIdentity) return this.fail('The link has a key, but its memo is not sealed. Ask the sender about it.')
      this.memoInfo = parseMemoInfo(raw)
    } else if (!await this.decryptInfo(block) || this.phase !== 'looking') return
    this.phase = 'asking'
    if (this.size <= CONFIRM_ABOVE) this.start()
    this.emitChange()
  }

  /** Download a page of a feed, unless it cannot be decrypted. */
  async startFeedPage (isSealed) {
    if (this.size > MAX_PAGE_BYTES) return this.fail(LARGE_PAGE)
    if (isSealed !== Boolean(this.link.ageIdentity)) {
      return this.fail(isSealed
        ? 'This channel is private, and the link has no key. Copy the link again, whole.'
        : 'The link has a key, but its channel is not private. Ask the sender about it.')
    }
    if (isSealed && !await this.loadDecrypt() || this.phase !== 'looking') return
    this.isFeedPage = true
    this.torrent.select(0, this.torrent.pieces.length - 1)
    this.emitChange()
  }

  /** Decrypt the info of a private memo. Resolves to whether that worked; if not, it has failed. */
  async decryptInfo (block) {
    if (!this.link.ageIdentity) {
      this.fail('This memo is sealed, and the link has no key. Copy the link again, whole; one for an identity opens in a terminal.')
      return false
    }
    if (!await this.loadDecrypt()) return false
    try {
      // The error is not shown: it can contain the identity.
      this.memoInfo = parseMemoInfo(await decryptMemoInfo(this.decrypt, block))
    } catch {
      this.fail('The key in this link does not open this memo. Copy the link again, whole.')
      return false
    }
    return true
  }

  /** Load the decryption. Resolves to whether that worked; if not, the transfer has failed. */
  async loadDecrypt () {
    try {
      this.decrypt = await loadDecrypt(this.link.ageIdentity)
    } catch {
      this.fail(NOT_LOADED)
    }
    return Boolean(this.decrypt)
  }

  /** Download the memo. */
  start () {
    if (this.phase !== 'asking') return
    this.phase = 'downloading'
    this.torrent.select(0, this.torrent.pieces.length - 1)
    this.emitChange()
  }

  /** When the first piece is here, check that it is audio before anything decodes it. */
  async checkAudio () {
    if (this.kind || this.isFeedPage || this.phase === 'failed') return
    this.headPromise ??= this.readHead()
    const kind = identify(await this.headPromise)
    if (this.kind || this.phase === 'failed') return
    this.kind = kind
    if (!this.kind) this.fail('This is not audio that memocast knows, so it was not downloaded.')
    this.emitChange()
  }

  async readHead () {
    const [file] = this.torrent.files
    if (!this.decrypt) return new Uint8Array(await file.arrayBuffer({ start: 0, end: Math.min(64, this.size) - 1 }))
    this.decryptedFile = await DecryptedFile.start(this.decrypt, file)
    const { value } = await this.decryptedFile[Symbol.asyncIterator]({ end: Math.min(64, this.decryptedFile.length) - 1 }).next()
    return value ?? new Uint8Array()
  }

  /** The audio, to be read while it downloads. */
  get file () {
    return this.decryptedFile ?? this.torrent?.files[0]
  }

  async complete () {
    if (this.isFeedPage) return this.readFeedPage()
    await this.checkAudio()
    if (this.decryptedFile) this.decryptedBlob = await this.decryptedFile.whole
    if (this.phase === 'failed' || this.phase === 'whole' || this.torrent.destroyed) return
    this.phase = 'whole'
    this.emitChange()
    this.dispatchEvent(new Event('whole'))
  }

  /** Parse the page of a feed, when all of it is here. */
  async readFeedPage () {
    if (this.phase !== 'looking') return
    const content = new Uint8Array(await this.torrentBlob('').arrayBuffer())
    const bytes = this.decrypt ? await this.decrypt(content).catch(() => null) : content
    if (this.phase !== 'looking' || this.torrent.destroyed) return
    if (!bytes) return this.fail('The key in this link does not open this channel. Copy the link again, whole.')
    const feedPage = parseFeedPage(bytes, this.link.ageIdentity)
    if (typeof feedPage === 'string') return this.fail(feedPage)
    this.feedPage = feedPage
    this.phase = 'whole'
    this.dispatchEvent(new Event('feedpage'))
    this.emitChange()
  }

  /** The audio as a Blob, when all of it is here. */
  blob () {
    const { type } = this.kind
    return this.decryptedBlob ? this.decryptedBlob.slice(0, this.decryptedBlob.size, type) : this.torrentBlob(type)
  }

  /** The file in the torrent as a Blob, which may be encrypted. */
  torrentBlob (type) {
    let store = this.torrent.store
    while (!(store instanceof PieceStore)) store = store.store // webtorrent wraps it in caches
    return store.toBlob(type)
  }

  fail (problem) {
    this.stop()
    this.phase = 'failed'
    this.problem = problem
    this.emitChange()
  }

  stop () {
    clearInterval(this.timer)
    if (this.torrent && !this.torrent.destroyed) this.torrent.destroy()
  }

  get peers () {
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

  get foundNobody () {
    return this.waited > NOBODY_AFTER
  }

  tick () {
    const now = performance.now()
    const wantsMore = this.phase === 'looking' || this.phase === 'downloading'
    if (this.torrent.received !== this.received) {
      this.received = this.torrent.received
      this.lastProgress = now
      this.announceEvery = ANNOUNCE_EVERY
      this.stalledAfter = STALLED_AFTER
    }
    if (!wantsMore || !this.peers) this.lastProgress = now
    if (now > this.lastProgress + this.stalledAfter) {
      // A tab that crashed looks connected for half a minute, and blocks the pieces it was asked
      // for. And two that connect before either has the metadata never ask each other again.
      for (const wire of [...this.torrent.wires]) wire.destroy()
      this.lastProgress = now
      this.stalledAfter = Math.min(2 * this.stalledAfter, LONGEST_WAIT)
      this.nextAnnounce = 0
    }
    if (wantsMore && !this.peers && now > this.nextAnnounce) {
      // A seeder accepts one page from each address at a time, so ask again when that one may be gone.
      this.torrent.discovery?.tracker?.update()
      this.nextAnnounce = now + this.announceEvery * this.slowdown()
      this.announceEvery = Math.min(2 * this.announceEvery, LONGEST_WAIT)
    }
    this.emitChange()
  }

  /** Announce again, as the network is back. By itself that would take minutes. */
  reconnect () {
    if (!this.torrent || this.torrent.destroyed) return
    this.heardTracker = false
    this.began = performance.now()
    this.torrent.discovery?.destroy()
    this.torrent.discovery = null
    this.torrent._startDiscovery?.() // not public, but the version is pinned
  }

  emitChange () {
    this.dispatchEvent(new Event('change'))
  }
}
