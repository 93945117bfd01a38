"""Comfort noise through ``Playout``: as loud as the background was, counted, and no longer."""

from array import array
from dataclasses import replace
from random import Random

import pytest

from opuscule.codec import VOICE, StreamEncoder
from opuscule.levels import window_rms
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import PlayedSpan, Playout, PlayoutStats
from opuscule.playout.engine import Mode

FRAME = 960
FORMAT = StreamFormat(1, 0, 48_000)
FLOOR = 65.0
"""RMS of the background, of 32768: -54 dBFS."""
LAST = 100
"""Packets before the gap."""


def packets(floor: float, count: int = 150) -> list[Packet]:
    """Words of 300 ms and pauses of 200 ms over white noise."""
    random = Random(1)
    wave = array("h")
    for n in range(count * 320):
        word = (n * 150) % 8_000 - 4_000 if n % 8_000 < 4_800 else 0
        wave.append(round(word + random.gauss(0.0, floor)))
    settings = replace(VOICE, fec=False, loss_percent=0, dtx=False, bitrate=32_000)
    return StreamEncoder(16_000, preset=settings).push(wave)


def play(
    sent: list[Packet], mode: Mode, gap: range, pulls: int
) -> tuple[list[float], PlayoutStats, list[PlayedSpan]]:
    """The RMS of each 20 ms, of 32768; each packet comes in time, but for those of the gap."""
    playout = Playout(FORMAT, mode=mode, target_delay_ms=20)
    pcm = b""
    for pull in range(pulls):
        if pull < len(sent) and pull not in gap:
            playout.push(sent[pull], pull * 0.02)
        pcm += playout.pull(FRAME, pull * 0.02 + 0.01)
    levels = [level * 32_768 for level in window_rms(pcm, 1, FRAME)]
    return levels, playout.stats, playout.take_log()


def exact(stats: PlayoutStats) -> bool:
    parts = ("received", "fec", "dred", "plc", "stretched", "comfort_noise", "silence")
    made: list[int] = [getattr(stats, f"{part}_samples") for part in parts]
    return sum(made) == stats.played_samples


@pytest.mark.parametrize("mode", ["fixed", "adaptive"])
def test_the_background_goes_on_where_concealment_has_faded(mode: Mode) -> None:
    levels, stats, log = play(packets(FLOOR), mode, range(LAST, LAST + 40), 150)
    # Half a second after the gap began, up to its end.
    noise = levels[LAST + 28 : LAST + 39]
    assert all(FLOOR / 2 < level < FLOOR * 1.6 for level in noise)
    assert stats.comfort_noise_samples > 12 * FRAME
    assert stats.silent_concealed_samples == stats.comfort_noise_samples
    assert stats.concealed_samples == stats.comfort_noise_samples + stats.plc_samples
    assert exact(stats)
    in_log = [span for span in log if span.origin == "comfort_noise"]
    assert sum(span.samples for span in in_log) == stats.comfort_noise_samples
    assert {span.missing for span in in_log} <= {None, "lost"}
    assert stats.speech_expand_rate == stats.plc_samples / stats.played_samples


def test_mode_whole_makes_no_noise_of_its_own() -> None:
    levels, stats, _ = play(packets(FLOOR), "whole", range(LAST, LAST + 40), 139)
    assert set(levels[LAST + 28 : LAST + 39]) == {0.0}
    assert stats.comfort_noise_samples == 0
    assert exact(stats)


def test_digital_silence_leaves_silence() -> None:
    encoder = StreamEncoder(16_000, preset=replace(VOICE, dtx=False))
    levels, stats, _ = play(encoder.push(bytes(LAST * 640)), "adaptive", range(0), 150)
    assert set(levels[LAST + 28 :]) == {0.0}
    assert stats.comfort_noise_samples == 0
    assert stats.silence_samples > 20 * FRAME


def test_the_noise_ends_where_nothing_comes_any_more() -> None:
    sent = packets(FLOOR)[:LAST]
    levels, stats, log = play(sent, "adaptive", range(0), LAST + 300)
    made_up = stats.plc_samples + stats.comfort_noise_samples
    assert made_up == 5 * 48_000
    assert FLOOR / 2 < levels[LAST + 140] < FLOOR * 1.6
    assert levels[LAST + 240] < FLOOR / 2
    assert set(levels[LAST + 252 :]) == {0.0}
    assert log[-1].origin == "silence"
    assert exact(stats)
