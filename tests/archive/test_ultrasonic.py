"""What is above 20 kHz is measured: a short call is found, and what is no content is not."""

from pathlib import Path

import numpy as np
import pytest
import soxr

from opuscule.archive.importing.ultrasonic import UltrasonicLevel, measure_ultrasonic
from opuscule.containers.media import open_native
from opuscule.containers.wav import WavReader

from .sounds import Floats, call, write_float_wav


def measure(folder: Path, samples: Floats, rate: int, bits: int = 16) -> UltrasonicLevel:
    with WavReader(write_float_wav(folder / "measured.wav", samples, rate, bits)) as reader:
        return measure_ultrasonic(reader)


def noise(count: int, dbfs: float) -> Floats:
    made: Floats = np.random.default_rng(5).standard_normal(count) * 10 ** (dbfs / 20)
    return made


@pytest.mark.row("Z3")
def test_a_call_of_20_ms_in_a_minute_of_silence_is_found(tmp_path: Path) -> None:
    found = measure(tmp_path, call(192_000, 60), 192_000)
    assert found.has_content
    assert found.peak_hz == pytest.approx(45_000, abs=2000)
    assert found.peak_seconds == pytest.approx(30.01, abs=0.02)
    # A Hann window of the call's own: about 6 dB below the level of a steady sine in a 10 ms block.
    assert found.peak_dbfs == pytest.approx(-23, abs=4)


@pytest.mark.row("Z3")
@pytest.mark.parametrize("level", [0.1, 0.003])
def test_a_call_in_noise_and_wind_and_at_any_place_is_found(tmp_path: Path, level: float) -> None:
    rate = 250_000
    wind = np.sin(2 * np.pi * 70 * np.arange(rate) / rate) * 0.8
    for shift in (-rate // 2, -rate // 2 - 77 + 5, -1234, 0, rate // 2 - 77 - 5001):
        samples = np.roll(call(rate, 1, level=level), shift) + noise(rate, -70)
        assert measure(tmp_path, samples, rate).has_content, shift
        assert measure(tmp_path, samples + wind, rate).has_content, shift


def test_calls_of_either_channel_and_just_above_20_khz_are_found(tmp_path: Path) -> None:
    quiet = np.zeros(192_000)
    for pair in ([call(192_000, 1), quiet], [quiet, call(192_000, 1)]):
        assert measure(tmp_path, np.stack(pair, axis=1), 192_000).has_content
    found = measure(tmp_path, call(192_000, 1, hz=22_000), 192_000)
    assert found.has_content
    assert found.peak_hz == pytest.approx(22_000, abs=1500)


def test_noise_counts_when_it_is_loud_and_not_when_it_is_a_microphones(tmp_path: Path) -> None:
    assert measure(tmp_path, noise(192_000, -20), 96_000).has_content
    assert measure(tmp_path, noise(192_000, -40), 96_000).has_content
    floor = measure(tmp_path, noise(960_000, -70), 96_000)
    assert not floor.has_content
    assert floor.peak_dbfs == pytest.approx(-70 - 10 * np.log10(48) + 6, abs=3)


def test_a_steady_whistle_counts(tmp_path: Path) -> None:
    t = np.arange(96_000) / 96_000
    assert measure(tmp_path, 0.01 * np.sin(2 * np.pi * 31_000 * t), 96_000).has_content
    assert not measure(tmp_path, 0.9 * np.sin(2 * np.pi * 19_900 * t), 96_000).has_content


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_silence_and_nothing_have_no_content(tmp_path: Path, bits: int) -> None:
    nothing = UltrasonicLevel(False, None, None, None)
    assert measure(tmp_path, np.zeros(96_000), 96_000, bits) == nothing
    assert measure(tmp_path, np.zeros(0), 96_000, bits) == nothing
    assert measure(tmp_path, np.zeros(5), 96_000, bits) == nothing


def test_a_file_of_48_khz_is_not_looked_at(tmp_path: Path) -> None:
    assert not measure(tmp_path, noise(48_000, -10), 40_000).has_content


@pytest.mark.row("Z3")
@pytest.mark.parametrize("rate", [96_000, 192_000])
@pytest.mark.parametrize(
    "file",
    [
        "speech/ca01_01.wav",
        "speech/spk1_snt1.wav",
        "music/ravel48_stereo.wav",
        "field/birds_10s.wav",
    ],
)
def test_what_was_converted_to_a_high_rate_has_no_content(
    tmp_path: Path, shared_data: Path, file: str, rate: int
) -> None:
    with open_native(shared_data / file) as reader:
        samples = np.frombuffer(b"".join(reader), np.int16).reshape(-1, reader.channels) / 32768
        high = soxr.resample(samples, reader.rate, rate)
    assert not measure(tmp_path, high, rate).has_content
    # Its own bat is found all the same.
    bat = call(rate, len(high) / rate, hz=40_000, level=0.01)[:, None]
    assert measure(tmp_path, high[: len(bat)] + bat[: len(high)], rate).has_content
