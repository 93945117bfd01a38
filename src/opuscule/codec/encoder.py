"""One frame of PCM at a time to one packet."""

import dataclasses
from typing import Unpack

from opuscule import _native
from opuscule.codec.pcm import Buffer
from opuscule.codec.settings import EncoderSettings, SettingsOverrides, preset_settings
from opuscule.packets import StreamFormat
from opuscule.units import check_rate, to_media_samples

__all__ = ["Encoder"]


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
