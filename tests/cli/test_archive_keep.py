"""Listing, summing up and deleting, as a user types it."""

import json
import os
import pty
import random
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from opuscule.archive import RecordingWriter, collect_garbage, open_archive, verify
from opuscule.archive.storage.catalogue import CATALOGUE
from opuscule.archive.storage.entries import Entry, parse
from opuscule.archive.storage.incoming import tree_bytes
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

from .conftest import PROGRAM, Done, Shell

KILLS = int(os.environ.get("OPUSCULE_KILLS", "5"))
"""How often a removal is killed; 50 and more show more."""
FORMAT = StreamFormat(1, 312, 16_000)
PACKETS = 150


def add(archive: Path, name: str, packets: int = PACKETS, **known: Any) -> None:
    with RecordingWriter(archive, name, FORMAT) as writer:
        for n in range(packets):
            writer.add(Packet(n, n * 960, 960, b"\xf8\xff\xfe"))
        writer.add(Gap(packets * 960, 4800, GapKind.LOST))
        writer.finish(packets * 960 + 4800, **known)


@pytest.fixture
def archive(inside: Shell) -> Path:
    path = inside.folder / "a.zarr"
    moth = {"audiomoth": {"serial": "24526B065D325963", "battery_v": 4.7, "long": "x" * 999}}
    add(
        path,
        "dawn",
        start_epoch_ms=1_700_000_000_000,
        source={"kind": "import", "path": "june/dawn.wav", "container": "wav", "metadata": moth},
        comments=[("Title", "of the fen")],
        attributes={"plot": "B7", "visit": 2, "quiet": True},
    )
    add(path, "dusk", 50, start_epoch_ms=1_700_086_400_000, complete=False)
    add(path, "night", 300, source={"kind": "live", "device": "kitchen"})
    return path


def run(inside: Shell, *arguments: str) -> Done:
    """Run a command in this process, which is quicker than in one of its own."""
    return inside.call("archive", *arguments)


def well(inside: Shell, *arguments: str) -> str:
    """Run a command that has to succeed in silence; return what it printed."""
    done = run(inside, *arguments)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def listed(inside: Shell, *options: str) -> list[str]:
    return [one["name"] for one in json.loads(well(inside, "ls", *options, "--json"))]


@pytest.mark.usefixtures("archive")
def test_ls(inside: Shell) -> None:
    head, dawn, dusk, night, last = well(inside, "ls", "a.zarr").splitlines()
    assert head.split() == [
        *("name", "start", "(UTC)", "length", "ch", "size", "kbit/s", "source", "prepared", "gaps")
    ]
    size, unit = dawn.split()[6:8]
    assert dawn.split() == [
        *("dawn", "2023-11-14", "22:13:20", "3.1", "s", "1", size, unit, "1.2", "june/dawn.wav"),
        *("no", "1"),
    ]
    assert "(broken off)" in dusk
    assert "kitchen" in night
    assert last.startswith("3 recordings, 10.3 s, ")
    assert len({line.index("prepared") for line in (head,)} | {dawn.index("no ")}) == 1
    (one, *_) = json.loads(well(inside, "ls", "a.zarr", "--json"))
    assert one["stored_bytes"] == tree_bytes(inside.folder / "a.zarr/recordings/dawn")
    assert (one["prepared"], one["metadata"]["audiomoth.battery_v"]) == (False, 4.7)
    assert one["metadata"]["audiomoth.long"] == "x" * 200


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "dawn dusk night"),
        ("--reverse", "night dusk dawn"),
        ("--sort start", "dawn dusk night"),
        ("--sort length", "dusk dawn night"),
        ("--sort size --reverse", "dawn night dusk"),
        ("--sort added", "dawn dusk night"),
        ("--name d*", "dawn dusk"),
        ("--where plot=B7", "dawn"),
        ("--where plot=B7 --where visit=2 --where quiet=true", "dawn"),
        ("--where plot=B7 --where visit=3", ""),
        ("--where TITLE=of\u00a0the\u00a0fen", ""),
        ("--where audiomoth.serial=24526B065D325963", "dawn"),
        ("--where audiomoth.battery_v=4.7", "dawn"),
        ("--where device=kitchen", "night"),
        ("--where kind=import", "dawn"),
        ("--where container=wav --where path=june/dawn.wav", "dawn"),
        ("--where stored_bytes=1", ""),
        ("--after 2023-11-15", "dusk"),
        ("--before 2023-11-15", "dawn"),
        ("--after 2023-11-14T23:13:20+01:00 --before 2023-11-15T23:13:21+01:00", "dawn dusk"),
    ],
)
@pytest.mark.usefixtures("archive")
def test_ls_finds(inside: Shell, options: str, expected: str) -> None:
    assert listed(inside, "a.zarr", *options.split(" " if options else None)) == expected.split()


