"""``opuscule archive extract`` and ``cut``: ranges of a recording, decoded or as they are."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import (
    ArchivePlace,
    clock_time,
    echo_above,
    emit,
    json_option,
    progress_bar,
)
from opuscule.units import MEDIA_RATE

if TYPE_CHECKING:
    from opuscule.archive import Original, Recording
    from opuscule.archive.reading.damage import OnDamage
    from opuscule.archive.reading.moments import Seconds
    from opuscule.archive.reading.streaming import Mode
    from opuscule.codec import Pcm
    from opuscule.packets import SampleFormat

__all__ = ["cut", "extract", "original_of"]

_Name = Annotated[str, typer.Argument(help="One of its recordings.")]
_Start = Annotated[
    int, typer.Option(help="First sample, counted at 48 kHz; with --lossless at the file's rate.")
]
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
_OWN_BLOCK_SAMPLES = 1 << 18


def extract(
    archive: ArchivePlace,
    recording: _Name,
    target: Annotated[
        Path,
        typer.Argument(help="The WAV file to write; a folder for several.", readable=False),
    ],
    start: _Start = 0,
    end: _End = None,
    seconds: _SecondsRanges = None,
    at: _Moments = None,
    rate: Annotated[
        int | None, typer.Option(help="Of the file, in Hz; 48000 if left out.", show_default=False)
    ] = None,
    channel: Annotated[
        list[int] | None, typer.Option(help="From 0; more than once for several. All if left out.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Begin to decode 80 ms before: not exact.")
    ] = False,
    lossless: Annotated[
        bool,
        typer.Option(
            "--lossless",
            help="The file's own samples, where they were kept; 24 bits are written as float32.",
        ),
    ] = False,
    conceal: Annotated[
        bool,
        typer.Option(
            "--conceal", help="Treat damaged packets as lost, and say which, instead of giving up."
        ),
    ] = False,
    json: bool = json_option,
) -> None:
    """Decode parts of a recording to WAV files."""
    from opuscule.archive import open_archive
    from opuscule.containers.wav import WavWriter
    from opuscule.files import atomic_output

    opened = open_archive(archive)[recording]
    if lossless and (rate is not None or fast or conceal):
        raise typer.BadParameter(
            "the file's own samples have its own rate, are always exact and are not concealed: "
            "leave out --rate, --fast and --conceal",
            param_hint="--lossless",
        )
    original = original_of(opened) if lossless else None
    own_rate, total = MEDIA_RATE, opened.info.total_samples
    form: SampleFormat = "int16"
    if original is not None:
        own_rate, total, form = original.rate, original.total_samples, original.sample_format
    told: list[dict[str, object]] = []
    ranges = _ranges(original or opened, total, start, end, seconds, at)
    out_rate, width = rate or own_rate, len(channel or range(opened.info.channels))
    done_s, all_s = 0.0, sum(stop - first for first, stop in ranges) / own_rate
    with progress_bar(f"extracting from {opened.name}", json) as show:
        for first, stop in ranges:
            path = _target(target, opened.name, first, stop, ".wav", len(ranges))
            if original is not None:
                pieces = original.blocks(
                    _OWN_BLOCK_SAMPLES, start_sample=first, stop_sample=stop, channels=channel
                )
            else:
                pieces = _pieces(opened, first, stop, out_rate, channel, fast, conceal)
            with atomic_output(path) as file:
                writer = WavWriter(file, out_rate, width, form)
                for piece in pieces:
                    writer.write(bytes(piece))
                    if show:
                        heard_s = done_s + writer.total_samples / out_rate
                        show(round(heard_s * MEDIA_RATE), round(all_s * MEDIA_RATE))
                writer.close()
            done_s += (stop - first) / own_rate
            one: dict[str, object] = {
                "target": str(path),
                "start": first,
                "end": stop,
                "samples": writer.total_samples,
            }
            if conceal:
                one["concealed"] = [
                    d for d in opened.damage if d.start_sample < stop and first < d.stop_sample
                ]
            told.append(one)
            if not json:
                length = clock_time((stop - first) / own_rate)
                of = f" at {own_rate} Hz" if lossless else ""
                echo_above(f"{path}: samples {first} to {stop}{of}, {length}")
    if json:
        emit(told[0] if len(told) == 1 else told)


def cut(
    archive: ArchivePlace,
    recording: _Name,
    target: Annotated[
        Path,
        typer.Argument(help="The Ogg Opus file to write; a folder for several.", readable=False),
    ],
    start: Annotated[int, typer.Option(help="First sample, counted at 48 kHz.")] = 0,
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
    ranges = _ranges(opened, opened.info.total_samples, start, end, seconds, at)
    for first, stop in ranges:
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
    conceal: bool,
) -> Iterator["Pcm"]:
    """Decode in bounded memory; ranges that adjoin adjoin at any rate."""
    mode: Mode = "fast" if fast else "exact"
    on_damage: OnDamage = "conceal" if conceal else "raise"
    if rate == 48_000:
        yield from opened.blocks(
            48_000,
            start_sample=first,
            stop_sample=stop,
            channels=channels,
            dtype="int16",
            mode=mode,
            on_damage=on_damage,
        )
        return
    step = 48_000 * _PIECE_SECONDS
    for low in range(first, stop, step):
        yield opened.read(
            low,
            min(low + step, stop),
            rate=rate,
            channels=channels,
            dtype="int16",
            mode=mode,
            on_damage=on_damage,
        )


def original_of(opened: "Recording") -> "Original":
    """Return what was kept lossless.

    Raises:
        InvalidArgumentError: nothing was.
    """
    from opuscule.errors import InvalidArgumentError

    original = opened.lossless
    if original is None:
        raise InvalidArgumentError(
            f"of {opened.name!r} no lossless original was kept; leave out --lossless"
        )
    return original


def _ranges(
    opened: "Recording | Original",
    total: int,
    start: int,
    end: int | None,
    seconds: list[str] | None,
    at: list[str] | None,
) -> list[tuple[int, int]]:
    """All that was asked for, in samples, checked before anything is written."""
    if not seconds and not at:
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
        raise typer.BadParameter(
            f"{text!r} is no FROM/TO or FROM/+SECONDS; expected such as 2026-05-01T04:30:00Z/+10",
            param_hint="--at",
        ) from error


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
