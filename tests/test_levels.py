"""Levels against NumPy in double precision, the overview, and the command that shows both."""

import array
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from opuscule.cli.app import app
from opuscule.cli.levels import draw_waveform
from opuscule.containers.wav import WavWriter
from opuscule.errors import InvalidArgumentError
from opuscule.levels import Bucket, LevelMeter, measure, to_dbfs, window_rms
from opuscule.packets import SampleFormat

Samples: TypeAlias = Any  # arrays; NumPy's stubs call them buffers only from Python 3.12 on


def linear(pcm: Samples) -> Samples:
    return pcm.astype(np.float64) / (32768 if pcm.dtype == np.int16 else 1)


def audio(data: st.DataObject, channels: int) -> Samples:
    """Samples of either format, the extremes among them."""
    values = data.draw(st.integers(0, 300)) * channels
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    pcm = rng.choice([-32768, -32767, -1000, -1, 0, 0, 1, 999, 32766, 32767], values)
    if data.draw(st.booleans()):
        return (pcm / 20_000).astype(np.float32).reshape(-1, channels)
    return pcm.astype(np.int16).reshape(-1, channels)


@pytest.mark.row("C8")
@pytest.mark.parametrize("amplitude", [1000, 16384, -32768, 32767, 182])
def test_squares_do_not_overflow(amplitude: int) -> None:
    pcm: Samples = np.full(1000, amplitude, np.int16)
    (levels,) = measure(pcm)
    assert levels.rms == levels.peak == abs(amplitude) / 32768
    assert levels.rms_dbfs == pytest.approx(20 * math.log10(abs(amplitude) / 32768))
    assert levels.clipped_samples == (1000 if abs(amplitude) > 32766 else 0)


def test_a_full_scale_sine_is_3_db_below_a_square() -> None:
    sine: Samples = np.sin(np.arange(48_000) / 10).astype(np.float32)
    (levels,) = measure(sine)
    assert levels.peak_dbfs == pytest.approx(0, abs=0.01)
    assert levels.rms_dbfs == pytest.approx(-3.01, abs=0.01)


