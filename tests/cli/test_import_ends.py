"""What ends an import of many files: it says how far it came, and the same command goes on."""

import os
import random
import subprocess
import wave
from pathlib import Path

import pytest

from .conftest import PROGRAM, TIMEOUT_S, Shell, write_tone


def test_who_reads_the_output_leaves(shell: Shell) -> None:
    for number in range(6):
        write_tone(shell.folder / f"{number}.wav", 20 + number, hz=300 + number)
    files = sorted(path.name for path in shell.folder.iterdir())
    # Already gone, as nobody can say when another would: it is missed when there is a line to say.
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [PROGRAM, "archive", "import", "a.zarr", *files, "--threads", "1"],
        cwd=shell.folder,
        env=shell.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    kept = len(list((shell.folder / "a.zarr" / "recordings").glob("?")))
    assert 1 <= kept < 6
    assert (shell.folder / "a.zarr" / "recordings" / "5").exists()
    assert done.stderr == (
        f"opuscule: nobody reads the output; {kept} imported; the same command goes on from here\n"
    )
    again = shell.well("archive", "import", "a.zarr", *files)
    assert again.splitlines()[-1].startswith(f"{kept} there already, {6 - kept} imported")


def test_what_is_there_already_stays_as_it_is(inside: Shell) -> None:
    for name in "ab":
        write_tone(inside.folder / f"{name}.wav", 0.2, hz=ord(name) * 5)
    said = inside.well("archive", "import", "a.zarr", "a.wav", "--bitrate", "24000")
    assert "stays" not in said
    inside.well("archive", "import", "a.zarr", "a.wav", "b.wav")
    said = inside.well(
        "archive", "import", "a.zarr", "a.wav", "b.wav", "--bitrate", "9000", "--zone", "UTC"
    )
    assert said.splitlines()[-1] == (
        "what was there already stays as it is; for what is new only: --bitrate, --zone"
    )
    said = inside.well(
        "archive", "import", "a.zarr", "a.wav", "--name", "other", "--time-expansion", "5"
    )
    assert said.splitlines()[-1].endswith("only: --name, --time-expansion")


def write_noise(path: Path, seed: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(random.Random(seed).randbytes(2 * 16_000 * 30))


def test_what_cannot_be_written_is_not_tried_for_each_recording(shell: Shell) -> None:
    for name in "abc":
        write_tone(shell.folder / f"{name}.wav", 0.2, hz=ord(name) * 5)
    shell.well("archive", "import", "a.zarr", *(f"{name}.wav" for name in "abc"))
    script = 'mount --bind a.zarr a.zarr && mount -o remount,ro,bind a.zarr || exit 77; "$@"'
    try:
        done = subprocess.run(
            [
                "unshare",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
                PROGRAM,
                "archive",
                "prepare",
                "a.zarr",
            ],
            cwd=shell.folder,
            env=shell.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not there")
    if done.returncode != 1:
        pytest.skip(f"a folder cannot be made read-only here: {done.stderr}")
    assert len(done.stderr.splitlines()) == 1
    assert "Read-only file system" in done.stderr


def test_the_archive_is_named_first(inside: Shell) -> None:
    write_tone(inside.folder / "a.wav", 0.2)
    inside.well("archive", "import", "a.zarr", "a.wav")
    for wrong in ("a.wav", "b.zarr"):
        done = inside.run("archive", "import", wrong, "a.zarr")
        assert done.code == 1
        assert done.err == (
            "opuscule: a.zarr is an archive; name the archive first, then what comes into it\n"
        )


def test_a_full_disk(shell: Shell) -> None:
    """On a disk of its own, which only this process sees; there is room for one of the two."""
    script = """
        mount -t tmpfs -o size=1600k tmpfs disk || exit 77
        head -c 1000000 /dev/zero > disk/ballast
        "$@"; echo "ended with $?"
        rm disk/ballast
        "$@"; echo "ended with $?"
    """
    (shell.folder / "disk").mkdir()
    for name in "ab":
        write_noise(shell.folder / f"{name}.wav", ord(name))
    command = (PROGRAM, "archive", "import", "disk/a.zarr", "a.wav", "b.wav", "--threads", "1")
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", *command],
            cwd=shell.folder,
            env=shell.environment,
            capture_output=True,
            text=True,
            timeout=2 * TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not there")
    if "ended with" not in done.stdout:
        pytest.skip(f"a disk of one's own cannot be made here: {done.stderr}")
    full, again = done.stdout.split("ended with 1\n")
    assert full.count("30.0 s") == 1
    how_far, what = done.stderr.splitlines()
    assert how_far == "opuscule: 1 imported; the same command goes on from here"
    assert "the disk is full; make room and give the same command again" in what
    assert "1 there already, 1 imported" in again
    assert again.endswith("ended with 0\n")
