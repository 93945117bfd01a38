"""A binary file fed to the native reader, from wherever it is read."""

from typing import BinaryIO

from opuscule._native import OggOpusReader
from opuscule.errors import InvalidArgumentError
from opuscule.files import check_open

__all__ = ["CHUNK_BYTES", "Source"]

CHUNK_BYTES = 1 << 16


class Source:
    """What the links of one file share: the file, the native reader, and where it began.

    Args:
        file: a readable binary file, at the beginning of the Ogg data.
        serial: serial number of the stream to read; None for the only Opus stream.
    """

    def __init__(self, file: BinaryIO, serial: int | None) -> None:
        check_open(file, "rb")
        if serial is not None and not 0 <= serial < 2**32:
            raise InvalidArgumentError(f"serial is {serial}; expected 0 to {2**32 - 1}")
        self.file = file
        self.serial = serial
        self.native = OggOpusReader(serial)
        self.base_bytes = file.tell() if file.seekable() else 0
        """Where in the file the native reader's offsets are counted from."""
        self._finished = False

    def more(self) -> bool:
        """Read the next piece; False where the link, or the file, is over.

        Raises:
            FormatError: see :class:`OggReader`.
        """
        if self._finished or self.native.has_next_link:
            return False
        data = self.file.read(CHUNK_BYTES)
        if data:
            self.native.feed(data)
        else:
            self._finished = True
            self.native.finish()
        return True

    def begin_at(self, offset_bytes: int) -> None:
        """Read again from a byte of the file at which a link begins."""
        self.file.seek(offset_bytes)
        self._go_on(OggOpusReader(self.serial), offset_bytes)

    def resume_at(self, offset_bytes: int, length_bytes: int) -> bool:
        """Read on after the page at an offset; False if that page does not tell its time."""
        self.file.seek(offset_bytes)
        native = self.native.resume(self.file.read(length_bytes))
        if native is None:
            return False
        self._go_on(native, offset_bytes + length_bytes)
        return True

    def _go_on(self, native: OggOpusReader, base_bytes: int) -> None:
        self.native = native
        self.base_bytes = base_bytes
        self._finished = False
