"""One stream decoded in order: where it begins, its gain, its jumps, its losses."""

import math
from array import array
from dataclasses import replace

import pytest

from opuscule.codec import Decoder, StreamEncoder
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Playout, PlayoutStats, StreamDecoder

_HOUR = 3600 * 48_000


def speak(seconds: float = 2.0) -> tuple[StreamFormat, list[Packet], int]:
    """A tone at 48 kHz: format, packets, end."""
    samples = round(48_000 * seconds)
    tone = array("h", (round(8000 * math.sin(k * 0.06)) for k in range(samples)))
    encoder = StreamEncoder(48_000, 1)
    packets = encoder.push(tone) + encoder.finish()
    return encoder.format, packets, encoder.end_samples


def shifted(packets: list[Packet], samples: int, sequences: int) -> list[Packet]:
    return [
        replace(p, time_samples=p.time_samples + samples, sequence=p.sequence + sequences)
        for p in packets
    ]


def decode(decoder: StreamDecoder, packets: list[Packet], end: int, sequences: int) -> bytes:
    pcm = b"".join(piece for packet in packets for piece in decoder.push(packet))
    return pcm + b"".join(decoder.finish(end, sequences))


def parts(stats: PlayoutStats) -> int:
    return (
        stats.received_samples
        + stats.fec_samples
        + stats.dred_samples
        + stats.plc_samples
        + stats.silence_samples
    )


def test_a_continued_stream_begins_where_it_says() -> None:
    form, packets, end = speak()
    plain = decode(StreamDecoder(form), packets, end, len(packets))
    decoder = StreamDecoder(form, first_samples=_HOUR, first_sequence=5000)
    there = shifted(packets, _HOUR, 5000)
    pcm = decode(decoder, there, end + _HOUR, len(packets) + 5000)
    # There is no look-ahead to leave out an hour in.
    assert pcm[form.pre_skip_samples * 2 :] == plain
    assert decoder.stats.packets_lost == 0
    assert decoder.stats.received_samples == end


@pytest.mark.parametrize("lost", [1, 49, 50, 51, 70])
def test_what_is_lost_at_the_beginning_leaves_the_rest_in_its_place(lost: int) -> None:
    form, packets, end = speak()
    decoder = StreamDecoder(form)
    pcm = decode(decoder, packets[lost:], end, len(packets))
    assert len(pcm) == (end - form.pre_skip_samples) * 2
    stats = decoder.stats
    assert stats.packets_lost == lost
    assert parts(stats) == stats.played_samples
    # Long after the loss the decoder has forgotten how it began.
    plain = Decoder(48_000, 1)
    for packet in packets[lost:-1]:
        last = bytes(plain.decode(packet.data))
    at = (packets[-2].time_samples - form.pre_skip_samples) * 2
    heard, meant = array("h", pcm[at : at + len(last)]), array("h", last)
    error = sum((a - b) ** 2 for a, b in zip(heard, meant, strict=True))
    assert error < 0.01 * sum(b * b for b in meant)


def test_a_stream_of_which_nothing_came_is_lost_and_not_empty() -> None:
    form, packets, end = speak(1)
    decoder = StreamDecoder(form)
    pcm = decode(decoder, [], end, len(packets))
    assert len(pcm) == (end - form.pre_skip_samples) * 2
    assert not any(pcm)
    assert decoder.stats.packets_lost == len(packets)


def test_the_gain_is_applied() -> None:
    form, packets, end = speak(1)
    plain = array("h", decode(StreamDecoder(form), packets, end, len(packets)))
    half = replace(form, gain_q8=round(20 * math.log10(0.5) * 256))
    soft = array("h", decode(StreamDecoder(half), packets, end, len(packets)))
    for a, b in zip(plain[4800:], soft[4800:], strict=True):
        assert abs(a / 2 - b) < 8


def test_a_jump_lost_nothing_even_where_numbers_are_missing() -> None:
    form, packets, end = speak()
    playout = Playout(form, rate=48_000, target_delay_ms=0)
    for packet in packets:
        if not 20 <= packet.sequence < 30:
            playout.push(packet, 0.0, discontinuity=packet.sequence == 30)
    playout.finish(end, len(packets))
    while not playout.finished:
        playout.pull(960, 0.0)
    stats = playout.stats
    assert (stats.fec_samples, stats.plc_samples) == (0, 0)
    assert stats.silence_samples >= 9600
    assert stats.packets_lost == 10
