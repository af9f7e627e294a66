/** The listening page: opens the link in its address, records answers, and lists the memos it keeps. */

import { Card } from './card.js'
import { Channels } from './channels.js'
import { ask, copy, edit } from './dialogs.js'
import { byId } from './dom.js'
import { hasLink, linkOf, pageLink, parseLinks } from './link.js'
import { identify } from './memo.js'
import { RecorderView } from './recorder_view.js'
import { Session } from './session.js'
import { loadSettings } from './settings.js'
import { openStore } from './store.js'
import { startStreaming } from './stream.js'
import { safe } from './text.js'
import { loadWebTorrent } from './webtorrent.js'

const MAX_SEEDED = 20 // memos; each needs connections at every tracker
const NOT_LOADED = 'The part of this page that talks to others could not be loaded. Check your connection; it is tried again.'
const linked = document.querySelector('#linked .cards')
const list = document.querySelector('#kept .cards')

class Page {
  cards = new Map()
  channels = new Channels(this)
  store = null
  session = null
  canStream = false
  attempts = 0
  linkProblem = ''
  connectionProblem = ''
  storeProblem = ''

  async open () {
    const missing = missingFeature()
    if (missing) {
      byId('trouble').textContent = missing
      return
    }
    this.showProblem()
    document.querySelector('main').hidden = false
    this.store = await openStore().catch(() => null)
    for (const kept of await this.store?.memos().catch(() => this.loseStore()) ?? []) this.showKept(kept)
    this.recorderView = new RecorderView(this.store, (...recorded) => this.share(...recorded))
    this.recorderView.show()
    await this.recorderView.recover().catch(() => this.loseStore())
    this.listen()
    for (const id of ['record', 'fetch']) byId(id).disabled = false // enabled only when a click has an effect
    this.showLink() // before anything is loaded from elsewhere
    this.show()
    await this.connect()
  }

  /** Go on without the store, which cannot be read. */
  loseStore () {
    this.store = null
    this.storeProblem = 'This browser does not give back what it kept here.'
    this.showProblem()
    return []
  }

  /** Start the session, or show why not. The memos that this browser keeps play without it. */
  async connect () {
    if (this.connecting || this.session) return
    this.connecting = true
    this.connectionProblem = ''
    const streaming = startStreaming(infoHash => this.session?.transfers.get(infoHash)).catch(() => false)
    try {
      const [WebTorrent, settings] = await Promise.all([loadWebTorrent(this.attempts++), loadSettings()])
      this.session = new Session(WebTorrent, settings)
    } catch {
      this.connectionProblem = navigator.onLine ? NOT_LOADED : 'There is no network. What this browser keeps can be played.'
      this.showProblem()
      for (const card of this.cards.values()) card.show()
      return
    } finally {
      this.connecting = false
    }
    this.showProblem()
    for (const card of this.cards.values()) if (card.link && !card.kept) this.download(card)
    for (const card of [...this.cards.values()].filter(card => card.kept).slice(0, MAX_SEEDED)) {
      card.follow(this.session.seed(card.link, card.kept))
    }
    this.canStream = await streaming
  }

  /** Show what is wrong, if anything is. */
  showProblem () {
    byId('trouble').textContent = this.linkProblem || this.connectionProblem || this.storeProblem
  }

  // -- links -----------------------------------------------------------------------

  showLink () {
    this.linkProblem = ''
    if (hasLink(location)) this.openLink()
    this.showProblem()
  }

  openLink () {
    const { links, problems } = parseLinks(location.href)
    if (/[?&]seeds=/.test(location.search) && links.length) {
      // Old links are in the query, which is sent to the web server: do not send it again.
      history.replaceState(null, '', pageLink(links))
    }
    if (!links.length && !problems.length) problems.push('There is no magnet link in this address. Copy the link again, whole.')
    this.linkProblem = problems.join(' ')
    for (const link of links) this.fetch(link)
  }

  /** Show the card of a link's memo, and fetch the memo. */
  fetch (link) {
    if (this.channels.scrollTo(link.infoHash)) return
    const card = this.cardFor(link)
    card.move(element => linked.append(element))
    this.startFetch(card)
  }

  /** The card of a link's memo. It is made if there is none. */
  cardFor (link) {
    let card = this.cards.get(link.infoHash)
    if (!card) {
      card = this.makeCard(link.infoHash, link)
    } else if (card.transfer?.phase === 'failed' && !card.kept) {
      // An intact link to the same memo, after a damaged one.
      this.session.drop(link.infoHash)
      card.retry(link)
    }
    return card
  }

  /** Fetch a card's memo, unless it is here or on its way. */
  startFetch (card) {
    if (!card.kept && !card.transfer) {
      card.show()
      if (this.session) this.download(card)
      else this.connect()
    }
    this.show()
  }

  /** Download a card's memo. */
  download (card) {
    const transfer = this.session.fetch(card.link)
    if (transfer.feedPage) return this.showChannel(card, transfer)
    transfer.addEventListener('whole', () => this.keepFetched(card), { once: true })
    transfer.addEventListener('feedpage', () => this.showChannel(card, transfer), { once: true })
    card.follow(transfer)
  }

  async keepFetched (card) {
    const { transfer } = card
    const { title, description, created, duration, peaks } = card.memo
    await this.keep(card, {
      infoHash: transfer.link.infoHash,
      torrentFile: transfer.torrent.torrentFile,
      dn: transfer.link.dn || transfer.name,
      trackers: transfer.link.trackers,
      origin: 'fetched',
      title,
      description,
      created: created ?? new Date(),
      duration,
      peaks,
      kind: transfer.kind,
      blob: transfer.blob(),
      ...transfer.decrypt && { key: transfer.link.ageIdentity, sealed: transfer.torrentBlob('') }
    })
  }

