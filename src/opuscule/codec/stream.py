"""A stream of PCM in chunks of any size to packets with sequence and media time (C5)."""

from typing import Unpack

from opuscule.codec.encoder import Encoder
from opuscule.codec.pcm import TYPE_CODES, Buffer, check_sample_format, view_pcm
from opuscule.codec.settings import EncoderSettings, SettingsOverrides
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SAMPLE_BYTES, Packet, SampleFormat
from opuscule.units import to_media_samples

__all__ = ["StreamEncoder", "is_dtx"]

_FRAMES_MS = (2.5, 5, 10, 20, 40, 60, 80, 100, 120)


class StreamEncoder:
    """Encodes a stream that comes in chunks of any size; nothing is dropped or read past its end.

    Packets carry their sequence number and media time. The last one is padded with silence as far
    as the look-ahead needs; :attr:`end_samples` says where the audio itself ends.

    Args:
        rate: input rate, an Opus rate.
        channels: as for :class:`Encoder`.
        frame_ms: audio per packet: 2.5, 5, 10, 20, 40, 60, 80, 100 or 120; None for the preset's.
        sample_format: what chunks of plain bytes hold.
        leave_out_dtx: whether packets that need not be sent (:func:`is_dtx`) are left out: media
            time then skips them, and the sequence numbers do not, which is how a receiver knows a
            pause from a loss.
        mapping_family: as for :class:`Encoder`.
        preset: as for :class:`Encoder`.
        overrides: as for :class:`Encoder`.

    Raises:
        InvalidArgumentError: a value is out of its range, or settings do not go together.
    """

    def __init__(
        self,
        rate: int = 16_000,
        channels: int = 1,
        *,
        frame_ms: float | None = None,
        sample_format: SampleFormat = "int16",
        leave_out_dtx: bool = False,
        mapping_family: int | None = None,
        preset: str | EncoderSettings = "voice",
        **overrides: Unpack[SettingsOverrides],
    ) -> None:
        check_sample_format(sample_format)
        self.encoder = Encoder(
            rate, channels, mapping_family=mapping_family, preset=preset, **overrides
        )
        """The encoder inside; change its settings by :meth:`update`, and never encode with it."""
        self.format = self.encoder.format
        """What a decoder has to know."""
        self.sample_format: SampleFormat = sample_format
        self._leave_out_dtx = leave_out_dtx
        self._value_bytes = SAMPLE_BYTES[sample_format] * channels
        self._frame(self.encoder.settings.frame_ms if frame_ms is None else frame_ms)
        self._rest = b""
        self._input_samples = 0
        self._time_samples = 0
        self._sequence = 0
        self._finished = False

    def _frame(self, frame_ms: float) -> None:
        if frame_ms not in _FRAMES_MS:
            nearest = sorted(_FRAMES_MS, key=lambda length: abs(length - frame_ms))[:2]
            raise InvalidArgumentError(
                f"frame_ms is {frame_ms}; Opus packets hold {', '.join(map(str, _FRAMES_MS))} ms,"
                f" the nearest of which are {nearest[0]} and {nearest[1]}"
            )
        self._frame_samples = round(frame_ms * self.encoder.rate / 1000)
        self._frame_bytes = self._frame_samples * self._value_bytes
        self._duration_samples = to_media_samples(self._frame_samples, self.encoder.rate)

    @property
    def end_samples(self) -> int:
        """Media time, pre-skip included, at which the audio given so far ends; 0 without any."""
        if not self._input_samples:
            return 0
        audio = to_media_samples(self._input_samples, self.encoder.rate)
        return self.format.pre_skip_samples + audio

    @property
    def frame_samples(self) -> int:
        """Samples per channel in the next packet, at the encoder's rate."""
        return self._frame_samples

    @property
    def next_sequence(self) -> int:
        """The sequence number that the next packet will have."""
        return self._sequence

    def update(
        self, *, frame_ms: float | None = None, **changes: Unpack[SettingsOverrides]
    ) -> None:
        """Change settings, or the length of packets, from the next packet on.

        Raises:
            InvalidArgumentError: as for :meth:`Encoder.update`; nothing was changed.
        """
        before = self._frame_samples
        if frame_ms is not None:
            self._frame(frame_ms)
        try:
            self.encoder.update(**changes)
        except InvalidArgumentError:
            self._frame(before * 1000 / self.encoder.rate)
            raise

    def push(self, chunk: Buffer) -> list[Packet]:
        """Take a chunk of interleaved samples; return the packets that became full.

        A large chunk is the fastest: the GIL is released once, and the loop is not Python's.

        Raises:
            InvalidArgumentError: the chunk's own sample type is not ``sample_format``, its shape is
                not ``(samples, channels)``, or the stream is finished.
        """
        if self._finished:
            raise InvalidArgumentError("the stream is finished; begin another one")
        view = view_pcm(chunk, self.encoder.channels)
        if view.format not in (TYPE_CODES[self.sample_format], "B", "b", "c"):
            raise InvalidArgumentError(
                f"the chunk holds samples of type {view.format!r}; this stream was opened for"
                f" {self.sample_format}"
            )
        data = self._rest + view.tobytes()
        used = len(data) - len(data) % self._frame_bytes
        packets = self._encode(data[:used])
        self._rest = data[used:]
        self._input_samples += used // self._value_bytes
        return packets

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
        missing = self.end_samples - self._time_samples
        frames = -(-missing // self._duration_samples)
        return self._encode(self._rest.ljust(frames * self._frame_bytes, b"\0"))

    def _encode(self, frames: bytes) -> list[Packet]:
        if not frames:
            return []
        pcm = memoryview(frames).cast(TYPE_CODES[self.sample_format])
        packets = []
        for data in self.encoder.encode_frames(pcm, self._frame_samples):
            if not (self._leave_out_dtx and is_dtx(data)):
                packets.append(
                    Packet(self._sequence, self._time_samples, self._duration_samples, data)
                )
                self._sequence += 1
            self._time_samples += self._duration_samples
        return packets


def is_dtx(packet: bytes) -> bool:
    """Whether a packet of one stream says no more than that a pause goes on, and need not be sent.

    libopus says so by a packet of one or two bytes; every 400 ms of a pause a longer one renews the
    background noise.
    """
    return 1 <= len(packet) <= 2
