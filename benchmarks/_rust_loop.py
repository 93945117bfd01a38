"""Loops in Rust to compare with, of `crates/core/examples`, built by cargo.

A program waits for a line, does its work once and answers; between two lines it sleeps. So
its turns and ours alternate, and its time is read from its process's CPU clock, as ours is from our
thread's: what else goes on on the machine takes time from both, and is in neither.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from _common import ROOT

__all__ = ["RustLoop", "RustProgram", "Way", "on_one_core", "pairs", "program"]

Way = Literal["encode", "decode"]


@cache
def program(name: str = "codec_loop") -> str | None:
    """A program, built; None where it cannot be, or where no process's CPU clock can be read."""
    if shutil.which("cargo") is None or sys.platform != "linux":
        return None
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # cmake is there
    command = ["cargo", "build", "--release", "--locked", "--example", name]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, check=True)
    return str(ROOT / "target" / "release" / "examples" / name)


class RustProgram:
    """A program at work until it is closed."""

    def __init__(self, path: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        # clock_getcpuclockid(3), which Python has for threads only: CPUCLOCK_SCHED of a process.
        self._clock = (~self._process.pid << 3) | 2

    def ask(self, line: str) -> int:
        """Let it work once; return its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        return int(self._process.stdout.readline())

    def time(self, line: str) -> float:
        """The seconds of CPU that it worked."""
        began = time.clock_gettime(self._clock)
        self.ask(line)
        return time.clock_gettime(self._clock) - began

    def close(self) -> None:
        """End the program."""
        self._process.communicate()


class RustLoop(RustProgram):
    """`codec_loop` at work on `pcm`, int16 mono."""

    def __init__(self, path: str, pcm: bytes, rate: int, frame_ms: float, words: list[str]) -> None:
        with tempfile.NamedTemporaryFile(suffix=".pcm") as file:
            file.write(pcm)
            file.flush()
            super().__init__(path, file.name, str(rate), str(frame_ms), *words)
            self.run("encode")  # by now it has read the file

    def run(self, way: Way) -> int:
        """Let it work once; return its answer."""
        return self.ask(way)


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this thread, and what it starts, on one core: the same caches for both sides."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def pairs(
    ours: Callable[[], object], loop: RustLoop, way: Way, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of CPU, ours and Rust's, turn by turn; first one, then the other begins, and a first
    round is not counted."""

    def ours_once() -> float:
        began = time.thread_time()
        made = ours()
        took = time.thread_time() - began
        del made  # freeing it is not what is measured
        return took

    mine, theirs = [], []
    for turn in range(rounds + 1):
        if turn % 2:
            theirs.append(loop.time(way))
            mine.append(ours_once())
        else:
            mine.append(ours_once())
            theirs.append(loop.time(way))
    return mine[1:], theirs[1:]
