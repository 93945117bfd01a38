"""Chained and multiplexed Ogg Opus: links, lists of streams, and their audio in order."""

import gc
import io
import math
from array import array
from pathlib import Path

import pytest

from opuscule.codec import EncoderSettings, StreamEncoder
from opuscule.containers.ogg import (
    OggLink,
    OggReader,
    OggWriter,
    PacketColumns,
    list_streams,
    read_links,
)
from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError
from opuscule.packets import Gap, GapKind, Packet, StreamFormat
from opuscule.playout import StreamDecoder
from opuscule.transcode import OpusReader

pytestmark = pytest.mark.row("R5")

MONO = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)
SETTINGS = EncoderSettings(application="audio", bitrate=48_000, fec=False, dtx=False)


def voice(number: int, time_samples: int | None = None) -> Packet:
    """A packet of 20 ms that differs from its neighbours; not meant to be decoded."""
    time = number * 960 if time_samples is None else time_samples
    return Packet(number, time, 960, bytes([9 << 3]) + number.to_bytes(2, "big") * 30)


def written(count: int, serial: int, *, end: int | None = None, form: StreamFormat = MONO) -> bytes:
    file = io.BytesIO()
    writer = OggWriter(file, form, serial=serial, comments=[("N", str(serial))])
    writer.write_all(voice(serial * 1000 + i, i * 960) for i in range(count))
    writer.close(end)
    return file.getvalue()


def tone(hz: int, samples: int, channels: int) -> bytes:
    wave = (round(9000 * math.sin(2 * math.pi * hz * n / 48_000)) for n in range(samples))
    return array("h", [s for sample in wave for s in [sample] * channels]).tobytes()


def coded(hz: int, samples: int, channels: int, gain_q8: int = 0) -> bytes:
    encoder = StreamEncoder(48_000, channels, preset=SETTINGS)
    file = io.BytesIO()
    made = encoder.push(tone(hz, samples, channels)) + encoder.finish()
    form = encoder.format
    form = StreamFormat(channels, form.pre_skip_samples, 48_000, gain_q8)
    writer = OggWriter(file, form, serial=hz)
    writer.write_all(made)
    writer.close(encoder.end_samples)
    return file.getvalue()


def decoded(path: Path) -> bytes:
    with OpusReader(path) as reader:
        return b"".join(reader)


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_each_link_is_read_with_its_own_headers_and_time(piece: int) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(piece, size or 0))

    counts = {1: 70, 2: 1, 3: 120}
    parts = [
        written(
            count, serial, end=count * 960 - serial, form=StreamFormat(1 + serial % 2, 100, 8000)
        )
        for serial, count in counts.items()
    ]
    links = read_links(Slow(b"".join(parts)))
    at = 0
    for (serial, count), link in zip(counts.items(), links, strict=True):
        assert (link.serial, link.offset_bytes) == (serial, at)
        assert link.format == StreamFormat(1 + serial % 2, 100, 8000)
        assert link.comments == (("N", str(serial)),)
        items = list(link)
        assert [i.data for i in items if isinstance(i, Packet)] == [
            voice(serial * 1000 + i).data for i in range(count)
        ]
        assert [i.time_samples for i in items if isinstance(i, Packet)] == [
            i * 960 for i in range(count)
        ]
        assert (link.end_samples, link.truncated, link.skipped) == (count * 960 - serial, False, {})
        at += len(parts[serial - 1])


def test_what_is_not_taken_from_a_link_is_passed_over() -> None:
    links = read_links(io.BytesIO(written(300, 1) + written(300, 2) + written(300, 3)))
    first = next(links)
    assert next(iter(first)) == Packet(0, 0, 960, voice(1000).data)
    second = next(links)
    third = next(links)
    assert [first.end_samples, second.end_samples] == [300 * 960] * 2
    assert len(list(third)) == 300
    assert list(second) == []
    assert list(links) == []


def test_a_reader_of_one_stream_objects_to_a_chain_after_reading_it() -> None:
    for take in (list, lambda reader: list(reader.columns())):
        reader = OggReader(io.BytesIO(written(60, 1) + written(1, 2)))
        with pytest.raises(UnsupportedFormatError, match="read_links"):
            take(reader)
        assert reader.end_samples == 60 * 960


