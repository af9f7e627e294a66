/** A memo on the page: its title, waveform and player, and the state of its transfer. */

import { make, setText, tellScreenReader } from './dom.js'
import { streamUrl } from './stream.js'
import { facts, fileName, formatPeople, formatSize, formatTime, safe, safeLines } from './text.js'
import { Waveform } from './waveform.js'

const NO_TRACKER = 'No tracker could be reached, so nobody can be found. Check your connection; this page keeps trying.'
const NOBODY = 'Nobody who has this memo is online. Ask the sender to run “memocast seed”; it starts here by itself.'
const SPEEDS = [0.75, 1, 1.25, 1.5, 2]

let playing = null // one at a time

export class Card {
  /**
   * `actions` has `canStream()`; `connectionProblem()`, why nobody can be reached, or nothing; and what
   * buttons do with the card: `copyLink`, `edit`, `remove`, or `dismiss` when nothing is kept.
   */
  constructor (actions) {
    this.actions = actions
    this.kept = null
    this.transfer = null
    this.feedItem = null // what a channel says of it
    this.closed = new AbortController()
    this.leave = () => {}
    this.wantsToPlay = false
    this.streamFailed = false
    this.build()
  }

  build () {
    this.element = make('article')
    this.title = make('h3', { tabIndex: -1 })
    this.facts = make('p', { className: 'facts' })
    this.description = make('p', { className: 'description' })
    this.waveform = new Waveform(seconds => this.seek(seconds))
    this.audio = make('audio', { preload: 'none' })
    this.playButton = make('button', { className: 'primary play', textContent: 'Play' })
    this.clock = make('span', { className: 'clock', textContent: '0:00' })
    this.speed = make('select')
    this.speed.setAttribute('aria-label', 'Speed')
    for (const speed of SPEEDS) this.speed.append(new Option(`×${speed}`, speed, speed === 1, speed === 1))
    this.saveButton = make('button', { className: 'save', textContent: 'Save' })
    this.copyButton = make('button', { className: 'copy', textContent: 'Copy link' })
    this.editButton = make('button', { className: 'edit', textContent: 'Edit' })
    this.removeButton = make('button', { className: 'remove', textContent: 'Delete' })
    this.startButton = make('button', { className: 'start' })
    this.progress = make('progress', { max: 1, value: 0 })
    this.progress.setAttribute('aria-label', 'Downloaded')
    this.status = make('p', { className: 'status' })
    const row = make('div', { className: 'row' })
    row.append(this.playButton, this.clock, this.speed, this.saveButton, this.copyButton,
      this.editButton, this.removeButton, this.startButton)
    this.element.append(this.title, this.facts, this.description, this.waveform.element, this.progress,
      row, this.status, this.audio)
    this.listen()
  }

  listen () {
    this.playButton.onclick = () => this.playOrPause()
    this.speed.onchange = () => { this.audio.playbackRate = Number(this.speed.value) }
    this.saveButton.onclick = () => this.save()
    this.copyButton.onclick = async () => { this.showMessage(await this.actions.copyLink(this)) }
    this.editButton.onclick = () => this.actions.edit(this)
    this.removeButton.onclick = () => this.kept ? this.actions.remove(this) : this.actions.dismiss(this)
    this.startButton.onclick = () => this.transfer.start()
    this.audio.onplay = this.audio.onpause = () => this.showPlayer()
    this.audio.ontimeupdate = () => this.showPlayer()
    this.audio.onended = () => { this.audio.currentTime = 0; this.showPlayer() }
    this.audio.ondurationchange = () => this.show()
    this.audio.onerror = () => this.playerFailed()
  }

  /** Show a transfer, and go on showing how it fares. */
  follow (transfer) {
    this.transfer = transfer
    transfer.addEventListener('change', () => {
      if (this.wantsToPlay) this.play()
      else this.show()
    }, { signal: this.closed.signal })
    this.show()
    return this
  }

  /** Show a memo that this browser keeps. */
  hold (kept) {
    this.kept = kept
    this.show()
    return this
  }

