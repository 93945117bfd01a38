"""What nobody needs is found and removed, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from opuscule.archive import (
    GarbageReport,
    Leftover,
    RecordingWriter,
    collect_garbage,
    open_archive,
    prepare,
    remove_recordings,
)
from opuscule.archive.storage.catalogue import CATALOGUE
from opuscule.errors import NotAnArchiveError
from opuscule.packets import Packet

from .test_removal import FORMAT, add, check


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    add(path, "a")
    return path


def leave(archive: Path, name: str) -> Path:
    """Begin a recording in a process that dies."""
    code = (
        "import os, sys; from opuscule.archive import RecordingWriter\n"
        "from opuscule.packets import Packet, StreamFormat\n"
        "writer = RecordingWriter(sys.argv[1], sys.argv[2], StreamFormat(1, 312, 48_000))\n"
        "writer.add(Packet(0, 0, 960, b'x' * 1000)); writer._payload.flush(); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, archive, name], check=False)
    assert done.returncode == 9
    (left,) = (archive / ".incoming").glob(f"{name}.*")
    return left


def test_nothing_is_found_where_nothing_is(archive: Path, tmp_path: Path) -> None:
    assert collect_garbage(archive) == GarbageReport((), 0, 0)
    with pytest.raises(NotAnArchiveError):
        collect_garbage(tmp_path / "b.zarr")


def test_what_a_killed_writer_left(archive: Path) -> None:
    left = leave(archive, "b")
    report = GarbageReport((Leftover(left, 1000, "unfinished"),), 1000, 0)
    assert collect_garbage(archive, dry_run=True) == report
    assert left.exists()
    assert collect_garbage(archive) == report
    assert check(archive) == {"a"}


def test_what_a_living_writer_holds_is_left_alone(archive: Path) -> None:
    with RecordingWriter(archive, "mine", FORMAT) as writer:
        left = leave(archive, "b")
        writer.add(Packet(0, 0, 960, b"\xf8\xff\xfe"))
        assert collect_garbage(archive) == GarbageReport(
            (Leftover(left, 1000, "unfinished"),), 1000, 1
        )
        assert not left.exists()
        left = leave(archive, "c")
        add(archive, "d")  # and whoever writes clears up as well
        assert not left.exists()
        writer.finish(960)
    assert check(archive) == {"a", "d", "mine"}


def test_a_removal_that_was_killed(archive: Path) -> None:
    add(archive, "b")
    left = leave(archive, "b2").rename(archive / ".incoming" / "b.x")
    (archive / "recordings" / "b").rename(left / "removed")
    lines = (archive / CATALOGUE).read_bytes().splitlines(keepends=True)
    (archive / CATALOGUE).write_bytes(lines[0])
    assert list(open_archive(archive)) == ["a"]
    (found,) = collect_garbage(archive).found
    assert (found.kind, found.size_bytes > 1000) == ("removed", True)
    assert check(archive) == {"a"}


def test_a_recording_whose_removal_had_not_begun_stays(archive: Path) -> None:
    """Killed between the catalogue and the move, it is there as it was."""
    add(archive, "b")
    leave(archive, "b2").rename(archive / ".incoming" / "b.x")
    lines = (archive / CATALOGUE).read_bytes().splitlines(keepends=True)
    (archive / CATALOGUE).write_bytes(lines[0])
    assert list(open_archive(archive)) == ["a", "b"]
    collect_garbage(archive)
    assert check(archive) == {"a", "b"}


def test_a_line_whose_recording_did_not_reach_the_disk(archive: Path) -> None:
    """After a loss of power the line may be there, and the recording not yet in its place."""
    add(archive, "b")
    left = leave(archive, "b2").rename(archive / ".incoming" / "b.x")
    (archive / "recordings" / "b").rename(left / "recording")
    assert list(open_archive(archive)) == ["a"]
    assert collect_garbage(archive).found[0].kind == "unfinished"
    assert check(archive) == {"a"}


def test_lines_that_others_replaced(archive: Path) -> None:
    before = (archive / CATALOGUE).read_bytes()
    prepare(open_archive(archive)["a"])
    assert open_archive(archive).catalogue()["a"].prepared
    (found,) = collect_garbage(archive, dry_run=True).found
    assert found == Leftover(archive / CATALOGUE, len(before), "catalogue")
    assert collect_garbage(archive).freed_bytes == len(before)
    assert collect_garbage(archive).found == ()
    assert check(archive) == {"a"}


def test_what_was_left_beside_the_archive(archive: Path) -> None:
    left = archive.parent / ".a.zarr.x8d7.opuscule"
    (left / "archive").mkdir(parents=True)
    (left / "archive" / "zarr.json").write_bytes(b"{}")
    others = [".a.zarr.old", ".b.zarr.x8d7.opuscule", "a.zarr.opuscule"]
    for other in others:
        (archive.parent / other).mkdir()
    assert collect_garbage(archive).found == (Leftover(left, 2, "unfinished"),)
    assert {path.name for path in archive.parent.iterdir()} == {"a.zarr", *others}


def test_a_catalogue_that_was_not_written_to_its_end(archive: Path) -> None:
    half = archive / f".{CATALOGUE}.new"
    half.write_bytes(b"x" * 10)
    assert collect_garbage(archive).found == (Leftover(half, 10, "catalogue"),)
    assert check(archive) == {"a"}
    (archive / CATALOGUE).write_bytes(b"damaged\n")  # which is reindex's to mend
    assert collect_garbage(archive).found == ()
    remove_recordings(archive, ["a"])
    assert check(archive) == set()
