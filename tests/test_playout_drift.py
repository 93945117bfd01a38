"""Clocks that part: what the sender's clock has and the card's has not is followed, unheard."""

import functools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from _clicks import COMPARED, KINDS, find_clicks, plant
from opuscule.codec import Decoder, Encoder, EncoderSettings
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, Pace, PlayedSpan, Playout, PlayoutStats

RATE, PACKET, PULL = 48_000, 960, 480
TARGET_MS, PHASE_S = 60, 0.005
FORMAT = StreamFormat(1, 0, RATE)
SETTINGS = EncoderSettings(
    application="audio", bitrate=96_000, fec=False, loss_percent=0, dtx=False, complexity=2
)


@functools.cache
def sound() -> NDArray[np.float64]:
    """Five seconds of chords, without a pause, that can be played over and over."""
    at = np.arange(5 * RATE) / RATE
    notes = (110.0, 220.4, 329.8, 523.2, 1046.0)
    chord = sum(np.sin(2 * np.pi * hz * at + k) / (k + 2) for k, hz in enumerate(notes))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * at / 5)
    return np.asarray(0.25 * swell * chord)


@functools.cache
def packets() -> tuple[bytes, ...]:
    pcm = (sound() * 32767).round().astype(np.int16)
    encoder = Encoder(RATE, 1, preset=SETTINGS)
    parts = [part.tobytes() for part in pcm.reshape(-1, PACKET)]
    # The second time: an encoder that has just begun would make a seam.
    first, again = ([encoder.encode(part) for part in parts] for _ in range(2))
    assert len(first) == len(again)
    return tuple(again)


@dataclass(frozen=True)
class Played:
    pcm: NDArray[np.int16]
    spans: list[PlayedSpan]
    deviations_ms: list[float]
    stats: PlayoutStats


def arrivals(sender: float) -> Iterator[tuple[float, Packet]]:
    number = 0
    while True:
        at = number * PACKET
        yield at / RATE / sender, Packet(number, at, PACKET, packets()[number % len(packets())])
        number += 1


def play(
    seconds: float, mode: Mode, *, sender: float = 1.0, card: float = 1.0, stop_s: float = 0.0
) -> Played:
    """Clocks as media and card seconds in one of the host's; the card may stop for a while."""
    playout = Playout(FORMAT, mode=mode, target_delay_ms=TARGET_MS, complexity=0)
    coming = arrivals(sender)
    following = next(coming)
    pcm, spans, deviations, now = bytearray(), list[PlayedSpan](), list[float](), PHASE_S
    while now < seconds:
        while following[0] <= now:
            playout.push(following[1], following[0])
            following = next(coming)
        pcm += playout.pull(PULL, now)
        log = playout.take_log()
        first = next((span for span in log if span.time_samples is not None), None)
        if first is not None and first.time_samples is not None:
            sent = first.time_samples / RATE / sender
            deviations.append((now - sent) * 1000 - TARGET_MS)
        spans += log
        stopped = stop_s if now < seconds / 2 <= now + PULL / RATE / card else 0.0
        now += PULL / RATE / card + stopped
    return Played(np.frombuffer(bytes(pcm), np.int16), spans, deviations, playout.stats)


def media_of(span: PlayedSpan) -> int:
    return span.samples if span.media_samples is None else span.media_samples


