"""The journal keeps what it reported durable, whatever happens to the program or the file."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from opuscule.errors import InvalidArgumentError, JournalError
from opuscule.journal import Durable, Journal, JournalPacket, JournalRecording
from opuscule.packets import Packet, StreamFormat

FORMAT = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)

packets = st.builds(
    Packet,
    sequence=st.integers(0, 2**40),
    time_samples=st.integers(0, 2**60),
    duration_samples=st.sampled_from([120, 960, 5760]),
    data=st.binary(min_size=1, max_size=80),
)
arrivals = st.builds(
    JournalPacket,
    packet=packets,
    arrived_us=st.integers(0, 2**60),
    backfill=st.booleans(),
    discontinuity=st.booleans(),
)


def packet(sequence: int, size: int = 20) -> Packet:
    return Packet(sequence, sequence * 960, 960, bytes([sequence % 256]) * size)


def append(journal: Journal, key: str, arrived: JournalPacket) -> None:
    journal.append(
        key,
        arrived.packet,
        arrived_us=arrived.arrived_us,
        backfill=arrived.backfill,
        discontinuity=arrived.discontinuity,
    )


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.journal"))


@pytest.mark.row("X1")
def test_what_was_flushed_is_there_after_a_crash(tmp_path: Path) -> None:
    with Journal(tmp_path / "a") as journal:
        journal.begin("kitchen", FORMAT, {"device": "pi", "start_epoch_ms": 1_700_000_000_000})
        for number in (0, 1, 2, 5, 6):
            journal.append("kitchen", packet(number), arrived_us=number)
        assert journal.flush() == {"kitchen": Durable(((0, 3), (5, 7)), ended=False)}
        journal.append("kitchen", packet(3), arrived_us=9, backfill=True)
        journal.end("kitchen", 6_720)
        assert journal.flush() == {"kitchen": Durable(((3, 4),), ended=True)}
        journal.append("kitchen", packet(4), arrived_us=10)
        # What a killed process leaves: the files, without what was not flushed.
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    with Journal(tmp_path / "b") as journal:
        assert journal.damage == ()
        assert journal.unsealed() == ["kitchen"]
        assert journal.recording("kitchen") == JournalRecording(
            "kitchen", FORMAT, {"device": "pi", "start_epoch_ms": 1_700_000_000_000}, 6_720
        )
        found = list(journal.read("kitchen"))
        assert [p.packet for p in found] == [packet(n) for n in (0, 1, 2, 5, 6, 3)]
        assert [p.backfill for p in found] == [False] * 5 + [True]
        journal.append("kitchen", packet(4), arrived_us=11)
        journal.flush()
        assert len(list(journal.read("kitchen"))) == 7


def test_nothing_is_on_disk_before_a_flush(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.begin("a", FORMAT)
        journal.append("a", packet(0), arrived_us=0)
        assert segments(tmp_path) == []
        assert list(journal.read("a")) == []
        assert journal.flush() != {}
        assert journal.flush() == {}


@settings(max_examples=60, deadline=None)
@given(st.lists(arrivals, min_size=1, max_size=8), st.data())
def test_a_torn_tail_costs_only_what_was_torn(
    items: list[JournalPacket], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Journal(directory) as journal:
            journal.begin("a", FORMAT)
            journal.flush()
            sizes = [segments(directory)[0].stat().st_size]
            for item in items:
                append(journal, "a", item)
                journal.flush()
                sizes.append(segments(directory)[0].stat().st_size)
        path = segments(directory)[0]
        cut = data.draw(st.integers(sizes[0], sizes[-1]))
        tail = data.draw(st.sampled_from([b"", bytes(50)]))
        path.write_bytes(path.read_bytes()[:cut] + tail)
        whole = sum(size <= cut for size in sizes) - 1
        with Journal(directory) as journal:
            assert list(journal.read("a")) == items[:whole]
            assert len(journal.damage) == (1 if tail or cut not in sizes else 0)
            append(journal, "a", items[0])
            journal.flush()
            assert list(journal.read("a")) == [*items[:whole], items[0]]


@settings(max_examples=150, deadline=None)
@given(st.lists(arrivals, min_size=1, max_size=6), st.data())
def test_a_changed_byte_never_gives_a_wrong_record(
    items: list[JournalPacket], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Journal(directory) as journal:
            journal.begin("a", FORMAT)
            for item in items:
                append(journal, "a", item)
        path = segments(directory)[0]
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        with Journal(directory) as journal:
            assert [d.segment for d in journal.damage] == [path]
            damage = journal.damage[0]
            assert damage.offset <= place < damage.offset + damage.lost_bytes
            found = list(journal.read("a")) if journal.unsealed() else []
            assert found == items[: len(found)]
            assert len(found) < len(items)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_in_a_segment_are_survived(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "0000000001.journal").write_bytes(content)
        with Journal(name) as journal:
            assert len(journal.damage) == 1
            assert journal.unsealed() == []


def test_damage_to_one_segment_leaves_the_others_readable(tmp_path: Path) -> None:
    with Journal(tmp_path, segment_bytes=200) as journal:
        journal.begin("a", FORMAT)
        for number in range(9):
            journal.append("a", packet(number, 60), arrived_us=0)
            journal.flush()
    first, *others = segments(tmp_path)
    assert len(others) >= 2
    content = bytearray(first.read_bytes())
    content[20] ^= 1  # in the record that begins the recording
    first.write_bytes(content)
    with Journal(tmp_path) as journal:
        assert [d.segment for d in journal.damage] == [first]
        assert not journal.damage[0].torn
        found = [p.packet.sequence for p in journal.read("a")]
        assert found == list(range(found[0], 9))
        assert found[0] > 0
        journal.mark_sealed("a")
        journal.flush()
    assert segments(tmp_path) == []
    assert [p.name for p in tmp_path.glob("*-damaged")] == ["0000000001.journal-damaged"]


def test_damage_after_opening_is_an_error_and_no_silence(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.begin("a", FORMAT)
        journal.append("a", packet(0), arrived_us=0)
        journal.append("a", packet(1), arrived_us=0)
        journal.flush()
        path = segments(tmp_path)[0]
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(JournalError, match="checksum is wrong"):
            list(journal.read("a"))


def test_a_recording_is_read_without_what_others_have_in_its_segment(tmp_path: Path) -> None:
    """Reading all of a segment for each of a thousand short recordings in it would take long."""
    ends: list[int] = []
    with Journal(tmp_path) as journal:
        for key in "abc":
            journal.begin(key, FORMAT)
            journal.append(key, packet(0), arrived_us=0)
            journal.flush()
            ends.append(segments(tmp_path)[0].stat().st_size)
        journal.append("b", packet(1), arrived_us=0)
        journal.flush()
        (segment,) = segments(tmp_path)
        data = bytearray(segment.read_bytes())
        data[ends[0] - 1] ^= 1  # in what "a" has
        segment.write_bytes(data)
        assert [p.packet.sequence for p in journal.read("c")] == [0]
        assert [p.packet.sequence for p in journal.read("b")] == [0, 1]
        with pytest.raises(JournalError, match="checksum is wrong"):
            list(journal.read("a"))


def test_segments_go_when_all_in_them_is_sealed(tmp_path: Path) -> None:
    with Journal(tmp_path, segment_bytes=300) as journal:
        journal.begin("a", FORMAT)
        journal.begin("b", FORMAT)
        for number in range(4):
            journal.append("a", packet(number, 100), arrived_us=0)
            journal.append("b", packet(number, 100), arrived_us=0)
            journal.flush()
        assert len(segments(tmp_path)) == 4
        journal.mark_sealed("a")
        with pytest.raises(InvalidArgumentError, match="is sealed"):
            journal.append("a", packet(9), arrived_us=0)
        journal.flush()
        assert journal.unsealed() == ["b"]
        assert len(segments(tmp_path)) == 5
    with Journal(tmp_path) as journal:
        assert journal.unsealed() == ["b"]
        assert [p.packet.sequence for p in journal.read("b")] == [0, 1, 2, 3]
        journal.mark_sealed("b")
        journal.flush()
        assert segments(tmp_path) == []
        journal.begin("a", FORMAT)  # the key is free again
        journal.append("a", packet(7), arrived_us=0)
        journal.flush()
        assert [p.packet.sequence for p in journal.read("a")] == [7]


def test_a_second_user_of_the_directory_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(JournalError, match="another process"):
        Journal(tmp_path)
    Journal(tmp_path).close()


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path / "file")


def test_what_waits_is_bounded_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    with Journal(tmp_path, pending_bytes=1000) as journal:
        journal.begin("a", FORMAT)
        one = journal.pending_bytes
        journal.append("a", packet(0), arrived_us=0)
        kept = 1
        while journal.pending_bytes + (journal.pending_bytes - one) // kept <= 1000:
            journal.append("a", packet(kept), arrived_us=0)
            kept += 1
        with pytest.raises(JournalError, match="slow the senders down"):
            journal.append("a", packet(kept), arrived_us=0)
        assert 0 < journal.pending_bytes <= 1000
        assert journal.flush() == {"a": Durable(((0, kept),), ended=False)}
        assert journal.pending_bytes == 0
        journal.append("a", packet(kept), arrived_us=0)
        journal.flush()
        assert [p.packet.sequence for p in journal.read("a")] == list(range(kept + 1))


FULL_DISK = """
import os, resource, sys
from opuscule.errors import JournalError
from opuscule.journal import Journal
from opuscule.packets import Packet, StreamFormat
journal = Journal(sys.argv[1])
journal.begin("a", StreamFormat(1, 312, 48000))
journal.append("a", Packet(0, 0, 960, bytes(500)), arrived_us=0)
journal.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
journal.append("a", Packet(1, 960, 960, bytes(900)), arrived_us=0)
errors = []
for k in range(2, 5):
    try:
        journal.flush()
    except JournalError as error:
        errors.append(error)
        assert "not durable" in str(error), error
        assert "Errno" not in str(error), error
    else:
        raise SystemExit("a full disk was not noticed")
    journal.append("a", Packet(k, k * 960, 960, bytes(900)), arrived_us=0)