def test_silence_is_named() -> None:
    (none,) = measure(b"")
    (off,) = measure(bytes(200))
    (hiss,) = measure(array.array("h", [3, -3] * 50))
    (voice,) = measure(array.array("h", [3000, -3000]))
    assert (none.samples, none.peak, none.rms, none.peak_dbfs) == (0, 0, 0, -math.inf)
    assert (off.zero_samples, off.samples, off.rms_dbfs) == (100, 100, -math.inf)
    assert [x.is_silent() for x in (none, off, hiss, voice)] == [True, True, True, False]
    assert not hiss.is_silent(-90)
    assert to_dbfs(0.1) == pytest.approx(-20)


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_meter_measures_what_numpy_does(data: st.DataObject) -> None:
    channels = data.draw(st.integers(1, 3))
    pcm = audio(data, channels)
    begin = data.draw(st.integers(1, 40))
    most = data.draw(st.integers(2, 9))
    sample_format: SampleFormat = "int16" if pcm.dtype == np.int16 else "float32"
    meter = LevelMeter(
        channels, sample_format=sample_format, bucket_samples=begin, max_buckets=most
    )
    cuts = data.draw(st.lists(st.integers(0, len(pcm)), max_size=6).map(sorted))
    part: Samples
    for part in np.split(pcm, cuts):
        meter.push(part.tobytes() if data.draw(st.booleans()) else part)

    exact = linear(pcm)
    for channel, levels in enumerate(meter.levels):
        one = exact[:, channel]
        assert levels.samples == len(one)
        assert (levels.minimum, levels.maximum) == ((one.min(), one.max()) if len(one) else (0, 0))
        assert levels.rms == pytest.approx(np.sqrt(np.mean(one**2)) if len(one) else 0)
        assert levels.clipped_samples == np.sum(np.abs(one) >= 32767 / 32768)
        assert levels.zero_samples == np.sum(one == 0)
    # As few doublings as fit, and each bucket what it says.
    size = begin
    while -(-len(pcm) // size) > most:
        size *= 2
    assert meter.bucket_samples == size
    for channel, buckets in enumerate(meter.overview):
        parts = [exact[at : at + size, channel] for at in range(0, len(pcm), size)]
        assert len(buckets) == len(parts) <= most
        for bucket, part in zip(buckets, parts, strict=True):
            assert (bucket.minimum, bucket.maximum) == (part.min(), part.max())
            assert bucket.rms == pytest.approx(np.sqrt(np.mean(part**2)))


@given(data=st.data())
@settings(deadline=None, max_examples=50)
def test_windows_are_of_the_loudest_channel(data: st.DataObject) -> None:
    channels = data.draw(st.integers(1, 3))
    pcm = audio(data, channels)
    window = data.draw(st.integers(1, 50))
    parts = [linear(pcm[at : at + window]) for at in range(0, len(pcm), window)]
    loudest = [float(np.sqrt(np.mean(part**2, axis=0)).max()) for part in parts]
    assert window_rms(pcm, channels, window) == pytest.approx(loudest)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: LevelMeter(0), "channels is 0; expected 1 to 255"),
        (lambda: LevelMeter(256), "channels is 256"),
        (lambda: LevelMeter(bucket_samples=0), "bucket_samples is 0"),
        (lambda: LevelMeter(max_buckets=1), "max_buckets is 1; expected 2"),
        (lambda: LevelMeter(max_buckets=1 << 40), "1000000"),
        (lambda: LevelMeter(2).push(bytes(6)), "3 samples are no whole number of frames"),
        (lambda: LevelMeter().push(bytes(3)), "3 bytes"),
        (lambda: measure(bytes(6), sample_format="float32"), "6 bytes"),
        (lambda: measure(b"", sample_format="int24"), "'int24'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: measure(array.array("d", [0.0])), "int16 or float32"),
        (lambda: window_rms(b"", 1, 0), "window_samples is 0"),
        (lambda: window_rms(array.array("f", [math.inf]), 1, 1), "sample 0 is inf"),
    ],
)
def test_what_cannot_be_measured_is_refused(wrong: Callable[[], object], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        wrong()


def test_what_is_refused_is_not_counted() -> None:
    meter = LevelMeter(sample_format="float32")
    meter.push(array.array("f", [0.5, -0.25]))
    before = meter.levels
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(InvalidArgumentError, match="sample 1 is"):
            meter.push(array.array("f", [0.75, bad]))
    assert meter.levels == before


# The command


def wav(path: Path, pcm: Samples, rate: int) -> Path:
    with path.open("wb") as file:
        writer = WavWriter(file, rate, pcm.shape[1])
        writer.write(pcm.tobytes())
        writer.close()
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["levels", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_command_tells_and_draws(tmp_path: Path) -> None:
    rate = 44_100  # no Opus rate: it must not be converted
    tone = 20_000 * np.sin(np.arange(rate) * 0.2)
    left = np.concatenate([np.zeros(rate), tone, np.zeros(rate)])
    pcm = np.stack([left, np.zeros(3 * rate)], axis=1).astype(np.int16)
    pcm[rate + 5, 0] = 32767
    path = wav(tmp_path / "tone.wav", pcm, rate)
    told = json.loads(run(path, "--json", "--buckets", 100))
    first, second = told["channels"]
    assert (told["rate"], told["duration_s"], first["samples"]) == (rate, 3.0, 3 * rate)
    assert (first["clipped_samples"], first["maximum"]) == (1, 32767 / 32768)
    # JSON has no infinity.
    assert (second["peak_dbfs"], second["zero_samples"]) == (None, 3 * rate)
    ((start, end),) = told["active_s"]
    assert start == pytest.approx(1, abs=0.021)
    assert end == pytest.approx(2.2, abs=0.041)  # with the hangover
    assert [len(channel) for channel in told["overview"]["channels"]] == [65, 65]
    text = run(path)
    assert "peak     -0.0 dBFS" in text
    assert "digital silence" in text
    assert "1 samples" in text
    assert "█" in text
    assert "sound above -40 dBFS: 40% of the time, in 1 stretch(es)" in text
    hiss = np.random.default_rng(0).normal(0, 3000, (rate, 1)).astype(np.int16)
    path = wav(tmp_path / "hiss.wav", hiss, rate)
    assert "sound above -40 dBFS: 100% of the time" in run(path)
    assert "voices: 0% of the time, in 0 stretch(es)" in run(path, "--voice")


def test_a_waveform_shows_shape_and_scale() -> None:
    quiet, loud, up = Bucket(-0.01, 0.01, 0.01), Bucket(-0.5, 0.5, 0.3), Bucket(0, 0.5, 0.1)
    lines = draw_waveform([quiet, loud, up], columns=3)
    assert [line[0] for line in lines] == [*"    ─    "]
    assert [line[1] for line in lines] == [*"▒███████▒"]
    assert [line[2] for line in lines] == [*"▒▒▒██    "]
    assert draw_waveform([]) == draw_waveform([Bucket(0, 0, 0)]) == ["─"]
    assert {len(line) for line in draw_waveform([loud, quiet] * 500)} == {72}
