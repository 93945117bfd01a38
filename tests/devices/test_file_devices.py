import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opuscule.containers.wav import WavReader, WavWriter
from opuscule.devices import (
    Block,
    FileSink,
    FileSource,
    NullSink,
    SignalSource,
    Source,
    open_sink,
    open_source,
)
from opuscule.errors import FormatError, InvalidArgumentError


def wav(path: Path, pcm: bytes, rate: int = 16_000, channels: int = 1) -> Path:
    with path.open("wb") as file, WavWriter(file, rate, channels) as writer:
        writer.write(pcm)
    return path


def ramp(frames: int) -> bytes:
    return array("h", [n % 30_000 for n in range(frames)]).tobytes()


async def take(source: Source) -> list[Block]:
    async with source:
        return [block async for block in source.blocks()]


def pcm_of(blocks: list[Block]) -> bytes:
    return b"".join(block.pcm for block in blocks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, 40_000), st.sampled_from([1, 2.5, 20, 60, 333]))
def test_every_sample_comes_once(tmp_path: Path, frames: int, block_ms: float) -> None:
    source = FileSource(wav(tmp_path / "a.wav", ramp(frames)), paced=False, block_ms=block_ms)
    assert source.total_samples == frames
    blocks = asyncio.run(take(source))
    assert pcm_of(blocks) == ramp(frames)
    size = round(16 * block_ms) * 2
    assert all(len(block.pcm) == size for block in blocks[:-1])
    assert all(0 < len(block.pcm) <= size for block in blocks)


@pytest.mark.row("G2")
def test_channels_and_rate_are_converted(tmp_path: Path) -> None:
    two = array("h", [100, 301] * 1600).tobytes()
    path = wav(tmp_path / "two.wav", two, channels=2)
    mono = array("h", pcm_of(asyncio.run(take(FileSource(path, paced=False)))))
    assert mono == array("h", [201] * 1600)
    both = asyncio.run(take(FileSource(path, channels=2, paced=False)))
    assert pcm_of(both) == two
    doubled = FileSource(wav(tmp_path / "one.wav", ramp(5)), channels=3, paced=False)
    assert array("h", pcm_of(asyncio.run(take(doubled)))).tolist() == [
        n for n in range(5) for _ in range(3)
    ]
    faster = FileSource(path, rate=48_000, paced=False)
    assert faster.rate == 48_000
    assert len(pcm_of(asyncio.run(take(faster)))) == 2 * 4800
    six = wav(tmp_path / "six.wav", bytes(12), channels=6)
    with pytest.raises(InvalidArgumentError, match="take 1 or 6"):
        FileSource(six, channels=2)


@pytest.mark.row("C11")
def test_a_paced_file_comes_as_from_a_microphone(tmp_path: Path) -> None:
    source = FileSource(wav(tmp_path / "a.wav", ramp(16 * 210)))

    async def listen() -> list[tuple[Block, float]]:
        got = []
        async with source:
            async for block in source.blocks():
                got.append((block, time.monotonic()))
                if len(got) == 3:
                    await asyncio.sleep(0.05)  # a slow reader does not shift what follows
        return got

    got = asyncio.run(listen())
    assert [len(block.pcm) for block, _ in got] == [640] * 10 + [320]
    start = got[0][0].captured
    for index, (block, handed_over) in enumerate(got):
        assert block.captured == pytest.approx(start + index * 0.02, abs=1e-9)
        # Nothing comes before its last sample would have been spoken.
        assert handed_over >= block.captured + len(block.pcm) / 32_000 - 1e-4


def test_closing_ends_the_reading(tmp_path: Path) -> None:
    source = FileSource(wav(tmp_path / "a.wav", ramp(100_000)), paced=False)

    async def listen() -> int:
        count = 0
        async for _ in source.blocks():
            count += 1
            if count == 3:
                await source.close()
        return count

    assert asyncio.run(listen()) == 3


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for name, error in [("none", FileNotFoundError), ("empty", FormatError), ("", OSError)]:
        with pytest.raises(error):
            FileSource(tmp_path / name)
    for arguments in ({"block_ms": 0.5}, {"rate": 0}, {"channels": 0}):
        with pytest.raises(InvalidArgumentError):
            FileSource(wav(tmp_path / "a.wav", ramp(5)), **arguments)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_real_speech_passes_through(speech_files: list[Path], tmp_path: Path, rate: int) -> None:
    async def copy() -> int:
        written = 0
        source = open_source(str(speech_files[0]), rate=rate, paced=False)
        async with source, open_sink(str(tmp_path / "copy.wav"), rate=rate) as sink:
            async for block in source.blocks():
                await sink.write(block.pcm)
                written += len(block.pcm) // 2
            await sink.drain()
        return written

    written = asyncio.run(copy())
    assert written == 45_920 * rate // 16_000
    with WavReader(tmp_path / "copy.wav") as reader:
        assert (reader.rate, reader.total_samples) == (rate, written)
        if rate == 16_000:
            with WavReader(speech_files[0]) as original:
                assert b"".join(reader) == b"".join(original)


