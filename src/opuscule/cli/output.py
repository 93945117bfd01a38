"""How commands talk: a table for a person, JSON for a script, progress on stderr."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from opuscule.errors import OpusculeError

__all__ = [
    "ArchivePlace",
    "byte_size",
    "clock_time",
    "columns",
    "complain",
    "echo_above",
    "emit",
    "in_words",
    "json_option",
    "pairs",
    "program",
    "progress_bar",
    "progress_line",
    "rate_option",
    "raw_option",
    "salvage_option",
    "utc_time",
]

ArchivePlace = Annotated[
    str,
    typer.Argument(
        metavar="ARCHIVE",
        help="The archive: a folder such as archive.zarr, a zip file, or an URL such as "
        "s3://bucket/archive.zarr.",
    ),
]
"""An archive that is only read."""

json_option = typer.Option(False, "--json", help="Print JSON for scripts.")
rate_option = typer.Option(
    None, "--rate", help="Convert to this many Hz before encoding; the next Opus rate if left out."
)
raw_option = typer.Option(
    None,
    "--raw",
    help="A raw stream: self-delimited, or with lengths of u16le, u16be, u32le, u32be.",
)
salvage_option = typer.Option(
    False, "--salvage", help="Take a damaged or cut file as far as it goes."
)


def program() -> str:
    """How to call this command again: as it was, where no search for programs finds it so.

    ``make`` calls ``.venv/bin/opuscule``, and a shell afterwards knows no ``opuscule``.
    """
    called = sys.argv[0]
    is_placed = Path(called).stem == "opuscule" and os.sep in called
    return called if is_placed and not Path(called).is_absolute() else "opuscule"


def emit(value: object, *, err: bool = False) -> None:
    """Print a value as JSON."""
    encoded = msgspec.json.encode(value, enc_hook=_path_text)
    typer.echo(msgspec.json.format(encoded, indent=2).decode(), err=err)


def complain(text: str) -> None:
    """Say on stderr what is wrong, as one line."""
    line = " ".join(text.split())
    typer.echo(f"opuscule: {line}", err=True)


def in_words(error: OpusculeError | OSError) -> str:
    """What is wrong, for a person."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = f"{error.filename}: " if error.filename else ""
        return (
            f"{where}the disk is full; make room and give the same command again: what was "
            "finished is kept"
        )
    if isinstance(error, OSError) and error.strerror and not isinstance(error, OpusculeError):
        # str() of a plain one begins with "[Errno 2]", which tells a person nothing.
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def echo_above(line: str) -> None:
    """Print a line while a progress line may stand, which a terminal would show before it."""
    typer.echo(f"\r\x1b[2K{line}" if sys.stdout.isatty() and sys.stderr.isatty() else line)


def _path_text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


def pairs(rows: Sequence[tuple[str, object]], indent: int = 2) -> None:
    """Print names and values, aligned."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        typer.echo(f"{' ' * indent}{name:<{width}}  {value}")


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> None:
    """Print a table, those columns with numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())


def byte_size(size: int) -> str:
    """Bytes as a person reads them: 12 B, 3.4 kB, 5.6 GB."""
    if size < 1000:
        return f"{size} B"
    value, unit = size / 1000, "k"
    for unit in "kMGTP":
        if value < 999.95 or unit == "P":
            break
        value /= 1000
    return f"{value:.1f} {unit}B"


def clock_time(seconds: float) -> str:
    """Seconds as a person reads them: 3.2 s, 12:03, 1:00:07."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def utc_time(epoch_ms: int) -> str:
    """Wall time as a person reads it, in UTC: 2026-05-01 04:30:00."""
    try:
        return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, OSError, ValueError):
        return f"{epoch_ms} ms"  # of a clock that was wrong beyond what a calendar has


@contextlib.contextmanager
def progress_bar(what: str, quiet: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Show how much audio is done while a block runs, when somebody is looking."""
    with progress_line(what, quiet) as line:
        if line is None:
            yield None
            return

        def show(samples: int, total: int | None) -> None:
            done = clock_time(samples / 48_000)
            of = f" of {clock_time(total / 48_000)}" if total else ""
            line(f"{what}: {done}{of}")

        yield show


@contextlib.contextmanager
def progress_line(what: str, quiet: bool) -> Iterator[Callable[[str], None] | None]:
    """Show a line that changes while a block runs, when somebody is looking."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what)
        yield lambda text: progress.update(task, description=text)
