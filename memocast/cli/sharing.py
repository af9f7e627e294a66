"""`share` and `status`."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memocast.cli import console
from memocast.cli.state import JsonOption, State, complete_memo, state
from memocast.errors import MemocastError, UsageError

if TYPE_CHECKING:
    from memocast.memo import Memo
    from memocast.torrent import Torrent


def register(app: typer.Typer) -> None:
    """Add this family's commands to the application."""
    app.command()(share)
    app.command()(status)


def share(
    context: typer.Context,
    memo: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MEMO…",
            help="Ids, unique prefixes of them, or 'latest'.",
            autocompletion=complete_memo,
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Share every memo.")] = False,
    qr: Annotated[bool, typer.Option("--qr", help="Also draw the link as a QR code.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Put this machine's addresses into the link.")
    ] = False,
    torrent: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a .torrent file.")
    ] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="Start no seeder.")] = False,
    json: JsonOption = False,
) -> None:
    """Print a memo's magnet link, and see to it that a seeder runs.

    Whoever has the link can listen, and nobody can take it back.

    Example: memocast share latest
    """
    current = state(context)
    if bool(memo) == all_:
        raise UsageError("name the memos to share, or --all", hint="memocast share latest")
    if torrent and (all_ or (memo and len(memo) > 1)):
        raise UsageError("--torrent writes one memo's file", hint="share them one by one")
    references = memo or [found.id for found in current.library.memos()]
    shared: list[dict[str, Any]] = []

    def share_one(reference: str) -> None:
        found = current.library.get(reference)
        link = shared_link(current, found, direct=direct, torrent_file=torrent)
        info_hash = current.library.get(found.id).info_hash
        shared.append({"id": found.id, "link": link, "info_hash": info_hash})
        if not json:
            console.data(link)
        if qr:
            _draw_qr(link)

    try:
        console.each(references, share_one)
    finally:
        if json:
            console.document(shared)
        if shared:
            ensure_seeder(current, wanted=not no_seed)


def shared_link(
    current: State, memo: Memo, *, direct: bool = False, torrent_file: Path | None = None
) -> str:
    """Mark the memo shared; return its magnet link."""
    from memocast import torrent as torrents

    library = current.library
    torrent = library.shares.torrent(memo)
    if torrent is None and not library.shares.is_intact(memo):
        raise MemocastError(
            f"the audio of memo {memo.id} was changed outside memocast",
            hint=f"add it as it is now: memocast add {library.path(memo)}",
        )
    with library.translated():
        torrent = library.shares.share(memo, torrent or torrents.make(memo, library.path(memo)))
    trackers = list(dict.fromkeys([*current.settings.trackers, *torrent.trackers]))
    if torrent_file:
        _write_torrent(torrent_file, torrent, trackers)
    peers = _own_addresses(current) if direct else []
    return torrents.magnet(torrent, trackers, peers)


def _write_torrent(path: Path, torrent: Torrent, trackers: list[str]) -> None:
    from memocast.torrent import with_trackers

    if path.is_dir():
        raise UsageError(f"'{path}' is a directory", hint="name a file")
    content = with_trackers(torrent, trackers)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        if path.read_bytes() == content:
            return
        raise UsageError(f"'{path}' exists", hint="name another file") from None
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror}", hint="check it") from error


def _own_addresses(current: State) -> list[tuple[str, int]]:
    addresses = []
    for host, port in current.settings.addresses(current.library.listen_port()):
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            own = _outgoing_address(socket.AF_INET6 if ":" in host else socket.AF_INET)
            if own:
                addresses.append((own, port))
        else:
            addresses.append((host, port))
    if not addresses:
        raise MemocastError(
            "this machine has no address to put into the link",
            hint="connect to a network, or leave out --direct",
        )
    return addresses


