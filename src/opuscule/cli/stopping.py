"""Ctrl-C, which people press twice: the second does not end the clearing up after the first."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

__all__ = ["stopped", "takes_time_to_stop"]

_AGAIN_S = 2.0


def stopped() -> NoReturn:
    """End the process of a command that Ctrl-C has ended, whatever is pressed now."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.write("opuscule: stopped\n")
    sys.exit(130)


@contextlib.contextmanager
def takes_time_to_stop() -> Iterator[None]:
    """Take what is pressed shortly after the first Ctrl-C for a part of it, while a block runs.

    Later ones count again, in case that something hangs.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    until = 0.0

    def stop(_signum: int, _frame: FrameType | None) -> None:
        nonlocal until
        if time.monotonic() >= until:
            until = time.monotonic() + _AGAIN_S
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        # Not while a second one may come: whoever caught the first decides what is next.
        if not until:
            signal.signal(signal.SIGINT, before)
