/** Opening what is sealed: age files, by the `age-encryption` package in a file beside this page. */

const LOCAL = new URL('age.min.js', import.meta.url).href
const MOST_TEXT = 1 << 16

/** What is said when the package is not there: its name, and no more, for whoever hosts the page. */
export const NOT_LOADED = 'This memo is private, and the part of this page that opens private memos ' +
  '(age.min.js) could not be loaded. In a terminal: memocast fetch'

/** A function that opens age files with this key. Rejects when the package cannot be loaded. */
export async function opener (key) {
  const { Decrypter } = await import(LOCAL)
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

/** The content of an age file as a Blob. Reads and opens it chunk by chunk. */
export async function openBlob (open, blob) {
  const plain = await open(blob.stream())
  return new Response(plain).blob()
}

function fromBase64 (text) {
  try {
    return Uint8Array.from(atob(text), char => char.charCodeAt(0))
  } catch {
    return null
  }
}
