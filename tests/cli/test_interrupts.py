"""Ctrl-C at any time: the right code, no traceback, nothing half-written."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from opuscule.codec import StreamEncoder
from opuscule.containers.ogg import OggWriter
from opuscule.packets import Packet

from .conftest import TIMEOUT_S, Done, Shell, write_tone


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something is so, while a process runs."""
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)


def write_long_opus(path: Path) -> None:
    """Half an hour, which takes seconds to decode, of one second's packets over and over."""
    encoder = StreamEncoder(16_000)
    second = encoder.push(random.Random(1).randbytes(32_000))
    with path.open("wb") as file:
        writer = OggWriter(file, encoder.format)
        for number in range(50 * 60 * 30):
            data = second[number % len(second)].data
            writer.write(Packet(number, number * 960, 960, data))
        writer.close()


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
        write_long_opus(shell.folder / "long.opus")
    else:
        write_tone(shell.folder / "long.wav", 600)
    write_tone(shell.folder / "short.wav", 0.1)
    shell.call("archive", "import", "old.zarr", "short.wav")
    if "extract" in line:
        shell.call("archive", "import", "old.zarr", "long.opus")
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
    shell.call("archive", "import", "old.zarr", "short.wav")
    before = shell.listing()
    process = shell.start(*line.split(" "))
    wait_for(lambda: any(True for _ in shell.folder.glob(sign)), process)
    # Two seconds after the first it would be meant otherwise.
    until = time.monotonic() + 0.5
    while process.poll() is None and time.monotonic() < until:
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    check_stopped(shell.end(process))
    assert shell.listing() == before


@pytest.mark.parametrize("module", ["opuscule.cli.app", "typer", "msgspec", "opuscule.inspection"])
def test_while_it_loads(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory, module: str
) -> None:
    # At just this moment: a finder in front of all others gives the signal.
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    check_stopped(shell.run("info", "none.opus", environment={"PYTHONPATH": path}))


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
    kept = json.loads(shell.call("archive", "info", "recordings/archive.zarr", "--json").out)
    ((name, info),) = kept.items()
    assert info["complete"] is False
    assert info["packets"] > 0
    verified = shell.call("archive", "verify", "recordings/archive.zarr", name)
    assert verified.out.startswith(f"{name}: sound")


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
    kept = json.loads(shell.call("archive", "info", "recordings/archive.zarr", "--json").out)
    assert [info["complete"] for info in kept.values()] == [False]
