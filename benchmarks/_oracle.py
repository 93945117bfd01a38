"""What is possible after a spike for one who knows the trace and has an ideal stretcher.

Of the plain decode each block of 10 ms is given the moment at which it is played. Before a spike
the delay is ``base_ms``; what is played when the buffer is empty is concealed; of what was held a
part may be skipped, and the rest is played faster until the delay is back, pauses above all.

The stretcher is WSOLA (Verhelst and Roelands, ICASSP 1993) with windows of 20 ms, on the whole
signal, so that it always finds its best match.
"""

import concurrent.futures
import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from _network import load_trace
from _playlog import events, voiced
from _scores import Scores, scored
from _speech import load_module, material
from opuscule.codec import Decoder

__all__ = ["Plan", "Tried", "decode_plain", "plans", "possible", "print_oracle", "try_plan"]

RATE, BLOCK_MS = 48_000, 10
BLOCK_SAMPLES = RATE * BLOCK_MS // 1000
WINDOW_SAMPLES, SEARCH_SAMPLES = 2 * BLOCK_SAMPLES, 480
QUIET = 0.03
"""Blocks below this part of the whole's RMS (-30 dB) are pauses."""

MOST_DELAY_MS, LEAST_HEARD = 120, 0.97
MOST_HEARD = 0.65
"""What loses more of its time, nearly three times as fast, does not count as heard."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to bear spikes."""

    base_ms: float
    """The delay outside of spikes."""
    back_ms: float
    """How long coming back takes; all is played faster for so long."""
    skip_ms: float = 0
    """How much is not played at all, of what was held first."""
    most: float = 0.6
    """How much of 10 ms may be taken away at most: 0.6 is 2.5 times as fast."""
    in_pauses: float = 3
    """How much more is taken of a pause than of speech."""
    raised_ms: float = 0
    """How much more delay is taken in the last pause before a spike: foresight."""


def decode_plain(stream: str) -> Floats:
    """All packets of a stream of 20 ms, decoded in a row, at full scale ±1."""
    decoder = Decoder(RATE, 1, complexity=5)
    pcm = b"".join(bytes(decoder.decode(packet)) for packet in material(stream).packets)
    return np.frombuffer(pcm, np.int16) / 32768


def _delays(plan: Plan, condition: str, loud: Bools) -> Floats:
    """The delay of each block of the stream, in ms: when it is played after it was sent.

    Blocks that are skipped are played in no time.
    """
    weights = np.where(loud, 1.0, plan.in_pauses)
    delays = np.full(len(loud) + 1, float(plan.base_ms))
    for event in events(load_trace(condition)):
        held = max(event.end_ms - event.begin_ms, plan.base_ms + plan.raised_ms)
        first = round(event.begin_ms / BLOCK_MS)
        skipped = round(min(plan.skip_ms, held - plan.base_ms) / BLOCK_MS)
        begin = first + skipped
        gone = max(0.0, held - plan.base_ms - skipped * BLOCK_MS)
        # What is played while it comes back is more than lasts so long, by what is gained.
        last = min(len(loud), begin + max(1, round((plan.back_ms + gone) / BLOCK_MS)))
        if plan.raised_ms:
            delays[_pause_before(loud, first) : first] += plan.raised_ms
        taken = np.cumsum(np.r_[0.0, _limited(weights[begin:last], gone, plan.most * BLOCK_MS)])
        delays[first:begin] = held - BLOCK_MS * np.arange(skipped)
        delays[begin : last + 1] = held - skipped * BLOCK_MS - taken
    return delays


def _pause_before(loud: Bools, block: int) -> int:
    """The middle of the last pause of 100 ms or more before a block."""
    quiet = 0
    for k in range(block - 1, -1, -1):
        if loud[k] and quiet >= 10:
            return k + 1 + quiet // 2
        quiet = 0 if loud[k] else quiet + 1
    return 0


def _limited(weights: Floats, total_ms: float, most: float) -> Floats:
    """Share out a total by weights, at most so much for each."""
    given = np.zeros(len(weights))
    for _ in range(50):
        free = given < most
        left = total_ms - given.sum()
        if left < 1e-6 or not free.any():
            break
        given[free] += left * weights[free] / weights[free].sum()
        given = np.minimum(given, most)
    return given


def _stretch(x: Floats, delays: Floats) -> Floats:
    """Play each block of x at its time, by overlapping and adding what fits best."""
    sent = np.arange(len(delays)) * BLOCK_SAMPLES
    played = sent + delays * RATE / 1000
    out = np.zeros(int(played[-1]) + 3 * WINDOW_SAMPLES)
    padded = np.pad(x, WINDOW_SAMPLES + SEARCH_SAMPLES)
    lasts = np.diff(played)
    # Where the delay jumps there is a pause, or blocks are skipped: what lies between two such
    # places is stretched by itself.
    whole = (lasts > 0) & (lasts < 4 * BLOCK_SAMPLES)
    edges = np.flatnonzero(np.diff(np.r_[False, whole, False]))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        # The block before a pause is played at its own pace.
        until = played[last] if last == len(sent) - 1 else played[last] + BLOCK_SAMPLES
        times = np.r_[played[first : last + 1], until + BLOCK_SAMPLES]
        places = np.r_[sent[first : last + 1], sent[last] + 2 * BLOCK_SAMPLES]
        piece = _wsola(padded, places, times, until)
        at = round(played[first])
        out[at : at + len(piece)] += piece[: len(out) - at]
    return out