@pytest.mark.parametrize(
    ("mode", "ppm", "host_between"),
    [
        ("fixed", 300, False),
        ("fixed", -100, True),
        ("adaptive", -300, True),
        ("adaptive", 100, False),
    ],
)
def test_the_delay_stays_and_nothing_clicks(mode: Mode, ppm: int, host_between: bool) -> None:
    part = ppm * 1e-6
    sender, card = (1 + part / 2, 1 - part / 2) if host_between else (1 + part, 1.0)
    played = play(120, mode, sender=sender, card=card)
    assert max(map(abs, played.deviations_ms)) < 10
    assert played.stats.drift_ppm == pytest.approx(ppm, abs=12)
    # Each sample of the stream once: what is left out or played twice stands for its time.
    time = 0
    for span in played.spans:
        if span.time_samples is not None:
            assert span.time_samples == time
            time += media_of(span)
    stats = played.stats
    left_out = stats.removed_samples - stats.inserted_samples
    assert left_out == time - (stats.played_samples - stats.silence_samples)
    assert left_out == pytest.approx(part * 120 * RATE, abs=0.006 * RATE)
    made = stats.received_samples + stats.stretched_samples + stats.silence_samples
    assert made == stats.played_samples
    assert stats.stretched_samples == stats.removed_samples + stats.inserted_samples
    assert find_clicks(played.pcm[10 * RATE : 70 * RATE], COMPARED) == []


def test_what_would_click_is_found() -> None:
    decoder = Decoder(RATE)
    pcm = b"".join(bytes(decoder.decode(data)) for data in packets())
    x = np.frombuffer(pcm, np.int16)[RATE:] / 32768.0
    for kind in KINDS:
        for place in (50_000, 70_007, 101_000):
            clicked = (plant(x, kind, place) * 32768).round().astype(np.int16)
            near = [at for at in find_clicks(clicked, COMPARED) if abs(at - place) < 48]
            assert near, (kind, place)
    assert find_clicks((x * 32768).astype(np.int16), COMPARED) == []


@pytest.mark.parametrize("mode", ["fixed", "adaptive"])
def test_clocks_that_agree_leave_the_sound_alone(mode: Mode) -> None:
    played = play(30, mode)
    decoder = Decoder(RATE, complexity=0)
    whole = b"".join(bytes(decoder.decode(packet.data)) for _, packet in first_of(1600))
    begin = next(k for k, value in enumerate(played.pcm) if value)
    expected = np.frombuffer(whole, np.int16)
    first = next(k for k, value in enumerate(expected) if value)
    length = len(played.pcm) - begin
    np.testing.assert_array_equal(played.pcm[begin:], expected[first : first + length])
    assert played.stats.drift_ppm == 0
    assert played.stats.stretched_samples == 0


def first_of(count: int) -> Iterator[tuple[float, Packet]]:
    return (arrived for _, arrived in zip(range(count), arrivals(1.0), strict=False))


def test_an_answer_that_is_played_whole_follows_no_clock() -> None:
    played = play(60, "whole", sender=1 + 300e-6)
    assert played.stats.drift_ppm == 0
    assert played.stats.stretched_samples == 0


def test_a_card_that_stopped_is_no_drift() -> None:
    played = play(60, "fixed", stop_s=3.0)
    assert played.stats.drift_ppm == 0
    assert played.stats.stretched_samples == 0


def test_streams_at_one_pace_stay_in_step() -> None:
    pace = Pace(123e-6, 0.25)
    leader, follower = (
        Playout(FORMAT, mode="fixed", target_delay_ms=20, complexity=0) for _ in range(2)
    )
    leader.keep_pace(pace)
    assert leader.pace == pace
    for arrived, packet in first_of(500):
        for playout in (leader, follower):
            playout.push(packet, arrived)
        follower.keep_pace(leader.pace)
        assert leader.pull(PACKET, arrived + 0.005) == follower.pull(PACKET, arrived + 0.005)
    assert leader.stats.removed_samples == math.floor(0.25 + 123e-6 * 500 * PACKET)


@pytest.mark.parametrize(
    "pace", [Pace(0.011, 0.0), Pace(math.nan, 0.0), Pace(0.0, 1.0), Pace(0.0, -0.1)]
)
def test_a_pace_that_is_none_is_refused(pace: Pace) -> None:
    with pytest.raises(InvalidArgumentError, match=r"expected at most 0\.002"):
        Playout(FORMAT).keep_pace(pace)
