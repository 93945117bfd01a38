"""Ogg Opus files of our own, against themselves and against damage."""

import io
from collections.abc import Sequence

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.containers.ogg import OggReader, OggWriter
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    InvalidPacketError,
    TruncatedError,
    UnsupportedFormatError,
)
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

MONO = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)
SILK_20_MS = 9 << 3


def voice(sequence: int, time_samples: int | None = None, size: int = 60) -> Packet:
    """A packet of 20 ms that differs from its neighbours; not meant to be decoded."""
    time = sequence * 960 if time_samples is None else time_samples
    return Packet(sequence, time, 960, bytes([SILK_20_MS]) + bytes([sequence % 256]) * (size - 1))


def written(packets: Sequence[Packet], end: int | None = None, serial: int = 1) -> bytes:
    file = io.BytesIO()
    writer = OggWriter(file, MONO, serial=serial)
    for packet in packets:
        writer.write(packet)
    writer.close(end)
    return file.getvalue()


def media(codec: str, container: str, layout: str) -> bytes:
    """A second of noise, encoded by other software."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000, layout=layout)
        assert isinstance(stream, av.AudioStream)
        channels = len(av.AudioLayout(layout).channels)
        samples = np.random.default_rng(1).integers(-9000, 9000, (1, 48_000 * channels), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate = 48_000
        packets = [*stream.encode(frame), *stream.encode(None)]
        # The FLAC encoder ends with an empty packet, which the Ogg muxer refuses.
        output.mux([packet for packet in packets if packet.size])
    return file.getvalue()


@pytest.mark.row("R5")
def test_what_is_written_is_read() -> None:
    packets = [voice(i) for i in range(200)]
    reader = OggReader(io.BytesIO(written(packets, end=200 * 960 - 41)))
    assert reader.format == MONO
    assert list(reader) == packets
    assert reader.end_samples == 200 * 960 - 41
    assert reader.start_granule == 0
    assert not reader.truncated
    assert (reader.skipped, reader.skipped_bytes) == ({}, 0)


@pytest.mark.row("R5")
@given(
    sizes=st.lists(
        st.one_of(
            st.integers(1, 600), st.sampled_from([254, 255, 256, 510, 1275]), st.just(61_298)
        ),
        min_size=1,
        max_size=30,
    ),
    gaps=st.lists(st.integers(0, 400), min_size=30, max_size=30),
    trim=st.integers(0, 959),
)
def test_any_sizes_and_gaps(sizes: list[int], gaps: list[int], trim: int) -> None:
    time, packets, missing = 0, [], 0
    for sequence, (size, gap) in enumerate(zip(sizes, gaps, strict=False)):
        time += gap * 120
        missing += gap * 120
        packets.append(voice(sequence, time, size))
        time += 960
    end = max(time - trim, MONO.pre_skip_samples)
    reader = OggReader(io.BytesIO(written(packets, end)))
    items = list(reader)
    assert [item for item in items if isinstance(item, Packet)] == packets
    holes = [item for item in items if isinstance(item, Gap)]
    assert sum(hole.duration_samples for hole in holes) == missing
    assert all(hole.kind is GapKind.LOST for hole in holes)
    assert reader.end_samples == end
    covered = 0
    for item in items:
        start = item.start_samples if isinstance(item, Gap) else item.time_samples
        assert start == covered
        covered = item.end_samples


def test_the_same_calls_give_the_same_bytes() -> None:
    packets = [voice(i) for i in range(3)]
    assert written(packets, serial=7) == written(packets, serial=7) != written(packets, serial=8)


def test_comments_keep_every_byte() -> None:
    comments = (("TITLE", "Grüße = ✓"), ("title", ""), ("ENCODER", "raw \udcff byte"))
    file = io.BytesIO()
    OggWriter(file, MONO, comments=comments, vendor="someone").close()
    file.seek(0)
    reader = OggReader(file)
    assert (reader.vendor, reader.comments) == ("someone", comments)
    assert b"raw \xff byte" in file.getvalue()


def test_comments_longer_than_a_page() -> None:
    file = io.BytesIO()
    writer = OggWriter(file, MONO, comments=[("PICTURE", "x" * 200_000)])
    writer.write(voice(0))
    writer.close()
    file.seek(0)
    reader = OggReader(file)
    assert reader.comments == (("PICTURE", "x" * 200_000),)
    assert list(reader) == [voice(0)]


@pytest.mark.row("R5")
def test_a_file_that_is_not_closed_has_all_but_the_last_second() -> None:
    file = io.BytesIO()
    writer = OggWriter(file, MONO)
    packets = [voice(i) for i in range(175)]
    for packet in packets:
        writer.write(packet)
    reader = OggReader(io.BytesIO(file.getvalue()))
    got = list(reader)
    assert got == packets[: len(got)]
    assert len(packets) - len(got) <= 50
    assert reader.truncated
    assert reader.end_samples == len(got) * 960


@pytest.mark.row("R5")
def test_a_cut_file_gives_its_whole_pages() -> None:
    packets = [voice(i) for i in range(200)]
    data = written(packets)
    reader = OggReader(io.BytesIO(data[: len(data) // 2]))
    got = list(reader)
    assert 0 < len(got) < 200
    assert got == packets[: len(got)]
    assert reader.truncated
    assert reader.skipped["damage"][1] == reader.skipped_bytes > 0


def test_damage_is_a_gap_and_is_counted() -> None:
    packets = [voice(i) for i in range(200)]
    data = bytearray(written(packets))
    data[len(data) // 2] ^= 4
    reader = OggReader(io.BytesIO(bytes(data)))
    items = list(reader)
    (gap,) = [item for item in items if isinstance(item, Gap)]
    lost = [p for p in packets if gap.start_samples <= p.time_samples < gap.end_samples]
    kept = [item.data for item in items if isinstance(item, Packet)]
    assert kept == [p.data for p in packets if p not in lost]
    assert gap.duration_samples == len(lost) * 960 > 0
    assert reader.end_samples == 200 * 960
    assert reader.skipped_bytes > 60 * len(lost)


@pytest.mark.row("R5")
def test_a_second_stream_is_an_error_after_the_first_one_is_read() -> None:
    first = [voice(i) for i in range(60)]
    chained = written(first) + written([voice(0)], serial=2)
    reader = OggReader(io.BytesIO(chained))
    got = [next(iter(reader)) for _ in first]
    with pytest.raises(UnsupportedFormatError, match="second Opus stream"):
        next(iter(reader))
    assert got == first
    assert reader.end_samples == 60 * 960
    with pytest.raises(UnsupportedFormatError, match="second Opus stream"):
        OggReader(io.BytesIO(chained[:47] + written([], serial=2)))


def test_files_of_other_kinds() -> None:
    with pytest.raises(FormatError, match="empty"):
        OggReader(io.BytesIO())
    with pytest.raises(FormatError, match="not an Ogg file"):
        OggReader(io.BytesIO(media("pcm_s16le", "wav", "mono")))
    with pytest.raises(UnsupportedFormatError, match="FLAC"):
        OggReader(io.BytesIO(media("flac", "ogg", "mono")))


def test_a_large_file_of_another_kind_is_not_read_whole() -> None:
    file = io.BytesIO(bytes(8 << 20))
    with pytest.raises(FormatError, match="not an Ogg file"):
        OggReader(file)
    assert file.tell() < 2 << 20


def test_cut_headers() -> None:
    data = written([voice(0)])
    comments_end = data.index(b"OggS", data.index(b"OpusTags"))
    for cut in range(27, comments_end, 5):
        with pytest.raises(TruncatedError, match="headers"):
            OggReader(io.BytesIO(data[:cut]))
    assert list(OggReader(io.BytesIO(data[:comments_end]))) == []


def test_refused_packets_leave_the_file_as_it_was() -> None:
    file = io.BytesIO()
    writer = OggWriter(file, MONO)
    writer.write(voice(0))
    before = file.getvalue()
    with pytest.raises(InvalidPacketError, match="R1"):
        writer.write(Packet(1, 960, 960, b""))
    with pytest.raises(InvalidArgumentError, match="61299 bytes"):
        writer.write(voice(1, size=61_299))
    with pytest.raises(InvalidArgumentError, match="expected 960 or later"):
        writer.write(voice(1, 959))
    with pytest.raises(InvalidArgumentError, match="a day"):
        writer.write(voice(1, 25 * 3600 * 48_000))
    with pytest.raises(InvalidArgumentError, match="expected 0 or later"):
        writer.close(-1)
    assert file.getvalue() == before
    writer.write(voice(1))
    writer.close()
    with pytest.raises(InvalidArgumentError, match="finished"):
        writer.write(voice(2))
    with pytest.raises(InvalidArgumentError, match="finished"):
        writer.close()
    assert list(OggReader(io.BytesIO(file.getvalue()))) == [voice(0), voice(1)]


@pytest.mark.parametrize(
    ("stream_format", "serial", "comment"),
    [
        (StreamFormat(3, 312, 48_000), 0, "A"),
        (StreamFormat(1, 65_536, 48_000), 0, "A"),
        (StreamFormat(1, 312, 2**32), 0, "A"),
        (StreamFormat(1, 312, 48_000, gain_q8=32_768), 0, "A"),
        (MONO, -1, "A"),
        (MONO, 0, "A=B"),
        (MONO, 0, ""),
        (MONO, 0, "É"),
    ],
)
def test_numbers_out_of_range(stream_format: StreamFormat, serial: int, comment: str) -> None:
    file = io.BytesIO()
    with pytest.raises(InvalidArgumentError, match="expected"):
        OggWriter(file, stream_format, serial=serial, comments=[(comment, "")])
    assert file.getvalue() == b""
