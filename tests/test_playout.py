"""The playout engine and the stream decoder, through their public calls."""

import functools
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.codec import VOICE, Decoder, EncoderSettings, StreamEncoder
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Mode, PlayedSpan, Playout, PlayoutStats, StreamDecoder
from opuscule.units import MEDIA_RATE

FAR_S = 1e6
"""A time at which everything that will come has come."""

STREAMS = {
    "none": EncoderSettings(fec=False, loss_percent=0, dtx=False),
    "fec": replace(VOICE, loss_percent=20, dtx=False),
    "dred": EncoderSettings(
        bitrate=32_000, fec=False, loss_percent=20, dtx=False, dred_ms=500, complexity=2
    ),
}


@dataclass(frozen=True)
class Stream:
    format: StreamFormat
    packets: list[Packet]
    end_samples: int

    @property
    def valid_samples(self) -> int:
        return self.end_samples - self.format.pre_skip_samples


def buzz(samples: int) -> bytes:
    """A sawtooth that comes and goes, so that every frame is another and FEC has a voice."""
    wave = bytearray()
    for n in range(samples):
        value = ((n * (100 + n // 3000)) % 16_000 - 8_000) * (n % 4000) // 4000
        wave += value.to_bytes(2, "little", signed=True)
    return bytes(wave)


@functools.cache
def stream(kind: str = "fec", frame_ms: float = 20, samples: int = 16_007) -> Stream:
    encoder = StreamEncoder(16_000, frame_ms=frame_ms, preset=STREAMS[kind])
    packets = encoder.push(buzz(samples)) + encoder.finish()
    return Stream(encoder.format, packets, encoder.end_samples)


@functools.cache
def decoded(kind: str = "fec", frame_ms: float = 20, rate: int = 48_000) -> bytes:
    """All of a stream, by the plain decoder."""
    source = stream(kind, frame_ms)
    decoder = Decoder(rate)
    whole = b"".join(bytes(decoder.decode(p.data)) for p in source.packets)
    scale = MEDIA_RATE // rate
    return whole[source.format.pre_skip_samples // scale * 2 : source.end_samples // scale * 2]


def drain(playout: Playout, now: float = FAR_S, samples: int = 960) -> bytes:
    """Pull a finished stream to its end."""
    out = b""
    for _ in range(100_000):
        if playout.finished:
            return out
        out += playout.pull(samples, now)
    raise AssertionError("the stream does not finish")


def balanced(stats: PlayoutStats) -> bool:
    made = stats.received_samples + stats.fec_samples + stats.dred_samples
    made += stats.plc_samples + stats.comfort_noise_samples
    return made + stats.silence_samples == stats.played_samples


def media_played(log: list[PlayedSpan]) -> int:
    return sum(span.samples for span in log if span.time_samples is not None)


# Undamaged


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("frame_ms", [2.5, 20, 60, 120])
@pytest.mark.parametrize("kind", STREAMS)
def test_undamaged_is_the_sequential_decode(kind: str, frame_ms: float, rate: int) -> None:
    source = stream(kind, frame_ms)
    playout = Playout(source.format, rate=rate)
    for packet in source.packets:
        assert playout.push(packet, packet.time_samples / MEDIA_RATE) == "kept"
    playout.finish(source.end_samples, len(source.packets))
    out = drain(playout, samples=rate // 100)
    expected = decoded(kind, frame_ms, rate)
    assert out[: len(expected)] == expected
    assert not any(out[len(expected) :])
    stats = playout.stats
    assert stats.received_samples == len(expected) // 2
    assert stats.silence_samples == stats.played_samples - stats.received_samples
    assert (stats.packets_received, stats.packets_lost) == (len(source.packets), 0)


def test_the_first_packet_is_held_back() -> None:
    source = stream()
    playout = Playout(source.format, target_delay_ms=60)
    playout.push(source.packets[0], 5.0)
    assert not any(playout.pull(480, 5.0))
    assert not any(playout.pull(480, 5.059))
    assert playout.stats.received_samples == 0
    playout.pull(480, 5.06)
    assert playout.stats.received_samples == 480


def test_as_much_audio_as_the_delay_ends_the_hold() -> None:
    source = stream()
    playout = Playout(source.format, target_delay_ms=60)
    for packet in source.packets[:3]:
        playout.push(packet, 5.0)
    playout.pull(480, 5.0)
    assert playout.stats.received_samples == 480


# Damaged in any way


@dataclass(frozen=True)
class Damage:
    """What the network does to each packet: how often it comes, and how late in ms."""

    copies: list[int]
    late_ms: list[int]


def damages(packets: int) -> st.SearchStrategy[Damage]:
    bursts = st.lists(st.tuples(st.sampled_from([0, 1, 1, 1, 2]), st.integers(1, 12)), min_size=1)
    copies = bursts.map(lambda runs: [n for n, times in runs for _ in range(times)])
    delays = st.lists(st.integers(0, 400) | st.just(0), min_size=1, max_size=packets)

    def fit(values: list[int]) -> list[int]:
        return [values[i % len(values)] for i in range(packets)]

    return st.builds(Damage, copies=copies.map(fit), late_ms=delays.map(fit))


@given(data=st.data())
@settings(deadline=None, max_examples=120)
def test_whatever_comes_everything_is_accounted_for(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(STREAMS)))
    frame_ms = data.draw(st.sampled_from([10, 20, 60]))
    rate = data.draw(st.sampled_from([8_000, 16_000, 48_000]))
    source = stream(kind, frame_ms)
    damage = data.draw(damages(len(source.packets)))
    # Single samples, too, but not the whole stream by single samples.
    pulls = [*data.draw(st.lists(st.integers(1, 3000), min_size=3, max_size=20)), 960]
    delay_ms = data.draw(st.sampled_from([0, 60, 200]))
    playout = Playout(source.format, rate=rate, target_delay_ms=delay_ms)

    arrivals = sorted(
        (packet.time_samples / MEDIA_RATE + damage.late_ms[i] / 1000, packet.sequence)
        for i, packet in enumerate(source.packets)
        for _ in range(damage.copies[i])
    )
    last = max((at for at, _ in arrivals), default=0.0)
    outcomes: dict[str, int] = {"kept": 0, "late": 0, "duplicate": 0}
    log: list[PlayedSpan] = []
    pulled = 0
    turn = 0
    while arrivals:
        # The ear pulls at its own pace; what has arrived meanwhile is pushed first.
        while arrivals and arrivals[0][0] <= pulled / rate:
            at, sequence = arrivals.pop(0)
            outcomes[playout.push(source.packets[sequence], at)] += 1
        samples = pulls[turn % len(pulls)]
        turn += 1
        assert len(playout.pull(samples, pulled / rate)) == 2 * samples
        pulled += samples
        log += playout.take_log()
        assert balanced(playout.stats)
    playout.finish(source.end_samples, len(source.packets))
    stalled = max(last, pulled / rate) + 1
    for _ in range(len(source.packets) * 40):
        if playout.finished:
            break
        playout.pull(480, stalled)
        pulled += 480
        log += playout.take_log()

    assert playout.finished
    stats = playout.stats
    assert stats.played_samples == pulled == sum(span.samples for span in log)
    assert stats.packets_received == outcomes["kept"]
    assert stats.packets_late == outcomes["late"]
    assert stats.packets_duplicate == outcomes["duplicate"]
    if not stats.packets_received:
        return  # nothing came, so there was nothing to begin with
    assert stats.packets_received + stats.packets_lost == len(source.packets)
    assert stats.packets_overflow == 0
    # Nothing is played twice, nothing out of order, nothing outside the audio.
    scale = MEDIA_RATE // rate
    placed = [(s.time_samples, s.samples * scale) for s in log if s.time_samples is not None]
    assert all(time + length <= later for (time, length), (later, _) in pairwise(placed))
    assert all(time >= source.format.pre_skip_samples - scale for time, _ in placed)
    # The end was said late here: the last packet's padding may have been played by then.
    end = source.packets[-1].end_samples
    assert all(time + length <= end for time, length in placed)
    # All of it is played, but for losses that an underrun before them stood for.
    stood_in = sum(s.samples for s in log if s.time_samples is None)
    assert (media_played(log) + stood_in + 1) * scale >= source.valid_samples
    if kind == "none":
        assert stats.fec_samples == stats.dred_samples == 0


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_losses_alone_keep_the_length(data: st.DataObject) -> None:
    """Without an underrun, what is played is the stream's length to the sample."""
    kind = data.draw(st.sampled_from(sorted(STREAMS)))
    frame_ms = data.draw(st.sampled_from([10, 20, 60]))
    source = stream(kind, frame_ms)
    lost = data.draw(st.sets(st.integers(0, len(source.packets) - 1)))
    order = data.draw(st.permutations([p for p in source.packets if p.sequence not in lost]))
    playout = Playout(source.format)
    for packet in order:
        playout.push(packet, 0.0)
    playout.finish(source.end_samples, len(source.packets))
    pieces = [*data.draw(st.lists(st.integers(1, 3000), min_size=1, max_size=9)), 960]
    log = []
    for turn in range(100_000):
        if playout.finished:
            break
        playout.pull(pieces[turn % len(pieces)], FAR_S)
        log += playout.take_log()
    assert playout.finished
    if not order:
        return  # nothing came: there is nothing to begin with
    assert media_played(log) == source.valid_samples
    stats = playout.stats
    assert stats.packets_lost == len(lost)
    assert bool(stats.concealment_events) <= bool(lost)
    assert sum(s.samples for s in log if s.origin == "received") == stats.received_samples


def play_all(source: Stream, gone: set[int], **options: Any) -> tuple[Playout, list[PlayedSpan]]:
    playout = Playout(source.format, **options)
    for packet in source.packets:
        if packet.sequence not in gone:
            playout.push(packet, 0.0)
    playout.finish(source.end_samples, len(source.packets))
    drain(playout)
    return playout, playout.take_log()


@pytest.mark.row("C6")
def test_each_means_fills_what_it_can() -> None:
    lost = {20, 21, 22}
    for kind, expected in [
        ("none", {"plc": 3 * 960}),
        ("fec", {"plc": 2 * 960, "fec": 960}),
        ("dred", {"dred": 3 * 960}),
    ]:
        _, log = play_all(stream(kind), lost)
        filled: dict[str, int] = {}
        for span in log:
            if span.time_samples is not None and span.origin != "received":
                filled[span.origin] = filled.get(span.origin, 0) + span.samples
        assert filled == expected, kind


def test_concealment_ends_in_silence() -> None:
    source = stream("none")
    playout, log = play_all(source, set(range(10, 45)))
    spans = [s for s in log if s.time_samples is not None]
    assert [s.origin for s in spans] == ["received", "plc", "silence", "received"]
    assert spans[1].samples == 24_000
    assert playout.stats.concealment_events == 1
    assert playout.stats.packets_lost == 35


# One thing each


def test_late_and_duplicate_packets_are_counted_and_not_played() -> None:
    source = stream("none")
    playout = Playout(source.format, target_delay_ms=0)
    first, second, third, fourth = source.packets[:4]
    playout.push(first, 0.0)
    assert playout.push(first, 0.0) == "duplicate"
    playout.push(third, 0.0)
    playout.pull(960 * 2, 0.0)
    assert playout.push(first, 0.0) == "late"
    assert playout.push(second, 0.0) == "late"
    assert playout.push(fourth, 0.0) == "kept"
    stats = playout.stats
    assert (stats.packets_late, stats.packets_duplicate, stats.packets_lost) == (2, 1, 1)


def test_a_full_buffer_gives_up_the_oldest() -> None:
    source = stream("none")
    playout = Playout(source.format, target_delay_ms=20, max_buffer_ms=100)
    for packet in source.packets[:20]:
        playout.push(packet, 0.0)
        assert playout.buffered_ms <= 100
    assert playout.stats.packets_overflow == 15
    assert playout.stats.packets_lost == 0
    playout.pull(4800, FAR_S)
    (span,) = playout.take_log()
    assert (span.origin, span.time_samples) == ("received", source.packets[15].time_samples)


@given(
    lost=st.sets(st.integers(0, 100), max_size=60),
    pulls=st.dictionaries(st.integers(0, 100), st.integers(1, 9600), max_size=8),
)
@settings(deadline=None, max_examples=60)
def test_each_packet_has_one_fate(lost: set[int], pulls: dict[int, int]) -> None:
    """Played, lost or given up, also when the buffer is too small."""
    source = stream("none", 10)
    playout = Playout(source.format, target_delay_ms=40, max_buffer_ms=100)
    late = given_up = 0
    for packet in source.packets:
        if packet.sequence not in lost:
            late += playout.push(packet, 0.0) == "late"
        if packet.sequence in pulls:
            playout.pull(pulls[packet.sequence], 0.0)
        given_up = playout.stats.packets_overflow
        assert playout.buffered_ms <= 120  # what waits, and a packet that is decoded already
    playout.finish(source.end_samples, len(source.packets))
    drain(playout)
    stats = playout.stats
    assert balanced(stats)
    assert late == 0
    assert stats.packets_overflow == given_up
    if stats.packets_received:
        assert stats.packets_received + stats.packets_lost == len(source.packets)
    # What was given up is not concealed: that would not have made room.
    assert stats.plc_samples <= stats.packets_lost * 480 + 2880 * stats.concealment_events


@pytest.mark.parametrize("discontinuity", [False, True])
def test_what_was_not_sent_is_not_lost(discontinuity: bool) -> None:
    source = stream("fec")
    pause = 9600  # media time moves on and no sequence number is missing
    packets = source.packets[:10] + [
        replace(p, time_samples=p.time_samples + pause) for p in source.packets[10:20]
    ]
    playout = Playout(source.format)
    for packet in packets:
        jump = discontinuity and packet.sequence == 10
        playout.push(packet, 0.0, discontinuity=jump)
    playout.finish(packets[-1].end_samples, len(packets))
    drain(playout)
    spans = [s for s in playout.take_log() if s.time_samples is not None]
    filled = "silence" if discontinuity else "comfort_noise"
    assert [s.origin for s in spans] == ["received", filled, "received"]
    assert (spans[1].time_samples, spans[1].samples) == (9600, pause)
    stats = playout.stats
    assert (stats.packets_lost, stats.plc_samples, stats.fec_samples) == (0, 0, 0)
    assert stats.concealment_events == 0


@pytest.mark.parametrize("stall_ms", [20, 60, 500, 3000])
def test_a_stall_loses_nothing(stall_ms: int) -> None:
    """As TCP does: nothing, and then all of it. Late is not lost, so it is played."""
    source = stream("fec")
    playout = Playout(source.format, target_delay_ms=0)
    for packet in source.packets[:20]:
        playout.push(packet, 0.0)
    out = b""
    for _ in range(20 * 2 + stall_ms // 10):
        out += playout.pull(480, 0.0)
    assert not playout.finished
    for packet in source.packets[20:]:
        assert playout.push(packet, 1.0) == "kept"
    playout.finish(source.end_samples, len(source.packets))
    out += drain(playout)
    stats = playout.stats
    assert stats.packets_lost == stats.packets_late == 0
    assert stats.received_samples == source.valid_samples
    # Concealment changes what the decoder remembers, so only what came before is the same.
    before = 20 * 960 - source.format.pre_skip_samples
    assert out[: 2 * before] == decoded("fec")[: 2 * before]
    assert stats.plc_samples <= 960 * 3


def test_losses_after_a_stall_do_not_add_to_the_delay() -> None:
    source = stream("none")
    playout = Playout(source.format, target_delay_ms=0)
    for packet in source.packets[:20]:
        playout.push(packet, 0.0)
    played_at_end = 20 * 960 - source.format.pre_skip_samples
    playout.pull(played_at_end, 0.0)
    playout.pull(960 * 5, 0.0)  # an underrun of 100 ms, and then 5 packets turn out to be lost
    for packet in source.packets[25:]:
        playout.push(packet, 0.0)
    playout.take_log()
    playout.pull(960, 0.0)
    (span,) = playout.take_log()
    assert (span.origin, span.time_samples) == ("received", source.packets[25].time_samples)
    assert playout.stats.packets_lost == 5


def test_a_stream_joined_under_way_begins_where_it_is() -> None:
    source = stream("none")
    late = [
        replace(p, sequence=p.sequence + 500, time_samples=p.time_samples + 480_000)
        for p in source.packets[:5]
    ]
    playout = Playout(source.format, target_delay_ms=0)
    for packet in late:
        playout.push(packet, 0.0)
    playout.pull(960, 0.0)
    (span,) = playout.take_log()
    assert (span.origin, span.time_samples) == ("received", 480_000)
    assert playout.stats.packets_lost == 0


def test_packets_that_overlap_are_not_played_twice() -> None:
    source = stream("none")
    playout = Playout(source.format, target_delay_ms=0, max_buffer_ms=100)
    for sequence in range(2000):
        packet = replace(source.packets[5], sequence=sequence, time_samples=sequence)
        playout.push(packet, 0.0)
    playout.pull(9600, 0.0)
    log = [span for span in playout.take_log() if span.time_samples is not None]
    ends = [s.time_samples + s.samples for s in log if s.time_samples is not None]
    assert all(end <= (s.time_samples or 0) for end, s in zip(ends, log[1:], strict=False))
    assert sum(s.samples for s in log) <= 2000 + 960
    # No more wait than the shortest packets that could fill the time.
    assert playout.stats.packets_overflow >= 2000 - 100 * 48 // 120


def test_what_is_no_packet_is_refused_and_concealed() -> None:
    source = stream("none")
    playout = Playout(source.format, target_delay_ms=0)
    for packet in source.packets[:10]:
        if packet.sequence == 5:
            for data in (b"", b"\x4b\x00", b"\x4b"):
                with pytest.raises(InvalidPacketError):
                    playout.push(replace(packet, data=data), 0.0)
        else:
            playout.push(packet, 0.0)
    playout.finish(source.packets[9].end_samples, 10)
    drain(playout)
    assert playout.stats.packets_lost == 1
    assert playout.stats.plc_samples == 960


def test_a_packet_whose_body_is_none_is_concealed() -> None:
    source = stream("none")
    broken = replace(source.packets[5], data=b"\x49" + bytes(3))  # rule R3 of RFC 6716
    packets = [*source.packets[:5], replace(broken, duration_samples=1920), *source.packets[7:10]]
    playout = Playout(source.format, target_delay_ms=0)
    for packet in packets:
        playout.push(packet, 0.0)
    playout.finish(packets[-1].end_samples, 10)
    drain(playout)
    spans = [s for s in playout.take_log() if s.time_samples is not None]
    assert [s.origin for s in spans] == ["received", "plc", "received"]
    assert (spans[1].time_samples, spans[1].samples) == (5 * 960, 1920)


def test_a_place_beyond_all_time_is_refused() -> None:
    source = stream("none")
    playout = Playout(source.format)
    for wrong in (-1, 1 << 53):
        with pytest.raises(InvalidArgumentError, match="expected 0 up to"):
            playout.push(replace(source.packets[0], time_samples=wrong), 0.0)
        with pytest.raises(InvalidArgumentError, match="expected 0 up to"):
            playout.push(replace(source.packets[0], sequence=wrong), 0.0)
        with pytest.raises(InvalidArgumentError, match="expected 0 up to"):
            playout.finish(wrong, 0)
    assert playout.stats.packets_received == 0


def test_jitter_follows_rfc_3550() -> None:
    source = stream("none")
    playout = Playout(source.format)
    expected = 0.0
    late_ms = [0, 7, 3, 21, 0, 0, 40, 40, 5]
    for packet, late, before in zip(source.packets, late_ms, [0, *late_ms], strict=False):
        playout.push(packet, packet.time_samples / MEDIA_RATE + late / 1000)
        expected += (abs(late - before) - expected) / 16
    assert playout.stats.jitter_ms == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 44_100}, "rate is 44100"),
        ({"channels": 3}, "channels is 3"),
        ({"complexity": 11}, "complexity is 11"),
        ({"max_buffer_ms": 19}, "max_buffer_ms 19"),
        ({"max_buffer_ms": 60_001}, "max_buffer_ms 60001"),
        ({"target_delay_ms": 200, "max_buffer_ms": 100}, "target_delay_ms is 200"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        Playout(stream().format, **options)


def test_a_pull_is_bounded() -> None:
    playout = Playout(stream().format, channels=2)
    assert len(playout.pull(48_000, 0.0)) == 48_000 * 4
    with pytest.raises(InvalidArgumentError, match=r"48001 samples.*at most 48000"):
        playout.pull(48_001, 0.0)


# The stream decoder


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("frame_ms", [2.5, 20, 60])
def test_the_stream_decoder_is_sequential(frame_ms: float, rate: int) -> None:
    source = stream("fec", frame_ms)
    decoder = StreamDecoder(source.format, rate=rate)
    out = b"".join(piece for packet in source.packets for piece in decoder.push(packet))
    out += b"".join(decoder.finish(source.end_samples, len(source.packets)))
    assert out == decoded("fec", frame_ms, rate)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_the_stream_decoder_fills_every_gap(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(STREAMS)))
    source = stream(kind, data.draw(st.sampled_from([10, 20, 60])))
    lost = data.draw(st.sets(st.integers(0, len(source.packets) - 1)))
    decoder = StreamDecoder(source.format)
    out = b""
    for packet in source.packets:
        if packet.sequence not in lost:
            out += b"".join(decoder.push(packet))
            # Up to the packet itself, of which only what follows tells how much is audio.
            assert len(out) == 2 * max(0, packet.time_samples - source.format.pre_skip_samples)
    out += b"".join(decoder.finish(source.end_samples, len(source.packets)))
    assert len(out) == 2 * source.valid_samples
    assert balanced(decoder.stats)
    if len(lost) < len(source.packets):
        assert decoder.stats.packets_lost == len(lost)


def held_up(packet: Packet) -> int:
    """When a packet arrives, in milliseconds, on a network that stops from 1 s to 1.5 s."""
    sent_ms = packet.time_samples // 48
    return 1500 if 1000 <= sent_ms < 1500 else sent_ms


@pytest.mark.parametrize("mode", ["whole", "fixed", "adaptive"])
def test_a_stall_by_mode(mode: Mode) -> None:
    source = stream("none", samples=4 * 16_000)
    playout = Playout(source.format, mode=mode, target_delay_ms=20)
    waiting = sorted(source.packets, key=held_up)
    for now_ms in range(5, 5000, 10):
        while waiting and held_up(waiting[0]) <= now_ms:
            playout.push(waiting.pop(0), now_ms / 1000)
        assert len(playout.pull(480, now_ms / 1000)) == 960
    stats = playout.stats
    parts = ("received", "fec", "dred", "plc", "stretched", "comfort_noise", "silence")
    assert sum(getattr(stats, f"{part}_samples") for part in parts) == stats.played_samples
    spans = playout.take_log()
    heard = sum(s.media_samples or s.samples for s in spans if s.origin == "received")
    sent = sum(p.duration_samples for p in source.packets) - source.format.pre_skip_samples
    if mode == "fixed":
        assert stats.packets_late > 20
        assert heard < sent - 20_000
    elif mode == "whole":
        assert stats.packets_late == 0
        assert heard == sent
    else:
        # No more is left out than 280 ms; of the rest nothing, but it is played faster.
        assert sent - 280 * 48 <= heard < sent
        assert 5_000 < stats.removed_samples < (500 - 280) * 48
    assert (stats.removed_samples > 0) == (mode == "adaptive")
    assert (stats.stretched_samples > 0) == (mode == "adaptive")


@pytest.mark.parametrize(
    "bad",
    [
        {"max_delay_ms": -1},
        {"max_delay_ms": 60_001},
        {"mode": "adaptive", "target_delay_ms": 200, "max_delay_ms": 100},
        {"late_per_mille": -1},
        {"late_per_mille": 1001},
    ],
)
def test_settings_out_of_range(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"expected (0 <=|at most) max_delay_ms"):
        Playout(stream().format, **bad)


def test_a_mode_that_there_is_not() -> None:
    with pytest.raises(InvalidArgumentError, match="expected whole, fixed or adaptive"):
        Playout(stream().format, mode="fast")  # type: ignore[arg-type]  # on purpose
