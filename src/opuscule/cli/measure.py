"""``opuscule measure``."""

import dataclasses
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from opuscule.cli.output import clock_time, emit, json_option, pairs
from opuscule.errors import InvalidArgumentError

if TYPE_CHECKING:
    from opuscule.measure.playout import Call, PlayedCall

__all__ = ["app"]

_FEC = {"on": True, "off": False}
_MODES = ("whole", "fixed", "adaptive")
_DRIFT_PPM = 20
"""Clocks that part by less are not worth a word: 1 ms in a minute."""

app = typer.Typer(
    name="measure",
    help="Find out what happened to a call.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def measure() -> None:
    """Find out what happened to a call."""


@app.command()
def playout(
    trace: Annotated[
        Path,
        typer.Argument(
            help="When packets were sent and came: a table (send_ms, arrival_ms; or what WebRTC's"
            " rtp_analyze prints), or a pcap or pcapng file of RTP with Opus in it.",
        ),
    ],
    audio: Annotated[
        Path | None,
        typer.Argument(
            help="What was said: audio of any kind, encoded as the options say, or a file of Opus"
            " packets as they are; a spoken sentence over and over if left out. With a capture:"
            " what its sound is compared with.",
        ),
    ] = None,
    mode: Annotated[str, typer.Option(help="'adaptive', 'fixed' or 'whole'.")] = "adaptive",
    target_delay_ms: Annotated[
        int, typer.Option(help="The delay; with 'adaptive' the least one.")
    ] = 30,
    max_delay_ms: Annotated[int, typer.Option(help="The most that 'adaptive' aims at.")] = 1000,
    late_per_mille: Annotated[
        int, typer.Option(help="Of 1000 packets, how many 'adaptive' lets come too late.")
    ] = 15,
    complexity: Annotated[int, typer.Option(help="Of the decoder, 0 to 10.")] = 5,
    preset: Annotated[str, typer.Option(help="How to encode, as for 'opuscule encode'.")] = "voice",
    bitrate: Annotated[int | None, typer.Option(help="Bits a second.")] = None,
    frame_ms: Annotated[float | None, typer.Option(help="Audio per packet, 2.5 to 120 ms.")] = None,
    fec: Annotated[
        str | None, typer.Option(help="In-band FEC: 'on' or 'off'; off where --dred-ms is given.")
    ] = None,
    loss: Annotated[
        int | None,
        typer.Option(help="Loss that the encoder is ready for, in %."),
    ] = None,
    dred_ms: Annotated[int | None, typer.Option(help="Deep redundancy, 0 to 1040 ms.")] = None,
    # What they were called before they had the names of 'opuscule encode'.
    loss_percent: Annotated[int | None, typer.Option("--loss-percent", hidden=True)] = None,
    dred: Annotated[int | None, typer.Option("--dred", hidden=True)] = None,
    ssrc: Annotated[
        str | None, typer.Option(help="Which of several RTP streams, such as 0x1234abcd.")
    ] = None,
    payload_type: Annotated[int | None, typer.Option(help="The same, 0 to 127.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write what was heard to this WAV file.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw what happened into this PNG or SVG file.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Write what each sample was made from to this CSV or JSONL file."),
    ] = None,
    quality: Annotated[
        bool,
        typer.Option(
            "--quality/--no-quality", help="Ask PESQ and PLCMOS, where they are installed."
        ),
    ] = True,
    json: bool = json_option,
) -> None:
    """Play a call as it came over a network, and say why it sounded as it did.

    Nothing waits: a minute takes a second, and a few more where the quality is judged.
    """
    from opuscule.measure.playout import (
        as_dict,
        play_call,
        read_reference,
        write_log,
        write_sound,
    )
    from opuscule.measure.playout.picture import write_picture

    if mode not in _MODES:
        raise InvalidArgumentError(f"--mode is {mode!r}; expected {', '.join(_MODES)}")
    _check_targets(trace, audio, out, log, plot)
    changes = {
        "bitrate": bitrate,
        "frame_ms": frame_ms,
        "fec": _fec(fec),
        "loss_percent": loss_percent if loss is None else loss,
        "dred_ms": dred if dred_ms is None else dred_ms,
    }
    call, is_capture = _call(trace, audio, preset, changes, _ssrc(ssrc), payload_type)
    reference = read_reference(audio, call.format.channels) if is_capture and audio else None
    played = play_call(
        call,
        reference=reference,
        with_quality=quality,
        mode=cast("Literal['whole', 'fixed', 'adaptive']", mode),
        target_delay_ms=target_delay_ms,
        max_delay_ms=max_delay_ms,
        late_per_mille=late_per_mille,
        complexity=complexity,
    )
    if out:
        write_sound(played, out)
    if log:
        write_log(played, log)
    if plot:
        write_picture(played, plot, title=trace.name)
    if json:
        emit(
            {
                "trace": trace,
                "audio": audio,
                "mode": mode,
                "target_delay_ms": target_delay_ms,
                **as_dict(played),
            }
        )
        return
    told = audio.name if audio else "the packets in it" if is_capture else "the built-in sentence"
    typer.echo(
        f"{trace.name}, {told}: {clock_time(call.duration_ms / 1000)}, {len(call.sent)} packets of"
        f" {call.packet_ms:g} ms at {call.bitrate / 1000:.1f} kb/s; played {mode},"
        f" {'at least ' if mode == 'adaptive' else ''}{target_delay_ms} ms"
    )
    _show(played, quality)


def _check_targets(
    trace: Path, audio: Path | None, out: Path | None, log: Path | None, plot: Path | None
) -> None:
    """Refuse before the call is played what could not be written after it."""
    from opuscule.files import check_output
    from opuscule.measure.playout.files import check_log_name, check_sound_name
    from opuscule.measure.playout.picture import check_picture
    from opuscule.transcode.targets import check_apart

    for path, check_name in ((out, check_sound_name), (log, check_log_name), (plot, check_picture)):
        if not path:
            continue
        check_name(path)
        check_output(path)
        for source in (trace, audio):
            if source and source.exists():
                check_apart(source, path)


def _call(
    trace: Path,
    audio: Path | None,
    preset: str,
    changes: dict[str, Any],
    ssrc: int | None,
    payload_type: int | None,
) -> "tuple[Call, bool]":
    from opuscule.codec import preset_settings
    from opuscule.measure.playout import call_of_audio, call_of_capture, has_capture, read_trace

    given = {name: value for name, value in changes.items() if value is not None}
    if has_capture(trace):
        if given:
            names = ("loss" if name == "loss_percent" else name for name in given)
            options = ", ".join(f"--{name.replace('_', '-')}" for name in names)
            raise InvalidArgumentError(f"{trace} has packets of its own; leave out {options}")
        return call_of_capture(trace, ssrc=ssrc, payload_type=payload_type), True
    table = read_trace(trace, ssrc=ssrc, payload_type=payload_type)
    if given.get("dred_ms"):
        given.setdefault("fec", False)  # it would take DRED's bits
    settings = dataclasses.replace(preset_settings(preset), **given)
    return call_of_audio(table, audio, settings), False


def _fec(given: str | None) -> bool | None:
    if given is None:
        return None
    if given not in _FEC:
        raise InvalidArgumentError(f"--fec is {given!r}; expected on or off")
    return _FEC[given]


def _ssrc(given: str | None) -> int | None:
    if given is None:
        return None
    try:
        return int(given, 0)
    except ValueError:
        raise InvalidArgumentError(
            f"--ssrc is {given!r}; expected a number such as 0x1234abcd"
        ) from None


def _show(played: "PlayedCall", with_quality: bool) -> None:
    from rich.console import Console

    from opuscule.measure.playout.terminal import to_text

    for note in played.call.notes:
        typer.echo(f"  ({note})")
    typer.echo("\nWhat the network did")
    pairs(_network_rows(played))
    typer.echo("\nWhat was heard")
    pairs(_played_rows(played, with_quality))
    typer.echo("\nBy WebRTC's names")
    pairs(_statistics(played))
    console = Console(highlight=False)
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    # NO_COLOR: https://no-color.org
    is_plain = not console.is_terminal or bool(os.environ.get("NO_COLOR")) or encoding != "utf8"
    width = min(shutil.get_terminal_size().columns - 1, 200)
    picture = to_text(played, width, is_plain=is_plain)
    typer.echo("")
    if is_plain:
        typer.echo(picture.plain)
    else:
        console.print(picture)
    typer.echo("\nWhat hurt most")
    for text in played.hurt:
        typer.echo(f"  {text}")


def _network_rows(played: "PlayedCall") -> list[tuple[str, object]]:
    n = played.network
    bursts = f", in one burst of {n.longest_burst_ms:.0f} ms" if n.bursts else ""
    if n.bursts > 1:
        bursts = (
            f", in {n.bursts} bursts of {n.mean_burst_packets:.1f} in the mean, the longest"
            f" {n.longest_burst_ms:.0f} ms"
        )
    late = (
        f"by {n.late_median_ms:.0f} ms in the median, 95 % by {n.late_p95_ms:.0f}, 99 % by"
        f" {n.late_p99_ms:.0f}, at most {n.late_greatest_ms:.0f}"
    )
    rows: list[tuple[str, object]] = [
        ("lost", f"{n.lost} of {n.packets} packets ({n.lost_share:.1%}){bursts}"),
        ("late", late),
        ("jitter", f"{n.jitter_ms:.1f} ms (RFC 3550)"),
        ("nothing came", f"for {n.longest_silence_ms:.0f} ms at most"),
    ]
    if abs(ppm := played.simulated.drift_ppm) >= _DRIFT_PPM:
        more = "faster" if ppm > 0 else "slower"
        clocks = (
            f"the sender's is {abs(ppm):.0f} ppm {more}: lateness and delay grow or fall with it"
        )
        rows.append(("clocks", clocks))
    if n.reordered or n.duplicates:
        rows.append(
            ("out of order", f"{n.reordered} of {n.packets} packets; {n.duplicates} came twice")
        )
    return rows


def _played_rows(played: "PlayedCall", with_quality: bool) -> list[tuple[str, object]]:
    d, heard = played.delays, played.heard
    rows: list[tuple[str, object]] = []
    if d:
        delay = (
            f"{d.mean_ms:.0f} ms in the mean, {d.median_ms:.0f} in the median, 95 % up to"
            f" {d.p95_ms:.0f}, at most {d.greatest_ms:.0f}"
        )
        rows.append(("delay", delay))
    shares = sorted(
        ((name, share) for name, share in played.shares.items() if share >= 0.0005),
        key=lambda item: -item[1],
    )
    stops = played.interruptions
    stopped = f"{stops.count} × 150 ms or more, {stops.total_ms / 1000:.1f} s in all"
    rows += [
        ("made of", ", ".join(f"{name} {share:.1%}" for name, share in shares) or "nothing"),
        ("speech heard", f"{1 - heard.unheard_share:.1%} of {clock_time(heard.speech_ms / 1000)}"),
        ("interruptions", stopped if stops.count else "none of 150 ms or more"),
        ("processor", f"{played.cpu_share:.2%} of a core"),
    ]
    if played.simulated.refused:
        rows.append(("refused", f"{played.simulated.refused} packets that are no Opus packets"))
    if with_quality:
        rows.append(("quality", _quality(played)))
    return rows


def _quality(played: "PlayedCall") -> str:
    if not played.quality:
        return "not judged; pip install 'opuscule[quality]' adds PESQ and PLCMOS"
    q = played.quality
    if not q.pieces:
        return "not judged: less than a second, or nothing was heard"
    known = list[str]()
    if q.pesq_wb is not None:
        known.append(f"PESQ-WB {q.pesq_wb:.2f} (4.64 is no difference)")
    if q.plcmos is not None:
        clean = f" ({q.plcmos_clean:.2f} without the network)" if q.plcmos_clean else ""
        known.append(f"PLCMOS {q.plcmos:.2f}{clean}")
    return ", ".join(known) or "no speech"


def _statistics(played: "PlayedCall") -> list[tuple[str, object]]:
    named = played.stats.webrtc()
    emitted = max(1.0, named["jitterBufferEmittedCount"])

    def with_unit(name: str, value: float) -> str:
        if name == "jitter":
            return f"{value * 1000:.1f} ms"
        if name.endswith("Delay"):  # WebRTC adds up those of all samples
            return f"{value / emitted * 1000:.0f} ms a sample, {value:.1f} s added up"
        if "Samples" in name or name == "jitterBufferEmittedCount":
            return f"{value:.0f} samples, {value / 48_000:.2f} s"
        return f"{value:.0f} packets" if "acket" in name else f"{value:.0f}"

    return [(name, with_unit(name, value)) for name, value in named.items()]
