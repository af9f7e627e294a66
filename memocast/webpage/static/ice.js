/**
 * Stops connections from waiting for a silent STUN server.
 *
 * webtorrent.js sends an offer or answer only when all ICE candidates are gathered. For a STUN
 * server that does not answer it waits five seconds, each time.
 */

const GATHERING_LIMIT = 800 // milliseconds; by then a browser has asked three times
const GRACE = 100 // for candidates that arrived while the page was busy
const SKIP_SERVER_FOR = 60e3

let lastAnswer = -Infinity // of a server, by performance.now()
let lastTimeout = -Infinity

// On another network it may answer.
addEventListener('online', () => { lastTimeout = -Infinity })

/**
 * Return a subclass of RTCPeerConnection that ends the gathering of candidates early. If the server
 * does not answer, connections in the next minute skip it, so its silence costs time only once.
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
  // The connection can still use later candidates, but the peer does not learn of them.
  connection.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate', { candidate: null }))
}
