"""Whoever waits at a terminal sees that something happens."""

import os
import pty
import subprocess

import pytest

from .conftest import PROGRAM, TIMEOUT_S, Shell, write_tone


def at_a_terminal(inside: Shell, *arguments: str, stdout: bool = False) -> str:
    """What a command shows on its standard error, and on its output where that is wanted."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(PROGRAM), "archive", *arguments],
        cwd=inside.folder,
        env={**os.environ, "TERM": "xterm"},
        stdout=theirs if stdout else None,
        stderr=theirs,
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
    return said.decode()


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
    said = at_a_terminal(inside, *arguments)
    assert shown in said
    # A script that reads stderr is not told.
    assert shown not in inside.run("archive", *arguments, "--json").err


def test_lines_do_not_begin_with_what_is_left_of_the_progress(inside: Shell) -> None:
    write_tone(inside.folder / "tone.wav", 2)
    write_tone(inside.folder / "other.wav", 1, hz=500)
    said = at_a_terminal(inside, "import", "a.zarr", "tone.wav", "other.wav", stdout=True)
    ranges = ("--seconds", "0/1", "--seconds", "1/2")
    said += at_a_terminal(inside, "extract", "a.zarr", "tone", "parts", *ranges, stdout=True)
    for line in (
        "tone: 2.0 s",
        "other: 1.0 s",
        "parts/tone-0-48000.wav",
        "parts/tone-48000-96000.wav",
    ):
        assert f"\r\x1b[2K{line}" in said
