"""Opus encoder and decoder.

PCM goes in as anything with a buffer: ``bytes`` (int16, native order), ``array.array``, NumPy, of
int16 or float32 samples, interleaved. It comes out as a read-only ``memoryview`` of shape
``(samples, channels)``, which ``numpy.asarray`` takes without a copy and ``bytes`` flattens.

An encoder or decoder may move between threads and may not be in two at once: the second gets a
:class:`~opuscule.errors.ConcurrentUseError`. The GIL is released while libopus runs, so two objects
on two threads use two cores.
"""

import dataclasses
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, Unpack

from opuscule import _native
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Packet, StreamFormat
from opuscule.units import check_rate, to_media_samples

if TYPE_CHECKING:
    from typing_extensions import Buffer
else:
    Buffer = object  # collections.abc has it from Python 3.12 on

__all__ = [
    "ARCHIVE",
    "PRESETS",
    "SAMPLE_BYTES",
    "VOICE",
    "Application",
    "Buffer",
    "Decoder",
    "Encoder",
    "EncoderSettings",
    "Pcm",
    "SampleFormat",
    "SettingsOverrides",
    "Signal",
    "StreamEncoder",
    "as_pcm",
    "libopus_version",
    "packet_duration",
    "preset_settings",
]

Application = Literal["voip", "audio", "lowdelay"]
Signal = Literal["auto", "voice", "music"]
SampleFormat = Literal["int16", "float32"]
Pcm: TypeAlias = "memoryview[int] | memoryview[float]"

SAMPLE_BYTES: dict[str, int] = {"int16": 2, "float32": 4}
"""Bytes of one sample of each format."""

_CODES: dict[str, Literal["h", "f"]] = {"int16": "h", "float32": "f"}
_MAX_FRAME_MS = 120


@dataclasses.dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How to encode; the ranges are libopus's, checked when an encoder is made."""

    application: Application = "voip"
    """``voip`` favours intelligible speech, ``audio`` fidelity, ``lowdelay`` 4 ms less delay."""
    bitrate: int = 24_000
    """Bits a second, 500 to 512,000."""
    complexity: int = 5
    """Work spent, 0 to 10."""
    vbr: bool = True
    """Variable bit rate."""
    fec: bool = True
    """In-band FEC: the frame before, coarsely, in each packet. Below about 20 kb/s libopus has no
    bits for it; with DRED on it takes DRED's bits."""
    loss_percent: int = 10
    """Loss to be ready for, 0 to 100 %; FEC and DRED need it above 0."""
    dtx: bool = True
    """Packets of a byte or two in silence."""
    dred_ms: int = 0
    """Deep redundancy, 0 to 1040 ms back; see the bit rates at which it fits in the guide."""
    signal: Signal = "voice"
    """What to expect."""


class SettingsOverrides(TypedDict, total=False):
    """The fields of :class:`EncoderSettings`, each to replace the preset's."""

    application: Application
    bitrate: int
    complexity: int
    vbr: bool
    fec: bool
    loss_percent: int
    dtx: bool
    dred_ms: int
    signal: Signal


VOICE = EncoderSettings()
"""A voice device's uplink: 24 kb/s, FEC for 10 % loss, DTX (row C2)."""

ARCHIVE = EncoderSettings(
    application="audio",
    bitrate=64_000,
    complexity=10,
    fec=False,
    loss_percent=0,
    dtx=False,
    signal="auto",
)
"""What is kept: nothing is spent on losses, and silence is encoded like everything else."""

PRESETS = {"voice": VOICE, "archive": ARCHIVE}
"""The settings by name."""


def preset_settings(name: str) -> EncoderSettings:
    """Return the settings of a preset.

    Raises:
        InvalidArgumentError: there is none of that name.
    """
    if name not in PRESETS:
        names = ", ".join(sorted(PRESETS))
        raise InvalidArgumentError(f"preset is {name!r}; there are: {names}")
    return PRESETS[name]


