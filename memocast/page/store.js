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

  /** Add to a recording in progress, so that a tab that dies does not take it along. */
  async addToDraft (recording, part) {
    await this.act('draft', 'readwrite', store => store.add({ ...part, recording }))
  }

  /** The parts of recordings that were neither shared nor discarded, by recording. */
  async drafts () {
    const parts = await this.act('draft', 'readonly', store => store.getAll())
    return grouped(parts)
  }

  async dropDraft (recording) {
    await this.act('draft', 'readwrite', store => {
      const request = store.openCursor()
      request.addEventListener('success', () => {
        const cursor = request.result
        if (!cursor) return
        if (cursor.value.recording === recording) cursor.delete()
        cursor.continue()
      })
      return request
    })
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

function grouped (parts) {
  const recordings = new Map()
  for (const part of parts) {
    if (!recordings.has(part.recording)) recordings.set(part.recording, [])
    recordings.get(part.recording).push(part)
  }
  return recordings
}

const answered = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})
