"""Folders of recordings: all of them once, whatever fails, and on from where it was stopped."""

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from opuscule.archive import FileOutcome, import_file, import_tree, open_archive
from opuscule.archive.importing.sources import KnownSources, file_mark, look_at
from opuscule.errors import InvalidArgumentError, NotAnArchiveError

from .conftest import voice_like
from .test_importer import write_wav

VOICE = voice_like(2 * 8_000, 8_000)


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """A field season: two sites, what is no audio, what is broken, and the same file twice."""
    folder = tmp_path / "field"
    for site, number in (("north", 0), ("north", 1), ("south", 2)):
        (folder / site / "june").mkdir(parents=True, exist_ok=True)
        write_wav(folder / site / "june" / f"{number}.wav", VOICE[number * 100 :], 8_000)
    shutil.copy(folder / "north" / "june" / "0.wav", folder / "south" / "june" / "copy.wav")
    (folder / "north" / "notes.txt").write_text("rain at dusk")
    (folder / "north" / ".hidden.wav").write_text("a Mac's")
    (folder / "south" / "broken.wav").write_text("no audio")
    (folder / "south" / "empty.wav").touch()
    return folder


def outcomes(archive: Path, *sources: Path, **options: object) -> dict[str, tuple[str, str | None]]:
    told: list[FileOutcome] = []
    report = import_tree(archive, sources, on_outcome=told.append, **options)  # type: ignore[arg-type]
    assert sum(report.counts.values()) == len(told)
    assert report.ok == all(one.status != "failed" for one in told)
    top = sources[0]
    return {str(Path(one.path).relative_to(top)): (one.status, one.name) for one in told}


@pytest.mark.row("Z1")
def test_a_tree_and_a_second_run(tmp_path: Path, field: Path) -> None:
    archive, manifest = tmp_path / "a.zarr", tmp_path / "manifest.jsonl"
    said = outcomes(archive, field, threads=3, manifest=manifest)
    twins = {said.pop("north/june/0.wav"), said.pop("south/june/copy.wav")}
    (name,) = {name for _, name in twins}
    assert {status for status, _ in twins} == {"imported", "duplicate"}
    assert said == {
        "north/june/1.wav": ("imported", "north-june-1"),
        "south/june/2.wav": ("imported", "south-june-2"),
        "north/notes.txt": ("passed_over", None),
        "south/broken.wav": ("failed", None),
        "south/empty.wav": ("failed", None),
    }
    opened = open_archive(archive)
    assert sorted(opened) == sorted([name or "", "north-june-1", "south-june-2"])
    assert opened["north-june-1"].info.source["path"] == "north/june/1.wav"
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert len(lines) == 7
    why = {Path(line["path"]).name: (line["kind"], line["error"]) for line in lines}
    assert why["empty.wav"][0] == "FormatError"
    assert "is empty" in why["empty.wav"][1]
    assert "broken.wav is not audio" in why["broken.wav"][1]

    write_wav(field / "new.wav", VOICE[1000:], 8_000)
    again = outcomes(archive, field)
    assert again["new.wav"] == ("imported", "new")
    assert again["north/june/1.wav"] == ("already", "north-june-1")
    assert {again["north/june/0.wav"], again["south/june/copy.wav"]} == {
        ("already", name),
        ("duplicate", name),
    }
    assert len(open_archive(archive)) == 4


def test_duplicates_are_kept_if_wanted_and_once(tmp_path: Path, field: Path) -> None:
    archive = tmp_path / "a.zarr"
    for _ in range(2):
        said = outcomes(archive, field, duplicates="keep")
        assert sorted(open_archive(archive)) == [
            "north-june-0",
            "north-june-1",
            "south-june-2",
            "south-june-copy",
        ]
    assert said["north/june/0.wav"] == ("already", "north-june-0")
    assert said["south/june/copy.wav"] == ("already", "south-june-copy")