def libopus_version() -> str:
    """Return the version string of the libopus inside."""
    return _native.libopus_version()


def packet_duration(data: bytes) -> int:
    """Return how long a packet is, in 48 kHz samples: 120 to 5760.

    Raises:
        InvalidPacketError: ``data`` is no Opus packet (RFC 6716 §3.4).
    """
    return _native.packet_duration(data)


def as_pcm(data: bytes, channels: int, sample_format: SampleFormat) -> Pcm:
    """View interleaved samples as ``(samples, channels)``; no samples at all are ``(0,)``."""
    view = memoryview(data)
    if not data:
        return view.cast(_CODES[sample_format])
    samples = len(data) // (SAMPLE_BYTES[sample_format] * channels)
    return view.cast(_CODES[sample_format], (samples, channels))


def _check_sample_format(sample_format: str) -> None:
    if sample_format not in _CODES:
        raise InvalidArgumentError(
            f"sample_format is {sample_format!r}; expected 'int16' or 'float32'"
        )


class Encoder:
    """Encodes PCM frame by frame.

    Args:
        rate: input rate: 8000, 12000, 16000, 24000 or 48000 Hz.
        channels: 1 or 2.
        preset: the name of a preset or settings of one's own.
        overrides: settings that replace the preset's.

    Raises:
        InvalidArgumentError: a value is out of its range; the message says which and what fits.
    """

    def __init__(
        self,
        rate: int = 16_000,
        channels: int = 1,
        *,
        preset: str | EncoderSettings = "voice",
        **overrides: Unpack[SettingsOverrides],
    ) -> None:
        if isinstance(preset, str):
            preset = preset_settings(preset)
        self.settings = dataclasses.replace(preset, **overrides)
        self.rate = check_rate(rate)
        self.channels = channels
        s = self.settings
        self._native = _native.Encoder(
            rate,
            channels,
            s.application,
            bitrate=s.bitrate,
            complexity=s.complexity,
            vbr=s.vbr,
            fec=s.fec,
            loss_percent=s.loss_percent,
            dtx=s.dtx,
            dred_ms=s.dred_ms,
            signal=s.signal,
        )

    @property
    def lookahead_samples(self) -> int:
        """Samples at ``rate`` by which decoded audio lags the input."""
        return self._native.lookahead_samples

    @property
    def format(self) -> StreamFormat:
        """What a decoder of this encoder's packets has to know."""
        pre_skip = to_media_samples(self.lookahead_samples, self.rate)
        return StreamFormat(self.channels, pre_skip, self.rate)

    def encode(self, pcm: Buffer) -> bytes:
        """Encode exactly one frame of 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms.

        Raises:
            InvalidArgumentError: ``pcm`` is not one frame, or not int16 or float32.
            ConcurrentUseError: another thread is encoding with this object.
        """
        return self._native.encode(pcm)


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
        _check_sample_format(sample_format)
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

    def conceal(self, samples: int) -> Pcm:
        """Make up ``samples`` from what came before (PLC): a multiple of 2.5 ms up to 120 ms.

        Raises:
            InvalidArgumentError: it is not.
        """
        return self._pcm(self._native.conceal(samples))

    def fec_samples(self, packet: bytes) -> int:
        """Samples just before ``packet`` that its in-band FEC can rebuild; 0 without FEC."""
        return self._native.fec_samples(packet)

    def decode_fec(self, packet: bytes) -> Pcm:
        """Rebuild the frame before ``packet``; afterwards decode ``packet`` itself.

        Raises:
            InvalidArgumentError: it carries no FEC (libopus would conceal and say nothing).
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


class StreamEncoder:
    """Encodes a stream that comes in chunks of any size; nothing is dropped or read past its end.

    Packets carry their sequence number and media time. The last one is padded with silence as far
    as the look-ahead needs; :attr:`end_samples` says where the audio itself ends.

    Args:
        rate: input rate, an Opus rate.
        channels: 1 or 2.
        frame_ms: audio per packet: 2.5, 5, 10, 20, 40, 60, 80, 100 or 120.
        sample_format: what chunks of plain bytes hold.
        preset: as for :class:`Encoder`.
        overrides: as for :class:`Encoder`.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(
        self,
        rate: int = 16_000,
        channels: int = 1,
        *,
        frame_ms: float = 20,
        sample_format: SampleFormat = "int16",
        preset: str | EncoderSettings = "voice",
        **overrides: Unpack[SettingsOverrides],
    ) -> None:
        _check_sample_format(sample_format)
        if not 2.5 <= frame_ms <= _MAX_FRAME_MS:
            raise InvalidArgumentError(f"frame_ms is {frame_ms}; expected 2.5 to 120")
        self.encoder = Encoder(rate, channels, preset=preset, **overrides)
        self.format = self.encoder.format
        self.sample_format: SampleFormat = sample_format
        self._value_bytes = SAMPLE_BYTES[sample_format] * channels
        frame_samples = round(frame_ms * rate / 1000)
        self._frame_bytes = frame_samples * self._value_bytes
        self._duration_samples = to_media_samples(frame_samples, rate)
        self._rest = b""
        self._input_samples = 0
        self._sequence = 0
        self._finished = False
        # A frame length that libopus has not is refused here rather than at the first full frame.
        Encoder(rate, channels, preset=self.encoder.settings).encode(self._view(self._frame_bytes))

    @property
    def end_samples(self) -> int:
        """Media time, pre-skip included, at which the audio given so far ends; 0 without any."""
        if not self._input_samples:
            return 0
        audio = to_media_samples(self._input_samples, self.encoder.rate)
        return self.format.pre_skip_samples + audio

    @property
    def next_sequence(self) -> int:
        """The sequence number that the next packet will have."""
        return self._sequence

    def push(self, chunk: Buffer) -> list[Packet]:
        """Take a chunk of interleaved samples; return the packets that became full.

        Raises:
            InvalidArgumentError: the chunk's own sample type is not ``sample_format``, or the
                stream is finished.
        """
        if self._finished:
            raise InvalidArgumentError("the stream is finished; begin another one")
        view = memoryview(chunk)
        if view.format not in (_CODES[self.sample_format], "B", "b", "c"):
            raise InvalidArgumentError(
                f"the chunk holds samples of type {view.format!r}; this stream was opened for"
                f" {self.sample_format}"
            )
        data = self._rest + view.tobytes()
        used = len(data) - len(data) % self._frame_bytes
        self._rest = data[used:]
        self._input_samples += used // self._value_bytes
        return [
            self._encode(data[at : at + self._frame_bytes])
            for at in range(0, used, self._frame_bytes)
        ]

    def finish(self) -> list[Packet]:
        """Encode what is left, padded until every sample has left the encoder's look-ahead.

        Raises:
            InvalidArgumentError: the last sample is not whole.
        """
        if self._finished:
            return []
        if len(self._rest) % self._value_bytes:
            raise InvalidArgumentError(
                f"the stream ends {len(self._rest) % self._value_bytes} bytes into a sample of"
                f" {self._value_bytes} (all channels)"
            )
        self._finished = True
        self._input_samples += len(self._rest) // self._value_bytes
        packets = []
        while self._sequence * self._duration_samples < self.end_samples:
            packets.append(self._encode(self._rest.ljust(self._frame_bytes, b"\0")))
            self._rest = b""
        return packets

    def _encode(self, frame: bytes) -> Packet:
        data = self.encoder.encode(memoryview(frame).cast(_CODES[self.sample_format]))
        sequence = self._sequence
        self._sequence += 1
        time_samples = sequence * self._duration_samples
        return Packet(sequence, time_samples, self._duration_samples, data)

    def _view(self, size: int) -> Pcm:
        return memoryview(bytes(size)).cast(_CODES[self.sample_format])
