"""``opuscule archive rm``, ``expire`` and ``gc``: what goes, and what is told before it does."""

import re
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import (
    byte_size,
    columns,
    emit,
    json_option,
    progress_line,
    utc_time,
)

if TYPE_CHECKING:
    from opuscule.archive import ExpireReport

__all__ = ["expire", "gc", "rm"]

_Archive = Annotated[
    str, typer.Argument(metavar="ARCHIVE", help="The archive, a folder such as archive.zarr.")
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would go; nothing is changed.")
]
_Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask. Without a terminal nobody is asked.")
]

_DAY_MS = 86_400_000
_TIMES_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": _DAY_MS, "w": 7 * _DAY_MS}
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 1 << 10,
    "mi": 1 << 20,
    "gi": 1 << 30,
    "ti": 1 << 40,
}


def rm(
    archive: _Archive,
    recordings: Annotated[list[str], typer.Argument(help="Which of its recordings.")],
    dry_run: _DryRun = False,
    yes: _Yes = False,
    json: bool = json_option,
) -> None:
    """Remove recordings, with all that belongs to them, from every file of an archive.

    Where one of them is not there, none is removed.
    """
    from opuscule.archive import remove_recordings

    report = remove_recordings(archive, recordings, dry_run=True)
    names = ", ".join(report.removed)
    if not dry_run:
        _ask(f"Remove {names} from {archive}, {byte_size(report.freed_bytes)}?", yes)
        with progress_line("removing", json):
            report = remove_recordings(archive, recordings)
    if json:
        emit(report)
    else:
        typer.echo(f"{names}: {_would(dry_run)}removed, {byte_size(report.freed_bytes)}")


def expire(
    archive: _Archive,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="AGE", help="Remove what is older: a number and s, m, h, d or w, such as 30d."
        ),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Remove the oldest until the rest fits: 500MB, 10GB, 8GiB."
        ),
    ] = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    json: bool = json_option,
) -> None:
    """Remove the oldest recordings until none is too old and all fit into a size.

    Their age counts from their beginning; where that is not known, from when they were added.
    """
    from opuscule.archive import expire_recordings

    if older_than is None and max_size is None:
        raise typer.BadParameter("expected it, --max-size or both", param_hint="--older-than")
    age_ms = None if older_than is None else _age_ms(older_than)
    size = None if max_size is None else _size_bytes(max_size)
    now_epoch_ms = time.time_ns() // 1_000_000

    def run(dry_run: bool) -> "ExpireReport":
        return expire_recordings(
            archive,
            now_epoch_ms=now_epoch_ms,
            older_than_ms=age_ms,
            max_bytes=size,
            dry_run=dry_run,
        )

    plan = report = run(dry_run=True)
    if not json:
        _list(plan)
    if report.removed and not dry_run:
        total = byte_size(report.freed_bytes)
        _ask(f"Remove {len(report.removed)} recordings from {archive}, {total}?", yes)
        with progress_line(f"removing {len(report.removed)} recordings", json):
            report = run(dry_run=False)
        if report.removed != plan.removed and not json:
            typer.echo("others wrote to the archive meanwhile; removed were:")
            _list(report)
    if json:
        emit(report)
        return
    typer.echo(
        f"{archive}: {len(report.removed)} recordings {_would(dry_run)}removed,"
        f" {byte_size(report.freed_bytes)}; {report.kept} kept, {byte_size(report.kept_bytes)}"
    )


def gc(archive: _Archive, dry_run: _DryRun = False, json: bool = json_option) -> None:
    """Remove what killed writers left behind: no recording, and nothing that is in use."""
    from opuscule.archive import collect_garbage

    with progress_line("looking for garbage", json):
        report = collect_garbage(archive, dry_run=dry_run)
    if json:
        emit(report)
        return
    columns(
        [(one.kind, byte_size(one.size_bytes), str(one.path)) for one in report.found], right={1}
    )
    in_use = f"; {report.in_use} folders are held by writers at work" if report.in_use else ""
    typer.echo(f"{archive}: {byte_size(report.freed_bytes)} {_would(dry_run)}given back{in_use}")


def _list(report: "ExpireReport") -> None:
    rows = []
    for one in report.removed:
        if one.epoch_ms is None:
            since = "of unknown age"
        else:
            began = "began" if one.counted_from == "start" else "added"
            since = f"{began} {utc_time(one.epoch_ms)} UTC"
        why = "too old" if one.reason == "age" else "no room"
        rows.append((one.name, since, byte_size(one.size_bytes), why))
    columns(rows, right={2})


def _ask(question: str, yes: bool) -> None:
    """Ask whoever sits there; a script has said what it wants."""
    if yes or not sys.stdin.isatty():
        return
    if not typer.confirm(question, err=True):
        typer.echo("nothing was removed", err=True)
        raise typer.Exit(1)


def _would(dry_run: bool) -> str:
    return "would be " if dry_run else ""


def _age_ms(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([smhdw])", text.strip().lower(), re.ASCII)
    if not found:
        raise typer.BadParameter(f"{text!r} is no age such as 30d", param_hint="--older-than")
    return round(float(found[1]) * _TIMES_MS[found[2]])


def _size_bytes(text: str) -> int:
    found = re.fullmatch(
        r"(\d{1,15}(?:\.\d{1,3})?) ?((?:[kmgt]i?)?)b?", text.strip().lower(), re.ASCII
    )
    if not found:
        raise typer.BadParameter(f"{text!r} is no size such as 10GB", param_hint="--max-size")
    return round(float(found[1]) * _SIZES[found[2]])
