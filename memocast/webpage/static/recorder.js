/** A microphone's sound on its way into a file. */

import { Peaks } from './peaks.js'

const TYPES = ['audio/ogg;codecs=opus', 'audio/webm;codecs=opus', 'audio/mp4']
const PART_EVERY = 1000 // milliseconds
const DECODE_BELOW = 300 // seconds; decoded, that is 58 MB
const BLOCK_FRAMES = 4 * 128 // what the meter tells at a time

/** Why there is no microphone, for a person; `error` is what the browser said. */
export function whyNot (error) {
  if (!globalThis.isSecureContext) return 'Recording works only when this page is opened by https.'
  switch (error?.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'The browser does not let this page use the microphone. Allow it in the address bar, then try again.'
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'There is no microphone. Plug one in, then try again.'
    case 'NotReadableError':
    case 'AbortError':
      return 'The microphone is in use by another program, or does not work.'
    default:
      return `This browser cannot record: ${error?.message || 'it knows no MediaRecorder'}.`
  }
}

export class Recording {
  /**
   * Begin. `onPart` gets the file piece by piece, with its duration and peaks up to there;
   * `onLevel` how loud it is, 0 to 255; `onEnd` hears that the microphone has gone.
   */
  static async start ({ onPart, onLevel, onEnd }) {
    const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    const stream = await navigator.mediaDevices.getUserMedia({ audio })
    try {
      const recording = new Recording(stream, onPart, onLevel)
      // A microphone that is pulled ends the recording, and what it heard stays.
      stream.getTracks()[0].addEventListener('ended', onEnd)
      recording.recorder.onerror = onEnd
      await recording.listen()
      return recording
    } catch (error) {
      for (const track of stream.getTracks()) track.stop()
      throw new Error(error.message || 'it knows no way to', { cause: error })
    }
  }

  constructor (stream, onPart, onLevel) {
    this.stream = stream
    this.onLevel = onLevel
    this.peaks = new Peaks()
    this.blocks = 0
    this.parts = []
    const mimeType = TYPES.find(type => MediaRecorder.isTypeSupported(type))
    this.recorder = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: 48_000 })
    this.type = (mimeType ?? this.recorder.mimeType).split(';')[0]
    this.recorder.ondataavailable = ({ data }) => {
      if (!data.size) return
      this.parts.push(data)
      onPart({ blob: data, duration: this.seconds, peaks: this.peaks.slices() })
    }
    this.stopped = new Promise(resolve => { this.recorder.onstop = resolve })
  }

  async listen () {
    this.context = new AudioContext()
    await this.context.audioWorklet.addModule('meter.js')
    const meter = new AudioWorkletNode(this.context, 'meter', { numberOfOutputs: 0 })
    meter.port.onmessage = ({ data }) => {
      if (this.recorder.state !== 'recording') return
      this.blocks += 1
      this.peaks.feed(data)
      this.onLevel(Math.min(255, Math.round(data * 255)))
    }
    // Firefox cannot have two sample rates: it throws, and nothing must have been recorded by then.
    const source = this.context.createMediaStreamSource(this.stream)
    this.recorder.start(PART_EVERY)
    source.connect(meter)
  }

  /** Seconds recorded so far, pauses left out. */
  get seconds () {
    return this.blocks * BLOCK_FRAMES / this.context.sampleRate
  }

  get isPaused () {
    return this.recorder.state === 'paused'
  }

  pause () {
    if (this.isPaused) this.recorder.resume()
    else if (this.recorder.state === 'recording') this.recorder.pause()
  }

  /** End it: `{blob, duration, peaks}`, the duration in seconds. */
  async stop () {
    const duration = this.seconds
    if (this.recorder.state !== 'inactive') this.recorder.stop()
    await this.stopped
    for (const track of this.stream.getTracks()) track.stop()
    await this.context.close()
    const blob = new Blob(this.parts, { type: this.type })
    const exact = duration < DECODE_BELOW ? await examine(blob).catch(() => null) : null
    return { blob, duration, peaks: this.peaks.slices(), ...exact }
  }
}

/**
 * Length and waveform of what is in the file. The meter begins a moment before or after the
 * recorder does, which shows in the waveform of a short memo.
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
    peaks.feed(peak)
  }
  return { duration: sound.duration, peaks: peaks.slices() }
}