@pytest.mark.parametrize("settled", [False, True])
def test_the_other_channels_of_a_file_and_the_file_under_another_name(
    tmp_path: Path, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settled:  # as a file of yesterday, of which the mark is enough
        monkeypatch.setattr("opuscule.archive.importing.sources._SETTLED_NS", 0)
    folder, archive = tmp_path / "array", tmp_path / "a.zarr"
    folder.mkdir()
    mono = np.frombuffer(VOICE, np.int16)
    four = np.stack([mono[n : n + 12_000] for n in range(4)], axis=1)
    file = write_wav(folder / "four.wav", four.tobytes(), 8_000, 4)

    def one(source: Path, **options: object) -> tuple[str, str | None]:
        (said,) = outcomes(archive, source, **options).values()
        return said

    for _ in range(2):
        first = one(folder, channels=[1, 2])
        third = one(folder, channels=[4])
        fourth = one(file, channels=[3, 4], name="rest")
    assert first == ("already", "four")
    assert third == ("already", "four-ch4")
    assert fourth == ("already", "rest")
    opened = open_archive(archive)
    assert sorted(opened) == ["four", "four-ch4", "rest"]
    assert opened["rest"].info.source["picked_channels"] == [3, 4]
    # Whoever does not choose means what is there.
    assert one(folder)[0] == "already"
    assert one(file, channels=[1, 2], name="again") == ("already", "four")
    for status in ("imported", "already"):
        assert one(file, channels=[1, 2], name="again", duplicates="keep") == (status, "again")


def test_two_imports_of_one_folder_at_once(tmp_path: Path, field: Path) -> None:
    archive = tmp_path / "a.zarr"
    told: list[FileOutcome] = []
    both = [
        threading.Thread(
            target=import_tree,
            args=(archive, [field / "north"]),
            kwargs={"on_outcome": told.append},
        )
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    statuses = sorted(one.status for one in told)
    assert statuses.count("imported") == len(open_archive(archive))
    assert set(statuses) <= {"imported", "already", "passed_over"}, told


def test_two_cards_with_the_same_names(tmp_path: Path) -> None:
    for n, card in enumerate(("card1", "card2")):
        (tmp_path / card).mkdir()
        write_wav(tmp_path / card / "20260501_043000.wav", VOICE[n:], 8_000)
    cards = [tmp_path / card / "20260501_043000.wav" for card in ("card1", "card2")]
    import_tree(tmp_path / "a.zarr", cards)
    names = {"card1-20260501_043000", "card2-20260501_043000"}
    assert set(open_archive(tmp_path / "a.zarr")) == names
    import_tree(tmp_path / "a.zarr", cards)
    assert set(open_archive(tmp_path / "a.zarr")) == names


def test_names_that_clash(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    write_wav(one / "a.wav", VOICE, 8_000)
    write_wav(one / "a.wave", VOICE[2:], 8_000)
    write_wav(two / "a.wav", VOICE[4:], 8_000)
    archive = tmp_path / "a.zarr"
    assert outcomes(archive, one) == {
        "a.wav": ("imported", "a.wav"),
        "a.wave": ("imported", "a.wave"),
    }
    assert outcomes(archive, two) == {"a.wav": ("imported", "a")}
    write_wav(two / "a.wav", VOICE[6:], 8_000)
    ((_, (status, name)),) = outcomes(archive, two).items()
    assert status == "imported"
    assert name is not None
    assert name.startswith("a-")
    # A file that was named itself has the name that it says, or none.
    write_wav(two / "a.wav", VOICE[8:], 8_000)
    told: list[FileOutcome] = []
    import_tree(archive, [two / "a.wav"], on_outcome=told.append)
    assert [(one.status, one.kind) for one in told] == [("failed", "RecordingExistsError")]


def test_a_touched_file_is_known_by_its_hash_and_another_by_its_content(
    tmp_path: Path, field: Path
) -> None:
    archive, file = tmp_path / "a.zarr", field / "north" / "june" / "1.wav"
    outcomes(archive, file.parent)
    status = file.stat()
    os.utime(file, ns=(1, status.st_mtime_ns + 1))
    assert outcomes(archive, file.parent)["1.wav"] == ("already", "1")
    # Another content, of the same length and time.
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(1, status.st_mtime_ns))
    assert outcomes(archive, file.parent)["1.wav"][0] == "imported"


def test_marks_are_given_where_time_is_fine_and_settled(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    status = file.stat()
    fine = status.st_ctime_ns % 1_000_000 != 0
    later = status.st_ctime_ns + 3_000_000_000
    assert (file_mark(file, status, later) is not None) == fine
    assert file_mark(file, status, status.st_ctime_ns + 1_000_000_000) is None


def test_what_was_not_touched_is_known_unread(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", VOICE, 8_000)
    later = file.stat().st_ctime_ns + 3_000_000_000
    seen = look_at(file, now_ns=later)
    if seen.mark is None:
        pytest.skip("this file system keeps time too coarsely")
    import_file(tmp_path / "a.zarr", file, seen=seen)
    known = KnownSources(tmp_path / "a.zarr")
    assert known.untouched(file_mark(file, file.stat(), later)) == ["a"]
    moved = file.rename(tmp_path / "b.wav")
    assert known.untouched(file_mark(moved, moved.stat(), later + 3_000_000_000)) == []
    assert known.same_content(look_at(moved, now_ns=later)) == ("a", False)


def test_a_stop_on_the_way_and_the_next_run(tmp_path: Path, field: Path) -> None:
    archive = tmp_path / "a.zarr"

    def stop(outcome: FileOutcome) -> None:
        if outcome.status == "imported":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_tree(archive, [field], threads=2, on_outcome=stop)
    assert not any(thread.name == "opuscule-import" for thread in threading.enumerate())
    assert not (archive / ".incoming").exists()
    done = set(open_archive(archive))
    assert done
    outcomes(archive, field)
    assert done <= set(open_archive(archive))
    assert len(open_archive(archive)) == 3


def test_what_would_fail_for_all_is_raised(tmp_path: Path, field: Path) -> None:
    with pytest.raises(NotAnArchiveError):
        import_tree(field, [field / "north"])
    with pytest.raises(InvalidArgumentError, match="duplicates"):
        import_tree(tmp_path / "a.zarr", [field], duplicates="drop")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="one file"):
        import_tree(tmp_path / "a.zarr", [field], name="x")
    assert not (tmp_path / "a.zarr").exists()


def test_a_name_that_leads_nowhere_in_a_folder_stops_no_other(tmp_path: Path, field: Path) -> None:
    before = import_tree(tmp_path / "a.zarr", [field])
    (field / "gone.wav").symlink_to("nobody")
    (field / "long.wav").symlink_to("x" * 300)  # more than a name may have: looking at it fails
    report = import_tree(tmp_path / "b.zarr", [field])
    assert report.counts["imported"] == before.counts["imported"]
    new = [one for one in report.failures if one.path == str(field / "long.wav")]
    assert [one.error for one in new] == [f"{field / 'long.wav'}: File name too long"]


def test_an_archive_inside_the_folder_is_left_out(field: Path) -> None:
    archive = field / "a.zarr"
    first = outcomes(archive, field)
    assert set(outcomes(archive, field)) == set(first)
