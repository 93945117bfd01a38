"""Stamped frames in real time: what is heard, what is reported lost, and for how long."""

import functools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.codec import Encoder, EncoderSettings
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.realtime import Loss, RealtimeBuffer
from opuscule.wire.stamped import StampedFrame

EPOCH_MS = 1_766_000_000_000
PLAIN = EncoderSettings(fec=False, loss_percent=0, dtx=False, complexity=0)
PULL_MS = 10


@functools.cache
def data(count: int = 400) -> tuple[bytes, ...]:
    encoder = Encoder(16_000, 1, preset=PLAIN)
    wave = bytearray()
    for n in range(320):
        wave += ((n * 211) % 16_000 - 8_000).to_bytes(2, "little", signed=True)
    return tuple(encoder.encode(bytes(wave)) for _ in range(count))


def frames(count: int) -> list[StampedFrame]:
    return [StampedFrame(EPOCH_MS + 20 * k, data()[k % 400]) for k in range(count)]


def pull(buffer: RealtimeBuffer, start_s: float, duration_s: float) -> list[Loss]:
    for n in range(round(duration_s * 1000 / PULL_MS)):
        buffer.pull(48 * PULL_MS, start_s + n * PULL_MS / 1000)
    return buffer.take_losses()


def run(
    arrivals: list[tuple[float, StampedFrame]], end_s: float, **options: int
) -> tuple[RealtimeBuffer, list[Loss]]:
    """Push each frame when it comes, in seconds; pull all the while."""
    buffer = RealtimeBuffer(complexity=0, **options)
    waiting = sorted(arrivals, key=lambda one: one[0])
    losses = []
    for n in range(round(end_s * 1000 / PULL_MS)):
        now = n * PULL_MS / 1000
        while waiting and waiting[0][0] <= now:
            at, frame = waiting.pop(0)
            buffer.push(frame, at)
        buffer.pull(48 * PULL_MS, now)
        losses += buffer.take_losses()
    return buffer, losses


def joined(losses: list[Loss]) -> list[tuple[float, float]]:
    """Losses that follow one another as one: when after the first frame, and for how long."""
    found: list[tuple[float, float]] = []
    for loss in losses:
        begin_ms = loss.epoch_ms - EPOCH_MS
        if found and abs(sum(found[-1]) - begin_ms) < 1e-6:
            found[-1] = (found[-1][0], found[-1][1] + loss.duration_ms)
        else:
            found.append((begin_ms, loss.duration_ms))
    return found


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_frames_in_any_order_within_the_hold_are_played_without_a_loss(draw: random.Random) -> None:
    arrivals = [(0.02 * k + draw.random() * 0.055, f) for k, f in enumerate(frames(60))]
    buffer, losses = run(arrivals, 1.0, hold_ms=80)
    assert losses == []
    assert buffer.dropped_frames == 0


@pytest.mark.parametrize("lost", [{20}, {20, 21, 22}, {10, 30}])
def test_a_loss_lasts_as_long_as_its_frames(lost: set[int]) -> None:
    arrivals = [(0.02 * k, f) for k, f in enumerate(frames(60)) if k not in lost]
    _, losses = run(arrivals, 1.0)
    runs = [k for k in sorted(lost) if k - 1 not in lost]
    expected = [(20.0 * k, 20.0 * sum(j in lost for j in range(k, k + 3))) for k in runs]
    assert joined(losses) == expected


@pytest.mark.parametrize("samples", [480, 512, 37])
def test_a_loss_is_one_however_much_is_pulled_at_a_time(samples: int) -> None:
    buffer = RealtimeBuffer(complexity=0)
    for frame in [*frames(20), *frames(30)[22:]]:
        buffer.push(frame, 0.0)
    for n in range(round(0.6 * 48_000 / samples)):
        buffer.pull(samples, n * samples / 48_000)
    assert buffer.take_losses() == [Loss(EPOCH_MS + 400.0, 40.0, "plc")]


def test_losses_that_nobody_takes_are_bounded() -> None:
    buffer = RealtimeBuffer(complexity=0)
    for k in range(10_000):
        if k % 2 == 0:
            buffer.push(StampedFrame(EPOCH_MS + 20 * k, data()[k % 400]), 0.02 * k)
        buffer.pull(960, 0.02 * k)
    losses = buffer.take_losses()
    assert len(losses) == 4096
    assert losses[-1].epoch_ms > EPOCH_MS + 20 * 9_900


def test_what_is_late_is_a_loss_when_its_turn_comes() -> None:
    arrivals = [(0.02 * k + (0.5 if k == 20 else 0), f) for k, f in enumerate(frames(60))]
    buffer, losses = run(arrivals, 1.0)
    assert joined(losses) == [(400.0, 20.0)]
    assert all(loss.filled == "plc" for loss in losses)
    assert buffer.buffered_ms > 0


