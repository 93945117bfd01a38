"""Ranges asked for in every way have the samples of the sequential decode."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from opuscule.archive import Recording, open_archive, prepare
from opuscule.archive.reading.streaming import Mode
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SampleFormat

from .conftest import Speech, write_three

RATE = 48_000


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, speech: Speech, stereo: Speech
) -> dict[str, Recording]:
    path = write_three(tmp_path_factory.mktemp("prepared") / "a.zarr", speech, stereo)
    opened = open_archive(path)
    for name in opened:
        prepare(opened[name])
    return {name: opened[name] for name in opened}


def whole(recording: Recording, dtype: SampleFormat = "int16") -> npt.NDArray[np.generic]:
    return np.concatenate([np.asarray(block) for block in recording.sequential(dtype=dtype)])


def test_slices_count_as_python_does(archive: Path) -> None:
    recording = open_archive(archive)["stereo"]
    expected = whole(recording)
    for part in [
        slice(48_000, 96_000),
        slice(None, 10),
        slice(-10, None),
        slice(-500, -100),
        slice(5, 10**9),
        slice(None),
        slice(100, 200, 1),
    ]:
        assert np.array_equal(np.asarray(recording[part]), expected[part]), part
    assert len(recording[7:7]) == len(recording[9:7]) == len(recording[10**9 :]) == 0


@pytest.mark.parametrize("wrong", [5, slice(0, 10, 2), slice(10, 0, -1), "a", slice("a", "b")])
def test_steps_and_single_samples_are_refused(archive: Path, wrong: slice) -> None:
    with pytest.raises(InvalidArgumentError, match="slice of 48 kHz samples"):
        open_archive(archive)["plain"][wrong]


def test_seconds_moments_and_the_original_name_the_same_range(
    tmp_path: Path, speech: Speech
) -> None:
    with RecordingWriter(tmp_path / "a.zarr", "it", speech.format) as writer:
        for packet in speech.packets:
            writer.add(packet)
        writer.finish(
            speech.end_samples,
            start_epoch_ms=1_767_225_600_000,
            source={"original_rate": 44_100, "original_samples": 529_200},
        )
    recording = open_archive(tmp_path / "a.zarr")["it"]
    assert recording.seconds_range(0.29, "2") == (13_920, 96_000)
    assert recording.seconds_range() == (0, 576_000)
    at = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert recording.moments_range(at, at.replace(second=3)) == (48_000, 144_000)
    assert recording.original_range(44_100, 529_200) == (48_000, 576_000)
    got = recording.read(*recording.original_range(1001, 9001), rate=44_100)
    assert abs(len(got) - 8000) <= 1
    with pytest.raises(InvalidArgumentError, match=r"1 s to 13 s \(samples 48000 to 624000"):
        recording.seconds_range(1, 13)
    with pytest.raises(InvalidArgumentError, match=r"^2\.4 s to 52\.4 s \(samples"):
        recording.seconds_range("2.4", Fraction(524, 10))
    with pytest.raises(InvalidArgumentError, match=r"^0:13 to the end \(samples"):
        recording.seconds_range("0:13")
    with pytest.raises(InvalidArgumentError, match="seconds_range makes them"):
        recording.extract(0.5, 1)  # type: ignore[arg-type]  # which is refused
    with pytest.raises(InvalidArgumentError, match="seconds_range makes them"):
        recording.read(0, 1.0)  # type: ignore[arg-type]  # which is refused
    assert len(recording.extract(*np.array([0, 10]))) == 10
    assert repr(recording) == (
        f"<Recording {str(tmp_path / 'a.zarr/recordings/it')!r}: 12.000 s, mono>"
    )
    with pytest.raises(InvalidArgumentError, match="not empty"):
        recording.moments_range(at, at)
    with pytest.raises(InvalidArgumentError, match="within 0 to 529200"):
        recording.original_range(0, 529_201)


@pytest.mark.row("Z7")
@pytest.mark.parametrize("name", ["plain", "gappy", "stereo"])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_blocks_are_the_sequential_decode(
    archive: Path, prepared: dict[str, Recording], name: str, dtype: SampleFormat
) -> None:
    draw = random.Random(3)
    for recording in (open_archive(archive)[name], prepared[name]):
        expected = whole(recording, dtype)
        for _ in range(6):
            start = draw.choice([0, draw.randrange(len(expected) - 1)])
            stop = draw.choice([len(expected), draw.randrange(start + 1, len(expected) + 1)])
            size = draw.choice([1, 100, 960, 7001, 48_000]) if stop - start < 3000 else 7001
            overlap = draw.choice([0, size // 3])
            got = list(
                recording.blocks(
                    size,
                    overlap_samples=overlap,
                    start_sample=start,
                    stop_sample=stop,
                    dtype=dtype,
                )
            )
            at = start
            for number, block in enumerate(got):
                assert len(block) == size or number == len(got) - 1
                assert np.array_equal(np.asarray(block), expected[at : at + len(block)])
                end, at = at + len(block), at + size - overlap
            assert end == stop


def test_fast_blocks_begin_80_ms_before(archive: Path) -> None:
    recording = open_archive(archive)["gappy"]
    for start, stop in [(0, 10_000), (100_000, 150_000), (500_000, 576_000)]:
        got = recording.blocks(9000, start_sample=start, stop_sample=stop, mode="fast")
        expected = recording.extract(start, stop, dtype="float32", pre_roll_ms=80)
        assert np.array_equal(np.concatenate([np.asarray(b) for b in got]), np.asarray(expected))


def test_blocks_of_nothing_sensible_are_refused(archive: Path) -> None:
    recording = open_archive(archive)["plain"]
    for size, overlap in [(0, 0), (-1, 0), (10, 10), (10, -1)]:
        with pytest.raises(InvalidArgumentError, match="overlap"):
            recording.blocks(size, overlap_samples=overlap)
    with pytest.raises(InvalidArgumentError, match="within 0 to 576000"):
        recording.blocks(10, start_sample=5, stop_sample=5)
    with pytest.raises(InvalidArgumentError, match="'exact' or 'fast'"):
        recording.blocks(10, mode="good")  # type: ignore[arg-type] # that is the test


@pytest.mark.row("Z7")
def test_many_ranges_come_in_their_order(prepared: dict[str, Recording]) -> None:
    recording = prepared["gappy"]
    expected = whole(recording)
    draw = random.Random(4)
    wanted = [
        (a, a + draw.randrange(1, 5000)) for a in (draw.randrange(570_000) for _ in range(40))
    ]
    for threads in (1, 2, 5, None):
        got = list(recording.extract_many(wanted, threads=threads))
        assert len(got) == len(wanted)
        for (start, stop), pcm in zip(wanted, got, strict=True):
            assert np.array_equal(np.asarray(pcm), expected[start:stop])


def test_what_is_not_taken_is_not_decoded(archive: Path) -> None:
    asked = 0

    def endless() -> Iterator[tuple[int, int]]:
        nonlocal asked
        while True:
            asked += 1
            yield 0, 10

    many = open_archive(archive)["plain"].extract_many(endless(), threads=2)
    next(many)
    assert asked < 10
    many = open_archive(archive)["plain"].extract_many([(0, 5), (5, 5), (0, 9)], threads=2)
    assert len(next(many)) == 5
    with pytest.raises(InvalidArgumentError, match="not empty"):
        next(many)
    with pytest.raises(InvalidArgumentError, match="threads is 0"):
        open_archive(archive)["plain"].extract_many([], threads=0)


@pytest.mark.row("Z3")
@pytest.mark.parametrize("rate", [8_000, 16_000, 11_025, 44_100, 96_000, 11_027])
def test_a_cut_at_another_rate_is_the_cut_of_the_whole(
    prepared: dict[str, Recording], rate: int
) -> None:
    recording = prepared["stereo"]
    total = recording.info.total_samples
    every = np.asarray(recording.read(rate=rate))
    assert len(every) == (2 * total * rate + RATE) // (2 * RATE)
    one_piece = soxr.resample(whole(recording, "float32"), RATE, rate, quality="HQ")
    length = min(len(every), len(one_piece))
    assert abs(len(every) - len(one_piece)) <= 1
    assert np.abs(every[:length] - one_piece[:length]).max() < 1e-6
    draw = random.Random(rate)
    for _ in range(10):
        start = draw.randrange(total - 1)
        stop = draw.choice([total, min(total, start + draw.randrange(1, 30_000))])
        low, high = ((2 * x * rate + RATE) // (2 * RATE) for x in (start, stop))
        got = np.asarray(recording.read(start, stop, rate=rate))
        assert np.array_equal(got.reshape(-1, 2), every[low:high])
        as_int = np.asarray(recording.read(start, stop, rate=rate, dtype="int16"))
        assert (
            np.abs(as_int.reshape(-1, 2) / 32768 - every[low:high]).max(initial=0) <= 0.51 / 32768
        )


def test_chosen_channels(prepared: dict[str, Recording]) -> None:
    recording = prepared["stereo"]
    expected = whole(recording)
    got = recording.read(100, 900, channels=[1], dtype="int16")
    assert np.array_equal(np.asarray(got), expected[100:900, 1:])
    swapped = recording.read(100, 900, channels=[1, 0, 1], dtype="int16")
    assert np.array_equal(np.asarray(swapped), expected[100:900, [1, 0, 1]])
    low = recording.read(0, 48_000, channels=[1], rate=16_000)
    assert np.array_equal(
        np.asarray(low), np.asarray(recording.read(0, 48_000, rate=16_000))[:, 1:]
    )
    (block,) = recording.blocks(500, stop_sample=500, channels=[1], dtype="int16")
    assert np.array_equal(np.asarray(block), expected[:500, 1:])
    for wrong in ([], [2], [-1]):
        with pytest.raises(InvalidArgumentError, match="0 to 1"):
            recording.read(channels=wrong)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_read_is_extract(prepared: dict[str, Recording], mode: Mode) -> None:
    recording = prepared["plain"]
    got = recording.read(200_000, 210_000, mode=mode)
    pre_roll_ms = None if mode == "exact" else 80
    expected = recording.extract(200_000, 210_000, dtype="float32", pre_roll_ms=pre_roll_ms)
    assert bytes(got) == bytes(expected)
    with pytest.raises(InvalidArgumentError, match="rate is 0"):
        recording.read(rate=0)
