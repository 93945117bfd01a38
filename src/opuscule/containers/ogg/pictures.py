"""Comments looked up by name, and the pictures in them (METADATA_BLOCK_PICTURE).

A picture in a comment is FLAC's picture block (RFC 9639 §8.8) in base64, by the convention that
Vorbis comments have for it; RFC 7845 §5.2 takes over Vorbis comments as they are.
"""

import base64
import binascii
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from opuscule.errors import FormatError, InvalidArgumentError

__all__ = ["PICTURE_COMMENT", "Picture", "PictureType", "find_comments", "find_pictures"]

PICTURE_COMMENT = "METADATA_BLOCK_PICTURE"
"""The name of a comment that holds a picture."""

_MAX_BYTES = (16 << 20) // 4 * 3
"""All comments together are read up to 16 MiB, and base64 makes four bytes of three."""


class PictureType(IntEnum):
    """What a picture shows (RFC 9639 §8.8, table 13)."""

    OTHER = 0
    FILE_ICON = 1
    OTHER_FILE_ICON = 2
    FRONT_COVER = 3
    BACK_COVER = 4
    LINER_NOTES = 5
    MEDIA = 6
    LEAD_ARTIST = 7
    ARTIST = 8
    CONDUCTOR = 9
    BAND = 10
    COMPOSER = 11
    LYRICIST = 12
    RECORDING_LOCATION = 13
    DURING_RECORDING = 14
    DURING_PERFORMANCE = 15
    SCREEN_CAPTURE = 16
    FISH = 17
    ILLUSTRATION = 18
    ARTIST_LOGO = 19
    PUBLISHER_LOGO = 20


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, or a link to one.

    Raises:
        InvalidArgumentError: a number is out of its range, or ``media_type`` is not printable
            ASCII.
    """

    data: bytes
    """The image file; an address where :attr:`media_type` is ``-->``."""
    media_type: str
    """Such as ``image/jpeg``."""
    type: PictureType = PictureType.FRONT_COVER
    """What it shows."""
    description: str = ""
    """In words."""
    width: int = 0
    """In pixels; 0 if not known, as the next three."""
    height: int = 0
    """In pixels."""
    depth_bits: int = 0
    """Bits a pixel."""
    colors: int = 0
    """Colours of an indexed image such as GIF; 0 for others."""

    def __post_init__(self) -> None:
        if not all(" " <= character <= "~" for character in self.media_type):
            raise InvalidArgumentError(
                f"media_type is {self.media_type!r}; expected printable ASCII such as 'image/png'"
            )
        for name in ("width", "height", "depth_bits", "colors"):
            if not 0 <= getattr(self, name) < 2**32:
                raise InvalidArgumentError(f"{name} is {getattr(self, name)}; expected 32 bits")
        if len(self.data) > _MAX_BYTES:
            raise InvalidArgumentError(
                f"the picture has {len(self.data)} bytes; at most {_MAX_BYTES} fit in comments"
            )

    def to_comment(self) -> tuple[str, str]:
        """Make the comment, name and value, that holds this picture."""
        media_type, description = self.media_type.encode("ascii"), self.description.encode()
        block = struct.pack(">II", self.type, len(media_type)) + media_type
        block += struct.pack(">I", len(description)) + description
        numbers = (self.width, self.height, self.depth_bits, self.colors, len(self.data))
        block += struct.pack(">5I", *numbers) + self.data
        return PICTURE_COMMENT, base64.b64encode(block).decode("ascii")

    @classmethod
    def from_comment(cls, value: str) -> Self:
        """Read the value of a comment.

        Raises:
            FormatError: it is not base64, or what it encodes is no picture block.
        """
        try:
            block = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise FormatError(f"a picture is not base64: {error}") from error
        reader = _Block(block)
        kind = reader.number("its type")
        if kind not in PictureType.__members__.values():
            raise FormatError(f"a picture is of type {kind}; expected 0 to {max(PictureType)}")
        media_type = reader.text("its media type")
        description = reader.text("its description")
        width, height, depth_bits, colors = (reader.number("its size") for _ in range(4))
        data = reader.data("its bytes")
        if reader.at != len(block):
            raise FormatError(
                f"a picture block has {len(block)} bytes; it says that {reader.at} are needed"
            )
        try:
            return cls(
                data, media_type, PictureType(kind), description, width, height, depth_bits, colors
            )
        except InvalidArgumentError as error:
            raise FormatError(f"a picture is wrong: {error}") from error


class _Block:
    """A picture block being read."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.at = 0

    def number(self, what: str) -> int:
        return int.from_bytes(self._take(4, what), "big")

    def data(self, what: str) -> bytes:
        return self._take(self.number(what), what)

    def text(self, what: str) -> str:
        try:
            return self.data(what).decode()
        except UnicodeDecodeError as error:
            raise FormatError(f"a picture block has no UTF-8 in {what}: {error}") from error

    def _take(self, length: int, what: str) -> bytes:
        taken = self.block[self.at : self.at + length]
        if len(taken) < length:
            raise FormatError(
                f"a picture block ends in {what}: expected {length} bytes at {self.at}, got "
                f"{len(taken)}"
            )
        self.at += length
        return taken


def find_comments(comments: Iterable[tuple[str, str]], name: str) -> tuple[str, ...]:
    """Give the values of all comments of a name, whose case does not count (RFC 7845 §5.2)."""
    # Names are ASCII, so folding more than ASCII would find what is not there.
    wanted = name.encode("utf-8", "surrogateescape").lower()
    return tuple(
        value for key, value in comments if key.encode("utf-8", "surrogateescape").lower() == wanted
    )


def find_pictures(comments: Iterable[tuple[str, str]]) -> tuple[Picture, ...]:
    """Read all pictures in comments.

    Raises:
        FormatError: one of them cannot be read.
    """
    return tuple(Picture.from_comment(v) for v in find_comments(comments, PICTURE_COMMENT))
