"""The catalogue says what is in an archive, and an archive without one is whole all the same."""

import json
import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from opuscule.archive import Archive, Entry, open_archive, reindex
from opuscule.archive.reading import archive as archive_module
from opuscule.archive.storage.catalogue import CATALOGUE
from opuscule.archive.storage.changes import take_away
from opuscule.archive.storage.entries import line, parse
from opuscule.archive.storage.incoming import tree_bytes
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.errors import CorruptArchiveError
from opuscule.packets import Packet, StreamFormat

FORMAT = StreamFormat(1, 312, 48_000)


def add(archive: Path, name: str, **known: object) -> None:
    with RecordingWriter(archive, name, FORMAT) as writer:
        for n in range(50):
            writer.add(Packet(n, n * 960, 960, b"\xf8\xff\xfe"))
        writer.finish(48_000, **known)  # type: ignore[arg-type] # each test gives what fits


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    add(
        path,
        "dawn",
        start_epoch_ms=1_700_000_000_000,
        source={"kind": "live", "device": "kitchen"},
        attributes={"plot": "B7", "visit": 2},
    )
    add(
        path,
        "dusk",
        complete=False,
        start_epoch_ms=1_700_000_010_000,
        source={"kind": "import", "name": "dusk.wav", "sha256": "ab"},
        comments=[("Title", "an evening"), ("title", "not this"), ("COVER", "x" * 1000)],
    )
    add(path, "night")
    return path


def names(found: object) -> list[str]:
    return [entry.name for entry in found]  # type: ignore[attr-defined] # entries


def test_each_recording_has_a_line(archive: Path) -> None:
    text = (archive / CATALOGUE).read_bytes()
    assert [json.loads(each)["recording"]["name"] for each in text.splitlines()] == [
        "dawn",
        "dusk",
        "night",
    ]
    dawn, dusk, night = (open_archive(archive).catalogue()[n] for n in ("dawn", "dusk", "night"))
    assert (dawn.device, dawn.attributes) == ("kitchen", {"plot": "B7", "visit": 2})
    assert (dusk.complete, dusk.path, dusk.sha256) == (False, "dusk.wav", "ab")
    assert dusk.tags == {"TITLE": "an evening"}
    assert (night.total_samples, night.channels, night.payload_bytes) == (47_688, 1, 150)
    assert (night.kind, night.rate, night.gaps, night.prepared) == ("", 48_000, 0, False)
    for entry in (dawn, dusk, night):
        assert entry.stored_bytes == tree_bytes(archive / "recordings" / entry.name)
        assert entry.added_epoch_ms == open_archive(archive)[entry.name].info.added_epoch_ms
    assert open_archive(archive)["dawn"].info.attributes == {"plot": "B7", "visit": 2}


def test_an_archive_is_searched(archive: Path) -> None:
    find = open_archive(archive).find
    assert names(find()) == ["dawn", "dusk", "night"]
    assert names(find("d*")) == ["dawn", "dusk"]
    assert names(find(device="kitchen")) == ["dawn"]
    assert names(find(attributes={"plot": "B7"})) == ["dawn"]
    assert names(find(attributes={"plot": "B8"})) == []
    assert names(find(attributes={"TITLE": "an evening"})) == ["dusk"]
    assert names(find(attributes={"plot": None})) == []
    # Each lasts 993.5 ms.
    assert names(find(start_epoch_ms=1_700_000_000_993)) == ["dawn", "dusk"]
    assert names(find(start_epoch_ms=1_700_000_000_994)) == ["dusk"]
    assert names(find(stop_epoch_ms=1_700_000_010_000)) == ["dawn"]
    assert names(find(stop_epoch_ms=1_700_000_010_001)) == ["dawn", "dusk"]


def test_an_open_archive_sees_what_comes_and_goes(archive: Path) -> None:
    opened = open_archive(archive)
    assert len(opened) == 3
    add(archive, "more")
    assert "more" in set(opened)
    take_away(archive, ["dawn"])
    assert list(opened) == ["dusk", "more", "night"]
    add(archive, "dawn")
    assert list(opened) == ["dawn", "dusk", "more", "night"]


