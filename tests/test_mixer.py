"""Several streams on one output: in step, to the sample, and added up."""

import functools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from opuscule.codec import Encoder, EncoderSettings
from opuscule.errors import InvalidArgumentError
from opuscule.mixer import MixedStream, Mixer
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, Playout

RATE, PACKET, PULL = 48_000, 960, 480
FORMAT = StreamFormat(1, 0, RATE)
EVERY = 4_800 * 3
SETTINGS = EncoderSettings(
    application="lowdelay", bitrate=128_000, fec=False, loss_percent=0, dtx=False
)


@functools.cache
def impulses(seconds: int = 24) -> tuple[bytes, ...]:
    """A short burst every 0.3 s, the same in all streams."""
    x = np.zeros(seconds * RATE)
    n = np.arange(-48, 48)
    burst = 0.5 * np.exp(-(n**2) / 512) * np.cos(2 * np.pi * n / 60)  # one sharp top
    for at in range(EVERY, len(x) - 96, EVERY):
        x[at : at + 96] += burst
    encoder = Encoder(RATE, 1, preset=SETTINGS)
    pcm = (x * 32767).astype(np.int16).reshape(-1, PACKET)
    return tuple(encoder.encode(part.tobytes()) for part in pcm)


@dataclass
class Source:
    """A stream as its network delivers it."""

    jitter_s: float = 0.0
    late_s: float = 0.0
    first: int = 0
    sender: float = 1.0
    lost: frozenset[int] = frozenset()

    def arrivals(self, seed: int) -> list[tuple[float, Packet]]:
        draw, at = random.Random(seed), 0.0
        found = []
        for k, data in enumerate(impulses()):
            late = self.late_s + draw.random() * self.jitter_s
            at = max(at, k * PACKET / RATE / self.sender + late)
            if k >= self.first and k not in self.lost:
                found.append((at, Packet(k, k * PACKET, PACKET, data)))
        return found


def pulls(
    mixer: Mixer,
    playouts: Sequence[Playout],
    waiting: Sequence[list[tuple[float, Packet]]],
    count: int,
) -> Iterator[bytes]:
    """So many pulls of a mixer, each after all that has come until then."""
    for pull in range(count):
        now = 0.005 + pull / 100
        for playout, coming in zip(playouts, waiting, strict=True):
            while coming and coming[0][0] <= now:
                at, packet = coming.pop(0)
                playout.push(packet, at)
        yield mixer.pull(PULL, now)


def run(
    sources: list[Source],
    mode: Mode = "fixed",
    seconds: float = 6.0,
    target_delay_ms: int = 100,
    heard: int | None = None,
) -> tuple[list[MixedStream], NDArray[np.int16], list[list[int | None]]]:
    """All mixed with one clock; what was heard, and after each pull the offsets from the first.

    ``heard`` is the only one that is not muted.
    """
    mixer = Mixer()
    streams = [
        mixer.add(
            Playout(FORMAT, mode=mode, target_delay_ms=target_delay_ms, complexity=0),
            clock="robot",
            gain=1.0 if heard in (None, n) else 0.0,
        )
        for n in range(len(sources))
    ]
    waiting = [source.arrivals(seed) for seed, source in enumerate(sources)]
    pcm, offsets = bytearray(), []
    for piece in pulls(
        mixer, [stream.playout for stream in streams], waiting, round(seconds * 100)
    ):
        pcm += piece
        offsets.append([stream.offset_samples(streams[0]) for stream in streams[1:]])
    return streams, np.frombuffer(bytes(pcm), np.int16), offsets


