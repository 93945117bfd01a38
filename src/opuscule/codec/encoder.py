"""One frame of PCM at a time to one packet."""

import dataclasses
from typing import Unpack

from opuscule import _native
from opuscule.codec.pcm import Buffer
from opuscule.codec.settings import (
    Bandwidth,
    EncoderSettings,
    SettingsOverrides,
    native_settings,
    preset_settings,
)
from opuscule.packets import StreamFormat
from opuscule.units import check_rate, to_media_samples

__all__ = ["Encoder"]


class Encoder:
    """Encodes PCM frame by frame.

    Args:
        rate: input rate: 8000, 12000, 16000, 24000 or 48000 Hz.
        channels: 1 or 2; 3 to 8 are surround in Vorbis order (RFC 7845 §5.1.1.2), up to 255
            without a meaning.
        mapping_family: what the channels mean: 0, 1 (surround, 1 to 8) or 255 (1 to 255, each for
            itself); None for the first of these that has so many channels.
        preset: the name of a preset or settings of one's own.
        overrides: settings that replace the preset's.

    Raises:
        InvalidArgumentError: a value is out of its range, or settings do not go together; the
            message says which and what fits.
    """

    def __init__(
        self,
        rate: int = 16_000,
        channels: int = 1,
        *,
        mapping_family: int | None = None,
        preset: str | EncoderSettings = "voice",
        **overrides: Unpack[SettingsOverrides],
    ) -> None:
        if isinstance(preset, str):
            preset = preset_settings(preset)
        settings = dataclasses.replace(preset, **overrides)
        if mapping_family is None:
            mapping_family = 0 if channels <= 2 else 1 if channels <= 8 else 255
        native = _native.Encoder(
            check_rate(rate), channels, mapping_family, native_settings(settings)
        )
        self._fill(native, rate, channels, mapping_family, settings)

    def _fill(
        self,
        native: _native.Encoder,
        rate: int,
        channels: int,
        mapping_family: int,
        settings: EncoderSettings,
    ) -> None:
        self.rate = rate
        self.channels = channels
        self.mapping_family = mapping_family
        self._settings = settings
        self._native = native

    @property
    def settings(self) -> EncoderSettings:
        """The settings that it runs with."""
        return self._settings

    def update(self, **changes: Unpack[SettingsOverrides]) -> None:
        """Change settings from the next frame on; all of them or, on an error, none.

        Raises:
            InvalidArgumentError: a value is out of its range, settings do not go together, or the
                application is another one, on which the look-ahead depends.
        """
        settings = dataclasses.replace(self._settings, **changes)
        self._native.update(native_settings(settings))
        self._settings = settings

    def copy(self) -> "Encoder":
        """Make another one that continues from here, independently."""
        copy = object.__new__(type(self))
        copy._fill(
            self._native.copy(), self.rate, self.channels, self.mapping_family, self._settings
        )
        return copy

    @property
    def lookahead_samples(self) -> int:
        """Samples at ``rate`` by which decoded audio lags the input."""
        return self._native.lookahead_samples

    @property
    def max_packet_bytes(self) -> int:
        """Room for any packet; what :meth:`encode_into` needs."""
        return self._native.max_packet_bytes

    @property
    def final_range(self) -> int:
        """The range coder's 32-bit state after the last frame (RFC 6716 §4.1).

        A decoder of the packet must arrive at the same.
        """
        return self._native.final_range

    @property
    def in_dtx(self) -> bool:
        """Whether the last frame lay in a pause, so that its packet need not be sent."""
        return self._native.in_dtx

    @property
    def bandwidth(self) -> Bandwidth | None:
        """The bandwidth of the last frame, of the first stream if there are several."""
        return self._native.bandwidth

    @property
    def format(self) -> StreamFormat:
        """What a decoder of this encoder's packets has to know."""
        streams, coupled, mapping = self._native.layout
        return StreamFormat(
            self.channels,
            to_media_samples(self.lookahead_samples, self.rate),
            self.rate,
            mapping_family=self.mapping_family,
            streams=streams,
            coupled=coupled,
            mapping=mapping,
        )

    def encode(self, pcm: Buffer) -> bytes:
        """Encode exactly one frame of 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms.

        Raises:
            InvalidArgumentError: ``pcm`` is not one frame, not int16 or float32, or has two
                dimensions that are not ``(samples, channels)``.
            ConcurrentUseError: another thread is encoding with this object.
        """
        return self._native.encode(pcm)

    def encode_into(self, pcm: Buffer, out: Buffer) -> int:
        """Encode one frame into the beginning of ``out``; return the packet's bytes.

        Args:
            pcm: as for :meth:`encode`.
            out: a writable buffer of bytes, :attr:`max_packet_bytes` at least.

        Raises:
            InvalidArgumentError: as for :meth:`encode`, or ``out`` is too small (the message has
                both sizes), read-only or of something else. Nothing was encoded.
            ConcurrentUseError: another thread is encoding with this object.
        """
        return self._native.encode_into(pcm, out)

    def encode_frames(self, pcm: Buffer, frame_samples: int) -> list[bytes]:
        """Encode all whole frames of ``frame_samples`` in one call; what is left over is ignored.

        Raises:
            InvalidArgumentError: libopus has no frame of that length, or ``pcm`` is not int16 or
                float32. Nothing was encoded.
            ConcurrentUseError: another thread is encoding with this object.
        """
        return self._native.encode_frames(pcm, frame_samples)
