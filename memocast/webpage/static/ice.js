/**
 * Connections that do not wait for a STUN server that is silent.
 *
 * webtorrent.js tells nobody of a connection until all its candidates are gathered, and waits five
 * seconds for a server that does not answer: for each offer, and again for each answer.
 */

const PATIENCE = 800 // milliseconds; by then a browser has asked three times
const MOMENT = 100 // for answers that are here, and wait until a busy page has time for them
const TRY_AGAIN_AFTER = 60e3

let answered = -Infinity // when a server was last heard, by performance.now()
let gaveUp = -Infinity // when one was last waited for in vain

// On another network it may answer.
addEventListener('online', () => { gaveUp = -Infinity })

/**
 * A kind of RTCPeerConnection that ends its gathering by itself. While a server is known to be
 * silent it is not asked, for a minute: what costs time costs it once.
 */
export function impatient (Connection) {
  return class extends Connection {
    constructor (config, ...more) {
      const isSilent = gaveUp > answered && performance.now() < gaveUp + TRY_AGAIN_AFTER
      super(isSilent ? { ...config, iceServers: [] } : config, ...more)
      if (config?.iceServers?.length && !isSilent) hurry(this)
    }
  }
}

function hurry (connection) {
  const began = performance.now()
  let timer
  connection.addEventListener('icecandidate', ({ candidate }) => {
    if (!candidate) return clearTimeout(timer)
    if (/ typ srflx /.test(candidate.candidate)) answered = performance.now()
    timer ??= setTimeout(() => { timer = setTimeout(() => giveUp(connection, began), MOMENT) }, PATIENCE)
  })
}

function giveUp (connection, began) {
  if (connection.signalingState === 'closed') return
  if (answered < began) gaveUp = performance.now()
  // What is found after this still serves the connection, but nobody is told of it.
  connection.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate', { candidate: null }))
}
