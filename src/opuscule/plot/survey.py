"""What a picture of a recording needs: levels, spectra and gaps, column by column.

Theory of operation. A picture has some thousand columns, whatever the length of the recording. Five
minutes, or half as much again as one window of 8,192 samples a column, are decoded whole; of what
is longer one such window in each column. So time and memory depend on the width of the picture and
not on the length of the recording, and a sound shorter than a column can be missed: how much was
looked at is told. Decoding is the fast way, which sounds the same. Damage
is concealed and shown as lost.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from opuscule.archive import Original, Recording
from opuscule.errors import InvalidArgumentError, MissingExtraError
from opuscule.packets import GapKind
from opuscule.units import MEDIA_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.float64]

__all__ = ["MAX_COLUMNS", "Survey", "import_numpy", "survey"]

MAX_COLUMNS = 8000
_WINDOW_SAMPLES = 8192
"""A sixth of a second at 48 kHz: as long again as what has to be decoded before it."""
_ALWAYS_WHOLE_S = 300
_PIECE_SAMPLES = 1 << 19
_FRAME_SAMPLES = 1024
"""Of a spectrum at 48 kHz: 47 Hz and 21 ms."""
_BATCH_FRAMES = 256
_GOLDEN = 0.618034
"""Its multiples fall most evenly between two integers."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A range of a recording in columns."""

    name: str
    """Of the recording."""
    rate: int
    """Of the samples, in Hz."""
    start_sample: int
    """First sample, at ``rate``."""
    stop_sample: int
    """One past the last."""
    minimum: "Values"
    """The lowest sample of each column, of all channels, with full scale at ±1."""
    maximum: "Values"
    """The highest."""
    rms: "Values"
    """The root of the mean square."""
    power: "Values"
    """Mean power, ``(columns, bins)`` from 0 Hz to half the rate; 1 for a full-scale sine."""
    lost: "Values"
    """Which part of each column, 0 to 1, was lost or is damaged."""
    unsent: "Values"
    """Which part was never sent."""
    looked_at_samples: int
    """How many samples levels and spectra come from."""

    @property
    def columns(self) -> int:
        """How many there are."""
        return len(self.rms)

    @property
    def duration_s(self) -> float:
        """Length of the range in seconds."""
        return (self.stop_sample - self.start_sample) / self.rate


