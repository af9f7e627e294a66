/** A channel on the page: its memos, and a button that loads older ones. */

import { make, setText } from './dom.js'
import { facts, safe, safeLines } from './text.js'

const LATER = 'Memos published after this link was made are not shown: ask for a newer link, or ' +
  'follow the channel with memocast.'
const CIRCLE = 'The feed of this channel goes in a circle, so its older memos cannot be shown.'
const NO_FEED = 'The next page of this channel is not a feed. Tell its owner.'
const WAITING = 'Waiting for somebody who has the older memos…'
const NOBODY = 'Nobody who has the older memos is online. This page keeps looking.'

export class Channel {
  /**
   * `transfer` has the newest page of the channel's feed. `actions` are what the buttons do:
   * `copyLink()`, `dismiss()` and `listen(item, row)`; `fetchFeedPage(link)`, which returns the
   * Transfer of an older page; and `drop(infoHash)`, which stops a useless one.
   */
  constructor (transfer, actions) {
    this.actions = actions
    this.link = transfer.link
    this.name = transfer.feedPage.title || transfer.name.replace(/\.[^.]{1,5}$/, '') || 'A channel'
    this.rows = new Map() // by the id of the item
    this.infoHashes = [this.link.infoHash] // of the pages of its feed, newest first
    this.build()
    this.addFeedPage(transfer.feedPage)
  }

  build () {
    this.element = make('section', { className: 'channel' })
    const heading = make('h2', { id: `channel-${this.link.infoHash}`, textContent: safe(this.name) })
    this.element.setAttribute('aria-labelledby', heading.id)
    this.facts = make('p', { className: 'facts' })
    this.list = make('div', { className: 'cards' })
    this.olderButton = make('button', { className: 'older', textContent: 'Older' })
    this.copyButton = make('button', { className: 'copy', textContent: 'Copy link' })
    this.dismissButton = make('button', { className: 'remove', textContent: 'Dismiss' })
    this.copyButton.setAttribute('aria-label', `Copy link of ${safe(this.name)}`)
    this.dismissButton.setAttribute('aria-label', `Dismiss ${safe(this.name)}`)
    this.status = make('p', { className: 'status' })
    this.status.setAttribute('role', 'status')
    const buttons = make('div', { className: 'row' })
    buttons.append(this.olderButton, this.copyButton, this.dismissButton)
    this.element.append(heading, this.facts, this.list, buttons, this.status)
    this.olderButton.onclick = () => this.loadOlder()
    this.copyButton.onclick = async () => setText(this.status, await this.actions.copyLink())
    this.dismissButton.onclick = () => this.actions.dismiss()
  }

  /** Show the items of one more page of the feed. Returns the rows that are new. */
  addFeedPage (feedPage) {
    const added = []
    for (const item of feedPage.items) {
      if (this.rows.has(item.id)) continue
      const row = new ItemRow(item, () => this.actions.listen(item, row))
      this.rows.set(item.id, row)
      added.push(row)
    }
    this.list.append(...added.map(row => row.element))
    this.older = feedPage.older
    this.olderButton.hidden = !this.older
    const count = this.rows.size
    this.facts.textContent = `${count === 1 ? '1 memo' : `${count} memos`}. ${LATER}`
    return added
  }

  /** Fetch the next older page of the feed, and show it. */
  loadOlder () {
    if (this.infoHashes.includes(this.older.infoHash)) return this.endAt(CIRCLE)
    this.infoHashes.push(this.older.infoHash)
    this.olderButton.disabled = true
    const transfer = this.actions.fetchFeedPage(this.older)
    const listening = new AbortController()
    const update = () => {
      if (transfer.phase === 'looking') return setText(this.status, transfer.foundNobody ? NOBODY : WAITING)
      listening.abort()
      this.olderButton.disabled = false
      if (!transfer.feedPage) {
        this.actions.drop(transfer.link.infoHash)
        return this.endAt(transfer.problem || NO_FEED)
      }
      setText(this.status, '')
      this.addFeedPage(transfer.feedPage)[0]?.button.focus()
    }
    transfer.addEventListener('change', update, { signal: listening.signal })
    update()
  }

  /** Hide the button for older pages, and show why. */
  endAt (problem) {
    this.olderButton.hidden = true
    setText(this.status, problem)
  }
}

/** A memo in the channel's list. A card replaces it when the user wants to listen. */
class ItemRow {
  constructor (item, listen) {
    this.element = make('article', { className: 'listed' })
    this.button = make('button', { className: 'primary listen', textContent: 'Listen', onclick: listen })
    this.button.setAttribute('aria-label', `Listen to ${safe(item.title)}`)
    const buttons = make('div', { className: 'row' })
    buttons.append(this.button)
    this.element.append(
      make('h3', { textContent: safe(item.title) }),
      make('p', { className: 'facts', textContent: facts(item) }),
      make('p', { className: 'description', textContent: safeLines(item.description), hidden: !item.description }),
      buttons
    )
  }

  /** Show a card in its place, until the card leaves. */
  replaceWith (card) {
    card.move(element => this.element.after(element), () => this.restore())
    this.element.hidden = true
  }

  restore () {
    this.element.hidden = false
    this.button.focus()
  }
}
