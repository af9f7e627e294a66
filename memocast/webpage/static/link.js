/** What people paste, and the links in it: as `memocast fetch` reads them. */

const MOST_LINKS = 20
const MOST_TRACKERS = 30
const MOST_TRACKER_LENGTH = 300
const MOST_KEY_LENGTH = 200

/**
 * A torrent to look for: `infoHash` in hex, the display name `dn`, its trackers, and the age
 * identity `key` of a private memo, which is in the link alone.
 * @typedef {{infoHash: string, dn: string, trackers: string[], key: string}} Link
 */

/**
 * Every link in a magnet, a page link or an old share URL.
 * @returns {{links: Link[], problems: string[]}}
 */
export function parse (text) {
  const magnets = magnetsIn(text.trim())
  const links = new Map()
  const problems = []
  for (const magnet of magnets) {
    const link = parseMagnet(magnet)
    if (typeof link === 'string') problems.push(link)
    else if (!links.has(link.infoHash)) links.set(link.infoHash, link)
  }
  if (links.size > MOST_LINKS) {
    problems.push(`This link names ${links.size} memos; the first ${MOST_LINKS} are shown.`)
  }
  return { links: [...links.values()].slice(0, MOST_LINKS), problems }
}

/** Whether a page's address carries anything that should be a link. */
export const carriesLink = location =>
  location.hash.length > 1 || /[?&]seeds=/.test(location.search)

function magnetsIn (text) {
  if (/^magnet:/i.test(text)) return [text.split('#')[0]]
  if (/^([0-9a-f]{40}|[a-z2-7]{32})$/i.test(text)) return [`magnet:?xt=urn:btih:${text}`]
  const [before, fragment = ''] = splitOnce(text, '#')
  const query = splitOnce(before, '?')[1] ?? ''
  // Values are decoded once, and a '+' in one belongs to the magnet.
  const found = query.split('&').filter(field => field.startsWith('seeds='))
    .map(field => decoded(field.slice('seeds='.length)))
  if (/^magnet:/i.test(fragment)) return [...found, fragment].filter(Boolean)
  const fields = fragment.split('&').map(decoded)
  // Beside old links in the query, a fragment that has nothing to do with magnets is left alone.
  const isMeant = !found.length || fields.some(field => /^magnet:/i.test(field))
  return [...found, ...(isMeant ? fields : [])].filter(Boolean)
}

function parseMagnet (text) {
  if (!/^magnet:\?/i.test(text)) {
    return 'This link is damaged: part of it is no magnet link. Copy it again, whole.'
  }
  let infoHash = ''
  let isNewer = false
  let dn = ''
  let key = null
  let isOfLan = false
  const trackers = new Set()
  for (const field of text.slice('magnet:?'.length).split('&')) {
    const [first, value = ''] = splitOnce(field, '=').map(part => decoded(part.replace(/\+/g, ' ')))
    const name = first.toLowerCase()
    if (name === 'xt' || name.startsWith('xt.')) {
      infoHash ||= sha1(value)
      isNewer ||= /^urn:btmh:/i.test(value)
    } else if (name === 'dn') dn ||= value.slice(0, 500)
    else if (name === 'x.age') key ??= value.trim().slice(0, MOST_KEY_LENGTH)
    else if (name === 'x.scope') isOfLan ||= value.toLowerCase() === 'lan'
    else if ((name === 'tr' || name.startsWith('tr.')) && isTracker(value)) trackers.add(value)
  }
  if (isOfLan) {
    return 'This memo stays on the local network, where browsers cannot ask for it. ' +
      'In a terminal there: memocast fetch LINK'
  }
  if (key !== null && !/^age-secret-key-1[0-9a-z]{58}$/i.test(key)) {
    return 'The key in this link is damaged. Copy the link again, whole.'
  }
  if (infoHash) return { infoHash, dn, trackers: [...trackers].slice(0, MOST_TRACKERS), key: key ?? '' }
  if (isNewer) {
    return 'This memo is a torrent of version 2, which browsers cannot fetch. ' +
      'In a terminal: memocast fetch LINK'
  }
  return 'This link is damaged: it does not say which memo it means. Copy it again, whole.'
}

function sha1 (topic) {
  const digest = /^urn:btih:([0-9a-f]{40}|[a-z2-7]{32})$/i.exec(topic)?.[1] ?? ''
  if (digest.length !== 32) return digest.toLowerCase()
  const bits = [...digest.toUpperCase()]
    .map(char => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0'))
    .join('')
  return bits.match(/.{4}/g).map(four => parseInt(four, 2).toString(16)).join('')
}

export const isTracker = url =>
  /^(udp|https?|wss?):\/\/[^\s]+$/.test(url) && url.length <= MOST_TRACKER_LENGTH

/** Those of the trackers that a page may talk to. */
export const webTrackers = urls => urls.filter(url => /^wss?:/.test(url))

/** The magnet link, as `memocast share` writes it. */
export function magnet ({ infoHash, dn, trackers, key }) {
  const fields = [`xt=urn:btih:${infoHash}`, `dn=${encodeURIComponent(dn)}`]
  fields.push(...trackers.map(url => `tr=${encodeURIComponent(url)}`))
  if (key) fields.push(`x.age=${key}`)
  return `magnet:?${fields.join('&')}`
}

/** A link that opens these in this page: in the fragment, which no web server ever sees. */
export const pageLink = links =>
  `${location.origin}${location.pathname}#${links.map(link => encodeURIComponent(magnet(link))).join('&')}`

function splitOnce (text, mark) {
  const place = text.indexOf(mark)
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)]
}

/** Percent-decoded, but for what was cut in the middle of a character. */
function decoded (text) {
  return text.replace(/(%[0-9a-f]{2})+/gi, run => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run
    }
  })
}