@pytest.mark.usefixtures("archive")
def test_ls_elsewhere(inside: Shell) -> None:
    assert well(inside, "ls", "a.zarr", "--name", "x").startswith("0 recordings")
    assert listed(inside, "a.zarr", "--where", "TITLE=of the fen") == ["dawn"]
    shutil.make_archive(str(inside.folder / "a"), "zip", inside.folder, "a.zarr")
    assert zipfile.is_zipfile(inside.folder / "a.zip")
    assert listed(inside, "a.zip", "--where", "visit=2") == ["dawn"]
    assert json.loads(well(inside, "stats", "a.zip", "--json"))["garbage_bytes"] is None
    for wrong in ("--where=plot", "--after=soon", "--before=99"):
        assert run(inside, "ls", "a.zarr", wrong).code == 2
    done = run(inside, "ls", "b.zarr")
    assert (done.code, "there is no such archive" in done.err) == (1, True)


def test_stats(inside: Shell, archive: Path) -> None:
    found = json.loads(well(inside, "stats", "a.zarr", "--json"))
    samples = [PACKETS * 960 + 4488, 50 * 960 + 4488, 300 * 960 + 4488]
    assert found["total_samples"] == sum(samples)
    assert (found["recordings"], found["prepared"], found["broken_off"]) == (3, 0, 1)
    assert (found["gaps"], found["lost_samples"], found["payload_bytes"]) == (3, 14_400, 1500)
    assert found["kinds"] == {"": 1, "import": 1, "live": 1}
    assert (found["rates"], found["containers"]) == ({"16000": 3}, {"wav": 1})
    assert found["samples_by_time"] == {"2023-11-14": samples[0], "2023-11-15": samples[1]}
    assert found["undated_samples"] == samples[2]
    assert found["stored_bytes"] == tree_bytes(archive)
    assert found["mean_bits_per_s"] == pytest.approx(1500 * 8 / (sum(samples) / 48_000))
    assert found["garbage_bytes"] == 0

    well(inside, "prepare", "a.zarr", "dawn")
    add(archive, "later", start_epoch_ms=1_710_000_000_000)
    found = json.loads(well(inside, "stats", "a.zarr", "--json"))
    assert list(found["samples_by_time"]) == ["2023-11", "2024-03"]
    assert (found["prepared"], found["points_bytes"] > 0) == (1, True)
    assert found["garbage_bytes"] > 0
    text = well(inside, "stats", "a.zarr")
    assert "  prepared       1 of 4\n" in text
    assert "    2023-11  4.2 s  ▇▇▇" in text


def test_rm(inside: Shell, archive: Path) -> None:
    done = run(inside, "rm", "a.zarr", "dawn", "nix")
    assert (done.code, "no recording 'nix'; nothing was removed" in done.err) == (1, True)
    assert "dawn: would be removed" in well(inside, "rm", "a.zarr", "dawn", "--dry-run")
    assert listed(inside, "a.zarr") == ["dawn", "dusk", "night"]
    assert well(inside, "rm", "a.zarr", "dawn").startswith("dawn: removed, ")
    told = json.loads(well(inside, "rm", "a.zarr", "dusk", "night", "--json"))
    assert told["removed"] == ["dusk", "night"]
    for path in archive.rglob("*"):
        assert path.is_dir() or b"dawn" not in path.read_bytes()
    assert well(inside, "gc", "a.zarr") == "a.zarr: 0 B given back\n"


