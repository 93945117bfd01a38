"""``-``: standard input and standard output."""

import contextlib
import io
import os
import select
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import BinaryIO

from opuscule.containers.pipe import Pipe
from opuscule.errors import InvalidArgumentError

__all__ = ["STANDARD", "standard_input", "standard_output"]

STANDARD = "-"
"""What stands for standard input among sources, and for standard output among targets."""


# What a pipe may hold that was written before Ctrl-C; a writer that does not end is left there.
_MAX_LEFT_BYTES = 1 << 20


class _Stopped(Exception):  # noqa: N818 - it is none
    """Ctrl-C while waiting for input."""


class _Input(io.RawIOBase):
    """Standard input, of which Ctrl-C is the end: what has come by then is not thrown away."""

    def __init__(self) -> None:
        self._waiting = self._stopped = False
        self._left_bytes = _MAX_LEFT_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # any buffer, it says there
        if not self._has_come():
            return 0
        data = os.read(sys.stdin.fileno(), len(buffer))
        buffer[: len(data)] = data
        self._left_bytes -= len(data) * self._stopped
        return len(data)

    def _has_come(self) -> bool:
        """Wait until there is something to read, or its end; False where it was stopped."""
        if sys.platform == "win32":  # where one cannot wait for a pipe but by reading
            return not self._stopped
        with contextlib.suppress(_Stopped):
            # Nothing is read while the signal may interrupt: it would be lost.
            self._waiting = True
            if not self._stopped:
                select.select([sys.stdin], [], [])
            self._waiting = False
        self._waiting = False  # where it was interrupted
        if not self._stopped:
            return True
        return self._left_bytes > 0 and bool(select.select([sys.stdin], [], [], 0)[0])

    def stop(self, _signum: int, _frame: FrameType | None) -> None:
        if self._stopped:
            raise KeyboardInterrupt  # the second time it is meant otherwise
        self._stopped = True
        if self._waiting:
            raise _Stopped


@contextlib.contextmanager
def standard_input() -> Iterator[Pipe]:
    """Standard input as a pipe that ends where it ends, or with Ctrl-C.

    Raises:
        InvalidArgumentError: it is a terminal.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidArgumentError(
            "'-' is standard input, and that is a terminal; put a program or a file there"
        )
    raw = _Input()
    before = signal.signal(signal.SIGINT, raw.stop)
    try:
        yield Pipe(raw)
    finally:
        signal.signal(signal.SIGINT, before)


class _Output(io.BufferedWriter):
    """Standard output: never sought in, even where it is a file that others may add to."""

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output for audio.

    Raises:
        InvalidArgumentError: it is a terminal.
    """
    if sys.stdout.isatty():
        raise InvalidArgumentError(
            "'-' is standard output, and that is a terminal; redirect it into a program or a file"
        )
    sys.stdout.flush()
    output = _Output(io.FileIO(sys.stdout.fileno(), "wb", closefd=False))
    try:
        yield output
    except BrokenPipeError:
        output.detach()  # else what is left would be written once more when it is forgotten
        raise
    output.flush()
