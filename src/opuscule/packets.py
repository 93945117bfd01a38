"""The frozen values that pass between rooms."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count, repeat
from types import MemberDescriptorType
from typing import Literal

__all__ = [
    "MAX_PACKET_BYTES",
    "SAMPLE_BYTES",
    "Gap",
    "GapKind",
    "Packet",
    "SampleFormat",
    "StreamFormat",
    "make_packets",
]

SampleFormat = Literal["int16", "float32"]
"""``int16`` is full scale at ±32768, ``float32`` at ±1; both in the machine's own byte order."""

SAMPLE_BYTES: dict[SampleFormat, int] = {"int16": 2, "float32": 4}
"""Bytes of one sample of one channel."""

MAX_PACKET_BYTES = 61_298
"""The longest packet that one Opus stream can need: 48 frames of 1275 bytes, each with its length
(RFC 6716 §3.2.5). A peer or file that claims more is refused."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One Opus packet and where it belongs."""

    sequence: int
    """Position in the stream, counted in packets from 0 and never wrapping here. A number that is
    missing was lost; a pause that was not sent (DTX) skips media time and no number."""
    time_samples: int
    """Media time of the first sample that it decodes to, in 48 kHz samples from the stream's
    beginning, pre-skip included."""
    duration_samples: int
    """What it decodes to, in 48 kHz samples: 120 to 5760."""
    data: bytes
    """The packet as libopus made it, without any framing."""

    @property
    def end_samples(self) -> int:
        """Media time just after its last sample."""
        return self.time_samples + self.duration_samples


_SLOTS: tuple[MemberDescriptorType, ...] = tuple(
    vars(Packet)[name] for name in ("sequence", "time_samples", "duration_samples", "data")
)


def make_packets(
    first_sequence: int, times: Sequence[int], durations: Sequence[int], data: Sequence[bytes]
) -> list[Packet]:
    """Make many packets at once, numbered from ``first_sequence``; the others are of one length.

    Readers make them by the hundred thousand. This fills their slots column by column, without a
    step of the interpreter for each, in less than half of the time that the constructor takes.
    """
    made = list(map(object.__new__, repeat(Packet, len(data))))
    for slot, values in zip(_SLOTS, (count(first_sequence), times, durations, data), strict=True):
        deque(map(slot.__set__, made, values), maxlen=0)
    return made


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What a decoder has to know before the first packet (as OpusHead, RFC 7845 §5.1)."""

    channels: int
    """1 or 2."""
    pre_skip_samples: int
    """48 kHz samples at the beginning that are the encoder's look-ahead and not audio."""
    input_rate: int
    """The rate in Hz that the audio had before encoding; for information only."""
    gain_q8: int = 0
    """Gain that a player applies, in 1/256 dB."""


class GapKind(Enum):
    """Why media time is missing between two packets."""

    LOST = "lost"
    """Packets were sent and did not arrive."""
    UNSENT = "unsent"
    """The sender left silence out (DTX)."""
    DISCONTINUITY = "discontinuity"
    """The sender's source jumped."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of media time for which there is no packet."""

    start_samples: int
    """Media time at which it begins, in 48 kHz samples, pre-skip included."""
    duration_samples: int
    """How long it is, in 48 kHz samples; positive."""
    kind: GapKind
    """Why it is there."""

    @property
    def end_samples(self) -> int:
        """Media time just after it."""
        return self.start_samples + self.duration_samples
