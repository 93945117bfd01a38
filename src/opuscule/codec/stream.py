"""A stream of PCM in chunks of any size to packets with sequence and media time (C5)."""

from typing import Unpack

from opuscule.codec.encoder import Encoder
from opuscule.codec.pcm import TYPE_CODES, Buffer, Pcm, check_sample_format
from opuscule.codec.settings import EncoderSettings, SettingsOverrides
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SAMPLE_BYTES, Packet, SampleFormat
from opuscule.units import to_media_samples

__all__ = ["StreamEncoder"]

_MAX_FRAME_MS = 120


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
        check_sample_format(sample_format)
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
        if view.format not in (TYPE_CODES[self.sample_format], "B", "b", "c"):
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
        data = self.encoder.encode(memoryview(frame).cast(TYPE_CODES[self.sample_format]))
        sequence = self._sequence
        self._sequence += 1
        time_samples = sequence * self._duration_samples
        return Packet(sequence, time_samples, self._duration_samples, data)

    def _view(self, size: int) -> Pcm:
        return memoryview(bytes(size)).cast(TYPE_CODES[self.sample_format])
