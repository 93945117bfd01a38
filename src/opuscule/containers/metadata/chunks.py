"""All that a WAV file holds beside its samples: chunk names and bodies, before and after the data.

The header's reader (:mod:`opuscule.containers.riff`) stops at the first sample. Recorders and
editors write what they know behind the last one, so this walks the whole file, without reading the
samples. It is forgiving: what a chunk says of the recording is not worth refusing its audio for, so
where sense ends, the walk ends.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO

from opuscule.containers.riff import STREAMED_BYTES, UNKNOWN_BYTES, is_wav, read_fully

__all__ = ["MAX_CHUNK_BYTES", "Chunk", "WavChunks", "read_chunks"]

MAX_CHUNK_BYTES = 262_144
"""The longest chunk that is read; a longer one is counted."""
_MAX_BYTES = 1_048_576
_MAX_CHUNKS = 4096
# Samples, their description, and what merely fills up.
_STRUCTURE = (b"fmt ", b"data", b"ds64", b"fact", b"JUNK", b"junk", b"PAD ", b"FLLR", b"PEAK")


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk."""

    name: bytes
    """Four bytes."""
    body: bytes
    """Its content, without padding; may be cut by the end of the file."""


@dataclass(frozen=True, slots=True)
class WavChunks:
    """What was found."""

    form: str
    """``RIFF``, ``RF64`` or ``BW64``."""
    chunks: tuple[Chunk, ...]
    """In their order, but those of the structure."""
    left_out: int
    """Chunks that were too long, or too many."""


def read_chunks(file: BinaryIO) -> WavChunks | None:
    """Walk a WAV file's chunks; None if it is no WAV file.

    Args:
        file: seekable, at the beginning of the file; left anywhere.

    Raises:
        OSError: it cannot be read.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = read_fully(file, 12)
    if not is_wav(head):
        return None
    form_bytes = int.from_bytes(head[4:8], "little")
    place, long_bytes, total, left_out = 12, 0, 0, 0
    chunks: list[Chunk] = []
    for _ in range(_MAX_CHUNKS):
        file.seek(place)
        header = read_fully(file, 8)
        name, chunk_bytes = header[:4], int.from_bytes(header[4:], "little")
        if len(header) < 8 or not all(0x20 <= byte < 0x7F for byte in name):
            break
        if name == b"data":
            if chunk_bytes == UNKNOWN_BYTES and long_bytes:
                chunk_bytes = long_bytes
            unfilled = form_bytes in STREAMED_BYTES or size > form_bytes + 8
            beyond = place + 8 + chunk_bytes > size
            if (chunk_bytes in STREAMED_BYTES and beyond) or (chunk_bytes == 0 and unfilled):
                break  # a streaming writer: samples to the end
        elif name == b"ds64":
            # Data size at byte 8 (EBU Tech 3306 §3.5).
            long_bytes = int.from_bytes(read_fully(file, 16)[8:], "little")
        elif name not in _STRUCTURE:
            if chunk_bytes <= MAX_CHUNK_BYTES and total + chunk_bytes <= _MAX_BYTES:
                chunks.append(Chunk(name, read_fully(file, chunk_bytes)))
                total += chunk_bytes
            else:
                left_out += 1
        place += 8 + chunk_bytes + chunk_bytes % 2
    return WavChunks(head[:4].decode(), tuple(chunks), left_out)
