/* An audio worklet that reports the microphone's peak amplitude about a hundred times a second. */

const BLOCKS = 4 // of 128 frames, for each report

registerProcessor('meter', class extends AudioWorkletProcessor {
  constructor () {
    super()
    this.peak = 0
    this.blocks = 0
  }

  process ([channels]) {
    for (const samples of channels) {
      for (const sample of samples) this.peak = Math.max(this.peak, Math.abs(sample))
    }
    if (++this.blocks === BLOCKS) {
      this.port.postMessage(this.peak)
      this.peak = this.blocks = 0
    }
    return true
  }
})
