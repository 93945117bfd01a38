"""``opuscule archive ls`` and ``stats``: what is in an archive, by its catalogue alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from opuscule.cli.output import byte_size, clock_time, columns, emit, json_option, pairs, utc_time

if TYPE_CHECKING:
    from opuscule.archive import ArchiveStats, Entry

__all__ = ["ls", "stats"]

_Where = Annotated[
    str,
    typer.Argument(
        metavar="ARCHIVE",
        help="The archive: a folder, a zip file, or an URL such as s3://bucket/a.zarr.",
    ),
]
_BAR = 40

_KEYS: dict[str, Callable[["Entry"], Any]] = {
    "name": lambda entry: entry.name,
    "start": lambda entry: _known_first(entry.start_epoch_ms),
    "added": lambda entry: _known_first(entry.added_epoch_ms),
    "length": lambda entry: entry.total_samples,
    "size": lambda entry: entry.stored_bytes,
}


def ls(
    archive: _Where,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Only those of which this is so: your own attributes, tags, what the recorder said"
            " (audiomoth.serial=...), device, kind, container, path. Repeat it for more.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Only these names; with *, ? and [...].")] = "*",
    after: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what ends later; ISO 8601, UTC if it has no zone."),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only what begins earlier; neither finds the undated."),
    ] = None,
    sort: Annotated[
        Literal["name", "start", "added", "length", "size"], typer.Option(help="By what to sort.")
    ] = "name",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    json: bool = json_option,
) -> None:
    """List an archive's recordings, all or those that are searched for.

    Reads the catalogue and no recording.
    """
    from opuscule.archive import open_archive

    entries = sorted(
        open_archive(archive).find(
            name,
            start_epoch_ms=None if after is None else _epoch_ms(after, "--after"),
            stop_epoch_ms=None if before is None else _epoch_ms(before, "--before"),
            attributes=dict(_pair(text) for text in where or []),
        ),
        key=_KEYS[sort],
        reverse=reverse,
    )
    if json:
        emit([_as_json(entry) for entry in entries])
        return
    head = ("name", "start (UTC)", "length", "ch", "size", "kbit/s", "source", "prepared", "gaps")
    columns([head, *map(_row, entries)] if entries else [], right={2, 3, 4, 5, 8})
    total = sum(entry.total_samples for entry in entries)
    size = sum(entry.stored_bytes for entry in entries)
    typer.echo(f"{len(entries)} recordings, {clock_time(total / 48_000)}, {byte_size(size)}")


def stats(archive: _Where, json: bool = json_option) -> None:
    """Add up what is in an archive: hours, bytes, sources, losses, and when it was recorded."""
    from opuscule.archive import archive_stats, open_archive

    found = archive_stats(open_archive(archive))
    if json:
        more = {"stored_bytes": found.stored_bytes, "mean_bits_per_s": found.mean_bits_per_s}
        emit({**msgspec.to_builtins(found), **more})
        return
    typer.echo(archive)
    pairs(_lines(found))
    if found.samples_by_time:
        typer.echo("  recorded")
        most = max(found.samples_by_time.values())
        rows = [
            (f"    {when}", clock_time(samples / 48_000), "▇" * round(_BAR * samples / (most or 1)))
            for when, samples in found.samples_by_time.items()
        ]
        if found.undated_samples:
            rows.append(("    undated", clock_time(found.undated_samples / 48_000), ""))
        columns(rows, right={1})


def _lines(found: "ArchiveStats") -> list[tuple[str, object]]:
    size = byte_size
    rows: list[tuple[str, object]] = [
        ("recordings", found.recordings),
        ("audio", f"{clock_time(found.total_samples / 48_000)}, {_hours(found.total_samples)} h"),
        ("bit rate", f"{found.mean_bits_per_s / 1000:.1f} kbit/s on average"),
        ("stored", size(found.stored_bytes)),
        ("  packets", size(found.payload_bytes)),
        ("  index", size(found.index_bytes)),
        ("  sync points", size(found.points_bytes)),
        ("  lossless", size(found.lossless_bytes)),
        ("  other", size(found.other_bytes)),
        ("prepared", f"{found.prepared} of {found.recordings}"),
        ("broken off", found.broken_off),
        ("gaps", f"{found.gaps}, {clock_time(found.lost_samples / 48_000)} lost"),
        ("kinds", _counts(found.kinds)),
        ("rates", _counts({f"{rate} Hz": count for rate, count in found.rates.items()})),
        ("files", _counts(found.containers)),
        ("channels", _counts(found.channels)),
    ]
    if found.garbage_bytes is not None:
        rows.append(("garbage", f"{size(found.garbage_bytes)}, which gc gives back"))
    return rows


def _counts(counts: Any) -> str:
    return ", ".join(f"{count} × {what or 'unknown'}" for what, count in counts.items()) or "none"


def _hours(samples: int) -> str:
    return f"{samples / 48_000 / 3600:.2f}"


def _row(entry: "Entry") -> tuple[str, ...]:
    seconds = entry.total_samples / 48_000
    start = "" if entry.start_epoch_ms is None else utc_time(entry.start_epoch_ms)
    return (
        entry.name,
        start,
        clock_time(seconds) + ("" if entry.complete else " (broken off)"),
        str(entry.channels),
        byte_size(entry.stored_bytes),
        f"{entry.payload_bytes / 125 / seconds:.1f}" if seconds else "",
        entry.device or entry.path or entry.kind,
        "yes" if entry.prepared else "no",
        str(entry.gaps),
    )


def _as_json(entry: "Entry") -> dict[str, object]:
    known = msgspec.structs.asdict(entry)
    return {**known, "stored_bytes": entry.stored_bytes, "prepared": entry.prepared}


def _known_first(epoch_ms: int | None) -> tuple[bool, int]:
    return epoch_ms is None, epoch_ms or 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is no KEY=VALUE", param_hint="--where")
    return key, value


def _epoch_ms(text: str, option: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no time; expected such as 2026-05-01 or 2026-05-01T04:30:00+02:00",
            param_hint=option,
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
