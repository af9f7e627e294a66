/** Decrypts age files with the `age-encryption` package. */

import { load as loadFromCdn } from './age_cdn.js'

const LOCAL = new URL('age.min.js', import.meta.url).href
const MAX_TEXT_BYTES = 1 << 16

let attempts = 0

/** The message when the package cannot be loaded. */
export const NOT_LOADED = 'This is private, but the part of this page that opens private memos ' +
  'could not be loaded. Check your connection and reload; or in a terminal: memocast fetch LINK'

/**
 * Load the package. Resolves to a function that decrypts age files with this age identity: bytes
 * to bytes, or a stream to a stream. Rejects when the package cannot be loaded.
 */
export async function loadDecrypt (ageIdentity) {
  // After a failure, a browser may not load the same module URL again until the page is reloaded.
  const { Decrypter } = await import(attempts ? `${LOCAL}?${attempts}` : LOCAL).catch(loadFromCdn)
    .catch(error => { attempts++; throw error })
  return async content => {
    const decrypter = new Decrypter()
    decrypter.addIdentity(ageIdentity.toUpperCase())
    return decrypter.decrypt(content)
  }
}

/** Decrypt the sealed block of a private memo. Returns the same fields as a public memo's. */
export async function decryptMemoInfo (decrypt, block) {
  const bytes = await decrypt(block)
  if (bytes.length > MAX_TEXT_BYTES) throw new Error('too long')
  const fields = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  if (!fields || typeof fields !== 'object' || Array.isArray(fields)) throw new Error('not an object')
  for (const name of ['title', 'description', 'peaks']) fields[name] = fromBase64(fields[name])
  return fields
}

function fromBase64 (text) {
  try {
    return Uint8Array.from(atob(text), char => char.charCodeAt(0))
  } catch {
    return null
  }
}
