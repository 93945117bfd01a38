"""How good it sounds, by the judges that are installed: PESQ and PLCMOS.

Both hear at 16 kHz and judge about eight seconds at a time, which are cut in pauses. PESQ-WB (ITU-T
P.862.2) compares with the call as it would have been without the network: 4.64 is no difference.
PLCMOS (Microsoft) has no reference; it was trained on what concealment does to speech.
"""

import importlib
import statistics
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from opuscule.measure.playout.account import DATA, timed
from opuscule.playout import PlayedSpan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

__all__ = ["Piece", "Quality", "judge"]

_RATE = 16_000
_PIECE_S, _SEEK_S = 8.0, 2.0
_BEFORE_S, _AFTER_S = 0.05, 0.1
_MOST_PIECES, _MOST_HEARD = 60, 12
"""Of long calls so many pieces are judged, evenly spread; PLCMOS takes ten times as long."""
_TAPS, _CUT = 193, 7_300.0
_LEAST_S = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A few seconds, judged."""

    begin_s: float
    """In what was said."""
    end_s: float
    """The same."""
    pesq_wb: float | None
    """None as for the whole, and for silence."""
    plcmos: float | None
    """None as for the whole, and where it was left out: it takes long."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What the judges say; means over the pieces."""

    pesq_wb: float | None
    """1 to 4.64; None where ``pesq`` is not installed, or there is nothing to judge, or to compare
    it with."""
    plcmos: float | None
    """1 to 5; None where ``speechmos`` is not installed, or there is nothing to judge."""
    plcmos_clean: float | None
    """The same of what was said, which is not the same for every recording; None where it is not
    known."""
    pieces: tuple[Piece, ...]
    """What was judged."""


def judge(
    pcm: bytes, channels: int, spans: Sequence[PlayedSpan], clean: bytes, *, is_whole: bool = True
) -> Quality | None:
    """Judge what was heard; None if no judge is installed that could.

    Of less than a second, and where nothing was heard, there is nothing to judge: no pieces.

    Args:
        pcm: what was heard, int16 at 48 kHz from time 0 on.
        channels: of both; their mean is judged.
        spans: the playout log, which says when each moment was played.
        clean: what was said, from media time 0 on.
        is_whole: whether all that was sent is in ``clean``, so that PESQ may compare with it.
    """
    pesq, plcmos = _pesq() if is_whole else None, _plcmos()
    if pesq is None and plcmos is None:
        return None
    said, heard = _at_16_khz(clean, channels), _at_16_khz(pcm, channels)
    cuts = _cuts(said)
    moments = sorted(
        (span.time_samples, at)
        for at, span in timed(spans)
        if span.time_samples is not None and span.origin in DATA
    )
    if len(cuts) < 2 or not moments:
        return Quality(None, None, None, ())
    ranges = list(pairwise(cuts))
    chosen = ranges[:: -(-len(ranges) // _MOST_PIECES)]
    spread = -(-len(chosen) // _MOST_HEARD)
    pieces, clean_scores = [], list[float | None]()
    for n, (begin_s, end_s) in enumerate(chosen):
        part = _cut(said, begin_s - _BEFORE_S, end_s + _AFTER_S)
        late_s, late_end_s = _late(moments, begin_s), _late(moments, end_s)
        got = _cut(heard, begin_s - _BEFORE_S + late_s, end_s + _AFTER_S + late_end_s)
        score = pesq(part, got) if pesq else None
        mos = plcmos(got) if plcmos and n % spread == 0 else None
        clean_scores.append(plcmos(part) if plcmos and is_whole and n % spread == 0 else None)
        pieces.append(Piece(begin_s, end_s, score, mos))
    return Quality(
        _mean([piece.pesq_wb for piece in pieces]),
        _mean([piece.plcmos for piece in pieces]),
        _mean(clean_scores),
        tuple(pieces),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _late(moments: Sequence[tuple[int, int]], time_s: float) -> float:
    """How much later than it was said something was played, in seconds."""
    media, at = moments[max(0, bisect_right(moments, (round(time_s * 48_000), 1 << 62)) - 1)]
    return (at - media) / 48_000


def _at_16_khz(pcm: bytes, channels: int) -> "Samples":
    import numpy as np

    x = np.frombuffer(pcm, np.int16).reshape(-1, channels).mean(axis=1) / 32768
    n = np.arange(_TAPS) - _TAPS // 2
    low_pass = np.sinc(2 * _CUT / 48_000 * n) * np.kaiser(_TAPS, 8.0)
    return np.convolve(x, low_pass / low_pass.sum(), "same")[::3]


def _cuts(said: "Samples") -> list[float]:
    """Where pieces begin and end, in seconds: the quietest places about every eight seconds."""
    import numpy as np

    end_s = len(said) / _RATE
    if end_s <= _LEAST_S:
        return [0.0]
    block = _RATE // 20
    blocks = said[: len(said) // block * block].reshape(-1, block)
    # Over a fifth of a second: a pause, and not the closure of a plosive.
    power = np.convolve(np.mean(blocks**2, axis=1), np.ones(4), "same")
    cuts = [0.0]
    while cuts[-1] + _PIECE_S + _SEEK_S < end_s:
        first = round((cuts[-1] + _PIECE_S - _SEEK_S) * 20)
        quietest = first + int(np.argmin(power[first : first + round(2 * _SEEK_S * 20)]))
        cuts.append((quietest + 0.5) / 20)
    if end_s - cuts[-1] > _LEAST_S:
        cuts.append(end_s)
    return cuts


def _cut(x: "Samples", begin_s: float, end_s: float) -> "Samples":
    import numpy as np

    a, b = round(begin_s * _RATE), round(end_s * _RATE)
    b = max(a + 1, b)
    padded: Samples = np.pad(x, (max(0, -a), max(0, b - len(x))))[max(0, a) :][: b - a]
    return padded


def _pesq() -> "Callable[[Samples, Samples], float | None] | None":
    try:
        module: Any = importlib.import_module("pesq")
    except ImportError:
        return None

    def score(said: "Samples", got: "Samples") -> float | None:
        if not abs(said).max() > 1e-3:
            return None  # silence has no quality
        try:
            return float(module.pesq(_RATE, said, got, "wb"))
        except module.NoUtterancesError:
            return None if abs(got).max() > 1e-3 else 1.0  # nothing was heard of what was said

    return score


def _plcmos() -> "Callable[[Samples], float | None] | None":
    try:
        module: Any = importlib.import_module("speechmos.plcmos")
    except ImportError:
        return None
    import numpy as np

    model = module.PLCMOS(embed_rounds=8)

    def score(got: "Samples") -> float | None:
        # Its imagined listeners are drawn at random: always draw the same ones.
        np.random.seed(0)
        return float(model.get_mos(np.clip(got, -1, 1)))

    return score
