"""What happens in a swarm, as plain values: an alert of libtorrent is valid only until the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `key` names the torrent (see `Swarm`), empty for the session."""

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
    """A tracker took our announce and knows that many peers."""

    url: str
    peers: int


@dataclass(frozen=True, slots=True)
class TrackerFailed(Event):
    """A tracker did not answer, or refused."""

    url: str
    reason: str


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
    """A piece that was wanted, as it is on the disk or in memory."""

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
    """The torrent is not one that can be fetched, whoever has it."""

    reason: str


@dataclass(frozen=True, slots=True)
class ResumeData(Event):
    """What a later session needs to continue this download exactly."""

    content: bytes


def translate(alert: Any, key: str) -> Event | None:
    """The event that an alert stands for; None for the many that memocast does not act on.

    None too when it carries text of a stranger's that is not UTF-8: the
    binding raises on reading it.
    """
    try:
        return _translate_torrent(alert, key) or _translate_session(alert, key)
    except UnicodeDecodeError:
        return None


def _translate_torrent(alert: Any, key: str) -> Event | None:
    import libtorrent as lt

    if isinstance(alert, lt.tracker_reply_alert):
        return TrackerAnswered(key, alert.tracker_url(), alert.num_peers)
    if isinstance(alert, lt.tracker_error_alert):
        return TrackerFailed(key, alert.tracker_url(), _reason(alert))
    if isinstance(alert, lt.dht_bootstrap_alert):
        return DhtReady(key)
    if isinstance(alert, lt.hash_failed_alert):
        return PieceCorrupted(key)
    if isinstance(alert, lt.torrent_error_alert) and not _is_of_disk(alert.error):
        return TorrentInvalid(key, alert.error.message())
    if isinstance(alert, (lt.file_error_alert, lt.torrent_error_alert)):
        return FileFailed(key, alert.error.message(), "space" in alert.error.message())
    if isinstance(alert, lt.read_piece_alert) and not alert.error.value():
        return PieceRead(key, alert.piece, bytes(alert.buffer))
    if isinstance(alert, lt.save_resume_data_alert):
        return ResumeData(key, lt.bencode(lt.write_resume_data(alert.params)))
    return None


def _translate_session(alert: Any, key: str) -> Event | None:
    import errno

    import libtorrent as lt

    if isinstance(alert, lt.listen_succeeded_alert):
        return Listening(key, str(alert.address), alert.port)
    if isinstance(alert, lt.listen_failed_alert):
        taken = alert.error.value() == errno.EADDRINUSE
        return ListenFailed(key, str(alert.address), alert.port, taken, alert.error.message())
    if isinstance(alert, lt.portmap_alert):
        return PortMapped(key, _mapper(alert), alert.external_port)
    if isinstance(alert, lt.portmap_error_alert):
        return PortMappingFailed(key, _mapper(alert), alert.error.message())
    return None


def _is_of_disk(error: Any) -> bool:
    """Whether the operating system said it, rather than whoever made the torrent."""
    return error.category().name() in ("system", "generic")


def _mapper(alert: Any) -> str:
    return "UPnP" if "upnp" in alert.message().lower() else "NAT-PMP"


def _reason(alert: Any) -> str:
    try:
        return str(alert.error_message() or alert.error.message())
    except UnicodeDecodeError:
        return "a reason that is not text"