def test_a_network_that_stops_is_a_loss_of_that_length() -> None:
    def late(k: int) -> float:
        return 0.02 * k if k < 20 else max(0.02 * k, 0.7)

    _, losses = run([(late(k), f) for k, f in enumerate(frames(60))], 1.0)
    (begin_ms, duration_ms), *others = joined(losses)
    assert not others
    assert begin_ms == 400
    # From the turn of the first that is late to the pull after they come.
    assert duration_ms == pytest.approx(700 - 60 - 400, abs=PULL_MS)


def test_stamps_by_another_clock_make_no_losses() -> None:
    # Whole milliseconds, 2 ms to and fro, of a clock that is 200 ppm off, for a minute.
    draw = random.Random(4)
    stamped = [
        StampedFrame(round(EPOCH_MS + 20 * k * 1.0002 + draw.choice((0, 0, 1))), data()[k % 400])
        for k in range(3000)
    ]
    _, losses = run([(0.02 * k, f) for k, f in enumerate(stamped)], 59.0)
    assert losses == []


def test_the_first_frame_is_held_and_nothing_before_it_is_lost() -> None:
    first, second, third, *_ = frames(3)
    buffer = RealtimeBuffer(complexity=0, hold_ms=60)
    assert buffer.push(third, 0.0) == "kept"
    assert buffer.push(first, 0.02) == "kept"
    assert buffer.push(second, 0.03) == "kept"
    assert pull(buffer, 0.03, 0.08) == []
    assert joined(pull(buffer, 0.11, 0.04))[0][0] == 60  # once they have been played


def test_a_frame_that_comes_twice_is_played_once() -> None:
    buffer = RealtimeBuffer(complexity=0)
    frame = frames(1)[0]
    assert buffer.push(frame, 0.0) == "kept"
    assert buffer.push(frame, 0.0) == "duplicate"
    assert buffer.push(StampedFrame(frame.epoch_ms + 2, frame.data), 0.0) == "duplicate"
    assert buffer.buffered_ms == 20


def test_what_is_dropped_for_want_of_room_is_no_loss() -> None:
    buffer = RealtimeBuffer(complexity=0, max_buffer_ms=200)
    for frame in frames(50):
        buffer.push(frame, 0.0)
    assert buffer.dropped_frames == 40
    assert buffer.buffered_ms == 200
    buffer.close()
    assert pull(buffer, 1.0, 0.3) == []


def test_what_waits_is_played_after_the_close() -> None:
    buffer = RealtimeBuffer(complexity=0, hold_ms=1000)
    for frame in (*frames(10)[:4], *frames(10)[6:]):
        buffer.push(frame, 0.0)
    buffer.close()
    buffer.close()
    assert not buffer.drained
    assert joined(pull(buffer, 0.0, 0.19)) == [(80.0, 40.0)]
    assert not buffer.drained
    assert pull(buffer, 0.19, 0.1) == []
    assert buffer.drained
    with pytest.raises(InvalidArgumentError, match="closed"):
        buffer.push(frames(1)[0], 0.3)


def test_a_buffer_without_frames_is_drained_when_it_is_closed() -> None:
    buffer = RealtimeBuffer(complexity=0)
    assert not buffer.drained
    buffer.close()
    assert pull(buffer, 0.0, 0.1) == []
    assert buffer.drained


def test_frames_that_are_none_are_refused() -> None:
    buffer = RealtimeBuffer(complexity=0)
    buffer.push(frames(1)[0], 0.0)
    with pytest.raises(InvalidPacketError):
        buffer.push(StampedFrame(EPOCH_MS + 20, b"\xff"), 0.0)
    with pytest.raises(InvalidArgumentError, match="at most an hour"):
        buffer.push(StampedFrame(EPOCH_MS - 3_700_000, data()[0]), 0.0)


@pytest.mark.parametrize(("least", "ends_at"), [(None, 5), (0, 0)])
def test_complexity_follows_the_load_where_it_may(least: int | None, ends_at: int) -> None:
    buffer = RealtimeBuffer(complexity=5, least_complexity=least)
    for k, frame in enumerate(frames(300)):
        buffer.push(frame, 0.02 * k)
        buffer.pull(960, 0.025 * k)  # each pull takes 5 ms more than it may
    assert buffer.complexity == ends_at


def test_a_hold_that_cannot_be_is_called_by_its_name() -> None:
    for hold_ms in (-1, 10_001):
        with pytest.raises(InvalidArgumentError, match=f"hold_ms is {hold_ms}; expected 0 to"):
            RealtimeBuffer(hold_ms=hold_ms)
