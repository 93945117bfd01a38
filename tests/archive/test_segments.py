"""Segments for training: the same everywhere, evenly drawn, the archive's own samples."""

import multiprocessing
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from opuscule.archive import SegmentDataset, open_archive, prepare
from opuscule.archive.storage.entries import Entry, line
from opuscule.errors import CorruptArchiveError, InvalidArgumentError, RecordingNotFoundError

from .conftest import GAPS, Speech, with_gaps, write
from .test_damage import Watched
from .test_stores import objects

LENGTH = 4800


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory, speech: Speech, stereo: Speech) -> Path:
    """Mono recordings of 12 s and 4 s, one with gaps, and a stereo one."""
    path = tmp_path_factory.mktemp("segments") / "a.zarr"
    write(path, "gappy", speech, with_gaps(speech.packets, GAPS))
    long = write(path, "long", speech, iter(speech.packets))
    write(path, "stereo", stereo, iter(stereo.packets))
    prepare(long)
    return path


def test_a_segment_is_its_range(voices: Path) -> None:
    dataset = SegmentDataset(voices, LENGTH, count=10, recordings=["long", "gappy"])
    assert (len(dataset), dataset.channels) == (10, 1)
    archive = open_archive(voices)
    for number in range(len(dataset)):
        place = dataset.where(number)
        found = dataset[number]
        assert found.shape == (LENGTH, 1)
        assert found.dtype == np.float32
        assert found.flags.writeable
        expected = archive[place.recording].extract(
            place.start_sample, place.stop_sample, dtype="float32"
        )
        assert np.array_equal(found, np.asarray(expected))
    assert np.array_equal(dataset[-1], dataset[9])
    with pytest.raises(IndexError, match="has 10"):
        dataset[10]


def test_the_seed_and_the_epoch_decide(voices: Path) -> None:
    def drawn(seed: int, epoch: int = 0) -> list[object]:
        dataset = SegmentDataset(voices, LENGTH, count=20, seed=seed, recordings=["long"])
        dataset.set_epoch(epoch)
        return [dataset.where(number) for number in range(20)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, 1)
    assert drawn(1, 1) == drawn(1, 1)


def test_recordings_come_up_by_their_length(voices: Path) -> None:
    dataset = SegmentDataset(voices, LENGTH, count=6000, channels=[0])
    assert dataset.places == 2 * (576_000 - LENGTH + 1) + 96_000 - LENGTH + 1
    places = [dataset.where(number) for number in range(6000)]
    counts = Counter(place.recording for place in places)
    for name, length in (("long", 576_000), ("gappy", 576_000), ("stereo", 96_000)):
        share = (length - LENGTH + 1) / dataset.places
        assert abs(counts[name] / 6000 - share) < 0.03
    starts = [place.start_sample for place in places if place.recording == "long"]
    assert abs(np.mean(starts) / (576_000 - LENGTH) - 0.5) < 0.03
    assert all(place.start_sample >= 0 for place in places)


def test_gaps_are_left_out_on_request(voices: Path) -> None:
    dataset = SegmentDataset(voices, LENGTH, count=500, skip_gaps=True, recordings=["gappy"])
    recording = open_archive(voices)["gappy"]
    skip = recording.info.pre_skip_samples
    for number in range(500):
        place = dataset.where(number)
        assert 0 <= place.start_sample < place.stop_sample <= recording.info.total_samples
        assert not any(
            gap.start_samples < place.stop_sample + skip
            and gap.end_samples > place.start_sample + skip
            for gap in recording.gaps
        )


@pytest.mark.row("Z7")
def test_batches_cover_an_epoch_between_workers(voices: Path) -> None:
    dataset = SegmentDataset(voices, LENGTH, count=11, recordings=["long", "gappy"])
    every = [dataset[number] for number in range(11)]
    for threads in (1, 2):
        for rank in range(3):
            got = list(dataset.batches(2, rank=rank, world=3, threads=threads))
            assert all(batch.shape[1:] == (LENGTH, 1) for batch in got)
            assert np.array_equal(np.concatenate(got), np.stack(every[rank::3]))
    assert list(SegmentDataset(voices, 10, count=0, channels=[0]).batches(4)) == []
    with pytest.raises(InvalidArgumentError, match="worker 3 of 3"):
        dataset.batches(2, rank=3, world=3)


def test_recordings_are_opened_when_they_come_up(voices: Path) -> None:
    held = Watched(objects(voices))
    dataset = SegmentDataset(open_archive(held), LENGTH, count=6, channels=[0])
    assert held.read == {"zarr.json", "catalogue.jsonl"}
    first = dataset.where(0).recording
    assert dataset[0].shape == (LENGTH, 1)
    assert {name.split("/")[1] for name in held.read if "/" in name} == {first}
    # The same places as when all are opened.
    archive = open_archive(voices)
    total = sum(archive[name].info.total_samples for name in archive)
    assert dataset.places == total - 3 * (LENGTH - 1)
    with pytest.raises(RecordingNotFoundError, match="nobody"):
        SegmentDataset(voices, LENGTH, count=6, recordings=["nobody"])


def test_a_catalogue_that_says_too_much_is_told(voices: Path) -> None:
    held = objects(voices)
    lines = [line(Entry(name="long", total_samples=10**9, channels=1))]
    held["catalogue.jsonl"] = b"".join(lines)
    dataset = SegmentDataset(open_archive(held), LENGTH, count=3)
    with pytest.raises(CorruptArchiveError, match="not what the catalogue says"):
        dataset[0]


def load(dataset: SegmentDataset, numbers: list[int]) -> list[npt.NDArray[np.float32]]:
    return [dataset[number] for number in numbers]


# From Python 3.12 on a fork warns when the test runner has threads.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_loader(voices: Path, method: str) -> None:
    """As a PyTorch DataLoader uses a dataset: it is inherited or pickled, and asked for items."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    dataset = SegmentDataset(voices, LENGTH, count=8, recordings=["long"], mode="fast")
    every = [dataset[number] for number in range(8)]  # so that recordings are open when it forks
    with multiprocessing.get_context(method).Pool(2) as pool:
        got = pool.starmap(load, [(dataset, [0, 1, 2, 3]), (dataset, [4, 5, 6, 7])])
    assert np.array_equal(np.stack(got[0] + got[1]), np.stack(every))
    assert len(pickle.dumps(dataset)) < 2000


def test_other_rates_and_channels(voices: Path) -> None:
    dataset = SegmentDataset(voices, 8000, count=12, rate=11_025, channels=[0])
    for number in range(12):
        found, place = dataset[number], dataset.where(number)
        assert found.shape == (8000, 1)
        read = open_archive(voices)[place.recording].read(
            place.start_sample, place.stop_sample, rate=11_025, channels=[0]
        )
        assert np.array_equal(found, np.asarray(read)[:8000])
    stereo = SegmentDataset(voices, 100, count=1, recordings=["stereo"])
    assert stereo[0].shape == (100, 2)


def test_what_cannot_be_drawn_is_refused(voices: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"differ in their channels: .*channels=\[0\]"):
        SegmentDataset(voices, LENGTH, count=5)
    with pytest.raises(InvalidArgumentError, match=r"none of 3 recordings .* has room"):
        SegmentDataset(voices, 10**7, count=5)
    with pytest.raises(InvalidArgumentError, match="positive length"):
        SegmentDataset(voices, 0, count=5)
    with pytest.raises(InvalidArgumentError, match="0 to 0"):
        SegmentDataset(voices, 10, count=5, channels=[1])
