/** The part of the page that records: title, record, pause, stop, listen, share or discard. */

import { ask } from './dialogs.js'
import { byId } from './dom.js'
import { Recorder, explain } from './recorder.js'
import { cut, formatTime } from './text.js'

const MAX_TITLE_BYTES = 300
const MAX_DESCRIPTION_BYTES = 8000
const NOT_DELETED = 'This browser could not delete the recording, and will offer it again. ' +
  'To remove it, delete the data of this page in the browser’s settings.'

export class RecorderView {
  /**
   * `store` stores the draft of a recording, or is null.
   * `share(memo, blob, recordingId)` makes a recording a memo, and deletes its draft.
   */
  constructor (store, share) {
    this.store = store
    this.share = share
    this.recorder = null
    this.isStopping = false
    this.draft = null
    byId('record').onclick = () => this.start()
    byId('pause').onclick = () => this.togglePause()
    byId('stop').onclick = () => this.stop()
    byId('keep').onclick = () => this.shareDraft()
    byId('discard').onclick = () => this.discard()
    addEventListener('beforeunload', event => { if (this.recorder || this.draft) event.preventDefault() })
  }

  /** Offer a recording left by a crashed tab, unless a running tab owns it. Show `words` first. */
  async recover (words = '') {
    this.showStatus(words)
    for (const [recordingId, parts] of await this.store?.drafts() ?? []) {
      if (!await lock(recordingId)) continue
      this.recordingId = recordingId
      const { duration, peaks, created } = parts.at(-1)
      const blob = new Blob(parts.map(part => part.blob), { type: parts[0].blob.type })
      this.showStatus(`${words} A recording was interrupted. This is what was recorded.`.trim())
      return this.showDraft({ blob, duration, peaks, created })
    }
  }

  async start () {
    byId('elapsed').textContent = formatTime(0)
    byId('level').value = 0
    byId('record').disabled = true
    try {
      this.created = new Date()
      this.recordingId = crypto.randomUUID()
      await lock(this.recordingId)
      if (!navigator.mediaDevices || !globalThis.MediaRecorder) throw new Error()
      this.recorder = await Recorder.start({
        onPart: part => this.storePart(part),
        onLevel: level => { byId('level').value = level },
        onEnd: () => this.stop()
      })
    } catch (error) {
      return this.showStatus(explain(error), true)
    } finally {
      byId('record').disabled = false
    }
    this.timer = setInterval(() => { byId('elapsed').textContent = formatTime(this.recorder.seconds) }, 200)
    this.showStatus('Recording.')
    this.show()
    byId('stop').focus()
  }

  togglePause () {
    this.recorder.togglePause()
    this.showStatus(this.recorder.isPaused ? 'Paused.' : 'Recording.')
    this.show()
  }

  async stop () {
    if (!this.recorder || this.isStopping) return
    this.isStopping = true
    this.show()
    clearInterval(this.timer)
    let recorded
    try {
      recorded = await this.recorder.stop()
    } finally {
      this.recorder = null
      this.isStopping = false
      this.show()
    }
    if (!recorded.blob.size || !recorded.duration) {
      await this.deleteDraft()
      return this.showStatus('Nothing was recorded.', true)
    }
    this.showStatus('')
    this.showDraft({ ...recorded, created: this.created })
    byId('keep').focus()
  }

  /** Let the user listen to a recording, and share or discard it. */
  showDraft (draft) {
    this.draft = draft
    this.url = URL.createObjectURL(draft.blob)
    byId('listen').src = this.url
    this.show()
  }

  async shareDraft () {
    const { blob, duration, peaks, created } = this.draft
    const title = cut(byId('title').value.trim(), MAX_TITLE_BYTES) || created.toLocaleString()
    const description = cut(byId('description').value, MAX_DESCRIPTION_BYTES)
    this.setBusy(true)
    try {
      await this.share({ title, description, created, duration, peaks }, blob, this.recordingId)
    } catch (error) {
      this.setBusy(false)
      return this.showStatus(`It could not be shared: ${error.message}. It is still here.`, true)
    }
    byId('title').value = byId('description').value = ''
    const isDeleted = await this.deleteDraft()
    await this.finish(`It is in the list below. Copy its link and send it.${isDeleted ? '' : ` ${NOT_DELETED}`}`)
  }

  async discard () {
    if (!await ask('Discard this recording? This cannot be undone.')) return
    this.setBusy(true)
    const isDeleted = await this.deleteDraft()
    await this.finish(isDeleted ? 'Discarded.' : NOT_DELETED)
  }

  /** Remove a recording from the page and from the store. Resolves to whether that worked. */
  async deleteDraft () {
    const isDeleted = await this.store?.deleteDraft(this.recordingId).then(() => true, () => false) ?? true
    this.draft = null
    URL.revokeObjectURL(this.url)
    byId('listen').removeAttribute('src')
    return isDeleted
  }

  /** Offer the next interrupted recording, or get ready to record. */
  async finish (words) {
    await this.recover(words).catch(() => {}) // if the store cannot be read, the next visit reports it
    this.setBusy(false)
    this.show()
  }

  async storePart (part) {
    // If the disk is full, recording continues; only a crash would then lose it.
    await this.store?.addToDraft(this.recordingId, { ...part, created: this.created }).catch(() => {})
  }

  setBusy (isBusy) {
    for (const id of ['keep', 'discard']) byId(id).disabled = isBusy
  }

  showStatus (words, isBad = false) {
    byId('recorder-status').textContent = words
    byId('recorder-status').classList.toggle('bad', isBad)
  }

  show () {
    const isOn = Boolean(this.recorder)
    byId('record').hidden = isOn || Boolean(this.draft)
    for (const id of ['pause', 'stop', 'elapsed', 'level']) byId(id).hidden = !isOn
    for (const id of ['pause', 'stop']) byId(id).disabled = this.isStopping
    byId('pause').textContent = this.recorder?.isPaused ? 'Resume' : 'Pause'
    byId('draft').hidden = !this.draft
  }
}

/** Lock a recording while this tab exists. Resolves to false if another tab has the lock. */
function lock (recordingId) {
  if (!navigator.locks) return Promise.resolve(true)
  return new Promise(resolve => {
    navigator.locks.request(`memocast-${recordingId}`, { ifAvailable: true }, granted => {
      resolve(Boolean(granted))
      return granted ? new Promise(() => {}) : null
    }).catch(() => resolve(true)) // without working locks, other tabs cannot be detected
  })
}
