"""Playout driven by hypothesis: anything pushed, pulled and said, in any order and at any times."""

import functools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opuscule.codec import VOICE, EncoderSettings, StreamEncoder
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Playout

KINDS: tuple[tuple[int, int, float, EncoderSettings], ...] = (
    (16_000, 1, 20, VOICE),
    (16_000, 1, 40, EncoderSettings(fec=False, loss_percent=20, dred_ms=300, complexity=2)),
    (48_000, 2, 2.5, EncoderSettings(fec=False, loss_percent=0)),
    (8_000, 1, 60, EncoderSettings(fec=False, loss_percent=0)),
)


@functools.cache
def packets(kind: int) -> list[tuple[bytes, int]]:
    """Bytes, and the samples at 48 kHz that they hold."""
    rate, channels, frame_ms, preset = KINDS[kind]
    encoder = StreamEncoder(rate, channels=channels, frame_ms=frame_ms, preset=preset)
    wave = ((n * 170) % 12_000 - 6_000 for n in range(rate // 4 * channels))
    sent = encoder.push(b"".join(value.to_bytes(2, "little", signed=True) for value in wave))
    return [(packet.data, packet.duration_samples) for packet in sent[:20]]


sound = st.builds(
    lambda kind, n: packets(kind)[n % len(packets(kind))], st.integers(0, 3), st.integers(0, 19)
)
steps_s = st.floats(0, 0.3) | st.sampled_from([0.0, 0.02, -1.0, 3600.0, -3600.0])
anywhere = st.integers(-1, 1 << 53) | st.integers(0, 200_000)


class PlayoutMachine(RuleBasedStateMachine):
    """What is known of a playout without knowing how it decides."""

    playout: Playout

    @initialize(
        rate=st.sampled_from([8_000, 12_000, 16_000, 24_000, 48_000]),
        channels=st.integers(1, 2),
        pre_skip=st.sampled_from([0, 312]),
        mode=st.sampled_from(["whole", "fixed", "adaptive"]),
        target_delay_ms=st.sampled_from([0, 20, 100]),
        max_buffer_ms=st.sampled_from([100, 300, 5000]),
        complexity=st.sampled_from([0, 5, 7]),
        falls=st.booleans(),
        begin=st.none() | st.just((0, 0)),
        restart_ms=st.sampled_from([0, 100, 5000]),
        late_per_mille=st.sampled_from([0, 10, 1000]),
    )
    def start(self, rate: int, channels: int, pre_skip: int, falls: bool, **options: Any) -> None:
        if falls and options["mode"] != "whole":
            options["least_complexity"] = 0
        self.complexity = options["complexity"]
        stream = StreamFormat(channels, pre_skip, 48_000)
        self.playout = Playout(stream, rate=rate, channels=channels, **options)
        self.max_buffer_ms = options["max_buffer_ms"]
        self.now = 1e5
        self.time_samples = self.sequence = 0
        self.pulled = self.pushed = self.refused = 0
        self.played_to = self.backwards = 0
        self.ended = False

    def push(self, sequence: int, time_samples: int, data: bytes, *, jump: bool) -> None:
        packet = Packet(sequence, time_samples, 960, data)
        try:
            outcome = self.playout.push(packet, self.now, discontinuity=jump)
            assert outcome in ("kept", "duplicate", "late", "stray")
            self.pushed += 1
        except (InvalidPacketError, InvalidArgumentError):
            self.refused += 1

    @rule(
        packet=sound,
        lost=st.sampled_from([0, 0, 0, 1, 3, 20]),
        pause=st.sampled_from([0, 0, 0, 960, 48_000]),
        jump=st.booleans(),
        count=st.integers(1, 6),
    )
    def the_sender_goes_on(
        self, packet: tuple[bytes, int], lost: int, pause: int, jump: bool, count: int
    ) -> None:
        data, duration = packet
        self.sequence += lost
        self.time_samples += lost * 960 + pause
        for _ in range(count):
            self.push(self.sequence, self.time_samples, data, jump=jump)
            self.sequence += 1
            self.time_samples += duration
            self.now += 0.02

    @rule(packet=sound, back=st.integers(1, 10), off=st.sampled_from([0, 0, 1, 480]))
    def an_old_one_comes(self, packet: tuple[bytes, int], back: int, off: int) -> None:
        time_samples = self.time_samples - back * 960 + off
        self.push(self.sequence - back, time_samples, packet[0], jump=False)

    @rule(
        data=sound.map(lambda packet: packet[0]) | st.binary(max_size=20),
        sequence=anywhere,
        time_samples=anywhere,
    )
    def any_one_comes(self, data: bytes, sequence: int, time_samples: int) -> None:
        self.push(sequence, time_samples, data, jump=False)

    @rule(sequence=st.integers(0, 1 << 40), time_samples=st.integers(0, 1 << 40))
    def the_sender_begins_anew(self, sequence: int, time_samples: int) -> None:
        self.sequence, self.time_samples = sequence, time_samples

    @rule(step_s=steps_s)
    def time_passes(self, step_s: float) -> None:
        self.now += step_s

    @rule(samples=st.sampled_from([0, 1, 7, 80, 480, 960, 5000, 24_000]), times=st.integers(1, 5))
    def pull(self, samples: int, times: int) -> None:
        for _ in range(times):
            pcm = self.playout.pull(samples, self.now)
            assert len(pcm) == samples * 2 * self.playout.channels
            self.pulled += samples
            log = self.playout.take_log()
            assert sum(span.samples for span in log) == samples
            scale = 48_000 // self.playout.rate
            for span in log:
                if span.time_samples is not None:
                    self.backwards += span.time_samples < self.played_to
                    media = span.media_samples
                    length = span.samples * scale if media is None else media
                    self.played_to = span.time_samples + length

    @precondition(lambda self: not self.ended)
    @rule(pulls=st.integers(20, 60), slower=st.sampled_from([0.5, 1.0, 1.1, 3.0]))
    def there_is_much_to_do(self, pulls: int, slower: float) -> None:
        for _ in range(pulls):
            self.now += 0.02 * slower
            self.pull(self.playout.rate // 50, 1)

    @rule(late_s=st.none() | st.floats(-1e6, 1e6) | st.floats(0, 0.5), near=st.booleans())
    def another_stream_is_waited_for(self, late_s: float | None, near: bool) -> None:
        lag_s = self.playout.lag_s
        assert (lag_s is None) or self.playout.mode == "adaptive"
        if late_s is not None and near and lag_s is not None:
            late_s += lag_s
        self.playout.keep_lag(late_s)

    @rule(off=st.integers(-2000, 2000))
    def the_end_is_said(self, off: int) -> None:
        self.ended = True
        self.playout.finish(max(0, self.time_samples + off), max(0, self.sequence))

    @invariant()
    def all_is_accounted_for(self) -> None:
        stats = self.playout.stats
        parts = ("received", "fec", "dred", "plc", "stretched", "comfort_noise", "silence")
        assert sum(getattr(stats, f"{part}_samples") for part in parts) == self.pulled
        assert stats.played_samples == self.pulled
        assert 0 <= stats.complexity <= self.complexity
        assert stats.silent_concealed_samples <= stats.concealed_samples <= self.pulled
        assert self.backwards <= stats.restarts
        assert stats.jitter_buffer_emitted_count <= self.pulled + stats.removed_samples
        assert all(value >= 0 for value in stats.webrtc().values())
        # What was pushed was taken, late, there already, given up, a stray, or still kept aside.
        fates = stats.packets_received + stats.packets_duplicate + stats.packets_stray
        assert fates <= self.pushed

    @invariant()
    def what_waits_is_bounded(self) -> None:
        # Besides: a packet on each side, and what was decoded ahead, made longer.
        assert self.playout.buffered_ms <= max(120, self.max_buffer_ms) + 2 * 120 + 360


TestPlayout = PlayoutMachine.TestCase
TestPlayout.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
