"""The `status` command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from memocast.cli.context import JsonOption, app_context
from memocast.cli.terminal import console
from memocast.library.disk_floor import DiskFloor
from memocast.library.seeder_report import SeederReport, Uploads, to_json

if TYPE_CHECKING:
    from memocast.library.tables.seedables import Seedable, UploadTotals

_SILENT_SECONDS = 10
"""A healthy seeder reports once a second."""


def status(context: typer.Context, json: JsonOption = False) -> None:
    """Show the seeder's state, how peers reach it, and the copies of each shared memo.

    Example: memocast status
    """
    from memocast.library.seeder_lock import SeederLock

    current = app_context(context, "read")
    report = SeederLock(current.root).report()
    offered = current.library.seedables.with_tallies(fetched=current.settings.seed_fetched)
    rows = [_row(*found, report) for found in offered]
    floor = DiskFloor(current.root, current.settings.disk_floor)
    with current.library.translated():
        waiting = current.library.channels.held_back()
        facts = {"free": floor.free, "floor": floor.floor, "waiting": waiting}
        disk = {"disk": facts} if floor.is_reached or waiting else {}
        lines = _reach_lines(report)
        if disk:
            held = console.count(waiting, "new memo")
            what = f"{held} did not fit at the last sync"
            if floor.is_reached:
                what = "nothing new is fetched from channels"
            lines.append(("disk", f"{floor.said}: {what}"))
    if json:
        seeder = to_json(report) if report else None
        console.document({"seeder": seeder, "memos": rows, **disk})
    elif console.stdout_is_terminal():
        _status_screen(lines, rows)
    else:
        _status_lines(lines, rows)


def _row(
    found: Seedable, title: str, tally: UploadTotals, report: SeederReport | None
) -> dict[str, Any]:
    now = report.torrents.get(found.info_hash, Uploads()) if report else Uploads()
    return {
        "id": found.memo,
        "title": title,
        "info_hash": found.info_hash,
        "mode": found.mode,
        "lan": found.lan,
        "peers": now.peers,
        "browsers": now.browsers,
        "upload_rate": now.upload_rate,
        "uploaded": tally.uploaded,
        "copies": now.copies,
        "copies_ever": tally.copies,
        "last_copy": tally.last_copy,
        "safe_to_close": now.safe,
        "damaged": not found.intact or bool(report and found.memo in report.damaged),
    }


def _reach_lines(report: SeederReport | None) -> list[tuple[str, str]]:
    if report is None:
        return [("seeder", "not running; start it: memocast seed --background")]
    reach = report.reach
    lines = [
        ("seeder", f"running, pid {report.pid}, {console.count(report.seeding, 'memo')}"),
        *_trouble_lines(report),
        ("listening", " ".join(reach.listening) or "nowhere"),
    ]
    mapped = [f"{by} port {port}" for by, port in reach.mapped.items()]
    failed = [f"{by} failed: {reason}" for by, reason in reach.mapping_failed.items()]
    lines.append(("port mapping", "; ".join(mapped or failed) or "none"))
    lines.append(("dht", console.count(reach.dht_nodes, "node")))
    lines += [(f"tracker {url}", said) for url, said in reach.trackers.items()]
    return [*lines, *_browser_lines(report), *_lan_lines(report)]


def _browser_lines(report: SeederReport) -> list[tuple[str, str]]:
    web = report.web
    if not web:  # an older seeder does not report it either
        return []
    connected = sum(uploads.browsers for uploads in report.memos.values())
    offered = console.count(web.seeding, "memo")
    if web.seeding < report.seeding:
        offered = f"the last {web.seeding} of {console.count(report.seeding, 'memo')}"
    if not web.seeding and not web.problem:
        return [("browsers", "starting")]
    lines = [("browsers", f"{connected} connected; {offered} shared over WebRTC")]
    if web.stun_answers is False:
        silent = "the STUN server does not answer: peers outside your network may not reach you"
        lines.append(("browsers", silent))
    if web.problem:
        lines.append(("browsers", f"{web.problem}; restarting"))
    if web.last_crash:
        again = console.count(web.crashes, "time")
        last = web.last_crash
        lines.append(("browsers", f"restarted {again}, last {last.when}: {last.how}"))
    return lines


def _lan_lines(report: SeederReport) -> list[tuple[str, str]]:
    lan = report.lan
    if not lan:
        return []
    offered = f"{console.count(lan.seeding, 'memo')} shared on the local network only"
    return [("lan", f"{lan.problem}; restarting" if lan.problem else offered)]


def _trouble_lines(report: SeederReport) -> list[tuple[str, str]]:
    lines = []
    # An older seeder does not report when it was last heard.
    silent = time.time() - report.heard if report.heard else 0.0
    if silent > _SILENT_SECONDS:
        lines.append(("problem", f"no report from the seeder for {silent:.0f} s"))
    if report.problem:
        lines.append(("problem", f"{report.problem}; restarting"))
    if last := report.last_crash:
        lines.append(("crashes", f"{report.crashes} survived, last {last.when}: {last.how}"))
    return lines


def _status_lines(lines: list[tuple[str, str]], rows: list[dict[str, Any]]) -> None:
    for what, how in lines:
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
            row["browsers"],
            _how(row),
        )
        console.data("\t".join(str(field) for field in fields))


def _how(row: dict[str, Any]) -> str:
    return f"{row['mode']}, LAN only" if row["lan"] else str(row["mode"])


def _verdict(row: dict[str, Any]) -> str:
    if row["damaged"]:
        return "damaged"
    return "safe to close" if row["safe_to_close"] else "keep seeding"


def _peers(row: dict[str, Any]) -> str:
    return f"{row['peers']} ({row['browsers']} web)" if row["browsers"] else str(row["peers"])


def _status_screen(lines: list[tuple[str, str]], rows: list[dict[str, Any]]) -> None:
    from datetime import UTC, datetime

    from rich.table import Table
    from rich.text import Text

    screen = console.screen()
    for what, how in lines:
        screen.print(Text.assemble((f"{console.safe(what)}  ", "dim"), console.safe(how)))
    if not rows:
        screen.print(Text("nothing is shared; get a link: memocast share latest"))
        return
    all_public = all(_how(row) == "public" for row in rows)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "peers", "rate", "sent", "copies", "last copy", "", "title"):
        right = heading in ("peers", "rate", "sent", "copies")
        # The title is the only column that shrinks.
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "title")
    for row in rows:
        when = row["last_copy"]
        last = f"{datetime.fromtimestamp(when, UTC).astimezone():%m-%d %H:%M}" if when else ""
        title = Text(no_wrap=True, overflow="ellipsis")
        if not all_public:
            title.append(f"[{_how(row)}] ", "cyan")
        title.append(console.safe(row["title"]))
        table.add_row(
            Text(row["id"], "bold"),
            _peers(row),
            f"{console.size(row['upload_rate'])}/s",
            console.size(row["uploaded"]),
            f"{row['copies']}/{row['copies_ever']}",
            last,
            Text(_verdict(row), "green" if row["safe_to_close"] else "yellow"),
            title,
        )
    screen.print(table)
