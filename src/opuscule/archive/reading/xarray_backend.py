"""Recordings as xarray datasets: ``xr.open_dataset(archive, engine="opuscule", recording=name)``.

Nothing is decoded until values are asked for, and then only those; the time of each sample is
computed when it is looked at, for an hour has 172,800,000 of them. Needs the extra ``xarray``.
"""

import os
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing
from xarray.indexes import CoordinateTransform, CoordinateTransformIndex

from opuscule.archive.reading.archive import open_archive
from opuscule.archive.reading.recording import Recording
from opuscule.archive.reading.streaming import Mode, check_mode
from opuscule.codec.pcm import check_sample_format
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SampleFormat
from opuscule.units import MEDIA_RATE

__all__ = ["OpusculeBackend", "TimeIndex"]

_CHUNK_SAMPLES = 10 * MEDIA_RATE
"""What ``chunks={}`` cuts a recording into: 1.9 MB of float32 a channel. Shorter ones would decode
much in vain, for each begins some half second before itself; xarray warns of those."""

_JOINED_SAMPLES = MEDIA_RATE
"""Chosen samples that are closer together than this are decoded in one go."""


class OpusculeBackend(BackendEntrypoint):
    """The engine ``opuscule`` of :func:`xarray.open_dataset`."""

    description = "Audio of a recording in an opuscule archive, decoded when it is needed"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "recording", "dtype", "mode")

    def open_dataset(  # type: ignore[override]  # xarray's backends add parameters of their own
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        recording: str | None = None,
        dtype: SampleFormat = "float32",
        mode: Mode = "exact",
    ) -> xr.Dataset:
        """Open a recording.

        Args:
            filename_or_obj: the archive.
            drop_variables: names of variables to leave out.
            recording: which; None if the archive has but one.
            dtype: ``float32`` with full scale ±1, or ``int16``.
            mode: ``exact``, or ``fast``, which begins to decode 80 ms before what is wanted.

        Returns:
            ``audio`` of dimensions ``time`` × ``channel``, at 48 kHz. ``time`` is in seconds, or
            UTC as ``datetime64[ns]`` where it is known when the recording began.

        Raises:
            InvalidArgumentError: ``recording`` is left out and the archive has not exactly one, or
                another value is out of its range.
            RecordingNotFoundError, NotAnArchiveError, CorruptArchiveError: it cannot be read.
        """
        check_mode(mode)
        check_sample_format(dtype)
        archive = open_archive(filename_or_obj)
        if recording is None:
            names = list(archive)
            if len(names) != 1:
                raise InvalidArgumentError(
                    f"{filename_or_obj} has {len(names)} recordings; name one: recording=…"
                )
            recording = names[0]
        opened = archive[recording]
        info = opened.info
        audio = _Audio(opened, filename_or_obj, dtype, mode)
        variable = xr.Variable(
            ("time", "channel"),
            indexing.LazilyIndexedArray(audio),
            {"units": "1" if dtype == "float32" else "counts", "sampling_rate": MEDIA_RATE},
            {"preferred_chunks": {"time": _CHUNK_SAMPLES, "channel": info.channels}},
        )
        began_ns = None if info.start_epoch_ms is None else info.start_epoch_ms * 1_000_000
        index = TimeIndex(_Clock(range(info.total_samples), began_ns))
        dataset = xr.Dataset(
            {"audio": variable},
            xr.Coordinates.from_xindex(index).assign(
                {"channel": ("channel", np.arange(info.channels))}
            ),
            {"recording": opened.name, **dict(info.comments)},
        )
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        return dataset.drop_vars(dropped, errors="ignore")


