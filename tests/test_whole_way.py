"""The whole way over real sockets: client, server, journal, archive."""

import asyncio
import contextlib
import math
from array import array
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import picows
import pytest

import opuscule
from opuscule.archive import open_archive
from opuscule.client import Client, TalkReport
from opuscule.codec import Buffer, Decoder
from opuscule.devices import FileSource, NullSink, Signal, SignalSource, open_source
from opuscule.devices.base import Block, Source
from opuscule.errors import (
    AccessDeniedError,
    ConnectError,
    InvalidArgumentError,
    LinkClosedError,
    ListenError,
)
from opuscule.handlers import Utterance, echo, nothing
from opuscule.packets import GapKind, Packet
from opuscule.playout import Playout, PlayoutStats
from opuscule.server import Server
from opuscule.testing import BurstLoss
from opuscule.wire.frame import pack

LIMIT_S = 120


def run(coroutine_function: Callable[[], object]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(coroutine_function(), LIMIT_S)  # type: ignore[arg-type]  # a coroutine

    asyncio.run(limited())


class Heard:
    """A handler that keeps what it heard and answers nothing."""

    def __init__(self) -> None:
        self.pcm = b""
        self.name = ""
        self.stats: PlayoutStats | None = None

    async def __call__(self, utterance: Utterance) -> AsyncIterator[Buffer]:
        self.pcm = await utterance.read()
        self.name = utterance.name
        self.stats = utterance.stats
        return
        yield


async def say(
    server: Server, source: Source, withhold: Callable[[Packet], bool] | None = None
) -> TalkReport:
    async with await opuscule.connect(server.url, device="test") as client, source:
        return await client.talk(source, NullSink(16_000), withhold=withhold)


def exact(stats: PlayoutStats) -> bool:
    parts = (
        stats.received_samples
        + stats.fec_samples
        + stats.dred_samples
        + stats.plc_samples
        + stats.comfort_noise_samples
        + stats.silence_samples
    )
    return parts == stats.played_samples


def decoded(packets: list[Packet], pre_skip: int, end: int) -> bytes:
    decoder = Decoder(48_000, 1)
    pcm = b"".join(bytes(decoder.decode(packet.data)) for packet in packets)
    return pcm[pre_skip * 2 : end * 2]


def speech(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "speech").iterdir())


@pytest.mark.row("X3")
def test_undamaged_speech_is_archived_exactly(shared_data: Path, tmp_path: Path) -> None:
    async def go() -> None:
        for path in speech(shared_data):
            heard = Heard()
            sent: list[Packet] = []

            def note(packet: Packet, sent: list[Packet] = sent) -> bool:
                sent.append(packet)
                return False

            keep = tmp_path / path.stem
            async with Server(heard, port=0, keep=keep) as server:
                report = await say(server, FileSource(path, paced=False), note)
                assert server.keeper is not None
                await server.keeper.sealed(heard.name)
                recording = open_archive(server.keeper.archive)[heard.name]
            assert report.stored
            assert report.packets_stored == report.packets_sent == len(sent)
            assert [p.data for p in recording.packets()] == [p.data for p in sent], path
            assert recording.info.complete
            assert recording.gaps == ()
            info = recording.info
            ours = decoded(sent, info.pre_skip_samples, info.end_samples)
            assert bytes(recording.extract(0, info.total_samples)) == ours, path
            assert len(heard.pcm) // 2 == info.total_samples // 3

    run(go)


