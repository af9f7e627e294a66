/**
 * Load settings.json, which `memocast page` wrote: `trackers` (URLs) and `stun` (`host:port`).
 * Resolves to `{trackers, iceServers}`, which are empty if there is no such file.
 */
export async function loadSettings () {
  let json = {}
  try {
    const response = await fetch('settings.json')
    if (response.ok) json = await response.json()
  } catch {
    // The page is hosted without it, or is offline for the first time.
  }
  return {
    trackers: Array.isArray(json.trackers) ? json.trackers.filter(url => typeof url === 'string') : [],
    iceServers: typeof json.stun === 'string' && json.stun ? [{ urls: `stun:${json.stun}` }] : []
  }
}
