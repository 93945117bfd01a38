"""``opuscule archive extract`` and ``cut``: ranges of a recording, decoded or as they are."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import clock_time, emit, json_option

if TYPE_CHECKING:
    from opuscule.archive import Recording
    from opuscule.archive.reading.moments import Seconds
    from opuscule.archive.reading.streaming import Mode
    from opuscule.codec import Pcm

__all__ = ["cut", "extract"]

_Archive = Annotated[
    Path, typer.Argument(help="The archive, a folder such as archive.zarr.", readable=False)
]
_Name = Annotated[str, typer.Argument(help="One of its recordings.")]
_Start = Annotated[int, typer.Option(help="First sample, counted at 48 kHz.")]
_End = Annotated[int | None, typer.Option(help="One past the last sample; the end if left out.")]
_SecondsRanges = Annotated[
    list[str] | None,
    typer.Option(
        "--seconds",
        help="FROM/TO in seconds, such as 0.29/2 or 1:02:03.5/+10, which is 10 s long. More than "
        "once: TARGET is a folder.",
    ),
]
_Moments = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        help="FROM/TO in time of day with its zone, such as 2026-05-01T04:30:00+02:00/+10. More "
        "than once: TARGET is a folder.",
    ),
]
_PIECE_SECONDS = 600


def extract(
    archive: _Archive,
    recording: _Name,
    target: Annotated[
        Path,
        typer.Argument(help="The WAV file to write; a folder for several.", readable=False),
    ],
    start: _Start = 0,
    end: _End = None,
    seconds: _SecondsRanges = None,
    at: _Moments = None,
    rate: Annotated[int, typer.Option(help="Of the file, in Hz.")] = 48_000,
    channel: Annotated[
        list[int] | None, typer.Option(help="From 0; more than once for several. All if left out.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Begin to decode 80 ms before: not exact.")
    ] = False,
    json: bool = json_option,
) -> None:
    """Decode parts of a recording to WAV files."""
    from opuscule.archive import open_archive
    from opuscule.containers.wav import WavWriter
    from opuscule.files import atomic_output

    opened = open_archive(archive)[recording]
    told: list[dict[str, object]] = []
    for first, stop in (ranges := _ranges(opened, start, end, seconds, at)):
        path = _target(target, opened.name, first, stop, ".wav", len(ranges))
        samples = 0
        with atomic_output(path) as file:
            writer = WavWriter(file, rate, len(channel or range(opened.info.channels)))
            for piece in _pieces(opened, first, stop, rate, channel, fast):
                writer.write(bytes(piece))
                samples += len(piece)
            writer.close()
        told.append({"target": str(path), "start": first, "end": stop, "samples": samples})
        if not json:
            length = clock_time((stop - first) / 48_000)
            typer.echo(f"{path}: samples {first} to {stop}, {length}")
    if json:
        emit(told[0] if len(told) == 1 else told)


def cut(
    archive: _Archive,
    recording: _Name,
    target: Annotated[
        Path,
        typer.Argument(help="The Ogg Opus file to write; a folder for several.", readable=False),
    ],
    start: _Start = 0,
    end: _End = None,
    seconds: _SecondsRanges = None,
    at: _Moments = None,
    json: bool = json_option,
) -> None:
    """Copy parts of a recording into Ogg Opus files, without encoding again.

    They begin and end on the sample. Whether the samples are those of the whole recording is said.
    """
    from opuscule.archive import cut as cut_range
    from opuscule.archive import open_archive

    opened = open_archive(archive)[recording]
    told: list[object] = []
    for first, stop in (ranges := _ranges(opened, start, end, seconds, at)):
        path = _target(target, opened.name, first, stop, ".opus", len(ranges))
        report = cut_range(opened, first, stop, path)
        told.append({"target": str(path), "report": report})
        if not json:
            values = "exact" if report.exact_values else "exact in position"
            length = clock_time((stop - first) / 48_000)
            typer.echo(f"{path}: samples {first} to {stop}, {length}, {values}")
    if json:
        emit(told[0] if len(told) == 1 else told)


def _pieces(
    opened: "Recording",
    first: int,
    stop: int,
    rate: int,
    channels: list[int] | None,
    fast: bool,
) -> Iterator["Pcm"]:
    """Decode in bounded memory; ranges that adjoin adjoin at any rate."""
    mode: Mode = "fast" if fast else "exact"
    if rate == 48_000:
        yield from opened.blocks(
            48_000,
            start_sample=first,
            stop_sample=stop,
            channels=channels,
            dtype="int16",
            mode=mode,
        )
        return
    step = 48_000 * _PIECE_SECONDS
    for low in range(first, stop, step):
        yield opened.read(
            low, min(low + step, stop), rate=rate, channels=channels, dtype="int16", mode=mode
        )


def _ranges(
    opened: "Recording",
    start: int,
    end: int | None,
    seconds: list[str] | None,
    at: list[str] | None,
) -> list[tuple[int, int]]:
    """All that was asked for, in samples, checked before anything is written."""
    if not seconds and not at:
        total = opened.info.total_samples
        return [(start, total if end is None else end)]
    if (start, end) != (0, None):
        raise typer.BadParameter("samples and times are not for one call", param_hint="--start")
    return [
        *(opened.seconds_range(*_seconds(text)) for text in seconds or ()),
        *(opened.moments_range(*_moments(text)) for text in at or ()),
    ]


def _seconds(text: str) -> tuple["Seconds", "Seconds | None"]:
    from opuscule.archive.reading.moments import exact_seconds

    first, last = _two(text, "--seconds")
    if last.startswith("+"):
        return first or "0", exact_seconds(first or "0") + exact_seconds(last[1:])
    return first or "0", last or None


def _moments(text: str) -> tuple[datetime, datetime]:
    from opuscule.archive.reading.moments import exact_seconds

    first, last = _two(text, "--at")
    try:
        begin = datetime.fromisoformat(first)
        if last.startswith("+"):
            return begin, begin + timedelta(seconds=float(exact_seconds(last[1:])))
        return begin, datetime.fromisoformat(last)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r}: {error}", param_hint="--at") from error


def _two(text: str, option: str) -> tuple[str, str]:
    first, slash, last = text.partition("/")
    if not slash:
        raise typer.BadParameter(f"{text!r} is no FROM/TO", param_hint=option)
    return first, last


def _target(target: Path, name: str, first: int, stop: int, ending: str, count: int) -> Path:
    """Tell where a range is written: one of several by its name and samples, in a folder."""
    if count == 1:
        return target
    target.mkdir(exist_ok=True)
    return target / f"{name}-{first}-{stop}{ending}"
