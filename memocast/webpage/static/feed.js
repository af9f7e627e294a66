/** Parses a page of a channel's feed. It is untrusted; memocast/formats/feed.py parses it the same way. */

import { parseLinks } from './link.js'
import { cut } from './text.js'

/** The largest page that is read. */
export const MAX_PAGE_BYTES = 1 << 20

const MAX_ITEMS = 1000
const MAX_NAME_BYTES = 100 // as UTF-8, like all texts
const MAX_TITLE_BYTES = 300
const MAX_DESCRIPTION_BYTES = 8000
const MAX_LINK = 4000 // characters
const MAX_ID = 300
const MAX_SIZE = 2 ** 50
const MAX_SECONDS = 1e8

const NO_FEED = 'This channel does not lead to a feed. Tell its owner.'
const TOO_LARGE = 'The feed of this channel is too large. Tell its owner.'

/**
 * A memo in a channel: `size` in bytes and `duration` in seconds, or 0 if unknown.
 * @typedef {{id: string, title: string, description: string, created: ?Date,
 *   link: import('./link.js').Link, size: number, duration: number}} FeedItem
 */

/**
 * A page of a feed, its newest item first. `older` is the link of the page before it.
 * @typedef {{title: string, items: FeedItem[], older: ?import('./link.js').Link}} FeedPage
 */

/**
 * Parse a page. If it is not one, returns a sentence that says why.
 * Links without an age identity get this one: a private channel encrypts its memos to its own.
 * @returns {FeedPage | string}
 */
export function parseFeedPage (bytes, ageIdentity) {
  if (bytes.length > MAX_PAGE_BYTES) return TOO_LARGE
  let json
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return NO_FEED
  }
  if (!/^https:\/\/jsonfeed\.org\/version\/1/.test(string(json?.version))) return NO_FEED
  if (!Array.isArray(json.items)) return NO_FEED
  if (json.items.length > MAX_ITEMS) return TOO_LARGE
  const items = new Map()
  for (const item of json.items.map(item => parseItem(item, ageIdentity))) if (item) items.set(item.id, item)
  return {
    title: cut(string(json.title), MAX_NAME_BYTES).trim(),
    items: [...items.values()],
    older: parseMagnetUrl(json.next_url, ageIdentity)
  }
}

function parseItem (json, ageIdentity) {
  const file = Array.isArray(json?.attachments) ? json.attachments[0] : null
  const id = string(json?.id)
  const link = parseMagnetUrl(file?.url, ageIdentity)
  if (!link || !id || id.length > MAX_ID) return null
  return {
    id,
    title: cut(string(json.title), MAX_TITLE_BYTES).trim() || 'untitled',
    description: cut(string(json.content_text), MAX_DESCRIPTION_BYTES),
    created: parseDate(string(json.date_published)),
    link,
    size: number(file.size_in_bytes, MAX_SIZE),
    duration: number(file.duration_in_seconds, MAX_SECONDS)
  }
}

/** Parse a magnet. Null for any other URL, and for a magnet that browsers cannot fetch. */
function parseMagnetUrl (url, ageIdentity) {
  if (!/^magnet:\?/.test(string(url)) || url.length > MAX_LINK) return null
  const [link] = parseLinks(url).links
  return link ? { ...link, ageIdentity: link.ageIdentity || ageIdentity } : null
}

const string = value => typeof value === 'string' ? value : ''

const number = (value, max) => typeof value === 'number' && value >= 0 && value <= max ? value : 0

/** Parse a date of publication. A future date becomes now. */
function parseDate (text) {
  const time = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/i.test(text) ? Date.parse(text) : NaN
  return time > 0 ? new Date(Math.min(time, Date.now())) : null
}
