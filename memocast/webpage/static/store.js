/** Stores memos and unfinished recordings in IndexedDB. */

const VERSION = 1

/**
 * A memo that this browser keeps. Users' databases have these names, so they must not change.
 * `key` is the age identity of a private memo, `sealed` its encrypted file, and `blob` its audio.
 * @typedef {{infoHash: string, torrentFile: Uint8Array, dn: string, trackers: string[],
 *   origin: 'fetched' | 'recorded', title: string, description: string, created: Date,
 *   duration: number, peaks: Uint8Array, kind: {extension: string, type: string}, blob: Blob,
 *   arrived: number, key?: string, sealed?: Blob}} KeptMemo
 */

/** Open the store. Rejects if the browser stores nothing, as in some private windows. */
export async function openStore () {
  const store = new Store()
  await store.connection()
  return store
}

class Store {
  /** Return the database, reopened if the browser has closed it, as Safari does in the background. */
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
    const memos = await this.transact(['memos'], 'readonly', store => store.getAll())
    return memos.sort((a, b) => b.arrived - a.arrived)
  }

  /** Store a memo. In the same transaction, delete the draft it was made from. */
  async keep (memo, recordingId = null) {
    await this.transact(['memos', 'draft'], 'readwrite', (memos, draft) => {
      memos.put(memo)
      if (recordingId) deleteParts(draft, recordingId)
    })
  }

  /** Change fields of a memo. Resolves to whether it is still stored: another tab may have deleted it. */
  async change (infoHash, fields) {
    const found = await this.transact(['memos'], 'readwrite', memos => {
      const request = memos.get(infoHash)
      request.onsuccess = () => { if (request.result) memos.put({ ...request.result, ...fields }) }
      return request
    })
    return Boolean(found)
  }

  async remove (infoHash) {
    await this.transact(['memos'], 'readwrite', memos => memos.delete(infoHash))
  }

  /** Store the next part of a recording in progress, so that it survives a crash of the tab. */
  async addToDraft (recordingId, part) {
    await this.transact(['draft'], 'readwrite', draft => draft.add({ ...part, recording: recordingId }))
  }

  /** Recordings neither shared nor discarded: a Map of their parts by recording id. */
  async drafts () {
    const parts = await this.transact(['draft'], 'readonly', draft => draft.getAll())
    return groupByRecording(parts)
  }

  async deleteDraft (recordingId) {
    await this.transact(['draft'], 'readwrite', draft => deleteParts(draft, recordingId))
  }

  /**
   * Run `action` with these object stores in one transaction, after all earlier ones.
   * If it returns a request, resolves to its result, once everything is written.
   */
  async transact (names, mode, action) {
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

/** Open the database. `onClose` is called when it is closed. */
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

/** Delete the parts of a recording. An error thrown in a handler would undo the whole transaction. */
function deleteParts (draft, recordingId) {
  const parts = draft.getAll()
  const keys = draft.getAllKeys()
  keys.onsuccess = () => {
    for (const [index, part] of parts.result.entries()) {
      if (part.recording === recordingId) draft.delete(keys.result[index])
    }
  }
}

function groupByRecording (parts) {
  const recordings = new Map()
  for (const part of parts) {
    if (!recordings.has(part.recording)) recordings.set(part.recording, [])
    recordings.get(part.recording).push(part)
  }
  return recordings
}
