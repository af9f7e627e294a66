/** Loads webtorrent.js: the copy beside this page, or else a pinned version from a CDN. */

import { limitGathering } from './ice.js'

const LOCAL = new URL('webtorrent.min.js', import.meta.url).href
const CDN = 'https://cdn.jsdelivr.net/npm/webtorrent@2.8.5/dist/webtorrent.min.js'
const INTEGRITY = 'sha384-1Wi1WEBQVMNKYdh3DwnWoC/u5D90UI95baVk62RPx/K7mu3qytbrUUrXulxXBxhc'

// webtorrent.js takes the class that is there when it is loaded.
if (globalThis.RTCPeerConnection) globalThis.RTCPeerConnection = limitGathering(RTCPeerConnection)

/**
 * Resolves to the class WebTorrent. `attempt` counts from 0.
 * Rejects when no copy can be loaded, or the CDN's does not match its hash.
 */
export async function loadWebTorrent (attempt) {
  // A browser may not try a module again that it once failed to load, as long as the page lives.
  const again = attempt ? `?${attempt}` : ''
  const cdn = CDN + again
  try {
    return (await import(LOCAL + again)).default
  } catch {
    // import() takes no integrity hash, but a script element does. import() then returns the
    // module that the element has loaded.
    await new Promise((resolve, reject) => {
      const script = document.createElement('script')
      Object.assign(script, {
        type: 'module', src: cdn, integrity: INTEGRITY, crossOrigin: 'anonymous',
        onload: resolve, onerror: () => reject(new Error('webtorrent.js could not be loaded'))
      })
      document.head.append(script)
    })
    const { default: WebTorrent } = await import(cdn)
    cacheForOffline().catch(() => {}) // then it is missing when offline
    return WebTorrent
  }
}

/** Cache the CDN's copy for when there is no network. A copy beside the page is the service worker's. */
async function cacheForOffline () {
  const cache = await globalThis.caches?.open('memocast')
  if (!cache || await cache.match(CDN)) return
  await cache.add(new Request(CDN, { integrity: INTEGRITY, mode: 'cors', credentials: 'omit' }))
}
