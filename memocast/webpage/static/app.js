/** The listening page: it opens the link in its address, records answers, and lists what is kept. */

import { Card } from './card.js'
import { Channels } from './channels.js'
import { ask, copy, edit } from './dialogs.js'
import { load as loadLibrary } from './webtorrent.js'
import { carriesLink, pageLink, parse } from './link.js'
import { identify } from './memo.js'
import { Recorder } from './recorder_view.js'
import { load as loadSettings } from './settings.js'
import { open as openStore } from './store.js'
import { start as startStreaming } from './stream.js'
import { Swarm } from './swarm.js'
import { safe } from './text.js'

const MOST_OFFERED = 20 // of the memos kept; each takes connections at every tracker
const NOT_LOADED = 'The part of this page that talks to others could not be loaded. Check your connection; it is tried again.'
const get = id => document.getElementById(id)
const linked = document.querySelector('#linked .cards')
const list = document.querySelector('#kept .cards')

class Page {
  cards = new Map()
  channels = new Channels(this)
  store = null
  swarm = null
  canStream = false
  attempts = 0
  problems = '' // what is wrong with the link
  broken = '' // why nobody can be reached
  forgotten = '' // why nothing that was kept is here

  async open () {
    const missing = whatIsMissing()
    if (missing) {
      get('trouble').textContent = missing
      return
    }
    this.tell()
    document.querySelector('main').hidden = false
    this.store = await openStore().catch(() => null)
    for (const kept of await this.store?.memos().catch(() => this.forgetful()) ?? []) this.showKept(kept)
    this.recorder = new Recorder(this.store, (...made) => this.publish(...made))
    this.recorder.show()
    await this.recorder.recover().catch(() => this.forgetful())
    this.listen()
    for (const id of ['record', 'fetch']) get(id).disabled = false // before this, a click would be lost
    this.showLink() // before anything is loaded from elsewhere
    this.show()
    await this.connect()
  }

  /** What was kept cannot be read: the page goes on without. */
  forgetful () {
    this.store = null
    this.forgotten = 'This browser does not give back what it kept here.'
    this.tell()
    return []
  }

  /** Join the swarm, or say why not; what is kept plays without it. */
  async connect () {
    if (this.connecting || this.swarm) return
    this.connecting = true
    this.broken = ''
    const streaming = startStreaming(infoHash => this.swarm?.transfers.get(infoHash)).catch(() => false)
    try {
      const [WebTorrent, settings] = await Promise.all([loadLibrary(this.attempts++), loadSettings()])
      this.swarm = new Swarm(WebTorrent, settings)
    } catch {
      this.broken = navigator.onLine ? NOT_LOADED : 'There is no network. What this browser keeps can be played.'
      this.tell()
      for (const card of this.cards.values()) card.show()
      return
    } finally {
      this.connecting = false
    }
    this.tell()
    for (const card of this.cards.values()) if (card.link && !card.kept) this.join(card)
    for (const card of [...this.cards.values()].filter(card => card.kept).slice(0, MOST_OFFERED)) {
      card.follow(this.swarm.offer(card.kept))
    }
    this.canStream = await streaming
  }

  /** Say what is wrong, if anything is. */
  tell () {
    get('trouble').textContent = this.problems || this.broken || this.forgotten
  }

  // -- links -----------------------------------------------------------------------

  showLink () {
    this.problems = ''
    if (carriesLink(location)) this.openLink()
    this.tell()
  }

  openLink () {
    const { links, problems } = parse(location.href)
    if (/[?&]seeds=/.test(location.search) && links.length) {
      // Old links have it in the query, which goes to the web server: once is enough.
      history.replaceState(null, '', pageLink(links))
    }
    if (!links.length && !problems.length) problems.push('There is no magnet link in this address. Copy the link again, whole.')
    this.problems = problems.join(' ')
    for (const link of links) this.fetch(link)
  }

  /** Show a link's memo, and look for it. */
  fetch (link) {
    if (this.channels.goTo(link.infoHash)) return
    const card = this.cardOf(link)
    card.move(element => linked.append(element))
    this.lookFor(card)
  }

  /** The card of a link's memo, which may be new. */
  cardOf (link) {
    let card = this.cards.get(link.infoHash)
    if (!card) {
      card = this.makeCard(link.infoHash)
      card.link = link
    } else if (card.transfer?.phase === 'failed' && !card.kept) {
      // The same memo by a whole link, after one that was damaged.
      this.swarm.drop(link.infoHash)
      card.transfer = null
      card.link = link
    }
    return card
  }

  lookFor (card) {
    if (!card.kept && !card.transfer) {
      card.show()
      if (this.swarm) this.join(card)
      else this.connect()
    }
    this.show()
  }

