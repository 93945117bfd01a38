"""``opuscule demo``."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import emit, json_option, pairs, program
from opuscule.cli.talk import latency_rows

if TYPE_CHECKING:
    from opuscule.measure.demo import Demo
    from opuscule.packets import Gap
    from opuscule.playout import PlayoutStats

__all__ = ["demo"]

_BAR_WIDTH = 64


def demo(
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("out/demo"),
    play: Annotated[bool, typer.Option("--play", help="Hear the answer on the speaker.")] = False,
    json: bool = json_option,
) -> None:
    """Go the whole way once: speak, be answered, keep it, get a part of it back."""
    from opuscule.measure.demo import SENTENCE, run_demo

    folder.mkdir(parents=True, exist_ok=True)
    if not json:
        typer.echo(f"Saying to a server on this machine, in real time:\n  “{SENTENCE}”\n")
    result = asyncio.run(run_demo(folder, play=play))
    if json:
        emit(result)
    else:
        _show(result)
    if not result.middle_equal:
        typer.echo("the extracted second differs from the sequential decode", err=True)
        raise typer.Exit(1)


def _show(demo: "Demo") -> None:
    report = demo.report
    heading = typer.style
    typer.echo(heading("On the way there", bold=True))
    pairs(
        [
            ("spoken", f"{report.spoken_ms / 1000:.2f} s at 16 kHz, mono"),
            (
                "packets",
                (
                    f"{report.packets_encoded} encoded, {report.packets_sent} sent,"
                    f" {report.packets_withheld} lost ({demo.loss_percent:.0f} %)"
                ),
            ),
            ("", "lost on purpose, before the socket: a WebSocket itself loses nothing"),
            ("rebuilt", _rebuilt(demo.heard, 16_000)),
            (
                "size",
                (
                    f"{report.bytes_sent * 8 / report.spoken_ms:.1f} kb/s, 1/"
                    f"{report.compression_ratio:.1f} of the samples"
                ),
            ),
        ]
    )
    typer.echo(heading("\nThe answer", bold=True))
    if report.answer:
        stats = report.answer
        seconds = (stats.played_samples - stats.silence_samples) / report.answer_rate
        pairs(
            [
                ("heard", f"{seconds:.2f} s"),
                ("of it concealed", f"{stats.plc_samples / report.answer_rate * 1000:.0f} ms"),
            ]
        )
    typer.echo(heading("\nHow long each stage took", bold=True) + "  (median)")
    pairs(latency_rows(report))
    typer.echo(heading("\nKept", bold=True))
    pairs(
        [
            (
                "stored",
                f"{report.packets_stored} packets acknowledged, {len(demo.gaps)} gaps marked",
            ),
            ("", f"|{_bar(demo.gaps, demo.kept_samples)}|"),
            (
                "a second back",
                f"{demo.middle_ms:.1f} ms, "
                + ("equal" if demo.middle_equal else "NOT EQUAL")
                + " to the sequential decode",
            ),
        ]
    )
    typer.echo(heading("\nFiles", bold=True))
    pairs(
        [
            ("answer", demo.answer),
            ("archive", demo.archive),
            ("look at it", f"{program()} archive info {demo.archive}"),
            (
                "hear a part",
                f"{program()} archive extract {demo.archive} {demo.recording} part.wav",
            ),
        ]
    )


def _rebuilt(stats: "PlayoutStats", rate: int) -> str:
    means = (
        ("deep redundancy", stats.dred_samples),
        ("in-band FEC", stats.fec_samples),
        ("concealment", stats.plc_samples),
    )
    parts = [f"{samples * 1000 / rate:.0f} ms by {name}" for name, samples in means if samples]
    return ", ".join(parts) or "nothing was missing"


def _bar(gaps: "Sequence[Gap]", samples: int) -> str:
    """The recording as a line, with a dot wherever packets are missing."""
    cell = max(1, samples / _BAR_WIDTH)
    return "".join(
        "·"
        if any(g.start_samples < (i + 1) * cell and g.end_samples > i * cell for g in gaps)
        else "█"
        for i in range(_BAR_WIDTH)
    )
