/** The part of the page that records: title, record, pause, stop, listen, share or discard. */

import { ask } from './dialogs.js'
import { Recording, whyNot } from './recorder.js'
import { clock, cut } from './text.js'

const TITLE_MOST = 300
const DESCRIPTION_MOST = 8000
const NOT_DELETED = 'This browser did not delete the recording, and will offer it again. ' +
  'To be rid of it, delete what this page has stored in the settings of the browser.'
const get = id => document.getElementById(id)

export class Recorder {
  /**
   * `share(memo, blob, recording)` makes a memo of a recording, in the place of its draft; `store`
   * keeps the draft, or is null.
   */
  constructor (store, share) {
    this.store = store
    this.share = share
    this.recording = null
    this.isEnding = false
    this.draft = null
    get('record').onclick = () => this.start()
    get('pause').onclick = () => this.pause()
    get('stop').onclick = () => this.stop()
    get('keep').onclick = () => this.keep()
    get('discard').onclick = () => this.discard()
    addEventListener('beforeunload', event => { if (this.recording || this.draft) event.preventDefault() })
  }

  /** Offer what a tab that died had recorded, after these words; that of one that lives is its own. */
  async recover (words = '') {
    this.say(words)
    for (const [recording, parts] of await this.store?.drafts() ?? []) {
      if (!await held(recording)) continue
      this.recordingId = recording
      const { duration, peaks, created } = parts.at(-1)
      const blob = new Blob(parts.map(part => part.blob), { type: parts[0].blob.type })
      this.say(`${words} A recording was interrupted. This is what was recorded of it.`.trim())
      return this.review({ blob, duration, peaks, created })
    }
  }

  async start () {
    get('elapsed').textContent = clock(0)
    get('level').value = 0
    get('record').disabled = true
    try {
      this.created = new Date()
      this.recordingId = crypto.randomUUID()
      await held(this.recordingId)
      if (!navigator.mediaDevices || !globalThis.MediaRecorder) throw new Error()
      this.recording = await Recording.start({
        onPart: part => this.remember(part),
        onLevel: level => { get('level').value = level },
        onEnd: () => this.stop()
      })
    } catch (error) {
      return this.say(whyNot(error), true)
    } finally {
      get('record').disabled = false
    }
    this.timer = setInterval(() => { get('elapsed').textContent = clock(this.recording.seconds) }, 200)
    this.say('Recording.')
    this.show()
    get('stop').focus()
  }

  pause () {
    this.recording.pause()
    this.say(this.recording.isPaused ? 'Paused.' : 'Recording.')
    this.show()
  }

  async stop () {
    if (!this.recording || this.isEnding) return
    this.isEnding = true
    this.show()
    clearInterval(this.timer)
    let heard
    try {
      heard = await this.recording.stop()
    } finally {
      this.recording = null
      this.isEnding = false
    }
    if (!heard.blob.size || !heard.duration) {
      await this.forget()
      this.show()
      return this.say('Nothing was recorded.', true)
    }
    this.say('')
    this.review({ ...heard, created: this.created })
    get('keep').focus()
  }

  review (draft) {
    this.draft = draft
    this.url = URL.createObjectURL(draft.blob)
    get('listen').src = this.url
    this.show()
  }

  async keep () {
    const { blob, duration, peaks, created } = this.draft
    const title = cut(get('title').value.trim(), TITLE_MOST) || created.toLocaleString()
    const description = cut(get('description').value, DESCRIPTION_MOST)
    this.isBusy(true)
    try {
      await this.share({ title, description, created, duration, peaks }, blob, this.recordingId)
    } catch (error) {
      this.isBusy(false)
      return this.say(`It could not be shared: ${error.message}. It is still here.`, true)
    }
    get('title').value = get('description').value = ''
    const isGone = await this.forget()
    await this.goOn(`It is in the list below. Copy its link and send that.${isGone ? '' : ` ${NOT_DELETED}`}`)
  }

  async discard () {
    if (!await ask('Discard this recording? It cannot be brought back.')) return
    this.isBusy(true)
    const isGone = await this.forget()
    await this.goOn(isGone ? 'Discarded.' : NOT_DELETED)
  }

  /** Take a recording off the page, and out of what the browser keeps; whether that worked. */
  async forget () {
    const isGone = await this.store?.dropDraft(this.recordingId).then(() => true, () => false) ?? true
    this.draft = null
    URL.revokeObjectURL(this.url)
    get('listen').removeAttribute('src')
    return isGone
  }

  /** Turn to what else was interrupted, or be ready to record. */
  async goOn (words) {
    await this.recover(words).catch(() => {}) // what cannot be read is told by the next visit
    this.isBusy(false)
    this.show()
  }

  async remember (part) {
    // A full disk takes the safety net away, and nothing else.
    await this.store?.addToDraft(this.recordingId, { ...part, created: this.created }).catch(() => {})
  }

  /** While something is done with a recording, nothing else is. */
  isBusy (isBusy) {
    for (const id of ['keep', 'discard']) get(id).disabled = isBusy
  }

  say (words, bad = false) {
    get('recorder-status').textContent = words
    get('recorder-status').classList.toggle('bad', bad)
  }

  show () {
    const isOn = Boolean(this.recording)
    get('record').hidden = isOn || Boolean(this.draft)
    for (const id of ['pause', 'stop', 'elapsed', 'level']) get(id).hidden = !isOn
    for (const id of ['pause', 'stop']) get(id).disabled = this.isEnding
    get('pause').textContent = this.recording?.isPaused ? 'Go on' : 'Pause'
    get('draft').hidden = !this.draft
  }
}

/** Hold a recording for as long as this tab lives; false when another tab does. */
function held (recording) {
  if (!navigator.locks) return Promise.resolve(true)
  return new Promise(resolve => {
    navigator.locks.request(`memocast-${recording}`, { ifAvailable: true }, lock => {
      resolve(Boolean(lock))
      return lock ? new Promise(() => {}) : null
    }).catch(() => resolve(true)) // a browser that hands out no locks tells of no other tab
  })
}