def at_terminal(inside: Shell, answer: bytes, *arguments: str) -> tuple[int, bytes]:
    """Run the command where somebody sits and answers."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=inside.folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        os.close(theirs)
        os.write(ours, answer)
        out, _ = process.communicate(timeout=30)
        os.close(ours)
        return process.returncode, out


@pytest.mark.usefixtures("archive")
def test_who_sits_there_is_asked(inside: Shell) -> None:
    code, out = at_terminal(inside, b"n\n", "archive", "rm", "a.zarr", "dawn")
    assert (code, b"Remove dawn from a.zarr" in out) == (1, True)
    assert b"nothing was removed" in out
    assert at_terminal(inside, b"n\n", "archive", "rm", "a.zarr", "dawn", "--json")[0] == 1
    expire = ("archive", "expire", "a.zarr", "--max-size", "0")
    code, out = at_terminal(inside, b"n\n", *expire)
    assert (code, b"Remove 3 recordings from a.zarr" in out) == (1, True)
    assert listed(inside, "a.zarr") == ["dawn", "dusk", "night"]
    assert at_terminal(inside, b"y\n", "archive", "rm", "a.zarr", "dawn")[0] == 0
    assert listed(inside, "a.zarr") == ["dusk", "night"]
    code, out = at_terminal(inside, b"", *expire, "--yes")
    assert (code, b"Remove" in out) == (0, False)
    assert listed(inside, "a.zarr") == []


@pytest.mark.parametrize("cut", ["a line", "a piece"])
def test_a_catalogue_that_was_cut_off_is_found(inside: Shell, archive: Path, cut: str) -> None:
    catalogue = archive / "catalogue.jsonl"
    first, *_ = catalogue.read_bytes().splitlines(keepends=True)
    catalogue.write_bytes(first if cut == "a line" else first[:100])
    done = inside.run("archive", "verify", "a.zarr", "--ranges", "1")
    assert done.code == 1
    lacking = 2 if cut == "a line" else 3
    assert done.out.count("NOT SOUND: the catalogue lacks it: opuscule archive reindex") == lacking
    well(inside, "reindex", "a.zarr")
    assert len(well(inside, "verify", "a.zarr", "--ranges", "1").splitlines()) == 3
    (archive / "recordings" / "dawn" / "zarr.json").unlink()
    said = inside.run("archive", "verify", "a.zarr", "dawn").err
    assert "recordings/dawn has no zarr.json, and is in the catalogue: take it from a copy" in said


def test_an_archive_that_lost_its_own_document_is_mended(inside: Shell, archive: Path) -> None:
    document = (archive / "zarr.json").read_bytes()
    (archive / "zarr.json").unlink()
    assert inside.run("archive", "verify", "a.zarr").code == 1
    assert "mended: a.zarr/zarr.json was missing" in well(inside, "reindex", "a.zarr")
    assert (archive / "zarr.json").read_bytes() == document
    assert len(well(inside, "verify", "a.zarr", "--ranges", "1").splitlines()) == 3
    # What merely has a folder of that name is left alone.
    (inside.folder / "recordings").mkdir()
    inside.run("archive", "reindex", ".")
    assert not (inside.folder / "zarr.json").exists()


@pytest.mark.usefixtures("archive")
def test_expire(inside: Shell) -> None:
    line = ("expire", "a.zarr", "--older-than", "4w")
    first, second, last = well(inside, *line, "--dry-run").splitlines()
    assert first.startswith("dawn  began 2023-11-14 22:13:20 UTC  ")
    assert (first.endswith("  too old"), second.split()[0]) == (True, "dusk")
    assert last.startswith("a.zarr: 2 recordings would be removed, ")
    assert listed(inside, "a.zarr") == ["dawn", "dusk", "night"]
    told = json.loads(well(inside, *line, "--max-size", "1 GiB", "--json"))
    assert [one["name"] for one in told["removed"]] == ["dawn", "dusk"]
    assert "night  added 20" in well(inside, "expire", "a.zarr", "--max-size=0.1kB")
    assert listed(inside, "a.zarr") == []
    assert well(inside, *line) == "a.zarr: 0 recordings removed, 0 B; 0 kept, 0 B\n"
    for wrong in ([], ["--older-than", "3 moons"], ["--max-size", "10 XB"], ["--max-size", "-1"]):
        assert run(inside, "expire", "a.zarr", *wrong).code == 2


def test_a_removal_killed_at_any_moment(inside: Shell) -> None:
    archive, kept = inside.folder / "a.zarr", inside.folder / "kept.zarr"
    names = [f"n{n}" for n in range(12)]
    for name in ("always", *names):
        add(archive, name, 10)
    shutil.copytree(archive, kept)
    line = ("archive", "rm", "a.zarr", *names)
    began = time.monotonic()
    inside.well(*line)
    whole_s = time.monotonic() - began
    moments = random.Random(3)
    for _ in range(KILLS):
        shutil.rmtree(archive)
        shutil.copytree(kept, archive)
        process = inside.start(*line)
        try:
            process.wait(timeout=moments.uniform(0.5, 1.0) * whole_s)
        except subprocess.TimeoutExpired:
            inside.end(process, signal.SIGKILL)
        opened = open_archive(archive)
        seen = set(opened)
        assert "always" in seen
        assert seen == {path.name for path in (archive / "recordings").iterdir() if path.is_dir()}
        for name in seen:
            assert verify(opened[name], ranges=1).ok
        collect_garbage(archive)
        entries: dict[str, Entry] = {}
        parse((archive / CATALOGUE).read_bytes(), entries)
        assert set(entries) == seen
        assert not (archive / ".incoming").exists()
        for path in archive.rglob("*"):
            gone = [name for name in names if name not in seen]
            assert path.is_dir() or not any(
                f'"{name}"'.encode() in path.read_bytes() for name in gone
            )
