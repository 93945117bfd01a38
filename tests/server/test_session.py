"""What a device can do to a session, over real sockets."""

import asyncio
import functools
import gc
import re
import shutil
import time
import weakref
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

import opuscule
from opuscule.archive import open_archive
from opuscule.codec import Buffer, StreamEncoder, packet_duration
from opuscule.devices import NullSink, open_source
from opuscule.errors import InvalidArgumentError, OpusculeError
from opuscule.handlers import AnswerHandler, Utterance, nothing
from opuscule.link import (
    ErrorReceived,
    Event,
    Link,
    Opened,
    PacketReceived,
    Role,
    StoredReceived,
    StreamEnded,
    StreamStopped,
)
from opuscule.packets import Packet
from opuscule.server import Server
from opuscule.transports.shell import WebSocketShell
from opuscule.transports.websocket import connect
from opuscule.wire.messages import Side

HOUR = 3600 * 48_000


def run(go: Callable[[], object]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(go(), 120)  # type: ignore[arg-type]  # a coroutine

    asyncio.run(limited())


class Device:
    """A device that does what the protocol allows and the client does not do."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self.link = Link(
            Role.CLIENT, time.monotonic(), packet_duration=packet_duration, device="odd"
        )
        self.shell = WebSocketShell(self.link, lambda: None, self._on_events, self._on_closed)

    def _on_events(self, events: list[Event]) -> None:
        self.events += events
        self._changed.set()

    def _on_closed(self, fault: Exception | None) -> None:
        self._changed.set()

    async def saw(self, kind: type[Event], count: int = 1) -> None:
        """Wait until this many events of a kind came, or the link is closed."""
        while sum(isinstance(event, kind) for event in self.events) < count:
            assert not self.link.closed, f"no {kind.__name__}: {self.events[-3:]}"
            self._changed.clear()
            await self._changed.wait()

    def start(
        self, encoder: StreamEncoder, *, epoch_ms: int = 0, first: tuple[int, int] = (0, 0)
    ) -> int:
        return self.link.open_stream(
            encoder.format,
            frame_ms=20,
            clock_us=0,
            epoch_ms=epoch_ms,
            first_samples=first[0],
            first_sequence=first[1],
        )

    async def __aenter__(self) -> Self:
        await connect(self._url, lambda: self.shell, None)
        await self.saw(Opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shell.close()


def speech(seconds: int = 1) -> tuple[StreamEncoder, list[Packet]]:
    encoder = StreamEncoder(16_000)
    loud = array("h", (((k * 7919) % 4001) - 2000 for k in range(16_000 * seconds)))
    return encoder, encoder.push(loud) + encoder.finish()


class Heard:
    def __init__(self) -> None:
        self.bytes = -1
        self.fault = ""
        self.done = asyncio.Event()

    async def __call__(self, utterance: Utterance) -> AsyncIterator[Buffer]:
        try:
            self.bytes = len(await utterance.read())
        except OpusculeError as error:
            self.fault = str(error)
        self.done.set()
        return
        yield


def test_a_recording_that_is_continued_is_heard_and_kept(tmp_path: Path) -> None:
    async def go() -> None:
        heard = Heard()
        async with Server(heard, port=0, keep=tmp_path) as server, Device(server) as device:
            encoder, packets = speech()
            number = device.start(encoder, first=(HOUR, 5000))
            for p in packets:
                late = Packet(p.sequence + 5000, p.time_samples + HOUR, p.duration_samples, p.data)
                device.link.send_packet(number, late)
            device.link.end_stream(number, encoder.end_samples + HOUR)
            device.shell.flush()
            await heard.done.wait()
            assert heard.bytes == encoder.end_samples // 3 * 2
            await device.saw(StoredReceived)
        archive = open_archive(tmp_path / "archive.zarr")
        (name,) = archive
        assert archive[name].info.packets == len(packets)
        assert archive[name].info.end_samples == encoder.end_samples + HOUR

    run(go)


def test_an_end_hours_away_stops_nobody_else(tmp_path: Path) -> None:
    async def go() -> None:
        heard = Heard()
        async with Server(heard, port=0, keep=tmp_path) as server, Device(server) as device:
            encoder, packets = speech()
            number = device.start(encoder)
            for packet in packets:
                device.link.send_packet(number, packet)
            device.link.end_stream(number, 6 * HOUR)
            device.shell.flush()
            await heard.done.wait()
            assert "leaves out" in heard.fault
            await device.saw(StoredReceived)
        archive = open_archive(tmp_path / "archive.zarr")
        (name,) = archive
        assert archive[name].info.packets == len(packets)

    run(go)


@pytest.mark.parametrize("epoch_ms", [2**53 - 1, -(2**53) + 1, -1, 0])
def test_a_clock_that_is_wrong_loses_nothing(tmp_path: Path, epoch_ms: int) -> None:
    async def go() -> None:
        async with Server(nothing, port=0, keep=tmp_path) as server, Device(server) as device:
            encoder, packets = speech()
            number = device.start(encoder, epoch_ms=epoch_ms)
            for packet in packets:
                device.link.send_packet(number, packet)
            device.link.end_stream(number, encoder.end_samples)
            device.shell.flush()
            await device.saw(StoredReceived)
        archive = open_archive(tmp_path / "archive.zarr")
        (name,) = archive
        assert archive[name].info.complete
        assert archive[name].info.start_epoch_ms == epoch_ms

    run(go)


def test_a_pause_in_an_answer_is_not_made_up_for_in_a_burst() -> None:
    went_on = 0.0

    async def hesitant(utterance: Utterance) -> AsyncIterator[Buffer]:
        nonlocal went_on
        yield bytes(3_200)
        await asyncio.sleep(1.2)
        went_on = time.monotonic()
        yield bytes(48_000)

    async def go() -> None:
        async with Server(hesitant, port=0) as server, Device(server) as device:
            encoder, _ = speech()
            device.link.end_stream(device.start(encoder), 0)
            device.shell.flush()
            await device.saw(StreamEnded)
            arrived = [e.arrived for e in device.events if isinstance(e, PacketReceived)]
        # 1.5 s of audio, at most 0.4 s ahead of its time; a busy machine only makes it later.
        assert len(arrived) == 81
        assert arrived[-1] - went_on > 1

    run(go)


def test_samples_of_another_type_are_refused_and_not_noise() -> None:
    async def floats(utterance: Utterance) -> AsyncIterator[Buffer]:
        yield array("f", [0.5] * 16_000)

    async def go() -> None:
        async with Server(floats, port=0) as server, Device(server) as device:
            encoder, _ = speech()
            device.link.end_stream(device.start(encoder), 0)
            device.shell.flush()
            await device.saw(StreamEnded)
            await device.saw(ErrorReceived)
        assert not any(isinstance(event, PacketReceived) for event in device.events)
        (error,) = (event for event in device.events if isinstance(event, ErrorReceived))
        assert "'f'" in error.message

    run(go)


def test_a_turn_that_is_over_takes_no_memory(tmp_path: Path) -> None:
    async def go() -> None:
        for keep in (None, tmp_path):
            utterances: list[weakref.ref[Utterance]] = []

            async def note(
                utterance: Utterance, known: list[weakref.ref[Utterance]] = utterances
            ) -> AsyncIterator[Buffer]:
                known.append(weakref.ref(utterance))
                async for pcm in utterance:
                    yield pcm

            async with (
                Server(note, port=0, keep=keep) as server,
                await opuscule.connect(server.url) as client,
            ):
                for _ in range(3):
                    source = open_source("tone:440:1s", paced=False)
                    await client.talk(source, NullSink(paced=False))
                gc.collect()
                assert len(utterances) == 3
                assert [ref() for ref in utterances[:2]] == [None, None]

    run(go)


def test_a_device_cannot_have_any_number_of_answers_waited_for() -> None:
    async def slow(utterance: Utterance) -> AsyncIterator[Buffer]:
        await asyncio.Event().wait()
        yield b""

    async def go() -> None:
        async with Server(slow, port=0) as server, Device(server) as device:
            encoder, _ = speech()
            for _ in range(100):
                number = device.start(encoder)
                device.link.end_stream(number, 0)
                device.shell.flush()
            await device.saw(StreamStopped, 30)
            assert not any(event for event in device.events if isinstance(event, ErrorReceived))

    run(go)


def test_a_disk_that_fails_is_told_to_whoever_begins(tmp_path: Path) -> None:
    async def fill(server: Server, size: int) -> None:
        """Send packets of ``size`` bytes until the journal has no room for another."""
        packet = b"\x83\x30" + bytes(48 * (size // 48))  # 48 frames of 2.5 ms
        async with Device(server) as device:
            number = device.start(speech()[0])
            for k in range(16_000):
                if device.link.closed:
                    break
                device.link.send_packet(number, Packet(k, k * 5760, 5760, packet))
                device.shell.flush()
                await asyncio.sleep(0)
            await device.saw(ErrorReceived)
            assert "disk" in str(device.events[-1])

    async def go() -> None:
        async with Server(nothing, port=0, keep=tmp_path) as server:
            # Nothing can be written where the journal was; it waits in memory, up to a bound.
            shutil.rmtree(tmp_path / "journal")
            for size in (60_000, 3_000, 96):
                await fill(server, size)
            async with Device(server) as device:
                encoder, _ = speech()
                device.start(encoder)
                device.shell.flush()
                await device.saw(ErrorReceived)
                (error,) = (e for e in device.events if isinstance(e, ErrorReceived))
                assert error.fatal
                assert "disk" in error.message
            (tmp_path / "journal").mkdir()

    run(go)


@pytest.mark.parametrize("leave", ["stop", "drop", "close"])
def test_a_handler_that_is_interrupted_has_cleaned_up_when_the_server_is_closed(leave: str) -> None:
    seen: list[str] = []
    clean = asyncio.Event()

    async def endless(utterance: Utterance) -> AsyncIterator[Buffer]:
        try:
            while True:
                yield bytes(32_000)
        finally:
            for _ in range(20):  # longer than the connection takes to end
                await asyncio.sleep(0.01)
            seen.append("clean")
            clean.set()

    async def go() -> None:
        async with Server(endless, port=0) as server:
            device = Device(server)
            async with device:
                encoder, _ = speech()
                device.link.end_stream(device.start(encoder), 0)
                device.shell.flush()
                await device.saw(PacketReceived)
                if leave == "stop":
                    (answer,) = {e.stream for e in device.events if isinstance(e, PacketReceived)}
                    device.link.stop_stream(answer, Side.YOURS, "barge-in")
                    device.shell.flush()
                    await clean.wait()
                elif leave == "close":
                    await server.close()
        assert seen == ["clean"]

    run(go)


async def says_none(utterance: Utterance) -> AsyncIterator[Buffer]:
    yield None  # type: ignore[misc]  # as an application without a type checker


async def says_stereo(utterance: Utterance) -> AsyncIterator[Buffer]:
    yield memoryview(bytes(6_400)).cast("B").cast("h", (1_600, 2))


async def fails(utterance: Utterance) -> AsyncIterator[Buffer]:
    yield bytes(6_400)
    raise RuntimeError("no voice today")


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (says_none, "no answer: the handler gives a NoneType; expected int16"),
        (says_stereo, r"no answer: the handler gives samples of shape \(1600, 2\); expected one"),
        (fails, "the server's answer handler failed"),
    ],
)
def test_a_device_hears_why_there_is_no_answer(handler: AnswerHandler, problem: str) -> None:
    async def go() -> None:
        async with Server(handler, port=0) as server, await opuscule.connect(server.url) as client:
            report = await client.talk(open_source("tone:440:0.1s", paced=False), NullSink())
            assert re.match(problem, report.problem)

    run(go)


def test_a_device_hears_why_when_too_many_answers_are_on_their_way() -> None:
    async def endless(utterance: Utterance) -> AsyncIterator[Buffer]:
        while True:
            yield bytes(32_000)

    async def go() -> None:
        async with Server(endless, port=0) as server, Device(server) as device:
            encoder, _ = speech()
            for _ in range(9):  # one more than streams may be open
                device.link.end_stream(device.start(encoder), 0)
                device.shell.flush()
            await device.saw(ErrorReceived)
            (error,) = (event for event in device.events if isinstance(event, ErrorReceived))
            assert "no answer" in error.message
            assert not error.fatal

    run(go)


def test_a_turn_that_was_given_up_is_no_problem_of_the_next() -> None:
    async def hear(utterance: Utterance) -> AsyncIterator[Buffer]:
        yield await utterance.read()

    async def go() -> None:
        async with Server(hear, port=0) as server, await opuscule.connect(server.url) as client:
            turn = asyncio.create_task(client.talk(open_source("tone:440"), NullSink()))
            await asyncio.sleep(0.2)
            turn.cancel()
            await asyncio.wait([turn])
            report = await client.talk(open_source("tone:440:0.1s", paced=False), NullSink())
            assert report.problem == ""

    run(go)


def test_a_handler_that_is_no_async_generator_function_is_refused() -> None:
    async def returns(utterance: Utterance) -> bytes:
        return await utterance.read()

    def blocks(utterance: Utterance) -> Iterator[bytes]:
        yield b""

    for handler, name in (
        (returns, "returns"),
        (blocks, "blocks"),
        (functools.partial(returns), "functools.partial"),
    ):
        with pytest.raises(InvalidArgumentError, match=f"{name}.* is no async generator"):
            Server(handler, port=0)  # type: ignore[arg-type]  # as without a type checker


def test_a_server_that_has_gone_comes_back_at_its_address() -> None:
    async def go() -> None:
        async with Server(nothing, port=0) as server:
            url = server.url
        assert server.url == url
        async with server, await opuscule.connect(url):
            pass

    run(go)
