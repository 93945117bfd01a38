import asyncio
import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from opuscule.devices import Signal, SignalSource, parse_signal
from opuscule.errors import InvalidArgumentError


async def collect(source: SignalSource, most: int) -> list[bytes]:
    blocks: list[bytes] = []
    async for block in source.blocks():
        blocks.append(block.pcm)
        if len(blocks) == most:
            break
    await source.close()
    return blocks


def samples(
    signal: Signal, rate: int = 16_000, channels: int = 1, block_ms: float = 20
) -> NDArray[np.float64]:
    source = SignalSource(signal, rate=rate, channels=channels, paced=False, block_ms=block_ms)
    pcm = b"".join(asyncio.run(collect(source, 1000)))
    return np.array(array("h", pcm), float).reshape(-1, channels) / 32767


def test_a_tone_is_that_tone() -> None:
    got = samples(Signal("tone", 440.0, 440.0, amplitude=0.25, duration_ms=1000))[:, 0]
    expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(got - expected).max() < 1 / 32767


def test_a_sweep_rises_by_equal_intervals() -> None:
    got = samples(Signal("sweep", 200.0, 3200.0, duration_ms=4000))[:, 0]
    for second, hertz in [(0, 200), (1, 400), (2, 800), (3, 1600)]:
        # Crossings upwards in the 50 ms from there, at a frequency some 2 % higher on average.
        part = got[second * 16_000 :][:3200]
        crossings = np.count_nonzero((part[:-1] < 0) & (part[1:] >= 0))
        mean = hertz * (2**0.2 - 1) / (0.2 * math.log(2))
        assert abs(crossings / 0.2 - mean) < 6


def test_noise_is_the_same_for_a_seed_and_fills_its_range() -> None:
    first = samples(Signal("noise", duration_ms=1000, seed=7))
    assert np.array_equal(first, samples(Signal("noise", duration_ms=1000, seed=7), block_ms=7))
    assert not np.array_equal(first, samples(Signal("noise", duration_ms=1000, seed=8)))
    assert 0.49 < first.max() <= 0.5
    assert abs(first.mean()) < 0.01


@given(
    st.sampled_from(["tone", "sweep", "noise", "silence"]),
    st.integers(0, 300),
    st.integers(1, 3),
    st.sampled_from([1, 2.5, 20, 33]),
)
def test_length_shape_and_bounds(kind: str, length_ms: int, channels: int, block_ms: float) -> None:
    signal = parse_signal(f"{kind}{':100-3000' if kind == 'sweep' else ''}:{length_ms}ms")
    assert signal is not None
    got = samples(signal, 8000, channels, block_ms)
    assert len(got) == length_ms * 8
    assert (got == got[:, :1]).all()
    assert np.abs(got).max(initial=0) <= (0 if kind == "silence" else 0.5 + 1e-4)


def test_without_a_length_it_goes_on() -> None:
    source = SignalSource(Signal("silence"), paced=False)
    assert source.total_samples is None
    assert asyncio.run(collect(source, 500)) == [bytes(640)] * 500


def test_specifications() -> None:
    assert parse_signal("tone:440:2.0s") == Signal("tone", 440.0, 440.0, duration_ms=2000)
    assert parse_signal("tone") == Signal("tone", 440.0, 440.0)
    assert parse_signal("tone:1000") == Signal("tone", 1000.0, 1000.0)
    assert parse_signal("tone:500ms") == Signal("tone", 440.0, 440.0, duration_ms=500)
    assert parse_signal("sweep:100-7000:5s") == Signal("sweep", 100.0, 7000.0, duration_ms=5000)
    assert parse_signal("noise:7:500ms") == Signal("noise", seed=7, duration_ms=500)
    assert parse_signal("noise:0.5s") == Signal("noise", duration_ms=500)
    assert parse_signal("silence") == Signal("silence")
    assert parse_signal("speech.wav") is None
    assert parse_signal("tones.wav") is None


@pytest.mark.parametrize(
    "spec", ["tone:", "tone:x", "tone:440:2", "tone:1-2:1s", "sweep:5:1s", "noise:1.5:1s",
             "silence:3:1s", "noise:1-2", "tone:440:-1s", "sweep:1s"],
)  # fmt: skip
def test_specifications_that_are_none(spec: str) -> None:
    with pytest.raises(InvalidArgumentError, match="expected such as"):
        parse_signal(spec)


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (Signal("tone", 8000.0), "8000.0 Hz cannot sound"),
        (Signal("sweep", 0.0, 100.0, duration_ms=10), "0.0 Hz cannot"),
        (Signal("sweep", 100.0, 200.0), "needs a length"),
        (Signal("noise", amplitude=1.5), "amplitude"),
        (Signal("noise", duration_ms=math.inf), "length"),
        (Signal("noise", duration_ms=-1), "length"),
    ],
)
def test_signals_that_cannot_be(signal: Signal, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        SignalSource(signal)