def test_a_recording_appears_when_closed_and_survives_an_error(tmp_path: Path) -> None:
    target = tmp_path / "rec.wav"

    async def record() -> None:
        async with FileSink(target) as sink:
            await sink.write(ramp(500))
            assert not target.exists()
            raise KeyError("the network")

    with pytest.raises(KeyError):
        asyncio.run(record())
    with WavReader(target) as reader:
        assert b"".join(reader) == ramp(500)
    assert list(tmp_path.iterdir()) == [target]


def test_sinks_refuse_nonsense(tmp_path: Path) -> None:
    async def misuse(sink: NullSink) -> None:
        async with sink:
            with pytest.raises(InvalidArgumentError, match="multiple of 4"):
                await sink.write(b"123456")
        with pytest.raises(InvalidArgumentError, match="closed"):
            await sink.write(b"1234")
        await sink.close()

    asyncio.run(misuse(NullSink(8000, 2)))
    asyncio.run(misuse(FileSink(tmp_path / "a.wav", 8000, 2)))
    with pytest.raises(InvalidArgumentError, match=r"name it \.wav"):
        FileSink(tmp_path / "a.mp3")
    with pytest.raises(FileNotFoundError, match="create it first"):
        FileSink(tmp_path / "none" / "a.wav")
    with pytest.raises(InvalidArgumentError):
        NullSink(0)


@pytest.mark.row("P7")
def test_a_paced_sink_holds_its_writer_back() -> None:
    async def play() -> None:
        async with NullSink(16_000) as sink:
            start = time.monotonic()
            for _ in range(10):
                await sink.write(bytes(640))
                # 60 ms may be ahead, so the writer is never earlier than that.
                ahead = sink.written_samples / 16_000 - (time.monotonic() - start)
                assert ahead <= 0.0601
                assert sink.latency_ms <= 60.1
            await sink.drain()
            assert time.monotonic() - start >= 0.1999
            assert sink.latency_ms == 0
            # A pause after draining is no underrun, one in the middle is. (On a busy machine there
            # may have been some above.)
            before = sink.underruns
            await asyncio.sleep(0.02)
            await sink.write(bytes(640))
            assert sink.underruns == before
            await asyncio.sleep(0.05)
            await sink.write(bytes(640))
            assert sink.underruns == before + 1
            await sink.discard()
            assert sink.latency_ms == 0

    asyncio.run(play())


def test_an_unpaced_sink_lets_others_run() -> None:
    async def count(until: asyncio.Event) -> int:
        turns = 0
        while not until.is_set():
            turns += 1
            await asyncio.sleep(0)
        return turns

    async def play() -> int:
        done = asyncio.Event()
        other = asyncio.create_task(count(done))
        sink = open_sink("null", paced=False)
        source = open_source("silence:2s", paced=False)
        async for block in source.blocks():
            await sink.write(block.pcm)
        done.set()
        return await other

    assert asyncio.run(play()) >= 100


def test_names_open_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wav(tmp_path / "tone:440:1s", ramp(7))
    tone = open_source("tone:440:1s", rate=48_000, channels=2, paced=False)
    assert isinstance(tone, SignalSource)
    assert (tone.rate, tone.channels, tone.total_samples) == (48_000, 2, 48_000)
    file = open_source("./tone:440:1s", paced=False)
    assert pcm_of(asyncio.run(take(file))) == ramp(7)
    assert type(open_sink("null")) is NullSink
    sink = open_sink("./null")
    assert isinstance(sink, FileSink)
    asyncio.run(sink.close())
    assert (tmp_path / "null").exists()
    with pytest.raises(InvalidArgumentError, match="expected such as"):
        open_source("tone:loud")
    with pytest.raises(FileNotFoundError):
        open_source("microphone")


def test_blocks_can_be_left_early() -> None:
    async def first() -> Block:
        source = open_source("noise")
        blocks: AsyncIterator[Block] = source.blocks()
        async with source:
            return await anext(blocks)

    assert len(asyncio.run(first()).pcm) == 640
