/** Loads webtorrent.js: the copy beside this page, or else a pinned version from a CDN. */

import { limitGathering } from './ice.js'

const LOCAL = new URL('webtorrent.min.js', import.meta.url).href
const CDN = 'https://cdn.jsdelivr.net/npm/webtorrent@2.8.5/dist/webtorrent.min.js'
const INTEGRITY = 'sha384-1Wi1WEBQVMNKYdh3DwnWoC/u5D90UI95baVk62RPx/K7mu3qytbrUUrXulxXBxhc'

// webtorrent.js uses the class that exists when it loads.
if (globalThis.RTCPeerConnection) globalThis.RTCPeerConnection = limitGathering(RTCPeerConnection)

/**
 * Resolves to the class WebTorrent. `attempt` counts from 0.
 * Rejects when no copy can be loaded, or the CDN's does not match its hash.
 */
export async function loadWebTorrent (attempt) {
  // After a failure, a browser may not load the same module URL again until the page is reloaded.
  const again = attempt ? `?${attempt}` : ''
  const cdn = CDN + again
  try {
    return (await import(LOCAL + again)).default
  } catch {
    // import() takes no integrity hash, but a script element does. import() then returns the
    // module that the element loaded.
    await new Promise((resolve, reject) => {
      const script = document.createElement('script')
      Object.assign(script, {
        type: 'module', src: cdn, integrity: INTEGRITY, crossOrigin: 'anonymous',
        onload: resolve, onerror: () => reject(new Error('webtorrent.js could not be loaded'))
      })
      document.head.append(script)
    })
    const { default: WebTorrent } = await import(cdn)
    cacheForOffline().catch(() => {}) // without it the page cannot connect when offline
    return WebTorrent
  }
}

/** Cache the CDN's copy for offline use. The service worker caches a copy beside the page. */
async function cacheForOffline () {
  const cache = await globalThis.caches?.open('memocast')
  if (!cache || await cache.match(CDN)) return
  await cache.add(new Request(CDN, { integrity: INTEGRITY, mode: 'cors', credentials: 'omit' }))
}