def test_columns_are_what_iterating_gives() -> None:
    file = io.BytesIO()
    writer = OggWriter(file, MONO)
    items: list[Packet | Gap] = [
        Gap(0, 480, GapKind.LOST),
        *(voice(i, 480 + i * 960) for i in range(1000)),
        Gap(480 + 960_000, 9600, GapKind.LOST),
        *(voice(i, 480 + i * 960 + 9600) for i in range(1000, 3000)),
    ]
    writer.write_all([*items, Gap(480 + 3000 * 960 + 9600, 600, GapKind.LOST)])
    writer.close()
    expected: list[Packet | Gap] = list(OggReader(io.BytesIO(file.getvalue())))
    assert expected[:-1] == [
        i if isinstance(i, Gap) else Packet(i.sequence, i.time_samples, 960, i.data) for i in items
    ]
    batches = list(OggReader(io.BytesIO(file.getvalue())).columns())
    assert len(batches) > 1
    assert [item for batch in batches for item in as_items(batch)] == [
        Packet(0, i.time_samples, i.duration_samples, i.data) if isinstance(i, Packet) else i
        for i in expected
    ]


def as_items(batch: PacketColumns) -> list[Packet | Gap]:
    items: list[Packet | Gap] = []
    gaps = list(batch.gaps)
    at = 0
    rows = zip(batch.lengths, batch.times_samples, batch.durations_samples, strict=True)
    for number, (length, time, duration) in enumerate(rows):
        while gaps and gaps[0][0] == number:
            items.append(gaps.pop(0)[1])
        items.append(Packet(0, time, duration, batch.payload[at : at + length]))
        at += length
    assert at == len(batch.payload)
    return [*items, *(gap for _, gap in gaps)]


