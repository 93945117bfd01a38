"""The index finds every packet and refuses one that contradicts itself."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.archive.layout import ANCHOR_PACKETS, GAP_CODES, Index, IndexBuilder
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
    return items, read_back(builder, items)


def read_back(builder: IndexBuilder, items: list[Packet | Gap]) -> Index:
    rows = array("q")
    for placed in builder.gaps:
        rows.extend(
            (
                placed.before,
                placed.gap.start_samples,
                placed.gap.duration_samples,
                GAP_CODES[placed.gap.kind],
            )
        )
    durations = [item.duration_samples for item in items if isinstance(item, Packet)]
    return Index(
        builder.lengths,
        builder.anchors,
        rows,
        builder.payload_bytes,
        lambda first, stop: durations[first:stop],
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
    assert index.check_durations() == end
    if not packets:
        return
    number = data.draw(st.integers(0, len(packets) - 1))
    assert index.byte_offset(number) == sum(len(p.data) for p in packets[:number])
    time = data.draw(st.integers(0, end))
    expected = max((n for n, p in enumerate(packets) if p.time_samples <= time), default=0)
    assert index.locate(time) == (expected, packets[expected].time_samples)


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


def index(
    lengths: list[int], anchors: list[int], gaps: list[int], payload_bytes: int, duration: int = 960
) -> Index:
    return Index(
        lengths, anchors, gaps, payload_bytes, lambda first, stop: [duration] * (stop - first)
    )


@pytest.mark.row("Z5")
@pytest.mark.parametrize(
    ("lengths", "anchors", "gaps", "payload_bytes", "says"),
    [
        ([5, 5], [0, 0], [], 11, "add up to 10 bytes; the payload has 11"),
        ([5, 0], [0, 0], [], 5, "has no bytes"),
        ([5, 5], [], [], 10, "0 anchors for 2 packets; expected 1"),
        ([5, 5], [1, 0], [], 10, "anchor 0 says byte 1"),
        ([5] * 300, [0, 0, 1280, 0], [], 1500, "expected byte 1280 and a sample after 0"),
        ([5, 5], [0, 0], [1, 960, 10, 9], 10, "unknown kind 9"),
        ([5, 5], [0, 0], [3, 960, 10, 1], 10, "out of place"),
        ([5, 5], [0, 0], [1, 960, 0, 1], 10, "out of place"),
        ([5, 5], [0, 0], [1, 960, 10, 1, 1, 960, 10, 1], 10, "out of place"),
        ([5, 5], [0, 0], [2, 1920, 10, 1, 1, 2000, 10, 1], 10, "out of place"),
        ([5, 5], [0, 0], [0, 5, 10, 1], 10, "out of place"),
    ],
)
def test_a_contradiction_is_named(
    lengths: list[int], anchors: list[int], gaps: list[int], payload_bytes: int, says: str
) -> None:
    with pytest.raises(CorruptArchiveError, match=says):
        index(lengths, anchors, gaps, payload_bytes)


def test_durations_that_disagree_are_named() -> None:
    good = index([5] * 300, [0, 0, 1280, 256 * 960], [], 1500)
    assert good.check_durations() == 300 * 960
    with pytest.raises(CorruptArchiveError, match="packet 256 begins at media sample 245760"):
        index([5] * 300, [0, 0, 1280, 256 * 960 + 1], [], 1500).check_durations()
    with pytest.raises(CorruptArchiveError, match="the gap before packet 1"):
        index([5, 5], [0, 0], [1, 950, 10, 1], 10).check_durations()


@pytest.mark.row("Z5")
def test_the_index_of_speech_is_small() -> None:
    # An hour at 24 kb/s in 20 ms packets: 60 bytes each, one byte of length, sixteen an anchor.
    builder = IndexBuilder()
    for number in range(180_000):
        builder.add(Packet(number, number * 960, 960, bytes(60)))
    index_bytes = len(builder.lengths) + 8 * len(builder.anchors)
    assert index_bytes <= 0.02 * builder.payload_bytes
    assert len(builder.anchors) == 2 * -(-180_000 // ANCHOR_PACKETS)


@given(steps, st.integers(1, 30))
def test_packets_added_by_the_run_make_the_same_index(
    plan: list[tuple[int, object]], repeat: int
) -> None:
    items, _ = build(plan, repeat)
    one_by_one, runs = IndexBuilder(), in_runs(items)
    for item in items:
        one_by_one.add(item)
    assert runs.lengths == one_by_one.lengths
    assert runs.anchors == one_by_one.anchors
    assert runs.gaps == one_by_one.gaps
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
        ([1], [1 << 62], 1920),
    ):
        with pytest.raises(InvalidArgumentError, match="expected"):
            builder.add_packets(lengths, durations, start)
    assert (list(builder.lengths), builder.time_samples) == ([10, 20], 1920)
