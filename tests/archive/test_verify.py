"""Verifying finds what was changed, and nothing where nothing was."""

import json
from pathlib import Path

import pytest

from opuscule.archive.reading.archive import open_archive
from opuscule.archive.reading.recording import Recording
from opuscule.archive.storage.documents import checksum
from opuscule.archive.upkeep.verify import verify
from opuscule.errors import CorruptArchiveError

from .conftest import GAPS, Speech, with_gaps, write


@pytest.mark.row("X4")
@pytest.mark.parametrize("name", ["plain", "gappy", "stereo"])
def test_a_sound_recording_passes(archive: Path, name: str) -> None:
    report = verify(open_archive(archive)[name], ranges=6, seed=1)
    assert report.ok
    assert report.problems == ()
    assert report.ranges == 6
    assert report.compared_samples > 48_000
    assert verify(open_archive(archive)[name], ranges=0).compared_samples == 0


@pytest.fixture
def spoilt(tmp_path: Path, speech: Speech) -> Path:
    return write(tmp_path / "a.zarr", "plain", speech, with_gaps(speech.packets, GAPS)).path


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


def reopened(path: Path) -> Recording:
    return open_archive(path.parents[1])[path.name]


@pytest.mark.parametrize(
    ("file", "place", "says"),
    [
        ("packets/c/0", 5000, "damaged: their checksum is wrong"),
        ("packets/c/0", -10, "the shard's index"),
        ("index/c/0", 7, "without its index nobody can tell its"),
        ("index/c/0", -1, "reindex"),
        ("zarr.json", 100, "damaged"),
    ],
)
def test_a_changed_bit_is_found(spoilt: Path, file: str, place: int, says: str) -> None:
    flip(spoilt / file, place)
    try:
        problems = verify(reopened(spoilt), ranges=2).problems
    except CorruptArchiveError as error:
        problems = (str(error),)
    assert any(says in problem for problem in problems)


def test_a_wrong_duration_is_found(spoilt: Path) -> None:
    document = json.loads((spoilt / "zarr.json").read_text())
    own = document["attributes"]["opuscule"]
    own["packet_samples"] = 480
    own["checksum"] = checksum(own, document["consolidated_metadata"]["metadata"])
    (spoilt / "zarr.json").write_text(json.dumps(document))
    assert not verify(reopened(spoilt), ranges=0).ok


def test_what_differs_is_named(archive: Path) -> None:
    # Begun cold, a decoder differs: that is how a comparison can be seen to fail.
    report = verify(open_archive(archive)["plain"], ranges=6, pre_roll_ms=0)
    assert not report.ok
    assert "differ from the sequential decode, the first at" in report.problems[0]


def test_how_far_it_is(archive: Path) -> None:
    told: list[tuple[int, int | None]] = []
    recording = open_archive(archive)["plain"]
    assert verify(recording, progress=lambda *so_far: told.append(so_far)).ok
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (recording.info.total_samples,) * 2
