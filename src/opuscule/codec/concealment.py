"""What a gap was filled with."""

from dataclasses import dataclass
from typing import Literal

from opuscule.codec.pcm import Pcm

__all__ = ["Concealed", "ConcealedSpan", "Means"]

Means = Literal["fec", "dred", "plc", "silence"]
"""In-band FEC of the packet after the gap, deep redundancy of one of the packets after it,
libopus's concealment from what came before, or nothing: it has faded out after 500 ms."""


@dataclass(frozen=True, slots=True)
class ConcealedSpan:
    """Consecutive samples that were rebuilt by one means."""

    start_samples: int
    """The first one, counted from the beginning of :attr:`Concealed.pcm`."""
    end_samples: int
    """One past the last."""
    means: Means
    """What they were rebuilt from."""


@dataclass(frozen=True, slots=True)
class Concealed:
    """A gap that was filled, as :meth:`opuscule.codec.Decoder.conceal` returns it."""

    pcm: Pcm
    """``(samples, channels)`` in the decoder's sample format; a multiple of 2.5 ms."""
    spans: tuple[ConcealedSpan, ...]
    """What each sample was rebuilt from, without holes; neighbours differ in their means."""
    carried_samples: int
    """Samples that were asked for and are left to the next call, which adds them to its own: less
    than 2.5 ms, because libopus conceals nothing shorter."""
