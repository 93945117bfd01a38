import io
import random
from collections.abc import Sequence
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.codec import Encoder
from opuscule.containers.raw import FRAMINGS, Framing, RawReader, RawWriter
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    InvalidPacketError,
    TruncatedError,
)
from opuscule.packets import Packet, StreamFormat

pytestmark = [pytest.mark.row("Z1"), pytest.mark.row("Z4")]

FRAME = st.binary(max_size=400) | st.integers(0, 1275).map(bytes)


def coded(length: int) -> bytes:
    if length < 252:
        return bytes((length,))
    return bytes((252 + (length & 3), (length - 252 - (length & 3)) // 4))


@st.composite
def opus_packets(draw: st.DrawFn) -> bytes:
    """A sound packet of any code, built by RFC 6716 §3.2 and not by what is tested."""
    code = draw(st.integers(0, 3))
    toc = draw(st.integers(0, 63)) << 2 | code
    if code == 0:
        return bytes((toc,)) + draw(FRAME)
    if code == 1:
        half = draw(st.integers(0, 1275))
        return bytes((toc,)) + random.Random(half).randbytes(2 * half)
    if code == 2:
        first, second = draw(FRAME), draw(FRAME)
        return bytes((toc,)) + coded(len(first)) + first + second
    frames = draw(st.integers(1, 2))  # more would be over 120 ms of the longest frames
    padding = draw(st.none() | st.integers(0, 600))
    own_lengths = draw(st.booleans())
    data = [draw(FRAME)] * frames if not own_lengths else [draw(FRAME) for _ in range(frames)]
    head = bytes((toc, frames | (0x40 if padding is not None else 0) | own_lengths << 7))
    if padding is not None:
        head += b"\xff" * (padding // 254) + bytes((padding % 254,))
    lengths = b"".join(coded(len(frame)) for frame in data[:-1]) if own_lengths else b""
    return head + lengths + b"".join(data) + bytes(padding or 0)


def written(packets: Sequence[bytes], framing: Framing) -> bytes:
    file = io.BytesIO()
    writer = RawWriter(file, framing)
    for packet in packets:
        writer.write(packet)
    return file.getvalue()


def collected(data: bytes, framing: Framing) -> tuple[list[bytes], FormatError | None]:
    """What is handed over before an error, and the error."""
    got: list[bytes] = []
    try:
        for item in RawReader(io.BytesIO(data), framing):
            assert isinstance(item, Packet)
            got.append(item.data)
    except FormatError as error:
        return got, error
    return got, None


class Trickle(io.RawIOBase):
    """A file that gives a byte at a time."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self.file.read(min(size, 1))


@given(st.lists(opus_packets(), min_size=1, max_size=5), st.sampled_from(FRAMINGS), st.booleans())
def test_what_is_written_is_read(packets: list[bytes], framing: Framing, slowly: bool) -> None:
    data = written(packets, framing)
    file: BinaryIO = Trickle(data) if slowly else io.BytesIO(data)  # type: ignore[assignment] # it reads
    reader = RawReader(file, framing)
    items = list(reader)
    assert [item.data for item in items if isinstance(item, Packet)] == packets
    ends = [0, *(item.end_samples for item in items)]
    assert [i.time_samples for i in items if isinstance(i, Packet)] == ends[:-1]
    assert reader.end_samples == ends[-1]
    assert not reader.truncated


@given(st.lists(opus_packets(), min_size=1, max_size=4), st.sampled_from(FRAMINGS), st.data())
def test_a_cut_stream_gives_its_whole_packets(
    packets: list[bytes], framing: Framing, data: st.DataObject
) -> None:
    whole = written(packets, framing)
    ends = [len(written(packets[:count], framing)) for count in range(len(packets) + 1)]
    cut = data.draw(st.integers(1, len(whole) - 1))
    expected = sum(end <= cut for end in ends) - 1
    got, error = collected(whole[:cut], framing)
    assert got == packets[:expected]
    if cut in ends:
        assert error is None
    else:
        assert isinstance(error, TruncatedError)
        assert f"ends at byte {cut}, " in str(error)
        assert f"begins at byte {ends[expected]}:" in str(error)


@pytest.mark.parametrize(
    ("data", "framing", "says"),
    [
        (b"", "u16le", "empty"),
        (b"\x00\x00", "u16le", "byte 0: its length is 0"),
        (b"\xff\xff\xff\xff\xf8", "u32be", "expected 1 to 61298"),
        (b"\x00\x01\xf8\x00\x01\xfb", "u16be", "byte 3: .*R"),
        (b"\xfb\x00\x05", "self-delimited", "byte 0: .*byte 1 breaks rule R5"),
        (b"\xf8\x01\x05\xfb\x00\x05", "self-delimited", "byte 3: .*byte 1 breaks rule R5"),
        (b"\xfb\x41" + b"\xff" * 80_000, "self-delimited", "more than 61298"),
    ],
)
def test_what_is_no_stream(data: bytes, framing: Framing, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        list(RawReader(io.BytesIO(data), framing))


def test_real_packets_and_their_channels() -> None:
    encoder = Encoder(48_000, 2)
    packets = [encoder.encode(bytes(960 * 4)) for _ in range(5)]
    for framing in FRAMINGS:
        reader = RawReader(io.BytesIO(written(packets, framing)), framing)
        assert reader.format == StreamFormat(2, 0, 48_000)
        list(reader)
        assert reader.end_samples == 5 * 960
    told = StreamFormat(1, 312, 16_000, 256)
    assert RawReader(io.BytesIO(written(packets, "u16be")), "u16be", stream_format=told).format is (
        told
    )


def test_only_packets_are_written() -> None:
    file = io.BytesIO()
    for framing in FRAMINGS:
        with pytest.raises(InvalidPacketError):
            RawWriter(file, framing).write(b"")
    assert file.getvalue() == b""
    with pytest.raises(InvalidArgumentError, match="u32le"):
        RawWriter(file, "u8")  # type: ignore[arg-type] # what is refused
