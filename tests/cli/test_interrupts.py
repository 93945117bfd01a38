"""Ctrl-C at any time: the right code, no traceback, nothing half-written."""

import json
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import TIMEOUT_S, Done, Shell, write_tone


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something is so, while a process runs."""
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def check_stopped(done: Done) -> None:
    assert done == Done(130, "", "opuscule: stopped\n")


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("encode long.wav", "*.part"),
        ("encode long.wav old.opus", "*.part"),
        ("decode long.opus -o old.opus --format wav", "*.part"),
        ("archive import new.zarr long.wav", "new.zarr/.incoming/long.*/payload"),
        ("archive import old.zarr long.wav", "old.zarr/.incoming/long.*/payload"),
        ("archive extract old.zarr long part.wav", "*.part"),
    ],
)
def test_work_on_files(shell: Shell, line: str, sign: str) -> None:
    if "extract" in line or "decode" in line:
        write_tone(shell.folder / "long.wav", 60)
        shell.well("encode", "long.wav")
    else:
        write_tone(shell.folder / "long.wav", 600)
    write_tone(shell.folder / "short.wav", 0.1)
    shell.well("archive", "import", "old.zarr", "short.wav")
    if "extract" in line:
        shell.well("archive", "import", "old.zarr", "long.opus")
    (shell.folder / "old.opus").write_bytes(b"as it was")
    before = shell.listing()
    process = shell.start(*line.split(" "))
    # An import is under way when it has written something; the others when their file is there.
    wait_for(
        lambda: any(p.suffix == ".part" or p.stat().st_size for p in shell.folder.glob(sign)),
        process,
    )
    check_stopped(shell.end(process, signal.SIGINT))
    assert shell.listing() == before
    assert (shell.folder / "old.opus").read_bytes() == b"as it was"


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("encode long.wav", "*.part"),
        ("archive import old.zarr long.wav", "old.zarr/.incoming/long.*/payload"),
    ],
)
def test_pressed_again_and_again(shell: Shell, line: str, sign: str) -> None:
    write_tone(shell.folder / "long.wav", 600)
    write_tone(shell.folder / "short.wav", 0.1)
    shell.well("archive", "import", "old.zarr", "short.wav")
    before = shell.listing()
    process = shell.start(*line.split(" "))
    wait_for(lambda: any(True for _ in shell.folder.glob(sign)), process)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    check_stopped(shell.end(process))
    assert shell.listing() == before


def stopped_while_it_loads(shell: Shell) -> int:
    process = shell.start("info", "none.opus")
    loaded = Path(f"/proc/{process.pid}/maps")
    # Far more is loaded after msgspec.
    wait_for(lambda: "msgspec" in loaded.read_text(), process)
    done = shell.end(process, signal.SIGINT)
    assert "Traceback" not in done.err
    return done.code


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what a process has loaded")
def test_while_it_loads(shell: Shell) -> None:
    codes = [stopped_while_it_loads(shell) for _ in range(6)]
    assert 130 in codes


def journal_bytes(shell: Shell) -> int:
    return sum(p.stat().st_size for p in (shell.folder / "recordings/journal").glob("*"))


def test_talk(shell: Shell) -> None:
    server, url = shell.serve()
    empty = journal_bytes(shell)
    talk = shell.start("talk", "--url", url, "--source", "tone:440", "--sink", "answer.wav")
    wait_for(lambda: journal_bytes(shell) > empty + 2000, talk)
    check_stopped(shell.end(talk, signal.SIGINT))
    with wave.open(str(shell.folder / "answer.wav")) as answer:
        assert answer.getframerate() == 16_000
    assert not list(shell.folder.glob("*.part"))
    done = shell.end(server, signal.SIGINT)
    assert (done.code, done.err) == (0, "")
    kept = json.loads(shell.well("archive", "info", "recordings/archive.zarr", "--json"))
    ((name, info),) = kept.items()
    assert info["complete"] is False
    assert info["packets"] > 0
    assert shell.well("archive", "verify", "recordings/archive.zarr", name).startswith(
        f"{name}: sound"
    )


def test_talk_waiting_for_an_answer_to_its_call(
    shell: Shell, peer: Callable[[Callable[[socket.socket], None]], str]
) -> None:
    reached = []

    def keep_waiting(connection: socket.socket) -> None:
        reached.append(connection.recv(8192))
        connection.recv(1)

    url = peer(keep_waiting)
    talk = shell.start("talk", "--url", url, "--source", "tone:440", "--sink", "answer.wav")
    wait_for(lambda: bool(reached), talk)
    check_stopped(shell.end(talk, signal.SIGINT))
    assert shell.listing() == {}


def test_what_waits_in_an_event_loop_is_stopped_by_the_loop(
    inside: Shell, peer: Callable[[Callable[[socket.socket], None]], str]
) -> None:
    """A KeyboardInterrupt in the midst of the loop would end whatever task has its turn."""
    whose: list[str] = []

    def look(_connection: socket.socket) -> None:
        whose.append(repr(signal.getsignal(signal.SIGINT)))

    inside.run("talk", "--url", peer(look), "--source", "tone:440", "--sink", "null")
    assert "asyncio" in whose[0]


def test_serve_gives_the_signals_back(inside: Shell) -> None:
    """uvloop's loop keeps them when it is closed: whoever waits next would never be stopped."""
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    assert inside.run("serve", "--port", "0", "--token", "a b").code == 1
    assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_server_with_a_device_in_mid_sentence(shell: Shell, signum: int) -> None:
    server, url = shell.serve()
    empty = journal_bytes(shell)
    talk = shell.start("talk", "--url", url, "--source", "tone:440", "--sink", "null")
    wait_for(lambda: journal_bytes(shell) > empty + 2000, talk)
    done = shell.end(server, signum)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("bringing what was said to safety\n")
    told = shell.end(talk)
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("opuscule: the connection ended")
    assert told.err.count("\n") == 1
    kept = json.loads(shell.well("archive", "info", "recordings/archive.zarr", "--json"))
    assert [info["complete"] for info in kept.values()] == [False]
