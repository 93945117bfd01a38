"""Writing many packets: from a list in runs, from an iterator one by one, the same bytes."""

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.containers.ogg import OggReader, OggWriter
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

pytestmark = pytest.mark.row("R5")

MONO = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)
SILK_20_MS = 9 << 3


def made(gaps: dict[int, int], count: int, *, told: bool) -> list[Packet | Gap]:
    """Packets with gaps before some of them, as items of their own where they are told."""
    items: list[Packet | Gap] = []
    time = 0
    for number in range(count):
        if missing := gaps.get(number, 0):
            if told:
                items.append(Gap(time, missing, GapKind.LOST))
            time += missing
        data = bytes([SILK_20_MS]) + number.to_bytes(2, "big") * 9
        items.append(Packet(number, time, 960, data))
        time += 960
    return items


@given(
    st.dictionaries(st.integers(0, 2499), st.integers(1, 5000).map(lambda n: n * 120), max_size=4),
    st.sampled_from([1, 1023, 1024, 1025, 2500]),
    st.booleans(),
    st.integers(0, 3000),
)
def test_a_list_gives_the_bytes_of_an_iterator(
    gaps: dict[int, int], count: int, told: bool, more: int
) -> None:
    items = made(gaps, count, told=told)
    items.append(Gap(items[-1].end_samples, 1 + more, GapKind.UNSENT))
    results = []
    for given_items in (items, tuple(items), iter(items)):
        file = io.BytesIO()
        writer = OggWriter(file, MONO, serial=1)
        writer.write_all(given_items)
        ends = writer.end_samples
        writer.close()
        results.append((file.getvalue(), ends))
    assert results[0] == results[1] == results[2]
    read = [x for x in OggReader(io.BytesIO(results[0][0])) if isinstance(x, Packet)]
    assert read == [item for item in items if isinstance(item, Packet)]


@pytest.mark.parametrize("number", [0, 500, 1024, 1500])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda p: Packet(p.sequence, p.time_samples, 960, b""), InvalidPacketError),
        (lambda p: Packet(p.sequence, p.time_samples - 480, 960, p.data), InvalidArgumentError),
    ],
)
def test_what_comes_before_a_wrong_packet_is_written(
    number: int, wrong: object, error: type[Exception]
) -> None:
    assert callable(wrong)
    items = made({}, 2000, told=False)
    items[number] = wrong(items[number])
    files = []
    for given_items in (items, iter(items)):
        file = io.BytesIO()
        writer = OggWriter(file, MONO, serial=1)
        with pytest.raises(error):
            writer.write_all(given_items)
        assert writer.end_samples == number * 960
        writer.close()
        files.append(file.getvalue())
    assert files[0] == files[1]
    assert len(list(OggReader(io.BytesIO(files[0])))) == max(1, number)


def test_an_iterator_is_not_run_ahead_of() -> None:
    """Who records live has on disk all but the last page when the next packet is waited for."""
    file = io.BytesIO()
    writer = OggWriter(file, MONO, serial=1)

    def live() -> Iterator[Packet | Gap]:
        for item in made({}, 500, told=False):
            reader = OggReader(io.BytesIO(file.getvalue()))
            assert sum(1 for _ in reader) * 960 >= item.end_samples - 960 - 48_000 - 960
            yield item

    writer.write_all(live())
