"""``opuscule archive``: import, info, export, reindex; ranges and checks are in their own files."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from opuscule.cli import archive_check, archive_ranges
from opuscule.cli.output import (
    clock_time,
    emit,
    json_option,
    pairs,
    progress_bar,
    rate_option,
    salvage_option,
)

if TYPE_CHECKING:
    from opuscule.archive import Recording

__all__ = ["app"]

app = typer.Typer(
    name="archive",
    help="Keep recordings as Opus packets, and get any part of them back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Archive = Annotated[
    Path, typer.Argument(help="The archive, a folder such as archive.zarr.", readable=False)
]


@app.command("import")
def import_(
    archive: _Archive,
    sources: Annotated[list[Path], typer.Argument(help="Audio files.", readable=False)],
    name: Annotated[
        str | None, typer.Option(help="What to call it; the file's name if left out.")
    ] = None,
    bitrate: Annotated[int, typer.Option(help="For what is not Opus yet: bits a second.")] = 64_000,
    rate: int | None = rate_option,
    salvage: bool = salvage_option,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Your own, kept with it; numbers and other JSON as such. Repeat it for more.",
        ),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(
            help="Where the recorder's clock hung, if the file does not say: UTC, +02:00,"
            " Europe/Berlin."
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="N[,N]", help="Take only these channels, counted from 1; all if left out."
        ),
    ] = None,
    ultrasonic: Annotated[
        Literal["downsample", "expand", "lossless"] | None,
        typer.Option(
            help="For files above 48 kHz, as Opus ends at 20 kHz: lose what is above, slow down"
            " until it can be heard, or keep the original beside. If left out, a file with such"
            " content is refused."
        ),
    ] = None,
    time_expansion: Annotated[
        int, typer.Option(help="By how much '--ultrasonic expand' slows down.")
    ] = 10,
    json: bool = json_option,
) -> None:
    """Bring files into an archive, which is made if it is not there.

    Ogg Opus is copied packet for packet; everything else is encoded.
    """
    from opuscule.archive import import_file

    if name is not None and len(sources) > 1:
        raise typer.BadParameter("one name is for one file", param_hint="--name")
    attributes = _attributes(attribute or [])
    for source in sources:
        with progress_bar(f"importing {source.name}", json) as progress:
            done = import_file(
                archive,
                source,
                name=name,
                bitrate=bitrate,
                rate=rate,
                salvage=salvage,
                attributes=attributes,
                zone=zone,
                channels=None if channel is None else _channels(channel),
                ultrasonic=ultrasonic,
                time_expansion=time_expansion,
                progress=progress,
            )
        if json:
            emit(done)
        else:
            typer.echo(
                f"{done.name}: {clock_time(done.info.total_samples / 48_000)},"
                f" {done.info.packets} packets, {done.info.payload_bytes / 1000:.0f} kB"
            )


def _channels(given: str) -> list[int]:
    numbers = [number.strip() for number in given.split(",")]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise typer.BadParameter(f"{given!r} is no N or N,N", param_hint="--channel")
    return [int(number) for number in numbers]


def _attributes(given: list[str]) -> dict[str, object]:
    attributes: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{text!r} is no NAME=VALUE", param_hint="--attribute")
        try:
            attributes[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            attributes[name] = value
    return attributes


@app.command()
def info(
    archive: _Archive,
    recording: Annotated[str | None, typer.Argument(help="One of its recordings.")] = None,
    json: bool = json_option,
) -> None:
    """Say what is in an archive, or all about one recording."""
    from opuscule.archive import open_archive

    opened = open_archive(archive)
    if recording is not None:
        _show(opened[recording], json)
    elif json:
        emit({name: opened[name].info for name in opened})
    elif not opened:
        typer.echo(f"{archive} has no recordings yet")
    else:
        for name in opened:
            one = opened[name].info
            notes = "" if one.complete else "  (broken off)"
            lost = _gap_count(one.gaps)
            notes += f"  ({lost} gaps)" if lost else ""
            typer.echo(f"{name}  {clock_time(one.total_samples / 48_000)}{notes}")


app.command()(archive_ranges.extract)
app.command()(archive_ranges.cut)
app.command()(archive_check.prepare)
app.command()(archive_check.verify)


@app.command()
def export(
    archive: _Archive,
    target: Annotated[
        str, typer.Argument(help="A folder, a new .zip file, or an URL such as s3://bucket/a.zarr.")
    ],
    recordings: Annotated[
        list[str] | None, typer.Argument(help="Which of them; all if left out.")
    ] = None,
    json: bool = json_option,
) -> None:
    """Copy recordings into another archive: a folder, a zip file or an object store.

    Keys and regions of object stores come from the environment, such as AWS_ACCESS_KEY_ID.
    """
    from opuscule.archive import export_recordings, open_archive

    report = export_recordings(open_archive(archive), target, recordings or None)
    if json:
        emit(report)
    else:
        typer.echo(
            f"{target}: {len(report.copied)} recordings copied, {report.copied_bytes / 1e6:.1f} MB;"
            f" {len(report.there_before)} were there before"
        )


@app.command()
def reindex(archive: _Archive, json: bool = json_option) -> None:
    """Mend damaged indexes where that is possible, and write the catalogue anew."""
    from opuscule.archive import reindex as reindex_archive

    report = reindex_archive(archive)
    if json:
        emit(report)
    else:
        for line in report.mended:
            typer.echo(f"mended: {line}")
        for line in report.lost:
            typer.echo(f"NOT MENDED: {line}")
        typer.echo(f"{archive}: {report.recordings} recordings")
    if report.lost:
        raise typer.Exit(1)


def _show(recording: "Recording", json: bool) -> None:
    known = recording.info
    if json:
        gaps = [
            {"start": g.start_samples, "samples": g.duration_samples, "kind": g.kind.value}
            for g in recording.gaps
        ]
        emit({"name": recording.name, **dataclasses.asdict(known), "gap_list": gaps})
        return
    typer.echo(recording.name)
    rows: list[tuple[str, object]] = [
        ("length", f"{clock_time(known.total_samples / 48_000)} ({known.total_samples} samples)"),
        ("channels", known.channels),
        ("packets", f"{known.packets}, {known.payload_bytes} bytes"),
        ("whole", "yes" if known.complete else "no, it was broken off"),
    ]
    rows += _flat(known.source)
    rows += list(known.comments)
    pairs(rows)
    for gap in recording.gaps:
        typer.echo(
            f"  gap at {gap.start_samples / 48_000:.3f} s: {gap.duration_samples / 48:.1f} ms"
            f" {gap.kind.value}"
        )


def _flat(values: Mapping[str, object], before: str = "") -> list[tuple[str, object]]:
    """Names and values, those within others with both names; raw chunks are for machines."""
    rows: list[tuple[str, object]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and name != "raw":
            rows += _flat(value, f"{before}{name}.")
        elif name == "raw":
            rows.append(("raw", ", ".join(value) if isinstance(value, Mapping) else value))
        elif value is not None:
            rows.append((before + name, value))
    return rows


def _gap_count(gaps: object) -> int:
    if not isinstance(gaps, dict):
        return 0
    return sum(kind["count"] for kind in gaps.values() if isinstance(kind, dict))
