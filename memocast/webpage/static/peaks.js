/** The waveform of a recording, gathered while it goes on: as docs/formats.md describes peaks. */

const SLICES = 200
const MOST = 1 << 15 // past this many, each two become one: memory is constant

export class Peaks {
  constructor () {
    this.gathered = []
    this.width = 1 // how many of what is fed make one that is gathered
    this.current = 0
    this.count = 0
  }

  /** Take the largest absolute amplitude, 0 to 1, of the next block; blocks are of equal length. */
  feed (amplitude) {
    this.current = Math.max(this.current, Math.min(255, Math.round(amplitude * 255)))
    if (++this.count < this.width) return
    this.gathered.push(this.current)
    this.current = this.count = 0
    if (this.gathered.length > MOST) this.halve()
  }

  halve () {
    const pairs = Math.ceil(this.gathered.length / 2)
    this.gathered = Array.from({ length: pairs }, (_, pair) =>
      Math.max(this.gathered[2 * pair], this.gathered[2 * pair + 1] ?? 0))
    this.width *= 2
  }

  /** At most 200 peaks, each of an equal part of what was fed. */
  slices () {
    const total = this.gathered.length
    const count = Math.min(SLICES, total)
    const edge = index => Math.floor(index * total / count)
    return Uint8Array.from({ length: count }, (_, index) =>
      Math.max(...this.gathered.slice(edge(index), edge(index + 1))))
  }
}
