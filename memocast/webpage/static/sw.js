/* Keeps the page for when there is no network, and hands audio on its way to the player. */

const CACHE = 'memocast'
const STREAM = new URL('stream/', self.registration.scope).href
const PAGE = [
  './', 'index.html', 'style.css', 'icon.svg', 'age.js', 'age_cdn.js', 'app.js', 'card.js',
  'channel.js', 'channels.js', 'decrypted_file.js', 'dialogs.js', 'feed.js', 'ice.js', 'link.js',
  'memo.js', 'meter.js', 'peaks.js', 'pieces.js', 'recorder.js', 'recorder_view.js', 'settings.js',
  'store.js', 'stream.js', 'swarm.js', 'text.js', 'transfer.js', 'unchecked.js', 'waveform.js',
  'webtorrent.js'
]
// A page can do without: of webtorrent.js it keeps the CDN's else.
const PERHAPS = ['settings.json', 'webtorrent.min.js', 'age.min.js']

self.addEventListener('install', event => event.waitUntil(install()))
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
self.addEventListener('message', () => {}) // being spoken to keeps it awake
self.addEventListener('fetch', event => {
  const { url, method } = event.request
  if (url.startsWith(STREAM)) event.respondWith(stream(event))
  else if (method === 'GET' && url.startsWith('http')) event.respondWith(fresh(event))
})

async function install () {
  const cache = await caches.open(CACHE)
  // A browser that is full goes without its copy, and still plays what is on its way.
  await cache.addAll(PAGE).catch(error => { if (error.name !== 'QuotaExceededError') throw error })
  await Promise.all(PERHAPS.map(name => cache.add(name).catch(() => {})))
  await self.skipWaiting()
}

/** From the network while there is one, so that a new version of the page is seen at once. */
async function fresh (event) {
  const { request } = event
  const isOurs = request.url.startsWith(self.registration.scope)
  const address = request.url.split(/[?#]/)[0] // a query could be a link, which is nobody's business
  try {
    const response = await fetch(request)
    if (isOurs && response.ok) event.waitUntil(renew(address, response.clone()).catch(() => {}))
    return response
  } catch {
    return await caches.match(address) ?? Response.error()
  }
}

/** Replace what is kept of the page; other files of the same host are not ours to keep. */
async function renew (address, response) {
  const cache = await caches.open(CACHE)
  if (await cache.match(address)) await cache.put(address, response)
}

/** Ask the page that wants to play it for the bytes, and pass them on as they are pulled. */
async function stream (event) {
  const client = await self.clients.get(event.clientId)
  if (!client) return new Response(null, { status: 404 })
  const { port1: port, port2 } = new MessageChannel()
  const next = () => new Promise(resolve => { port.onmessage = ({ data }) => resolve(data) })
  const answer = next()
  const infoHash = event.request.url.slice(STREAM.length)
  const range = event.request.headers.get('range')
  client.postMessage({ type: 'memocast-range', infoHash, range }, [port2])
  const { status, headers } = await answer
  if (status >= 400) return new Response(null, { status, headers })
  const body = new ReadableStream({
    async pull (controller) {
      const chunk = next()
      port.postMessage('pull')
      const bytes = await chunk
      if (bytes) controller.enqueue(bytes)
      else controller.close()
    },
    cancel () {
      port.postMessage('cancel')
    }
  }, { highWaterMark: 0 })
  return new Response(body, { status, headers })
}
