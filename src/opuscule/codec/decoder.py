"""Packets to PCM, and what fills in for those that are missing."""

from collections.abc import Sequence
from typing import TypedDict, Unpack, cast, overload

from opuscule import _native
from opuscule.codec.concealment import Concealed, ConcealedSpan, Means
from opuscule.codec.pcm import TYPE_CODES, Buffer, Pcm, as_pcm, check_sample_format
from opuscule.codec.settings import Bandwidth
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SAMPLE_BYTES, SampleFormat, StreamFormat
from opuscule.units import check_rate

__all__ = ["Decoder", "DecoderSettings"]


class DecoderSettings(TypedDict, total=False):
    """What a decoder can be told at any time."""

    complexity: int
    """0 to 10. From 5 on concealment is neural and DRED works; from 6 on speech is enhanced, which
    costs two to eight times as much."""
    gain_q8: int
    """Gain to apply, in 1/256 dB, -32768 to 32767 (RFC 7845 §5.1)."""
    phase_inversion: bool
    """Whether to follow stereo that was coded with one side inverted; off before mixing to mono."""
    bandwidth_extension: bool
    """Whether speech of 8 kHz bandwidth is made to sound like 20; at 48 kHz and from complexity 4
    on, and at five times the cost."""


class Decoder:
    """Decodes packets, and fills in for those that are missing.

    Args:
        rate: output rate, an Opus rate; need not be the encoder's.
        channels: 1 or 2; need not be the encoder's. For more see :meth:`for_stream`.
        sample_format: of the output, ``int16`` or ``float32`` (full scale ±1).
        complexity: as in :class:`DecoderSettings`; 5 unless told otherwise.
        settings: the others of :class:`DecoderSettings`.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(
        self,
        rate: int = 48_000,
        channels: int = 1,
        *,
        sample_format: SampleFormat = "int16",
        **settings: Unpack[DecoderSettings],
    ) -> None:
        if channels not in (1, 2):
            raise InvalidArgumentError(
                f"channels is {channels}; one Opus stream has 1 or 2, and for packets of several"
                " streams there is Decoder.for_stream"
            )
        self._open(rate, channels, None, sample_format, settings)

    @classmethod
    def for_stream(
        cls,
        stream: StreamFormat,
        *,
        rate: int = 48_000,
        sample_format: SampleFormat = "int16",
        **settings: Unpack[DecoderSettings],
    ) -> "Decoder":
        """Make the decoder that a stream's header asks for: its channels, streams and gain.

        Packets of several streams have no DRED: libopus rebuilds from it in single streams only.

        Raises:
            InvalidArgumentError: a value is out of its range, or the format contradicts itself.
        """
        layout = (
            None if stream.is_single else (stream.streams, stream.coupled, bytes(stream.mapping))
        )
        if layout is not None and len(stream.mapping) != stream.channels:
            raise InvalidArgumentError(
                f"the stream has {stream.channels} channels and maps {len(stream.mapping)}"
            )
        self = cls.__new__(cls)
        given: DecoderSettings = {"gain_q8": stream.gain_q8}
        given.update(settings)
        self._open(rate, stream.channels, layout, sample_format, given)
        return self

    def _open(
        self,
        rate: int,
        channels: int,
        layout: tuple[int, int, bytes] | None,
        sample_format: SampleFormat,
        settings: DecoderSettings,
    ) -> None:
        check_sample_format(sample_format)
        self.rate = check_rate(rate)
        self.channels = channels
        self.sample_format: SampleFormat = sample_format
        self._code = TYPE_CODES[sample_format]
        self._frame_bytes = SAMPLE_BYTES[sample_format] * channels
        self._native = _native.Decoder(rate, channels, 5, sample_format == "float32", layout)
        if settings:
            self._native.update(settings)

    def update(self, **changes: Unpack[DecoderSettings]) -> None:
        """Change settings from the next packet on; all of them or, on an error, none.

        Raises:
            InvalidArgumentError: a value is out of its range.
        """
        self._native.update(changes)

    def copy(self) -> "Decoder":
        """Make another one that continues from here, independently."""
        copy = object.__new__(type(self))
        copy.rate, copy.channels = self.rate, self.channels
        copy.sample_format = self.sample_format
        copy._code, copy._frame_bytes = self._code, self._frame_bytes
        copy._native = self._native.copy()
        return copy

    @property
    def final_range(self) -> int:
        """The range coder's 32-bit state after the last packet (RFC 6716 §4.1).

        It is that of the encoder after the same packet, or one of the two is wrong.
        """
        return self._native.final_range

    @property
    def last_packet_samples(self) -> int:
        """Samples of the last packet, or of what was last concealed; 0 before any."""
        return self._native.last_packet_samples

    @property
    def bandwidth(self) -> Bandwidth | None:
        """The bandwidth of the last packet, of the first stream if there are several."""
        return self._native.bandwidth

    def _pcm(self, data: bytes) -> Pcm:
        return as_pcm(data, self.channels, self.sample_format)

    def decode(self, packet: bytes) -> Pcm:
        """Decode one packet to ``(samples, channels)``.

        Raises:
            InvalidPacketError: ``packet`` is no Opus packet; an empty one is none.
        """
        # As _pcm does, without its two calls: they are a third of what this adds to libopus.
        data = self._native.decode(packet)
        return memoryview(data).cast(self._code, (len(data) // self._frame_bytes, self.channels))

    def decode_into(self, packet: bytes, out: Buffer) -> int:
        """Decode one packet into the beginning of ``out``; return the samples per channel.

        Args:
            packet: the packet.
            out: a writable buffer of ``sample_format`` with room for the packet's samples times
                channels; 120 ms always suffice. One of just that size is the fastest.

        Raises:
            InvalidPacketError: ``packet`` is no Opus packet.
            InvalidArgumentError: ``out`` is too small (the message has both sizes), read-only or of
                another sample type. Nothing was decoded.
        """
        return self._native.decode_into(packet, out)

    def decode_many(self, packets: Sequence[bytes]) -> Pcm:
        """Decode packets that follow one another, in one call, to ``(samples, channels)``.

        Raises:
            InvalidPacketError: one is no Opus packet; the message has its place, and none was
                decoded.
        """
        return self._pcm(self._native.decode_many(packets))

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
        is nothing to rebuild. Several streams have no DRED, and their FEC is used where at least
        one of them has it; the others are concealed meanwhile.

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
        if missing_samples < 0:
            raise InvalidArgumentError(f"missing_samples is {missing_samples}; expected 0 or more")
        if following is None:
            return self._pcm(self._native.conceal(missing_samples))
        data, made, carried_samples = self._native.conceal_gap(missing_samples, following)
        spans = []
        start = 0
        for samples, means in made:
            spans.append(ConcealedSpan(start, start + samples, cast("Means", means)))
            start += samples
        return Concealed(self._pcm(data), tuple(spans), carried_samples)

    def fec_samples(self, packet: bytes) -> int:
        """Samples just before ``packet`` that its in-band FEC can rebuild.

        0 without FEC, and also when what was decoded last was CELT, on which FEC cannot build. Of
        several streams one with FEC is enough.
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
