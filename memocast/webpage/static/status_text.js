/** Describes the state of a transfer for the user. */

import { formatPeople, formatSize } from './text.js'

const NO_TRACKER = 'No tracker could be reached, so nobody can be found. ' +
  'Check your connection; this page keeps trying.'
const NOBODY = 'Nobody who has this memo is online. ' +
  'Ask the sender to run “memocast seed”; the download then starts by itself.'
const WAITING = 'Waiting for the sender to be online…'
const KEPT = 'Kept in this browser.'

/**
 * Return the text to show below a memo in this phase. There may be no transfer, because of a
 * `connectionProblem` or because the memo is kept. `player` says whether it is waiting for the
 * audio, and whether the audio can be streamed.
 */
export function statusText (phase, transfer, connectionProblem, player) {
  switch (phase) {
    case 'failed': return transfer.problem
    case 'looking': return transfer ? search(transfer) : connectionProblem || WAITING
    case 'asking': return 'This memo is large. Download it?'
    case 'downloading': return download(transfer, player)
    default: return availability(transfer)
  }
}

function search (transfer) {
  if (transfer.noTracker) return NO_TRACKER
  // Connected peers may be waiting too. A peer that has it sends the metadata within a second.
  if (transfer.foundNobody) return NOBODY
  return transfer.peers ? 'Connected to somebody. Asking for the memo…' : WAITING
}

function download (transfer, { isWaiting, canStream }) {
  const percent = Math.floor(100 * transfer.progress)
  if (!transfer.peers) return `${percent} % downloaded. Waiting for somebody who has the rest…`
  const from = `from ${formatPeople(transfer.peers)}, ${formatSize(Math.round(transfer.speed))} a second.`
  const start = canStream ? ' It plays in a moment.' : ' It plays as soon as it is complete.'
  return `${percent} %, ${from}${isWaiting ? start : ''}`
}

function availability (transfer) {
  const peers = transfer?.peers ?? 0
  const isSeeded = transfer?.phase === 'whole' && (transfer.heardTracker || peers)
  if (!isSeeded) return transfer?.noTracker ? `${KEPT} ${NO_TRACKER}` : KEPT
  const others = peers ? `; connected to ${formatPeople(peers)}` : ''
  return `Complete. Keeping it available while this tab is open${others}.`
}

/** Return what screen readers say when a phase begins, without numbers. Nothing for some phases. */
export function phaseText (phase, transfer) {
  return {
    asking: 'Found. It is large: download it?',
    downloading: 'Found. Downloading.',
    whole: 'Complete.',
    failed: transfer?.problem
  }[phase]
}
