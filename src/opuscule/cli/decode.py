"""``opuscule decode``."""

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.jobs import FILES_HELP, Input, Output, output_option, plan, run_all
from opuscule.cli.output import clock_time, json_option, raw_option

if TYPE_CHECKING:
    from opuscule.transcode import Progress

__all__ = ["decode"]


def decode(
    files: Annotated[
        list[str], typer.Argument(help=f"Files of Opus packets. {FILES_HELP}", metavar="files...")
    ],
    output: str | None = output_option,
    target_format: Annotated[
        str | None,
        typer.Option("--format", help="'wav', 'flac', 'aiff' or 'pcm'; that of the name's ending."),
    ] = None,
    rate: Annotated[int, typer.Option(help="8000, 12000, 16000, 24000 or 48000 Hz.")] = 48_000,
    raw: str | None = raw_option,
    json: bool = json_option,
) -> None:
    """Decode files of Opus to WAV, FLAC, AIFF or bare samples; '-' is a pipe.

    A file appears under its name, and replaces what was there, when it is whole. Ctrl-C ends a
    pipe that is read, and what has come is kept.
    """
    from opuscule.cli.packets import framing_of
    from opuscule.transcode import SOUND_ENDINGS, SOUND_FORMATS, decode_file
    from opuscule.transcode.targets import chosen_format

    framing = framing_of(raw)
    container = chosen_format("", target_format, SOUND_FORMATS, SOUND_ENDINGS)

    def work(
        source: Input, target: Output, progress: "Progress | None"
    ) -> tuple[dict[str, object], str]:
        done = decode_file(
            source,
            target,
            rate=rate,
            raw=framing,
            target_format=target_format,
            progress=progress,
        )
        concealed = (
            f", {done.concealed_samples / done.rate * 1000:.0f} ms of it made up for missing"
            " packets"
            if done.concealed_samples
            else ""
        )
        line = f"{clock_time(done.duration_s)} at {done.rate} Hz{concealed}"
        return dataclasses.asdict(done), line

    run_all(plan(files, output, f".{container}", SOUND_ENDINGS), work, "decoding", json)
