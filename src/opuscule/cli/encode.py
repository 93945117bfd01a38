"""``opuscule encode`` and ``opuscule decode``."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from opuscule.cli.output import (
    clock_time,
    emit,
    json_option,
    progress_bar,
    rate_option,
    salvage_option,
)

__all__ = ["decode", "encode"]


def encode(
    source: Annotated[Path, typer.Argument(help="Any audio file.", readable=False)],
    target: Annotated[
        Path | None, typer.Argument(help="The file to write; SOURCE with .opus if left out.")
    ] = None,
    preset: Annotated[
        str,
        typer.Option(help="'archive', 'deep', 'music', 'voice', 'voice_lossy' or 'voice_low_cpu'."),
    ] = "voice",
    bitrate: Annotated[
        int | None,
        typer.Option(help="Bits a second, 500 to 750000 a channel; the preset's if left out."),
    ] = None,
    frame_ms: Annotated[float, typer.Option(help="Audio per packet, 2.5 to 120 ms.")] = 20,
    rate: int | None = rate_option,
    salvage: bool = salvage_option,
    json: bool = json_option,
) -> None:
    """Encode an audio file to Ogg Opus."""
    from opuscule.codec import preset_settings
    from opuscule.transcode import encode_file

    settings = preset_settings(preset)
    if bitrate is not None:
        settings = dataclasses.replace(settings, bitrate=bitrate)
    target = target or source.with_suffix(".opus")
    with progress_bar(f"encoding {source.name}", json) as progress:
        done = encode_file(
            source,
            target,
            preset=settings,
            frame_ms=frame_ms,
            rate=rate,
            salvage=salvage,
            progress=progress,
        )
    if json:
        emit({"target": str(target), **dataclasses.asdict(done)})
    else:
        typer.echo(
            f"{target}: {clock_time(done.duration_s)}, {done.packets} packets,"
            f" {done.bitrate / 1000:.1f} kb/s"
        )


def decode(
    source: Annotated[Path, typer.Argument(help="A file of Opus packets.", readable=False)],
    target: Annotated[
        Path | None, typer.Argument(help="The WAV file to write; SOURCE with .wav if left out.")
    ] = None,
    rate: Annotated[int, typer.Option(help="8000, 12000, 16000, 24000 or 48000 Hz.")] = 48_000,
    json: bool = json_option,
) -> None:
    """Decode a file of Opus to WAV."""
    from opuscule.transcode import decode_file

    target = target or source.with_suffix(".wav")
    with progress_bar(f"decoding {source.name}", json) as progress:
        done = decode_file(source, target, rate=rate, progress=progress)
    if json:
        emit({"target": str(target), **dataclasses.asdict(done)})
        return
    concealed = (
        f", {done.concealed_samples / done.rate * 1000:.0f} ms of it made up for missing packets"
        if done.concealed_samples
        else ""
    )
    typer.echo(f"{target}: {clock_time(done.duration_s)} at {done.rate} Hz{concealed}")
