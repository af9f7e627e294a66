/** A page of a channel's feed: a stranger's document, read as memocast/feed.py reads it. */

import { parse } from './link.js'
import { cut } from './text.js'

/** In bytes, of a page that is read. */
export const PAGE_MOST = 1 << 20

const ITEMS_MOST = 1000
const NAME_MOST = 100 // bytes of UTF-8, as of all texts
const TITLE_MOST = 300
const DESCRIPTION_MOST = 8000
const LINK_MOST = 4000 // characters
const ID_MOST = 300
const SIZE_MOST = 2 ** 50
const SECONDS_MOST = 1e8

const NO_FEED = 'This channel leads to something that is no feed. Tell whoever publishes it.'
const TOO_LARGE = 'The list of this channel is larger than one may be. Tell whoever publishes it.'

/**
 * A memo in a channel: `size` in bytes and `duration` in seconds, 0 where they are not told.
 * @typedef {{id: string, title: string, description: string, created: ?Date, link: Link,
 *   size: number, duration: number}} Item
 */

/**
 * The page in `bytes`, the newest item first, or a sentence that says why it is none.
 * Its links open with `key`, unless they have one: what a private channel leads to is sealed to it.
 * @returns {{title: string, items: Item[], older: ?Link} | string}
 */
export function read (bytes, key) {
  if (bytes.length > PAGE_MOST) return TOO_LARGE
  let said
  try {
    said = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return NO_FEED
  }
  if (!/^https:\/\/jsonfeed\.org\/version\/1/.test(string(said?.version))) return NO_FEED
  if (!Array.isArray(said.items)) return NO_FEED
  if (said.items.length > ITEMS_MOST) return TOO_LARGE
  const items = new Map()
  for (const item of said.items.map(item => checked(item, key))) if (item) items.set(item.id, item)
  return {
    title: cut(string(said.title), NAME_MOST).trim(),
    items: [...items.values()],
    older: linkIn(said.next_url, key)
  }
}

function checked (said, key) {
  const file = Array.isArray(said?.attachments) ? said.attachments[0] : null
  const id = string(said?.id)
  const link = linkIn(file?.url, key)
  if (!link || !id || id.length > ID_MOST) return null
  return {
    id,
    title: cut(string(said.title), TITLE_MOST).trim() || 'untitled',
    description: cut(string(said.content_text), DESCRIPTION_MOST),
    created: moment(string(said.date_published)),
    link,
    size: number(file.size_in_bytes, SIZE_MOST),
    duration: number(file.duration_in_seconds, SECONDS_MOST)
  }
}

/** The one link that a browser can open in a magnet, and in nothing else that a URL can be. */
function linkIn (url, key) {
  if (!/^magnet:\?/.test(string(url)) || url.length > LINK_MOST) return null
  const [link] = parse(url).links
  return link ? { ...link, key: link.key || key } : null
}

const string = value => typeof value === 'string' ? value : ''

const number = (value, most) => typeof value === 'number' && value >= 0 && value <= most ? value : 0

/** When it was published, never later than now. */
function moment (text) {
  const said = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/i.test(text) ? Date.parse(text) : NaN
  return said > 0 ? new Date(Math.min(said, Date.now())) : null
}
