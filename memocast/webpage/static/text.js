/** Formats numbers and texts for display. Texts may come from strangers. */

/** Control characters, direction marks, line separators and lone surrogates. */
const UNSAFE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Return `text` on one line, without characters that affect the text around it. */
export const safe = text => text.replace(/[\t\n\r]+/g, ' ').replace(UNSAFE, '\ufffd')

/** Return the same, but keep line feeds. */
export const safeLines = text => text.split('\n').map(safe).join('\n')

/** Format a time as `1:05` or `1:02:05`. */
export function formatTime (seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  const two = number => String(number).padStart(2, '0')
  const minutes = Math.floor(whole / 60) % 60
  const hours = Math.floor(whole / 3600)
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** Format a size as `640 B`, `12.3 kB` or `4.5 MB`: decimal units, as in the terminal. */
export function formatSize (bytes) {
  let unit = 'B'
  for (const next of ['kB', 'MB', 'GB']) {
    if (bytes < 999.5) break
    bytes /= 1000
    unit = next
  }
  return unit === 'B' ? `${bytes} B` : `${bytes.toFixed(1)} ${unit}`
}

/** `1 person`, `2 people`. */
export const formatPeople = number => number === 1 ? '1 person' : `${number} people`

/** Format a date and time in the user's language. */
export const formatDate = date => date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** Format a memo's date, duration and size, as far as they are known. */
export const facts = ({ created, duration, size }) =>
  [created && formatDate(created), duration && formatTime(duration), size && formatSize(size)]
    .filter(Boolean).join(' · ')

/** Return a file name that every system allows: at most 120 bytes, and not a path. */
export function fileName (title, extension) {
  const plain = safe(title).replace(/[/\\:*?"<>|\ufffd]/g, ' ').replace(/\s+/g, ' ')
    .replace(/^[. ]+/, '')
  const room = 120 - extension.length - 1
  const reserved = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i
  if (reserved.test(plain)) return fileName(`memo ${plain}`, extension)
  return `${cut(plain, room).replace(/[. ]+$/, '') || 'memo'}.${extension}`
}

/** Return at most the first `limit` bytes of `text` as UTF-8, without half a character. */
export function cut (text, limit) {
  const bytes = new TextEncoder().encode(text).subarray(0, limit)
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true })
}
