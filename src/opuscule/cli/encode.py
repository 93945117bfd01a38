"""``opuscule encode``."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from opuscule.cli.jobs import FILES_HELP, Input, Output, output_option, plan, run_all
from opuscule.cli.output import clock_time, json_option, rate_option, salvage_option
from opuscule.errors import InvalidArgumentError

if TYPE_CHECKING:
    from opuscule.containers.bare import BarePcm
    from opuscule.transcode import Progress

__all__ = ["encode"]

_VBR = {"on": (True, False), "constrained": (True, True), "off": (False, True)}
_FEC: dict[str, bool | str] = {"on": True, "off": False, "not_in_music": "not_in_music"}
_BANDWIDTHS = "'narrowband', 'mediumband', 'wideband', 'superwideband', 'fullband'"
_ENDINGS = {"ogg": ".opus", "matroska": ".mka"}


def encode(
    files: Annotated[
        list[str], typer.Argument(help=f"Audio files of any kind. {FILES_HELP}", metavar="files...")
    ],
    output: str | None = output_option,
    target_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="'ogg', 'webm', 'matroska' or 'mp4', or a raw stream: 'self-delimited', 'u16le',"
            " 'u16be', 'u32le', 'u32be'; that of the name's ending.",
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="'archive', 'deep', 'music', 'voice', 'voice_lossy' or 'voice_low_cpu'; the"
            " options below change what it says."
        ),
    ] = "voice",
    bitrate: Annotated[
        str | None, typer.Option(help="Bits a second, 500 to 750000 a channel, 'auto' or 'max'.")
    ] = None,
    frame_ms: Annotated[float | None, typer.Option(help="Audio per packet, 2.5 to 120 ms.")] = None,
    application: Annotated[str | None, typer.Option(help="'voip', 'audio' or 'lowdelay'.")] = None,
    signal: Annotated[str | None, typer.Option(help="'auto', 'voice' or 'music'.")] = None,
    complexity: Annotated[int | None, typer.Option(help="Work to spend, 0 to 10.")] = None,
    vbr: Annotated[
        str | None, typer.Option(help="Variable bit rate: 'on', 'constrained' or 'off'.")
    ] = None,
    fec: Annotated[
        str | None, typer.Option(help="In-band FEC: 'on', 'off' or 'not_in_music'.")
    ] = None,
    loss: Annotated[
        int | None, typer.Option(help="Loss to be ready for, 0 to 100 %; FEC and DRED need it.")
    ] = None,
    dred_ms: Annotated[
        int | None, typer.Option(help="Deep redundancy, 0 to 1040 ms in tens.")
    ] = None,
    dtx: Annotated[
        bool | None, typer.Option("--dtx/--no-dtx", help="Next to nothing in silence.")
    ] = None,
    bandwidth: Annotated[
        str | None, typer.Option(help=f"The one to use: {_BANDWIDTHS} or 'auto'.")
    ] = None,
    max_bandwidth: Annotated[str | None, typer.Option(help="The widest to use.")] = None,
    force_channels: Annotated[
        str | None, typer.Option(help="Code stereo as '1' or '2' channels, or 'auto'.")
    ] = None,
    phase_inversion: Annotated[
        bool | None,
        typer.Option(
            "--phase-inversion/--no-phase-inversion", help="Off for what will be mixed to mono."
        ),
    ] = None,
    prediction: Annotated[
        bool | None,
        typer.Option("--prediction/--no-prediction", help="Off: losses spread less, at a price."),
    ] = None,
    lsb_depth: Annotated[
        int | None, typer.Option(help="Bits of the input that mean something, 8 to 24.")
    ] = None,
    rate: int | None = rate_option,
    pcm: Annotated[
        str | None,
        typer.Option(
            help="The input is bare samples, 'int16' or 'float32', low byte first, at --rate."
        ),
    ] = None,
    channels: Annotated[int | None, typer.Option(help="Of the bare samples of --pcm.")] = None,
    salvage: bool = salvage_option,
    json: bool = json_option,
) -> None:
    """Encode audio files to Opus in Ogg, WebM, Matroska, MP4 or a raw stream; '-' is a pipe.

    A file appears under its name, and replaces what was there, when it is whole. A pipe is encoded
    as it comes; Ctrl-C ends one that is read, and what has come is kept.
    """
    from opuscule.codec import preset_settings
    from opuscule.transcode import PACKET_ENDINGS, PACKET_FORMATS, encode_file
    from opuscule.transcode.targets import chosen_format

    changes: dict[str, Any] = {
        "bitrate": None if bitrate is None else _number_or_word("--bitrate", bitrate),
        "frame_ms": frame_ms,
        "application": application,
        "signal": signal,
        "complexity": complexity,
        "fec": None if fec is None else _one_of("--fec", fec, _FEC),
        "loss_percent": loss,
        "dred_ms": dred_ms,
        "dtx": dtx,
        "bandwidth": bandwidth,
        "max_bandwidth": max_bandwidth,
        "force_channels": force_channels and _number_or_word("--force-channels", force_channels),
        "phase_inversion": phase_inversion,
        "prediction": prediction,
        "lsb_depth": lsb_depth,
    }
    if vbr is not None:
        changes["vbr"], changes["constrained_vbr"] = _one_of("--vbr", vbr, _VBR)
    given = {name: value for name, value in changes.items() if value is not None}
    settings = dataclasses.replace(preset_settings(preset), **given)
    bare = _bare(pcm, rate, channels)
    container = chosen_format("", target_format, PACKET_FORMATS, PACKET_ENDINGS)
    ending = _ENDINGS.get(container, f".{container}")

    def work(
        source: Input, target: Output, progress: "Progress | None"
    ) -> tuple[dict[str, object], str]:
        done = encode_file(
            source,
            target,
            preset=settings,
            rate=None if bare else rate,
            salvage=salvage,
            bare=bare,
            target_format=target_format,
            progress=progress,
        )
        line = (
            f"{clock_time(done.duration_s)}, {done.packets} packets, {done.bitrate / 1000:.1f} kb/s"
        )
        return dataclasses.asdict(done), line

    run_all(plan(files, output, ending, PACKET_ENDINGS), work, "encoding", json)


def _bare(pcm: str | None, rate: int | None, channels: int | None) -> "BarePcm | None":
    from opuscule.containers.bare import BarePcm

    if pcm is None:
        if channels is not None:
            raise InvalidArgumentError("--channels is for bare samples; say which with --pcm")
        return None
    if rate is None:
        raise InvalidArgumentError("bare samples do not say their rate; say it with --rate")
    sample_format: Literal["int16", "float32"] = _one_of(
        "--pcm", pcm, {"int16": "int16", "float32": "float32"}
    )
    return BarePcm(rate, 1 if channels is None else channels, sample_format)


def _one_of(option: str, given: str, known: dict[str, Any]) -> Any:
    if given not in known:
        raise InvalidArgumentError(f"{option} is {given!r}; expected {', '.join(known)}")
    return known[given]


def _number_or_word(option: str, given: str) -> int | str:
    if given in ("auto", "max"):
        return given
    try:
        return int(given)
    except ValueError:
        raise typer.BadParameter(
            f"{given!r} is neither a number nor a word for it", param_hint=option
        ) from None
