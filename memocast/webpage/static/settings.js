/** What `memocast page` wrote into settings.json: `trackers` (URLs) and `stun` (`host:port`). */
export async function load () {
  let said = {}
  try {
    const response = await fetch('settings.json')
    if (response.ok) said = await response.json()
  } catch {
    // hosted without it, or offline for the first time
  }
  return {
    trackers: Array.isArray(said.trackers) ? said.trackers.filter(url => typeof url === 'string') : [],
    iceServers: typeof said.stun === 'string' && said.stun ? [{ urls: `stun:${said.stun}` }] : []
  }
}
