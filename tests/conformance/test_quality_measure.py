"""The measure of quality against libopus's own program, where cargo has its source."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from _quality import opus_quality

Pcm = npt.NDArray[np.int16]


def noisy(level: float, noise: float, channels: int) -> tuple[Pcm, Pcm]:
    random = np.random.default_rng(1)
    swell = np.sin(np.arange(24_000) / 3000)[:, None]
    pcm = random.normal(0, level, (24_000, channels)) * swell
    return pcm.astype(np.int16), (pcm + random.normal(0, noise, pcm.shape)).astype(np.int16)


@pytest.fixture(scope="module")
def opus_compare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    sources = sorted(cargo.glob("registry/src/*/opusic-sys-*/opus/src/opus_compare.c"))
    if not sources or shutil.which("cc") is None:
        pytest.skip("there is no C compiler, or cargo keeps no source of opus_compare")
    program = tmp_path_factory.mktemp("compare") / "opus_compare"
    subprocess.run(["cc", "-O2", "-w", sources[-1], "-lm", "-o", program], check=True)
    return program


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("level", "noise"), [(3000, 3), (3000, 30), (300, 60), (0, 5), (50, 500)])
def test_it_is_that_of_opus_compare(
    opus_compare: Path, tmp_path: Path, level: float, noise: float, channels: int
) -> None:
    reference, other = noisy(level, noise, channels)
    # It takes the reference as stereo, always.
    np.broadcast_to(reference, (len(reference), 2)).tofile(tmp_path / "reference")
    other.tofile(tmp_path / "other")
    said = subprocess.run(
        [opus_compare, *["-s"] * (channels - 1), tmp_path / "reference", tmp_path / "other"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"weighted error is ([0-9.]+)", said.stderr)
    assert found, said.stderr
    expected = 100 * (1 - 0.5 * np.log1p(float(found[1])) / np.log(1.13))
    assert opus_quality(reference, other) == pytest.approx(expected, abs=0.1)
    assert (opus_quality(reference, other) >= 0) == (said.returncode == 0)


@pytest.mark.parametrize("channels", [1, 2])
def test_more_noise_is_worse(channels: int) -> None:
    found = [opus_quality(*noisy(3000, noise, channels)) for noise in (0, 3, 30, 300)]
    assert found[0] > 94  # what rounding leaves
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0
    reference, _ = noisy(3000, 0, channels)
    assert opus_quality(reference, reference) == pytest.approx(100)


def test_what_cannot_be_compared_is_refused() -> None:
    short = np.zeros((479, 1), np.int16)
    with pytest.raises(AssertionError, match="less than 10 ms"):
        opus_quality(short, short)
    with pytest.raises(AssertionError, match="against"):
        opus_quality(short, short[:-1])
