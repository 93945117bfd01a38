"""``opuscule levels``."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import clock_time, emit, json_option, pairs, progress_bar

if TYPE_CHECKING:
    from opuscule.activity import ActiveSpan, ActivityDetector
    from opuscule.containers.pcm import PcmReader
    from opuscule.levels import Bucket, LevelMeter, Levels

__all__ = ["draw_waveform", "levels"]

_COLUMNS = 72
_ROWS = 9
_VOICE_RATE = 16_000


def levels(
    source: Annotated[Path, typer.Argument(help="Any audio file.")],
    threshold: Annotated[
        float, typer.Option(help="What counts as sound: the RMS of 20 ms in dBFS, 0 or below.")
    ] = -40,
    voice: Annotated[
        bool, typer.Option("--voice", help="Look for voices, not for sound above the threshold.")
    ] = False,
    buckets: Annotated[
        int, typer.Option(help="At most so many buckets in the overview of --json.")
    ] = 1024,
    json: bool = json_option,
) -> None:
    """Say how loud a file is, whether it clips, where there is sound in it, and draw it."""
    from opuscule.activity import EnergyGate, VoiceDetector
    from opuscule.levels import LevelMeter
    from opuscule.transcode import open_audio

    active: list[ActiveSpan]
    with _open_unchanged(source) as reader:
        meter = LevelMeter(reader.channels, sample_format=reader.sample_format, max_buckets=buckets)
        gate = EnergyGate(
            reader.rate,
            reader.channels,
            sample_format=reader.sample_format,
            threshold_dbfs=threshold,
        )
        active = _listen(reader, meter, gate, f"measuring {source.name}", json)
        rate = detector_rate = reader.rate
    if voice:
        with open_audio(source, rate=_VOICE_RATE) as reader:
            detector = VoiceDetector(
                reader.rate, reader.channels, sample_format=reader.sample_format
            )
            active = _listen(reader, None, detector, f"listening to {source.name}", json)
            detector_rate = reader.rate
    measured = meter.levels
    duration_s = measured[0].samples / rate
    # The last frame is filled up with silence, which the file has not.
    stretches = [
        (span.start_samples / detector_rate, min(span.end_samples / detector_rate, duration_s))
        for span in active
    ]
    if json:
        emit(
            {
                "source": str(source),
                "rate": rate,
                "duration_s": duration_s,
                "channels": [_as_dict(channel) for channel in measured],
                "active_by": "voice" if voice else "energy",
                "active_s": stretches,
                "overview": {
                    "bucket_samples": meter.bucket_samples,
                    "channels": [
                        [(b.minimum, b.maximum, b.rms) for b in channel]
                        for channel in meter.overview
                    ],
                },
            }
        )
        return
    typer.echo(f"{source}: {clock_time(duration_s)}, {rate} Hz, {len(measured)} channel(s)")
    for number, (channel, overview) in enumerate(zip(measured, meter.overview, strict=True), 1):
        typer.echo("")
        for line in draw_waveform(overview):
            typer.echo(f"  {line}")
        rows: list[tuple[str, object]] = [
            ("channel", number),
            ("peak", _in_words(channel.peak_dbfs)),
            ("RMS", _in_words(channel.rms_dbfs)),
            ("clipped", f"{channel.clipped_samples} samples"),
        ]
        pairs(rows)
    seconds = sum(end - start for start, end in stretches)
    what = "voices" if voice else f"sound above {threshold:g} dBFS"
    share = seconds / duration_s if duration_s else 0
    typer.echo(f"\n  {what}: {share:.0%} of the time, in {len(stretches)} stretch(es)")


def draw_waveform(overview: Sequence["Bucket"], columns: int = _COLUMNS) -> list[str]:
    """Draw the waveform, its peak at the edge: ``█`` within ±RMS, ``▒`` to minimum and maximum."""
    count = min(columns, len(overview))
    peak = max((max(-bucket.minimum, bucket.maximum) for bucket in overview), default=0)
    if not peak:
        return ["─" * max(count, 1)]
    lines = [""] * _ROWS
    for column in range(count):
        part = overview[column * len(overview) // count : (column + 1) * len(overview) // count]
        low = min(bucket.minimum for bucket in part) / peak
        high = max(bucket.maximum for bucket in part) / peak
        rms = math.sqrt(sum(bucket.rms**2 for bucket in part) / len(part)) / peak
        for row in range(_ROWS):
            bottom, top = 1 - 2 * (row + 1) / _ROWS, 1 - 2 * row / _ROWS
            middle = bottom < 0 < top
            reach = max(high, -low) if middle else high if bottom > 0 else -low
            # The middle row, which all sound would touch, is for what fills half of it.
            nearest = max(bottom, -top, 0.5 / _ROWS)
            blank = "─" if middle else " "
            lines[row] += "█" if min(rms, reach) > nearest else "▒" if reach > nearest else blank
    return lines


def _open_unchanged(source: Path) -> "PcmReader":
    """Open a file at its own rate: a converted one has other peaks."""
    from opuscule.containers.detect import detect_file
    from opuscule.containers.media import open_native
    from opuscule.errors import UnsupportedFormatError
    from opuscule.transcode import OpusReader

    if detect_file(source).may_hold_opus:
        # Else it is Vorbis, say, in a container that can hold Opus.
        with contextlib.suppress(UnsupportedFormatError):
            return OpusReader(source)
    return open_native(source)


def _listen(
    reader: "PcmReader",
    meter: "LevelMeter | None",
    detector: "ActivityDetector",
    what: str,
    quiet: bool,
) -> "list[ActiveSpan]":
    from opuscule.activity import active_spans

    def decide() -> Iterator[bool]:
        done = 0
        with progress_bar(what, quiet) as progress:
            for block in reader:
                if meter:
                    meter.push(block)
                decisions = detector.push(block)
                yield from decisions
                done += len(decisions) * detector.frame_samples
                if progress:
                    progress(done * 48_000 // reader.rate, None)
        yield from detector.finish()

    return active_spans(decide(), detector.frame_samples)


def _as_dict(channel: "Levels") -> dict[str, float]:
    return {
        "samples": channel.samples,
        "minimum": channel.minimum,
        "maximum": channel.maximum,
        "peak_dbfs": channel.peak_dbfs,
        "rms": channel.rms,
        "rms_dbfs": channel.rms_dbfs,
        "clipped_samples": channel.clipped_samples,
        "zero_samples": channel.zero_samples,
    }


def _in_words(dbfs: float) -> str:
    return f"{dbfs:.1f} dBFS" if math.isfinite(dbfs) else "digital silence"
