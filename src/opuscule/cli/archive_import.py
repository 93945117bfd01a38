"""``opuscule archive import``: files and whole folders into an archive."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from opuscule.cli.output import (
    clock_time,
    complain,
    echo_above,
    emit,
    json_option,
    progress_line,
    rate_option,
    salvage_option,
)
from opuscule.errors import FormatError

if TYPE_CHECKING:
    from opuscule.archive import BulkProgress, FileOutcome, TreeReport

__all__ = ["import_"]


_NEW_ONLY = (
    "name",
    "bitrate",
    "rate",
    "salvage",
    "attribute",
    "zone",
    "channel",
    "ultrasonic",
    "time_expansion",
)
"""Options that say how a new recording is made, and change nothing of one that is there."""


def import_(
    context: typer.Context,
    archive: Annotated[
        Path, typer.Argument(help="The archive, a folder such as archive.zarr.", readable=False)
    ],
    sources: Annotated[
        list[Path], typer.Argument(help="Audio files, and folders of them.", readable=False)
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call it; the file's path if left out.")
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
    threads: Annotated[
        int | None, typer.Option(help="How many encode; one a core if left out.", min=1)
    ] = None,
    duplicates: Annotated[
        Literal["skip", "keep"],
        typer.Option(help="What to do with content that another file brought in."),
    ] = "skip",
    manifest: Annotated[
        Path | None, typer.Option(help="Write here what became of each file, as lines of JSON.")
    ] = None,
    json: bool = json_option,
) -> None:
    """Bring files into an archive, which is made if it is not there.

    Opus is copied packet for packet; everything else is encoded. Folders are searched to their
    depths. What is in the archive already is not imported again, so the same command continues what
    was stopped.
    """
    from opuscule.archive import TreeReport, import_tree

    if name is not None and (len(sources) > 1 or sources[0].is_dir()):
        raise typer.BadParameter("one name is for one file", param_hint="--name")
    attributes = _attributes(attribute or [])
    outcomes: list[FileOutcome] = []
    report = TreeReport()
    last: BulkProgress | None = None
    many = len(sources) > 1 or sources[0].is_dir()
    unheard = False

    def tell(outcome: "FileOutcome") -> None:
        nonlocal unheard
        report.count(outcome)
        if json or unheard:
            outcomes.append(outcome)
        elif outcome.status == "failed":
            complain(outcome.error or "")
        elif line := _line(outcome):
            try:
                echo_above(line)
            except BrokenPipeError:
                unheard = True  # what is finished after this is counted still
                raise

    try:
        with progress_line("importing", json) as show:

            def note(progress: "BulkProgress") -> None:
                nonlocal last
                last = progress
                if show:
                    show(_so_far(progress))

            import_tree(
                archive,
                sources,
                name=name,
                threads=threads,
                duplicates=duplicates,
                manifest=manifest,
                on_outcome=tell,
                progress=note,
                bitrate=bitrate,
                rate=rate,
                salvage=salvage,
                attributes=attributes,
                zone=zone,
                channels=None if channel is None else _channels(channel),
                ultrasonic=ultrasonic,
                time_expansion=time_expansion,
            )
        if set(report.counts) <= {"passed_over"}:
            folders = ", ".join(map(str, sources))
            for source in sources:
                if (source / "zarr.json").exists():
                    raise FormatError(
                        f"{source} is an archive; name the archive first, then what comes into it"
                    )
            raise FormatError(f"{folders}: there is no audio in it; name other folders, or files")
        if json:
            emit(outcomes if many else outcomes[0])
            for outcome in report.failures:
                complain(outcome.error or "")
        elif many:
            rate_text = f", {last.times_real_time:.0f} × real time" if last else ""
            typer.echo(f"{_sum(report)}: {clock_time(report.total_samples / 48_000)}{rate_text}")
        there = report.counts["already"] + report.counts["duplicate"]
        if there and not json and (given := _given(context)):
            typer.echo(f"what was there already stays as it is; for what is new only: {given}")
    except BrokenPipeError:
        complain(f"nobody reads the output; {_sum(report)}; the same command goes on from here")
        raise
    except (KeyboardInterrupt, OSError):  # a full disk, say
        if many and report.counts:
            complain(f"{_sum(report)}; the same command goes on from here")
        raise
    if report.failures:
        if many:
            total = sum(report.counts.values())
            complain(f"{len(report.failures)} of {total} files failed, as said above")
        raise typer.Exit(1)


def _given(context: typer.Context) -> str:
    """Which options were given that are for new recordings only."""
    sources = {option: context.get_parameter_source(option) for option in _NEW_ONLY}
    return ", ".join(
        f"--{option.replace('_', '-')}"
        for option, source in sources.items()
        if source and source.name == "COMMANDLINE"
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


def _line(outcome: "FileOutcome") -> str | None:
    """What to say of a file; nothing of what is no audio in a folder."""
    if outcome.status == "imported":
        return (
            f"{outcome.name}: {clock_time(outcome.total_samples / 48_000)},"
            f" {outcome.packets} packets, {outcome.payload_bytes / 1000:.0f} kB"
        )
    if outcome.status == "already":
        return f"{outcome.name}: there already, from {outcome.path}"
    if outcome.status == "duplicate":
        return f"{outcome.name}: there already, with the same content as {outcome.path}"
    return None


def _sum(report: "TreeReport") -> str:
    words = {
        "imported": "imported",
        "already": "there already",
        "duplicate": "of the same content",
        "failed": "failed",
        "passed_over": "no audio",
    }
    said = [f"{n} {words[status]}" for status, n in report.counts.items() if n]
    return ", ".join(said) or "nothing to import"


def _so_far(progress: "BulkProgress") -> str:
    left = progress.left_s
    return (
        f"importing: {progress.files} of {progress.total_files} files,"
        f" {clock_time(progress.audio_samples / 48_000)} of audio,"
        f" {progress.times_real_time:.0f} × real time, {progress.bytes_per_s / 1e6:.1f} MB/s"
        + (f", {clock_time(left)} left" if left is not None else "")
        + (f", {progress.failed} failed" if progress.failed else "")
    )