  /** Use what a channel's feed says of the memo, until the memo itself says more. */
  setFeedItem (item) {
    this.feedItem = item
  }

  // -- what is shown -------------------------------------------------------------

  /** What is known of the memo by now: the keeper's words before the sender's, then a channel's. */
  get memo () {
    const info = this.transfer?.memoInfo
    const dn = (this.transfer?.name ?? this.link?.dn ?? '').replace(/\.[^.]{1,5}$/, '')
    return {
      title: this.kept?.title ?? info?.title ?? this.feedItem?.title ?? (dn || 'A memo'),
      description: this.kept?.description ?? (info?.description || this.feedItem?.description) ?? '',
      created: this.kept?.created ?? info?.created ?? this.feedItem?.created,
      duration: this.kept?.duration ?? info?.duration ?? this.audioDuration ?? (this.feedItem?.duration || null),
      peaks: this.kept?.peaks ?? info?.peaks ?? new Uint8Array(),
      size: this.kept?.blob.size ?? (this.transfer?.size || this.feedItem?.size) ?? 0
    }
  }

  get audioDuration () {
    return Number.isFinite(this.audio.duration) ? this.audio.duration : null
  }

  show () {
    const memo = this.memo
    const { phase } = this
    setText(this.title, safe(memo.title))
    setText(this.description, safeLines(memo.description))
    this.description.hidden = !memo.description
    setText(this.facts, facts(memo))
    if (this.drawn !== memo.peaks || this.waveform.duration !== (memo.duration ?? 0)) {
      this.waveform.draw(memo.peaks, memo.duration)
      this.drawn = memo.peaks
    }
    this.waveform.element.setAttribute('aria-label', `Position in ${safe(memo.title)}`)
    const failed = phase === 'failed'
    this.waveform.element.hidden = failed || phase === 'looking'
    this.progress.hidden = phase !== 'downloading'
    this.progress.value = this.transfer?.progress ?? 1
    this.startButton.hidden = phase !== 'asking'
    setText(this.startButton, `Download ${formatSize(memo.size)}`)
    for (const part of [this.playButton, this.clock, this.speed]) {
      part.hidden = failed || phase === 'looking' || phase === 'asking'
    }
    this.saveButton.hidden = phase !== 'whole'
    this.copyButton.hidden = failed
    this.editButton.hidden = !this.kept
    setText(this.removeButton, this.kept ? 'Delete' : 'Dismiss')
    this.status.classList.toggle('bad', failed)
    if (!this.messageTimer) setText(this.status, this.statusText())
    if (this.element.dataset.phase !== phase) {
      this.element.dataset.phase = phase
      this.announcePhase()
    }
    this.showPlayer()
  }

  get phase () {
    if (this.kept) return 'whole'
    return this.transfer?.phase ?? 'looking'
  }

  statusText () {
    const { transfer } = this
    if (this.phase === 'failed') return transfer.problem
    const peers = transfer?.peers ?? 0
    if (this.phase === 'looking') {
      if (!transfer) return this.actions.connectionProblem() || 'Waiting for the sender to be online…'
      if (transfer.noTracker) return NO_TRACKER
      // Others who wait for it too can be connected; whoever has it says so within a second.
      if (transfer.foundNobody) return NOBODY
      return peers ? 'Somebody is there. Asking what it is…' : 'Waiting for the sender to be online…'
    }
    if (this.phase === 'asking') return 'This is large. Download it?'
    if (this.phase === 'downloading') {
      const percent = Math.floor(100 * transfer.progress)
      if (!peers) return `${percent} % is here. Waiting for somebody who has the rest…`
      const waiting = !this.wantsToPlay
        ? ''
        : this.streams ? ' It plays in a moment.' : ' It plays as soon as it is complete.'
      return `${percent} %, from ${formatPeople(peers)}, ${formatSize(Math.round(transfer.speed))} a second.${waiting}`
    }
    const isOffered = transfer?.phase === 'whole' && (transfer.heardTracker || peers)
    if (!isOffered) return transfer?.noTracker ? `Kept in this browser. ${NO_TRACKER}` : 'Kept in this browser.'
    const others = peers ? `; connected to ${formatPeople(peers)}` : ''
    return `Complete. Keeping it available while this tab is open${others}.`
  }

