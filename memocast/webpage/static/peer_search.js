/** Finds peers for a torrent: announces it repeatedly, and drops stalled peers. */

const NO_TRACKER_AFTER = 10e3 // milliseconds, like all of these
const NOBODY_AFTER = 30e3
const ANNOUNCE_EVERY = 15e3
const STALLED_AFTER = 8e3
const LONGEST_WAIT = 60e3

export class PeerSearch {
  /** `torrent` is webtorrent's. `slowdown()` returns how many times slower than usual to announce. */
  constructor (torrent, slowdown, heardTracker) {
    const now = performance.now()
    this.torrent = torrent
    this.slowdown = slowdown
    this.heardTracker = heardTracker
    this.began = now
    this.announceEvery = ANNOUNCE_EVERY
    this.nextAnnounce = now + ANNOUNCE_EVERY
    this.stalledAfter = STALLED_AFTER
    this.received = 0
    this.lastProgress = now
    torrent.on('trackerAnnounce', () => { this.heardTracker = true })
  }

  get peers () {
    return this.torrent.destroyed ? 0 : this.torrent.numPeers
  }

  get elapsed () {
    return performance.now() - this.began
  }

  get noTracker () {
    return !this.heardTracker && this.elapsed > NO_TRACKER_AFTER
  }

  get foundNobody () {
    return this.elapsed > NOBODY_AFTER
  }

  /** Announce or drop peers when due. Call it every second; `wantsMore`: it still needs peers. */
  tick (wantsMore) {
    const now = performance.now()
    if (this.torrent.received !== this.received) {
      this.received = this.torrent.received
      this.lastProgress = now
      this.announceEvery = ANNOUNCE_EVERY
      this.stalledAfter = STALLED_AFTER
    }
    if (!wantsMore || !this.peers) this.lastProgress = now
    if (now > this.lastProgress + this.stalledAfter) this.dropPeers(now)
    if (wantsMore && !this.peers && now > this.nextAnnounce) this.announce(now)
  }

  /**
   * A crashed tab looks connected for half a minute, and blocks the pieces requested from it.
   * And two peers that connect before either has the metadata never ask each other again.
   */
  dropPeers (now) {
    for (const wire of [...this.torrent.wires]) wire.destroy()
    this.lastProgress = now
    this.stalledAfter = Math.min(2 * this.stalledAfter, LONGEST_WAIT)
    this.nextAnnounce = 0
  }

  /** A seeder accepts one page per address at a time, so ask again when that page may be gone. */
  announce (now) {
    this.torrent.discovery?.tracker?.update()
    this.nextAnnounce = now + this.announceEvery * this.slowdown()
    this.announceEvery = Math.min(2 * this.announceEvery, LONGEST_WAIT)
  }

  /** Restart when the network is back. By itself webtorrent would take minutes. */
  reconnect () {
    if (this.torrent.destroyed) return
    this.heardTracker = false
    this.began = performance.now()
    this.torrent.discovery?.destroy()
    this.torrent.discovery = null
    this.torrent._startDiscovery?.() // not public, but the version is pinned
  }
}
