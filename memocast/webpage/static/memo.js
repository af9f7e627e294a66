/** What an info dictionary says of its memo, and what a file's first bytes say it is. */

const TITLE_MOST = 300 // bytes of UTF-8, as in docs/formats.md
const DESCRIPTION_MOST = 8000
const PEAKS_MOST = 200
const DICTIONARY_MOST = 1 << 16

/**
 * `created` is a Date, `duration` in seconds, `peaks` up to 200 bytes.
 * @typedef {{title: string, description: string, created: Date, duration: number,
 *   peaks: Uint8Array}} Memo
 */

/** What a stranger's torrent has under our key, or an empty object. */
export function claim (torrent) {
  const said = torrent.info?.memocast
  const isDictionary = said && typeof said === 'object' && !ArrayBuffer.isView(said) && !Array.isArray(said)
  const bytes = (torrent.torrentFile?.length ?? 0) - 20 * torrent.pieces.length
  return isDictionary && bytes <= DICTIONARY_MOST ? said : {}
}

/** The sealed block of a claim: an age file, or null when the memo is not private. */
export const sealedBlock = said => said.sealed instanceof Uint8Array ? said.sealed : null

/** Whether a claim, in a torrent of that name, is that of a page of a channel's feed. */
export const isPage = (said, name) => isOpenPage(said) || isSealedPage(said, name)

const isOpenPage = said => said.feed === 1

/** A page of a private channel. What memo is sealed has its description beside it. */
export const isSealedPage = (said, name) => name === 'memo.age' && Object.keys(said).join() === 'v'

/** The fields of a claim, checked one by one; null where one is not usable. */
export function describe (said) {
  const nothing = { title: null, description: '', created: null, duration: null, peaks: new Uint8Array() }
  const created = integer(said.created, 1, Date.now() / 1000 + 24 * 3600)
  const duration = integer(said.duration, 0, 1e11)
  const peaks = said.peaks
  return {
    title: string(said.title, TITLE_MOST)?.trim() || null,
    description: string(said.description, DESCRIPTION_MOST) ?? '',
    created: created === null ? null : new Date(created * 1000),
    duration: duration === null ? null : duration / 1000,
    peaks: peaks instanceof Uint8Array && peaks.length <= PEAKS_MOST ? peaks : nothing.peaks
  }
}

function string (value, most) {
  if (!(value instanceof Uint8Array) || value.length > most) return null
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(value)
  } catch {
    return null
  }
}

const integer = (value, low, high) =>
  Number.isInteger(value) && value >= low && value <= high ? value : null

/** The value of the key `memocast` in an info dictionary of ours. */
export const toInfo = memo => ({
  v: 1,
  title: memo.title,
  description: memo.description,
  created: Math.floor(memo.created.getTime() / 1000),
  duration: Math.round(memo.duration * 1000),
  peaks: memo.peaks
})

/** The smallest power of two, at least 16 KiB, that gives at most 1,024 pieces. */
export function pieceLength (size) {
  let length = 1 << 14
  while (length * 1024 < size) length *= 2
  return length
}

/** `{extension, type}` by the first bytes of a file, or null when they are no audio we know. */
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
