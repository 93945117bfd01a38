"""Whoever waits at a terminal sees that something happens."""

import os
import pty
import subprocess

import pytest

from .conftest import PROGRAM, TIMEOUT_S, Shell, write_tone


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("verify", "a.zarr"), "verifying tone (1 of 1)"),
        (("extract", "a.zarr", "tone", "b.wav"), "extracting from tone"),
        (("plot", "a.zarr", "tone", "--whole", "--out", "b.png"), "looking at tone"),
        (("export", "a.zarr", "b.zarr"), "exporting"),
        (("reindex", "a.zarr"), "reading every index"),
        (("gc", "a.zarr"), "looking for garbage"),
        (("expire", "a.zarr", "--max-size", "1", "--yes"), "removing 1 recordings"),
    ],
)
def test_what_takes_long_says_so(inside: Shell, arguments: tuple[str, ...], shown: str) -> None:
    write_tone(inside.folder / "tone.wav", 2)
    inside.well("archive", "import", "a.zarr", "tone.wav")
    command = [str(PROGRAM), "archive", *arguments]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=inside.folder, env={**os.environ, "TERM": "xterm"}, stderr=theirs
    ) as process:
        os.close(theirs)
        said = bytearray()
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # nobody is at the other end any more
                break
            if not part:
                break
            said += part
        os.close(ours)
        assert process.wait(TIMEOUT_S) == 0, bytes(said)
    assert shown in said.decode()
    # A script that reads stderr is not told.
    assert shown not in inside.run("archive", *arguments, "--json").err
