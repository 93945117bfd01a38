"""Playout's statistics, each against what a small case has by hand."""

import math
from array import array
from dataclasses import replace

import pytest

from opuscule.codec import VOICE, StreamEncoder
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Playout, PlayoutStats

FRAME = 960
"""Samples of a packet of 20 ms."""

FORMAT = StreamFormat(1, 0, 48_000)


def packets(*, fec: bool = False) -> list[Packet]:
    """A second of a sawtooth."""
    settings = replace(VOICE, fec=fec, loss_percent=20 if fec else 0, dtx=False)
    encoder = StreamEncoder(16_000, preset=settings)
    wave = ((n * 150) % 16_000 - 8_000 for n in range(16_000))
    return encoder.push(b"".join(value.to_bytes(2, "little", signed=True) for value in wave))


def play(
    arrivals_ms: dict[int, int],
    pulls: int,
    *,
    mode: str = "fixed",
    sent: list[Packet] | None = None,
) -> Playout:
    """Pull 20 ms every 20 ms, from 20 ms on; what came by then is pushed first."""
    sent = sent or packets()
    playout = Playout(FORMAT, mode=mode, target_delay_ms=20)  # type: ignore[arg-type]  # a mode
    waiting = dict(arrivals_ms)
    for pull in range(1, pulls + 1):
        for number in [n for n, at in waiting.items() if at <= pull * 20]:
            playout.push(sent[number], waiting.pop(number) / 1000)
        playout.pull(FRAME, pull * 0.02)
    return playout


def test_each_count_by_hand() -> None:
    # The fourth packet is lost, and after the sixth nothing comes any more for 0.6 s: half a second
    # of concealment, and noise.
    stats = play({0: 0, 1: 20, 2: 40, 4: 80, 5: 100}, 6 + 30).stats
    assert stats.played_samples == 36 * FRAME
    assert stats.received_samples == 5 * FRAME
    assert stats.plc_samples == 26 * FRAME
    assert (stats.comfort_noise_samples, stats.silence_samples) == (5 * FRAME, 0)
    assert stats.concealed_samples == 31 * FRAME
    assert stats.silent_concealed_samples == 5 * FRAME
    assert stats.concealment_events == 2
    assert (stats.interruptions, stats.interruption_samples) == (1, 30 * FRAME)
    assert (stats.packets_received, stats.packets_lost, stats.packets_discarded) == (5, 1, 0)
    # Each was handed out 20 ms after it had come.
    assert stats.jitter_buffer_emitted_count == 5 * FRAME
    assert stats.jitter_buffer_delay_s == pytest.approx(5 * FRAME * 0.020)
    assert stats.jitter_buffer_target_delay_s == pytest.approx(5 * FRAME * 0.020)
    assert stats.jitter_buffer_minimum_delay_s == 0.0
    assert stats.mean_waiting_time_ms == stats.median_waiting_time_ms == 20.0
    assert stats.min_waiting_time_ms == stats.max_waiting_time_ms == 20.0
    assert (stats.preferred_buffer_size_ms, stats.current_buffer_size_ms) == (20.0, 0)
    assert stats.expand_rate == pytest.approx(31 / 36)
    assert stats.speech_expand_rate == pytest.approx(26 / 36)
    assert stats.accelerate_rate == stats.preemptive_rate == stats.secondary_decoded_rate == 0.0


def test_waiting_differs_from_packet_to_packet() -> None:
    # Pulled 20, 20, 11, 20 and 5 ms after they came; the sixth still waits.
    stats = play({0: 0, 1: 20, 2: 49, 3: 60, 4: 95, 5: 100}, 5).stats
    assert stats.mean_waiting_time_ms == pytest.approx((20 + 20 + 11 + 20 + 5) / 5)
    assert stats.median_waiting_time_ms == 20.0
    assert (stats.min_waiting_time_ms, stats.max_waiting_time_ms) == (5.0, 20.0)
    mean_s = stats.jitter_buffer_delay_s / stats.jitter_buffer_emitted_count
    assert mean_s * 1000 == pytest.approx(stats.mean_waiting_time_ms)
    assert stats.current_buffer_size_ms == 20
    assert stats.concealment_events == 0


def test_only_the_last_hundred_packets_waiting_counts() -> None:
    sent = packets()
    minute = [
        replace(sent[n % 50], sequence=n, time_samples=n * FRAME, duration_samples=FRAME)
        for n in range(150)
    ]
    stats = play({n: n * 20 + (7 if 0 < n < 20 else 0) for n in range(150)}, 121, sent=minute).stats
    assert stats.max_waiting_time_ms == 20.0
    assert stats.min_waiting_time_ms == 20.0


