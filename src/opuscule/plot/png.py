"""A PNG file of an image of 8-bit RGB (W3C PNG, third edition)."""

import struct
import zlib

from opuscule.errors import InvalidArgumentError

__all__ = ["write_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB8 = (8, 2, 0, 0, 0)
"""Bits, colour type, compression, filter method, no interlace (§11.2.1)."""
_NO_FILTER = b"\0"
_MAX_SIDE = 1 << 15


def write_png(width: int, height: int, pixels: bytes) -> bytes:
    """Make a PNG file.

    Args:
        width: in pixels, 1 to 32,768.
        height: the same.
        pixels: row by row from the top, three bytes each.

    Raises:
        InvalidArgumentError: the sizes are out of range, or do not fit the pixels.
    """
    if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
        raise InvalidArgumentError(f"an image of {width} × {height} is wanted; at most {_MAX_SIDE}")
    row = 3 * width
    if len(pixels) != row * height:
        raise InvalidArgumentError(
            f"{width} × {height} pixels are {row * height} bytes; got {len(pixels)}"
        )
    packer = zlib.compressobj(6)
    data = b"".join(
        packer.compress(_NO_FILTER + pixels[at : at + row]) for at in range(0, len(pixels), row)
    )
    header = struct.pack(">II5B", width, height, *_RGB8)
    chunks = ((b"IHDR", header), (b"IDAT", data + packer.flush()), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    """Length, kind, body, checksum (§5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