def test_the_audio_of_a_chain_is_that_of_its_links_in_order(tmp_path: Path) -> None:
    parts = [coded(440, 30_000, 1), coded(880, 12_345, 2), coded(300, 700, 1)]
    chain, alone = tmp_path / "chain.opus", tmp_path / "alone.opus"
    chain.write_bytes(b"".join(parts))
    pcm = []
    for part in parts:
        alone.write_bytes(part)
        with OpusReader(alone) as reader:
            blocks = b"".join(reader)
        samples = array("h", blocks)
        if reader.channels == 2:
            # The chain's first link is mono, so libopus mixes the second one down.
            link = OggReader(io.BytesIO(part))
            decoder = StreamDecoder(link.format, channels=1)
            mono = [p for item in link if isinstance(item, Packet) for p in decoder.push(item)]
            blocks = b"".join([*mono, *decoder.finish(link.end_samples, 10**6)])
        pcm.append(blocks)
        assert len(samples) == len(blocks) // 2 * reader.channels
    assert [len(blocks) // 2 for blocks in pcm] == [30_000, 12_345, 700]
    with OpusReader(chain) as reader:
        assert reader.channels == 1
        assert b"".join(reader) == b"".join(pcm)
        assert reader.stats.packets_received == sum(
            len(list(link)) for link in read_links(io.BytesIO(chain.read_bytes()))
        )


def test_a_long_chain_keeps_no_decoders(tmp_path: Path) -> None:
    path, one = tmp_path / "chain.opus", coded(440, 700, 1)
    path.write_bytes(one * 50)

    def decoders() -> int:
        return sum(isinstance(thing, StreamDecoder) for thing in gc.get_objects())

    gc.collect()  # what other tests left in this process
    before = decoders()
    with OpusReader(path) as reader:
        assert len(b"".join(reader)) == 50 * 700 * 2
        assert reader.stats.packets_received == 50 * len(list(OggReader(io.BytesIO(one))))
        assert decoders() <= before + 2


def test_the_output_gain_is_applied(tmp_path: Path) -> None:
    def peak(gain_q8: int) -> int:
        path = tmp_path / "gain.opus"
        path.write_bytes(coded(440, 24_000, 1, gain_q8))
        return max(array("h", decoded(path))[4800:])

    plain = peak(0)
    assert plain > 7000
    for decibels in (-12, -6, 6):
        assert peak(decibels * 256) == pytest.approx(plain * 10 ** (decibels / 20), rel=0.01)


def test_one_of_two_streams_side_by_side_is_chosen(tmp_path: Path) -> None:
    one, two = written(100, 1), written(100, 2, end=96_000 - 5)
    mixed = side_by_side(one, two)
    with pytest.raises(UnsupportedFormatError, match="by its serial number: 1 or 2"):
        OggReader(io.BytesIO(mixed))
    for serial, end in ((1, 96_000), (2, 95_995)):
        reader = OggReader(io.BytesIO(mixed), serial=serial)
        assert [i.data for i in reader if isinstance(i, Packet)] == [
            voice(serial * 1000 + i).data for i in range(100)
        ]
        assert reader.end_samples == end
        assert set(reader.skipped) == {"other_stream"}
        assert reader.skipped_bytes == 0
    with pytest.raises(InvalidArgumentError, match="serial number 3"):
        OggReader(io.BytesIO(mixed), serial=3)
    with pytest.raises(InvalidArgumentError, match="serial is -1"):
        OggReader(io.BytesIO(mixed), serial=-1)
    listed = list_streams(io.BytesIO(mixed + written(1, 7)))
    assert [(s.serial, s.kind, s.group, s.finished) for s in listed] == [
        (1, "opus", 0, True),
        (2, "opus", 0, True),
        (7, "opus", 1, True),
    ]
    assert listed[2].offset_bytes == len(mixed)
    assert sum(s.size_bytes for s in listed[:2]) == len(mixed)
    # A chain is entered at the link that was looked up.
    file = io.BytesIO(mixed + written(1, 7))
    file.seek(listed[2].offset_bytes)
    assert len(list(OggReader(file))) == 1


def side_by_side(one: bytes, two: bytes) -> bytes:
    """Page by page in turn, as RFC 3533 §4 has it: both begin first."""
    pages = [[b"OggS" + rest for rest in part.split(b"OggS")[1:]] for part in (one, two)]
    assert len(pages[0]) == len(pages[1])
    return b"".join(a + b for a, b in zip(*pages, strict=True))


def test_streams_of_any_kind_are_listed() -> None:
    data = written(60, 5)
    assert list_streams(io.BytesIO(data[47:]))[0].kind == "unknown"
    assert list_streams(io.BytesIO(b"")) == ()
    assert list_streams(io.BytesIO(b"RIFF" * 999)) == ()
    (cut,) = list_streams(io.BytesIO(data[:-9]))
    assert not cut.finished


@pytest.mark.parametrize("start", [0, 1, 48_000 * 3600, 2**62])
def test_a_stream_may_start_anywhere(start: int) -> None:
    file = io.BytesIO()
    writer = OggWriter(file, MONO, start_granule=start)
    writer.write_all(voice(i) for i in range(100))
    writer.close(96_000 - 100)
    reader = OggReader(io.BytesIO(file.getvalue()))
    if start == 2**62:
        # Beyond that, granule positions are taken for damage; packets are believed.
        assert [i.time_samples for i in reader if isinstance(i, Packet)][-1] == 99 * 960
        return
    assert list(reader) == [voice(i) for i in range(100)]
    assert (reader.start_granule, reader.end_samples) == (start, 95_900)
    with pytest.raises(InvalidArgumentError, match="start_granule"):
        OggWriter(io.BytesIO(), MONO, start_granule=-1)


def test_damage_in_a_chain_is_reported_where_it_is() -> None:
    one, two, three = written(100, 1), written(100, 2), written(100, 3)
    # The second link's first page is lost.
    links = list(map(summary, read_links(io.BytesIO(one + two[47:] + three))))
    assert [link[0] for link in links] == [1, 3]
    assert links[0][1]["lost_head"][1] == len(two) - 47
    # The last one is cut inside its headers.
    links = list(map(summary, read_links(io.BytesIO(one + two[:50]))))
    assert links[1] == (2, {"damage": (1, 3), "tags": (1, 0)}, 0, True)
    with pytest.raises(FormatError, match="begins after its first page"):
        OggReader(io.BytesIO(one.replace(b"OpusHead", b"OpusHeab")))


def summary(link: OggLink) -> tuple[int, dict[str, tuple[int, int]], int, bool]:
    count = len(list(link))
    return link.serial, link.skipped, count, link.truncated
