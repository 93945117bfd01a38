"""What is removed is gone from every file, at one moment; the oldest go first."""

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opuscule.archive import (
    Archive,
    RecordingWriter,
    collect_garbage,
    expire_recordings,
    open_archive,
    prepare,
    remove_recordings,
    verify,
)
from opuscule.archive.storage import changes
from opuscule.archive.storage.catalogue import CATALOGUE
from opuscule.archive.storage.entries import Entry, line, parse, read_entry
from opuscule.archive.storage.incoming import make_place, tree_bytes
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.errors import (
    ArchiveError,
    InvalidArgumentError,
    NotAnArchiveError,
    RecordingExistsError,
    RecordingNotFoundError,
)
from opuscule.packets import GapKind, Packet, StreamFormat

from .conftest import Speech, with_gaps, write, write_three

FORMAT = StreamFormat(1, 312, 48_000)
MARKER = b"wren-8431"
DAY_MS = 86_400_000


def add(archive: Path, name: str, packets: int = 50, **known: object) -> None:
    with RecordingWriter(archive, name, FORMAT) as writer:
        for n in range(packets):
            writer.add(Packet(n, n * 960, 960, b"\xf8\xff\xfe"))
        writer.finish(packets * 960, **known)  # type: ignore[arg-type] # each test gives what fits


def test_whoever_comes_while_another_writer_goes_finds_its_place(tmp_path: Path) -> None:
    """The folder for writers goes with the last of them, and comes with the next."""
    failed: list[BaseException] = []

    def come_and_go() -> None:
        try:
            for _ in range(500):
                with make_place(tmp_path, "a"):
                    pass
        except BaseException as error:  # told in the thread of the test
            failed.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def check(archive: Path) -> set[str]:
    """The catalogue says what the folders say, every recording is sound, and nothing is left."""
    store = LocalStore(archive)
    entries: dict[str, Entry] = {}
    parse(store.read(CATALOGUE), entries)
    assert set(entries) == set(store.names("recordings"))
    opened = open_archive(archive)
    assert set(opened) == set(entries)
    for name, entry in entries.items():
        assert entry == read_entry(Place(store, f"recordings/{name}"))
        assert entry.stored_bytes == tree_bytes(archive / "recordings" / name)
        assert verify(opened[name], ranges=1).ok
    assert {path.name for path in archive.iterdir()} == {"recordings", "zarr.json", CATALOGUE}
    return set(entries)


