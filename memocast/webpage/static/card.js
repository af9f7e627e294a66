/** A memo on the page: title and facts, player, buttons, and the state of its transfer. */

import { make, saveFile, setText, tellScreenReader } from './dom.js'
import { linkOf } from './link.js'
import { combineMemo } from './memo.js'
import { Player } from './player.js'
import { phaseText, statusText } from './status_text.js'
import { streamUrl } from './stream.js'
import { facts, fileName, formatSize, safe, safeLines } from './text.js'

const MESSAGE_FOR = 6000 // milliseconds

export class Card {
  /**
   * `actions` has `canStream()`; `connectionProblem()`, which returns a sentence or ''; and what the
   * buttons do with the card: `copyLink`, `edit` and `remove`, or `dismiss` when it is not kept.
   * `link` is where to fetch the memo, unless it is here already.
   */
  constructor (actions, link = null) {
    this.actions = actions
    this.fetchLink = link
    this.kept = null // the memo, if this browser keeps it
    this.transfer = null
    this.feedItem = null
    this.closing = new AbortController()
    this.onLeave = () => {}
    this.messageTimer = 0
    this.player = new Player({
      source: () => this.source(),
      onChange: () => this.show(),
      onProblem: words => this.showMessage(words)
    })
    this.build()
  }

  build () {
    this.element = make('article')
    this.title = make('h3', { tabIndex: -1 })
    this.facts = make('p', { className: 'facts' })
    this.description = make('p', { className: 'description' })
    this.progress = make('progress', { max: 1, value: 0 })
    this.progress.setAttribute('aria-label', 'Downloaded')
    this.saveButton = make('button', { className: 'save', textContent: 'Save' })
    this.copyButton = make('button', { className: 'copy', textContent: 'Copy link' })
    this.editButton = make('button', { className: 'edit', textContent: 'Edit' })
    this.removeButton = make('button', { className: 'remove', textContent: 'Delete' })
    this.startButton = make('button', { className: 'start' })
    this.status = make('p', { className: 'status' })
    const row = make('div', { className: 'row' })
    row.append(...this.player.controls, this.saveButton, this.copyButton, this.editButton,
      this.removeButton, this.startButton)
    this.element.append(this.title, this.facts, this.description, this.player.waveform.element,
      this.progress, row, this.status, this.player.audio)
    this.saveButton.onclick = () => this.save()
    this.copyButton.onclick = async () => { this.showMessage(await this.actions.copyLink(this)) }
    this.editButton.onclick = () => this.actions.edit(this)
    this.removeButton.onclick = () => this.kept ? this.actions.remove(this) : this.actions.dismiss(this)
    this.startButton.onclick = () => this.transfer.start()
  }

  // -- where the memo comes from -------------------------------------------------

  /** Show a transfer and its changes. */
  follow (transfer) {
    this.transfer = transfer
    transfer.addEventListener('change', () => {
      if (this.player.isWaiting) this.player.play()
      else this.show()
    }, { signal: this.closing.signal })
    this.show()
    return this
  }

  /** Forget a transfer that failed, and use another link for the next one. */
  retry (link) {
    this.transfer = null
    this.fetchLink = link
  }

  /** Show a memo that this browser keeps. */
  keep (kept) {
    this.kept = kept
    this.show()
    return this
  }

  /** Use what a channel's feed says about the memo, until the memo itself is here. */
  setFeedItem (item) {
    this.feedItem = item
  }

  get link () {
    return this.kept ? linkOf(this.kept) : this.fetchLink
  }

  get phase () {
    if (this.kept) return 'whole'
    return this.transfer?.phase ?? 'looking'
  }

  /** The memo, as far as it is known. */
  get memo () {
    const name = this.transfer?.name ?? this.fetchLink?.dn ?? ''
    return combineMemo(name, this.kept, this.transfer, this.player.audioDuration, this.feedItem)
  }

  // -- what is shown -------------------------------------------------------------

  show () {
    const { memo, phase } = this
    setText(this.title, safe(memo.title))
    setText(this.description, safeLines(memo.description))
    this.description.hidden = !memo.description
    setText(this.facts, facts(memo))
    this.progress.hidden = phase !== 'downloading'
    this.progress.value = this.transfer?.progress ?? 1
    this.startButton.hidden = phase !== 'asking'
    setText(this.startButton, `Download ${formatSize(memo.size)}`)
    this.saveButton.hidden = phase !== 'whole'
    this.copyButton.hidden = phase === 'failed'
    this.editButton.hidden = !this.kept
    setText(this.removeButton, this.kept ? 'Delete' : 'Dismiss')
    this.status.classList.toggle('bad', phase === 'failed')
    if (!this.messageTimer) this.showStatus()
    if (this.element.dataset.phase !== phase) {
      this.element.dataset.phase = phase
      const words = phaseText(phase, this.transfer)
      if (words) tellScreenReader(`${safe(memo.title)}: ${words}`)
    }
    this.player.show(memo, phase)
  }

  showStatus () {
    const player = { isWaiting: this.player.isWaiting, canStream: this.canStream }
    setText(this.status, statusText(this.phase, this.transfer, this.actions.connectionProblem(), player))
  }

  /** Show a message instead of the status, for a while. */
  showMessage (words) {
    setText(this.status, words)
    tellScreenReader(words)
    clearTimeout(this.messageTimer)
    this.messageTimer = setTimeout(() => { this.messageTimer = 0; this.show() }, MESSAGE_FOR)
  }

  // -- its audio -----------------------------------------------------------------

  play () {
    this.player.play()
  }

  get canStream () {
    return this.actions.canStream() && !this.player.streamFailed
  }

  /** The player's source: a Blob when the audio is complete, a URL while it downloads, or null. */
  source () {
    const blob = this.blob()
    if (blob) return blob
    return this.transfer?.kind && this.canStream ? streamUrl(this.transfer.link.infoHash) : null
  }

  blob () {
    if (this.kept) return this.kept.blob
    return this.transfer?.phase === 'whole' ? this.transfer.blob() : null
  }

  save () {
    const { extension } = this.kept?.kind ?? this.transfer.kind
    saveFile(this.blob(), fileName(this.memo.title, extension))
  }

  // -- its place on the page -----------------------------------------------------

  /** Place its element with `put`. `onLeave` is called when it leaves that place. */
  move (put, onLeave = () => {}) {
    this.onLeave()
    this.onLeave = onLeave
    put(this.element)
  }

  get isClosed () {
    return this.closing.signal.aborted
  }

  /** Take it off the page. */
  close () {
    this.closing.abort()
    this.player.close()
    this.element.remove()
    this.onLeave()
  }
}