def test_silence_before_the_stream_and_after_it_conceals_nothing() -> None:
    playout = play({0: 60, 1: 80}, 3)  # the first packet is held back for 20 ms: nothing yet
    assert playout.stats.concealed_samples == 0
    assert playout.stats.silence_samples == 3 * FRAME
    playout = play({0: 0, 1: 20}, 1)
    playout.finish(2 * FRAME, 2)
    for pull in range(5):
        playout.pull(FRAME, 0.04 + pull * 0.02)
    assert playout.finished
    assert playout.stats.concealed_samples == playout.stats.concealment_events == 0


def test_fec_that_was_of_use_and_that_was_not() -> None:
    sent = packets(fec=True)
    arrivals = {n: n * 20 for n in range(40)}
    whole = play(arrivals, 40, sent=sent).stats
    assert whole.fec_packets_received == whole.fec_packets_discarded > 20
    del arrivals[10]
    stats = play(arrivals, 40, sent=sent).stats
    assert stats.fec_samples == FRAME
    assert stats.fec_packets_received - stats.fec_packets_discarded == 1
    assert stats.secondary_decoded_rate == pytest.approx(1 / 40)
    assert stats.concealed_samples == stats.concealment_events == 0


def test_webrtc_has_the_names_of_the_w3c() -> None:
    stats = play({0: 0, 1: 20, 2: 40, 4: 80, 5: 100}, 6).stats
    assert stats.webrtc() == {
        "totalSamplesReceived": 6 * FRAME,
        "concealedSamples": FRAME,
        "silentConcealedSamples": 0,
        "concealmentEvents": 1,
        "insertedSamplesForDeceleration": 0,
        "removedSamplesForAcceleration": 0,
        "jitterBufferDelay": pytest.approx(96.0),
        "jitterBufferTargetDelay": pytest.approx(96.0),
        "jitterBufferMinimumDelay": 0.0,
        "jitterBufferEmittedCount": 5 * FRAME,
        "packetsDiscarded": 0,
        "packetsLost": 1,
        "fecPacketsReceived": 0,
        "fecPacketsDiscarded": 0,
        "jitter": 0.0,
    }


def test_a_pause_that_a_stream_encoder_leaves_out_is_no_concealment() -> None:
    tone = array("h", (round(8000 * math.sin(k * 0.2)) for k in range(16_000)))
    encoder = StreamEncoder(16_000, leave_out_dtx=True)
    sent = encoder.push(tone + array("h", bytes(2 * 48_000)) + tone) + encoder.finish()
    assert len(sent) < 150  # most of three seconds was left out
    playout = Playout(encoder.format, mode="fixed", target_delay_ms=40)
    for n in range(5 * 100):
        while sent and sent[0].end_samples <= n * 480:
            playout.push(sent.pop(0), n / 100)
        playout.pull(480, n / 100)
    stats = playout.stats
    assert stats.comfort_noise_samples > 2 * 48_000
    assert stats.interruptions == 0
    assert stats.concealed_samples < 48_000 / 10


def test_a_pause_that_the_sender_left_out_is_no_concealment() -> None:
    # Packets of two bytes say that a pause goes on; then nothing comes for 0.4 s.
    sent = packets()
    pause = [replace(p, data=p.data[:1]) if n in (5, 6) else p for n, p in enumerate(sent)]
    playout = play({n: n * 20 for n in range(7)}, 7 + 20, sent=pause)
    stats = playout.stats
    assert stats.concealed_samples == stats.concealment_events == stats.interruptions == 0
    assert (stats.comfort_noise_samples, stats.silence_samples) == (20 * FRAME, 0)
    assert {s.missing for s in playout.take_log() if s.origin == "comfort_noise"} == {"unsent"}


def test_streams_that_follow_on_one_another_add_up() -> None:
    one = play({0: 0, 1: 20, 2: 40, 4: 80, 5: 100}, 36).stats
    both = PlayoutStats.joined([one, one])
    assert both.concealed_samples == 2 * one.concealed_samples
    assert both.jitter_buffer_delay_s == 2 * one.jitter_buffer_delay_s
    assert both.mean_waiting_time_ms == one.mean_waiting_time_ms
    assert PlayoutStats.joined([]).played_samples == 0
