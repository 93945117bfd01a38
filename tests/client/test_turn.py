"""Turns that do not go as meant: the client's side, against servers of every kind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import opuscule
from opuscule.archive import open_archive
from opuscule.codec import Buffer, StreamEncoder, packet_duration
from opuscule.devices import NullSink, open_source
from opuscule.errors import ConcurrentUseError, DeviceError, LinkClosedError, OpusculeError
from opuscule.handlers import Utterance, echo, nothing
from opuscule.link import Event, Link, Role, StreamEnded, StreamStarted, StreamStopped
from opuscule.packets import StreamFormat
from opuscule.server import Server
from opuscule.transports.shell import WebSocketShell
from opuscule.transports.websocket import listen
from opuscule.wire.messages import Side


def run(go: Callable[[], object]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(go(), 120)  # type: ignore[arg-type]  # a coroutine

    asyncio.run(limited())


@dataclass
class Other:
    """A server of another make: does with each event what it is told."""

    react: "Callable[[Other, Event], None]"
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.link = Link(
            Role.SERVER, time.monotonic(), packet_duration=packet_duration, session="other"
        )
        self.shell = WebSocketShell(self.link, lambda: None, self._on_events, lambda _: None)
        self._changed = asyncio.Event()

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            self.react(self, event)
        self._changed.set()

    async def saw(self, what: Callable[[Event], bool]) -> None:
        while not any(what(event) for event in self.events):
            self._changed.clear()
            await self._changed.wait()

    def answer(self, to: int) -> int:
        form = StreamFormat(1, 312, 16_000)
        return self.link.open_stream(form, frame_ms=20, clock_us=0, epoch_ms=0, reply_to=to)

    async def __aenter__(self) -> str:
        self._listener = await listen("127.0.0.1", 0, None, lambda: self.shell)
        await self._listener.start_serving()
        return f"ws://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self.shell.close()


def test_an_answer_that_the_server_abandons_ends_the_turn() -> None:
    def react(server: Other, event: Event) -> None:
        if isinstance(event, StreamEnded):
            number = server.answer(event.stream)
            server.link.stop_stream(number, Side.MINE, "changed my mind")

    async def go() -> None:
        async with Other(react) as url, await opuscule.connect(url) as client:
            report = await client.talk(open_source("tone:440:1s", paced=False), NullSink())
        assert report.packets_sent > 0

    run(go)


def test_an_answer_that_stops_coming_ends_the_turn() -> None:
    def react(server: Other, event: Event) -> None:
        if isinstance(event, StreamEnded):
            server.answer(event.stream)

    async def go() -> None:
        server = Other(react)
        async with server as url, await opuscule.connect(url) as client:
            source = open_source("tone:440:1s", paced=False)
            with pytest.raises(LinkClosedError, match="answer stopped"):
                await client.talk(source, NullSink(), answer_timeout_s=0.3)
            # The server is told that nobody listens any more.
            await server.saw(lambda e: isinstance(e, StreamStopped) and e.side is Side.MINE)

    run(go)


def test_a_server_that_refuses_what_is_said_ends_the_turn() -> None:
    def react(server: Other, event: Event) -> None:
        if isinstance(event, StreamStarted):
            server.link.stop_stream(event.stream, Side.YOURS, "too loud")

    async def go() -> None:
        async with Other(react) as url, await opuscule.connect(url) as client:
            with pytest.raises(LinkClosedError, match="too loud"):
                await client.talk(open_source("tone:440:10s", paced=True), NullSink())

    run(go)


def test_a_fatal_error_is_what_the_turn_reports() -> None:
    def react(server: Other, event: Event) -> None:
        if isinstance(event, StreamStarted):
            server.link.fail("storage", "the disk is full")

    async def go() -> None:
        for paced in (True, False):
            async with Other(react) as url, await opuscule.connect(url) as client:
                source = open_source("tone:440:60s", paced=paced)
                with pytest.raises(LinkClosedError, match="disk is full"):
                    await client.talk(source, NullSink())
                with pytest.raises(LinkClosedError, match="disk is full"):
                    await client.talk(open_source("tone:440:1s", paced=False), NullSink())

    run(go)


def test_only_the_first_answer_is_heard() -> None:
    def react(server: Other, event: Event) -> None:
        if isinstance(event, StreamEnded):
            encoder = StreamEncoder(16_000)
            packets = encoder.push(bytes(2 * 16_000)) + encoder.finish()
            for _ in range(2):
                number = server.answer(event.stream)
                for packet in packets:
                    if not server.link.closed:
                        server.link.send_packet(number, packet)
                server.link.end_stream(number, encoder.end_samples)

    async def go() -> None:
        sink = NullSink()
        async with Other(react) as url, await opuscule.connect(url) as client:
            report = await client.talk(open_source("tone:440:1s", paced=False), sink)
        assert report.answer is not None
        assert report.answer.received_samples == 16_000
        assert sink.written_samples == report.answer.played_samples

    run(go)


def test_two_turns_at_once_are_refused_and_the_first_goes_on() -> None:
    async def go() -> None:
        async with Server(nothing, port=0) as server, await opuscule.connect(server.url) as client:
            first = asyncio.create_task(
                client.talk(open_source("tone:440:1s", paced=True), NullSink())
            )
            await asyncio.sleep(0)  # it has its turn, and begins
            with pytest.raises(ConcurrentUseError, match="turn"):
                await client.talk(open_source("tone:440:1s", paced=True), NullSink())
            assert (await first).packets_sent > 40

    run(go)


def test_a_cancelled_turn_leaves_nothing_open(tmp_path: Path) -> None:
    heard, cut_off = asyncio.Event(), asyncio.Event()

    async def handler(utterance: Utterance) -> AsyncIterator[Buffer]:
        try:
            async for _ in utterance:
                heard.set()
        except OpusculeError:
            cut_off.set()
            raise
        yield b""

    async def go() -> None:
        async with (
            Server(handler, port=0, keep=tmp_path) as server,
            await opuscule.connect(server.url) as client,
        ):
            # More of them than streams may be open on one link.
            for _ in range(10):
                heard.clear()
                cut_off.clear()
                turn = asyncio.create_task(
                    client.talk(open_source("tone:440:20s", paced=True), NullSink())
                )
                await heard.wait()
                turn.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await turn
                # Its utterance is over on the server, too, while the connection stays.
                await cut_off.wait()
            report = await client.talk(open_source("tone:440:1s", paced=False), NullSink())
            assert report.stored
        archive = open_archive(tmp_path / "archive.zarr")
        assert [archive[name].info.complete for name in archive].count(False) == 10
        assert all(archive[name].info.packets for name in archive)

    run(go)


def test_the_answer_to_a_cancelled_turn_is_stopped() -> None:
    async def go() -> None:
        spoken = asyncio.Event()
        stopped = asyncio.Event()

        async def handler(utterance: Utterance) -> AsyncIterator[Buffer]:
            await utterance.read()
            spoken.set()
            try:
                await asyncio.sleep(0.2)
                for _ in range(30):
                    yield bytes(32_000)
            finally:
                stopped.set()

        async with Server(handler, port=0) as server, await opuscule.connect(server.url) as client:
            source = open_source("tone:440:1s", paced=False)
            turn = asyncio.create_task(client.talk(source, NullSink()))
            await spoken.wait()
            turn.cancel()
            with pytest.raises(asyncio.CancelledError):
                await turn
            # Long before its thirty seconds have been sent to nobody.
            await asyncio.wait_for(stopped.wait(), 10)

    run(go)


class Broken(NullSink):
    async def write(self, pcm: bytes) -> None:
        raise DeviceError("unplugged")


def test_a_failing_sink_ends_the_turn_and_leaves_the_caller_alone() -> None:
    async def go() -> None:
        async with Server(echo, port=0) as server, await opuscule.connect(server.url) as client:
            for _ in range(2):
                with pytest.raises(DeviceError, match="unplugged"):
                    await client.talk(open_source("tone:440:1s", paced=False), Broken())
                task = asyncio.current_task()
                assert task is not None
                assert not task.cancelling()
                await asyncio.sleep(0)
            await client.talk(open_source("tone:440:1s", paced=False), NullSink(paced=False))

    run(go)


def test_a_sink_without_a_clock_is_given_no_silence_without_end() -> None:
    async def go() -> None:
        sink = NullSink(paced=False)
        async with Server(echo, port=0) as server, await opuscule.connect(server.url) as client:
            began = time.monotonic()
            report = await client.talk(open_source("tone:440:2s", paced=False), sink)
            took_s = time.monotonic() - began
        assert report.answer is not None
        assert report.answer.received_samples == 32_000
        assert sink.written_samples < (took_s + 2) * 16_000

    run(go)


def test_a_sink_that_never_waits_is_not_given_silence_before_its_time() -> None:
    """What is written ahead while nothing is there would be a hole in what comes then."""
    answers: list[int] = []

    def react(server: Other, event: Event) -> None:
        if isinstance(event, StreamEnded):
            answers.append(server.answer(event.stream))

    async def go() -> None:
        server = Other(react)

        class Endless(NullSink):
            begun = 0.0
            took_s = 0.0

            async def write(self, pcm: bytes) -> None:
                await super().write(pcm)
                self.begun = self.begun or time.monotonic()
                if self.written_samples >= 9_600 and not self.took_s:
                    self.took_s = time.monotonic() - self.begun
                    server.link.end_stream(answers[0], 0)
                    server.shell.flush()

        async with server as url, await opuscule.connect(url) as client:
            sink = Endless(paced=False)
            await client.talk(open_source("tone:440:0.1s", paced=False), sink)
            assert sink.took_s > 0.4  # for 0.6 s; a busy machine only takes longer

    run(go)


def test_a_connection_that_is_given_up_while_it_opens_does_not_stay() -> None:
    async def go() -> None:
        async with Server(nothing, port=0) as server:
            before = asyncio.all_tasks()
            for steps in range(60):
                opening = asyncio.create_task(opuscule.connect(server.url))
                for _ in range(steps):
                    await asyncio.sleep(0)
                opening.cancel()
                await asyncio.wait([opening])
                if not opening.cancelled():
                    await opening.result().close()
            # What is left ends by itself; a connection that stays would keep its task for ever.
            while left := asyncio.all_tasks() - before:
                await asyncio.wait(left)

    run(go)
