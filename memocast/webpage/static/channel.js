/** A channel on the page: what was published there, and the way to what is older. */

import { facts, safe, safeLines } from './text.js'

const LATER = 'What is published after this link was made is not here: ask for a newer one, or ' +
  'follow the channel with memocast.'
const CIRCLE = 'This channel leads in circles, so its older memos cannot be shown.'
const NO_FEED = 'What this channel leads to next is no feed. Tell whoever publishes it.'
const WAITING = 'Waiting for somebody who has the older memos…'
const NOBODY = 'Nobody who has the older memos is online. This page keeps looking.'

const make = (name, properties = {}) => Object.assign(document.createElement(name), properties)

export class Channel {
  /**
   * `transfer` has its newest page. `actions` has what buttons do: `copyLink(channel)`,
   * `dismiss(channel)`, `listen(item, row)`; `lookFor(link)`, which gives an older page's Transfer;
   * and `drop(infoHash)` when that is of no use.
   */
  constructor (transfer, actions) {
    this.actions = actions
    this.link = transfer.link
    this.name = transfer.page.title || transfer.name.replace(/\.[^.]{1,5}$/, '') || 'A channel'
    this.items = new Map()
    this.pages = [this.link.infoHash]
    this.build()
    this.add(transfer)
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
    const row = make('div', { className: 'row' })
    row.append(this.olderButton, this.copyButton, this.dismissButton)
    this.element.append(heading, this.facts, this.list, row, this.status)
    this.olderButton.onclick = () => this.goBack()
    this.copyButton.onclick = async () => { this.say(await this.actions.copyLink(this)) }
    this.dismissButton.onclick = () => this.actions.dismiss(this)
  }

  /** Show what is on one more page; return the rows that are new. */
  add (transfer) {
    const rows = []
    for (const item of transfer.page.items) {
      if (this.items.has(item.id)) continue
      const row = new Row(item, () => this.actions.listen(item, row))
      this.items.set(item.id, row)
      rows.push(row)
    }
    this.list.append(...rows.map(row => row.element))
    this.older = transfer.page.older
    this.olderButton.hidden = !this.older
    const count = this.items.size
    this.facts.textContent = `${count === 1 ? '1 memo' : `${count} memos`}. ${LATER}`
    return rows
  }

  /** Look for the page before the last one that is shown. */
  goBack () {
    if (this.pages.includes(this.older.infoHash)) return this.end(CIRCLE)
    this.pages.push(this.older.infoHash)
    this.olderButton.disabled = true
    const transfer = this.actions.lookFor(this.older)
    const stop = new AbortController()
    const look = () => {
      if (transfer.phase === 'looking') return this.say(transfer.nobody ? NOBODY : WAITING)
      stop.abort()
      this.olderButton.disabled = false
      if (!transfer.page) {
        this.actions.drop(transfer.link.infoHash)
        return this.end(transfer.problem || NO_FEED)
      }
      this.say('')
      this.add(transfer)[0]?.button.focus()
    }
    transfer.addEventListener('change', look, { signal: stop.signal })
    look()
  }

  end (problem) {
    this.olderButton.hidden = true
    this.say(problem)
  }

  say (words) {
    if (this.status.textContent !== words) this.status.textContent = words
  }
}

/** A memo that is in a channel, before anybody asked for it. */
class Row {
  constructor (item, listen) {
    this.element = make('article', { className: 'listed' })
    this.button = make('button', { className: 'primary listen', textContent: 'Listen', onclick: listen })
    this.button.setAttribute('aria-label', `Listen to ${safe(item.title)}`)
    const row = make('div', { className: 'row' })
    row.append(this.button)
    this.element.append(
      make('h3', { textContent: safe(item.title) }),
      make('p', { className: 'facts', textContent: facts(item) }),
      make('p', { className: 'description', textContent: safeLines(item.description), hidden: !item.description }),
      row
    )
  }

  /** Have a card stand here instead. */
  giveWayTo (card) {
    card.move(element => this.element.after(element), () => this.comeBack())
    this.element.hidden = true
  }

  comeBack () {
    this.element.hidden = false
    this.button.focus()
  }
}
