/** Records the microphone to a file. */

import { Peaks } from './peaks.js'

const TYPES = ['audio/ogg;codecs=opus', 'audio/webm;codecs=opus', 'audio/mp4']
const PART_EVERY = 1000 // milliseconds
const DECODE_BELOW = 300 // seconds, which is 58 MB of samples
const BLOCK_FRAMES = 4 * 128 // for each report of the meter

/** Return why recording did not start, as a sentence. `error` is what the browser threw. */
export function explain (error) {
  if (!globalThis.isSecureContext) return 'Recording works only if this page is opened over https.'
  switch (error?.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'The browser does not let this page use the microphone. Allow it in the address bar, then try again.'
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'No microphone was found. Connect one, then try again.'
    case 'NotReadableError':
    case 'AbortError':
      return 'The microphone is in use by another program, or does not work.'
    default:
      return `This browser cannot record: ${error?.message || 'it has no MediaRecorder'}.`
  }
}

export class Recorder {
  /**
   * Start recording. `onPart` gets the file part by part, with the duration and peaks so far;
   * `onLevel` gets the level, from 0 to 255; `onEnd` is called when the microphone is lost.
   */
  static async start ({ onPart, onLevel, onEnd }) {
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    const stream = await navigator.mediaDevices.getUserMedia({ audio })
    let recorder
    try {
      recorder = new Recorder(stream, onPart, onLevel)
      // Unplugging the microphone ends the recording, which is kept.
      stream.getTracks()[0].addEventListener('ended', onEnd)
      recorder.mediaRecorder.onerror = onEnd
      await recorder.begin()
      return recorder
    } catch (error) {
      release(stream, recorder?.context)
      throw new Error(error.message || 'the reason is unknown', { cause: error })
    }
  }

  constructor (stream, onPart, onLevel) {
    this.stream = stream
    this.onLevel = onLevel
    this.peaks = new Peaks()
    this.blocks = 0
    this.parts = []
    const mimeType = TYPES.find(type => MediaRecorder.isTypeSupported(type))
    this.mediaRecorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: 48_000 })
    this.type = (mimeType ?? this.mediaRecorder.mimeType).split(';')[0]
    this.mediaRecorder.ondataavailable = ({ data }) => {
      if (!data.size) return
      this.parts.push(data)
      onPart({ blob: data, duration: this.seconds, peaks: this.peaks.slices() })
    }
    this.stopped = new Promise(resolve => { this.mediaRecorder.onstop = resolve })
  }

  async begin () {
    this.context = new AudioContext()
    await this.context.audioWorklet.addModule('meter.js')
    const meter = new AudioWorkletNode(this.context, 'meter', { numberOfOutputs: 0 })
    meter.port.onmessage = ({ data }) => {
      if (this.mediaRecorder.state !== 'recording') return
      this.blocks += 1
      this.peaks.add(data)
      this.onLevel(Math.min(255, Math.round(data * 255)))
    }
    // Firefox throws if the sample rates differ, so this comes before anything is recorded.
    const source = this.context.createMediaStreamSource(this.stream)
    this.mediaRecorder.start(PART_EVERY)
    source.connect(meter)
  }

  /** Seconds recorded so far, without pauses. */
  get seconds () {
    return this.blocks * BLOCK_FRAMES / this.context.sampleRate
  }

  get isPaused () {
    return this.mediaRecorder.state === 'paused'
  }

  togglePause () {
    if (this.isPaused) this.mediaRecorder.resume()
    else if (this.mediaRecorder.state === 'recording') this.mediaRecorder.pause()
  }

  /** Stop. Resolves to `{blob, duration, peaks}`, with the duration in seconds. */
  async stop () {
    const duration = this.seconds
    try {
      if (this.mediaRecorder.state !== 'inactive') this.mediaRecorder.stop()
      await this.stopped
    } finally {
      release(this.stream, this.context)
    }
    const blob = new Blob(this.parts, { type: this.type })
    const exact = duration < DECODE_BELOW ? await examine(blob).catch(() => null) : null
    return { blob, duration, peaks: this.peaks.slices(), ...exact }
  }
}

/** Let go of the microphone: browsers show the user for as long as a page has it. */
function release (stream, context) {
  for (const track of stream.getTracks()) track.stop()
  context?.close().catch(() => {}) // the sound system has gone
}

/**
 * Decode the file for its exact duration and peaks. The meter starts slightly before or after the
 * MediaRecorder, which would show in the waveform of a short memo.
 */
async function examine (blob) {
  const rate = 48_000
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await blob.arrayBuffer())
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index))
  const peaks = new Peaks()
  const step = rate / 100
  for (let start = 0; start < sound.length; start += step) {
    let peak = 0
    for (const samples of channels) {
      for (const sample of samples.subarray(start, start + step)) peak = Math.max(peak, Math.abs(sample))
    }
    peaks.add(peak)
  }
  return { duration: sound.duration, peaks: peaks.slices() }
}
