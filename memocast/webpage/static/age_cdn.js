/**
 * The `age-encryption` package from a CDN, for pages that have no age.min.js beside them.
 *
 * Nobody offers it in one file, so these are its modules and those that it needs; the import map
 * of index.html says where they are, and has a hash for each.
 */

const CDN = 'https://cdn.jsdelivr.net/npm/age-encryption@0.3.1/dist/index.js'
const UNCHECKED = './unchecked.js'

/** The package's module. Rejects when a file is not there, or is another than it should be. */
export async function load () {
  if (!await checksHashes()) throw new Error('this browser does not check what it imports')
  return import(CDN)
}

/** Whether this browser obeys the hashes of an import map; those before 2025 do not all. */
async function checksHashes () {
  const isThere = (await fetch(UNCHECKED)).ok
  return isThere && import(UNCHECKED).then(() => false, () => true)
}
