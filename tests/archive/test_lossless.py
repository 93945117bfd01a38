"""FLAC beside Opus: every sample of any range, and damage is told."""

import io
from array import array
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opuscule.archive.storage.lossless import Lossless, LosslessFile, read_lossless, write_lossless
from opuscule.containers.wav import WavReader
from opuscule.errors import CorruptArchiveError, InvalidArgumentError, UnsupportedFormatError

from .sounds import write_float_wav

SAMPLES = 20_001


def keep(path: Path, bits: int) -> LosslessFile:
    with WavReader(path) as reader:
        return write_lossless(reader, bits, path.with_suffix(".flac"))


def make(folder: Path, channels: int, bits: int, count: int = SAMPLES) -> tuple[LosslessFile, Any]:
    whole = np.random.default_rng(3).integers(
        -(2 ** (bits - 1)), 2 ** (bits - 1), (count, channels)
    )
    path = write_float_wav(folder / "a.wav", whole / 2 ** (bits - 1), 192_000, bits)
    return keep(path, bits), whole


@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (2, 16), (1, 24), (2, 24)])
@pytest.mark.parametrize("count", [0, 1, 4096, SAMPLES])
def test_every_sample_of_a_file(tmp_path: Path, channels: int, bits: int, count: int) -> None:
    made, whole = make(tmp_path, channels, bits, count)
    data = made.path.read_bytes()
    assert made.known.samples == count
    if not count:
        return
    # By another reader, as the whole file that it is.
    with av.open(io.BytesIO(data), "r") as container:
        theirs: list[Any] = [
            f.to_ndarray().reshape(-1, channels) for f in container.decode(audio=0)
        ]
        assert container.streams.audio[0].codec_context.sample_rate == 192_000
    decoded = np.concatenate(theirs) / (256 if bits == 24 else 1)
    np.testing.assert_array_equal(decoded, whole)
    mine = read_lossless(lambda a, b: data[a:b], made.known, made.lengths, 0, count)
    np.testing.assert_array_equal(np.asarray(mine) * 2 ** (bits - 1), whole)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[LosslessFile, Any]:
    return make(tmp_path_factory.mktemp("flac"), 2, 24)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_range(wide: tuple[LosslessFile, Any], data: st.DataObject) -> None:
    made, whole = wide
    flac = made.path.read_bytes()
    fetched = 0

    def fetch(start: int, stop: int) -> bytes:
        nonlocal fetched
        fetched += stop - start
        return flac[start:stop]

    start = data.draw(st.integers(0, SAMPLES - 1))
    stop = data.draw(st.integers(start + 1, SAMPLES))
    got = read_lossless(fetch, made.known, made.lengths, start, stop)
    np.testing.assert_array_equal(np.asarray(got) * 2**23, whole[start:stop])
    assert fetched <= 42 + ((stop - start) // 4096 + 2) * max(made.lengths)
    rounded = read_lossless(fetch, made.known, made.lengths, start, stop, "int16")
    expected = np.clip(np.floor(whole[start:stop] / 256 + 0.5), -32768, 32767)
    np.testing.assert_array_equal(rounded, expected)


def test_what_cannot_be_read_is_refused(wide: tuple[LosslessFile, Any]) -> None:
    made, _ = wide
    flac = made.path.read_bytes()
    for start, stop in ((0, 0), (5, 4), (-1, 5), (0, SAMPLES + 1)):
        with pytest.raises(InvalidArgumentError, match="within 0 to 20001"):
            read_lossless(lambda a, b: flac[a:b], made.known, made.lengths, start, stop)
    with pytest.raises(InvalidArgumentError, match="dtype"):
        read_lossless(lambda a, b: flac[a:b], made.known, made.lengths, 0, 1, "int8")  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("place", [0, 1, 5, 100, 9000, -1])
def test_a_flipped_bit_is_told(wide: tuple[LosslessFile, Any], place: int) -> None:
    made, _ = wide
    flac = bytearray(made.path.read_bytes())
    flac[made.known.header_bytes + place if place >= 0 else place] ^= 1
    with pytest.raises(CorruptArchiveError):
        read_lossless(lambda a, b: bytes(flac[a:b]), made.known, made.lengths, 0, SAMPLES)


def test_an_index_that_does_not_fit_is_told(wide: tuple[LosslessFile, Any]) -> None:
    made, _ = wide
    flac = made.path.read_bytes()
    cut = array("H", made.lengths[:-1])
    shifted = array("H", [made.lengths[0] + 1, *made.lengths[1:]])
    for known, lengths in (
        (made.known, cut),
        (made.known, shifted),
        (replace(made.known, channels=1), made.lengths),
        (replace(made.known, header_bytes=0), made.lengths),
    ):
        with pytest.raises(CorruptArchiveError):
            read_lossless(lambda a, b: flac[a:b], known, lengths, 0, SAMPLES)
    with pytest.raises(CorruptArchiveError):
        read_lossless(lambda a, b: b"", made.known, made.lengths, 0, 10)


def test_the_entry_is_checked(wide: tuple[LosslessFile, Any]) -> None:
    told = asdict(wide[0].known)
    assert Lossless.from_json(told, "r") == wide[0].known
    for odd in (
        None,
        {},
        {**told, "rate": "x"},
        {**told, "channels": 0},
        {**told, "samples": True},
    ):
        with pytest.raises(CorruptArchiveError, match="not understood"):
            Lossless.from_json(odd, "r")


def test_floats_are_kept_if_they_are_24_bits_and_refused_if_not(tmp_path: Path) -> None:
    fine = np.array([-1.0, 0.5, 1 - 2**-23, 2**-23])
    made = keep(write_float_wav(tmp_path / "a.wav", fine, 96_000, 32), 32)
    flac = made.path.read_bytes()
    got = read_lossless(lambda a, b: flac[a:b], made.known, made.lengths, 0, 4)
    assert np.asarray(got)[:, 0].tolist() == fine.tolist()
    for odd in (2.0**-24, 1.0, -1.5, float("nan"), float("inf")):
        path = write_float_wav(tmp_path / "b.wav", np.array([0.0, odd]), 96_000, 32)
        with pytest.raises(UnsupportedFormatError, match="more than 24 bits"):
            keep(path, 32)
