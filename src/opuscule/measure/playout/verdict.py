"""What hurt most, in words: computed from the log, not guessed.

Each flaw has a weight in the same coin, the share of the call that it spoils: speech that was not
heard counts whole, and so does the time in which sound stopped and speech waited; what was played
faster or slower counts a quarter; delay a tenth for each 100 ms that the mean is above 150 ms
(ITU-T G.114). What weighs less than a hundredth is not mentioned.
"""

from collections.abc import Sequence

from opuscule.measure.playout.account import INTERRUPTION_MS, Delays, MadeUp, SpeechHeard
from opuscule.measure.playout.quality import Quality

__all__ = ["what_hurt"]

_MENTIONED = 0.01
_LONG_MS = 100
_G114_MS = 150
_MOST_SENTENCES, _MOST_PLACES = 3, 4


def what_hurt(
    heard: SpeechHeard,
    delays: Delays | None,
    made: Sequence[MadeUp],
    stretched_share: float,
    quality: Quality | None,
    played_ms: float,
) -> tuple[str, ...]:
    """Sentences, the weightiest first; one if all was well.

    Args:
        heard: what of the speech was heard.
        delays: played minus sent.
        made: what is from no data.
        stretched_share: of what was played, how much was made shorter or longer.
        quality: what judges say, if there are any.
        played_ms: how long the call was, as it was played.
    """
    if delays is None:
        return ("Nothing was heard: no packet came.",)
    stops = [m for m in made if m.duration_ms >= INTERRUPTION_MS and m.is_wait]
    stopped_ms = sum(m.duration_ms for m in stops)
    flaws = [
        (heard.unheard_share, _unheard(heard)),
        (stopped_ms / played_ms, _stops(stops, stopped_ms)),
        ((delays.mean_ms - _G114_MS) / 1000, _delay(delays)),
        (stretched_share / 4, _stretched(stretched_share)),
    ]
    flaws.sort(key=lambda flaw: -flaw[0])
    told = [text for weight, text in flaws if weight >= _MENTIONED][:_MOST_SENTENCES]
    told = told or [f"Nothing to speak of: {_whole(heard)}, {delays.mean_ms:.0f} ms late."]
    known = [piece for piece in quality.pieces if piece.pesq_wb] if quality else []
    worst = min(known, key=lambda piece: piece.pesq_wb or 5.0, default=None)
    if worst and quality and (worst.pesq_wb or 5.0) < (quality.pesq_wb or 0.0) - 0.3:
        told.append(
            f"The worst part is from {worst.begin_s:.0f} to {worst.end_s:.0f} s:"
            f" PESQ-WB {worst.pesq_wb:.1f}, where the mean is {quality.pesq_wb:.1f}."
        )
    return tuple(told)


def _whole(heard: SpeechHeard) -> str:
    share = 1 - heard.unheard_share
    return "all of the speech was heard" if share == 1 else f"{share:.1%} of the speech was heard"


def _unheard(heard: SpeechHeard) -> str:
    missing_ms, said_ms = heard.lost_ms + heard.late_ms, max(1.0, heard.speech_ms)
    causes = [f"{heard.lost_ms / said_ms:.1%} was lost on the way"] if heard.lost_ms else []
    causes += [f"{heard.late_ms / said_ms:.1%} came too late"] if heard.late_ms else []
    text = (
        f"{missing_ms / said_ms:.1%} of the speech was not heard, but made up or left out"
        f" ({', '.join(causes)})"
    )
    long = [gap for gap in heard.gaps if gap.speech_ms > _LONG_MS]
    if not long:
        return f"{text}, never more than {_LONG_MS} ms at a time."
    share = sum(gap.speech_ms for gap in long) / missing_ms
    gaps = "one gap" if len(long) == 1 else f"{len(long)} gaps"
    places = _places([(gap.time_ms, gap.speech_ms) for gap in long])
    return f"{text}; {share:.0%} of that in {gaps} of more than {_LONG_MS} ms, {places}."


def _places(found: Sequence[tuple[float, float]]) -> str:
    """Where the longest are, of pairs of time and length in ms."""
    longest = sorted(found, key=lambda one: -one[1])[:_MOST_PLACES]
    words = ", ".join(f"{time_ms / 1000:.1f}" for time_ms, _ in sorted(longest))
    return f"the longest at {words} s" if len(found) > len(longest) else f"at {words} s"


def _stops(stops: Sequence[MadeUp], stopped_ms: float) -> str:
    if not stops:
        return ""
    times = "once" if len(stops) == 1 else f"{len(stops)} times"
    places = _places([(m.at_ms, m.duration_ms) for m in stops])
    return (
        f"The sound stopped {times} for {INTERRUPTION_MS} ms or more, {stopped_ms / 1000:.1f} s in"
        f" all, {places}, while speech waited that was played afterwards."
    )


def _delay(delays: Delays) -> str:
    return (
        f"It was heard {delays.mean_ms:.0f} ms late in the mean, {delays.p95_ms:.0f} at the 95th"
        f" percentile; ITU-T G.114 advises {_G114_MS} ms at most, from mouth to ear."
    )


def _stretched(share: float) -> str:
    return f"{share:.1%} of it was played faster or slower, to follow the network's delay."
