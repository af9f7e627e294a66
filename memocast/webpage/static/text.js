/** How numbers and words are shown. Words may come from strangers. */

/** Controls, marks that turn the writing direction, line separators and half characters. */
const ACTING = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** `text` on one line, with nothing in it that acts on what surrounds it. */
export const safe = text => text.replace(/[\t\n\r]+/g, ' ').replace(ACTING, '\ufffd')

/** The same, but line feeds stay. */
export const safeLines = text => text.split('\n').map(safe).join('\n')

/** `1:05` or `1:02:05`. */
export function clock (seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  const two = number => String(number).padStart(2, '0')
  const minutes = Math.floor(whole / 60) % 60
  const hours = Math.floor(whole / 3600)
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** `640 B`, `12.3 kB`, `4.5 MB`: decimal units, as in the terminal. */
export function size (bytes) {
  let unit = 'B'
  for (const next of ['kB', 'MB', 'GB']) {
    if (bytes < 999.5) break
    bytes /= 1000
    unit = next
  }
  return unit === 'B' ? `${bytes} B` : `${bytes.toFixed(1)} ${unit}`
}

/** `1 person`, `2 people`. */
export const people = number => number === 1 ? '1 person' : `${number} people`

/** A date as the reader's language writes it. */
export const when = date => date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** Date, length and size of a memo, of those that are known. */
export const facts = ({ created, duration, size: bytes }) =>
  [created && when(created), duration && clock(duration), bytes && size(bytes)].filter(Boolean).join(' · ')

/** A name for a file on any system: at most 120 bytes, no path in it. */
export function fileName (title, extension) {
  const plain = safe(title).replace(/[/\\:*?"<>|\ufffd]/g, ' ').replace(/\s+/g, ' ')
    .replace(/^[. ]+/, '')
  const room = 120 - extension.length - 1
  const reserved = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i
  if (reserved.test(plain)) return fileName(`memo ${plain}`, extension)
  return `${cut(plain, room).replace(/[. ]+$/, '') || 'memo'}.${extension}`
}

/** At most the first `limit` bytes of `text` as UTF-8, never half a character. */
export function cut (text, limit) {
  const bytes = new TextEncoder().encode(text).subarray(0, limit)
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true })
}
