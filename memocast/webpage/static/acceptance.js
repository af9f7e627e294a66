/** Decides from a torrent's metadata whether to download it. */

import { MAX_PAGE_BYTES } from './feed.js'
import { isFeedPage, isSealedFeedPage, rawMemoInfo, sealedBlock } from './memo.js'

const MAX_SIZE = 2 ** 31

/**
 * Return why a torrent is refused, as a sentence, or '' if it is accepted. `ageIdentity` is from its
 * link. With `onlyFeedPage` memos are refused. `isDecrypted` is whether its audio is known already.
 */
export function refusal (torrent, ageIdentity, { onlyFeedPage, isDecrypted }) {
  const { files } = torrent
  if (files.length !== 1) {
    return `This link has ${files.length} files; a memo has one. Open it with a BitTorrent client.`
  }
  const [{ name, length }] = files
  if (!length || Math.ceil(length / torrent.pieceLength) !== torrent.pieces.length) {
    return 'This memo is damaged: its torrent does not match its length.'
  }
  const raw = rawMemoInfo(torrent)
  if (isFeedPage(raw, name)) return feedPageRefusal(length, isSealedFeedPage(raw, name), ageIdentity)
  if (onlyFeedPage) return 'This link does not lead to a feed. Tell the owner of the channel.'
  if (length > MAX_SIZE) return 'This is too large for a browser. In a terminal: memocast fetch LINK'
  return isDecrypted ? '' : keyRefusal(Boolean(sealedBlock(raw)), ageIdentity)
}

function feedPageRefusal (length, isSealed, ageIdentity) {
  if (length > MAX_PAGE_BYTES) return 'The feed of this channel is too large, so it was not downloaded.'
  if (isSealed === Boolean(ageIdentity)) return ''
  return isSealed
    ? 'This channel is private, and the link has no key. Copy the whole link again.'
    : 'The link has a key, but its channel is not private. Ask the sender about it.'
}

function keyRefusal (isSealed, ageIdentity) {
  if (isSealed === Boolean(ageIdentity)) return ''
  return isSealed
    ? 'This memo is encrypted, and the link has no key. Copy the whole link again; ' +
      'a memo for an identity opens only in a terminal.'
    : 'The link has a key, but its memo is not encrypted. Ask the sender about it.'
}