  join (card) {
    const transfer = this.swarm.fetch(card.link)
    if (transfer.page) return this.showChannel(card, transfer)
    transfer.addEventListener('whole', () => this.keepFetched(card), { once: true })
    transfer.addEventListener('page', () => this.showChannel(card, transfer), { once: true })
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
      ...transfer.open && { key: transfer.link.key, sealed: transfer.content('') }
    })
  }

  /** What a card's link leads to is a channel: show that instead. */
  showChannel (card, transfer) {
    this.cards.delete(card.link.infoHash)
    card.close()
    this.channels.show(transfer)
    this.show()
  }

  // -- what is kept ------------------------------------------------------------------

  /** Offer what was recorded, and keep it in the place of the draft of that `recording`. */
  async publish (memo, blob, recording) {
    const kind = identify(new Uint8Array(await blob.slice(0, 64).arrayBuffer()))
    if (!this.swarm) throw new Error('this page is not connected')
    const made = await this.swarm.publish(memo, blob, kind)
    const card = this.makeCard(made.infoHash)
    card.follow(this.swarm.transfers.get(made.infoHash))
    list.prepend(card.element)
    await this.keep(card, { ...made, ...memo, origin: 'recorded', kind, blob }, recording)
    card.copyButton.focus()
  }

  async keep (card, memo, recording) {
    const kept = { ...memo, arrived: Date.now() }
    try {
      if (!this.store) throw new Error('it keeps nothing')
      await this.store.keep(kept, recording)
      // Dismissed in the meantime: then nothing of it stays.
      if (card.closed.signal.aborted) return await this.store.remove(kept.infoHash)
      navigator.storage?.persist?.().catch(() => {}) // a wish
    } catch {
      card.tell('This browser has no room for it or keeps nothing: it is here until you close the tab.')
    }
    card.hold(kept)
    this.show()
  }

  showKept (kept) {
    list.append(this.makeCard(kept.infoHash).hold(kept).element)
  }

  /** Show what is kept among the others that are, and nowhere else. */
  putAway (card) {
    card.move(element => list.prepend(element))
  }

  makeCard (infoHash) {
    const card = new Card({
      canStream: () => this.canStream,
      trouble: () => this.broken,
      dismiss: card => this.dismiss(card),
      copyLink: card => copy(pageLink([card.kept ?? card.link])),
      edit: card => this.edit(card),
      remove: card => this.remove(card)
    })
    this.cards.set(infoHash, card)
    return card
  }

  async edit (card) {
    const words = await edit(card.memo)
    if (!words) return
    try {
      if (!await this.store?.change(card.kept.infoHash, words)) card.tell('This browser does not keep it any more.')
    } catch {
      return card.tell('This browser did not keep the change.')
    }
    card.hold({ ...card.kept, ...words })
  }

  async remove (card) {
    const { infoHash, title } = card.kept
    if (!await ask(`Delete “${safe(title)}” from this browser? Copies that others have stay theirs.`)) return
    try {
      await this.store?.remove(infoHash)
    } catch {
      return card.tell('This browser did not delete it.')
    }
    this.takeOff(card, infoHash)
  }

  /** Stop waiting for a memo. */
  dismiss (card) {
    this.takeOff(card, card.link.infoHash)
  }

  takeOff (card, infoHash) {
    this.swarm?.drop(infoHash)
    this.cards.delete(infoHash)
    get('record').focus() // unless a channel's row knows better
    card.close()
    this.show()
  }

  show () {
    get('recorder-heading').textContent = linked.childElementCount ? 'Record an answer' : 'Record a memo'
    get('linked').hidden = !linked.childElementCount
    get('empty').hidden = [...this.cards.values()].some(card => card.kept)
    get('share-all').hidden = [...this.cards.values()].filter(card => card.kept && !card.kept.key).length < 2
  }

  listen () {
    addEventListener('hashchange', () => this.showLink())
    addEventListener('online', () => {
      this.swarm?.reconnect()
      this.connect()
    })
    // Coming back to a page that the browser had put aside: its connections are gone.
    addEventListener('pageshow', event => { if (event.persisted) location.reload() })
    get('share-all').onclick = async () => {
      // A private link is given to somebody, not along with everything else.
      const kept = [...this.cards.values()].map(card => card.kept).filter(memo => memo && !memo.key)
        .sort((a, b) => b.arrived - a.arrived)
      const words = await copy(pageLink(kept.slice(0, MOST_OFFERED)))
      const sealed = [...this.cards.values()].some(card => card.kept?.key)
      const left = (kept.length > MOST_OFFERED ? ` It holds the newest ${MOST_OFFERED}.` : '') +
        (sealed ? ' Private memos are left out.' : '')
      get('share-status').textContent = words && words + left
    }
    get('fetch').onclick = () => this.fetchTyped()
    get('link').onkeydown = event => { if (event.key === 'Enter') this.fetchTyped() }
  }

  fetchTyped () {
    const { links, problems } = parse(get('link').value)
    get('fetch-status').textContent = problems.join(' ') ||
      (links.length ? '' : 'That is not a link. Paste a magnet or a page link.')
    if (links.length) get('link').value = ''
    for (const link of links) this.fetch(link)
  }
}

/** What this browser cannot do that the page needs, as a sentence; nothing when all is well. */
function whatIsMissing () {
  if (!globalThis.RTCPeerConnection) return 'This browser has no WebRTC (or it is turned off), so it cannot reach the sender.'
  const isCurrent = globalThis.HTMLDialogElement && Array.prototype.at && Blob.prototype.arrayBuffer && globalThis.indexedDB
  return isCurrent ? '' : 'This browser is too old for this page. Open the link in a current one.'
}

const page = new Page()
page.open()