def peaks(pcm: NDArray[np.int16]) -> list[int]:
    """Where the bursts are: the loudest sample of each."""
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 2_000)
    starts = [int(loud[0]), *(int(b) for a, b in pairwise(loud.tolist()) if b - a > EVERY // 2)]
    return [at + int(np.argmax(np.abs(pcm[at : at + 400].astype(int)))) for at in starts]


@pytest.mark.parametrize(
    "other",
    [
        Source(jitter_s=0.06),
        Source(late_s=0.05),
        Source(first=100),
        Source(jitter_s=0.08, lost=frozenset({40, 90, 91, 92, 150})),
    ],
    ids=["jitter", "late", "joins later", "losses"],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_streams_of_one_clock_are_in_step_to_the_sample(other: Source, swapped: bool) -> None:
    sources = [other, Source()] if swapped else [Source(), other]
    _, pcm, offsets = run(sources)
    known = [offset for (offset,) in offsets if offset is not None]
    assert len(known) > 250
    assert set(known) == {0}
    # Bursts of both fall on each other: each is one, and at equal distances.
    tops = peaks(pcm)
    assert len(tops) > 15
    assert {b - a for a, b in pairwise(tops)} == {EVERY}


def test_streams_whose_clock_drifts_stay_in_step() -> None:
    sources = [Source(sender=1 + 300e-6), Source(jitter_s=0.01, sender=1 + 300e-6, first=700)]
    streams, _, offsets = run(sources, seconds=23)
    assert streams[0].playout.stats.drift_ppm > 200
    known = [offset for (offset,) in offsets if offset is not None]
    assert len(known) > 600
    assert set(known) == {0}


CALM_AND_JITTER = (Source(), Source(jitter_s=0.04))


@pytest.mark.parametrize(
    "sources",
    [
        CALM_AND_JITTER,
        CALM_AND_JITTER[::-1],
        (Source(jitter_s=0.08), Source(late_s=0.05)),
        (Source(), Source(jitter_s=0.06, first=200), Source(late_s=0.03, jitter_s=0.02)),
        (Source(sender=1 + 200e-6), Source(jitter_s=0.06, sender=1 + 200e-6)),
        (Source(), Source(jitter_s=0.03, lost=frozenset(range(300, 312)))),
    ],
    ids=["jitter", "jitter first", "late", "three", "drift", "losses"],
)
def test_adaptive_streams_of_one_clock_come_into_step(sources: tuple[Source, ...]) -> None:
    streams, _, offsets = run(list(sources), "adaptive", seconds=20, target_delay_ms=20)
    settled_ms = [
        abs(offset) / 48 for row in offsets[-500:] for offset in row if offset is not None
    ]
    assert len(settled_ms) == 500 * (len(sources) - 1)
    assert max(settled_ms) < 2
    # They wait for the one whose network is worst: by media time all aim at the same.
    lags_ms = [
        1000 * source.late_s + stream.playout.stats.preferred_buffer_size_ms
        for source, stream in zip(sources, streams, strict=True)
    ]
    assert max(lags_ms) - min(lags_ms) < 5


def test_adaptive_streams_are_heard_in_step() -> None:
    both = [run(list(CALM_AND_JITTER), "adaptive", 20, 20, heard=n)[1][-5 * RATE :] for n in (0, 1)]
    spectra = [np.fft.rfft(pcm.astype(float), 2 * len(pcm)) for pcm in both]
    likeness = np.fft.irfft(spectra[0] * np.conj(spectra[1]))
    lag = int(np.argmax(likeness))
    lag = lag if lag < len(both[0]) else lag - 2 * len(both[0])
    assert abs(lag) < 2 * 48


def test_a_largest_delay_that_is_too_small_is_kept() -> None:
    mixer = Mixer()
    playouts = [
        Playout(FORMAT, mode="adaptive", target_delay_ms=20, max_delay_ms=most, complexity=0)
        for most in (40, 1000)
    ]
    for playout in playouts:
        mixer.add(playout, clock="robot")
    arrivals = [source.arrivals(seed) for seed, source in enumerate(CALM_AND_JITTER)]
    for playout, coming in zip(playouts, arrivals, strict=True):
        for at, packet in coming[:200]:
            playout.push(packet, at)
    mixer.pull(PULL, 4.0)
    delays = [playout.stats.preferred_buffer_size_ms for playout in playouts]
    assert delays[0] == 40
    assert delays[1] > 45


@pytest.mark.parametrize("most_ms", [100, 200, 400])
def test_who_waits_for_another_gives_nothing_up(most_ms: int) -> None:
    mixer = Mixer()
    playouts = [
        Playout(FORMAT, mode="adaptive", target_delay_ms=20, max_buffer_ms=most, complexity=0)
        for most in (most_ms, 10_000)
    ]
    for playout in playouts:
        mixer.add(playout, clock="robot")
    waiting = [Source(late_s=late_s).arrivals(0) for late_s in (0.0, 0.6)]
    for _ in pulls(mixer, playouts, waiting, 800):
        pass
    stats = playouts[0].stats
    assert (stats.packets_overflow, stats.packets_lost) == (0, 0)
    assert stats.preferred_buffer_size_ms == max(20, most_ms - 120)


@pytest.mark.parametrize(("most_ms", "buffer_ms"), [(40, 10_000), (1000, 160)])
def test_who_may_not_wait_as_long_stays_at_its_largest_delay(most_ms: int, buffer_ms: int) -> None:
    mixer = Mixer()
    poor = Playout(FORMAT, mode="adaptive", target_delay_ms=20, complexity=0)
    calm = Playout(
        FORMAT,
        mode="adaptive",
        target_delay_ms=20,
        max_delay_ms=most_ms,
        max_buffer_ms=buffer_ms,
        complexity=0,
    )
    streams = [mixer.add(playout, clock="robot") for playout in (poor, calm)]
    waiting = [Source(late_s=late_s).arrivals(0) for late_s in (0.15, 0.0)]
    for _ in pulls(mixer, (poor, calm), waiting, 2000):
        pass
    assert calm.stats.preferred_buffer_size_ms == 40
    assert calm.stats.drift_ppm == 0
    assert calm.buffered_ms <= 40 + 10
    # 150 and 20 ms, less 40.
    assert streams[1].offset_samples(streams[0]) == pytest.approx(130 * 48, abs=10 * 48)


def test_streams_without_a_common_clock_keep_their_own_delay() -> None:
    mixer = Mixer()
    streams = [
        mixer.add(Playout(FORMAT, mode="adaptive", target_delay_ms=20, complexity=0), clock=clock)
        for clock in (None, "robot", "other")
    ]
    for stream in streams[:2]:
        for at, packet in CALM_AND_JITTER[0].arrivals(0)[:200]:
            stream.playout.push(packet, at)
    for at, packet in CALM_AND_JITTER[1].arrivals(1)[:200]:
        streams[2].playout.push(packet, at)
    mixer.pull(PULL, 4.0)
    delays = [stream.playout.stats.preferred_buffer_size_ms for stream in streams]
    assert delays[:2] == [20, 20]
    assert delays[2] > 45


@pytest.mark.parametrize("how", ["another clock", "gone", "removed"])
def test_who_is_not_waited_for(how: str) -> None:
    mixer = Mixer()
    calm, poor = (
        mixer.add(Playout(FORMAT, mode="adaptive", target_delay_ms=20, complexity=0), clock="robot")
        for _ in range(2)
    )
    for at, packet in CALM_AND_JITTER[0].arrivals(0):
        calm.playout.push(packet, at)
    # A minute apart, whatever is said, is no common clock.
    shift = 60 * RATE if how == "another clock" else 0
    for at, packet in CALM_AND_JITTER[1].arrivals(1)[:200]:
        moved = Packet(packet.sequence, packet.time_samples + shift, PACKET, packet.data)
        poor.playout.push(moved, at)
    mixer.pull(PULL, 4.0)
    shared = calm.playout.stats.preferred_buffer_size_ms
    assert (shared > 45) == (how != "another clock")
    if how == "removed":
        mixer.remove(poor)
    for pull in range(1000):
        mixer.pull(PULL, 4.01 + pull / 100)
    assert calm.playout.stats.preferred_buffer_size_ms == 20


def test_a_lag_is_a_time_and_only_adaptive_playout_has_one() -> None:
    fixed, adaptive = (Playout(FORMAT, mode=mode, complexity=0) for mode in ("fixed", "adaptive"))
    assert adaptive.lag_s is None
    for playout in (fixed, adaptive):
        playout.push(Packet(0, 0, PACKET, impulses()[0]), 3.0)
        aim_s = playout.keep_lag(3.5)
        assert aim_s == (pytest.approx(3.5) if playout is adaptive else None)
        with pytest.raises(InvalidArgumentError, match="expected seconds"):
            playout.keep_lag(float("nan"))
    assert fixed.lag_s is None
    assert adaptive.lag_s == pytest.approx(3.06)
    assert adaptive.stats.preferred_buffer_size_ms == pytest.approx(500)
    assert adaptive.keep_lag(None) == adaptive.lag_s
    assert adaptive.stats.preferred_buffer_size_ms == pytest.approx(60)


def test_streams_without_a_common_clock_are_heard_as_they_come() -> None:
    mixer = Mixer()
    early, late = (
        mixer.add(Playout(FORMAT, mode="fixed", target_delay_ms=20, complexity=0)) for _ in range(2)
    )
    for k, data in enumerate(impulses()[:50]):
        early.playout.push(Packet(k, k * PACKET, PACKET, data), k * 0.02)
    for pull in range(100):
        if pull == 20:
            for k, data in enumerate(impulses()[:50]):
                late.playout.push(Packet(k, k * PACKET, PACKET, data), 0.2)
        mixer.pull(PULL, 0.005 + pull / 100)
        if pull == 60:
            assert late.offset_samples(early) == -PULL * 20


def test_a_stream_that_was_removed_is_silent() -> None:
    mixer = Mixer()
    stream = mixer.add(Playout(FORMAT, mode="fixed", target_delay_ms=0, complexity=0))
    for k, data in enumerate(impulses()[:30]):
        stream.playout.push(Packet(k, k * PACKET, PACKET, data), 0.0)
    assert any(mixer.pull(PULL * 40, 0.0))
    mixer.remove(stream)
    assert not any(mixer.pull(PULL * 40, 0.4))
    with pytest.raises(InvalidArgumentError, match="no longer"):
        mixer.remove(stream)


def test_one_stream_is_its_playout_and_loud_ones_do_not_clip() -> None:
    def fed() -> Playout:
        playout = Playout(FORMAT, mode="fixed", target_delay_ms=0, complexity=0)
        for k, data in enumerate(impulses()[:60]):
            playout.push(Packet(k, k * PACKET, PACKET, data), 0.0)
        return playout

    alone = fed().pull(48_000, 0.0)
    mixer = Mixer()
    mixer.add(fed())
    assert mixer.pull(48_000, 0.0) == alone
    assert mixer.limiting == 1
    loud = Mixer()
    for _ in range(4):
        loud.add(fed())
    pcm = np.frombuffer(loud.pull(48_000, 0.0), np.int16).astype(int)
    single = np.frombuffer(alone, np.int16).astype(int)
    top = int(np.argmax(np.abs(single)))
    assert abs(4 * single[top]) > 40_000
    assert abs(pcm[top]) in (32_767, 32_768)
    # No flat tops: behind the largest sample the sound has its shape.
    behind = slice(top, top + 20)
    gain = pcm[top] / (4 * single[top])
    np.testing.assert_allclose(pcm[behind], 4 * gain * single[behind], atol=60)
    assert loud.limiting < 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mixer(channels=3),
        lambda: Mixer(rate=44_100),
        lambda: Mixer().add(Playout(FORMAT, rate=16_000)),
        lambda: Mixer().add(Playout(FORMAT, channels=2)),
    ],
)
def test_what_does_not_fit_is_refused(make: functools.partial[object]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"expected|resample"):
        make()


@pytest.mark.parametrize("gain", [float("nan"), float("inf")])
def test_no_gain_mutes_all(gain: float) -> None:
    mixer = Mixer(rate=RATE)
    stream = mixer.add(Playout(FORMAT, mode="adaptive"))
    with pytest.raises(InvalidArgumentError, match="gain is"):
        mixer.add(Playout(FORMAT, mode="adaptive"), gain=gain)
    stream.gain = gain
    with pytest.raises(InvalidArgumentError, match="expected a number such as"):
        mixer.pull(PULL, 0.0)
    stream.gain = 0.5
    assert mixer.pull(PULL, 0.0) == bytes(2 * PULL)


def test_a_wrong_call_says_what_is_wrong() -> None:
    mixer = Mixer(channels=2)
    playout = Playout(FORMAT, channels=2)
    for filled in (False, True):
        if filled:
            mixer.add(playout)
        for samples in (-1, 48_001, 2**70):
            with pytest.raises(InvalidArgumentError, match="at most 48000 at once"):
                mixer.pull(samples, 0.0)
        assert len(mixer.pull(48_000, 0.0)) == 192_000
    with pytest.raises(InvalidArgumentError, match="already"):
        mixer.add(playout)
