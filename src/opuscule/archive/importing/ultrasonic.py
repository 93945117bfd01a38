"""Whether a recording has anything above 20 kHz, where Opus ends, and what is done about it.

Theory of operation. The rate of a file says what it could hold, not what it does: a recorder set to
96 kHz in a quiet room holds speech. So the whole file is looked at, in windowed blocks of 10 ms
that overlap by half (a bat's call is as short as 2 ms), in bands of 1 kHz from 20.5 kHz up, the
half kilohertz being for a strong tone just below. In each band levels are counted in steps of 1 dB,
which takes the same little memory for a minute and a month. Three things make content of a level:

- it is *loud enough to be anything*: a band of -90 dBFS, below which is the noise of 16 bits;
- it *stands out*: 15 dB above the band's own median, which noise does not do in a million blocks
  (the mean of ten bins of noise stays below 7 dB), but any call, click or rattle does. What is
  there all the time (a whistle, loud noise) does not stand out and counts from -70 dBFS on;
- it is *not a mere by-product*: less than 60 dB below all that sounds above 1 kHz in the same block
  (wind, below that, must not hide a bat). Rounding, an imperfect resampler or a microphone's
  distortion make less. Up to 24 kHz, where a file of 48 kHz has the last of every s and cymbal
  too, it is less than 20 dB below: mainly there, and not the end of a sound that is heard.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from opuscule.containers.pcm import PcmReader
from opuscule.errors import MissingExtraError

__all__ = ["OPUS_END_HZ", "Ultrasonic", "UltrasonicLevel", "measure_ultrasonic"]

Ultrasonic = Literal["downsample", "expand", "lossless"]
"""What is done with content above 20 kHz: lose it knowingly; stretch time, so that it falls below;
keep the file's own samples as FLAC beside."""

OPUS_END_HZ = 20_000
"""Above it, Opus codes nothing (RFC 6716 §2)."""

_FIRST_HZ = 20_500
_BAND_HZ = 1000
_BLOCKS_A_SECOND = 100
_LEAST_DB, _STEADY_DB = -90.0, -70.0
_STANDS_OUT_DB = 15
_BY_PRODUCT_DB = 60.0
_WIND_HZ = 1000
_AUDIO_END_HZ, _AUDIO_TAIL_DB = 24_000, 20.0
_FLOOR_DB = -160
_BATCH_BLOCKS = 64


@dataclass(frozen=True, slots=True)
class UltrasonicLevel:
    """What is above 20 kHz."""

    has_content: bool
    """Whether Opus would lose something; see the module's theory of operation."""
    peak_dbfs: float | None
    """Level of the loudest that counts, in 1 kHz and 10 ms; a full-scale sine is -3. Without
    content, of the loudest there is; None if there is nothing."""
    peak_hz: int | None
    """Middle of its band."""
    peak_seconds: float | None
    """Where it is, in the file's own time."""


@dataclass(slots=True)
class _Found:
    level_db: float = -math.inf
    band: int = 0
    sample: int = 0


