/** The channels on the page, and how what they list becomes cards. */

import { Channel } from './channel.js'
import { copy } from './dialogs.js'
import { pageLink } from './link.js'
import { safe } from './text.js'

const get = id => document.getElementById(id)

export class Channels {
  /** `page` has the cards and the swarm. */
  constructor (page) {
    this.page = page
    this.shown = new Map()
  }

  /** Show the channel again whose newest page that is; whether it is here. */
  goTo (infoHash) {
    this.shown.get(infoHash)?.element.scrollIntoView()
    return this.shown.has(infoHash)
  }

  /** Show the channel whose newest page that transfer has. */
  show (transfer) {
    const { link } = transfer
    if (this.goTo(link.infoHash)) return
    const channel = new Channel(transfer, {
      listen: (item, row) => this.listen(item, row),
      lookFor: older => this.page.swarm.fetch(older, { onlyPage: true }),
      drop: infoHash => this.drop(infoHash),
      copyLink: () => copy(pageLink([link])),
      dismiss: () => this.dismiss(channel)
    })
    this.shown.set(link.infoHash, channel)
    get('channels').append(channel.element)
    get('announcer').textContent = `${safe(channel.name)}: a channel. ${channel.facts.textContent}`
  }

  /** Show a memo in the place of its row, and play it as soon as it can be. */
  listen (item, row) {
    const card = this.page.cardOf(item.link)
    card.listed = item
    row.giveWayTo(card)
    card.title.focus() // the button that was pressed is gone
    this.page.lookFor(card)
    card.play()
  }

  dismiss (channel) {
    const inside = [...this.page.cards.values()].filter(card => channel.element.contains(card.element))
    for (const card of inside) {
      if (card.kept) this.page.putAway(card)
      else this.page.dismiss(card)
    }
    for (const infoHash of channel.pages) this.drop(infoHash)
    this.shown.delete(channel.link.infoHash)
    channel.element.remove()
    get('record').focus()
  }

  /** Look for a page no more, unless it is a memo that somebody wants. */
  drop (infoHash) {
    if (!this.page.cards.has(infoHash)) this.page.swarm.drop(infoHash)
  }
}
