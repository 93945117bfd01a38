"""``opuscule archive``: import, info, export, reindex; the others are in their own files."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli import (
    archive_check,
    archive_keep,
    archive_keep_list,
    archive_plot,
    archive_ranges,
)
from opuscule.cli.archive_import import import_
from opuscule.cli.output import (
    ArchivePlace,
    clock_time,
    emit,
    json_option,
    pairs,
    progress_line,
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


app.command("import")(import_)


@app.command()
def info(
    archive: ArchivePlace,
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
app.command()(archive_plot.plot)
app.command()(archive_check.prepare)
app.command()(archive_check.verify)
app.command()(archive_keep_list.ls)
app.command()(archive_keep_list.stats)
app.command()(archive_keep.rm)
app.command()(archive_keep.expire)
app.command()(archive_keep.gc)


@app.command()
def export(
    archive: ArchivePlace,
    target: Annotated[
        str, typer.Argument(help="A folder, a new .zip file, or an URL such as s3://bucket/a.zarr.")
    ],
    recordings: Annotated[
        list[str] | None, typer.Argument(help="Which of them; all if left out.")
    ] = None,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Copy damaged recordings, too, as they are.")
    ] = False,
    json: bool = json_option,
) -> None:
    """Copy recordings into another archive: a folder, a zip file or an object store.

    What is copied is compared with its checksums; a damaged recording is left out and named. Keys
    and regions of object stores come from the environment, such as AWS_ACCESS_KEY_ID.
    """
    from opuscule.archive import export_recordings, open_archive

    with progress_line("exporting", json) as show:
        report = export_recordings(
            open_archive(archive),
            target,
            recordings or None,
            damaged=damaged,
            progress=(lambda done, all_: show(f"exporting: {done} of {all_} recordings"))
            if show
            else None,
        )
    if json:
        emit(report)
    else:
        typer.echo(
            f"{target}: {len(report.copied)} recordings copied, {report.copied_bytes / 1e6:.1f} MB;"
            f" {len(report.there_before)} were there before"
        )
        for line in report.damaged:
            typer.echo(f"{'DAMAGED' if damaged else 'NOT COPIED, DAMAGED'}: {line}")
    if report.damaged:
        raise typer.Exit(1)


@app.command()
def reindex(archive: _Archive, json: bool = json_option) -> None:
    """Mend damaged indexes where that is possible, and write the catalogue anew."""
    from opuscule.archive import reindex as reindex_archive

    with progress_line("reading every index", json):
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
    rows += _flat(known.attributes, "attributes.")
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
