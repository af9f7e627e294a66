/** Plays audio that is still downloading: the page answers when the service worker asks for bytes. */

const KEEP_AWAKE_EVERY = 15e3 // a browser stops a service worker that gets no message for 30 s
const CONTROL_WITHIN = 3e3

/**
 * Register the service worker. Resolves to whether audio can be streamed through it.
 * `findTransfer(infoHash)` returns a Transfer, or undefined.
 */
export async function startStreaming (findTransfer) {
  const container = navigator.serviceWorker
  if (!container) return false
  container.addEventListener('message', event => {
    if (event.data?.type === 'memocast-range') serve(event.data, event.ports[0], findTransfer)
  })
  await container.register('sw.js')
  if (container.controller) return true
  return Promise.race([
    new Promise(resolve => container.addEventListener('controllerchange', () => resolve(true), { once: true })),
    new Promise(resolve => setTimeout(() => resolve(Boolean(container.controller)), CONTROL_WITHIN))
  ])
}

/** Return the URL at which the service worker serves a memo's audio. */
export const streamUrl = infoHash => `stream/${infoHash}`

async function serve ({ infoHash, range }, port, findTransfer) {
  const transfer = findTransfer(infoHash)
  const file = transfer?.file
  if (!file || !transfer.kind) return port.postMessage({ status: 404, headers: {} })
  const requested = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
  const start = requested ? Number(requested[1]) : 0
  const end = requested?.[2] ? Math.min(Number(requested[2]), file.length - 1) : file.length - 1
  if (start > end) {
    const headers = { 'Content-Range': `bytes */${file.length}` }
    return port.postMessage({ status: 416, headers })
  }
  const headers = {
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'no-store',
    'Content-Length': String(end - start + 1),
    'Content-Type': transfer.kind.type,
    'X-Content-Type-Options': 'nosniff'
  }
  if (requested) headers['Content-Range'] = `bytes ${start}-${end}/${file.length}`
  const iterator = file[Symbol.asyncIterator]({ start, end })
  const timer = setInterval(() => navigator.serviceWorker.controller?.postMessage('awake'), KEEP_AWAKE_EVERY)
  const finish = () => {
    clearInterval(timer)
    iterator.return?.()
    port.onmessage = null
  }
  port.onmessage = async ({ data }) => {
    if (data === 'cancel') return finish()
    try {
      const { value, done } = await iterator.next()
      port.postMessage(done ? null : value)
      if (done) finish()
    } catch {
      port.postMessage(null) // the transfer was stopped; the player asks again and gets a 404
      finish()
    }
  }
  port.postMessage({ status: requested ? 206 : 200, headers })
}
