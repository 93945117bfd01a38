"""What Opus cannot carry: refused by default, and three ways that the user can choose."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from opuscule.archive.importing.importer import import_file
from opuscule.archive.reading.archive import open_archive
from opuscule.archive.reading.positions import Positions
from opuscule.archive.reading.recording import Recording
from opuscule.archive.storage.lossless import Lossless
from opuscule.archive.upkeep.verify import verify
from opuscule.cli.archive import app
from opuscule.errors import InvalidArgumentError, UnsupportedFormatError

from .sounds import Floats, call, write_float_wav

BAT = call(192_000, 1)


@pytest.fixture
def bat(tmp_path: Path) -> Path:
    return write_float_wav(tmp_path / "bat.wav", BAT, 192_000)


def decoded(recording: Recording) -> Floats:
    whole: Floats = np.asarray(recording.extract(0, recording.info.total_samples)) / 32768
    return whole


def loudest_hz(samples: Floats, rate: float) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


def kept_lossless(recording: Recording, start: int, stop: int) -> Any:
    assert recording.lossless is not None
    return np.asarray(recording.lossless.extract(start, stop, dtype="int16"))


@pytest.mark.row("Z3")
def test_a_bat_is_refused_and_three_ways_are_named(tmp_path: Path, bat: Path) -> None:
    with pytest.raises(
        UnsupportedFormatError, match=r"above 20 kHz.* at 4\d\.\d kHz after 0\.5"
    ) as told:
        import_file(tmp_path / "a.zarr", bat)
    for way in ("downsample", "expand", "lossless"):
        assert way in str(told.value)
    assert not (tmp_path / "a.zarr").exists()
    # A rate alone is no answer.
    with pytest.raises(UnsupportedFormatError, match="above 20 kHz"):
        import_file(tmp_path / "a.zarr", bat, rate=48_000)


@pytest.mark.row("Z3")
def test_a_bat_slowed_down_is_heard(tmp_path: Path, bat: Path) -> None:
    info = import_file(tmp_path / "a.zarr", bat, ultrasonic="expand").info
    recording = open_archive(tmp_path / "a.zarr")["bat"]
    assert info.source["time_expansion"] == 10
    assert info.source["ultrasonic"] == {"policy": "expand"}
    assert (info.source["original_rate"], info.source["original_samples"]) == (192_000, 192_000)
    assert info.total_samples == 480_000
    heard = decoded(recording)[:, 0]
    assert loudest_hz(heard, 48_000) == pytest.approx(4500, abs=200)
    assert np.abs(heard).max() == pytest.approx(0.1, rel=0.3)
    # Where it is in the file's own samples, it is in the recording.
    start = 96_000 + 77
    first, last = Positions.of(info).covering(start, start + 3840)
    energy = (heard**2).sum()
    assert (heard[first:last] ** 2).sum() > 0.98 * energy
    assert verify(recording, ranges=2).ok


@pytest.mark.row("Z3")
def test_a_bat_kept_lossless_is_all_there(tmp_path: Path, bat: Path) -> None:
    info = import_file(tmp_path / "a.zarr", bat, ultrasonic="lossless").info
    recording = open_archive(tmp_path / "a.zarr")["bat"]
    assert info.source["ultrasonic"] == {"policy": "lossless"}
    assert (recording.info.total_samples, info.input_rate) == (48_000, 192_000)
    original = np.rint(BAT * 32768)
    for start, stop in ((0, 192_000), (0, 1), (191_999, 192_000), (96_000, 99_841)):
        got = kept_lossless(recording, start, stop)
        np.testing.assert_array_equal(got[:, 0], original[start:stop])
    assert loudest_hz(kept_lossless(recording, 0, 192_000)[:, 0], 192_000) > 40_000
    assert np.abs(decoded(recording)).max() < 0.01, "Opus has none of it"
    assert verify(recording, ranges=2).ok


@pytest.mark.row("Z3")
def test_a_bat_is_lost_where_that_is_wanted(tmp_path: Path, bat: Path) -> None:
    info = import_file(tmp_path / "a.zarr", bat, ultrasonic="downsample").info
    assert info.source["ultrasonic"] == {"policy": "downsample"}
    assert info.total_samples == 48_000
    assert "lossless" not in info.source


@pytest.mark.row("Z3")
@pytest.mark.parametrize("rate", [44_100, 64_000, 88_200, 96_000, 192_000, 250_000, 384_000])
def test_any_rate_without_content_is_taken(tmp_path: Path, rate: int) -> None:
    t = np.arange(rate // 2 + 1) / rate
    tone = 0.3 * np.sin(2 * np.pi * 1000 * t) * np.hanning(len(t))
    info = import_file(tmp_path / "a.zarr", write_float_wav(tmp_path / "a.wav", tone, rate)).info
    assert info.source["original_samples"] == rate // 2 + 1
    assert info.source["original_rate"] == info.input_rate == rate
    assert info.total_samples == ((rate // 2 + 1) * 96_000 + rate) // (2 * rate)
    if rate > 48_000:
        ultrasonic = info.source["ultrasonic"]
        assert isinstance(ultrasonic, dict)
        assert ultrasonic["policy"] == "absent"
    heard = decoded(open_archive(tmp_path / "a.zarr")["a"])[:, 0]
    there = np.interp(np.arange(len(heard)) * rate / 48_000, np.arange(len(tone)), tone)
    assert np.corrcoef(there, heard)[0, 1] > 0.999


def test_a_policy_does_nothing_to_ordinary_audio(tmp_path: Path) -> None:
    path = write_float_wav(tmp_path / "a.wav", np.zeros(4800), 48_000)
    for policy in ("expand", "lossless", "downsample"):
        info = import_file(tmp_path / "a.zarr", path, name=policy, ultrasonic=policy).info
        assert info.total_samples == 4800
        assert "ultrasonic" not in info.source
        assert "lossless" not in info.source


def test_time_expansion_has_to_fit(tmp_path: Path, bat: Path) -> None:
    archive = tmp_path / "a.zarr"
    for factor, words in ((7, "divides the rate"), (1, "divides the rate"), (2, "a factor of 4")):
        with pytest.raises(InvalidArgumentError, match=words):
            import_file(archive, bat, ultrasonic="expand", time_expansion=factor)
    with pytest.raises(InvalidArgumentError, match="downsample, expand, lossless"):
        import_file(archive, bat, ultrasonic="keep")  # type: ignore[arg-type]  # on purpose
    assert import_file(archive, bat, ultrasonic="expand", time_expansion=16).transcoded


def test_what_flac_cannot_keep_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = write_float_wav(tmp_path / "a.wav", call(96_000, 0.2, 30_000, level=1 / 3), 96_000, 32)
    with pytest.raises(UnsupportedFormatError, match="more than 24 bits"):
        import_file(tmp_path / "a.zarr", path, ultrasonic="lossless")
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.row("Z3")
def test_channels_are_picked_by_frame(tmp_path: Path) -> None:
    t = np.arange(24_000) / 48_000
    tones = np.stack([0.3 * np.sin(2 * np.pi * hz * t) for hz in (400, 800, 1600, 3200)], axis=1)
    path = write_float_wav(tmp_path / "four.wav", tones, 48_000)
    archive = tmp_path / "a.zarr"
    with pytest.raises(UnsupportedFormatError, match=r"4 channels.*--channel 1,2"):
        import_file(archive, path)
    info = import_file(archive, path, name="two", channels=[4, 2]).info
    assert (info.channels, info.source["original_channels"]) == (2, 4)
    assert info.source["picked_channels"] == [4, 2]
    heard = decoded(open_archive(archive)["two"])
    assert loudest_hz(heard[:, 0], 48_000) == pytest.approx(3200, abs=10)
    assert loudest_hz(heard[:, 1], 48_000) == pytest.approx(800, abs=10)
    for wrong in ([5], [0], [1, 1], []):
        with pytest.raises(InvalidArgumentError, match="different ones of 1 to 4"):
            import_file(archive, path, name="wrong", channels=wrong)
    with pytest.raises(UnsupportedFormatError, match="3 are wanted"):
        import_file(archive, path, name="three", channels=[1, 2, 3])


@pytest.mark.row("Z3")
def test_a_policy_looks_only_at_the_channels_that_are_picked(tmp_path: Path) -> None:
    both = np.stack([np.zeros(192_000), BAT], axis=1)
    path = write_float_wav(tmp_path / "bat.wav", both, 192_000)
    archive = tmp_path / "a.zarr"
    assert import_file(archive, path, name="silent", channels=[1]).info.channels == 1
    with pytest.raises(UnsupportedFormatError, match="above 20 kHz"):
        import_file(archive, path, name="loud", channels=[2])
    import_file(archive, path, name="kept", channels=[2], ultrasonic="lossless")
    got = kept_lossless(open_archive(archive)["kept"], 0, 192_000)
    np.testing.assert_array_equal(got[:, 0], np.rint(BAT * 32768))


@pytest.mark.row("Z3")
def test_from_the_command_line(tmp_path: Path, bat: Path) -> None:
    archive = str(tmp_path / "a.zarr")

    def run(*options: str) -> Any:
        return CliRunner().invoke(app, ["import", archive, str(bat), *options])

    refused = run()
    assert refused.exit_code == 1
    assert "above 20 kHz" in refused.output
    assert run("--ultrasonic", "quietly").exit_code == 2
    assert run("--channel", "x").exit_code == 2
    done = run("--ultrasonic", "expand", "--time-expansion", "20", "--channel", "1", "--name", "b")
    assert done.exit_code == 0, done.output
    assert open_archive(archive)["b"].info.source["time_expansion"] == 20
    assert run("--ultrasonic", "lossless", "--name", "c", "--duplicates", "keep").exit_code == 0
    known = open_archive(archive)["c"].info.source["lossless"]
    assert asdict(Lossless.from_json(known, "c"))["samples"] == 192_000
