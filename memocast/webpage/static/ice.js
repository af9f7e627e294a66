/**
 * Stops connections from waiting for a silent STUN server.
 *
 * webtorrent.js sends an offer or answer only when all its ICE candidates are gathered. It waits
 * five seconds for a STUN server that does not answer, each time.
 */

const GATHERING_LIMIT = 800 // milliseconds; by then a browser has asked three times
const GRACE = 100 // for candidates that are here while the page is too busy to see them
const SKIP_SERVER_FOR = 60e3

let lastAnswer = -Infinity // of a server, by performance.now()
let lastTimeout = -Infinity

// On another network it may answer.
addEventListener('online', () => { lastTimeout = -Infinity })

/**
 * A subclass of RTCPeerConnection that ends the gathering of candidates early. When the server
 * did not answer, connections of the next minute leave it out: its silence costs time only once.
 */
export function limitGathering (Connection) {
  return class extends Connection {
    constructor (config, ...more) {
      const isSilent = lastTimeout > lastAnswer && performance.now() < lastTimeout + SKIP_SERVER_FOR
      super(isSilent ? { ...config, iceServers: [] } : config, ...more)
      if (config?.iceServers?.length && !isSilent) startTimer(this)
    }
  }
}

function startTimer (connection) {
  const began = performance.now()
  let timer
  connection.addEventListener('icecandidate', ({ candidate }) => {
    if (!candidate) return clearTimeout(timer)
    if (/ typ srflx /.test(candidate.candidate)) lastAnswer = performance.now()
    timer ??= setTimeout(() => { timer = setTimeout(() => endGathering(connection, began), GRACE) }, GATHERING_LIMIT)
  })
}

function endGathering (connection, began) {
  if (connection.signalingState === 'closed') return
  if (lastAnswer < began) lastTimeout = performance.now()
  // The connection can still use candidates that come later, but the peer is not told of them.
  connection.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate', { candidate: null }))
}
