"""Pipes: audio and packets from what cannot be sought in and may never end."""

import io

from opuscule.containers.detect import HEAD_BYTES, FileFormat, detect

__all__ = ["Pipe"]


class Pipe(io.BufferedReader):
    """What comes through a pipe, with a look at its beginning.

    Reading gives what has come, if that is anything, and does not wait for more: what is live is
    processed as it comes.

    Args:
        raw: an unbuffered binary file, such as ``sys.stdin.buffer.raw``; a regular file that was
            put in a pipe's place is read as one.
        name: what messages call it.
    """

    def __init__(self, raw: io.RawIOBase, name: str = "standard input") -> None:
        super().__init__(raw)
        self._called = name
        self._head = b""

    def __str__(self) -> str:
        return self._called

    def head(self) -> bytes:
        """Return the beginning, without taking it out: as much as tells what it is.

        That is less than :data:`~opuscule.containers.detect.HEAD_BYTES` as soon as the signature
        has come, or the end.
        """
        while detect(self._head) is FileFormat.OTHER and len(self._head) < HEAD_BYTES:
            more = self.read1(HEAD_BYTES - len(self._head))
            if not more:
                break
            self._head += more
        return self._head

    def seekable(self) -> bool:
        """No, even if the system would let it: what was looked at is kept here."""
        return False

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` bytes, empty at the end only; all there will ever be without a size."""
        head = self._head
        if size is None or size < 0:
            self._head = b""
            return head + super().read()
        if head:
            self._head = head[size:]
            return head[:size]
        return self.read1(size) if size else b""