class _Audio(BackendArray):
    """The samples, decoded by range."""

    def __init__(
        self,
        recording: Recording,
        archive: str | os.PathLike[str],
        dtype: SampleFormat,
        mode: Mode,
    ) -> None:
        self.recording, self.archive, self.mode = recording, archive, mode
        self.shape = (recording.info.total_samples, recording.info.channels)
        self.format: SampleFormat = dtype
        self.dtype = np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._take
        )
        return found

    def __reduce__(self) -> tuple[object, ...]:
        # Workers of Dask open the archive themselves.
        return _reopened, (self.archive, self.recording.name, self.format, self.mode)

    def _take(self, key: tuple[Any, Any]) -> npt.NDArray[Any]:
        time, channel = key
        if isinstance(time, slice):
            wanted = range(self.shape[0])[time]
            if not wanted:
                return self._nothing()[:, channel]
            low, high = min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1]) + 1
            return self._decode(low, high)[:: wanted.step][:, channel]
        positions = np.atleast_1d(np.asarray(time)) % max(1, self.shape[0])
        found = self._scattered(positions)[:, channel]
        return found[0] if np.ndim(time) == 0 else found

    def _scattered(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Decode single samples, those near to one another together."""
        if not len(positions):
            return self._nothing()
        unique, back = np.unique(positions, return_inverse=True)
        cuts = np.flatnonzero(np.diff(unique) > _JOINED_SAMPLES) + 1
        groups = np.split(unique, cuts)
        parts = [self._decode(int(g[0]), int(g[-1]) + 1)[g - g[0]] for g in groups]
        taken: npt.NDArray[Any] = np.concatenate(parts)[back]
        return taken

    def _decode(self, low: int, high: int) -> npt.NDArray[Any]:
        return np.array(self.recording.read(low, high, dtype=self.format, mode=self.mode))

    def _nothing(self) -> npt.NDArray[Any]:
        return np.empty((0, self.shape[1]), self.dtype)


def _reopened(
    archive: str | os.PathLike[str], name: str, dtype: SampleFormat, mode: Mode
) -> _Audio:
    return _Audio(open_archive(archive)[name], archive, dtype, mode)


class _Clock(CoordinateTransform):
    """Positions in a stretch of samples, and their times."""

    def __init__(self, samples: range, began_ns: int | None) -> None:
        kind = np.dtype(np.float64) if began_ns is None else np.dtype("datetime64[ns]")
        super().__init__(["time"], {"time": len(samples)}, dtype=kind)
        self.samples, self.began_ns = samples, began_ns

    def forward(self, dim_positions: dict[str, Any]) -> dict[Hashable, Any]:
        positions = np.asarray(dim_positions["time"], np.int64)
        samples = self.samples.start + positions * self.samples.step
        if self.began_ns is None:
            return {"time": samples / MEDIA_RATE}
        # A sample is 62,500 / 3 ns: rounded to the nearest.
        since = (samples * 62_500 + 1) // 3
        return {"time": (self.began_ns + since).astype("datetime64[ns]")}

    def reverse(self, coord_labels: dict[Hashable, Any]) -> dict[str, Any]:
        label = np.asarray(coord_labels["time"])
        if self.began_ns is None:
            samples = np.floor(label.astype(np.float64) * MEDIA_RATE + 0.5).astype(np.int64)
        else:
            since = label.astype("datetime64[ns]").astype(np.int64) - self.began_ns
            samples = (since * 6 + 62_500) // 125_000
        return {"time": (samples - self.samples.start) / self.samples.step}

    def equals(
        self, other: CoordinateTransform, *, exclude: frozenset[Hashable] | None = None
    ) -> bool:
        del exclude  # there is but one dimension
        same = isinstance(other, _Clock) and self.samples == other.samples
        # mypy does not carry what isinstance found over into the next line.
        return same and self.began_ns == other.began_ns  # type: ignore[attr-defined]


class TimeIndex(CoordinateTransformIndex):
    """The times of samples, which are not kept in memory.

    ``sel(time=…)`` takes the nearest sample; a slice is half-open, both its ends being the nearest
    samples. What lies outside raises KeyError, but the ends of a slice, which are cut.
    """

    transform: _Clock

    def isel(self, indexers: Mapping[Any, Any]) -> "TimeIndex | None":
        """Keep the times of a slice; of other choices they become ordinary values."""
        wanted = indexers["time"]
        if not isinstance(wanted, slice):
            return None
        return TimeIndex(_Clock(self.transform.samples[wanted], self.transform.began_ns))

    def sel(
        self,
        labels: dict[Any, Any],
        method: str | None = None,
        tolerance: float | None = None,
    ) -> indexing.IndexSelResult:
        """Find the samples of times."""
        label = labels["time"]
        if method not in (None, "nearest") or tolerance is not None:
            raise InvalidArgumentError(
                f"method is {method!r} and tolerance {tolerance!r}; the nearest sample is taken"
            )
        if isinstance(label, slice):
            if label.step is not None:
                raise InvalidArgumentError("a slice of times has no step; use isel")
            ends = [
                None if end is None else self._position(end) for end in (label.start, label.stop)
            ]
            return indexing.IndexSelResult(
                {"time": slice(*(e if e is None else max(0, e) for e in ends))}
            )
        places = self.transform.reverse({"time": getattr(label, "values", label)})["time"]
        found = np.floor(places + 0.5).astype(np.int64)
        if np.any(found < 0) or np.any(found >= len(self.transform.samples)):
            raise KeyError(f"no sample at {label!r}")
        dims = getattr(label, "dims", ("time",) if found.ndim else ())
        return indexing.IndexSelResult(
            {"time": xr.Variable(dims, found) if found.ndim else int(found)}
        )

    def _position(self, end: object) -> int:
        text = isinstance(end, str) and self.transform.began_ns is not None
        # Text, as the line above tells; mypy sees an object.
        label = np.datetime64(end) if text else end  # type: ignore[call-overload]
        place = self.transform.reverse({"time": label})["time"]
        return int(np.ceil(place))
