/** The channels on the page. A memo in a channel's list becomes a card when the user wants it. */

import { Channel } from './channel.js'
import { copy } from './dialogs.js'
import { byId, tellScreenReader } from './dom.js'
import { pageLink } from './link.js'
import { safe } from './text.js'

export class Channels {
  /** `page` has the cards and the session. */
  constructor (page) {
    this.page = page
    this.channels = new Map() // by the info-hash of their newest page
  }

  /** Scroll to the channel with this newest page. Returns whether it is shown. */
  scrollTo (infoHash) {
    this.channels.get(infoHash)?.element.scrollIntoView()
    return this.channels.has(infoHash)
  }

  /** Show the channel whose newest page a transfer fetched. */
  show (transfer) {
    const { link } = transfer
    if (this.scrollTo(link.infoHash)) return
    const channel = new Channel(transfer, {
      listen: (item, row) => this.listen(item, row),
      fetchFeedPage: older => this.page.session.fetch(older, { onlyFeedPage: true }),
      drop: infoHash => this.drop(infoHash),
      copyLink: () => copy(pageLink([link])),
      dismiss: () => this.dismiss(channel)
    })
    this.channels.set(link.infoHash, channel)
    byId('channels').append(channel.element)
    tellScreenReader(`${safe(channel.name)}: a channel. ${channel.facts.textContent}`)
  }

  /** Replace an item's row with its card, and play it as soon as possible. */
  listen (item, row) {
    const card = this.page.cardFor(item.link)
    card.setFeedItem(item)
    row.replaceWith(card)
    card.title.focus() // the button that was pressed is gone
    this.page.startFetch(card)
    card.play()
  }

  dismiss (channel) {
    const inside = [...this.page.cards.values()].filter(card => channel.element.contains(card.element))
    for (const card of inside) {
      if (card.kept) this.page.keptMemos.moveHere(card)
      else this.page.dismiss(card)
    }
    for (const infoHash of channel.infoHashes) this.drop(infoHash)
    this.channels.delete(channel.link.infoHash)
    channel.element.remove()
    byId('record').focus()
  }

  /** Stop fetching a page of a feed, unless there is a card for the same torrent. */
  drop (infoHash) {
    if (!this.page.cards.has(infoHash)) this.page.session.drop(infoHash)
  }
}
