"""Network checks: whether peers can reach us, and what stops them."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from memocast.bittorrent import events, stun
from memocast.bittorrent.session import Session
from memocast.bittorrent.webrtc_session import WebRtcSession
from memocast.doctor.finding import Finding
from memocast.errors import Unwritable
from memocast.formats.link import Link
from memocast.formats.trackers import web_trackers
from memocast.library.seeder_lock import SeederLock
from memocast.processes import process_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.library.library import Library
    from memocast.settings import Settings

NETWORK_SECONDS = 10.0
_POLL_SECONDS = 0.05


def examine_network(library: Library, settings: Settings) -> Iterator[Finding]:
    """Listen, and query the router, the trackers and the DHT with an info-hash nobody has."""
    probe = _Probe(library, settings)
    probe.run()
    yield probe.listening()
    yield probe.port_mapping()
    yield probe.dht()
    yield from probe.trackers()
    yield _browsers(settings)


class _Probe:
    """Two short-lived sessions, classic and WebRTC, and what they reported."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library = library
        self._settings = settings
        self._listening: list[str] = []
        self._busy: list[str] = []
        self._mapped: list[str] = []
        self._refused: dict[str, str] = {}
        self._said: dict[str, Finding] = {}
        self._nodes = 0

    def run(self) -> None:
        """Collect the sessions' events, for at most ten seconds."""
        addresses = self._settings.addresses(self._port())
        ours = SeederLock(self._library.root).is_running()
        if ours:  # the seeder holds the library's port
            addresses = [(host, 0) for host, _ in addresses]
        sessions = [Session.classic(self._settings, addresses, exact_port=not ours)]
        if self._settings.webrtc and web_trackers(self._settings.trackers):
            sessions.append(WebRtcSession(self._settings))
        asked = {url for session in sessions for url in session.trackers(self._settings.trackers)}
        # Nobody has this info-hash; a tracker that answers for it answers for any.
        nothing = secrets.token_hex(20)
        folder = self._library.root / "incoming"
        try:
            for session in sessions:
                session.fetch(nothing, Link(v1=nothing), folder, self._settings.trackers)
            deadline = time.monotonic() + NETWORK_SECONDS
            while time.monotonic() < deadline and not self._knows_enough(asked):
                for session in sessions:
                    for event in session.poll(_POLL_SECONDS):
                        self._take(event, is_classic=session is sessions[0])
                self._nodes = sessions[0].dht_nodes
        finally:
            for session in sessions:
                session.close()

    def _port(self) -> int:
        """Return the library's port, or any free one if none was chosen and none can be noted."""
        try:
            return self._library.listen_port()
        except Unwritable:
            return 0

    def _take(self, event: events.Event, *, is_classic: bool) -> None:
        match event:
            case events.TrackerAnswered(url=url):
                self._said[url] = Finding(f"tracker {url}", ok=True, detail="answers")
            case events.TrackerFailed(url=url, reason=reason):
                self._said[url] = _tracker_problem(url, reason)
            case events.Listening(host=host) if is_classic:
                self._listening.append(host)
            case events.ListenFailed(host=host, port=port, reason=reason) if is_classic:
                self._busy.append(f"{host} port {port}: {reason}")
            case events.PortMapped(by=by):
                self._mapped.append(by)
            case events.PortMappingFailed(by=by, reason=reason):
                self._refused[by] = reason

    def _knows_enough(self, asked: set[str]) -> bool:
        mapping = bool(self._mapped) or len(self._refused) > 1 or not self._settings.port_mapping
        dht = self._nodes > 0 or not self._settings.dht
        return bool(self._listening) and mapping and dht and asked <= self._said.keys()

    def listening(self) -> Finding:
        """Report whether peers can connect."""
        if self._listening:
            return Finding("listening", ok=True, detail=" ".join(dict.fromkeys(self._listening)))
        fix = "stop the program that uses the port, or set 'listen' to another"
        if "n" in process_limits.tight():
            fix = process_limits.sentence("n")[1]
        return Finding(
            "listening",
            ok=False,
            detail="; ".join(dict.fromkeys(self._busy)) or "no address works",
            fix=fix,
        )

    def port_mapping(self) -> Finding:
        """Report whether the router lets peers in."""
        if not self._settings.port_mapping:
            return Finding("port mapping", ok=True, detail="turned off")
        if self._mapped:
            detail = f"works via {', '.join(sorted(set(self._mapped)))}"
            return Finding("port mapping", ok=True, detail=detail)
        reasons = "; ".join(f"{by}: {reason}" for by, reason in self._refused.items())
        return Finding(
            "port mapping",
            ok=False,
            detail=reasons or "no router answered UPnP or NAT-PMP",
            fix="turn on UPnP in your router, or forward the port that 'memocast status' shows"
            " to this machine",
        )

    def dht(self) -> Finding:
        """Report whether the DHT answers."""
        if not self._settings.dht:
            return Finding("dht", ok=True, detail="turned off")
        if self._nodes:
            return Finding("dht", ok=True, detail=f"{self._nodes} nodes")
        return Finding(
            "dht",
            ok=False,
            detail="no node answered",
            fix="allow outgoing UDP, or set 'dht_bootstrap' to nodes you can reach",
        )

    def trackers(self) -> Iterator[Finding]:
        """Report whether each tracker answers."""
        if not self._settings.trackers:
            yield Finding("trackers", ok=True, detail="turned off")
        for url in self._settings.trackers:
            if not self._settings.webrtc and web_trackers([url]):
                yield Finding(f"tracker {url}", ok=True, detail="not asked: 'webrtc' is off")
            else:
                yield self._said.get(url) or _tracker_problem(url, "no answer")


def _tracker_problem(url: str, reason: str) -> Finding:
    return Finding(
        f"tracker {url}",
        ok=False,
        detail=reason,
        fix="check your connection, or set 'trackers' to others in config.toml",
    )


def _browsers(settings: Settings) -> Finding:
    """Report whether people without memocast can listen."""
    if not settings.webrtc:
        return Finding("browsers", ok=True, detail="turned off")
    if not web_trackers(settings.trackers):
        return Finding(
            "browsers",
            ok=True,
            detail="none can listen: no WebSocket (wss://) tracker is configured",
        )
    if not settings.stun_server:
        return Finding("browsers", ok=True, detail="can listen on your network; no STUN server")
    if stun.answers(settings.stun_server):
        detail = f"can listen; the STUN server {settings.stun_server} answers"
        return Finding("browsers", ok=True, detail=detail)
    return Finding(
        "browsers",
        ok=False,
        detail=f"can listen on your network, but perhaps not elsewhere: the STUN server"
        f" {settings.stun_server} does not answer and is not used",
        fix="set 'stun_server' to another in config.toml, or to \"\" for none",
    )
