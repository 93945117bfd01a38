import io
import os
import struct
import subprocess
import sys
from array import array
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opuscule.containers.pcm import BLOCK_BYTES, SampleFormat
from opuscule.containers.wav import WavReader, WavWriter
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    TruncatedError,
    UnsupportedFormatError,
)

UNKNOWN = 0xFFFFFFFF
TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    told = len(body) if size is None else size
    return name + struct.pack("<I", told) + body + bytes(len(body) % 2)


def fmt(tag: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, align: int = 0) -> bytes:
    align = align or channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)


def form(*chunks: bytes, size: int | None = None, name: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack("<I", len(body) if size is None else size) + body


def read(data: bytes, *, salvage: bool = False) -> list[float]:
    with WavReader(io.BytesIO(data), salvage=salvage) as reader:
        got = b"".join(reader)
        samples = list[float](array("h" if reader.sample_format == "int16" else "f", got))
        assert reader.total_samples == len(samples) // reader.channels
    return samples


class Pipe(io.RawIOBase):
    """A real pipe's ways: no seeking, and pieces of any size."""

    def __init__(self, data: bytes) -> None:
        self._data, self._pieces = io.BytesIO(data), 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._pieces += 1
        return self._data.read(min(size, self._pieces % 7 + 1))


def pipe(data: bytes) -> BinaryIO:
    return cast("BinaryIO", Pipe(data))


@pytest.mark.parametrize(
    ("head", "raw", "samples"),
    [
        (fmt(bits=8), bytes([0, 128, 255]), [-1.0, 0.0, 127 / 128]),
        (fmt(bits=16), struct.pack("<3h", -32768, 5, 32767), [-32768, 5, 32767]),
        (
            fmt(bits=24),
            bytes.fromhex("000080 010000 ffff7f ffffff"),
            [-1, 2**-23, 1 - 2**-23, -(2**-23)],
        ),
        (fmt(bits=32), struct.pack("<3i", -(2**31), 2**30, 1), [-1.0, 0.5, 2**-31]),
        (fmt(bits=64), struct.pack("<3q", -(2**63), 2**62, 2**40), [-1.0, 0.5, 2**-23]),
        (fmt(3, bits=32), struct.pack("<3f", -2.5, 0.1, 1), [-2.5, array("f", [0.1])[0], 1.0]),
        (fmt(3, bits=64), struct.pack("<2d", 0.25, -1e-3), [0.25, array("f", [-1e-3])[0]]),
        (fmt(bits=12, align=2), struct.pack("<2h", -32768, 16), [-32768, 16]),
        (fmt(bits=24, align=4), struct.pack("<2i", -(2**31), 2**30), [-1.0, 0.5]),
        (
            fmt(0xFFFE, bits=16) + struct.pack("<HHIH", 22, 16, 4, 1) + TAIL,
            struct.pack("<2h", 1, -1),
            [1, -1],
        ),
        (
            fmt(0xFFFE, bits=32) + struct.pack("<HHIH", 22, 32, 4, 3) + TAIL,
            struct.pack("<2f", 1, -1),
            [1.0, -1.0],
        ),
    ],
    ids=["8", "16", "24", "32", "64", "float", "double", "12in16", "24in32", "ext", "ext-float"],
)
def test_every_kind_of_sample(head: bytes, raw: bytes, samples: list[float]) -> None:
    assert read(form(chunk(b"fmt ", head), chunk(b"data", raw))) == samples


TWO = struct.pack("<2h", 3, 4)
HEAD = chunk(b"fmt ", fmt())


@pytest.mark.parametrize(
    "data",
    [
        form(chunk(b"bext", b"odd"), HEAD, chunk(b"LIST", b"12345"), chunk(b"data", TWO)),
        form(HEAD, chunk(b"data", TWO), chunk(b"LIST", b"INFO odd ")),
        form(HEAD, chunk(b"data", TWO, UNKNOWN), size=UNKNOWN),
        form(HEAD, chunk(b"data", TWO, UNKNOWN), size=0),
        form(HEAD, chunk(b"data", TWO, 0), size=0),
        form(HEAD, chunk(b"data", TWO, 0), size=36),
        form(HEAD, chunk(b"data", TWO, 0x7FFFF000), size=0x7FFFF024),
        form(HEAD, chunk(b"data", TWO + b"\1", 0)[:-1], size=36),  # killed within a sample
        form(
            chunk(b"ds64", struct.pack("<QQQI", 72, 4, 2, 0)),
            HEAD,
            chunk(b"data", TWO, UNKNOWN),
            chunk(b"LIST", b"after"),
            name=b"RF64",
            size=UNKNOWN,
        ),
        form(
            chunk(b"ds64", bytes(28)),
            HEAD,
            chunk(b"data", TWO, UNKNOWN),
            name=b"RF64",
            size=UNKNOWN,
        ),
        form(HEAD, chunk(b"data", TWO), name=b"BW64"),
    ],
)
def test_sizes_and_order_as_found_in_the_wild(data: bytes) -> None:
    assert read(data) == [3, 4]


@pytest.mark.parametrize(
    "data",
    [
        form(HEAD, chunk(b"data", b"")),
        form(HEAD, chunk(b"data", b""), chunk(b"LIST", b"INFO")),
        form(HEAD, chunk(b"data", b""), size=0),
        form(HEAD, chunk(b"data", b"", UNKNOWN), size=UNKNOWN),
        form(HEAD, chunk(b"data", b"\1")),
    ],
)
def test_no_samples_is_a_sound_file(data: bytes) -> None:
    assert read(data) == []


def test_truncation_is_named_and_can_be_salvaged() -> None:
    data = form(HEAD, chunk(b"data", bytes(2000)))[:-100]
    with pytest.raises(TruncatedError, match="got 950 samples, its header promises 1000"):
        read(data)
    assert len(read(data, salvage=True)) == 950
    # A pipe's end is known only when it comes; what came before is handed out.
    blocks: list[bytes] = []
    with pytest.raises(TruncatedError, match="got 950"):
        blocks.extend(WavReader(pipe(data)))
    assert b"".join(blocks) == bytes(1900)
    assert b"".join(WavReader(pipe(data), salvage=True)) == bytes(1900)


def test_a_pipe_is_read_to_its_end() -> None:
    raw = bytes(range(256)) * 10
    for data in (
        form(chunk(b"LIST", bytes(70_001)), HEAD, chunk(b"data", raw)),
        form(HEAD, chunk(b"data", raw, UNKNOWN), size=UNKNOWN),
        form(HEAD, chunk(b"data", raw, 0), size=36),
    ):
        reader = WavReader(pipe(data))
        assert reader.total_samples in (None, 1280)
        assert b"".join(reader) == raw


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"RIFX\0\0\0\0WAVE", FormatError, "begins with b'RIFX"),
        (b"RIFF\0\0\0\0AVI ", FormatError, "WAVE"),
        (form(HEAD), TruncatedError, "byte 36 without audio data"),
        (form(HEAD, b"LIST\x1a\0\0\0"), TruncatedError, "byte 44 without audio data"),
        (form(chunk(b"data", TWO), HEAD), FormatError, "before its fmt"),
        (form(chunk(b"fmt ", fmt()[:14]), chunk(b"data", TWO)), FormatError, "14 bytes"),
        (form(chunk(b"fmt ", fmt(0xFFFE)), chunk(b"data", TWO)), FormatError, "expected 40"),
        (
            form(chunk(b"fmt ", fmt(6, bits=8)), chunk(b"data", TWO)),
            UnsupportedFormatError,
            "0x0006",
        ),
        (form(chunk(b"fmt ", fmt(channels=0, align=2))), FormatError, "0 channels"),
        (form(chunk(b"fmt ", fmt(rate=0))), FormatError, "0 Hz"),
        (form(chunk(b"fmt ", fmt(channels=256))), UnsupportedFormatError, "256 channels"),
        (form(chunk(b"fmt ", fmt(channels=2, align=2))), FormatError, "expected 4"),
        (form(chunk(b"fmt ", fmt(bits=0, align=2))), FormatError, "0 bits"),
        (form(chunk(b"fmt ", fmt(bits=48))), UnsupportedFormatError, "48 bits"),
        (form(chunk(b"fmt ", fmt(bits=8, align=2))), UnsupportedFormatError, "8 bits in 2"),
        (form(*[chunk(b"junk", b"")] * 5000), FormatError, "4096 chunks"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        read(data)


@given(st.binary(max_size=300))
@example(b"RIFF")
def test_any_bytes_are_read_or_refused(tail: bytes) -> None:
    for data in (tail, b"RIFF\0\0\0\0WAVE" + tail, form(HEAD)[:12] + HEAD + tail):
        for source in (io.BytesIO(data), pipe(data)):
            try:
                reader = WavReader(source)
                assert all(len(block) % reader.channels == 0 for block in reader)
            except FormatError:
                pass


@given(
    st.binary(min_size=16, max_size=44),
    st.binary(max_size=200),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_any_header_is_read_or_refused(head: bytes, raw: bytes, size: int, salvage: bool) -> None:
    data = form(chunk(b"fmt ", head), chunk(b"data", raw, size))
    try:
        with WavReader(io.BytesIO(data), salvage=salvage) as reader:
            got = sum(map(len, reader))
            width = 2 if reader.sample_format == "int16" else 4
            assert got == (reader.total_samples or 0) * reader.channels * width
    except FormatError:
        pass


@given(
    st.sampled_from([8, 16, 24, 32, 64]),
    st.integers(1, 255),
    st.integers(0, 40_000),
)
def test_blocks_are_whole_and_bounded(bits: int, channels: int, frames: int) -> None:
    frames //= channels
    raw = bytes(frames * channels * bits // 8)
    data = form(chunk(b"fmt ", fmt(channels=channels, bits=bits)), chunk(b"data", raw))
    reader = WavReader(io.BytesIO(data))
    frame_bytes = channels * (2 if bits == 16 else 4)
    sizes = [len(block) for block in reader]
    assert all(0 < size <= BLOCK_BYTES and size % frame_bytes == 0 for size in sizes)
    assert sum(sizes) == frames * frame_bytes


@pytest.mark.parametrize("sample_format", ["int16", "float32"])
@given(st.lists(st.binary(max_size=16)), st.integers(1, 255), st.integers(1, 2**32 - 1))
def test_written_is_read(
    sample_format: SampleFormat, pieces: list[bytes], channels: int, rate: int
) -> None:
    frame = channels * (2 if sample_format == "int16" else 4)
    # Repeated zeros and small numbers: no float among them is a NaN, which has many spellings.
    pcm = [bytes([b & 0x3F for b in piece]) * frame for piece in pieces]
    file = io.BytesIO(b"before")
    file.seek(6)
    with WavWriter(file, rate, channels, sample_format) as writer:
        for piece in pcm:
            writer.write(piece)
        killed = file.getvalue()[6:]
    file.seek(6)
    for stored in (file, io.BytesIO(killed)):
        reader = WavReader(stored)
        assert (reader.rate, reader.channels, reader.sample_format) == (
            rate,
            channels,
            sample_format,
        )
        assert reader.total_samples == writer.total_samples == sum(map(len, pcm)) // frame
        assert b"".join(reader) == b"".join(pcm)


def test_what_a_pipe_gets_is_read(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom opuscule.containers.wav import WavWriter\n"
        "with WavWriter(sys.stdout.buffer, 8000, 1) as w: w.write(bytes(range(100)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    (tmp_path / "piped.wav").write_bytes(done.stdout)
    with WavReader(tmp_path / "piped.wav") as reader:
        assert b"".join(reader) == bytes(range(100))


def test_more_than_wav_can_say_is_refused() -> None:
    megabyte = bytes(2**20)
    with Path("/dev/null").open("wb", buffering=0) as nowhere:
        writer = WavWriter(nowhere, 48_000, 1)
        for _ in range(4095):
            writer.write(megabyte)
        with pytest.raises(UnsupportedFormatError, match="ends at 4 GiB"):
            writer.write(megabyte)
        writer.write(megabyte[: 2**19])
        writer.close()


def test_a_writer_refuses_nonsense() -> None:
    for rate, channels in [(0, 1), (2**32, 1), (8000, 0), (8000, 256)]:
        with pytest.raises(InvalidArgumentError):
            WavWriter(io.BytesIO(), rate, channels)
    writer = WavWriter(io.BytesIO(), 8000, 2)
    with pytest.raises(InvalidArgumentError, match="frames of 4"):
        writer.write(b"123456")
    writer.close()
    writer.close()
    with pytest.raises(InvalidArgumentError, match="closed"):
        writer.write(b"1234")


def test_the_path_is_in_the_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match=r"bad\.wav: no WAV file"):
        WavReader(bad)


@pytest.mark.row("Z1")
def test_real_recordings(shared_data: Path) -> None:
    expected = {
        "field/audiomoth_gps.wav": (48_000, 1, 95_999),
        "field/1min.wav": (32_000, 1, 1_920_000),
        "music/guitar48_stereo.wav": (48_000, 2, 597_784),
        "edge/stereo_header_only.wav": (44_100, 2, 5),
        "edge/veryshort.wav": (44_100, 1, 6266),
    }
    for name, (rate, channels, total) in expected.items():
        with WavReader(shared_data / name) as reader:
            width = 2 if reader.sample_format == "int16" else 4
            assert (reader.rate, reader.channels, reader.total_samples) == (rate, channels, total)
            assert sum(map(len, reader)) == total * channels * width
    with pytest.raises(FormatError, match="2 bytes for a frame"):
        WavReader(shared_data / "edge/empty_2c.wav")


def test_how_samples_are_written_is_told() -> None:
    told = {
        fmt(bits=8): ("pcm_u8", 8, False),
        fmt(bits=24, align=4): ("pcm_s32le", 24, False),
        fmt(bits=64): ("pcm_s64le", 64, False),
        fmt(3, bits=64): ("pcm_f64le", 64, True),
    }
    for head, expected in told.items():
        coding = WavReader(io.BytesIO(form(chunk(b"fmt ", head), chunk(b"data", b"")))).coding
        assert (coding.codec, coding.bits, coding.is_float) == expected
