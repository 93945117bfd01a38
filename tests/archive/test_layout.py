"""The index finds every packet and refuses one that contradicts itself."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.archive.layout import Index, IndexBuilder
from opuscule.errors import CorruptArchiveError, InvalidArgumentError
from opuscule.packets import Gap, GapKind, Packet


def in_runs(items: list[Packet | Gap]) -> IndexBuilder:
    """The same index, packets added by the run."""
    builder, run = IndexBuilder(), list[Packet]()

    def flush() -> None:
        lengths, durations = [len(p.data) for p in run], [p.duration_samples for p in run]
        builder.add_packets(lengths, durations, builder.time_samples)
        run.clear()

    for item in items:
        if isinstance(item, Packet):
            run.append(item)
        else:
            flush()
            builder.add(item)
    flush()
    return builder


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([120, 480, 960, 2880, 5760]), st.integers(1, 300)),
        st.tuples(st.integers(1, 100_000), st.sampled_from(list(GapKind))),
    ),
    max_size=40,
)


def build(plan: list[tuple[int, object]], repeat: int = 1) -> tuple[list[Packet | Gap], Index]:
    builder = IndexBuilder()
    items: list[Packet | Gap] = []
    for _ in range(repeat):
        for duration, what in plan:
            time = builder.time_samples
            item: Packet | Gap
            if isinstance(what, GapKind):
                item = Gap(time, duration, what)
            else:
                assert isinstance(what, int)
                item = Packet(len(builder.lengths), time, duration, bytes(what))
            builder.add(item)
            last = items[-1] if items else None
            if isinstance(item, Gap) and isinstance(last, Gap) and last.kind is item.kind:
                # Gaps of a kind that adjoin are one.
                items[-1] = Gap(last.start_samples, last.duration_samples + duration, last.kind)
            else:
                items.append(item)
    return items, read_back(builder)


def read_back(builder: IndexBuilder) -> Index:
    data, sections = builder.stored()
    return Index(
        data, sections, len(builder.lengths), builder.packet_samples, builder.payload_bytes
    )


@given(steps, st.integers(1, 30), st.data())
def test_the_index_agrees_with_a_plain_walk(
    plan: list[tuple[int, object]], repeat: int, data: st.DataObject
) -> None:
    items, index = build(plan, repeat)
    packets = [item for item in items if isinstance(item, Packet)]
    end = items[-1].end_samples if items else 0
    assert len(index) == len(packets)
    assert [placed.gap for placed in index.gaps] == [i for i in items if isinstance(i, Gap)]
    assert index.end_samples == end
    if not packets:
        return
    number = data.draw(st.integers(0, len(packets) - 1))
    assert index.byte_offset(number) == sum(len(p.data) for p in packets[:number])
    time = data.draw(st.integers(0, end))
    expected = max((n for n, p in enumerate(packets) if p.time_samples <= time), default=0)
    assert index.locate(time) == (expected, packets[expected].time_samples)
    assert index.packet_start(number) == packets[number].time_samples
    assert index.duration(number) == packets[number].duration_samples
    first = index.byte_offset(number)
    assert index.packets_within(first, first + 1) == (number, number + 1)
    assert index.packets_within(0, builder_bytes(packets)) == (0, len(packets))


def builder_bytes(packets: list[Packet]) -> int:
    return sum(len(packet.data) for packet in packets)


@given(steps.filter(bool), st.integers(1, 20), st.data())
def test_a_run_covers_what_it_was_planned_for(
    plan: list[tuple[int, object]], repeat: int, data: st.DataObject
) -> None:
    items, index = build(plan, repeat)
    packets = [item for item in items if isinstance(item, Packet)]
    end = items[-1].end_samples
    start = data.draw(st.integers(0, end - 1))
    stop = data.draw(st.integers(start + 1, end))
    run = index.run(start, stop)
    assert list(run.lengths) == [len(p.data) for p in packets[run.first : run.stop]]
    assert run.stop_byte - run.start_byte == sum(run.lengths)
    decoded = sum(p.duration_samples for p in packets[run.first : run.stop])
    decoded += sum(duration for _, duration, _ in run.gaps)
    assert run.start_samples <= start
    assert run.start_samples + decoded >= stop
    # Placed on a time line, packets and gaps of the run are where the recording has them.
    time = run.start_samples
    for place in range(run.stop - run.first + 1):
        time += sum(duration for before, duration, _ in run.gaps if before == place)
        if run.first + place < run.stop:
            assert time == packets[run.first + place].time_samples
            time += packets[run.first + place].duration_samples


def test_items_must_join() -> None:
    builder = IndexBuilder()
    builder.add(Packet(0, 0, 960, b"x"))
    with pytest.raises(InvalidArgumentError, match="begins at media sample 1000; expected 960"):
        builder.add(Packet(1, 1000, 960, b"x"))
    with pytest.raises(InvalidArgumentError, match="0 bytes"):
        builder.add(Packet(1, 960, 960, b""))
    with pytest.raises(InvalidArgumentError, match="duration"):
        builder.add(Gap(960, 0, GapKind.LOST))
    builder.add(Gap(960, 40, GapKind.LOST))
    builder.add(Packet(1, 1000, 960, b"xy"))
    assert list(builder.lengths) == [1, 2]
    assert builder.time_samples == 1960
    assert builder.packet_samples == 960


def packed(*values: int) -> bytes:
    """Numbers as the format's description says, without using what it describes."""
    out = b""
    for at in range(0, len(values), 64):
        block = values[at : at + 64]
        least = min(block)
        width = (max(block) - least).bit_length()
        bits = sum((value - least) << (width * n) for n, value in enumerate(block))
        size = -(-width * len(block) // 8)
        out += struct.pack("<HB", least, width) + bits.to_bytes(size, "little")
    return out


def index(
    lengths: bytes,
    gaps: list[int],
    payload_bytes: int,
    packets: int,
    durations: bytes = b"",
    packet_samples: int | None = 960,
) -> Index:
    rows = struct.pack(f"<{len(gaps)}q", *gaps)
    sections = {
        "lengths_bytes": len(lengths),
        "durations_bytes": len(durations),
        "gaps": len(gaps) // 4,
    }
    return Index(lengths + durations + rows, sections, packets, packet_samples, payload_bytes)


@given(st.lists(st.integers(1, 61_298), min_size=1, max_size=300))
def test_lengths_are_packed_as_described(lengths: list[int]) -> None:
    builder = IndexBuilder()
    builder.add_packets(lengths, [120] * len(lengths), 0)
    assert builder.stored()[0] == packed(*lengths)


def test_durations_and_gaps_are_stored_as_described() -> None:
    builder = IndexBuilder()
    builder.add_packets([7, 9], [960, 480], 0)
    builder.add(Gap(1440, 10, GapKind.UNSENT))
    data, sections = builder.stored()
    assert data == packed(7, 9) + packed(8, 4) + struct.pack("<4q", 2, 1440, 10, 2)
    assert sections == {"lengths_bytes": 4, "durations_bytes": 4, "gaps": 1}


@pytest.mark.row("Z5")
@pytest.mark.parametrize(
    ("lengths", "gaps", "payload_bytes", "says"),
    [
        (packed(5, 5), [], 11, "add up to 10 bytes; the payload has 11"),
        (packed(5, 0), [], 5, "packet 1 has no bytes"),
        (packed(5, 6)[:-1], [], 11, "cannot be unpacked"),
        (packed(5, 5) + b"x", [], 10, "cannot be unpacked"),
        (b"\x05\x00\x11" + bytes(5), [], 10, "cannot be unpacked"),
        (b"", [], 10, "cannot be unpacked"),
        (packed(5, 5), [1, 960, 10, 9], 10, "unknown kind 9"),
        (packed(5, 5), [3, 960, 10, 1], 10, "out of place"),
        (packed(5, 5), [1, 960, 0, 1], 10, "out of place"),
        (packed(5, 5), [1, 960, -1, 1], 10, "out of place"),
        (packed(5, 5), [1, 950, 10, 1], 10, "out of place"),
        (packed(5, 5), [1, 960, 10, 1, 1, 960, 10, 1], 10, "out of place"),
        (packed(5, 5), [2, 1920, 10, 1, 1, 2000, 10, 1], 10, "out of place"),
        (packed(5, 5), [0, 5, 10, 1], 10, "out of place"),
        (packed(5, 5), [0, 0, 1 << 62, 1], 10, "out of place"),
    ],
)
def test_a_contradiction_is_named(
    lengths: bytes, gaps: list[int], payload_bytes: int, says: str
) -> None:
    with pytest.raises(CorruptArchiveError, match=says):
        index(lengths, gaps, payload_bytes, 2)


def test_durations_that_make_no_sense_are_named() -> None:
    good = index(packed(5, 5), [], 10, 2, packed(8, 4), None)
    assert good.end_samples == 1440
    for durations, samples, says in (
        (packed(8, 0), None, "packet 1 lasts 0 times"),
        (packed(8, 49), None, "packet 1 lasts 49 times"),
        (packed(8, 4)[:-1], None, "cannot be unpacked"),
        (packed(8, 8), 960, "all packets' are the same"),
    ):
        with pytest.raises(CorruptArchiveError, match=says):
            index(packed(5, 5), [], 10, 2, durations, samples)


def test_sections_that_do_not_fit_are_refused() -> None:
    for sizes in ({"gaps": 1 << 60}, {"lengths_bytes": 99}, {"durations_bytes": 1}):
        sections = {"lengths_bytes": 3, "durations_bytes": 0, "gaps": 0, **sizes}
        with pytest.raises(CorruptArchiveError, match="the index"):
            Index(packed(5, 5), sections, 2, 960, 10)
    with pytest.raises(CorruptArchiveError, match="the index"):
        Index(packed(5, 5), {"lengths_bytes": 3, "durations_bytes": 0, "gaps": 0}, 1 << 60, 960, 10)


@pytest.mark.row("Z5")
def test_the_index_of_speech_is_small() -> None:
    # An hour at 24 kb/s in 20 ms packets: 60 bytes each on average, of 20 to 100.
    builder = IndexBuilder()
    lengths = [20 + 37 * number % 81 for number in range(180_000)]
    builder.add_packets(lengths, [960] * len(lengths), 0)
    assert 59 < builder.payload_bytes / 180_000 < 61
    # Checksums and the shards' own indexes take 20 bytes in 16 KiB, sync points 8 bytes a second.
    rest = 20 / 16_384 * builder.payload_bytes + 8 * 3_600
    assert len(builder.stored()[0]) + rest <= 0.02 * builder.payload_bytes


@given(steps, st.integers(1, 30))
def test_packets_added_by_the_run_make_the_same_index(
    plan: list[tuple[int, object]], repeat: int
) -> None:
    items, _ = build(plan, repeat)
    one_by_one, runs = IndexBuilder(), in_runs(items)
    for item in items:
        one_by_one.add(item)
    assert runs.lengths == one_by_one.lengths
    assert runs.gaps == one_by_one.gaps
    assert runs.stored() == one_by_one.stored()
    assert (runs.payload_bytes, runs.time_samples) == (
        one_by_one.payload_bytes,
        one_by_one.time_samples,
    )
    assert runs.packet_samples == one_by_one.packet_samples


def test_runs_that_do_not_fit_are_refused_whole() -> None:
    builder = IndexBuilder()
    builder.add_packets([10, 20], [960, 960], 0)
    for lengths, durations, start in (
        ([1], [960], 0),
        ([1], [960], 1921),
        ([1, 0], [960, 960], 1920),
        ([61_299], [960], 1920),
        ([1], [0], 1920),
        ([1], [100], 1920),
        ([1], [5880], 1920),
        ([1], [1 << 62], 1920),
    ):
        with pytest.raises(InvalidArgumentError, match="expected"):
            builder.add_packets(lengths, durations, start)
    assert (list(builder.lengths), builder.time_samples) == ([10, 20], 1920)
