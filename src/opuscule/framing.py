"""Opus packets taken apart and joined, without decoding (RFC 6716 §3 and appendix B).

A packet is a byte that says of what kind its frames are, their lengths, the frames, and perhaps
padding, in which newer things such as DRED travel as extensions. :func:`inspect` says all that can
be said of it; :func:`split` and :func:`merge` carry frames from packet to packet; :func:`pad` and
:func:`unpad` change its length; :func:`delimit` and :func:`undelimit` turn it into the framing that
needs no container, and back. No frame is ever changed, so a decoder makes the same samples of it.

``docs/packets.md`` shows what each is good for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from opuscule import _native

__all__ = [
    "Bandwidth",
    "Extension",
    "Mode",
    "PacketInfo",
    "delimit",
    "inspect",
    "merge",
    "pad",
    "split",
    "undelimit",
    "unpad",
]

Mode = Literal["silk", "hybrid", "celt"]
"""How frames are coded: linear prediction, both, or transform (RFC 6716 §2)."""

Bandwidth = Literal["narrowband", "mediumband", "wideband", "superwideband", "fullband"]
"""Up to 4, 6, 8, 12 or 20 kHz (RFC 6716 §2)."""


@dataclass(frozen=True, slots=True)
class Extension:
    """Something in a packet's padding (draft-ietf-mlcodec-opus-extension)."""

    id: int
    """What it is: 3 to 127. 126 is DRED."""
    frame: int
    """The frame to which it belongs, from 0."""
    payload: range
    """The packet's bytes that are its content."""


@dataclass(frozen=True, slots=True)
class PacketInfo:
    """What a packet is made of. Ranges are half-open and index its bytes, but for ``dred``."""

    mode: Mode
    """How all its frames are coded."""
    bandwidth: Bandwidth
    """What frequencies they hold."""
    channels: int
    """1 or 2. A decoder of either number of channels takes both."""
    code: int
    """How frames and lengths are packed, 0 to 3 (RFC 6716 §3.2)."""
    frame_samples: int
    """What each frame decodes to, in 48 kHz samples: 120 to 2880."""
    frames: tuple[range, ...]
    """Where each frame lies: 1 to 48, of 0 to 1275 bytes."""
    padding: range
    """What follows the last frame; mostly empty."""
    fec: bool
    """Whether it carries in-band FEC (LBRR) for the frame just before it."""
    dtx: bool
    """Whether no frame has more than one byte: nothing but "silence goes on" (DTX)."""
    extensions: tuple[Extension, ...]
    """What its padding holds, in the order of the bytes; at most 6000."""
    extensions_fault: str | None
    """Where and why extensions cannot be read on. The packet is sound all the same."""
    dred: range | None
    """What deep redundancy covers: 48 kHz samples counted from the packet's first one, so negative.
    ``None`` without DRED that the libopus inside can read (its format is provisional)."""

    @property
    def duration_samples(self) -> int:
        """What the packet decodes to, in 48 kHz samples: 120 to 5760."""
        return self.frame_samples * len(self.frames)


def inspect(packet: bytes) -> PacketInfo:
    """Say what ``packet`` is made of.

    Raises:
        InvalidPacketError: it is no Opus packet; ``rule`` and ``offset`` say why (RFC 6716 §3.4).
    """
    kind, frames, padding, fec, dtx, extensions, fault, dred = _native.packet_inspect(packet)
    mode, bandwidth, channels, code, frame_samples = kind
    return PacketInfo(
        mode=mode,
        bandwidth=bandwidth,
        channels=channels,
        code=code,
        frame_samples=frame_samples,
        frames=tuple([range(start, stop) for start, stop in frames]),
        padding=range(*padding),
        fec=fec,
        dtx=dtx,
        extensions=tuple([Extension(e[0], e[1], range(e[2], e[3])) for e in extensions]),
        extensions_fault=fault,
        dred=None if dred is None else range(*dred),
    )


def split(packet: bytes) -> list[bytes]:
    """Part ``packet`` into packets of one frame each, in order; each keeps its own extensions.

    Raises:
        InvalidPacketError: it is no Opus packet, or its extensions cannot be read and would be
            lost (:func:`unpad` drops them).
    """
    return _native.packet_split(packet)


def merge(packets: Iterable[bytes]) -> bytes:
    """Join ``packets`` into the shortest one with all their frames and extensions.

    Raises:
        InvalidPacketError: one is no Opus packet, or its extensions cannot be read.
        InvalidArgumentError: there are none; they differ in mode, bandwidth, frame duration or
            channels; together they hold more than 120 ms, or would take more than 61298 bytes.
    """
    return _native.packet_merge(list(packets))


def pad(packet: bytes, length: int) -> bytes:
    """Lengthen ``packet`` to ``length`` bytes, with zeros that decoders pass over.

    Its extensions stay, and then the filling in front of them is ones, as their format wants it.

    Raises:
        InvalidPacketError: it is no Opus packet.
        InvalidArgumentError: it is longer already, or ``length`` is above 61298.
    """
    return _native.packet_pad(packet, length)


def unpad(packet: bytes) -> bytes:
    """Return the shortest packet of the same frames: no padding, and so no extensions and no DRED.

    Raises:
        InvalidPacketError: it is no Opus packet.
    """
    return _native.packet_unpad(packet)


def delimit(packet: bytes) -> bytes:
    """Return ``packet`` in self-delimiting framing: one or two bytes longer (RFC 6716 appendix B).

    Raises:
        InvalidPacketError: it is no Opus packet.
    """
    return _native.packet_delimit(packet)


def undelimit(data: bytes, start: int = 0) -> tuple[bytes, int]:
    """Return the self-delimited packet at ``start``, as an ordinary one, and where the next begins.

    Raises:
        InvalidPacketError: there is none; ``offset`` counts from the beginning of ``data``. If
            ``data`` is only a part so far, more of it can mend every rule but ``R5``.
        InvalidArgumentError: ``start`` is not in ``data``.
    """
    return _native.packet_undelimit(data, start)
