/** The audio of a private memo while its ciphertext arrives: opened in order, kept in parts. */

const CHUNK = 1 << 16 // of what is sealed; an age file has 16 bytes more for each, and 16 before all
const TAG = 16
const MOST_HEADER = 1 << 16

/** A file in the clear: `length` in bytes, and an iterator over a range, as webtorrent's files have. */
export class OpenedFile {
  /** Begins to open a file of webtorrent's with `open`, from age.js. Rejects when it is no age file. */
  static async begin (open, file) {
    const head = new Uint8Array(await file.arrayBuffer({ start: 0, end: Math.min(file.length, MOST_HEADER) - 1 }))
    const opened = new OpenedFile(plainLength(file.length, headerLength(head)))
    const plain = await open(streamed(file))
    opened.whole = opened.fill(plain.getReader())
    opened.whole.catch(() => {}) // who waits for it hears of it
    return opened
  }

  constructor (length) {
    this.length = length
    this.parts = [] // Blobs, which a browser may keep outside the tab's memory
    this.size = 0
    this.waiting = []
  }

  async fill (reader) {
    try {
      for (;;) {
        const { value, done } = await reader.read()
        if (done) break
        this.parts.push([this.size, new Blob([value])])
        this.size += value.length
        this.wake()
      }
      return new Blob(this.parts.map(([, blob]) => blob))
    } catch (error) {
      this.failure = error
      throw error
    } finally {
      this.wake()
    }
  }

  wake () {
    for (const resolve of this.waiting.splice(0)) resolve()
  }

  /** The bytes from `start` to `end`, both included, as they are opened. */
  async * [Symbol.asyncIterator] ({ start = 0, end = this.length - 1 } = {}) {
    for (let place = start; place <= end;) {
      while (this.size <= place) {
        if (this.failure) throw this.failure
        await new Promise(resolve => this.waiting.push(resolve))
      }
      const [from, blob] = this.parts.findLast(([first]) => first <= place)
      const bytes = new Uint8Array(await blob.slice(place - from, end + 1 - from).arrayBuffer())
      place += bytes.length
      yield bytes
    }
  }
}

function headerLength (head) {
  const text = Array.from(head, byte => String.fromCharCode(byte)).join('')
  const end = /\n--- [A-Za-z0-9+/]{43}\n/.exec(text)
  if (!end) throw new Error('no age file')
  return end.index + end[0].length
}

function plainLength (length, header) {
  const payload = length - header - TAG
  return payload - TAG * Math.ceil(payload / (CHUNK + TAG))
}

function streamed (file) {
  const iterator = file[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull (controller) {
      const { value, done } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(value)
    }
  })
}