def _wsola(padded: Floats, sent: NDArray[np.int64], played: Floats, until: float) -> Floats:
    """From played[0] to ``until``: windows of 20 ms, every 10 ms, from where they fit best."""
    hops = int(np.ceil((until - played[0]) / BLOCK_SAMPLES))
    window = np.hanning(WINDOW_SAMPLES + 1)[:-1]
    out = np.zeros((hops + 3) * BLOCK_SAMPLES)
    shift = WINDOW_SAMPLES + SEARCH_SAMPLES
    # One window before the beginning, whose second half the first one overlaps.
    at = int(sent[0]) - BLOCK_SAMPLES
    for hop in range(hops + 2):
        if hop:
            wanted = float(np.interp(played[0] + (hop - 1) * BLOCK_SAMPLES, played, sent))
            following = at + BLOCK_SAMPLES
            at = following if abs(following - wanted) < 48 else _best(padded, following, wanted)
        part = padded[at + shift : at + shift + WINDOW_SAMPLES] * window
        where = hop * BLOCK_SAMPLES
        out[where : where + len(part)] += part
    length = round(until - played[0])
    out = out[BLOCK_SAMPLES : BLOCK_SAMPLES + length]
    fade = min(240, length)
    out[length - fade :] *= np.linspace(1, 0, fade)
    return out


def _best(padded: Floats, following: int, wanted: float) -> int:
    """Where near ``wanted`` the signal is most like what would have followed."""
    shift = WINDOW_SAMPLES + SEARCH_SAMPLES
    middle = int(np.clip(round(wanted), 0, len(padded) - 2 * shift - WINDOW_SAMPLES))
    following = int(np.clip(following, 0, len(padded) - shift - WINDOW_SAMPLES))
    template = padded[following + shift : following + shift + WINDOW_SAMPLES]
    low = middle + shift - SEARCH_SAMPLES
    region = padded[low : low + WINDOW_SAMPLES + 2 * SEARCH_SAMPLES]
    top = np.correlate(region, template, "valid")
    sums = np.r_[0.0, np.cumsum(region**2)]
    power = sums[WINDOW_SAMPLES:] - sums[:-WINDOW_SAMPLES]
    # Of equally good places, the one nearest to what is wanted.
    apart = np.abs(np.arange(len(top)) - SEARCH_SAMPLES) / SEARCH_SAMPLES
    likeness = top / np.sqrt(np.maximum(power * np.sum(template**2), 1e-9))
    return low - shift + int(np.argmax(likeness - 0.02 * apart))


