/** Finds links in a pasted text, the same way as `memocast fetch`. */

const MAX_LINKS = 20
const MAX_TRACKERS = 30
const MAX_TRACKER_LENGTH = 300
const MAX_IDENTITY_LENGTH = 200

/**
 * A torrent to look for: its info-hash in hex, its display name `dn`, its trackers, and for a
 * private memo the age identity that opens it.
 * @typedef {{infoHash: string, dn: string, trackers: string[], ageIdentity: string}} Link
 */

/**
 * Find every link in a magnet, a link of this page or an old share URL.
 * @returns {{links: Link[], problems: string[]}}
 */
export function parseLinks (text) {
  const magnets = magnetsIn(text.trim())
  const links = new Map()
  const problems = []
  for (const magnet of magnets) {
    const link = parseMagnet(magnet)
    if (typeof link === 'string') problems.push(link)
    else if (!links.has(link.infoHash)) links.set(link.infoHash, link)
  }
  if (links.size > MAX_LINKS) {
    problems.push(`This link names ${links.size} memos; the first ${MAX_LINKS} are shown.`)
  }
  return { links: [...links.values()].slice(0, MAX_LINKS), problems }
}

/** Whether the address of this page contains something that should be a link. */
export const hasLink = location =>
  location.hash.length > 1 || /[?&]seeds=/.test(location.search)

function magnetsIn (text) {
  if (/^magnet:/i.test(text)) return [text.split('#')[0]]
  if (/^([0-9a-f]{40}|[a-z2-7]{32})$/i.test(text)) return [`magnet:?xt=urn:btih:${text}`]
  const [before, fragment = ''] = splitOnce(text, '#')
  const query = splitOnce(before, '?')[1] ?? ''
  // Values are decoded once. A '+' in a value is part of the magnet.
  const found = query.split('&').filter(field => field.startsWith('seeds='))
    .map(field => percentDecode(field.slice('seeds='.length)))
  if (/^magnet:/i.test(fragment)) return [...found, fragment].filter(Boolean)
  const fields = fragment.split('&').map(percentDecode)
  // If the query has old links, a fragment without magnets is ignored.
  const isMeant = !found.length || fields.some(field => /^magnet:/i.test(field))
  return [...found, ...(isMeant ? fields : [])].filter(Boolean)
}

function parseMagnet (text) {
  if (!/^magnet:\?/i.test(text)) {
    return 'This link is damaged: part of it is not a magnet link. Copy the whole link again.'
  }
  let infoHash = ''
  let isVersion2 = false
  let dn = ''
  let ageIdentity = null
  let isLanOnly = false
  const trackers = new Set()
  for (const field of text.slice('magnet:?'.length).split('&')) {
    const [first, value = ''] = splitOnce(field, '=').map(part => percentDecode(part.replace(/\+/g, ' ')))
    const name = first.toLowerCase()
    if (name === 'xt' || name.startsWith('xt.')) {
      infoHash ||= parseInfoHash(value)
      isVersion2 ||= /^urn:btmh:/i.test(value)
    } else if (name === 'dn') dn ||= value.slice(0, 500)
    else if (name === 'x.age') ageIdentity ??= value.trim().slice(0, MAX_IDENTITY_LENGTH)
    else if (name === 'x.scope') isLanOnly ||= value.toLowerCase() === 'lan'
    else if ((name === 'tr' || name.startsWith('tr.')) && isTracker(value)) trackers.add(value)
  }
  if (isLanOnly) {
    return 'This memo is shared only on its local network, where browsers cannot fetch it. ' +
      'In a terminal there: memocast fetch LINK'
  }
  if (ageIdentity !== null && !/^age-secret-key-1[0-9a-z]{58}$/i.test(ageIdentity)) {
    return 'The key in this link is damaged. Copy the whole link again.'
  }
  if (infoHash) return { infoHash, dn, trackers: [...trackers].slice(0, MAX_TRACKERS), ageIdentity: ageIdentity ?? '' }
  if (isVersion2) {
    return 'This memo is a version 2 torrent, which browsers cannot fetch. ' +
      'In a terminal: memocast fetch LINK'
  }
  return 'This link is damaged: it does not say which memo it means. Copy the whole link again.'
}

function parseInfoHash (topic) {
  const digest = /^urn:btih:([0-9a-f]{40}|[a-z2-7]{32})$/i.exec(topic)?.[1] ?? ''
  if (digest.length !== 32) return digest.toLowerCase()
  const bits = [...digest.toUpperCase()]
    .map(char => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'))
    .join('')
  return bits.match(/.{4}/g).map(four => parseInt(four, 2).toString(16)).join('')
}

export const isTracker = url =>
  /^(udp|https?|wss?):\/\/[^\s]+$/.test(url) && url.length <= MAX_TRACKER_LENGTH

/** The trackers that a page can connect to. */
export const webTrackers = urls => urls.filter(url => /^wss?:/.test(url))

/** Return the magnet of a link, as `memocast share` writes it. */
export function magnet ({ infoHash, dn, trackers, ageIdentity }) {
  const fields = [`xt=urn:btih:${infoHash}`, `dn=${encodeURIComponent(dn)}`]
  fields.push(...trackers.map(url => `tr=${encodeURIComponent(url)}`))
  if (ageIdentity) fields.push(`x.age=${ageIdentity}`)
  return `magnet:?${fields.join('&')}`
}

/** Return the link of a memo that this browser keeps. */
export const linkOf = ({ infoHash, dn, trackers, key }) => ({ infoHash, dn, trackers, ageIdentity: key ?? '' })

/** Return a link to this page with these magnets in its fragment, which browsers never send. */
export const pageLink = links =>
  `${location.origin}${location.pathname}#${links.map(link => encodeURIComponent(magnet(link))).join('&')}`

function splitOnce (text, separator) {
  const place = text.indexOf(separator)
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)]
}

/** Percent-decode a text, except for incomplete characters. */
function percentDecode (text) {
  return text.replace(/(%[0-9a-f]{2})+/gi, run => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run
    }
  })
}
