/** The part of the page that records: title, record, pause, stop, listen, share or discard. */

import { ask } from './dialogs.js'
import { Recording, whyNot } from './recording.js'
import { clock, cut } from './text.js'

const TITLE_MOST = 300
const DESCRIPTION_MOST = 8000
const get = id => document.getElementById(id)

export class Recorder {
  /** `share(memo, blob)` makes a memo of what was recorded; `store` keeps a draft of it, or is null. */
  constructor (store, share) {
    this.store = store
    this.share = share
    this.recording = null
    this.draft = null
    get('record').onclick = () => this.start()
    get('pause').onclick = () => this.pause()
    get('stop').onclick = () => this.stop()
    get('keep').onclick = () => this.keep()
    get('discard').onclick = () => this.discard()
    addEventListener('beforeunload', event => { if (this.recording || this.draft) event.preventDefault() })
  }

  /** Offer what a tab that died had recorded; that of one that lives is its own. */
  async recover () {
    for (const [recording, parts] of await this.store?.drafts() ?? []) {
      if (!await held(recording)) continue
      this.recordingId = recording
      const { duration, peaks, created } = parts.at(-1)
      const blob = new Blob(parts.map(part => part.blob), { type: parts[0].blob.type })
      this.say('A recording was interrupted. This is what was recorded of it.')
      return this.review({ blob, duration, peaks, created })
    }
  }

  async start () {
    if (this.draft && !await this.discard()) return
    get('elapsed').textContent = clock(0)
    get('level').value = 0
    this.created = new Date()
    this.recordingId = crypto.randomUUID()
    await held(this.recordingId)
    get('record').disabled = true
    try {
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
    const { recording } = this
    if (!recording) return
    this.recording = null
    clearInterval(this.timer)
    const heard = await recording.stop()
    if (!heard.blob.size || !heard.duration) {
      await this.forget()
      return this.say('Nothing was recorded.', true)
    }
    this.say('')
    this.review({ ...heard, created: this.created })
  }

  review (draft) {
    this.draft = draft
    this.url = URL.createObjectURL(draft.blob)
    get('listen').src = this.url
    this.show()
    get('keep').focus()
  }

  async keep () {
    const { blob, duration, peaks, created } = this.draft
    const title = cut(get('title').value.trim(), TITLE_MOST) || created.toLocaleString()
    const description = cut(get('description').value, DESCRIPTION_MOST)
    get('keep').disabled = true
    try {
      await this.share({ title, description, created, duration, peaks }, blob)
    } catch (error) {
      return this.say(`It could not be shared: ${error.message}. It is still here.`, true)
    } finally {
      get('keep').disabled = false
    }
    get('title').value = get('description').value = ''
    this.say('It is in the list below. Copy its link and send that.')
    await this.forget()
  }

  async discard () {
    if (!await ask('Discard this recording? It cannot be brought back.')) return false
    this.say('Discarded.')
    await this.forget()
    return true
  }

  async forget () {
    this.draft = null
    URL.revokeObjectURL(this.url)
    get('listen').removeAttribute('src')
    this.show()
    await this.store?.dropDraft(this.recordingId).catch(() => {}) // it is offered once more
  }

  async remember (part) {
    // A full disk takes the safety net away, and nothing else.
    await this.store?.addToDraft(this.recordingId, { ...part, created: this.created }).catch(() => {})
  }

  say (words, bad = false) {
    get('recorder-status').textContent = words
    get('recorder-status').classList.toggle('bad', bad)
  }

  show () {
    const isOn = Boolean(this.recording)
    get('record').hidden = isOn || Boolean(this.draft)
    for (const id of ['pause', 'stop', 'elapsed', 'level']) get(id).hidden = !isOn
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
    })
  })
}
