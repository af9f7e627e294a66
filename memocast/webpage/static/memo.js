/** Reads and writes what an info dictionary says about a memo, and identifies audio formats. */

const MAX_TITLE_BYTES = 300 // as UTF-8; docs/formats.md has these limits
const MAX_DESCRIPTION_BYTES = 8000
const MAX_PEAKS = 200
const MAX_DICTIONARY_BYTES = 1 << 16

/**
 * `created` is a Date, `duration` in seconds, `peaks` up to 200 bytes.
 * @typedef {{title: string, description: string, created: Date, duration: number,
 *   peaks: Uint8Array}} Memo
 */

/** Return the unchecked value of the key `memocast` in an info dictionary, or an empty object. */
export function rawMemoInfo (torrent) {
  const raw = torrent.info?.memocast
  const isDictionary = raw && typeof raw === 'object' && !ArrayBuffer.isView(raw) && !Array.isArray(raw)
  const bytes = (torrent.torrentFile?.length ?? 0) - 20 * torrent.pieces.length
  return isDictionary && bytes <= MAX_DICTIONARY_BYTES ? raw : {}
}

/** Return the sealed block of a private memo, which is an age file. Null for a public memo. */
export const sealedBlock = raw => raw.sealed instanceof Uint8Array ? raw.sealed : null

/** Whether a torrent with this info and name is a page of a channel's feed. */
export const isFeedPage = (raw, name) => raw.feed === 1 || isSealedFeedPage(raw, name)

/** Whether it is a page of a private channel, which unlike a private memo has no sealed block. */
export const isSealedFeedPage = (raw, name) => name === 'memo.age' && Object.keys(raw).join() === 'v'

/** Check the fields one by one. Unusable ones become null or empty. */
export function parseMemoInfo (raw) {
  const created = integer(raw.created, 1, Date.now() / 1000 + 24 * 3600)
  const duration = integer(raw.duration, 0, 1e11)
  const peaks = raw.peaks
  return {
    title: string(raw.title, MAX_TITLE_BYTES)?.trim() || null,
    description: string(raw.description, MAX_DESCRIPTION_BYTES) ?? '',
    created: created === null ? null : new Date(created * 1000),
    duration: duration === null ? null : duration / 1000,
    peaks: peaks instanceof Uint8Array && peaks.length <= MAX_PEAKS ? peaks : new Uint8Array()
  }
}

function string (value, maxBytes) {
  if (!(value instanceof Uint8Array) || value.length > maxBytes) return null
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(value)
  } catch {
    return null
  }
}

const integer = (value, low, high) =>
  Number.isInteger(value) && value >= low && value <= high ? value : null

/**
 * Combine what is known about a memo. The memo that this browser keeps comes first, then its
 * transfer, the player, a channel's feed, and the name of its file.
 */
export function combineMemo (name, kept, transfer, audioDuration, feedItem) {
  const info = transfer?.memoInfo
  return {
    title: kept?.title ?? info?.title ?? feedItem?.title ?? (name.replace(/\.[^.]{1,5}$/, '') || 'A memo'),
    description: kept?.description ?? (info?.description || feedItem?.description) ?? '',
    created: kept?.created ?? info?.created ?? feedItem?.created,
    duration: kept?.duration ?? info?.duration ?? audioDuration ?? (feedItem?.duration || null),
    peaks: kept?.peaks ?? info?.peaks ?? new Uint8Array(),
    size: kept?.blob.size ?? (transfer?.size || feedItem?.size) ?? 0
  }
}

/** Return our value of the key `memocast` in an info dictionary. */
export const toMemoInfo = memo => ({
  v: 1,
  title: memo.title,
  description: memo.description,
  created: Math.floor(memo.created.getTime() / 1000),
  duration: Math.round(memo.duration * 1000),
  peaks: memo.peaks
})

/** Return the smallest power of two, at least 16 KiB, that makes at most 1,024 pieces. */
export function pieceLength (size) {
  let length = 1 << 14
  while (length * 1024 < size) length *= 2
  return length
}

/** Identify audio by its first bytes: `{extension, type}`, or null for anything else. */
export function identify (head) {
  const text = String.fromCharCode(...head.subarray(0, 64))
  const kind = (extension, type) => ({ extension, type })
  if (text.startsWith('OggS')) return kind(text.includes('OpusHead') ? 'opus' : 'ogg', 'audio/ogg')
  if (text.startsWith('fLaC')) return kind('flac', 'audio/flac')
  if (/^R(IFF|F64)/.test(text) && text.slice(8, 12) === 'WAVE') return kind('wav', 'audio/wav')
  if (text.startsWith('FORM') && /^AIF[FC]/.test(text.slice(8))) return kind('aiff', 'audio/aiff')
  if (text.startsWith('\x1aE\xdf\xa3')) return kind(text.includes('webm') ? 'webm' : 'mka', 'audio/webm')
  if (text.slice(4, 8) === 'ftyp') return kind('m4a', 'audio/mp4')
  const isMpeg = head[0] === 0xff && (head[1] & 0xe6) === 0xe2
  return text.startsWith('ID3') || isMpeg ? kind('mp3', 'audio/mpeg') : null
}
