"""``opuscule archive plot`` on the command line."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from .conftest import PROGRAM, Shell, write_tone


@pytest.fixture
def tone(inside: Shell) -> Path:
    write_tone(inside.folder / "tone.wav", 2)
    inside.well("archive", "import", "a.zarr", "tone.wav")
    return inside.folder


def test_a_picture_is_written(inside: Shell, tone: Path) -> None:
    one = ("archive", "plot", "a.zarr", "tone")
    said = inside.well(*one, "--out", "a.png", "--from", "0.5", "--to", "+1")
    assert said == "a.png: 1.0 s\n"
    assert (tone / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    told = json.loads(
        inside.well(*one, "--out", "b.png", "--width", "400", "--height", "200", "--json")
    )
    assert told == {
        "target": "b.png",
        "start": 0,
        "end": 96_000,
        "rate": 48_000,
        "decoded_share": 1.0,
    }
    assert (tone / "b.png").read_bytes()[16:24] == (400).to_bytes(4) + (200).to_bytes(4)
    assert inside.run(*one, "--from", "3").code == 1
    refused = inside.run(*one, "--out", "c.png", "--width", "9999")
    assert refused.code == 1
    assert "columns" in refused.err
    assert "no lossless original" in inside.run(*one, "--lossless").err
    assert not (tone / "c.png").exists()


def test_no_terminal_gets_plain_letters(inside: Shell, tone: Path) -> None:
    said = inside.well("archive", "plot", "a.zarr", "tone", "--width", "60", "--height", "12")
    assert len(said.splitlines()) == 12
    assert "\x1b" not in said
    assert said.isascii()
    told = json.loads(inside.well("archive", "plot", "a.zarr", "tone", "--json"))
    assert told["target"] is None
    only = inside.well("archive", "plot", "a.zarr", "tone", "--waveform", "--height", "9")
    assert "kHz" not in only


@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_gets_colours_unless_they_are_not_wanted(
    inside: Shell, tone: Path, colour: bool
) -> None:
    theirs, ours = pty.openpty()
    environment = {
        **inside.environment,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "PYTHONIOENCODING": "utf-8",
    }
    environment.pop("NO_COLOR", None)
    if not colour:
        environment["NO_COLOR"] = "1"
    command = [str(PROGRAM), "archive", "plot", "a.zarr", "tone", "--width", "30", "--height", "6"]
    with subprocess.Popen(command, cwd=tone, env=environment, stdout=ours, stderr=ours):
        os.close(ours)
        said = b""
        while True:
            try:
                part = os.read(theirs, 1 << 16)
            except OSError:
                break
            if not part:
                break
            said += part
    os.close(theirs)
    assert ("▀".encode() in said) == colour
    assert (b"\x1b[38;2;" in said) == colour
    assert b"0.5 s" in said or b"0:00" in said