files = sorted(os.listdir(sys.argv[1]))
assert len(files) == 2, files
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
durable = journal.flush()
assert {k for first, end in durable["a"].ranges for k in range(first, end)} == {1, 2, 3, 4}, durable
assert [p.packet.sequence for p in journal.read("a")] == [0, 1, 2, 3, 4]
journal.close()
assert Journal(sys.argv[1]).damage == ()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit on a file's size is POSIX")
def test_a_full_disk_acknowledges_nothing_and_loses_nothing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path / "j")], check=True)


@pytest.mark.parametrize(
    "bad",
    [
        Packet(0, 0, 960, b""),
        Packet(0, 0, 960, bytes(61_299)),
        Packet(2**63, 0, 960, b"x"),
        Packet(0, 0, 70_000, b"x"),
    ],
)
def test_a_packet_that_does_not_fit_is_refused_and_changes_nothing(
    tmp_path: Path, bad: Packet
) -> None:
    with Journal(tmp_path) as journal:
        journal.begin("a", FORMAT)
        with pytest.raises(InvalidArgumentError):
            journal.append("a", bad, arrived_us=0)
        journal.append("a", packet(1), arrived_us=0)
        assert journal.flush() == {"a": Durable(((1, 2),), ended=False)}


def test_misuse_names_the_recording(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        with pytest.raises(InvalidArgumentError, match="'a' has not begun"):
            journal.append("a", packet(0), arrived_us=0)
        journal.begin("a", FORMAT)
        with pytest.raises(InvalidArgumentError, match="'a' has begun already"):
            journal.begin("a", FORMAT)
        with pytest.raises(InvalidArgumentError, match="not JSON"):
            journal.begin("b", FORMAT, {"x": b"bytes"})
        with pytest.raises(InvalidArgumentError, match="expected 1"):
            journal.begin("", FORMAT)
        with pytest.raises(InvalidArgumentError, match="at most"):
            journal.begin("c", FORMAT, {"x": "y" * 200_000})
        with pytest.raises(InvalidArgumentError, match="end_samples"):
            journal.end("a", -1)
        assert journal.unsealed() == ["a"]


def test_what_is_sealed_stays_so_though_its_key_is_used_again(tmp_path: Path) -> None:
    def reopened(journal: Journal) -> Journal:
        journal.flush()
        journal.close()
        return Journal(tmp_path, segment_bytes=400)

    journal = Journal(tmp_path, segment_bytes=400)
    journal.begin("a", FORMAT)
    journal = reopened(journal)
    journal.mark_sealed("a")
    journal.begin("a", FORMAT)
    journal = reopened(journal)
    assert journal.unsealed() == ["a"]
    # Its mark comes into another segment than its beginning, which the first one's mark is in.
    journal.mark_sealed("a")
    journal = reopened(journal)
    assert journal.unsealed() == []
    journal.close()
    assert segments(tmp_path) == []


class JournalModel(RuleBasedStateMachine):
    """Any order of calls, flushes, crashes and restarts against plain lists."""

    keys = Bundle("keys")

    @initialize()
    def start(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.generation = 0
        self.directory = Path(self.place.name) / "0"
        self.journal = Journal(self.directory, segment_bytes=400)
        self.durable: dict[str, list[JournalPacket]] = {}
        self.pending: dict[str, list[JournalPacket]] = {}
        self.durably_begun: set[str] = set()
        self.sealing: set[str] = set()

    @rule(target=keys, key=st.sampled_from("abc"))
    def begin(self, key: str) -> str:
        if key not in self.pending:
            self.journal.begin(key, FORMAT)
            self.pending[key] = []
            self.durable[key] = []
        return key

    @rule(key=keys, items=st.lists(arrivals, max_size=3))
    def append(self, key: str, items: list[JournalPacket]) -> None:
        if key in self.pending:
            for item in items:
                append(self.journal, key, item)
                self.pending[key].append(item)

    @rule(key=keys)
    def seal(self, key: str) -> None:
        if key in self.durably_begun and key in self.pending:
            self.journal.mark_sealed(key)
            self.sealing.add(key)
            del self.pending[key]
            self.durably_begun.discard(key)

    @rule()
    def flush(self) -> None:
        self.journal.flush()
        self.sealing.clear()
        for key, items in self.pending.items():
            self.durable[key] += items
            self.pending[key] = []
            self.durably_begun.add(key)

    @precondition(lambda self: not self.sealing)
    @rule(crash=st.booleans())
    def restart(self, crash: bool) -> None:
        if not crash:
            self.flush()
        self.generation += 1
        copy = Path(self.place.name) / str(self.generation)
        shutil.copytree(self.directory, copy)
        self.journal.close()
        self.directory = copy
        self.journal = Journal(copy, segment_bytes=400)
        assert self.journal.damage == ()
        self.pending = {key: [] for key in self.durably_begun}

    @invariant()
    def holds_what_is_durable(self) -> None:
        assert set(self.journal.unsealed()) == set(self.pending)
        for key in self.pending:
            assert list(self.journal.read(key)) == self.durable[key]

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.place.cleanup()


JournalModel.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestJournalModel = JournalModel.TestCase
