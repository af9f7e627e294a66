/** A waveform as a slider: it shows the position, and clicks and keys seek. */

import { formatTime } from './text.js'

const STEP = 5 // seconds
const SVG = 'http://www.w3.org/2000/svg'

export class Waveform {
  /** `onSeek(seconds)` is called when the user chooses a position. */
  constructor (onSeek) {
    this.onSeek = onSeek
    this.duration = 0
    this.position = 0
    this.element = document.createElement('div')
    this.element.className = 'wave'
    this.element.tabIndex = 0
    this.element.setAttribute('role', 'slider')
    this.element.setAttribute('aria-label', 'Position')
    this.element.setAttribute('aria-valuemin', '0')
    this.element.addEventListener('pointerdown', event => {
      const { left, width } = this.element.getBoundingClientRect()
      this.seek(this.duration * (event.clientX - left) / width)
    })
    this.element.addEventListener('keydown', event => this.handleKey(event))
  }

  /** Draw these peaks, from 0 to 255, or a flat line if there are none. */
  draw (peaks, duration) {
    this.duration = duration ?? 0
    const levels = peaks.length ? [...peaks] : Array(100).fill(4)
    const path = levels.map((level, place) => {
      const height = Math.max(2, level * 96 / 255)
      return `M${place * 4},${50 - height / 2}h2.6v${height}h-2.6z`
    }).join('')
    const svg = document.createElementNS(SVG, 'svg')
    svg.setAttribute('viewBox', `0 0 ${levels.length * 4 - 1.4} 100`)
    svg.setAttribute('preserveAspectRatio', 'none')
    svg.setAttribute('aria-hidden', 'true')
    for (const name of ['whole', 'played']) {
      const shape = document.createElementNS(SVG, 'path')
      shape.setAttribute('class', name)
      shape.setAttribute('d', path)
      svg.append(shape)
    }
    this.played = svg.lastChild
    this.element.replaceChildren(svg)
    this.showPosition(this.position)
  }

  /** Show the position of the audio. */
  showPosition (seconds) {
    this.position = seconds
    const fraction = this.duration ? Math.min(1, seconds / this.duration) : 0
    if (this.played) this.played.style.clipPath = `inset(0 ${100 * (1 - fraction)}% 0 0)`
    this.element.setAttribute('aria-valuemax', String(Math.round(this.duration)))
    this.element.setAttribute('aria-valuenow', String(Math.round(seconds)))
    this.element.setAttribute('aria-valuetext', `${formatTime(seconds)} of ${formatTime(this.duration)}`)
  }

  seek (seconds) {
    this.onSeek(Math.min(Math.max(0, seconds), this.duration))
  }

  handleKey (event) {
    const positions = {
      ArrowRight: this.position + STEP,
      ArrowUp: this.position + STEP,
      ArrowLeft: this.position - STEP,
      ArrowDown: this.position - STEP,
      PageUp: this.position + 6 * STEP,
      PageDown: this.position - 6 * STEP,
      Home: 0,
      End: this.duration
    }
    if (!(event.key in positions)) return
    event.preventDefault()
    this.seek(positions[event.key])
  }
}
