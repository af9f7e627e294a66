/** What this browser keeps, in IndexedDB: memos, and a recording that is not finished. */

const VERSION = 1

/** Opens the store; rejects where the browser keeps nothing, as in some private windows. */
export async function open () {
  const store = new Store()
  await store.connection()
  return store
}

class Store {
  /** The database, opened again when the browser has closed it, as Safari does in the background. */
  connection () {
    const forget = () => { this.opening = null }
    this.opening ??= connect(forget).catch(error => {
      forget()
      throw error
    })
    return this.opening
  }

  /** The memos, newest first. */
  async memos () {
    const memos = await this.act(['memos'], 'readonly', store => store.getAll())
    return memos.sort((a, b) => b.arrived - a.arrived)
  }

  /** Keep a memo, in the place of the draft of the `recording` that it was made of. */
  async keep (memo, recording = null) {
    await this.act(['memos', 'draft'], 'readwrite', (memos, draft) => {
      memos.put(memo)
      if (recording) drop(draft, recording)
    })
  }

  /** Change fields of a memo; whether it is still here, as another tab may have deleted it. */
  async change (infoHash, fields) {
    const found = await this.act(['memos'], 'readwrite', memos => {
      const request = memos.get(infoHash)
      request.onsuccess = () => { if (request.result) memos.put({ ...request.result, ...fields }) }
      return request
    })
    return Boolean(found)
  }

  async remove (infoHash) {
    await this.act(['memos'], 'readwrite', memos => memos.delete(infoHash))
  }

  /** Add to a recording in progress, so that a tab that dies does not take it along. */
  async addToDraft (recording, part) {
    await this.act(['draft'], 'readwrite', draft => draft.add({ ...part, recording }))
  }

  /** The parts of recordings that were neither shared nor discarded, by recording. */
  async drafts () {
    const parts = await this.act(['draft'], 'readonly', draft => draft.getAll())
    return grouped(parts)
  }

  async dropDraft (recording) {
    await this.act(['draft'], 'readwrite', draft => drop(draft, recording))
  }

  /**
   * Do something with these object stores, all of it or nothing, in the order of the calls.
   * Resolves to the result of the request that `action` returns, if it does, once all is written.
   */
  async act (names, mode, action) {
    const database = await this.connection()
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(names, mode)
      transaction.onabort = () => reject(transaction.error ?? new Error('the browser gave up'))
      try {
        const request = action(...names.map(name => transaction.objectStore(name)))
        transaction.oncomplete = () => resolve(request?.result)
      } catch (error) {
        transaction.abort()
        reject(error)
      }
    })
  }
}

/** The database; `onClose` hears that it is closed. */
function connect (onClose) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('memocast', VERSION)
    request.onupgradeneeded = () => {
      request.result.createObjectStore('memos', { keyPath: 'infoHash' })
      request.result.createObjectStore('draft', { autoIncrement: true })
    }
    request.onerror = () => reject(request.error)
    request.onsuccess = () => {
      const database = request.result
      database.onclose = onClose
      database.onversionchange = () => {
        database.close()
        onClose()
      }
      resolve(database)
    }
  })
}

/** Delete the parts of a recording. What a handler throws here would undo the whole transaction. */
function drop (draft, recording) {
  const parts = draft.getAll()
  const keys = draft.getAllKeys()
  keys.onsuccess = () => {
    for (const [place, part] of parts.result.entries()) {
      if (part.recording === recording) draft.delete(keys.result[place])
    }
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
