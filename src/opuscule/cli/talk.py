"""``opuscule talk``."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import emit, json_option, pairs

if TYPE_CHECKING:
    from opuscule.client import TalkReport
    from opuscule.client.report import Latency
    from opuscule.devices.base import Source

__all__ = ["answer_rows", "latency_rows", "talk"]


def talk(
    url: Annotated[str, typer.Option(help="The server's address.")] = "ws://127.0.0.1:8750",
    source: Annotated[
        str,
        typer.Option(help="'mic', 'mic:NAME', an audio file, or a signal such as 'tone:440:2s'."),
    ] = "mic",
    sink: Annotated[
        str, typer.Option(help="'speaker', 'speaker:NAME', 'null', or a WAV file to write.")
    ] = "speaker",
    device: Annotated[str, typer.Option(help="This device's own name.")] = "talk",
    seconds: Annotated[
        float | None,
        typer.Option(min=0, help="Stop speaking after this; Enter stops at any time."),
    ] = None,
    delay_ms: Annotated[int, typer.Option(help="How long the answer is held back.")] = 60,
    token: Annotated[
        str | None, typer.Option(envvar="OPUSCULE_TOKEN", help="What the server wants to see.")
    ] = None,
    json: bool = json_option,
) -> None:
    """Speak to a server and hear its answer."""
    from opuscule.devices import open_sink, open_source

    async def run() -> "TalkReport":
        from opuscule.client import connect

        # The file of the answer is opened last: a server that is not there leaves none behind.
        async with (
            await connect(url, device=device, token=token) as client,
            open_source(source) as ear,
            open_sink(sink, paced=True) as mouth,
        ):
            live = source.partition(":")[0] == "mic"
            stopper = asyncio.create_task(_stop(ear, seconds, live))
            try:
                return await client.talk(ear, mouth, target_delay_ms=delay_ms)
            finally:
                stopper.cancel()

    report = asyncio.run(run())
    if json:
        emit(report)
        return
    typer.echo(f"said {report.spoken_ms / 1000:.1f} s in {report.packets_sent} packets")
    pairs(answer_rows(report))
    typer.echo("latency")
    pairs(latency_rows(report))


async def _stop(source: "Source", seconds: float | None, live: bool) -> None:
    """End the speaking after a time, or when a person presses Enter."""
    if live and sys.stdin.isatty():
        typer.echo("speak; Enter ends it")
        entered = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, entered.set)
        try:
            await asyncio.wait_for(entered.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(sys.stdin)
    elif seconds is not None:
        await asyncio.sleep(seconds)
    else:
        return
    await source.close()


def latency_rows(report: "TalkReport") -> list[tuple[str, str]]:
    """The stages in the order in which sound goes through them."""

    def row(latency: "Latency | None") -> str:
        if latency is None:
            return "not measured"
        worst = f"  (worst {latency.worst_ms:.1f})" if latency.count > 1 else ""
        return f"{latency.median_ms:7.1f} ms{worst}"

    return [
        ("capture", row(report.capture)),
        ("encode", row(report.encode)),
        ("uplink", row(report.uplink)),
        ("thinking", row(report.thinking)),
        ("downlink", row(report.downlink)),
        ("playout", row(report.playout)),
        ("playback", row(report.playback)),
        ("end of speech to answer", row(report.response)),
    ]


def answer_rows(report: "TalkReport") -> list[tuple[str, str]]:
    """What the answer was made from, and what became of what was said."""
    rows = []
    if report.stored:
        rows.append(("kept", f"{report.packets_stored} packets acknowledged as stored"))
    if report.problem:
        rows.append(("the server says", report.problem))
    stats = report.answer
    if stats is None or stats.played_samples == stats.silence_samples:
        rows.append(("answer", "none"))
        return rows
    rate = report.answer_rate
    rows.append(("answer", f"{(stats.played_samples - stats.silence_samples) / rate:.1f} s"))
    rebuilt = stats.fec_samples + stats.dred_samples + stats.plc_samples
    rows.append(("of it concealed", f"{rebuilt / rate * 1000:.0f} ms"))
    return rows
