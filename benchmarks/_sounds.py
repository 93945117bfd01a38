"""What the conformance streams are made of: sounds at 48 kHz, the same on every machine."""

from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from _common import ROOT
from opuscule.transcode import open_audio

__all__ = ["RATE", "SOUNDS", "sound"]

RATE = 48_000
SOUNDS = ("speech", "sweep", "noise", "chords", "clicks", "silence", "pauses")
_LONGEST_S = 8

Signal: TypeAlias = npt.NDArray[np.float64]


@cache
def _sentence() -> Signal:
    """The demo's sentence, which is committed, over and over."""
    with open_audio(ROOT / "src" / "opuscule" / "data" / "sentence.opus", rate=RATE) as reader:
        kind = np.dtype(reader.sample_format)
        samples = np.frombuffer(b"".join(reader), kind).reshape(-1, reader.channels)
    scale = 32768.0 if kind == np.int16 else 1.0
    return np.resize(samples[:, 0] / scale, RATE * _LONGEST_S)


@cache
def _mono(name: str) -> Signal:
    time = np.arange(RATE * _LONGEST_S) / RATE
    random = np.random.default_rng(len(name))
    if name == "speech":
        return _sentence()
    if name == "pauses":  # half a second of speech, half a second of next to nothing
        quiet = random.normal(0, 1e-4, len(time))
        return np.where(time % 1 < 0.5, _sentence(), quiet)
    if name == "sweep":  # 20 Hz to 20 kHz in a second and a half, again and again
        return 0.5 * np.sin(2 * np.pi * 20 * 0.2171 * (1000 ** ((time % 1.5) / 1.5) - 1))
    if name == "noise":  # swelling, so that more than one level is met
        return random.normal(0, 0.2, len(time)) * (0.5 - 0.5 * np.cos(2 * np.pi * 1.5 * time))
    if name == "chords":  # a new one every 250 ms, dying away
        step = (time * 4).astype(int) % 8
        notes = sum(
            np.sin(2 * np.pi * 220 * 2 ** ((step * 5 % 12 + interval) / 12) * time)
            for interval in (0, 4, 7, 12, 24)
        )
        return np.asarray(0.18 * notes * np.exp(-6 * (time % 0.25)))
    if name == "clicks":  # from nothing to full scale, which it clips at
        return np.where((time * RATE).astype(int) % 4801 < 7, 1.2, 0.0)
    return np.zeros(len(time))


def sound(name: str, channels: int, start: int, samples: int) -> npt.NDArray[np.int16]:
    """A stretch as ``(samples, channels)``; the right ear hears it later and softer, with chords.

    More than two channels hear it one 25 ms after the other, each a little softer.

    The start wraps, so that a stretch of up to a second always fits.
    """
    mono = _mono(name)
    at = start % (len(mono) - RATE)
    left = mono[at : at + samples]
    if channels > 2:
        delays = 1200 * np.arange(channels)
        times = (at + np.arange(samples)[:, None] - delays) % len(mono)
        both = mono[times] * 0.97 ** np.arange(channels)
    elif channels == 1:
        both = left[:, None]
    else:
        right = 0.6 * np.roll(mono, 300)[at : at + samples]
        if name not in ("silence", "pauses"):
            right = right + 0.2 * _mono("chords")[at : at + samples]
        both = np.stack([left, right], axis=1)
    return np.asarray(np.clip(np.rint(both * 32767), -32768, 32767), np.int16)
