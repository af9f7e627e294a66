/** The memos that this browser keeps: stores, lists, edits and deletes them. */

import { ask, copy, edit } from './dialogs.js'
import { byId } from './dom.js'
import { linkOf, pageLink } from './link.js'
import { identify } from './memo.js'
import { openStore } from './store.js'
import { safe } from './text.js'

const MAX_IN_LINK = 20
const list = document.querySelector('#kept .cards')

export class KeptMemos {
  /** `page` has the cards and the session. */
  constructor (page) {
    this.page = page
    this.store = null
    this.problem = '' // why the memos cannot be read
  }

  /** Open the store, and show its memos. */
  async open () {
    this.store = await openStore().catch(() => null)
    const memos = await this.store?.memos().catch(() => this.loseStore()) ?? []
    for (const kept of memos) list.append(this.page.makeCard(kept.infoHash).keep(kept).element)
  }

  /** Continue without the store, which cannot be read. */
  loseStore () {
    this.store = null
    this.problem = 'This browser cannot read the memos that it kept.'
    this.page.showProblem()
    return []
  }

  /** The cards of the memos. */
  get cards () {
    return [...this.page.cards.values()].filter(card => card.kept)
  }

  /** Keep a memo that has been fetched. */
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

  /** Seed a recording as a memo, and replace its draft with the memo. */
  async share (memo, blob, recordingId) {
    const kind = identify(new Uint8Array(await blob.slice(0, 64).arrayBuffer()))
    await this.page.connect() // which may be under way
    const { session } = this.page
    if (!session) throw new Error('this page is not connected')
    const shared = await session.share(memo, blob, kind)
    const card = this.page.makeCard(shared.infoHash, shared)
    card.follow(session.transfers.get(shared.infoHash))
    list.prepend(card.element)
    await this.keep(card, { ...shared, ...memo, origin: 'recorded', kind, blob }, recordingId)
    card.copyButton.focus()
  }

  /** Store a memo. Its card shows it even if that fails. */
  async keep (card, memo, recordingId) {
    const kept = { ...memo, arrived: Date.now() }
    try {
      if (!this.store) throw new Error('there is no store')
      await this.store.keep(kept, recordingId)
      // If it was dismissed in the meantime, delete it again.
      if (card.isClosed) return await this.store.remove(kept.infoHash)
      navigator.storage?.persist?.().catch(() => {}) // only a request
    } catch {
      card.showMessage('This browser could not store it: it is here only until you close the tab.')
    }
    card.keep(kept)
    this.page.show()
  }

  /** Move a card to the list. */
  moveHere (card) {
    card.move(element => list.prepend(element))
  }

  async edit (card) {
    const fields = await edit(card.memo)
    if (!fields) return
    try {
      const isStored = await this.store?.change(card.kept.infoHash, fields)
      if (!isStored) card.showMessage('This browser no longer keeps it.')
    } catch {
      return card.showMessage('This browser could not save the change.')
    }
    card.keep({ ...card.kept, ...fields })
  }

  async remove (card) {
    const { infoHash, title } = card.kept
    if (!await ask(`Delete “${safe(title)}” from this browser? Other people’s copies remain.`)) return
    try {
      await this.store?.remove(infoHash)
    } catch {
      return card.showMessage('This browser could not delete it.')
    }
    this.page.removeCard(card, infoHash)
  }

  /** Copy a link to all memos, except private ones: such a link is for one person only. */
  async copyLinkToAll () {
    const kept = this.cards.map(card => card.kept)
    const shareable = kept.filter(memo => !memo.key).sort((a, b) => b.arrived - a.arrived)
    const copied = await copy(pageLink(shareable.slice(0, MAX_IN_LINK).map(linkOf)))
    const leftOut = (shareable.length > MAX_IN_LINK ? ` It contains the newest ${MAX_IN_LINK}.` : '') +
      (this.cards.some(card => card.kept.key) ? ' Private memos are left out.' : '')
    byId('share-status').textContent = copied && copied + leftOut
  }

  /** Update what depends on the number of memos. */
  show () {
    const { cards } = this
    byId('empty').hidden = cards.length > 0
    byId('share-all').hidden = cards.filter(card => !card.kept.key).length < 2
  }
}
