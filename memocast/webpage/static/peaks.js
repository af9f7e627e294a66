/** Computes the waveform during a recording. docs/formats.md describes peaks. */

const SLICES = 200
const MAX_VALUES = 1 << 15 // above this, pairs are merged, so that memory stays constant

export class Peaks {
  constructor () {
    this.values = []
    this.blocksPerValue = 1
    this.current = 0
    this.blocks = 0
  }

  /** Add the peak amplitude of the next block, from 0 to 1. All blocks are equally long. */
  add (amplitude) {
    this.current = Math.max(this.current, Math.min(255, Math.round(amplitude * 255)))
    if (++this.blocks < this.blocksPerValue) return
    this.values.push(this.current)
    this.current = this.blocks = 0
    if (this.values.length > MAX_VALUES) this.mergePairs()
  }

  mergePairs () {
    const pairs = Math.ceil(this.values.length / 2)
    this.values = Array.from({ length: pairs }, (_, pair) =>
      Math.max(this.values[2 * pair], this.values[2 * pair + 1] ?? 0))
    this.blocksPerValue *= 2
  }

  /** Return at most 200 peaks, each of an equal part of the recording. */
  slices () {
    const total = this.values.length
    const count = Math.min(SLICES, total)
    const edge = index => Math.floor(index * total / count)
    return Uint8Array.from({ length: count }, (_, index) =>
      Math.max(...this.values.slice(edge(index), edge(index + 1))))
  }
}
