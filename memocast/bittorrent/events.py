"""Events of a session, as plain values: libtorrent's alerts last only until the next poll."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_THE_SYSTEM = ("system", "generic")
"""The categories of errors whose numbers are those of `errno`."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event; `key` names the torrent (see `Session`) and is empty for the session itself."""

    key: str


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """Peers can connect to this address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ListenFailed(Event):
    """Peers cannot connect to this address; `taken` when another program holds the port."""

    host: str
    port: int
    taken: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PortMapped(Event):
    """The router forwards this port to us. `by` is UPnP or NAT-PMP."""

    by: str
    port: int


@dataclass(frozen=True, slots=True)
class PortMappingFailed(Event):
    """The router was not found, or does not forward."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrackerAnswered(Event):
    """A tracker accepted our announce and knows that many peers."""

    url: str
    peers: int


@dataclass(frozen=True, slots=True)
class TrackerFailed(Event):
    """A tracker did not answer, or refused.

    `is_cut_off`: the system gave up a connection to it on which nothing was acknowledged.
    """

    url: str
    reason: str
    is_cut_off: bool = False


@dataclass(frozen=True, slots=True)
class DhtReady(Event):
    """The DHT's routing table has been filled."""


@dataclass(frozen=True, slots=True)
class Added(Event):
    """The torrent is in the session, and peers can ask for it."""


@dataclass(frozen=True, slots=True)
class Completed(Event):
    """Every piece is verified, and on disk."""


@dataclass(frozen=True, slots=True)
class PieceRead(Event):
    """A requested piece, read from disk or memory."""

    index: int
    content: bytes


@dataclass(frozen=True, slots=True)
class PieceCorrupted(Event):
    """A piece does not match its hash."""


@dataclass(frozen=True, slots=True)
class FileFailed(Event):
    """Reading or writing the audio failed; `full` when the disk has no room."""

    reason: str
    full: bool


@dataclass(frozen=True, slots=True)
class TorrentInvalid(Event):
    """The torrent is not valid and cannot be fetched from any peer."""

    reason: str


@dataclass(frozen=True, slots=True)
class ResumeData(Event):
    """The state from which a later session can continue this download."""

    content: bytes


def translate(alert: Any, key: str) -> Event | None:
    """Return the event for an alert, or None for the many that memocast ignores.

    Also None when it contains text from a peer or tracker that is not UTF-8: the
    binding raises on reading it.
    """
    found = _EVENTS.get(type(alert).__name__)
    try:
        return found(alert, key) if found else None
    except UnicodeDecodeError:
        return None


def _torrent_error(alert: Any, key: str) -> Event:
    if alert.error.category().name() not in _OF_THE_SYSTEM:
        return TorrentInvalid(key, alert.error.message())
    return _file_error(alert, key)  # from the operating system, not from the torrent


def _file_error(alert: Any, key: str) -> Event:
    return FileFailed(key, alert.error.message(), "space" in alert.error.message())


def _piece_read(alert: Any, key: str) -> Event | None:
    return None if alert.error.value() else PieceRead(key, alert.piece, bytes(alert.buffer))


def _resume_data(alert: Any, key: str) -> Event:
    import libtorrent as lt

    return ResumeData(key, lt.bencode(lt.write_resume_data(alert.params)))


def _listen_failed(alert: Any, key: str) -> Event:
    taken = alert.error.value() == errno.EADDRINUSE
    return ListenFailed(key, str(alert.address), alert.port, taken, alert.error.message())


def _mapper(alert: Any) -> str:
    return "UPnP" if "upnp" in alert.message().lower() else "NAT-PMP"


def _is_cut_off(alert: Any) -> bool:
    error = alert.error
    return bool(error.value() == errno.ETIMEDOUT and error.category().name() in _OF_THE_SYSTEM)


def _reason(alert: Any) -> str:
    try:
        return str(alert.error_message() or alert.error.message())
    except UnicodeDecodeError:
        return "a reason that is not text"


# By name: when thousands of torrents start, thousands of alerts come that are ignored.
_EVENTS: dict[str, Callable[[Any, str], Event | None]] = {
    "tracker_reply_alert": lambda it, key: TrackerAnswered(key, it.tracker_url(), it.num_peers),
    "tracker_error_alert": lambda it, key: TrackerFailed(
        key, it.tracker_url(), _reason(it), _is_cut_off(it)
    ),
    "dht_bootstrap_alert": lambda _, key: DhtReady(key),
    "hash_failed_alert": lambda _, key: PieceCorrupted(key),
    "torrent_error_alert": _torrent_error,
    "file_error_alert": _file_error,
    "read_piece_alert": _piece_read,
    "save_resume_data_alert": _resume_data,
    "listen_succeeded_alert": lambda it, key: Listening(key, str(it.address), it.port),
    "listen_failed_alert": _listen_failed,
    "portmap_alert": lambda it, key: PortMapped(key, _mapper(it), it.external_port),
    "portmap_error_alert": lambda it, key: PortMappingFailed(key, _mapper(it), it.error.message()),
}