  /** Tell who cannot see the page that it is another thing now: once, and without the numbers. */
  announcePhase () {
    const words = {
      asking: 'Found. It is large: download it?',
      downloading: 'Found. Downloading.',
      whole: 'Complete.',
      failed: this.transfer?.problem
    }[this.phase]
    if (words) tellScreenReader(`${safe(this.memo.title)}: ${words}`)
  }

  /** Say something that is more than how the transfer fares, for a while. */
  showMessage (words) {
    setText(this.status, words)
    tellScreenReader(words)
    clearTimeout(this.messageTimer)
    this.messageTimer = setTimeout(() => { this.messageTimer = 0; this.show() }, 6000)
  }

  showPlayer () {
    const isPlaying = !this.audio.paused
    const verb = isPlaying ? 'Pause' : 'Play'
    setText(this.playButton, verb)
    this.playButton.setAttribute('aria-label', `${verb} ${safe(this.memo.title)}`)
    const position = this.audio.currentTime
    const duration = this.memo.duration
    setText(this.clock, duration ? `${formatTime(position)} / ${formatTime(duration)}` : formatTime(position))
    this.waveform.showPosition(position)
  }

  // -- what it does ----------------------------------------------------------------

  playOrPause () {
    if (this.audio.paused) this.play()
    else this.audio.pause()
  }

  play () {
    if (!this.load()) {
      this.wantsToPlay = true
      return this.show()
    }
    this.wantsToPlay = false
    if (playing && playing !== this) playing.audio.pause()
    playing = this
    this.audio.playbackRate = Number(this.speed.value)
    this.audio.play().catch(() => {}) // the element's error event says what is wrong
  }

  /** Give the player its audio: whole, or as it comes. False when it has to wait. */
  load () {
    if (this.audio.src) return true
    const blob = this.blob()
    if (blob) this.audio.src = URL.createObjectURL(blob)
    else if (this.transfer?.kind && this.streams) this.audio.src = streamUrl(this.transfer.link.infoHash)
    return Boolean(this.audio.src)
  }

  get streams () {
    return this.actions.canStream() && !this.streamFailed
  }

  blob () {
    if (this.kept) return this.kept.blob
    return this.transfer?.phase === 'whole' ? this.transfer.blob() : null
  }

  seek (seconds) {
    if (!this.load()) return
    this.audio.currentTime = seconds
    if (this.audio.readyState === 0) this.audio.load() // it has preload="none", and a place to go to now
    this.waveform.showPosition(seconds)
  }

  playerFailed () {
    const source = this.audio.getAttribute('src')
    if (!source) return
    this.audio.removeAttribute('src')
    if (!source.startsWith('blob:')) {
      this.streamFailed = true // the whole will do
      return this.play()
    }
    URL.revokeObjectURL(source)
    this.showMessage('This browser cannot play this kind of audio. Save it, and open it with another program.')
  }

  save () {
    const { extension } = this.kept?.kind ?? this.transfer.kind
    const anchor = document.createElement('a')
    anchor.href = URL.createObjectURL(this.blob())
    anchor.download = fileName(this.memo.title, extension)
    anchor.click()
    setTimeout(() => URL.revokeObjectURL(anchor.href), 60e3)
  }

  /** Put it somewhere on the page; `leave` is called when it goes from there. */
  move (put, leave = () => {}) {
    this.leave()
    this.leave = leave
    put(this.element)
  }

  /** Take it off the page. */
  close () {
    this.closed.abort()
    this.audio.pause()
    if (this.audio.src.startsWith('blob:')) URL.revokeObjectURL(this.audio.src)
    this.element.remove()
    this.leave()
  }
}
