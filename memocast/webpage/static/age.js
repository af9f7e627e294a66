/** Opening what is sealed: age files, by the `age-encryption` package. */

import { load as loadFromCdn } from './age_cdn.js'

const LOCAL = new URL('age.min.js', import.meta.url).href
const MOST_TEXT = 1 << 16

let attempts = 0

/** What is said when the package cannot be had. */
export const NOT_LOADED = 'This is private, and the part of this page that opens private memos ' +
  'could not be loaded. Check your connection, then reload; or in a terminal: memocast fetch LINK'

/** A function that opens age files with this key. Rejects when the package cannot be loaded. */
export async function opener (key) {
  // A browser may remember for as long as the page lives that a module could not be had.
  const { Decrypter } = await import(attempts ? `${LOCAL}?${attempts}` : LOCAL).catch(loadFromCdn)
    .catch(error => { attempts++; throw error })
  return async content => {
    const decrypter = new Decrypter()
    decrypter.addIdentity(key.toUpperCase())
    return decrypter.decrypt(content)
  }
}

/** The text of a sealed description, as an object of what memo.js checks; throws when it is none. */
export async function openText (open, block) {
  const bytes = await open(block)
  if (bytes.length > MOST_TEXT) throw new Error('too long')
  const said = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  if (!said || typeof said !== 'object' || Array.isArray(said)) throw new Error('no object')
  for (const name of ['title', 'description', 'peaks']) said[name] = fromBase64(said[name])
  return said
}

function fromBase64 (text) {
  try {
    return Uint8Array.from(atob(text), char => char.charCodeAt(0))
  } catch {
    return null
  }
}
