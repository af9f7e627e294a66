/** webtorrent.js: a copy beside this page when there is one, else a pinned one from a CDN. */

import { impatient } from './ice.js'

const LOCAL = new URL('webtorrent.min.js', import.meta.url).href
const CDN = 'https://cdn.jsdelivr.net/npm/webtorrent@2.8.5/dist/webtorrent.min.js'
const INTEGRITY = 'sha384-1Wi1WEBQVMNKYdh3DwnWoC/u5D90UI95baVk62RPx/K7mu3qytbrUUrXulxXBxhc'

// It takes the kind of connection that is there when it is loaded.
if (globalThis.RTCPeerConnection) globalThis.RTCPeerConnection = impatient(RTCPeerConnection)

/**
 * The class WebTorrent; `attempt` counts from 0.
 * Rejects when there is no copy, or only one that is not as it should be.
 */
export async function load (attempt) {
  // A browser may remember for as long as the page lives that a module could not be had.
  const again = attempt ? `?${attempt}` : ''
  const cdn = CDN + again
  try {
    return (await import(LOCAL + again)).default
  } catch {
    // import() takes no integrity hash. A script element does, and a module that it has
    // loaded is the one that import() then gives.
    await new Promise((resolve, reject) => {
      const script = document.createElement('script')
      Object.assign(script, {
        type: 'module', src: cdn, integrity: INTEGRITY, crossOrigin: 'anonymous',
        onload: resolve, onerror: () => reject(new Error('webtorrent.js could not be loaded'))
      })
      document.head.append(script)
    })
    const library = (await import(cdn)).default
    remember().catch(() => {}) // then it is not there without a network
    return library
  }
}

/** Keep the CDN's copy for when there is no network; a local one is kept by the service worker. */
async function remember () {
  const cache = await globalThis.caches?.open('memocast')
  if (!cache || await cache.match(CDN)) return
  await cache.add(new Request(CDN, { integrity: INTEGRITY, mode: 'cors', credentials: 'omit' }))
}
