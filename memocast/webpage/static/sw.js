/* Caches the page for offline use, and streams audio to the player. */

const CACHE = 'memocast'
const STREAM = new URL('stream/', self.registration.scope).href
const PAGE = [
  './', 'index.html', 'style.css', 'icon.svg', 'acceptance.js', 'age.js', 'age_cdn.js', 'app.js',
  'card.js', 'channel.js', 'channels.js', 'decrypted_file.js', 'dialogs.js', 'dom.js', 'feed.js',
  'ice.js', 'kept_memos.js', 'link.js', 'memo.js', 'meter.js', 'peaks.js', 'peer_search.js',
  'pieces.js', 'player.js', 'recorder.js', 'recorder_view.js', 'session.js', 'settings.js',
  'status_text.js', 'store.js', 'stream.js', 'text.js', 'transfer.js', 'unchecked.js',
  'waveform.js', 'webtorrent.js'
]
// The page works without these. It may have cached the CDN's copy instead of webtorrent.min.js.
const OPTIONAL = ['settings.json', 'webtorrent.min.js', 'age.min.js']

self.addEventListener('install', event => event.waitUntil(install()))
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()))
self.addEventListener('message', () => {}) // any message keeps it awake
self.addEventListener('fetch', event => {
  const { url, method } = event.request
  if (url.startsWith(STREAM)) event.respondWith(streamAudio(event))
  else if (method === 'GET' && url.startsWith('http')) event.respondWith(networkFirst(event))
})

async function install () {
  const cache = await caches.open(CACHE)
  // If the disk is full there is no copy, but streaming still works.
  await cache.addAll(PAGE).catch(error => { if (error.name !== 'QuotaExceededError') throw error })
  await Promise.all(OPTIONAL.map(name => cache.add(name).catch(() => {})))
  await self.skipWaiting()
}

/** Fetch from the network if possible, so that a new version of the page shows at once. */
async function networkFirst (event) {
  const { request } = event
  const isOurs = request.url.startsWith(self.registration.scope)
  const address = request.url.split(/[?#]/)[0] // a query may hold a link, which is private
  try {
    const response = await fetch(request)
    if (isOurs && response.ok) event.waitUntil(updateCache(address, response.clone()).catch(() => {}))
    return response
  } catch {
    return await caches.match(address) ?? Response.error()
  }
}

/** Update a cached file of the page. Other files of the same host are not cached. */
async function updateCache (address, response) {
  const cache = await caches.open(CACHE)
  if (await cache.match(address)) await cache.put(address, response)
}

/** Ask the page that plays the audio for its bytes, and pass them on as the player reads them. */
async function streamAudio (event) {
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