@pytest.mark.row("X3")
def test_bursts_of_loss_are_accounted_exactly(shared_data: Path, tmp_path: Path) -> None:
    async def go() -> None:
        for seed, path in enumerate(speech(shared_data)):
            heard = Heard()
            loss = BurstLoss(0.1, mean_burst=3, seed=seed)
            keep = tmp_path / path.stem
            async with Server(heard, port=0, keep=keep) as server:
                report = await say(server, FileSource(path, paced=False), loss)
                assert server.keeper is not None
                await server.keeper.sealed(heard.name)
                recording = open_archive(server.keeper.archive)[heard.name]
            assert report.packets_withheld == len(loss.lost) > 0, path
            assert report.stored
            info = recording.info
            assert info.packets == report.packets_sent == report.packets_stored
            # The marked gaps are exactly what was dropped, at 20 ms each, and called lost.
            assert all(gap.kind is GapKind.LOST for gap in recording.gaps)
            missing = {
                time // 960
                for gap in recording.gaps
                for time in range(gap.start_samples, gap.end_samples, 960)
            }
            kept = {packet.time_samples // 960 for packet in recording.packets()}
            assert missing == set(loss.lost), path
            assert kept == set(range(report.packets_encoded)) - set(loss.lost)
            stats = heard.stats
            assert stats is not None
            assert exact(stats)
            assert stats.played_samples == len(heard.pcm) // 2 == info.total_samples // 3
            assert stats.packets_lost == len(loss.lost)
            assert stats.packets_received == report.packets_sent
            check_played_once(list(recording.packets()), info.total_samples, recording)

    run(go)


def check_played_once(packets: list[Packet], total_samples: int, recording: object) -> None:
    assert isinstance(recording, opuscule.archive.Recording)
    info = recording.info
    playout = Playout(info.format, rate=48_000, target_delay_ms=60)
    # Real time: each packet arrives when it is due, samples are pulled in between.
    spans, pulled = [], 0
    waiting = list(packets)
    while not playout.finished:
        now = pulled / 48_000
        while waiting and waiting[0].time_samples / 48_000 <= now:
            playout.push(waiting.pop(0), now)
        if not waiting:
            playout.finish(info.end_samples, packets[-1].sequence + 1)
        playout.pull(480, now)
        pulled += 480
        spans += playout.take_log()
    assert exact(playout.stats)
    assert playout.stats.played_samples == pulled
    position = info.pre_skip_samples
    for span in spans:
        if span.time_samples is not None:
            assert span.time_samples >= position, "played twice"
            position = span.time_samples + span.samples
    assert position == info.end_samples


def test_an_answer_is_heard_as_it_was_said(tmp_path: Path) -> None:
    async def go() -> None:
        sink = Collector(16_000)
        async with (
            Server(echo, port=0, keep=tmp_path) as server,
            await opuscule.connect(server.url, device="test") as client,
        ):
            report = await client.talk(open_source("tone:440:1s", paced=True), sink)
        stats = report.answer
        assert stats is not None
        assert exact(stats)
        assert stats.received_samples == 16_000
        assert stats.packets_lost == 0
        heard = array("h", sink.pcm)
        energy = goertzel(heard, 440, 16_000)
        assert energy > 50 * goertzel(heard, 1000, 16_000)
        for stage in ("capture", "encode", "uplink", "thinking", "downlink", "playout", "response"):
            assert getattr(report, stage) is not None, stage
        assert report.round_trip_ms > 0

    run(go)


def goertzel(samples: "array[int]", frequency: float, rate: int) -> float:
    step = 2 * math.pi * frequency / rate
    real = sum(s * math.cos(step * i) for i, s in enumerate(samples))
    imaginary = sum(s * math.sin(step * i) for i, s in enumerate(samples))
    return math.hypot(real, imaginary)


class Collector(NullSink):
    """A paced sink that keeps what it is given."""

    def __init__(self, rate: int) -> None:
        super().__init__(rate, paced=True)
        self.pcm = b""

    async def write(self, pcm: bytes) -> None:
        self.pcm += pcm
        await super().write(pcm)


def test_a_source_without_audio_is_answered_by_nothing(tmp_path: Path) -> None:
    class Silent(SignalSource):
        async def blocks(self) -> AsyncIterator[Block]:
            return
            yield

    async def go() -> None:
        async with Server(echo, port=0, keep=tmp_path) as server:
            source = Silent(Signal("silence"), rate=16_000)
            report = await say(server, source)
        assert report.packets_sent == 0
        assert report.stored

    run(go)


def test_a_failing_handler_leaves_the_device_with_an_end(tmp_path: Path) -> None:
    async def broken(utterance: Utterance) -> AsyncIterator[Buffer]:
        await utterance.read()
        raise RuntimeError("no recogniser")
        yield

    async def go() -> None:
        async with Server(broken, port=0, keep=tmp_path) as server:
            report = await say(server, open_source("tone:440:1s", paced=False))
        assert report.stored
        assert report.answer is not None
        assert report.answer.received_samples == 0

    run(go)


def test_several_devices_and_turns_keep_apart(tmp_path: Path) -> None:
    async def device(url: str, pitch: int) -> None:
        async with await opuscule.connect(url, device=f"d{pitch}") as client:
            for _ in range(2):
                source = open_source(f"tone:{pitch}:1s", paced=False)
                report = await client.talk(source, NullSink(16_000))
                assert report.stored

    async def go() -> None:
        async with Server(nothing, port=0, keep=tmp_path) as server:
            await asyncio.gather(*(device(server.url, pitch) for pitch in (300, 500, 700)))
        archive = open_archive(tmp_path / "archive.zarr")
        assert len(archive) == 6
        for name in archive:
            pitch = int(name.split("-")[0][1:])
            heard = array("h", bytes(archive[name].extract(0, 48_000)))
            assert goertzel(heard, pitch, 48_000) > 50 * goertzel(heard, pitch + 100, 48_000)

    run(go)


def test_what_a_cut_off_device_said_is_kept(tmp_path: Path) -> None:
    enough = asyncio.Event()

    async def listen(utterance: Utterance) -> AsyncIterator[Buffer]:
        heard_bytes = 0
        async for pcm in utterance:
            heard_bytes += len(pcm)
            if heard_bytes > 24_000:
                enough.set()
        yield b""

    async def go() -> None:
        async with Server(listen, port=0, keep=tmp_path) as server:
            client = await opuscule.connect(server.url, device="cut")
            talk = asyncio.create_task(
                client.talk(open_source("tone:440:20s", paced=True), NullSink(16_000))
            )
            await enough.wait()
            transport = client.shell._transport
            assert transport is not None
            transport.underlying_transport.abort()
            with pytest.raises(LinkClosedError):
                await talk
        archive = open_archive(tmp_path / "archive.zarr")
        (name,) = archive
        assert not archive[name].info.complete
        assert archive[name].info.total_samples > 0.5 * 48_000

    run(go)


def test_a_server_without_token_stays_on_loopback() -> None:
    with pytest.raises(InvalidArgumentError, match="token"):
        Server(host="0.0.0.0")
    Server(host="0.0.0.0", insecure=True)
    Server(host="0.0.0.0", token="secret")


def test_a_token_opens_the_door_and_nothing_else_does(tmp_path: Path) -> None:
    async def go() -> None:
        async with Server(nothing, port=0, token="secret") as server:
            for token in (None, "", "secre", "secret2"):
                with pytest.raises(AccessDeniedError, match="token"):
                    await opuscule.connect(server.url, token=token)
            async with await opuscule.connect(server.url, token="secret") as client:
                assert client.session

    run(go)


def test_nobody_there_and_port_in_use() -> None:
    async def go() -> None:
        async with Server(nothing, port=0) as server:
            port = int(server.url.rpartition(":")[2])
            with pytest.raises(ListenError, match="--port"):
                await Server(nothing, port=port).start()
        with pytest.raises(ConnectError, match="opuscule serve"):
            await opuscule.connect(f"ws://127.0.0.1:{port}")
        with pytest.raises(InvalidArgumentError, match="WebSocket"):
            await opuscule.connect("http//nonsense")

    run(go)


GARBAGE = [
    b"\0" * 64,
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\xff" * 5000,
    b"{" * 100_000,
]


def test_strangers_on_the_socket_harm_nobody(tmp_path: Path) -> None:
    async def stranger(port: int, garbage: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(garbage)
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        writer.close()

    async def go() -> None:
        async with Server(nothing, port=0, keep=tmp_path) as server:
            port = int(server.url.rpartition(":")[2])
            # At once, since some are only turned away when they have kept silent for long.
            await asyncio.gather(*(stranger(port, garbage) for garbage in GARBAGE))
            assert (await say(server, open_source("tone:440:1s", paced=False))).stored

    run(go)


@pytest.mark.parametrize(
    ("is_text", "data"),
    [
        (True, b"no JSON"),
        (True, b'{"type":"start"}'),
        (False, b""),
        (False, b"\xf0" + bytes(20)),
        (False, pack(0, 9, 0, 0, b"\x08abc")),
    ],
)
def test_a_device_that_breaks_the_protocol_is_told_and_closed(
    tmp_path: Path, is_text: bool, data: bytes
) -> None:
    async def go() -> None:
        async with Server(nothing, port=0, keep=tmp_path) as server:
            client: Client = await opuscule.connect(server.url, device="bad")
            transport = client.shell._transport
            assert transport is not None
            kind = picows.WSMsgType.TEXT if is_text else picows.WSMsgType.BINARY
            transport.send(kind, data)
            await client.shell.closed.wait()
            assert "server says" in client._fault
            assert (await say(server, open_source("tone:440:1s", paced=False))).stored

    run(go)


def test_a_server_that_is_none(tmp_path: Path) -> None:
    async def go() -> None:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            writer.close()

        other = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError):
            await opuscule.connect(f"ws://127.0.0.1:{port}")
        other.close()

    run(go)
