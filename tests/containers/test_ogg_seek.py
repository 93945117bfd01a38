"""Seeking in Ogg Opus: the same packets at the same times as a read from the start."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.containers.ogg import OggLink, OggReader, OggWriter, list_streams, read_links
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Gap, Packet, StreamFormat

pytestmark = pytest.mark.row("R5")

MONO = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)
PRE_ROLL = 3840
Times = list[tuple[int, bytes]]


def packet(number: int, time: int, size: int) -> Packet:
    """A packet of 20 ms, or of 60 where its number is a multiple of seven."""
    toc, duration = (11 << 3, 2880) if number % 7 == 0 else (9 << 3, 960)
    data = bytes([toc]) + (number.to_bytes(4, "big") * (size // 4 + 1))[: size - 1]
    return Packet(number, time, duration, data)


def stream(
    count: int, *, sizes: tuple[int, ...] = (60,), page: int = 48_000, gaps: int = 0, start: int = 0
) -> bytes:
    """Packets of these sizes in turn, with so many gaps of up to two seconds."""
    draw = random.Random(count)
    missing = {draw.randrange(count): 120 * draw.randrange(1, 800) for _ in range(gaps)}
    file, time = io.BytesIO(), 0
    writer = OggWriter(file, MONO, serial=1, page_samples=page, start_granule=start)
    for number in range(count):
        time += missing.get(number, 0)
        made = packet(number, time, sizes[number % len(sizes)])
        writer.write(made)
        time = made.end_samples
    writer.close(time - 77)
    return file.getvalue()


def page_offsets(data: bytes) -> list[int]:
    return [at for at in range(len(data) - 4) if data[at : at + 5] == b"OggS\0"]


def times(link: OggLink) -> Times:
    return [(i.time_samples, i.data) for i in link if isinstance(i, Packet)]


def check(data: bytes, wanted: list[int], pre_roll: int = PRE_ROLL, offset: int = 0) -> None:
    """Each seek gives the tail of a sequential read, from the pre-roll on and not before."""
    file = io.BytesIO(data)
    file.seek(offset)
    sequential = list(next(iter(read_links(file))))
    end = sequential[-1].end_samples
    assert max(wanted) <= end + 48_000
    file.seek(offset)
    link = next(iter(read_links(file)))
    for sample in wanted:
        limit = max(0, sample - pre_roll)
        link.seek(sample, pre_roll_samples=pre_roll)
        got = list(link)
        expected = [item for item in sequential if item.end_samples > limit]
        assert [(i.time_samples, i.data) for i in got if isinstance(i, Packet)] == [
            (i.time_samples, i.data) for i in expected if isinstance(i, Packet)
        ], sample
        # A gap may begin earlier than the page from which it is read on.
        ends = [i.end_samples for i in got if isinstance(i, Gap)]
        assert ends == [i.end_samples for i in expected if isinstance(i, Gap)], sample
        link.seek(sample, pre_roll_samples=pre_roll)
        columns = [t for batch in link.columns() for t in batch.times_samples]
        assert columns == [i.time_samples for i in got if isinstance(i, Packet)]


@pytest.mark.parametrize("page", [1, 960, 9600, 48_000, 480_000])
@pytest.mark.parametrize("sizes", [(60,), (1, 254, 255, 256, 1275), (40, 61_298, 33)])
@pytest.mark.parametrize("gaps", [0, 6])
def test_at_every_page_boundary(page: int, sizes: tuple[int, ...], gaps: int) -> None:
    count = 40 if 61_298 in sizes else 220
    data = stream(count, sizes=sizes, page=page, gaps=gaps, start=5000)
    sequential = times(OggReader(io.BytesIO(data)))
    end = sequential[-1][0]
    boundaries = {0, end, end + 960, end + 40_000}
    step = max(1, len(sequential) // 25)
    for time, _ in sequential[::step]:
        boundaries |= {time - 1, time, time + 1}
    for pre_roll in (0, PRE_ROLL):
        check(data, sorted(b for b in boundaries if b >= 0), pre_roll)


def test_in_a_file_too_large_for_one_look() -> None:
    # Some 3 MB, so that the bisection has something to do.
    data = stream(6000, sizes=(500, 300, 700), gaps=20)
    end = OggReader(io.BytesIO(data)).format.pre_skip_samples
    for item in OggReader(io.BytesIO(data)):
        end = item.end_samples
    draw = random.Random(4)
    file = io.BytesIO(data)
    link = OggReader(file)
    sequential = times(OggReader(io.BytesIO(data)))
    for _ in range(60):
        wanted = draw.randrange(end)
        link.seek(wanted)
        head = [i for i, _ in zip(link, range(5), strict=False) if isinstance(i, Packet)]
        first = head[0]
        assert first.time_samples <= wanted or first.time_samples > wanted - PRE_ROLL
        at = sequential.index((first.time_samples, first.data))
        assert [(i.time_samples, i.data) for i in head] == sequential[at : at + len(head)]
        assert at == 0 or sequential[at - 1][0] + 2880 > wanted - PRE_ROLL - 2880 - 96_000


def test_with_holes_from_damage_and_lost_pages() -> None:
    data = stream(400, gaps=3, page=4800)
    pages = page_offsets(data)
    without = data[: pages[20]] + data[pages[22] : pages[40]] + data[pages[41] :]
    damaged = bytearray(data)
    for at in (pages[10] + 60, pages[11] + 60, pages[50] + 99, pages[-1] + 40):
        damaged[at] ^= 1
    for broken in (without, bytes(damaged), data[: pages[-3] + 100], data[:-1]):
        file = OggReader(io.BytesIO(broken))
        ends = [item.end_samples for item in file]
        check(broken, sorted({0, *ends[::9], ends[-1], ends[-1] + 5}))


def test_in_each_link_of_a_chain() -> None:
    parts = [with_serial(stream(150, start=n * 1000, page=9600), n + 1) for n in range(3)]
    data = b"".join(parts)
    for listed in list_streams(io.BytesIO(data)):
        check(data, list(range(0, 150_000, 7777)), offset=listed.offset_bytes)
    # And on the way through all links: the next one is still found.
    assert [link.serial for link in walk_with_seeks(data)] == [1, 2, 3]


def walk_with_seeks(data: bytes) -> list[OggLink]:
    seen = []
    for link in read_links(io.BytesIO(data)):
        link.seek(60_000)
        assert next(iter(link)).end_samples > 60_000 - PRE_ROLL
        seen.append(link)
    with pytest.raises(InvalidArgumentError, match="another link"):
        seen[0].seek(0)
    return seen


def with_serial(data: bytes, serial: int) -> bytes:
    """The same stream under another serial number."""
    file = io.BytesIO()
    link = OggReader(io.BytesIO(data))
    items = list(link)
    writer = OggWriter(file, link.format, serial=serial, start_granule=link.start_granule)
    writer.write_all(items)
    writer.close(link.end_samples)
    return file.getvalue()


def test_beside_another_stream() -> None:
    ours, other = stream(200, page=9600), with_serial(stream(200, page=9600), 9)
    pages = [
        [part[a:b] for a, b in zip(at, [*at[1:], None], strict=True)]
        for part, at in ((ours, page_offsets(ours)), (other, page_offsets(other)))
    ]
    longest = max(map(len, pages))
    rows = [pages[n][i] for i in range(longest) for n in range(2) if i < len(pages[n])]
    file = io.BytesIO(b"".join(rows))
    sequential = times(OggReader(io.BytesIO(ours)))
    link = OggReader(file, serial=1)
    for wanted in range(0, 200_000, 9999):
        link.seek(wanted)
        limit = max(0, wanted - PRE_ROLL)
        got = times(link)
        assert got == sequential[-len(got) :]
        assert len(got) == len([t for t, d in sequential if end_of(t, d) > limit])


def end_of(time: int, data: bytes) -> int:
    return time + (2880 if data[0] == 11 << 3 else 960)


@given(
    count=st.integers(1, 120),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=4),
    page=st.integers(1, 100_000),
    gaps=st.integers(0, 5),
    flips=st.lists(st.floats(0, 1, exclude_max=True), max_size=3),
    wanted=st.lists(st.integers(0, 400_000), min_size=1, max_size=4),
)
def test_anywhere_in_anything(
    count: int, sizes: list[int], page: int, gaps: int, flips: list[float], wanted: list[int]
) -> None:
    data = bytearray(stream(count, sizes=tuple(sizes), page=page, gaps=gaps))
    headers = page_offsets(bytes(data))[2]
    for share in flips:
        data[headers + int(share * (len(data) - headers))] ^= 8
    reader = OggReader(io.BytesIO(bytes(data)))
    items = list(reader)
    if items:
        end = items[-1].end_samples
        check(bytes(data), [sample % (end + 1) for sample in wanted])


def test_a_loop_that_seeks_goes_on_there() -> None:
    reader = OggReader(io.BytesIO(stream(500)))
    numbers = []
    for item in reader:
        assert isinstance(item, Packet)
        numbers.append(int.from_bytes(item.data[1:5], "big"))
        if len(numbers) == 10:
            reader.seek(item.time_samples + 300_000)
    assert numbers[:10] == list(range(10))
    assert numbers[10] > 200
    assert numbers[10:] == list(range(numbers[10], 500))


def test_what_cannot_be_sought() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    data = stream(10)
    with pytest.raises(InvalidArgumentError, match="cannot seek"):
        OggReader(Pipe(data)).seek(0)
    reader = OggReader(io.BytesIO(data))
    for time, pre_roll in ((-1, 0), (0, -1)):
        with pytest.raises(InvalidArgumentError, match="expected 0 or more"):
            reader.seek(time, pre_roll_samples=pre_roll)
    empty = io.BytesIO()
    OggWriter(empty, MONO).close()
    empty.seek(0)
    reader = OggReader(empty)
    reader.seek(48_000)
    assert list(reader) == []
    assert reader.end_samples == 312
