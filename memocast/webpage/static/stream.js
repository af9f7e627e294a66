/** Playing what is still on its way: the page's half. The service worker asks for a range of bytes. */

const AWAKE_EVERY = 15e3 // a browser ends a service worker that hears nothing for 30 s
const CONTROL_WITHIN = 3e3

/** Registers the service worker; resolves to whether audio can be streamed through it. */
export async function start (find) {
  const container = navigator.serviceWorker
  if (!container) return false
  container.addEventListener('message', event => {
    if (event.data?.type === 'memocast-range') serve(event.data, event.ports[0], find)
  })
  await container.register('sw.js')
  if (container.controller) return true
  return Promise.race([
    new Promise(resolve => container.addEventListener('controllerchange', () => resolve(true), { once: true })),
    new Promise(resolve => setTimeout(() => resolve(Boolean(container.controller)), CONTROL_WITHIN))
  ])
}

/** The address under which the service worker answers for a memo. */
export const address = infoHash => `stream/${infoHash}`

async function serve ({ infoHash, range }, port, find) {
  const transfer = find(infoHash)
  const file = transfer?.file
  if (!file || !transfer.kind) return port.postMessage({ status: 404, headers: {} })
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
  const start = asked ? Number(asked[1]) : 0
  const end = asked?.[2] ? Math.min(Number(asked[2]), file.length - 1) : file.length - 1
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
  if (asked) headers['Content-Range'] = `bytes ${start}-${end}/${file.length}`
  const iterator = file[Symbol.asyncIterator]({ start, end })
  const awake = setInterval(() => navigator.serviceWorker.controller?.postMessage('awake'), AWAKE_EVERY)
  const finish = () => {
    clearInterval(awake)
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
      port.postMessage(null) // the transfer has ended; the player asks again, and is told 404
      finish()
    }
  }
  port.postMessage({ status: asked ? 206 : 200, headers })
}
