"""``opuscule bench``."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opuscule.cli.output import clock_time, emit, json_option

if TYPE_CHECKING:
    from opuscule.measure.codec import CodecFigures

__all__ = ["app"]

_BAR_WIDTH = 40
_EIGHTHS = " ▏▎▍▌▋▊▉█"

app = typer.Typer(
    name="bench",
    help="Measure what this machine does.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def bench() -> None:
    """Measure what this machine does."""


@app.command()
def codec(
    source: Annotated[
        Path | None,
        typer.Argument(help="Any audio file; a spoken sentence if left out.", readable=False),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(help="'archive', 'deep', 'music', 'voice', 'voice_lossy' or 'voice_low_cpu'."),
    ] = "voice",
    bitrate: Annotated[
        int | None, typer.Option(help="Bits a second; the preset's if left out.")
    ] = None,
    complexity: Annotated[
        int | None, typer.Option(help="Work to spend, 0 to 10; the preset's if left out.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Measure at this many Hz; 16000 for the sentence.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="At most so much of the file's beginning.")] = 30,
    rounds: Annotated[int, typer.Option(help="How often each length has its turn.")] = 5,
    json: bool = json_option,
) -> None:
    """Encode and decode with frames of 10, 20, 40 and 60 ms: how small, how fast.

    The ratio is that of int16 samples to packets, without any container. Times are medians, of one
    core, and count for a machine that does nothing else meanwhile.
    """
    from opuscule._native import libopus_version
    from opuscule.codec import preset_settings
    from opuscule.measure.codec import measure_codec, read_sound, sentence
    from opuscule.transcode import open_audio

    changes: dict[str, Any] = {"bitrate": bitrate, "complexity": complexity}
    given = {name: value for name, value in changes.items() if value is not None}
    settings = dataclasses.replace(preset_settings(preset), **given)
    if source is None:
        sound = sentence(rate or 16_000)
    else:
        with open_audio(source, rate=rate) as reader:
            sound = read_sound(reader, str(source), seconds)
    figures = measure_codec(sound, settings, rounds=rounds)
    if json:
        emit(
            {
                "source": sound.name,
                "rate": sound.rate,
                "channels": sound.channels,
                "duration_s": sound.duration_s,
                "preset": preset,
                "bitrate": settings.bitrate,
                "complexity": settings.complexity,
                "libopus": libopus_version(),
                "rounds": rounds,
                "frames": figures,
            }
        )
        return
    channels = "mono" if sound.channels == 1 else "stereo"
    typer.echo(
        f"{sound.name}: {clock_time(sound.duration_s)} at {sound.rate} Hz, {channels};"
        f" {preset}, {settings.bitrate} b/s, complexity {settings.complexity}; {libopus_version()}"
    )
    _show(figures)


def _show(figures: Sequence["CodecFigures"]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("frames of", "packets", "kb/s", "ratio", "encode", "", "decode", ""):
        table.add_column(title, justify="right")
    for row in figures:
        table.add_row(
            f"{row.frame_ms:g} ms",
            f"{row.packets}",
            f"{row.bitrate / 1000:.1f}",
            f"{row.ratio:.1f} : 1",
            f"{row.encode_us_per_s:.0f} µs/s",
            f"{1e6 / row.encode_us_per_s:.0f} ×",
            f"{row.decode_us_per_s:.0f} µs/s",
            f"{1e6 / row.decode_us_per_s:.0f} ×",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print("\nµs/s: microseconds for a second of audio; ×: times real time", style="dim")
    for title, values in (
        ("kb/s", [row.bitrate / 1000 for row in figures]),
        ("encode, µs/s", [row.encode_us_per_s for row in figures]),
    ):
        typer.echo(f"\n{title}")
        for row, value in zip(figures, values, strict=True):
            bar = _bar(value / max(values))
            typer.echo(f"  {row.frame_ms:>4g} ms  {bar} {value:.1f}")


def _bar(share: float) -> str:
    eighths = round(share * _BAR_WIDTH * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
