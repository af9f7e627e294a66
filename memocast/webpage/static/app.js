/** The listening page: opens the link in its address, records answers, and lists the memos it keeps. */

import { Card } from './card.js'
import { Channels } from './channels.js'
import { copy } from './dialogs.js'
import { byId } from './dom.js'
import { KeptMemos } from './kept_memos.js'
import { hasLink, pageLink, parseLinks } from './link.js'
import { RecorderView } from './recorder_view.js'
import { Session } from './session.js'
import { loadSettings } from './settings.js'
import { startStreaming } from './stream.js'
import { loadWebTorrent } from './webtorrent.js'

const MAX_SEEDED = 20 // memos; each needs connections at every tracker
const NOT_LOADED = 'The part of this page that connects to other people could not be loaded. ' +
  'Check your connection; the page will try again.'
const OFFLINE = 'You are offline. Memos kept in this browser can still be played.'
const NO_LINK = 'There is no magnet link in this address. Copy the whole link again.'
const linked = document.querySelector('#linked .cards')

class Page {
  cards = new Map() // by info-hash
  channels = new Channels(this)
  keptMemos = new KeptMemos(this)
  session = null
  connecting = null // a promise, while the session starts
  canStream = false
  attempts = 0
  linkProblem = ''
  connectionProblem = ''

  async open () {
    const missing = missingFeature()
    if (missing) {
      byId('trouble').textContent = missing
      return
    }
    this.showProblem()
    document.querySelector('main').hidden = false
    await this.keptMemos.open()
    const recorderView = new RecorderView(this.keptMemos.store, (...recorded) => this.keptMemos.share(...recorded))
    recorderView.show()
    await recorderView.recover().catch(() => this.keptMemos.loseStore())
    this.listen()
    for (const id of ['record', 'fetch']) byId(id).disabled = false // before this, a click has no effect
    this.showLink() // before anything is loaded from other servers
    this.show()
    await this.connect()
  }

  listen () {
    addEventListener('hashchange', () => this.showLink())
    addEventListener('online', () => {
      this.session?.reconnect()
      this.connect()
    })
    // A page from the browser's back-forward cache has lost its connections.
    addEventListener('pageshow', event => { if (event.persisted) location.reload() })
    byId('share-all').onclick = () => this.keptMemos.copyLinkToAll()
    byId('fetch').onclick = () => this.fetchTyped()
    byId('link').onkeydown = event => { if (event.key === 'Enter') this.fetchTyped() }
  }

  /** Start the session, or show why it failed; resolve then. Kept memos play without it. */
  connect () {
    this.connecting ??= this.startSession().finally(() => { this.connecting = null })
    return this.connecting
  }

  async startSession () {
    if (this.session) return
    this.connectionProblem = ''
    const streaming = startStreaming(infoHash => this.session?.transfers.get(infoHash)).catch(() => false)
    try {
      const [WebTorrent, settings] = await Promise.all([loadWebTorrent(this.attempts++), loadSettings()])
      this.session = new Session(WebTorrent, settings)
    } catch {
      this.connectionProblem = navigator.onLine ? NOT_LOADED : OFFLINE
      this.showProblem()
      for (const card of this.cards.values()) card.show()
      return
    }
    this.showProblem()
    for (const card of this.cards.values()) if (card.link && !card.kept) this.download(card)
    for (const card of this.keptMemos.cards.slice(0, MAX_SEEDED)) {
      card.follow(this.session.seed(card.link, card.kept))
    }
    streaming.then(canStream => { this.canStream = canStream })
  }

  /** Show the current problem, if any. */
  showProblem () {
    byId('trouble').textContent = this.linkProblem || this.connectionProblem || this.keptMemos.problem
  }

  /** Update what depends on which cards there are. */
  show () {
    byId('recorder-heading').textContent = linked.childElementCount ? 'Record an answer' : 'Record a memo'
    byId('linked').hidden = !linked.childElementCount
    this.keptMemos.show()
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
    if (!links.length && !problems.length) problems.push(NO_LINK)
    this.linkProblem = problems.join(' ')
    for (const link of links) this.fetch(link)
  }

  fetchTyped () {
    const { links, problems } = parseLinks(byId('link').value)
    byId('fetch-status').textContent = problems.join(' ') ||
      (links.length ? '' : 'That is not a link. Paste a magnet or a page link.')
    if (links.length) byId('link').value = ''
    for (const link of links) this.fetch(link)
  }

  /** Show the card of a link's memo, and fetch the memo. */
  fetch (link) {
    if (this.channels.scrollTo(link.infoHash)) return
    const card = this.cardFor(link)
    card.move(element => linked.append(element))
    this.startFetch(card)
  }

  /** Fetch a card's memo, unless it is here or being fetched. */
  startFetch (card) {
    if (!card.kept && !card.transfer) {
      card.show()
      if (this.session) this.download(card)
      else this.connect()
    }
    this.show()
  }

  download (card) {
    const transfer = this.session.fetch(card.link)
    if (transfer.feedPage) return this.showChannel(card, transfer)
    transfer.addEventListener('whole', () => this.keptMemos.keepFetched(card), { once: true })
    transfer.addEventListener('feedpage', () => this.showChannel(card, transfer), { once: true })
    card.follow(transfer)
  }

  /** Show a channel instead of a card, as the link leads to a page of its feed. */
  showChannel (card, transfer) {
    this.cards.delete(card.link.infoHash)
    card.close()
    this.channels.show(transfer)
    this.show()
  }

  // -- cards -----------------------------------------------------------------------

  /** Return the card of a link's memo, made if there is none. */
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

  makeCard (infoHash, link = null) {
    const card = new Card({
      canStream: () => this.canStream,
      connectionProblem: () => this.connectionProblem,
      copyLink: card => copy(pageLink([card.link])),
      edit: card => this.keptMemos.edit(card),
      remove: card => this.keptMemos.remove(card),
      dismiss: card => this.dismiss(card)
    }, link)
    this.cards.set(infoHash, card)
    return card
  }

  /** Remove the card of a memo that is not kept. */
  dismiss (card) {
    this.removeCard(card, card.link.infoHash)
  }

  removeCard (card, infoHash) {
    this.session?.drop(infoHash)
    this.cards.delete(infoHash)
    byId('record').focus() // if a channel's row takes the card's place, it takes the focus too
    card.close()
    this.show()
  }
}

/** Return what this browser lacks, as a sentence, or ''. */
function missingFeature () {
  if (!globalThis.RTCPeerConnection) {
    return 'This browser has no WebRTC (or it is turned off), so it cannot reach the sender.'
  }
  const { HTMLDialogElement, indexedDB } = globalThis
  const isCurrent = HTMLDialogElement && Array.prototype.at && Blob.prototype.arrayBuffer && indexedDB
  return isCurrent ? '' : 'This browser is too old for this page. Open the link in a current one.'
}

const page = new Page()
page.open()
