"""Calls: packets with the times at which they were sent and came.

Media time is that of RTP (RFC 7587): there is no pre-skip, and the sample at media time t is sent
at t.
"""

import contextlib
import os
from collections import Counter
from dataclasses import dataclass

from opuscule.containers.pcm import default_mix, mix, to_int16
from opuscule.errors import FormatError, InvalidPacketError, UnsupportedFormatError
from opuscule.measure.playout.rtp import MAX_CALL_S
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import StreamDecoder
from opuscule.transcode import open_audio

__all__ = ["LEAST_PACKETS", "Call", "Sent", "clean_decode", "read_reference"]

LEAST_PACKETS = 2
"""Of one packet nothing can be said: neither how late it was nor what became of the next."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet and what became of it."""

    packet: Packet
    """Without data where it was lost before it was captured."""
    sent_ms: float
    """From the beginning of the call."""
    arrival_ms: float | None
    """On the same clock; None when lost."""


@dataclass(frozen=True, slots=True)
class Call:
    """One direction of a call."""

    format: StreamFormat
    """What a receiver is told of the stream; without pre-skip, as in RTP."""
    sent: tuple[Sent, ...]
    """In the order of sending, each once."""
    arrivals: tuple[tuple[float, Packet], ...]
    """What came when (ms), in the order of arrival, copies too."""
    notes: tuple[str, ...]
    """What a reader of the results should know."""

    @property
    def packet_ms(self) -> float:
        """How long most packets are."""
        counts = Counter(s.packet.duration_samples for s in self.sent if s.packet.data)
        return counts.most_common(1)[0][0] / 48 if counts else 20.0

    @property
    def duration_ms(self) -> float:
        """From the first sample to the last."""
        return max(s.packet.end_samples for s in self.sent) / 48

    @property
    def bitrate(self) -> float:
        """Of the packets that are known, bits a second."""
        known = [s.packet for s in self.sent if s.packet.data]
        samples = sum(packet.duration_samples for packet in known)
        return sum(len(packet.data) for packet in known) * 8 * 48_000 / samples if samples else 0.0


def clean_decode(call: Call) -> bytes:
    """What all packets that are known give without the network: int16 at 48 kHz from time 0 on."""
    known = [s.packet for s in call.sent if s.packet.data]
    decoder = StreamDecoder(call.format, channels=call.format.channels)
    pcm = bytearray()
    for packet in known:
        with contextlib.suppress(InvalidPacketError):
            for piece in decoder.push(packet):
                pcm += piece
    for piece in decoder.finish(known[-1].end_samples, known[-1].sequence + 1):
        pcm += piece
    return bytes(pcm)


def read_reference(path: str | os.PathLike[str], channels: int) -> bytes:
    """What was said, as :func:`clean_decode` gives it, from an audio file.

    Raises:
        FormatError: it cannot be read; see :func:`opuscule.transcode.open_audio`.
    """
    pcm = bytearray()
    with open_audio(path, rate=48_000) as audio:
        outputs = default_mix(audio.channels, channels)
        for block in audio:
            samples = to_int16(block, audio.sample_format)
            pcm += mix(samples, audio.channels, outputs) if outputs else samples
            if len(pcm) > 2 * channels * 48_000 * MAX_CALL_S:
                raise UnsupportedFormatError(f"{path} is longer than {MAX_CALL_S} s; cut it")
    if not pcm:
        raise FormatError(f"{path} has no samples to compare with")
    return bytes(pcm)
