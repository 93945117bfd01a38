"""What a file is, by its first bytes and not its name.

One place knows the signatures; whoever opens a file asks here. Streams without a signature (raw
Opus, raw PCM) cannot be told from noise, and are read only where the caller says what they are.
"""

import os
from enum import StrEnum
from pathlib import Path

from opuscule.containers.riff import is_wav
from opuscule.errors import UnsupportedFormatError

__all__ = ["HEAD_BYTES", "FileFormat", "detect", "detect_file"]

HEAD_BYTES = 4096
"""How much of a file's beginning tells what it is; fewer do where the file is shorter."""


class FileFormat(StrEnum):
    """The kinds of files that are told apart; the values are the names that archives keep."""

    OGG_OPUS = "ogg opus"
    """Ogg with an Opus stream."""
    OGG = "ogg"
    """Ogg that begins with other streams: Vorbis, FLAC, video."""
    MATROSKA = "matroska"
    """Matroska."""
    WEBM = "webm"
    """WebM, which is a part of Matroska."""
    MP4 = "mp4"
    """MP4, M4A, MOV: the ISO base media format."""
    CAF = "caf"
    """Apple's Core Audio Format."""
    MPEG_TS = "mpegts"
    """An MPEG transport stream."""
    WAV = "wav"
    """WAV, RF64 or BW64."""
    AIFF = "aiff"
    """AIFF or AIFF-C."""
    FLAC = "flac"
    """FLAC without a container."""
    MP3 = "mp3"
    """MPEG audio, layer III, or what begins with an ID3 tag."""
    AAC = "aac"
    """AAC in ADTS frames."""
    OTHER = "other"
    """None of these, or no audio."""

    @property
    def may_hold_opus(self) -> bool:
        """Whether Opus packets can be taken out of it as they are."""
        return self in _OPUS_CONTAINERS


_OPUS_CONTAINERS = frozenset(
    (
        FileFormat.OGG_OPUS,
        FileFormat.OGG,  # Opus may come second, after video
        FileFormat.MATROSKA,
        FileFormat.WEBM,
        FileFormat.MP4,
        FileFormat.CAF,
        FileFormat.MPEG_TS,
    )
)
_SIGNATURES = (
    (0, b"fLaC", FileFormat.FLAC),
    (0, b"ID3", FileFormat.MP3),
    (0, b"caff", FileFormat.CAF),
    (4, b"ftyp", FileFormat.MP4),
    (4, b"moov", FileFormat.MP4),  # QuickTime before it had a type
)
_EBML = b"\x1a\x45\xdf\xa3"
_TS_PACKET_BYTES = 188


def detect(head: bytes) -> FileFormat:
    """Say what a file is.

    Args:
        head: its first bytes; :data:`HEAD_BYTES` of them, or the whole of a shorter file.
    """
    if is_wav(head[:12]):
        return FileFormat.WAV
    if head.startswith(b"OggS"):
        return FileFormat.OGG_OPUS if _begins_opus(head) else FileFormat.OGG
    if head.startswith(_EBML):
        # The DocType stands within the EBML header, whose elements are in no fixed order.
        return FileFormat.WEBM if b"\x42\x82\x84webm" in head[:128] else FileFormat.MATROSKA
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return FileFormat.AIFF
    for offset, signature, found in _SIGNATURES:
        if head.startswith(signature, offset):
            return found
    if _is_transport_stream(head):
        return FileFormat.MPEG_TS
    return _mpeg_audio(head)


def detect_file(path: str | os.PathLike[str]) -> FileFormat:
    """Say what the file at ``path`` is.

    Raises:
        UnsupportedFormatError: it is a pipe, which looking would take the beginning out of.
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        if not file.seekable():
            raise UnsupportedFormatError(f"{path} is a pipe; write it into a file first")
        return detect(file.read(HEAD_BYTES))


def _begins_opus(head: bytes) -> bool:
    """Whether one of the pages that begin the streams (RFC 3533 §4) begins an Opus stream."""
    start = 0
    while head.startswith(b"OggS", start) and len(head) >= start + 27:
        segments = head[start + 26]
        body = start + 27 + segments
        if not head[start + 5] & 0x02:  # beginning of stream; all such pages come first
            return False
        if head.startswith(b"OpusHead", body):  # RFC 7845 §5.1
            return True
        start = body + sum(head[start + 27 : body])
    return False


def _is_transport_stream(head: bytes) -> bool:
    """Whether the sync byte stands at the beginning of the first packets (ISO 13818-1 §2.4.3)."""
    starts = range(0, min(len(head), 5 * _TS_PACKET_BYTES), _TS_PACKET_BYTES)
    return len(head) >= 2 * _TS_PACKET_BYTES and all(head[start] == 0x47 for start in starts)


def _mpeg_audio(head: bytes) -> FileFormat:
    """Tell apart what begins with the sync word of MPEG audio (ISO 11172-3 §2.4.2.3, 13818-7)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return FileFormat.OTHER
    if head[1] & 0xF6 == 0xF0:  # layer 00: ADTS
        return FileFormat.AAC
    layer_iii = head[1] & 0x06 == 0x02
    valid = head[1] & 0x18 != 0x08 and head[2] & 0xF0 != 0xF0 and head[2] & 0x0C != 0x0C
    return FileFormat.MP3 if layer_iii and valid else FileFormat.OTHER
