"""Where to begin to decode, so that every sample of a stretch is exact.

Theory of operation. Sync points prove from where on a decoder that began at one is exact; without
any, all is decoded from the beginning. Damage that is to be concealed makes proofs void: one that
runs over a damaged packet proves nothing, and what is made up depends on all that was before.
Where sound packets alone suffice for a sample, it is that of the undamaged recording, wherever else
there is damage. From a damaged packet on, until a point behind it is exact, samples are those of
the decode from the beginning, with all damage on the way concealed.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

from opuscule.archive.reading.contents import Contents
from opuscule.archive.reading.damage import OnDamage
from opuscule.archive.storage.points import COLUMNS, Part, SyncPoints, read_points

__all__ = ["MAX_COMPLEXITY", "Plan"]

MAX_COMPLEXITY = 5
"""From 6 on libopus enhances speech, and what it then gives depends on all that came before."""

_FAR_SAMPLES = 30 * 48_000
"""So much is decoded in vain before the user is told what would help."""

_log = logging.getLogger(__name__)


class Plan:
    """Plans the decoding of a recording.

    Args:
        where: what to call the recording in the log.
        contents: its packets.
        has_points: whether it was prepared.
    """

    def __init__(self, where: str, contents: Contents, has_points: bool) -> None:
        self._where, self._contents, self._has_points = where, contents, has_points
        self._points: tuple[SyncPoints | None] | None = None
        self._told = False

    @property
    def points(self) -> SyncPoints | None:
        """The sync points; None if there are none of this very decoder.

        Raises:
            CorruptArchiveError: they do not fit the recording.
        """
        if self._points is None:
            found = None
            if self._has_points:
                source = self._contents.array("points", None, COLUMNS)
                found = read_points(source, self._contents.index, MAX_COMPLEXITY)
            self._points = (found,)
        return self._points[0]

    def parts(
        self, start: int, stop: int, dtype: str, complexity: int, on_damage: OnDamage
    ) -> Iterator[Part]:
        """Plan media time ``[start, stop)``: parts that adjoin, each exact.

        Raises:
            CorruptArchiveError: the sync points do not fit the recording.
        """
        points = self.points if complexity == MAX_COMPLEXITY else None
        float_output = dtype == "float32"
        if points is None:
            self._tell(start)
            return iter([Part(0, start, stop)])
        if on_damage == "raise":
            return points.parts(start, stop, float_output=float_output)
        return _around(
            points, start, stop, float_output=float_output, damaged=self._contents.damaged
        )

    def _tell(self, start: int) -> None:
        if start > _FAR_SAMPLES and not self._told:
            self._told = True
            _log.warning(
                "%s is decoded from its beginning to be exact at %d s: opuscule archive prepare "
                "makes that near, and a pre-roll of 80 ms is near and not exact",
                self._where,
                start // 48_000,
            )


def _around(
    points: SyncPoints,
    start_samples: int,
    stop_samples: int,
    *,
    float_output: bool,
    damaged: Callable[[int, int], Iterable[tuple[int, int]]],
) -> Iterator[Part]:
    """Plan a stretch of media time as :meth:`SyncPoints.parts` does, with damage in it.

    Args:
        points: of the recording, found when it was sound.
        start_samples: media time of the first sample.
        stop_samples: one past the last.
        float_output: whether float32 comes out.
        damaged: finds damaged packets in a stretch of media time, in order: where each begins and
            ends.
    """
    time = start_samples
    while time < stop_samples:
        part = next(points.parts(time, stop_samples, float_output=float_output))
        begin, behind, ahead = part.begin_samples, None, None
        for start, stop in damaged(begin, part.stop_samples):
            if start > time and begin:
                ahead = start
                break
            behind = stop
            if start > time:
                break  # from the beginning it is decoded through
        if behind is None:
            part = Part(begin, time, ahead or part.stop_samples)
        else:
            again = _exact_again(points, behind, time, float_output, damaged)
            part = Part(0, time, stop_samples if again is None else min(again, stop_samples))
        yield part
        time = part.stop_samples


def _exact_again(
    points: SyncPoints,
    behind: int,
    time: int,
    float_output: bool,
    damaged: Callable[[int, int], Iterable[tuple[int, int]]],
) -> int | None:
    """Find when a point behind the damage is exact, without damage on the way to there."""
    while True:
        again = points.exact_again(behind, time, float_output=float_output)
        if again is None:
            return None
        more = max((stop for _, stop in damaged(behind, again)), default=None)
        if more is None:
            return again
        behind = more
