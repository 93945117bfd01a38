"""Clicks, found in sound alone: places where it breaks with what came before.

Speech and music are predicted well from their last samples (linear prediction, 32 coefficients,
anew for every 512 samples at 48 kHz); a click is not. A voice's own pulses and a drum are not
predicted either, but they are no single sharp places in their surroundings: what is reported is a
prediction error that is more than ``ALONE`` times as large as any other within 20 ms before and
after it, the 1 ms around it left out, and more than ``LEAST`` of full scale (-66 dB). Where the
sound is known as it should be, ``COMPARED`` times is enough, and what both have is left out.

What it was made to find is planted by :func:`plant`; noise of the sound itself can hide it.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALONE", "COMPARED", "KINDS", "LEAST", "find_clicks", "plant"]

RATE = 48_000
ORDER, HOP, FRAME = 32, 512, 2048
ALONE, COMPARED, LEAST = 7.0, 3.5, 0.0005
AROUND, BESIDE = RATE // 1000, RATE // 50
CHUNK = 60 * RATE

KINDS = ("a sample missing", "5 ms twice", "a step of -40 dB", "a join without a fade")

Samples = NDArray[np.float64]


def _predictors(x: Samples) -> NDArray[np.float64]:
    """Prediction-error filters, one for every ``HOP`` samples, by Levinson and Durbin."""
    padded = np.pad(x, ((FRAME - HOP) // 2, FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][: -(-len(x) // HOP)]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), 2 * FRAME)) ** 2
    r = np.fft.irfft(power)[:, : ORDER + 1]
    r[:, 0] = r[:, 0] * (1 + 1e-9) + 1e-12
    a = np.zeros_like(r)
    a[:, 0] = 1.0
    error = r[:, 0].copy()
    for k in range(1, ORDER + 1):
        reflection = -np.einsum("ij,ij->i", a[:, :k], r[:, k:0:-1]) / error
        a[:, 1 : k + 1] += reflection[:, None] * a[:, k - 1 :: -1][:, :k]
        error *= 1 - reflection**2
    return a


def _errors(x: Samples) -> Samples:
    """How far each sample is from what was predicted."""
    filters = _predictors(x)
    before = np.pad(x, (ORDER, -len(x) % HOP))
    windows = np.lib.stride_tricks.sliding_window_view(before, ORDER + 1)
    blocks = windows.reshape(-1, HOP, ORDER + 1)
    errors = np.einsum("ijk,ik->ij", blocks, filters[:, ::-1]).ravel()
    far: Samples = np.abs(errors[: len(x)])
    return far


def _largest(x: Samples, width: int) -> Samples:
    """The largest of each `width` samples from a place on; as long as there are so many."""
    largest, reached = x, 1
    while reached < width:
        step = min(reached, width - reached)
        largest, reached = np.maximum(largest[:-step], largest[step:]), reached + step
    return largest


def _surroundings(errors: Samples) -> Samples:
    """The largest error nearby, but not right there."""
    padded = np.pad(errors, BESIDE)
    largest = _largest(padded, BESIDE - AROUND)
    before = largest[: len(errors)]
    after = largest[BESIDE + AROUND :][: len(errors)]
    both: Samples = np.maximum(before, after)
    return both


def _found(x: Samples, factor: float) -> Iterator[int]:
    errors = _errors(x)
    clicks = (errors > LEAST) & (errors > factor * _surroundings(errors))
    clicks[:BESIDE] = clicks[-BESIDE:] = False  # where sound begins or ends, it breaks
    last = -BESIDE
    for place in np.flatnonzero(clicks).tolist():
        if place - last > AROUND:
            yield place
        last = place


def find_clicks(pcm: NDArray[np.int16], factor: float = ALONE) -> list[int]:
    """Where clicks are in mono sound at 48 kHz: each one's first sample."""
    clicks, margin = list[int](), 4 * BESIDE
    for start in range(0, len(pcm), CHUNK):
        begin, end = max(0, start - margin), min(len(pcm), start + CHUNK + margin)
        for place in _found(pcm[begin:end] / 32768.0, factor):
            if start <= begin + place < start + CHUNK:
                clicks.append(begin + place)
    return clicks


def plant(x: Samples, kind: str, place: int) -> Samples:
    """The sound with a click of a kind at a place."""
    five = RATE // 200
    before, after = x[:place], x[place:]
    step = 0.01 * np.exp(-np.arange(len(after)) / five)
    kinds = {
        "a sample missing": (before, after[1:]),
        "5 ms twice": (before, before[-five:], after),
        "a step of -40 dB": (before, after + step),
        "a join without a fade": (before, after[3 * five :]),
    }
    return np.concatenate(kinds[kind])
