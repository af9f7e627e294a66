"""Asks the HTTP trackers that came by links, in libtorrent's place.

libtorrent follows a tracker's redirects to any address, and looks names up itself, so that a
stranger's tracker could have it request anything inside the user's network. It is given an address
of this relay on the user's own machine instead; `tracker_request` has what is asked then.
"""

from __future__ import annotations

import secrets
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any

from memocast.formats.addresses import address
from memocast.formats.trackers import PLAIN_PATH
from memocast.network.public_addresses import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Sequence


class TrackerRelay:
    """Listens on this machine, where a session that listens on `addresses` can reach it."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._secret = secrets.token_hex(16)  # other users of this machine do not know it
        self._trackers: list[tuple[str, bool]] = []
        self._places: dict[tuple[str, bool], str] = {}
        self._lock = threading.Lock()
        self._known: set[tuple[str, str, str]] = set()
        self._servers = _servers(self, _hosts(addresses))
        host, port = self._servers[0].server_address[:2]
        if len(self._servers) > 1:
            # By each family of addresses, so that the tracker learns ours of both.
            host = "localhost"
        # libtorrent asks loopback at /announce only.
        self._prefix = f"http://{address(str(host), port)}{PLAIN_PATH}/{self._secret}/"
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def place(self, tracker: str, *, public_only: bool = False) -> str:
        """Return the URL at which this relay stands for a tracker.

        With `public_only` it asks that at public addresses only.
        """
        asked = (tracker, public_only)
        if asked not in self._places:
            self._places[asked] = f"{self._prefix}{len(self._trackers)}"
            self._trackers.append(asked)
        return self._places[asked]

    def tracker(self, place: str) -> str:
        """Return the tracker that the URL stands for; if it is not of this relay, the same."""
        is_ours = place.startswith(self._prefix)
        return self._trackers[int(place.removeprefix(self._prefix))][0] if is_ours else place

    @property
    def is_known(self) -> bool:
        """Whether a tracker has heard that we are there, and not yet that we leave."""
        return bool(self._known)

    def note(self, tracker: str, query: str, host: str, *, is_heard: bool) -> None:
        """Note an announce to a tracker, with that query and from that address.

        `is_heard`: whether the tracker accepted it. One that does not hear our last announce
        gets no other.
        """
        said = dict(field.partition("=")[::2] for field in query.split("&"))
        told = (tracker, said.get("info_hash", ""), host)
        with self._lock:
            if said.get("event") == "stopped":
                self._known.discard(told)
            elif is_heard:
                self._known.add(told)

    def close(self) -> None:
        """Stop listening, a moment later."""
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def is_reached_from(self, host: str) -> bool:
        """Return whether a session's socket at this address reaches the relay."""
        import ipaddress

        at = {str(server.server_address[0]) for server in self._servers}
        if at & set(LOOPBACK):
            return ipaddress.ip_address(host).is_loopback
        return host in at

    def asked_for(self, path: str) -> tuple[str, bool] | None:
        """Return the tracker for which a path of ours stands, and whether at public addresses only.

        None if it is no path of ours.
        """
        _, _, number = path.partition(f"{PLAIN_PATH}/{self._secret}/")
        is_known = number.isdecimal() and len(number) < 10 and int(number) < len(self._trackers)
        return self._trackers[int(number)] if is_known else None


def _hosts(addresses: Sequence[str]) -> list[str]:
    """Return where to listen, for sessions that listen on these addresses."""
    import ipaddress

    found = [ipaddress.ip_address(each) for each in addresses]
    loopback = {
        LOOPBACK[each.version == 6] for each in found if each.is_unspecified or each.is_loopback
    }
    return sorted(loopback) or [str(each) for each in found[:1]] or [LOOPBACK[0]]


def _servers(relay: TrackerRelay, hosts: Sequence[str]) -> list[socketserver.TCPServer]:
    """Listen on these addresses, all at one port. Raises OSError if not even the first can be."""
    servers: list[socketserver.TCPServer] = []
    for host in hosts:
        port = servers[0].server_address[1] if servers else 0
        try:
            servers.append(_server(relay, host, port))
        except OSError:  # without IPv6, or the port is taken there
            if not servers:
                raise
    return servers


def _server(relay: TrackerRelay, host: str, port: int) -> socketserver.TCPServer:
    def answer(connection: Any, client: Any, server: Any) -> None:
        # With the first request, for http.server takes longer to load than most fetches take.
        from memocast.bittorrent.tracker_request import Handler

        Handler(connection, client, server, relay)

    # Not HTTPServer, which looks up its own name.
    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def verify_request(self, _: Any, client: Any) -> bool:
            # This machine; from elsewhere nothing comes to loopback.
            return host in LOOPBACK or bool(client[0] == host)

        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that left."""

    return Server((host, port), answer)  # type: ignore[arg-type]
