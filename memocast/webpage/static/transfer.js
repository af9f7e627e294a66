/** The download and seeding of a memo or feed page. */

import { refusal } from './acceptance.js'
import { NOT_LOADED, decryptMemoInfo, loadDecrypt } from './age.js'
import { DecryptedFile } from './decrypted_file.js'
import { parseFeedPage } from './feed.js'
import { identify, isFeedPage, parseMemoInfo, rawMemoInfo, sealedBlock } from './memo.js'
import { PeerSearch } from './peer_search.js'
import { PieceStore } from './pieces.js'

const CONFIRM_ABOVE = 64e6 // bytes; few people mean to send more than an hour of speech
const HEAD_BYTES = 64 // enough to identify audio
const DAMAGED = 'This memo is damaged or truncated. Ask the sender to share it again.'

/**
 * Emits `change` whenever it changes. When complete, it emits `whole`, or `feedpage` if it is a
 * page of a feed.
 *
 * `phase` is `looking` (for a peer that sends the metadata, or the feed page), `asking` (it is
 * large, and waits for `start`), `downloading`, `whole` or `failed` (`problem` says why).
 */
export class Transfer extends EventTarget {
  /**
   * `slowdown()` returns how many times slower than usual to announce. With `onlyFeedPage` it
   * refuses memos. The rest is known if this browser has the memo.
   */
  constructor (link, slowdown, { onlyFeedPage = false, kind = null, decryptedBlob = null, phase = 'looking' }) {
    super()
    this.link = link
    this.slowdown = slowdown
    this.onlyFeedPage = onlyFeedPage
    this.phase = phase
    this.problem = ''
    this.name = link.dn
    this.size = 0
    this.memoInfo = null
    this.kind = kind
    this.decrypt = null // a function, if it is private
    this.decryptedFile = null // its audio while it downloads
    this.decryptedBlob = decryptedBlob // its audio when complete
    this.isFeedPage = false
    this.feedPage = null // until it is complete
    this.headPromise = null
    this.torrent = null
    this.search = null
  }

  /** Follow a webtorrent torrent, added without a selection. */
  follow (torrent, heardTracker = false) {
    this.torrent = torrent
    this.search = new PeerSearch(torrent, this.slowdown, heardTracker)
    torrent.on('trackerAnnounce', () => this.emitChange())
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
  }

  /** Check the metadata before any content is downloaded. */
  async checkMetadata () {
    const { files } = this.torrent
    if (files.length === 1) {
      this.name = files[0].name
      this.size = files[0].length
    }
    const problem = refusal(this.torrent, this.link.ageIdentity, {
      onlyFeedPage: this.onlyFeedPage, isDecrypted: Boolean(this.decryptedBlob)
    })
    if (problem) return this.fail(problem)
    const raw = rawMemoInfo(this.torrent)
    if (isFeedPage(raw, this.name)) return this.startFeedPage()
    if (this.decryptedBlob) return
    const block = sealedBlock(raw)
    if (!block) this.memoInfo = parseMemoInfo(raw)
    else if (!await this.decryptInfo(block) || this.phase !== 'looking') return
    this.phase = 'asking'
    if (this.size <= CONFIRM_ABOVE) this.start()
    this.emitChange()
  }

  /** Download a page of a feed. A private channel's page needs the decryption code. */
  async startFeedPage () {
    if (this.link.ageIdentity && !await this.loadDecrypt()) return
    if (this.phase !== 'looking') return
    this.isFeedPage = true
    this.selectAll()
    this.emitChange()
  }

  /** Decrypt the info of a private memo. Resolves to whether that worked; if not, it has failed. */
  async decryptInfo (block) {
    if (!await this.loadDecrypt()) return false
    try {
      // The error is not shown: it can contain the identity.
      this.memoInfo = parseMemoInfo(await decryptMemoInfo(this.decrypt, block))
    } catch {
      this.fail('The key in this link does not open this memo. Copy the whole link again.')
      return false
    }
    return true
  }

  /** Load the decryption code. Resolves to whether that worked; if not, the transfer has failed. */
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
    this.selectAll()
    this.emitChange()
  }

  selectAll () {
    this.torrent.select(0, this.torrent.pieces.length - 1)
  }

  /** Check that the first piece is audio before anything decodes it. */
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
    const endIn = length => Math.min(HEAD_BYTES, length) - 1
    if (!this.decrypt) return new Uint8Array(await file.arrayBuffer({ start: 0, end: endIn(this.size) }))
    this.decryptedFile = await DecryptedFile.start(this.decrypt, file)
    const bytes = this.decryptedFile[Symbol.asyncIterator]({ end: endIn(this.decryptedFile.length) })
    const { value } = await bytes.next()
    return value ?? new Uint8Array()
  }

  /** The audio, readable while it downloads. */
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

  /** Parse the complete page of a feed. */
  async readFeedPage () {
    if (this.phase !== 'looking') return
    const content = new Uint8Array(await this.torrentBlob('').arrayBuffer())
    const bytes = this.decrypt ? await this.decrypt(content).catch(() => null) : content
    if (this.phase !== 'looking' || this.torrent.destroyed) return
    if (!bytes) return this.fail('The key in this link does not open this channel. Copy the whole link again.')
    const feedPage = parseFeedPage(bytes, this.link.ageIdentity)
    if (typeof feedPage === 'string') return this.fail(feedPage)
    this.feedPage = feedPage
    this.phase = 'whole'
    this.dispatchEvent(new Event('feedpage'))
    this.emitChange()
  }

  /** The complete audio as a Blob. */
  blob () {
    const { type } = this.kind
    return this.decryptedBlob ? this.decryptedBlob.slice(0, this.decryptedBlob.size, type) : this.torrentBlob(type)
  }

  /** The torrent's file as a Blob, which may be encrypted. */
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

  get progress () {
    return this.phase === 'whole' ? 1 : this.torrent?.progress ?? 0
  }

  get speed () {
    return this.torrent?.downloadSpeed ?? 0
  }

  get peers () {
    return this.search?.peers ?? 0
  }

  get heardTracker () {
    return this.search?.heardTracker
  }

  get noTracker () {
    return this.search?.noTracker
  }

  get foundNobody () {
    return this.search?.foundNobody
  }

  tick () {
    this.search.tick(this.phase === 'looking' || this.phase === 'downloading')
    this.emitChange()
  }

  /** Search again when the network is back. */
  reconnect () {
    this.search?.reconnect()
  }

  emitChange () {
    this.dispatchEvent(new Event('change'))
  }
}