  /** Show a channel instead of a card, as the link leads to a page of its feed. */
  showChannel (card, transfer) {
    this.cards.delete(card.link.infoHash)
    card.close()
    this.channels.show(transfer)
    this.show()
  }

  // -- what is kept ------------------------------------------------------------------

  /** Seed a recording as a memo, and keep the memo in place of the draft. */
  async share (memo, blob, recordingId) {
    const kind = identify(new Uint8Array(await blob.slice(0, 64).arrayBuffer()))
    if (!this.session) throw new Error('this page is not connected')
    const shared = await this.session.share(memo, blob, kind)
    const card = this.makeCard(shared.infoHash, shared)
    card.follow(this.session.transfers.get(shared.infoHash))
    list.prepend(card.element)
    await this.keep(card, { ...shared, ...memo, origin: 'recorded', kind, blob }, recordingId)
    card.copyButton.focus()
  }

  /** Store a memo, and show that it is kept. */
  async keep (card, memo, recordingId) {
    const kept = { ...memo, arrived: Date.now() }
    try {
      if (!this.store) throw new Error('it keeps nothing')
      await this.store.keep(kept, recordingId)
      // If it was dismissed in the meantime, nothing of it stays.
      if (card.isClosed) return await this.store.remove(kept.infoHash)
      navigator.storage?.persist?.().catch(() => {}) // only a request
    } catch {
      card.showMessage('This browser has no room for it or keeps nothing: it is here until you close the tab.')
    }
    card.keep(kept)
    this.show()
  }

  showKept (kept) {
    list.append(this.makeCard(kept.infoHash).keep(kept).element)
  }

  /** Move a card to the list of kept memos. */
  moveToKept (card) {
    card.move(element => list.prepend(element))
  }

  makeCard (infoHash, link = null) {
    const card = new Card({
      canStream: () => this.canStream,
      connectionProblem: () => this.connectionProblem,
      dismiss: card => this.dismiss(card),
      copyLink: card => copy(pageLink([card.link])),
      edit: card => this.edit(card),
      remove: card => this.remove(card)
    }, link)
    this.cards.set(infoHash, card)
    return card
  }

  async edit (card) {
    const fields = await edit(card.memo)
    if (!fields) return
    try {
      if (!await this.store?.change(card.kept.infoHash, fields)) card.showMessage('This browser does not keep it any more.')
    } catch {
      return card.showMessage('This browser did not keep the change.')
    }
    card.keep({ ...card.kept, ...fields })
  }

  async remove (card) {
    const { infoHash, title } = card.kept
    if (!await ask(`Delete “${safe(title)}” from this browser? Copies that others have stay theirs.`)) return
    try {
      await this.store?.remove(infoHash)
    } catch {
      return card.showMessage('This browser did not delete it.')
    }
    this.removeCard(card, infoHash)
  }

  /** Remove a memo that is not kept. */
  dismiss (card) {
    this.removeCard(card, card.link.infoHash)
  }

  removeCard (card, infoHash) {
    this.session?.drop(infoHash)
    this.cards.delete(infoHash)
    byId('record').focus() // a channel's row then takes the focus, if the card was in its place
    card.close()
    this.show()
  }

  show () {
    byId('recorder-heading').textContent = linked.childElementCount ? 'Record an answer' : 'Record a memo'
    byId('linked').hidden = !linked.childElementCount
    byId('empty').hidden = [...this.cards.values()].some(card => card.kept)
    byId('share-all').hidden = [...this.cards.values()].filter(card => card.kept && !card.kept.key).length < 2
  }

  listen () {
    addEventListener('hashchange', () => this.showLink())
    addEventListener('online', () => {
      this.session?.reconnect()
      this.connect()
    })
    // A page from the browser's back-forward cache has lost its connections.
    addEventListener('pageshow', event => { if (event.persisted) location.reload() })
    byId('share-all').onclick = async () => {
      // A private link is for one person, not for everybody who gets this one.
      const kept = [...this.cards.values()].map(card => card.kept).filter(memo => memo && !memo.key)
        .sort((a, b) => b.arrived - a.arrived)
      const copied = await copy(pageLink(kept.slice(0, MAX_SEEDED).map(linkOf)))
      const hasPrivate = [...this.cards.values()].some(card => card.kept?.key)
      const leftOut = (kept.length > MAX_SEEDED ? ` It holds the newest ${MAX_SEEDED}.` : '') +
        (hasPrivate ? ' Private memos are left out.' : '')
      byId('share-status').textContent = copied && copied + leftOut
    }
    byId('fetch').onclick = () => this.fetchTyped()
    byId('link').onkeydown = event => { if (event.key === 'Enter') this.fetchTyped() }
  }

  fetchTyped () {
    const { links, problems } = parseLinks(byId('link').value)
    byId('fetch-status').textContent = problems.join(' ') ||
      (links.length ? '' : 'That is not a link. Paste a magnet or a page link.')
    if (links.length) byId('link').value = ''
    for (const link of links) this.fetch(link)
  }
}

/** What the page needs and this browser lacks, as a sentence, or ''. */
function missingFeature () {
  if (!globalThis.RTCPeerConnection) return 'This browser has no WebRTC (or it is turned off), so it cannot reach the sender.'
  const isCurrent = globalThis.HTMLDialogElement && Array.prototype.at && Blob.prototype.arrayBuffer && globalThis.indexedDB
  return isCurrent ? '' : 'This browser is too old for this page. Open the link in a current one.'
}

const page = new Page()
page.open()
