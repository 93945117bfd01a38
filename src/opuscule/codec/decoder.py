"""Packets to PCM, and what fills in for those that are missing."""

from collections.abc import Sequence
from typing import cast, overload

from opuscule import _native
from opuscule.codec.concealment import Concealed, ConcealedSpan, Means
from opuscule.codec.pcm import Pcm, as_pcm, check_sample_format
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SampleFormat
from opuscule.units import check_rate

__all__ = ["Decoder"]


class Decoder:
    """Decodes packets, and fills in for those that are missing.

    Args:
        rate: output rate, an Opus rate; need not be the encoder's.
        channels: 1 or 2; need not be the encoder's.
        sample_format: of the output, ``int16`` or ``float32`` (full scale ±1).
        complexity: 0 to 10. From 5 on concealment is neural and DRED works; from 6 on speech is
            enhanced, which costs two to eight times as much.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(
        self,
        rate: int = 48_000,
        channels: int = 1,
        *,
        sample_format: SampleFormat = "int16",
        complexity: int = 5,
    ) -> None:
        check_sample_format(sample_format)
        self.rate = check_rate(rate)
        if channels not in (1, 2):
            raise InvalidArgumentError(f"channels is {channels}; one Opus stream has 1 or 2")
        if not 0 <= complexity <= 10:
            raise InvalidArgumentError(f"complexity is {complexity}; expected 0 to 10")
        self.channels = channels
        self.sample_format: SampleFormat = sample_format
        self._native = _native.Decoder(rate, channels, complexity, sample_format == "float32")

    def _pcm(self, data: bytes) -> Pcm:
        return as_pcm(data, self.channels, self.sample_format)

    def decode(self, packet: bytes) -> Pcm:
        """Decode one packet to ``(samples, channels)``.

        Raises:
            InvalidPacketError: ``packet`` is no Opus packet; an empty one is none.
        """
        return self._pcm(self._native.decode(packet))

    @overload
    def conceal(self, missing_samples: int) -> Pcm: ...

    @overload
    def conceal(self, missing_samples: int, following: Sequence[bytes]) -> Concealed: ...

    def conceal(
        self, missing_samples: int, following: Sequence[bytes] | None = None
    ) -> "Pcm | Concealed":
        """Fill in for packets that are missing, by the best means there is.

        With ``following``, which may be empty, the gap is filled from its beginning to where they
        begin: the frame just before them from FEC, as far back as it reaches from DRED (at
        complexity 5 and above), the rest by concealment (PLC), and after 500 ms of that by silence.
        Afterwards decode them as usual. Any length will do; a remainder of less than 2.5 ms is
        carried to the next call. The gap is one of lost packets: in a pause that was not sent there
        is nothing to rebuild.

        Without ``following`` it is PLC alone, whatever packets there are: a multiple of 2.5 ms up
        to 120 ms, from what came before. After a pause that is comfort noise.

        Args:
            missing_samples: how long the gap is, in samples at ``rate``; at most 60 s.
            following: packets behind the gap, in order and none missing between them. The first one
                gives FEC; more than those of 1040 ms are of no use.

        Returns:
            What the gap was filled with and from, with ``following``; else the samples.

        Raises:
            InvalidArgumentError: the length is out of its range.
            InvalidPacketError: one of ``following`` is no Opus packet; nothing was concealed.
        """
        if following is None:
            return self._pcm(self._native.conceal(missing_samples))
        if missing_samples < 0:
            raise InvalidArgumentError(f"missing_samples is {missing_samples}; expected 0 or more")
        data, made, carried_samples = self._native.conceal_gap(missing_samples, following)
        spans = []
        start = 0
        for samples, means in made:
            spans.append(ConcealedSpan(start, start + samples, cast("Means", means)))
            start += samples
        return Concealed(self._pcm(data), tuple(spans), carried_samples)

    def fec_samples(self, packet: bytes) -> int:
        """Samples just before ``packet`` that its in-band FEC can rebuild.

        0 without FEC, and also when what was decoded last was CELT, on which FEC cannot build.
        """
        return self._native.fec_samples(packet)

    def decode_fec(self, packet: bytes) -> Pcm:
        """Rebuild the frame before ``packet``; afterwards decode ``packet`` itself.

        Raises:
            InvalidArgumentError: it carries none that can be used (libopus would conceal and say
                nothing).
        """
        return self._pcm(self._native.decode_fec(packet))

    def dred_samples(self, packet: bytes) -> int:
        """How many samples back from ``packet`` its deep redundancy reaches; 0 without."""
        return self._native.dred_samples(packet)

    def decode_dred(self, packet: bytes, offset_samples: int, samples: int) -> Pcm:
        """Rebuild ``samples`` that begin ``offset_samples`` before ``packet``, oldest first.

        Raises:
            InvalidArgumentError: beyond the reach, or not a multiple of 2.5 ms.
        """
        return self._pcm(self._native.decode_dred(packet, offset_samples, samples))

    def reset(self) -> None:
        """Forget all that was decoded."""
        self._native.reset()
