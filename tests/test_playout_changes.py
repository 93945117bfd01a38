"""Playout when the sender changes: it begins anew, its packets become others, clocks are set."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.codec import VOICE, EncoderSettings, StreamEncoder
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, PlayedSpan, Playout
from opuscule.wire import Unwrapper

FRAME = 960
FORMAT = StreamFormat(1, 0, 48_000)
MODES: tuple[Mode, ...] = ("whole", "fixed", "adaptive")
DAY = 24 * 3600 * 48_000


def packets(
    frame_ms: float = 20, *, rate: int = 16_000, channels: int = 1, seconds: float = 1.0
) -> list[Packet]:
    settings = EncoderSettings(fec=False, loss_percent=0, dtx=False)
    encoder = StreamEncoder(rate, channels=channels, frame_ms=frame_ms, preset=settings)
    wave = ((n // channels * 150) % 16_000 - 8_000 for n in range(int(rate * seconds) * channels))
    return encoder.push(b"".join(value.to_bytes(2, "little", signed=True) for value in wave))


def placed(sent: list[Packet], time_samples: int, sequence: int) -> list[Packet]:
    """The same packets, from another place on."""
    first = sent[0]
    return [
        replace(
            p,
            time_samples=p.time_samples - first.time_samples + time_samples,
            sequence=p.sequence - first.sequence + sequence,
        )
        for p in sent
    ]


def play(
    playout: Playout, coming: list[tuple[float, Packet]], until_ms: int
) -> tuple[list[PlayedSpan], list[str]]:
    """Pull 10 ms every 10 ms; what came by then is pushed first."""
    waiting = sorted(coming, key=lambda c: c[0])
    log: list[PlayedSpan] = []
    outcomes: list[str] = []
    samples = playout.rate // 100
    for now_ms in range(5, until_ms, 10):
        while waiting and waiting[0][0] <= now_ms:
            at_ms, packet = waiting.pop(0)
            outcomes.append(playout.push(packet, at_ms / 1000))
        assert len(playout.pull(samples, now_ms / 1000)) == samples * 2 * playout.channels
        log += playout.take_log()
    stats = playout.stats
    parts = ("received", "fec", "dred", "plc", "stretched", "comfort_noise", "silence")
    assert sum(getattr(stats, f"{part}_samples") for part in parts) == stats.played_samples
    return log, outcomes


def paced(sent: list[Packet], from_ms: float = 0.0) -> list[tuple[float, Packet]]:
    first = sent[0].time_samples
    return [(from_ms + (p.time_samples - first) / 48, p) for p in sent]


def heard(log: list[PlayedSpan]) -> int:
    return sum(s.media_samples or s.samples for s in log if s.origin == "received")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("time_samples", "sequence"),
    [(100 * DAY, 50), (0, 0), (10 * DAY + 17, 3_000_000), (300 * 48_000, 7)],
)
def test_a_sender_that_begins_anew_is_followed(
    mode: Mode, time_samples: int, sequence: int
) -> None:
    first = placed(packets(), DAY, 1_000_000)
    second = placed(packets(), time_samples, sequence)
    playout = Playout(FORMAT, mode=mode, target_delay_ms=40)
    log, outcomes = play(playout, paced(first) + paced(second, 1000), 2500)
    stats = playout.stats
    assert stats.restarts == 1
    assert outcomes.count("stray") in range(5, 8)
    # All of both is heard, one after the other: what was kept aside is not lost.
    assert heard(log) == (len(first) + len(second)) * FRAME
    assert (stats.packets_lost, stats.packets_late, stats.packets_stray) == (0, 0, 0)
    assert stats.packets_received == len(first) + len(second)
    # Until it was believed, 0.1 s, there was nothing at hand.
    assert stats.concealed_samples <= 0.15 * 48_000 + 960 * 3 + 48_000 * 0.4
    places = [s.time_samples for s in log if s.origin == "received" and s.time_samples is not None]
    assert places[0] == DAY
    assert time_samples in places


@pytest.mark.parametrize("mode", MODES)
def test_a_single_stray_is_not_followed(mode: Mode) -> None:
    sent = placed(packets(), DAY, 1_000_000)
    playout = Playout(FORMAT, mode=mode, target_delay_ms=40)
    stray = replace(sent[0], time_samples=1 << 52, sequence=1 << 52)
    others = [replace(stray, time_samples=n * DAY * 7, sequence=n) for n in range(40)]
    coming = [*paced(sent), (300.0, stray), *((500.0 + n, p) for n, p in enumerate(others))]
    log, _ = play(playout, coming, 1200)
    assert playout.stats.restarts == 0
    assert playout.stats.packets_stray == 41
    assert heard(log) == len(sent) * FRAME


def test_restart_0_believes_every_time() -> None:
    sent = packets()
    playout = Playout(FORMAT, target_delay_ms=0, restart_ms=0)
    for packet in sent[:5] + placed(sent, 20 * 48_000, 5)[:5]:
        assert playout.push(packet, 0.0) == "kept" or packet.sequence >= 5
    assert playout.stats.restarts == playout.stats.packets_stray == 0


@pytest.mark.parametrize("wrong", [-1, 3_600_001])
def test_restart_out_of_range(wrong: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"restart_ms is {wrong}; expected 0"):
        Playout(FORMAT, restart_ms=wrong)


@pytest.mark.parametrize("mode", MODES)
def test_a_restart_that_ends_before_it_is_believed(mode: Mode) -> None:
    first, second = placed(packets(), DAY, 1_000_000), packets()[:3]
    playout = Playout(FORMAT, mode=mode, target_delay_ms=0)
    play(playout, paced(first), 1100)
    for packet in second:
        assert playout.push(packet, 1.1) == "stray"
    assert not playout.finished
    playout.finish(second[-1].end_samples, 3)
    assert not playout.finished
    for _ in range(12):
        playout.pull(480, 1.2)
    assert playout.finished
    assert playout.stats.restarts == 1
    assert heard(playout.take_log()) == 3 * FRAME


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rate", [8_000, 48_000])
@pytest.mark.parametrize("out_channels", [1, 2])
def test_packets_may_change_in_mid_stream(mode: Mode, rate: int, out_channels: int) -> None:
    """Frame length, bandwidth, mode of coding and channels: those of the output stay."""
    kinds = [
        packets(20, seconds=0.2),
        packets(60, seconds=0.24),
        packets(2.5, rate=48_000, seconds=0.2),
        packets(10, rate=8_000, channels=2, seconds=0.2),
        packets(120, rate=24_000, seconds=0.24),
        packets(40, rate=48_000, channels=2, seconds=0.2),
    ]
    sent: list[Packet] = []
    for kind in kinds:
        time = sent[-1].end_samples if sent else 0
        sent += placed(kind, time, len(sent))
    end = sent[-1].end_samples
    # A packet comes when all of it has been spoken.
    coming = [(p.end_samples / 48, p) for p in sent]
    playout = Playout(FORMAT, mode=mode, rate=rate, channels=out_channels, target_delay_ms=140)
    log, outcomes = play(playout, coming, end // 48 + 400)
    assert set(outcomes) == {"kept"}
    stats = playout.stats
    assert (stats.packets_lost, stats.packets_late, stats.restarts) == (0, 0, 0)
    scale = 48_000 // rate
    assert sum(s.media_samples or s.samples * scale for s in log if s.origin == "received") == end
    spans = [s for s in log if s.time_samples is not None and s.origin == "received"]
    at = 0
    for span in spans:
        assert span.time_samples == at
        at += span.media_samples or span.samples * scale


def with_a_pause() -> list[Packet]:
    """A second of sound, three of silence, a second of sound; as WebRTC sends them: of the packets
    that say that a pause goes on only the first, and numbers only for what is sent."""
    encoder = StreamEncoder(16_000, preset=replace(VOICE, dtx=True))
    sound = [(n * (150 + n // 400)) % 16_000 - 8_000 for n in range(16_000)]
    wave = [*sound, *([0] * 48_000), *sound]
    sent: list[Packet] = []
    pausing = False
    for packet in encoder.push(b"".join(v.to_bytes(2, "little", signed=True) for v in wave)):
        says_pause = len(packet.data) <= 2
        if not (says_pause and pausing):
            sent.append(replace(packet, sequence=len(sent)))
        pausing = says_pause
    return sent


@pytest.mark.parametrize("mode", MODES)
def test_a_pause_is_told_from_a_loss(mode: Mode) -> None:
    sent = with_a_pause()
    assert len(sent) < 150  # of 250
    playout = Playout(FORMAT, mode=mode, target_delay_ms=40)
    end = sent[-1].end_samples
    log, _ = play(playout, paced(sent), end // 48)
    stats = playout.stats
    assert stats.concealed_samples == stats.concealment_events == stats.interruptions == 0
    assert (stats.packets_lost, stats.packets_late, stats.restarts) == (0, 0, 0)
    pauses = sum(s.samples for s in log if s.missing == "unsent")
    assert pauses > 1.5 * 48_000
    # The delay is no other after the pause; `whole` begins with 40 ms of sound at hand.
    most = {"whole": 20 * 48, "fixed": 0, "adaptive": 30 * 48}[mode]
    assert abs(heard(log) + pauses - (end - 40 * 48)) <= most

    # And what is lost in it is a loss: the next number says so.
    lost = [p for p in sent if p.sequence != 20]
    playout = Playout(FORMAT, mode=mode, target_delay_ms=40)
    play(playout, paced(lost), end // 48)
    assert playout.stats.packets_lost == 1
    assert playout.stats.concealed_samples + playout.stats.fec_samples == FRAME


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step_s", [-3600.0, -0.3, 0.3, 3600.0])
def test_a_clock_that_is_set_does_not_end_the_sound(mode: Mode, step_s: float) -> None:
    sent = packets(seconds=4.0)
    playout = Playout(FORMAT, mode=mode, target_delay_ms=40)
    log: list[PlayedSpan] = []
    for n in range(len(sent) * 2 + 10):
        now = 1e5 + n / 100 + (step_s if n >= 100 else 0.0)
        if n % 2 == 0 and n // 2 < len(sent):
            playout.push(sent[n // 2], now)
        playout.pull(480, now + 0.005)
        log += playout.take_log()
    # `adaptive` may leave a little out in going over to the new time.
    missing = len(sent) * FRAME - heard(log)
    assert missing <= (0 if mode != "adaptive" else 48_000 // 4)
    assert playout.stats.concealed_samples < 48_000 // 2


@pytest.mark.parametrize("mode", MODES)
def test_a_clock_set_back_before_the_sound_begins(mode: Mode) -> None:
    sent = packets()
    playout = Playout(FORMAT, mode=mode, target_delay_ms=200)
    playout.push(sent[0], 1e6)
    playout.pull(480, 1e6)
    for n in range(1, 30):
        playout.push(sent[n], 5.0 + n / 50)
        playout.pull(960, 5.0 + n / 50)
    assert playout.stats.received_samples > 10 * FRAME


def test_packets_of_any_length_are_bounded_in_bytes() -> None:
    # Code 3, one frame, padding without end (RFC 6716 §3.2.5).
    padded = bytes([0x0B, 0x41]) + b"\xff" * 250 + b"\x00" + bytes(63_900)
    playout = Playout(FORMAT, target_delay_ms=0, max_buffer_ms=1000)
    with pytest.raises(InvalidPacketError, match="at most 65535"):
        playout.push(Packet(0, 0, FRAME, padded + bytes(2000)), 0.0)
    for n in range(1, 40):
        playout.push(Packet(n, n * FRAME, FRAME, padded), 0.0)
    # A second of the largest frames that there are: 510 kB.
    assert playout.buffered_ms <= 20 * (510_000 // len(padded))
    assert playout.stats.packets_overflow == 39 - 510_000 // len(padded)


@given(
    first_sequence=st.integers(0, 65_535),
    first_time=st.integers(0, (1 << 32) - 1),
    order=st.permutations(range(40)),
)
@settings(deadline=None, max_examples=40)
def test_rtp_numbers_that_wrap_in_any_order(
    first_sequence: int, first_time: int, order: list[int]
) -> None:
    """16 bits of sequence and 32 of time, extended so that neither becomes negative."""
    sent = packets()[:40]
    sequences = Unwrapper(16, (1 << 16) + first_sequence)
    times = Unwrapper(32, (1 << 32) + first_time)
    playout = Playout(FORMAT, target_delay_ms=0, begin=(times.highest, sequences.highest))
    for n in order:
        packet = replace(
            sent[n],
            sequence=sequences.extend((first_sequence + n) & 0xFFFF),
            time_samples=times.extend((first_time + n * FRAME) & 0xFFFF_FFFF),
        )
        assert playout.push(packet, 0.0) == "kept"
    playout.finish((1 << 32) + first_time + 40 * FRAME, (1 << 16) + first_sequence + 40)
    playout.pull(20 * FRAME, 0.0)
    playout.pull(20 * FRAME, 0.0)
    assert playout.finished
    (span,) = playout.take_log()
    assert (span.origin, span.samples) == ("received", 40 * FRAME)


@given(
    bits=st.sampled_from([16, 32]),
    begin=st.integers(0, 1 << 34),
    steps=st.lists(st.integers(), min_size=1, max_size=60),
)
def test_an_extended_number_is_the_one_that_was_sent(
    bits: int, begin: int, steps: list[int]
) -> None:
    """In any order within half the range of the highest seen."""
    unwrapper, half = Unwrapper(bits, begin), 1 << (bits - 1)
    highest = begin
    for step in steps:
        sent = highest + step % (2 * half - 1) - half + 1
        assert unwrapper.extend(sent & (2 * half - 1)) == sent - (
            2 * half if sent - highest == half else 0
        )
        highest = max(highest, sent)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -float("inf"), 1e300, -1e300])
def test_a_time_that_is_none_is_refused(now: float) -> None:
    playout = Playout(FORMAT, target_delay_ms=0)
    with pytest.raises(InvalidArgumentError, match="expected seconds by a monotonic clock"):
        playout.push(packets()[0], now)
    with pytest.raises(InvalidArgumentError, match="expected seconds by a monotonic clock"):
        playout.pull(480, now)
    assert playout.stats.played_samples == playout.stats.packets_received == 0


@pytest.mark.parametrize("number", [-1, 1 << 63, -(1 << 70)])
def test_numbers_of_any_size_are_refused_by_name(number: int) -> None:
    playout = Playout(FORMAT, target_delay_ms=0)
    packet = packets()[0]
    with pytest.raises(InvalidArgumentError, match="expected 0 up to"):
        playout.push(replace(packet, time_samples=number), 0.0)
    with pytest.raises(InvalidArgumentError, match="expected 0 up to"):
        playout.push(replace(packet, sequence=number), 0.0)
    with pytest.raises(InvalidArgumentError, match="expected 0 up to"):
        playout.finish(number, 0)
    with pytest.raises(InvalidArgumentError, match="samples are to be pulled; at most"):
        playout.pull(number, 0.0)


def test_the_furthest_times_are_played() -> None:
    playout = Playout(FORMAT, target_delay_ms=0)
    furthest = (1 << 53) - 1
    for now in (-9e9, 0.0, 9e9):
        playout.push(replace(packets()[0], time_samples=furthest, sequence=furthest), now)
        playout.pull(960, now)
    assert playout.stats.received_samples == FRAME
