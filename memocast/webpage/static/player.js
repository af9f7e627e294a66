/** The player of a memo: play button, clock, speed, and a waveform to seek in. */

import { make, setText } from './dom.js'
import { formatTime, safe } from './text.js'
import { Waveform } from './waveform.js'

const SPEEDS = [0.75, 1, 1.25, 1.5, 2]

let playing = null // the Player started last; only one plays at a time

export class Player {
  /**
   * `source()` returns the audio as a Blob or a URL to stream from, or null if there is neither yet.
   * `onChange()` is called when the player starts waiting for it or learns its duration.
   * `onProblem(words)` gets the reason why the audio cannot be played.
   */
  constructor ({ source, onChange, onProblem }) {
    this.source = source
    this.onChange = onChange
    this.onProblem = onProblem
    this.title = ''
    this.duration = null
    this.isWaiting = false // it plays as soon as there is a source
    this.streamFailed = false
    this.build()
  }

  build () {
    this.waveform = new Waveform(seconds => this.seek(seconds))
    this.audio = make('audio', { preload: 'none' })
    this.playButton = make('button', { className: 'primary play', textContent: 'Play' })
    this.clock = make('span', { className: 'clock', textContent: '0:00' })
    this.speed = make('select')
    this.speed.setAttribute('aria-label', 'Speed')
    for (const speed of SPEEDS) this.speed.append(new Option(`×${speed}`, speed, speed === 1, speed === 1))
    this.controls = [this.playButton, this.clock, this.speed]
    this.playButton.onclick = () => this.playOrPause()
    this.speed.onchange = () => { this.audio.playbackRate = Number(this.speed.value) }
    this.audio.onplay = this.audio.onpause = () => this.update()
    this.audio.ontimeupdate = () => this.update()
    this.audio.onended = () => { this.audio.currentTime = 0; this.update() }
    this.audio.ondurationchange = () => this.onChange()
    this.audio.onerror = () => this.handleError()
  }

  /** Show a memo, as far as it is known in this phase of its transfer. */
  show ({ title, duration, peaks }, phase) {
    this.title = safe(title)
    this.duration = duration
    if (this.drawnPeaks !== peaks || this.waveform.duration !== (duration ?? 0)) {
      this.waveform.draw(peaks, duration)
      this.drawnPeaks = peaks
    }
    this.waveform.element.setAttribute('aria-label', `Position in ${this.title}`)
    const isKnown = phase !== 'looking' && phase !== 'failed'
    this.waveform.element.hidden = !isKnown
    for (const control of this.controls) control.hidden = !isKnown || phase === 'asking'
    this.update()
  }

  /** Show whether it is playing, and the position. */
  update () {
    const verb = this.audio.paused ? 'Play' : 'Pause'
    setText(this.playButton, verb)
    this.playButton.setAttribute('aria-label', `${verb} ${this.title}`)
    const position = this.audio.currentTime
    setText(this.clock, this.duration
      ? `${formatTime(position)} / ${formatTime(this.duration)}`
      : formatTime(position))
    this.waveform.showPosition(position)
  }

  /** The duration that the browser found in the audio, or null. */
  get audioDuration () {
    return Number.isFinite(this.audio.duration) ? this.audio.duration : null
  }

  playOrPause () {
    if (this.audio.paused) this.play()
    else this.audio.pause()
  }

  /** Play, or wait until there is a source. */
  play () {
    if (!this.load()) {
      this.isWaiting = true
      return this.onChange()
    }
    this.isWaiting = false
    if (playing && playing !== this) playing.audio.pause()
    playing = this
    this.audio.playbackRate = Number(this.speed.value)
    this.audio.play().catch(() => {}) // the element's error event handles it
  }

  /** Set the audio element's source. Returns false if there is none yet. */
  load () {
    if (this.audio.src) return true
    const source = this.source()
    if (source) this.audio.src = source instanceof Blob ? URL.createObjectURL(source) : source
    return Boolean(source)
  }

  seek (seconds) {
    if (!this.load()) return
    this.audio.currentTime = seconds
    if (this.audio.readyState === 0) this.audio.load() // because of preload="none"
    this.waveform.showPosition(seconds)
  }

  handleError () {
    const source = this.audio.getAttribute('src')
    if (!source) return
    this.audio.removeAttribute('src')
    if (!source.startsWith('blob:')) {
      this.streamFailed = true // play the Blob instead, when it is complete
      return this.play()
    }
    URL.revokeObjectURL(source)
    this.onProblem('This browser cannot play this kind of audio. Save it and open it with another program.')
  }

  close () {
    this.audio.pause()
    if (this.audio.src.startsWith('blob:')) URL.revokeObjectURL(this.audio.src)
  }
}
