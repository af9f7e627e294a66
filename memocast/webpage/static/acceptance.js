/** Decides by the metadata of a torrent whether it is downloaded. */

import { MAX_PAGE_BYTES } from './feed.js'
import { isFeedPage, isSealedFeedPage, rawMemoInfo, sealedBlock } from './memo.js'

const MAX_SIZE = 2 ** 31

/**
 * Why a torrent is refused, as a sentence, or '' if it is accepted. `ageIdentity` is the one in its
 * link. With `onlyFeedPage` a memo is refused. `isDecrypted` is whether its audio is known already.
 */
export function refusal (torrent, ageIdentity, { onlyFeedPage, isDecrypted }) {
  const { files } = torrent
  if (files.length !== 1) {
    return `This link holds ${files.length} files; a memo is one. Open it with a BitTorrent client.`
  }
  const [{ name, length }] = files
  if (!length || Math.ceil(length / torrent.pieceLength) !== torrent.pieces.length) {
    return 'This memo is damaged: its torrent does not fit its length.'
  }
  const raw = rawMemoInfo(torrent)
  if (isFeedPage(raw, name)) return feedPageRefusal(length, isSealedFeedPage(raw, name), ageIdentity)
  if (onlyFeedPage) return 'This leads to something that is no feed. Tell whoever publishes the channel.'
  if (length > MAX_SIZE) return 'This is more than a browser can keep. In a terminal: memocast fetch LINK'
  return isDecrypted ? '' : keyRefusal(Boolean(sealedBlock(raw)), ageIdentity)
}

function feedPageRefusal (length, isSealed, ageIdentity) {
  if (length > MAX_PAGE_BYTES) return 'The list of this channel is larger than one may be, so it was not downloaded.'
  if (isSealed === Boolean(ageIdentity)) return ''
  return isSealed
    ? 'This channel is private, and the link has no key. Copy the link again, whole.'
    : 'The link has a key, but its channel is not private. Ask the sender about it.'
}

function keyRefusal (isSealed, ageIdentity) {
  if (isSealed === Boolean(ageIdentity)) return ''
  return isSealed
    ? 'This memo is sealed, and the link has no key. Copy the link again, whole; ' +
      'one for an identity opens in a terminal.'
    : 'The link has a key, but its memo is not sealed. Ask the sender about it.'
}