def _fill(y: Floats, delays: Floats, stream: str) -> None:
    """Conceal the pauses before what was held, as a decoder without a future does."""
    jumps = np.flatnonzero(np.diff(delays) > 3 * BLOCK_MS)
    packets = material(stream).packets
    for block in jumps + 1:
        begin = round((block * BLOCK_MS + delays[block - 1]) * RATE / 1000)
        end = round((block * BLOCK_MS + delays[block]) * RATE / 1000)
        decoder = Decoder(RATE, 1, complexity=5)
        for packet in packets[: block * BLOCK_MS // 20]:
            decoder.decode(packet)
        samples = (end - begin) // BLOCK_SAMPLES * BLOCK_SAMPLES
        pcm = np.frombuffer(bytes(decoder.conceal(samples, following=[]).pcm), np.int16) / 32768
        y[begin : begin + samples] = pcm
        fade = np.linspace(1, 0, BLOCK_SAMPLES)
        y[begin + samples - BLOCK_SAMPLES : begin + samples] *= fade


def plans() -> Iterator[Plan]:
    """What is tried for each spike."""
    for base_ms, skip_ms, back_ms in itertools.product((60, 100), (0, 150, 300), (150, 600)):
        yield Plan(base_ms, back_ms, skip_ms, 0.9)
    for skip_ms, back_ms in itertools.product((150, 250), (60, 150)):
        yield Plan(115, back_ms, skip_ms, 0.9)
    # In pauses almost alone: between them the delay stays.
    for base_ms, skip_ms in itertools.product((20, 60), (0, 200)):
        yield Plan(base_ms, 1900, skip_ms, 0.95, in_pauses=100)
    # With foresight.
    for raised_ms, back_ms, in_pauses in itertools.product((150, 300, 480), (150, 1900), (3, 100)):
        if (back_ms, in_pauses) != (1900, 3):
            yield Plan(20, back_ms, 0, 0.95, in_pauses, raised_ms)
            yield Plan(20, back_ms, 150, 0.95, in_pauses, raised_ms)


@dataclass(frozen=True, slots=True)
class Tried:
    """A plan and what came of it, as a whole and in each scored segment."""

    plan: Plan
    scores: Scores
    heard: float
    segment_delays_ms: tuple[float, ...]
    segments_heard: tuple[float, ...]


def try_plan(condition: str, stream: str, plan: Plan) -> Tried:
    """Play the decoded stream as the plan says, and score it without PLCMOS."""
    x, reference = decode_plain(stream), material(stream).reference
    blocks = x[: len(x) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    loud = np.sqrt(np.mean(blocks**2, axis=1)) > QUIET * np.sqrt(np.mean(x**2))
    delays = _delays(plan, condition, loud)
    y = _stretch(x, delays)
    _fill(y, delays, stream)
    pcm = np.clip(np.round(y * 32768), -32768, 32767).astype(np.int16)
    scores = scored(pcm, reference, quick=True)
    speech = voiced(reference)[: len(blocks) * BLOCK_SAMPLES : BLOCK_SAMPLES]
    played = np.diff(delays)[: len(speech)] > -MOST_HEARD * BLOCK_MS
    track = np.array(scores.track)
    late, share = list[float](), list[float]()
    for begin_s, end_s in _segments():
        late.append(float(track[(track[:, 0] >= begin_s) & (track[:, 0] < end_s), 1].mean()) * 1000)
        part = slice(round(begin_s * 1000 / BLOCK_MS), round(end_s * 1000 / BLOCK_MS))
        share.append(float(played[part][speech[part]].mean()))
    return Tried(plan, scores, float(played[speech].mean()), tuple(late), tuple(share))


def _segments() -> list[tuple[float, float]]:
    rows = load_module("score").read_segments()
    numbers = sorted({row[0] for row in rows})
    return [
        (min(r[2] for r in rows if r[0] == k), max(r[3] for r in rows if r[0] == k))
        for k in numbers
    ]


def possible(found: Sequence[Tried], most_ms: float, least_heard: float) -> list[Tried]:
    """For each segment a plan, so that PESQ is best at a mean delay and with so much heard.

    No segment has two spikes: one who knows the trace plans for each by itself. What delay and
    what is not heard cost is a price each (Lagrange), tried from nothing upwards.
    """
    segments = range(len(_segments()))
    best: list[Tried] = []
    for price_ms, price_heard in itertools.product(np.r_[0, np.logspace(-5, -1, 25)], repeat=2):

        def worth(tried: Tried, k: int, prices: tuple[float, float]) -> float:
            delay, unheard = tried.segment_delays_ms[k], 1000 * (1 - tried.segments_heard[k])
            return tried.scores.pesq_segments[k] - prices[0] * delay - prices[1] * unheard

        prices = (float(price_ms), float(price_heard))
        chosen = [max(found, key=lambda t: worth(t, k, prices)) for k in segments]
        delay = np.mean([tried.segment_delays_ms[k] for k, tried in enumerate(chosen)])
        heard = np.mean([tried.segments_heard[k] for k, tried in enumerate(chosen)])
        if delay <= most_ms and heard >= least_heard and _pesq(chosen) > _pesq(best):
            best = chosen
    return best


def _pesq(chosen: Sequence[Tried]) -> float:
    values = [tried.scores.pesq_segments[k] for k, tried in enumerate(chosen)]
    return statistics.mean(values) if values else 0.0


def _try_spikes(plan: Plan) -> Tried:
    return try_plan("spike500", "plain", plan)


def print_oracle(jobs: int) -> None:
    """Print each plan, and what is possible at a mean delay of 120 ms."""
    found: list[Tried] = []
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for tried in pool.map(_try_spikes, plans()):
            found.append(tried)
            print(
                f"{tried.plan}: PESQ-WB {tried.scores.pesq:.3f} STOI {tried.scores.stoi:.3f}"
                f" delay {statistics.mean(tried.segment_delays_ms):.0f} ms heard {tried.heard:.1%}",
                flush=True,
            )
    causal = [tried for tried in found if not tried.plan.raised_ms]
    for name, of in (("without foresight", causal), ("with foresight", found)):
        for least_heard in (LEAST_HEARD, 0.95):
            best = possible(of, MOST_DELAY_MS, least_heard)
            if not best:
                continue
            delay_ms = statistics.mean(t.segment_delays_ms[k] for k, t in enumerate(best))
            print(
                f"possible {name}, {least_heard:.0%} heard: PESQ-WB {_pesq(best):.3f}"
                f" (0.95 of it: {0.95 * _pesq(best):.3f}) at {delay_ms:.0f} ms; by segment:"
            )
            for k, tried in enumerate(best):
                pesq, late_ms = tried.scores.pesq_segments[k], tried.segment_delays_ms[k]
                print(f"  {pesq:.3f} at {late_ms:.0f} ms: {tried.plan}")