def survey(
    source: Recording | Original,
    columns: int,
    *,
    start_sample: int = 0,
    stop_sample: int | None = None,
    whole: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Look at a range of a recording, or of its lossless original, at that one's rate.

    Args:
        source: what to look at.
        columns: 1 to 8,000; fewer come out if there are fewer samples.
        start_sample: first sample.
        stop_sample: one past the last; None is the end.
        whole: decode all of it, however long.
        progress: is told how far it is, in samples, and of how many.

    Raises:
        InvalidArgumentError: the range is empty or not within the audio, or ``columns`` is out of
            its range.
        CorruptArchiveError: the archive contradicts itself.
        MissingExtraError: NumPy is not installed, or what decodes an original.
    """
    np = import_numpy()
    total = source.info.total_samples if isinstance(source, Recording) else source.total_samples
    stop = total if stop_sample is None else stop_sample
    if not 0 <= start_sample < stop <= total or not 1 <= columns <= MAX_COLUMNS:
        raise InvalidArgumentError(
            f"{columns} columns of samples {start_sample} to {stop} of {source.name!r} are wanted; "
            f"expected 1 to {MAX_COLUMNS} of a range that is not empty within 0 to {total}"
        )
    rate = MEDIA_RATE if isinstance(source, Recording) else source.rate
    span, columns = stop - start_sample, min(columns, stop - start_sample)
    edges = start_sample + np.arange(columns + 1, dtype=np.int64) * span // columns
    sums = _Sums(np, edges, rate)
    if whole or span <= max(_ALWAYS_WHOLE_S * rate, columns * _WINDOW_SAMPLES * 3 // 2):
        pieces = (
            (a, min(a + _PIECE_SAMPLES, stop)) for a in range(start_sample, stop, _PIECE_SAMPLES)
        )
    else:
        # Not at the same place in each: what repeats would beat with the columns.
        room = (edges[1:] - edges[:-1] - _WINDOW_SAMPLES) * (np.arange(columns) * _GOLDEN % 1)
        firsts = (edges[:-1] + room.astype(np.int64)).tolist()
        pieces = ((a, a + _WINDOW_SAMPLES) for a in firsts)
    looked_at = 0
    for first, last in pieces:
        low, high = max(0, first - sums.half), min(total, last + sums.half)
        sums.add(_read(np, source, low, high), low, first, last)
        looked_at += last - first
        if progress:
            progress(last - start_sample, span)
    lost, unsent = _missing(np, source, edges)
    return Survey(
        source.name,
        rate,
        start_sample,
        stop,
        *sums.levels(),
        sums.spectra(),
        lost,
        unsent,
        looked_at,
    )


class _Sums:
    """What is known of each column so far."""

    def __init__(self, np: Any, edges: Any, rate: int) -> None:
        self._np, self._edges = np, edges
        columns = len(edges) - 1
        self._frame = _FRAME_SAMPLES
        while self._frame * MEDIA_RATE < _FRAME_SAMPLES * rate:
            self._frame *= 2
        self.half = self._frame // 2
        self._narrow = (edges[-1] - edges[0]) < columns * self.half
        self._low, self._high = np.full(columns, np.inf), np.full(columns, -np.inf)
        self._squares, self._counts = np.zeros(columns), np.zeros(columns)
        self._power, self._frames = np.zeros((columns, self.half + 1)), np.zeros(columns)
        self._shape = np.hanning(self._frame + 1)[:-1]

    def add(self, pcm: Any, begin: int, first: int, last: int) -> None:
        """Take samples from ``begin`` on, of which ``[first, last)`` count; others are context."""
        np, edges = self._np, self._edges
        one = int(np.searchsorted(edges, first, "right")) - 1
        end = int(np.searchsorted(edges, last, "left"))
        inner, cuts = pcm[first - begin : last - begin], np.clip(edges[one : end + 1], first, last)
        starts, here = cuts[:-1] - first, slice(one, end)
        lows, highs = inner.min(axis=1), inner.max(axis=1)
        self._low[here] = np.minimum(self._low[here], np.minimum.reduceat(lows, starts))
        self._high[here] = np.maximum(self._high[here], np.maximum.reduceat(highs, starts))
        squares = np.square(inner, dtype=np.float64).mean(axis=1)
        self._squares[here] += np.add.reduceat(squares, starts)
        self._counts[here] += np.diff(cuts)
        if self._narrow:
            middles = (edges[one:end] + edges[one + 1 : end + 1]) // 2
            middles = middles[(middles >= first) & (middles < last)]
        else:
            middles = np.arange(-(-first // self.half), -(-last // self.half)) * self.half
        before, after = self.half - (first - begin), self.half - (begin + len(pcm) - last)
        padded = np.pad(pcm, ((before, after), (0, 0)))
        for at in range(0, len(middles), _BATCH_FRAMES):
            self._spectra(padded, middles[at : at + _BATCH_FRAMES], first)

    def _spectra(self, padded: Any, middles: Any, first: int) -> None:
        np = self._np
        places = np.searchsorted(self._edges, middles, "right") - 1
        for channel in padded.T:
            frames = np.lib.stride_tricks.sliding_window_view(channel, self._frame)[middles - first]
            power = np.square(np.abs(np.fft.rfft(frames * self._shape, axis=1)))
            np.add.at(self._power, places, power / padded.shape[1])
        np.add.at(self._frames, places, 1)

    def levels(self) -> tuple[Any, Any, Any]:
        """Return lowest, highest and RMS."""
        return self._low, self._high, self._np.sqrt(self._squares / self._counts)

    def spectra(self) -> Any:
        """Return mean power."""
        np = self._np
        # What a full-scale sine gives in its bin.
        scale = np.square(self._shape.sum() / 2) * np.maximum(self._frames, 1)
        return self._power / scale[:, None]


def _read(np: Any, source: Recording | Original, start: int, stop: int) -> Any:
    if isinstance(source, Recording):
        return np.asarray(source.read(start, stop, mode="fast", on_damage="conceal"))
    return np.asarray(source.extract(start, stop, dtype="float32"))


def _missing(np: Any, source: Recording | Original, edges: Any) -> tuple[Any, Any]:
    """Tell which part of each column was lost or is damaged, and which was never sent."""
    lost, unsent = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    if isinstance(source, Recording):
        for start, stop, kind in _gaps(source):
            covered = np.clip(np.minimum(edges[1:], stop) - np.maximum(edges[:-1], start), 0, None)
            (lost if kind is GapKind.LOST else unsent)[:] += covered / np.diff(edges)
    return np.minimum(lost, 1), np.minimum(unsent, 1)


def _gaps(recording: Recording) -> Iterator[tuple[int, int, GapKind]]:
    skip = recording.info.pre_skip_samples
    for gap in recording.gaps:
        yield gap.start_samples - skip, gap.end_samples - skip, gap.kind
    for damage in recording.damage:
        yield damage.start_sample, damage.stop_sample, GapKind.LOST


def import_numpy() -> ModuleType:
    """Import NumPy.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("a picture of a recording", "archive") from error
    return np