def _outgoing_address(family: socket.AddressFamily) -> str | None:
    """This machine's address on its default route. Connecting UDP sends nothing."""
    documentation = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # RFC 5737, 3849
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((documentation[family], 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _draw_qr(link: str) -> None:
    import segno

    segno.make(link, error="l", micro=False).terminal(out=sys.stderr, compact=True, border=2)


def ensure_seeder(current: State, *, wanted: bool = True) -> None:
    """Have a seeder run, in the background if it must be started; say so on stderr."""
    from memocast.background import start_seeder
    from memocast.presence import Presence

    if Presence(current.root).is_running():
        return
    if not wanted or not current.settings.autostart:
        console.note("no seeder runs; the link answers once you run: memocast seed")
        return
    pid = start_seeder(current.root)
    console.note(f"started the seeder in the background (pid {pid}); memocast seed --stop ends it")


def status(context: typer.Context, json: JsonOption = False) -> None:
    """Tell whether a seeder runs, how others reach it, and how each shared memo fares.

    Example: memocast status
    """
    from memocast.presence import Presence

    current = state(context)
    report = Presence(current.root).report()
    rows = [_row(current, found.memo, report) for found in _seedable(current)]
    if json:
        console.document({"seeder": report, "memos": rows})
    elif console.stdout_is_terminal():
        _status_screen(report, rows)
    else:
        _status_lines(report, rows)


def _seedable(current: State) -> list[Any]:
    return current.library.shares.seedable(fetched=current.settings.seed_fetched)


def _row(current: State, memo: Memo, report: dict[str, Any] | None) -> dict[str, Any]:
    tally = current.library.shares.tally(memo)
    now = (report or {}).get("memos", {}).get(memo.id, {})
    return {
        "id": memo.id,
        "title": memo.title,
        "info_hash": memo.info_hash,
        "peers": now.get("peers", 0),
        "upload_rate": now.get("upload_rate", 0),
        "uploaded": tally.uploaded,
        "copies": now.get("copies", 0),
        "copies_ever": tally.copies,
        "last_copy": tally.last_copy,
        "safe_to_close": now.get("safe", False),
        "damaged": memo.id in (report or {}).get("damaged", []),
    }


def _reach_lines(report: dict[str, Any] | None) -> list[tuple[str, str]]:
    if report is None:
        return [("seeder", "not running; start it: memocast seed --background")]
    reach = report["reach"]
    lines = [
        ("seeder", f"running, pid {report['pid']}, {report['seeding']} memos"),
        ("listening", " ".join(reach["listening"]) or "nowhere"),
    ]
    mapped = [f"{by} port {port}" for by, port in reach["mapped"].items()]
    failed = [f"{by} failed: {reason}" for by, reason in reach["mapping_failed"].items()]
    lines.append(("port mapping", "; ".join(mapped or failed) or "none"))
    lines.append(("dht", f"{reach['dht_nodes']} nodes"))
    lines += [(f"tracker {url}", said) for url, said in reach["trackers"].items()]
    return lines


def _status_lines(report: dict[str, Any] | None, rows: list[dict[str, Any]]) -> None:
    for what, how in _reach_lines(report):
        console.data(console.safe(f"{what}: {how}"))
    for row in rows:
        fields = (
            row["id"],
            row["peers"],
            row["upload_rate"],
            row["uploaded"],
            row["copies"],
            row["copies_ever"],
            row["last_copy"] or "",
            _verdict(row),
            console.safe(row["title"]),
        )
        console.data("\t".join(str(field) for field in fields))


def _verdict(row: dict[str, Any]) -> str:
    if row["damaged"]:
        return "damaged"
    return "safe to close" if row["safe_to_close"] else "keep seeding"


def _status_screen(report: dict[str, Any] | None, rows: list[dict[str, Any]]) -> None:
    from datetime import UTC, datetime

    from rich.table import Table
    from rich.text import Text

    screen = console.screen()
    for what, how in _reach_lines(report):
        screen.print(Text.assemble((f"{console.safe(what)}  ", "dim"), console.safe(how)))
    if not rows:
        screen.print(Text("nothing is shared; make a link: memocast share latest"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "peers", "rate", "sent", "copies", "last copy", "", "title"):
        right = heading in ("peers", "rate", "sent", "copies")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    table.columns[-1].overflow = "ellipsis"
    for row in rows:
        when = row["last_copy"]
        last = f"{datetime.fromtimestamp(when, UTC).astimezone():%m-%d %H:%M}" if when else ""
        table.add_row(
            Text(row["id"], "bold"),
            str(row["peers"]),
            f"{console.size(row['upload_rate'])}/s",
            console.size(row["uploaded"]),
            f"{row['copies']}/{row['copies_ever']}",
            last,
            Text(_verdict(row), "green" if row["safe_to_close"] else "yellow"),
            Text(console.safe(row["title"])),
        )
    screen.print(table)