def test_what_is_removed_is_in_no_file(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    add(archive, "other")
    before = {p: p.read_bytes() for p in archive.rglob("*") if p.is_file()}
    name = MARKER.decode()
    with RecordingWriter(archive, name, FORMAT) as writer:
        # Silk packets may hold anything; this one is not decoded.
        writer.add(Packet(0, 0, 960, b"\x08" + MARKER * 10))
        writer.finish(
            960,
            source={"kind": "import", "name": name, "path": f"{name}/x.wav", "sha256": name},
            comments=[("TITLE", f"of {name}")],
            attributes={name: [name]},
        )
    found = [p for p in archive.rglob("*") if p.is_file() and MARKER in p.read_bytes()]
    assert {p.name for p in found} >= {"zarr.json", CATALOGUE, "0"}

    size = tree_bytes(archive / "recordings" / name)
    report = remove_recordings(archive, [name], dry_run=True)
    assert (report.removed, report.freed_bytes) == ((name,), size)
    assert name in open_archive(archive)
    assert remove_recordings(archive, [name]) == report

    assert {p: p.read_bytes() for p in archive.rglob("*") if p.is_file()} == before
    assert not [p for p in archive.rglob("*") if name in p.name]
    assert check(archive) == {"other"}


def test_one_wrong_name_and_nothing_is_removed(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    add(archive, "a")
    for wrong in ("b", "../a.zarr", ".", "zarr.json", ""):
        with pytest.raises(RecordingNotFoundError, match="nothing was removed"):
            remove_recordings(archive, ["a", wrong])
    assert check(archive) == {"a"}
    with pytest.raises(NotAnArchiveError):
        remove_recordings(tmp_path / "b.zarr", ["a"])
    held = {str(p.relative_to(archive)): p.read_bytes() for p in archive.rglob("*") if p.is_file()}
    with pytest.raises(ArchiveError, match="is no folder"):
        remove_recordings(held, ["a"])  # type: ignore[arg-type] # memory is what is refused


def test_a_line_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    add(archive, "a")
    (tmp_path / "dear").mkdir()
    with (archive / CATALOGUE).open("ab") as file:
        file.write(line(Entry(name="../../dear", added_epoch_ms=0)))
    with pytest.raises(InvalidArgumentError, match="cannot name a recording"):
        expire_recordings(archive, now_epoch_ms=2, older_than_ms=1)
    assert (tmp_path / "dear").is_dir()


def test_what_is_damaged_can_be_removed_too(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    for name in ("kept", "no metadata", "no folder", "torn"):
        add(archive, name.replace(" ", "-"))
    (archive / "recordings" / "no-metadata" / "zarr.json").unlink()
    shutil.rmtree(archive / "recordings" / "no-folder")
    (archive / "recordings" / "torn" / "zarr.json").write_bytes(b"{")
    remove_recordings(archive, ["no-metadata", "no-folder", "torn"])
    assert check(archive) == {"kept"}


def test_a_damaged_catalogue_is_made_anew_without_it(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    for name in ("a", "b", MARKER.decode()):
        add(archive, name)
    path = archive / CATALOGUE
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"x"'))
    remove_recordings(archive, [MARKER.decode()])
    assert check(archive) == {"a", "b"}
    assert MARKER not in path.read_bytes()


def test_a_full_disk_does_not_keep_a_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = tmp_path / "a.zarr"
    add(archive, "a")
    add(archive, "b")
    (archive / f".{CATALOGUE}.new").symlink_to("/dev/full")
    remove_recordings(archive, ["a"])
    assert "cannot be written anew" in caplog.text
    assert check(archive) == {"b"}


def test_what_cannot_be_moved_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.zarr"
    for name in "abc":
        add(archive, name)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "b":
            raise PermissionError(13, "not allowed", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(PermissionError):
        remove_recordings(archive, ["a", "b", "c"])
    monkeypatch.undo()
    assert check(archive) == {"b", "c"}


def test_who_has_it_open_is_told(tmp_path: Path, speech: Speech, stereo: Speech) -> None:
    archive = write_three(tmp_path / "a.zarr", speech, stereo)
    recording = open_archive(archive)["plain"]
    assert len(recording[:960]) == 960
    remove_recordings(archive, ["plain"])
    with pytest.raises(RecordingNotFoundError, match="was removed after it was opened"):
        recording[:960]
    with pytest.raises(RecordingNotFoundError, match="was removed after it was opened"):
        prepare(recording)
    assert check(archive) == {"gappy", "stereo"}


def test_sync_points_do_not_go_to_another_recording_of_the_name(
    tmp_path: Path, speech: Speech
) -> None:
    archive = tmp_path / "a.zarr"
    recording = write(archive, "a", speech, iter(speech.packets))

    def replace(done: int, total: int | None) -> None:
        if "a" in open_archive(archive) and open_archive(archive)["a"].info == recording.info:
            remove_recordings(archive, ["a"])
            write(archive, "a", speech, with_gaps(speech.packets, {3: (1, GapKind.LOST)}))

    with pytest.raises(RecordingNotFoundError, match="another recording has its name"):
        prepare(recording, progress=replace)
    assert open_archive(archive)["a"].points is None
    assert check(archive) == {"a"}


def test_the_oldest_go_first(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    now = 20_000 * DAY_MS
    add(archive, "old", start_epoch_ms=now - 40 * DAY_MS, added_epoch_ms=now)
    add(archive, "young", start_epoch_ms=now - 5 * DAY_MS, added_epoch_ms=now - 90 * DAY_MS)
    add(archive, "added", added_epoch_ms=now - 31 * DAY_MS)
    add(archive, "edge", start_epoch_ms=now - 30 * DAY_MS)
    add(archive, "future", start_epoch_ms=now + DAY_MS)
    opened = open_archive(archive)
    sizes = {name: opened.catalogue()[name].stored_bytes for name in opened}

    def expired(**limits: Any) -> tuple[list[str], int]:
        report = expire_recordings(archive, now_epoch_ms=now, dry_run=True, **limits)
        names = [one.name for one in report.removed]
        assert report.freed_bytes == sum(sizes[name] for name in names)
        assert report.kept_bytes == sum(sizes.values()) - report.freed_bytes
        assert report.kept == len(sizes) - len(names)
        return names, report.kept_bytes

    assert expired(older_than_ms=30 * DAY_MS)[0] == ["old", "added"]
    assert expired(older_than_ms=0)[0] == ["old", "added", "edge", "young"]
    assert expired(max_bytes=sum(sizes.values()))[0] == []
    assert expired(max_bytes=sum(sizes.values()) - 1)[0] == ["old"]
    assert expired(max_bytes=0)[0] == ["old", "added", "edge", "young", "future"]
    both = expired(older_than_ms=30 * DAY_MS, max_bytes=sizes["young"] + sizes["future"])
    assert both == (["old", "added", "edge"], sizes["young"] + sizes["future"])
    assert check(archive) == set(sizes)

    report = expire_recordings(
        archive,
        now_epoch_ms=now,
        older_than_ms=30 * DAY_MS,
        max_bytes=sum(sizes.values()) - sizes["old"] - sizes["added"] - 1,
    )
    assert [(one.name, one.counted_from, one.reason) for one in report.removed] == [
        ("old", "start", "age"),
        ("added", "added", "age"),
        ("edge", "start", "size"),
    ]
    assert check(archive) == {"young", "future"}
    for age_ms, size in ((None, None), (None, -1), (-1, 1)):
        with pytest.raises(InvalidArgumentError, match="expected one or both"):
            expire_recordings(archive, now_epoch_ms=now, older_than_ms=age_ms, max_bytes=size)


def test_more_than_go_with_one_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_AT_ONCE", 3)
    archive = tmp_path / "a.zarr"
    for n in range(9):
        add(archive, f"n{n}", 1)
    remove_recordings(archive, [f"n{n}" for n in range(8)])
    assert check(archive) == {"n8"}


ACTIONS = st.tuples(st.sampled_from(["add", "add", "remove", "gc", "prepare"]), st.integers(0, 3))


def act(archive: Path, opened: Archive, what: str, name: str) -> None:
    """Do one thing; that others were faster is no error."""
    with contextlib.suppress(RecordingExistsError, RecordingNotFoundError):
        if what == "add":
            add(archive, name, 3)
        elif what == "remove":
            remove_recordings(archive, [name])
        elif what == "prepare":
            prepare(opened[name])
        else:
            collect_garbage(archive)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.lists(ACTIONS, max_size=12), min_size=1, max_size=4))
def test_any_interleaving_leaves_an_archive(
    tmp_path_factory: pytest.TempPathFactory, programs: list[list[tuple[str, int]]]
) -> None:
    archive = tmp_path_factory.mktemp("any") / "a.zarr"
    add(archive, "always", 3)
    opened = open_archive(archive)
    failed: list[BaseException] = []

    def run(program: Iterator[tuple[str, int]]) -> None:
        try:
            for what, number in program:
                act(archive, opened, what, f"n{number}")
                assert "always" in set(open_archive(archive))
        except BaseException as error:  # told in the thread of the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(iter(program),)) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    collect_garbage(archive)
    names = check(archive)
    assert "always" in names
    if len(programs) == 1:
        there: set[str] = set()
        for what, number in programs[0]:
            if what == "add":
                there.add(f"n{number}")
            elif what == "remove":
                there.discard(f"n{number}")
        assert names == there | {"always"}
