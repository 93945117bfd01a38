"""Packets as they arrived become a recording in the right order, with the right gaps."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.archive.importing.seal import seal
from opuscule.archive.reading.archive import open_archive
from opuscule.archive.upkeep.verify import verify
from opuscule.errors import RecordingExistsError
from opuscule.journal import Journal, JournalPacket
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

from .conftest import Speech

FORMAT = StreamFormat(1, 312, 16_000)


def arrived(
    sequence: int,
    time: int,
    *,
    backfill: bool = False,
    discontinuity: bool = False,
    data: bytes = b"",
) -> JournalPacket:
    payload = data or b"\x08" + sequence.to_bytes(4)
    return JournalPacket(Packet(sequence, time, 960, payload), 0, backfill, discontinuity)


@pytest.mark.row("X1")
@pytest.mark.row("X3")
def test_from_the_journal_to_the_archive(tmp_path: Path, speech: Speech) -> None:
    order = list(speech.packets)
    late = order[100:140]
    del order[100:140]
    random.Random(3).shuffle(order)
    with Journal(tmp_path / "journal") as journal:
        journal.begin("a", speech.format, {"device": "pi", "start_epoch_ms": 1_700_000_000_123})
        for packet in order:
            journal.append("a", packet, arrived_us=1)
        for packet in late:
            journal.append("a", packet, arrived_us=2, backfill=True)
        journal.append("a", order[0], arrived_us=3)
        journal.end("a", speech.end_samples)
        journal.flush()
        known = journal.recording("a")
        info = seal(
            tmp_path / "a.zarr",
            "a",
            known.format,
            journal.read("a"),
            end_samples=known.end_samples,
            metadata=known.metadata,
        )
        journal.mark_sealed("a")
    recording = open_archive(tmp_path / "a.zarr")["a"]
    assert recording.info == info
    assert list(recording.packets()) == speech.packets
    assert info.complete
    assert info.total_samples == 576_000
    assert info.start_epoch_ms == 1_700_000_000_123
    assert info.source["device"] == "pi"
    assert info.source["counts"] == {"duplicates": 1, "backfilled": 40, "lost": 0, "overlaps": 0}
    assert verify(recording, ranges=3).ok


def test_what_is_missing_is_told_apart(tmp_path: Path) -> None:
    packets = [
        arrived(2, 1920),  # the first two were lost
        arrived(3, 2880),
        arrived(4, 9600),  # a pause that was not sent
        arrived(7, 12_480),  # two lost
        arrived(8, 48_000, discontinuity=True),
        arrived(9, 48_960),
    ]
    info = seal(tmp_path / "a.zarr", "a", FORMAT, packets, end_samples=60_000)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    assert recording.gaps == (
        Gap(0, 1920, GapKind.LOST),
        Gap(3840, 5760, GapKind.UNSENT),
        Gap(10_560, 1920, GapKind.LOST),
        Gap(13_440, 34_560, GapKind.DISCONTINUITY),
        Gap(49_920, 10_080, GapKind.LOST),
    )
    assert info.end_samples == 60_000
    counts = info.source["counts"]
    assert isinstance(counts, dict)
    assert counts["lost"] == 4


def test_one_that_was_broken_off_ends_with_its_last_packet(tmp_path: Path) -> None:
    info = seal(tmp_path / "a.zarr", "a", FORMAT, [arrived(0, 0)], end_samples=None)
    assert not info.complete
    assert info.end_samples == 960
    nothing = seal(tmp_path / "a.zarr", "b", FORMAT, [], end_samples=None)
    assert nothing.total_samples == 0


def test_the_end_may_trim(tmp_path: Path) -> None:
    packets = [arrived(0, 0), arrived(1, 960)]
    info = seal(tmp_path / "a.zarr", "a", FORMAT, packets, end_samples=1000)
    assert (info.packets, info.total_samples) == (2, 688)


def test_packets_that_overlap_are_kept(tmp_path: Path) -> None:
    packets = [arrived(0, 0), arrived(1, 500), arrived(2, 1920), arrived(3, 3000)]
    info = seal(tmp_path / "a.zarr", "a", FORMAT, packets, end_samples=None)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    assert [p.time_samples for p in recording.packets()] == [0, 960, 1920, 3000]
    counts = info.source["counts"]
    assert isinstance(counts, dict)
    assert counts["overlaps"] == 1


def test_sealing_again_changes_nothing(tmp_path: Path) -> None:
    # After a kill between sealing and noting it in the journal.
    packets = [arrived(0, 0), arrived(1, 960)]
    arguments = {"device": "pi", "start_epoch_ms": 5}
    first = seal(tmp_path / "a.zarr", "a", FORMAT, packets, end_samples=1920, metadata=arguments)
    again = seal(tmp_path / "a.zarr", "a", FORMAT, packets, end_samples=1920, metadata=arguments)
    assert first == again
    with pytest.raises(RecordingExistsError):
        seal(tmp_path / "a.zarr", "a", FORMAT, packets, end_samples=1920, metadata={"device": "x"})


def test_an_error_while_reading_writes_nothing(tmp_path: Path) -> None:
    def broken() -> "list[JournalPacket]":
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        seal(tmp_path / "a.zarr", "a", FORMAT, (p for p in broken()), end_samples=None)
    assert not (tmp_path / "a.zarr" / "recordings" / "a").exists()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 3000)), max_size=30, unique_by=lambda x: x[0]
    ),
    st.randoms(use_true_random=False),
)
def test_any_arrival_gives_every_packet_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], draw: random.Random
) -> None:
    time, sent = 0, []
    for sequence, pause in sorted(steps):
        sent.append(arrived(sequence, time + pause))
        time += pause + 960
    order = sent + sent[: len(sent) // 2]
    draw.shuffle(order)
    path = tmp_path_factory.mktemp("any") / "a.zarr"
    seal(path, "a", FORMAT, order, end_samples=None)
    found = list(open_archive(path)["a"].packets())
    assert [(p.time_samples, p.data) for p in found] == [
        (s.packet.time_samples, s.packet.data) for s in sent
    ]
