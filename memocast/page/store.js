/** What this browser keeps, in IndexedDB: memos, and a recording that is not finished. */

const VERSION = 1

/** Opens the store; rejects where the browser keeps nothing, as in some private windows. */
export async function open () {
  const request = indexedDB.open('memocast', VERSION)
  request.onupgradeneeded = () => {
    request.result.createObjectStore('memos', { keyPath: 'infoHash' })
    request.result.createObjectStore('draft', { autoIncrement: true })
  }
  return new Store(await answered(request))
}

class Store {
  constructor (database) {
    this.database = database
    database.onversionchange = () => database.close()
  }

  /** The memos, newest first. */
  async memos () {
    const memos = await this.act('memos', 'readonly', store => store.getAll())
    return memos.sort((a, b) => b.arrived - a.arrived)
  }

  async keep (memo) {
    await this.act('memos', 'readwrite', store => store.put(memo))
  }

  async remove (infoHash) {
    await this.act('memos', 'readwrite', store => store.delete(infoHash))
  }

  /** Add to the recording in progress, so that a tab that dies does not take it along. */
  async addToDraft (part) {
    await this.act('draft', 'readwrite', store => store.add(part))
  }

  /** The parts of a recording that was neither shared nor discarded, in their order. */
  async draft () {
    return this.act('draft', 'readonly', store => store.getAll())
  }

  async dropDraft () {
    await this.act('draft', 'readwrite', store => store.clear())
  }

  async act (name, mode, action) {
    const transaction = this.database.transaction(name, mode)
    const result = await answered(action(transaction.objectStore(name)))
    if (mode === 'readwrite') {
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve
        transaction.onabort = () => reject(transaction.error)
      })
    }
    return result
  }
}

const answered = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})
