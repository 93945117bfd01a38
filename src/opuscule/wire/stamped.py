"""Stamped frames: an Opus packet behind the time at which it was captured; and that time's units.

====== =============================================================================
bytes  what
====== =============================================================================
0      version, 1
1–7    milliseconds since 1970-01-01 00:00 UTC, 56 bits, big-endian
8–     the Opus packet (RFC 6716 §3), without any framing
====== =============================================================================

The first byte is a version, not the top of a 64-bit number: who reads all eight as one is off by
2**56. A frame is one message; it has no length of its own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opuscule.errors import InvalidArgumentError, RemoteProtocolError
from opuscule.packets import MAX_PACKET_BYTES
from opuscule.units import ms_to_samples, samples_to_ms

__all__ = [
    "MAX_EPOCH_MS",
    "STAMP_BYTES",
    "VERSION",
    "StampedFrame",
    "decode_stamped",
    "encode_stamped",
    "epoch_ms_of",
    "from_epoch_ms",
    "media_samples_between",
    "to_epoch_ms",
]

VERSION = 1
"""The only version there is."""

STAMP_BYTES = 8
"""What stands before the packet."""

MAX_EPOCH_MS = (1 << 56) - 1
"""The latest time that a frame can carry."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class StampedFrame:
    """One Opus packet and when it was captured."""

    epoch_ms: int
    """When its first sample was captured: milliseconds since 1970 UTC, 0 to 2**56 - 1."""
    data: bytes
    """The Opus packet, 1 to 61298 bytes."""


def encode_stamped(frame: StampedFrame) -> bytes:
    """Return the frame's bytes.

    Raises:
        InvalidArgumentError: the time or the packet's length is out of its range.
    """
    if not 0 <= frame.epoch_ms <= MAX_EPOCH_MS:
        raise InvalidArgumentError(f"epoch_ms is {frame.epoch_ms}; expected 0 to {MAX_EPOCH_MS}")
    if not 1 <= len(frame.data) <= MAX_PACKET_BYTES:
        raise InvalidArgumentError(
            f"packet of {len(frame.data)} bytes; expected 1 to {MAX_PACKET_BYTES}"
        )
    return bytes((VERSION,)) + frame.epoch_ms.to_bytes(STAMP_BYTES - 1) + frame.data


def decode_stamped(data: bytes) -> StampedFrame:
    """Return the frame that ``data`` is; the packet itself is not looked into.

    Raises:
        RemoteProtocolError: it is shorter than a stamp and a packet of one byte, longer than any
            packet, or of another version.
    """
    if len(data) <= STAMP_BYTES:
        raise RemoteProtocolError(
            f"stamped frame of {len(data)} bytes; expected {STAMP_BYTES} of version and time and a "
            "packet behind them"
        )
    if data[0] != VERSION:
        raise RemoteProtocolError(
            f"stamped frame of version {data[0]} at offset 0; expected {VERSION}"
        )
    if len(data) > STAMP_BYTES + MAX_PACKET_BYTES:
        raise RemoteProtocolError(
            f"stamped frame with a packet of {len(data) - STAMP_BYTES} bytes; an Opus packet has "
            f"at most {MAX_PACKET_BYTES}"
        )
    return StampedFrame(int.from_bytes(data[1:STAMP_BYTES]), bytes(data[STAMP_BYTES:]))


def to_epoch_ms(time: datetime) -> int:
    """Milliseconds from 1970 UTC to ``time``, rounded down; exact, because no float is involved.

    Raises:
        InvalidArgumentError: ``time`` has no time zone, so that nobody knows when it is.
    """
    if time.tzinfo is None:
        raise InvalidArgumentError(f"{time} has no time zone; give it one, such as datetime.UTC")
    return (time - _EPOCH) // _MS


def from_epoch_ms(epoch_ms: int) -> datetime:
    """Return the time, in UTC, that is ``epoch_ms`` milliseconds after 1970 began.

    Raises:
        InvalidArgumentError: it is outside the years 1 to 9999, which datetime can express.
    """
    try:
        return _EPOCH + epoch_ms * _MS
    except OverflowError:
        raise InvalidArgumentError(
            f"epoch_ms is {epoch_ms}; expected a time from the year 1 to 9999"
        ) from None


def epoch_ms_of(media_samples: int, origin_epoch_ms: int) -> int:
    """Wall time of a media time, where media time 0 was at ``origin_epoch_ms``; to the nearest."""
    return origin_epoch_ms + round(samples_to_ms(media_samples))


def media_samples_between(start_epoch_ms: int, end_epoch_ms: int) -> int:
    """How many 48 kHz samples lie between two wall times; negative if the second comes first."""
    return ms_to_samples(end_epoch_ms - start_epoch_ms)