@pytest.mark.parametrize("damage", ["missing", "flipped", "no line", "not JSON"])
def test_without_a_sound_catalogue_the_recordings_are_read(
    archive: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = dict(open_archive(archive).catalogue())
    path = archive / CATALOGUE
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        path.write_bytes(data.replace(b"kitchen", b"kitchem"))
    elif damage == "no line":
        path.write_bytes(data + b"\n" + data)
    else:
        path.write_bytes(b"hello\n")
    opened = open_archive(archive)
    assert opened.catalogue() == before
    assert len(opened) == 3
    assert sum("reindex" in message for message in caplog.messages) == 1
    assert reindex(archive).recordings == 3
    caplog.clear()
    assert open_archive(archive).catalogue() == before
    assert caplog.messages == []
    assert path.read_bytes() == data


def test_any_flipped_byte_of_a_line_is_noticed() -> None:
    data = line(Entry(name="a", device="b")) + line(Entry(name="c"))
    parse(data, {})
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        entries: dict[str, Entry] = {}
        try:
            parse(bytes(changed), entries)
        except CorruptArchiveError:
            continue
        # What does not matter: the member's own name and what is around it.
        pytest.fail(f"byte {place} of {data!r}")


def test_a_line_that_was_not_finished_is_ignored_and_overwritten(
    archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (archive / CATALOGUE).open("ab") as file:
        file.write(line(Entry(name="torn"))[:-5])
    opened = open_archive(archive)
    assert list(opened) == ["dawn", "dusk", "night"]
    add(archive, "next")
    assert list(opened) == ["dawn", "dusk", "next", "night"]
    assert caplog.messages == []
    assert b"torn" not in (archive / CATALOGUE).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="locks are POSIX")
def test_a_recording_whose_writer_died_before_its_line_is_found(archive: Path) -> None:
    data = (archive / CATALOGUE).read_bytes()
    (archive / CATALOGUE).write_bytes(b"".join(data.splitlines(keepends=True)[:2]))
    left = archive / ".incoming" / "night.abc"
    left.mkdir(parents=True)
    opened = open_archive(archive)
    assert list(opened) == ["dawn", "dusk", "night"]
    add(archive, "next")
    assert not left.exists()
    assert list(opened) == ["dawn", "dusk", "next", "night"]
    assert b'"night"' in (archive / CATALOGUE).read_bytes()


def test_a_catalogue_that_cannot_be_written_goes(
    archive: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (archive / CATALOGUE).unlink()
    (archive / CATALOGUE).symlink_to("/dev/full")
    add(archive, "more")
    assert any("cannot be written, and is removed" in message for message in caplog.messages)
    assert list(open_archive(archive)) == ["dawn", "dusk", "more", "night"]
    add(archive, "again")  # and with it the catalogue is there again
    assert len((archive / CATALOGUE).read_bytes().splitlines()) == 5


def test_a_catalogue_that_was_written_anew_is_read_anew(archive: Path) -> None:
    opened = open_archive(archive)
    assert len(opened) == 3
    for n in range(20):  # the number of a file that is gone goes to the next one
        add(archive, f"n{n}")
        take_away(archive, ["dawn" if n == 0 else f"n{n - 1}"])
        if n % 3 == 0:
            assert list(opened) == sorted(["dusk", "night", f"n{n}"])


def _add_many(path: Path, prefix: str) -> None:
    for n in range(6):
        add(path, f"{prefix}{n}")


@pytest.mark.row("X4")
def test_many_writers_and_a_reader_agree(archive: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add_many, args=(archive, prefix)) for prefix in "xyz"]
    for writer in writers:
        writer.start()
    opened: Archive = open_archive(archive)
    seen = 0
    while any(writer.is_alive() for writer in writers):
        for name in opened:
            assert opened[name].info.packets == 50
        assert len(opened) >= seen
        seen = len(opened)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(opened) == 21
    assert len((archive / CATALOGUE).read_bytes().splitlines()) == 21


def test_a_hundred_thousand_recordings_are_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path / "a.zarr", "one")
    lines = (
        line(Entry(name=f"r{n}", device=f"d{n % 7}", start_epoch_ms=n)) for n in range(100_000)
    )
    (tmp_path / "a.zarr" / CATALOGUE).write_bytes(b"".join(lines))
    monkeypatch.setattr(archive_module, "read_entry", None)  # no recording is read
    opened = open_archive(tmp_path / "a.zarr")
    assert len(opened) == 100_000
    assert len(names(opened.find(device="d3", stop_epoch_ms=70_000))) == 10_000


def test_the_catalogue_is_on_the_disk(archive: Path) -> None:
    assert os.access(archive / CATALOGUE, os.R_OK)
    assert not list(archive.glob(".catalogue*"))
