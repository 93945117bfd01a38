"""Recordings through xarray and Dask: lazy, and the archive's own samples."""

import pickle
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from opuscule.archive import Recording, open_archive
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.errors import InvalidArgumentError, RecordingNotFoundError

from .conftest import Speech

BEGAN_MS = 1_767_225_600_123


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory, stereo: Speech) -> Path:
    """Two stereo recordings of 2 s; of ``dawn`` it is known when it began."""
    path = tmp_path_factory.mktemp("xarray") / "birds.zarr"
    for name, began in (("dawn", BEGAN_MS), ("some", None)):
        with RecordingWriter(path, name, stereo.format) as writer:
            for packet in stereo.packets:
                writer.add(packet)
            writer.finish(stereo.end_samples, start_epoch_ms=began, comments=[("ARTIST", "a wren")])
    return path


def expected(path: Path, dtype: str = "float32") -> np.ndarray[tuple[int, int], np.dtype]:
    return np.asarray(open_archive(path)["some"].extract(0, 96_000, dtype=dtype))  # type: ignore[arg-type]


@pytest.mark.row("Z12")
def test_a_recording_is_a_dataset(birds: Path) -> None:
    dataset = xr.open_dataset(birds, engine="opuscule", recording="some")
    assert dataset.audio.dims == ("time", "channel")
    assert dataset.audio.shape == (96_000, 2)
    assert dataset.attrs == {"recording": "some", "ARTIST": "a wren"}
    assert np.array_equal(dataset.audio.values, expected(birds))
    assert np.array_equal(dataset.time.values, np.arange(96_000) / 48_000)
    assert dataset.channel.values.tolist() == [0, 1]
    short = xr.open_dataset(birds, engine="opuscule", recording="some", dtype="int16")
    assert np.array_equal(short.audio.values, expected(birds, "int16"))


class Watched:
    """What is decoded while it looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranges: list[tuple[int, int]] = []
        extract = Recording.extract

        def watched(recording: Recording, start: int, stop: int, **options: object) -> object:
            self.ranges.append((start, stop))
            return extract(recording, start, stop, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(Recording, "extract", watched)


def test_only_what_is_asked_for_is_decoded(birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    dataset = xr.open_dataset(birds, engine="opuscule", recording="dawn")
    part = dataset.isel(time=slice(100, 200), channel=1)
    repr(part)
    assert watched.ranges == []
    part.audio.load()
    assert watched.ranges == [(100, 200)]
    dataset.audio[[90_000, 5, 9]].load()
    assert watched.ranges[1:] == [(5, 10), (90_000, 90_001)]


def test_every_kind_of_index(birds: Path) -> None:
    audio = xr.open_dataset(birds, engine="opuscule", recording="some").audio
    whole = expected(birds)
    assert np.array_equal(audio[7].values, whole[7])
    assert audio[-1, 1].values == whole[-1, 1]
    assert np.array_equal(audio[10:4:-2, ::-1].values, whole[10:4:-2, ::-1])
    assert np.array_equal(audio[5:5].values, whole[5:5])
    assert np.array_equal(audio[::4801, 0].values, whole[::4801, 0])
    scattered = [5, 95_999, 5, -1, 0]
    assert np.array_equal(audio[scattered].values, whole[scattered])
    assert np.array_equal(audio[[]].values, whole[[]])
    points = audio.isel(
        time=xr.DataArray([3, 60_000], dims="point"), channel=xr.DataArray([1, 0], dims="point")
    )
    assert np.array_equal(points.values, whole[[3, 60_000], [1, 0]])


def test_times_are_exact_and_chosen_by(birds: Path) -> None:
    some = xr.open_dataset(birds, engine="opuscule", recording="some")
    whole = expected(birds)
    part = some.sel(time=slice(0.29, 1))
    assert np.array_equal(part.audio.values, whole[13_920:48_000])
    assert part.sel(time=slice(None, 0.5)).sizes["time"] == 24_000 - 13_920
    assert np.array_equal(some.sel(time=0.29).audio.values, whole[13_920])
    assert np.array_equal(some.sel(time=[0.5, 1.0]).audio.values, whole[[24_000, 48_000]])
    with pytest.raises(KeyError, match="no sample"):
        some.sel(time=2.0)
    with pytest.raises(InvalidArgumentError, match="nearest"):
        some.sel(time=0.5, method="pad")

    dawn = xr.open_dataset(birds, engine="opuscule", recording="dawn")
    began = np.datetime64(BEGAN_MS, "ms").astype("datetime64[ns]")
    assert dawn.time.values[0] == began
    assert dawn.time.values[48_000] == began + np.timedelta64(1, "s")
    assert dawn.time.values[1] - dawn.time.values[0] == np.timedelta64(20_833, "ns")
    for number in (0, 1, 77, 95_999):
        found = dawn.sel(time=dawn.time.values[number]).audio.values
        assert np.array_equal(found, whole[number])
    part = dawn.sel(time=slice("2026-01-01T00:00:00.413", "2026-01-01T00:00:01.123"))
    assert np.array_equal(part.audio.values, whole[13_920:48_000])


@pytest.mark.row("Z12")
def test_dask_works_on_chunks_in_threads(birds: Path) -> None:
    whole = expected(birds)
    opened = xr.open_dataset(birds, engine="opuscule", recording="some")
    preferred = xr.open_dataset(birds, engine="opuscule", recording="some", chunks={})
    small = opened.chunk({"time": 7_000, "channel": 1})
    for dataset in (preferred, small):
        assert dask.is_dask_collection(dataset.audio.data)  # type: ignore[attr-defined]
        with dask.config.set(scheduler="threads"):
            assert np.array_equal(dataset.audio.values, whole)
            loudest = abs(dataset.audio).max("time").compute()
        assert np.array_equal(loudest.values, np.abs(whole).max(0))
    again = pickle.loads(pickle.dumps(small))  # noqa: S301 - as Dask sends it to its workers
    assert np.array_equal(again.audio[:100].values, whole[:100])


def test_what_cannot_be_opened(birds: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="has 2 recordings; name one"):
        xr.open_dataset(birds, engine="opuscule")
    with pytest.raises(RecordingNotFoundError, match="has no recording 'noon'"):
        xr.open_dataset(birds, engine="opuscule", recording="noon")
    with pytest.raises(InvalidArgumentError, match="mode is 'good'"):
        xr.open_dataset(birds, engine="opuscule", recording="dawn", mode="good")
