"""``opuscule serve``."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.errors import InvalidArgumentError

if TYPE_CHECKING:
    from opuscule.handlers import AnswerHandler

__all__ = ["serve"]


def serve(
    answer: Annotated[
        str, typer.Option(help="'echo', 'none', or an audio file that answers everything.")
    ] = "echo",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8750,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for what devices say; see also --no-keep.")
    ] = Path("recordings"),
    no_keep: Annotated[bool, typer.Option("--no-keep", help="Keep nothing.")] = False,
    token: Annotated[
        str | None,
        typer.Option(envvar="OPUSCULE_TOKEN", help="What devices have to show to come in."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let anyone on the network in without a token.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every connection.")] = False,
) -> None:
    """Accept devices, keep what they say, and answer."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(message)s"
    )
    kept = None if no_keep else keep
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(_handler(answer), host, port, kept, token, insecure))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop where it is installed, which is an extra."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _handler(answer: str) -> "AnswerHandler":
    from opuscule.handlers import echo, nothing, replay

    if answer == "echo":
        return echo
    if answer == "none":
        return nothing
    from opuscule.containers.pcm import default_mix, mix, to_int16
    from opuscule.transcode import open_audio

    if not Path(answer).exists():
        raise InvalidArgumentError(
            f"--answer is {answer!r}; expected 'echo', 'none' or the path of an audio file"
        )
    with open_audio(answer, rate=16_000) as reader:
        mono = default_mix(reader.channels, 1)
        blocks = [to_int16(block, reader.sample_format) for block in reader]
        pcm = b"".join(mix(b, reader.channels, mono) if mono else b for b in blocks)
    return replay(pcm)


async def _serve(
    handler: "AnswerHandler",
    host: str,
    port: int,
    keep: Path | None,
    token: str | None,
    insecure: bool,
) -> None:
    from opuscule.server import Server

    stop = asyncio.Event()
    with _at_a_signal(stop.set):
        server = Server(handler, host=host, port=port, keep=keep, token=token, insecure=insecure)
        async with server:
            typer.echo(
                f"listening on {server.url}; speak to it with: opuscule talk --url {server.url}"
            )
            if server.keeper:
                typer.echo(f"keeping what is said in {server.keeper.archive}")
            typer.echo("Ctrl-C stops")
            await stop.wait()
            typer.echo("bringing what was said to safety")


@contextlib.contextmanager
def _at_a_signal(do: Callable[[], None]) -> Iterator[None]:
    """Do something at SIGINT and SIGTERM, and give both back: uvloop's closed loop keeps them."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as given_back:
        for signum in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(signum, do)
                given_back.callback(loop.remove_signal_handler, signum)
        yield