def measure_ultrasonic(reader: PcmReader) -> UltrasonicLevel:
    """Read audio to its end and say what is in it above 20 kHz.

    Channels are looked at one by one. Memory does not depend on the length.

    Args:
        reader: at its beginning; not closed.

    Raises:
        MissingExtraError: NumPy is not installed.
        FormatError: what the reader raises.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("measuring what is above 20 kHz", "media") from error
    if reader.rate < 2 * (_FIRST_HZ + _BAND_HZ):
        return UltrasonicLevel(False, None, None, None)
    channels = reader.channels
    spectrum = _Spectrum(np, reader.rate, channels)
    is_int16 = reader.sample_format == "int16"
    batch_bytes = _BATCH_BLOCKS * spectrum.block * channels * (2 if is_int16 else 4)
    waiting = bytearray()
    for block in reader:
        waiting += block
        if len(waiting) >= batch_bytes:
            spectrum.add(_frames(np, waiting, is_int16, channels))
            waiting.clear()
    spectrum.add(_frames(np, waiting, is_int16, channels))
    return spectrum.result()


def _frames(np: Any, data: bytearray, is_int16: bool, channels: int) -> Any:
    samples = np.frombuffer(bytes(data), np.int16 if is_int16 else np.float32)
    frames = samples.astype(np.float32).reshape(-1, channels)
    return frames / 32768 if is_int16 else np.nan_to_num(frames)


class _Spectrum:
    """Levels of the bands, counted."""

    def __init__(self, np: Any, rate: int, channels: int) -> None:
        self._np, self._rate = np, rate
        self.block = rate // _BLOCKS_A_SECOND
        self._window = np.hanning(self.block + 1)[:-1].astype(np.float32)
        # Mean square of a signal = sum of the powers of its bins / this, one-sided.
        self._scale = 2 / (self.block * float((self._window**2).sum()))
        first = round(_FIRST_HZ * self.block / rate)
        step = max(1, round(_BAND_HZ * self.block / rate))
        self._edges = np.arange(first, self.block // 2 + 1 - step + 1, step)
        self._first, self._step = first, step
        self._wind = round(_WIND_HZ * self.block / rate)
        self._counts = np.zeros((len(self._edges), -_FLOOR_DB + 20), np.int64)
        # What stands out is known only when the medians are: one for each band is kept till then.
        self._loudest = [_Found() for _ in self._edges]
        self._quiet = _Found()
        self._by_product = np.zeros(len(self._edges), np.int64)
        middles_hz = (self._edges + step / 2) * rate / self.block
        self._below_db = np.where(middles_hz < _AUDIO_END_HZ, _AUDIO_TAIL_DB, _BY_PRODUCT_DB)
        # What was not yet in two blocks, and where it is.
        self._carry = np.zeros((0, channels), np.float32)
        self._start = 0
        self._last: Any = None

    def add(self, frames: Any) -> None:
        """Take in frames, shape (samples, channels), in their order."""
        np, half = self._np, self.block // 2
        frames = np.concatenate([self._carry, frames])
        count = (len(frames) - self.block) // half + 1
        if count > 0:
            windows = np.lib.stride_tricks.sliding_window_view(frames, self.block, axis=0)
            self._add_blocks(windows[: count * half : half], half)
            self._last = frames[-self.block :]
            self._start += count * half
            frames = frames[count * half :]
        self._carry = frames

    def _add_end(self) -> None:
        """Take in what is left: the last block, that ends with the audio.

        Not one filled up with silence: where that begins would sound at all frequencies.
        """
        np, left = self._np, len(self._carry)
        if self._last is not None:
            fresh = self._carry[self.block - self.block // 2 :]
            if not len(fresh):
                return
            end = np.concatenate([self._last, fresh])[-self.block :]
            self._start += left - self.block
        elif left:
            end = np.concatenate([self._carry, np.zeros((self.block - left, self._carry.shape[1]))])
        else:
            return
        self._add_blocks(end.T[None], 0)

    def _add_blocks(self, blocks: Any, hop: int) -> None:
        """Take in blocks, shape (blocks, channels, samples), that begin ``hop`` samples apart."""
        for channel in range(blocks.shape[1]):
            self._add_channel(blocks[:, channel], hop)

    def _add_channel(self, blocks: Any, hop: int) -> None:
        np = self._np
        bins = np.fft.rfft(blocks * self._window, axis=1)
        power = (bins.real**2 + bins.imag**2) * self._scale
        total_db = _decibels(np, power[:, self._wind :].sum(axis=1))
        used = power[:, self._first : self._first + self._step * len(self._edges)]
        bands_db = _decibels(np, used.reshape(len(power), len(self._edges), self._step).sum(axis=2))
        steps = np.clip(bands_db.astype(np.int64) - _FLOOR_DB, 0, self._counts.shape[1] - 1)
        counts = self._counts.shape[1]
        places = steps + np.arange(len(self._edges)) * counts
        self._counts += np.bincount(places.ravel(), minlength=self._counts.size).reshape(
            self._counts.shape
        )
        counted = bands_db >= total_db[:, None] - self._below_db
        self._by_product += (~counted).sum(axis=0)
        self._keep(bands_db, np.where(counted, bands_db, -math.inf), hop)

    def _keep(self, bands_db: Any, counted_db: Any, hop: int) -> None:
        blocks = counted_db.argmax(axis=0)
        for band, found in enumerate(self._loudest):
            block = int(blocks[band])
            level = float(counted_db[block, band])
            if level > found.level_db:
                found.level_db, found.band = level, band
                found.sample = self._start + block * hop
        block, band = divmod(int(bands_db.argmax()), bands_db.shape[1])
        if (level := float(bands_db[block, band])) > self._quiet.level_db:
            self._quiet = _Found(level, band, self._start + block * hop)

    def result(self) -> UltrasonicLevel:
        """Judge what was counted, when all is in."""
        np = self._np
        self._add_end()
        half = self._counts.sum(axis=1, keepdims=True) // 2
        medians_db = (self._counts.cumsum(axis=1) > half).argmax(axis=1) + _FLOOR_DB
        content = _Found()
        for found in self._loudest:
            median_db = int(medians_db[found.band])
            stands_out = found.level_db >= max(_LEAST_DB, median_db + _STANDS_OUT_DB)
            mostly = int(self._by_product[found.band]) <= int(half[found.band, 0])
            steady = median_db >= _STEADY_DB and mostly
            if (stands_out or steady) and found.level_db > content.level_db:
                content = found
        loudest = content if content.level_db > -math.inf else self._quiet
        if loudest.level_db <= _FLOOR_DB:
            return UltrasonicLevel(False, None, None, None)
        middle = (int(np.asarray(self._edges)[loudest.band]) + self._step / 2) * self._rate
        return UltrasonicLevel(
            content.level_db > -math.inf,
            round(loudest.level_db, 1),
            round(middle / self.block),
            loudest.sample / self._rate,
        )


def _decibels(np: Any, power: Any) -> Any:
    return 10 * np.log10(np.maximum(power, 10.0 ** (_FLOOR_DB / 10)))
