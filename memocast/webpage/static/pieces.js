/**
 * A chunk store for webtorrent that holds pieces as Blobs, which a browser may keep outside the
 * tab's memory. With the option `blob` it starts with the pieces of that Blob.
 */
export class PieceStore {
  constructor (chunkLength, { length, blob }) {
    this.chunkLength = chunkLength
    const count = Math.ceil(length / chunkLength)
    this.pieces = Array.from({ length: blob ? count : 0 }, (_, index) =>
      blob.slice(index * chunkLength, Math.min(length, (index + 1) * chunkLength)))
  }

  put (index, bytes, done = () => {}) {
    this.pieces[index] = new Blob([bytes])
    queueMicrotask(() => done(null))
  }

  get (index, options, done) {
    if (typeof options === 'function') return this.get(index, {}, options)
    const piece = this.pieces[index]
    if (!piece) return queueMicrotask(() => done(new Error('this piece is not here')))
    const start = options?.offset ?? 0
    const end = start + (options?.length ?? piece.size - start)
    piece.slice(start, end).arrayBuffer().then(buffer => done(null, new Uint8Array(buffer)), done)
  }

  /** The whole file. Every piece must be here. */
  toBlob (type) {
    return new Blob(this.pieces, { type })
  }

  close (done = () => {}) {
    this.pieces = []
    queueMicrotask(() => done(null))
  }

  destroy (done) {
    this.close(done)
  }
}
