/**
 * Loads the `age-encryption` package from a CDN, for pages without an age.min.js beside them.
 *
 * No CDN offers the package as one file, so the browser loads its modules and their dependencies.
 * The import map of index.html has the URL and hash of each.
 */

const CDN = 'https://cdn.jsdelivr.net/npm/age-encryption@0.3.1/dist/index.js'
const UNCHECKED = './unchecked.js'

/** The package's module. Rejects when a file is missing or does not match its hash. */
export async function load () {
  if (!await checksHashes()) throw new Error('this browser does not check what it imports')
  return import(CDN)
}

/** Whether this browser enforces the hashes in an import map. Some from before 2025 do not. */
async function checksHashes () {
  const isThere = (await fetch(UNCHECKED)).ok
  return isThere && import(UNCHECKED).then(() => false, () => true)
}
