"""The installed command, run as a user runs it: in a folder of its own, as a process or as if."""

import contextlib
import io
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import wave
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opuscule.cli.app import app

PROGRAM = Path(sys.executable).with_name("opuscule")
TIMEOUT_S = 120.0
"""Until something surely is not as it should be, on however busy a machine."""


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Shell:
    """A folder to work in."""

    folder: Path
    prefix: tuple[str, ...] = ()
    """What the command is run by."""
    inside: bool = False
    """Call the command in this process, where its exit and its output are what is tested: it is the
    same command, and a process takes longer to begin than most of them to end."""
    environment: dict[str, str] = field(
        default_factory=lambda: {k: v for k, v in os.environ.items() if k[:9] != "OPUSCULE_"}
    )
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start(
        self, *arguments: str, environment: Mapping[str, str] = {}
    ) -> "subprocess.Popen[str]":
        """Start the command; what still runs at the end of the test is killed."""
        process = subprocess.Popen(
            [*self.prefix, PROGRAM, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, environment: Mapping[str, str] = {}) -> Done:
        """Run the command to its end."""
        if self.inside and not environment:
            return self.call(*arguments)
        return self.end(self.start(*arguments, environment=environment))

    def call(self, *arguments: str) -> Done:
        """The command as a process would run it, but in this one."""
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
        ):
            for name in set(os.environ) - set(self.environment):
                patch.delenv(name)
            try:
                app(arguments, prog_name=PROGRAM.name)
            except SystemExit as end:
                code = end.code
        assert isinstance(code, int)
        return Done(code, out.getvalue(), err.getvalue())

    def well(self, *arguments: str) -> str:
        """Run a command that has to succeed in silence; return what it printed."""
        done = self.run(*arguments)
        assert (done.code, done.err) == (0, ""), done
        return done.out

    def end(self, process: "subprocess.Popen[str]", signum: int | None = None) -> Done:
        """Wait for a process, after a signal or for its own end."""
        if signum is not None:
            process.send_signal(signum)
        out, err = process.communicate(timeout=TIMEOUT_S)
        return Done(process.returncode, out, err)

    def serve(self, *arguments: str) -> tuple["subprocess.Popen[str]", str]:
        """Start a server on a free port; the process and its address."""
        process = self.start("serve", "--port", "0", *arguments)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.match(r"listening on (ws://127\.0\.0\.1:\d+);", line)
        if found is None:
            pytest.fail(f"the server does not start: {line}{self.end(process, signal.SIGKILL)}")
        return process, found[1]

    def listing(self) -> dict[str, int]:
        """Every file and folder below, hidden ones too, and the files' sizes."""
        return {
            str(path.relative_to(self.folder)): path.stat().st_size if path.is_file() else -1
            for path in self.folder.rglob("*")
        }

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            with process:
                pass


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """The command in an empty folder."""
    found = Shell(tmp_path)
    with contextlib.closing(found):
        yield found


@pytest.fixture
def inside(tmp_path: Path) -> Shell:
    """The command in an empty folder, called in this process."""
    return Shell(tmp_path, inside=True)


def write_tone(
    path: Path, seconds: float = 1.0, *, rate: int = 16_000, channels: int = 1, hz: float = 440
) -> Path:
    """Write a tone of amplitude 8000 as a WAV file of int16, with the standard library."""
    one = (round(8000 * math.sin(2 * math.pi * hz * i / rate)) for i in range(rate))
    second = array("h", (sample for sample in one for _ in range(channels)))
    if sys.byteorder == "big":
        second.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        whole = int(seconds)
        for _ in range(whole):
            file.writeframes(second)
        file.writeframes(second[: round((seconds - whole) * rate) * channels])
    return path


def read_wav(path: Path) -> tuple[int, int, "array[int]"]:
    """Rate, channels and samples of a WAV file of int16, by the standard library."""
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2
        samples = array("h", file.readframes(file.getnframes()))
        if sys.byteorder == "big":
            samples.byteswap()
        return file.getframerate(), file.getnchannels(), samples


def loudness(samples: "array[int]") -> float:
    """The root of the mean square; 5657 for a tone of amplitude 8000."""
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples)))


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Start a server of bare sockets, which treats whoever connects as told; its address."""
    with contextlib.ExitStack() as stack:

        def begin(treat: Callable[[socket.socket], None]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept() -> None:
                # Ends with the listener.
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection, contextlib.suppress(OSError):
                            connection.settimeout(TIMEOUT_S)
                            treat(connection)

            thread = threading.Thread(target=accept)
            thread.start()
            stack.callback(thread.join)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return f"ws://127.0.0.1:{listener.getsockname()[1]}"

        yield begin
