"""An import of several files, stopped at any moment: what was finished stays, and no half shows."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

from opuscule.archive import open_archive, verify

from .conftest import Shell, write_tone

MOMENTS = int(os.environ.get("OPUSCULE_KILLS", "6"))
"""How often it is killed; 50 and more show more, and take minutes."""
FILES = 5


def payloads(shell: Shell, archive: str) -> dict[str, str]:
    """Every recording that shows, and the hash of its packets, which are checked."""
    if not (shell.folder / archive).exists():
        return {}
    opened = open_archive(shell.folder / archive)
    for name in opened:
        assert verify(opened[name], ranges=1).ok
    return {name: opened[name].info.payload_sha256 for name in opened}


def test_killed_at_any_moment(shell: Shell) -> None:
    (shell.folder / "in").mkdir()
    for number in range(FILES):
        write_tone(shell.folder / "in" / f"{number}.wav", 20, rate=48_000, hz=300 + number)
    line = ("archive", "import", "a.zarr", "in", "--bitrate", "32000")
    began = time.monotonic()
    shell.well(*line)
    whole_s = time.monotonic() - began
    expected = payloads(shell, "a.zarr")
    assert len(expected) == FILES

    moments = random.Random(8)
    before: dict[str, str] = {}
    shutil.rmtree(shell.folder / "a.zarr")
    for _ in range(MOMENTS):
        process = shell.start(*line)
        try:
            process.wait(timeout=moments.uniform(0.3, 1.0) * whole_s)
        except subprocess.TimeoutExpired:
            shell.end(process, signal.SIGKILL)
        found = payloads(shell, "a.zarr")
        assert before.items() <= found.items() <= expected.items()
        before = found
        if len(found) == FILES:
            shutil.rmtree(shell.folder / "a.zarr")
            before = {}
    assert shell.run(*line).code == 0
    assert payloads(shell, "a.zarr") == expected
    assert not (shell.folder / "a.zarr" / ".incoming").exists()


def test_interrupted_and_continued(shell: Shell) -> None:
    (shell.folder / "in").mkdir()
    write_tone(shell.folder / "in" / "short.wav", 0.1)
    write_tone(shell.folder / "in" / "long.wav", 900)
    line = ("archive", "import", "a.zarr", "in", "--threads", "2", "--manifest", "said.jsonl")
    process = shell.start(*line)
    said = shell.folder / "said.jsonl"
    # What it prints comes after the manifest's line: then the file is settled.
    assert process.stdout is not None
    assert process.stdout.readline() == "short: 0.1 s, 6 packets, 1 kB\n"
    done = shell.end(process, signal.SIGINT)
    assert (done.code, done.out) == (130, "")
    assert done.err == (
        "opuscule: 1 imported; the same command goes on from here\nopuscule: stopped\n"
    )
    assert [json.loads(one)["name"] for one in said.read_text().splitlines()] == ["short"]
    assert list(open_archive(shell.folder / "a.zarr")) == ["short"]
    write_tone(shell.folder / "in" / "long.wav", 1)
    again = shell.well(*line)
    assert "short: there already, from in/short.wav\n" in again
    assert again.endswith(" real time\n")
    assert "1 imported" in again
