/** The audio of a private memo while it downloads: decrypted in order, and kept in parts. */

const CHUNK = 1 << 16 // bytes of plaintext; age adds 16 to each chunk, and 16 before the first
const TAG = 16
const MAX_HEADER_BYTES = 1 << 16

/** A decrypted file. Like webtorrent's files, it has a `length` and iterates over a range of bytes. */
export class DecryptedFile {
  /** Start decrypting a webtorrent file. `decrypt` is from age.js. Rejects if it is not an age file. */
  static async start (decrypt, file) {
    const head = new Uint8Array(await file.arrayBuffer({ start: 0, end: Math.min(file.length, MAX_HEADER_BYTES) - 1 }))
    const decrypted = new DecryptedFile(plaintextLength(file.length, headerLength(head)))
    const plaintext = await decrypt(toStream(file))
    decrypted.whole = decrypted.readAll(plaintext.getReader())
    decrypted.whole.catch(() => {}) // code that awaits it gets the error
    return decrypted
  }

  constructor (length) {
    this.length = length
    this.whole = null // resolves to a Blob of the file when it is complete
    this.parts = [] // of [offset, Blob]; a browser may keep Blobs outside the tab's memory
    this.size = 0
    this.waiting = []
  }

  async readAll (reader) {
    try {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) break
        this.parts.push([this.size, new Blob([value])])
        this.size += value.length
        this.wakeReaders()
      }
      return new Blob(this.parts.map(([, blob]) => blob))
    } catch (error) {
      this.error = error
      throw error
    } finally {
      this.wakeReaders()
    }
  }

  wakeReaders () {
    for (const resolve of this.waiting.splice(0)) resolve()
  }

  /** The bytes from `start` to `end`, both included, as they are decrypted. */
  async * [Symbol.asyncIterator] ({ start = 0, end = this.length - 1 } = {}) {
    for (let position = start; position <= end;) {
      while (this.size <= position) {
        if (this.error) throw this.error
        await new Promise(resolve => this.waiting.push(resolve))
      }
      const [offset, blob] = this.parts.findLast(([first]) => first <= position)
      const bytes = new Uint8Array(await blob.slice(position - offset, end + 1 - offset).arrayBuffer())
      position += bytes.length
      yield bytes
    }
  }
}

function headerLength (head) {
  const text = Array.from(head, byte => String.fromCharCode(byte)).join('')
  const end = /\n--- [A-Za-z0-9+/]{43}\n/.exec(text)
  if (!end) throw new Error('not an age file')
  return end.index + end[0].length
}

function plaintextLength (length, header) {
  const payload = length - header - TAG
  return payload - TAG * Math.ceil(payload / (CHUNK + TAG))
}

function toStream (file) {
  const iterator = file[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull (controller) {
      const { value, done } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(value)
    }
  })
}
