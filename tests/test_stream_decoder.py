"""One stream decoded in order: where it begins, its gain, its jumps, its losses."""

import math
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from opuscule.codec import Decoder, StreamEncoder
from opuscule.containers.ogg import OggWriter
from opuscule.errors import InvalidArgumentError, UnsupportedFormatError
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import DecodedPiece, Playout, PlayoutStats, StreamDecoder
from opuscule.transcode import decode_file

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
        + stats.comfort_noise_samples
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


def pieces_of(
    decoder: StreamDecoder,
    packets: list[Packet],
    end: int,
    sequences: int,
    jumps: frozenset[int] = frozenset(),
) -> list[DecodedPiece]:
    out = [
        piece
        for packet in packets
        for piece in decoder.push_pieces(packet, discontinuity=packet.sequence in jumps)
    ]
    return out + list(decoder.finish_pieces(end, sequences))


def marks(pieces: list[DecodedPiece]) -> list[tuple[str, str | None, int]]:
    """Origin, cause and samples, neighbours that are alike as one."""
    out: list[tuple[str, str | None, int]] = []
    for piece in pieces:
        if out and out[-1][:2] == (piece.origin, piece.missing):
            out[-1] = (piece.origin, piece.missing, out[-1][2] + piece.samples)
        else:
            out.append((piece.origin, piece.missing, piece.samples))
    return out


@pytest.mark.row("C5")
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (16_000, 2), (8_000, 1)])
def test_pieces_are_the_same_samples_with_their_time_and_origin(rate: int, channels: int) -> None:
    form, packets, end = speak()
    kept = [p for p in packets if p.sequence not in {20, 40, 41, 42, 43}]
    plain = decode(StreamDecoder(form, rate=rate, channels=channels), kept, end, len(packets))
    decoder = StreamDecoder(form, rate=rate, channels=channels)
    pieces = pieces_of(decoder, kept, end, len(packets))
    assert b"".join(piece.pcm for piece in pieces) == plain
    time = form.pre_skip_samples
    for piece in pieces:
        assert piece.time_samples == time
        assert len(piece.pcm) == piece.samples * channels * 2
        time += piece.samples * (48_000 // rate)
    assert time == end
    assert decoder.stats.played_samples == sum(piece.samples for piece in pieces)
    lost = [piece for piece in pieces if piece.missing == "lost"]
    ends = [piece.time_samples + piece.samples * (48_000 // rate) for piece in lost]
    places = [range(p.time_samples, end) for p, end in zip(lost, ends, strict=True)]
    assert {time // 960 for place in places for time in place} == {20, 40, 41, 42, 43}
    assert sum(piece.samples for piece in lost) == 5 * rate // 50
    assert {piece.origin for piece in lost} <= {"fec", "plc"}
    assert all((piece.missing is None) == (piece.origin == "received") for piece in pieces)


@pytest.mark.row("C5")
def test_a_pause_that_was_not_sent_is_never_a_loss() -> None:
    """Half a second of tone, two of silence, half a second of tone; and something lost in it."""
    tone = array("h", (round(8000 * math.sin(k * 0.06)) for k in range(24_000)))
    encoder = StreamEncoder(48_000, 1, leave_out_dtx=True)
    packets = encoder.push(tone + array("h", bytes(2 * 96_000)) + tone) + encoder.finish()
    assert len(packets) < 100  # most of the pause was left out
    decoder = StreamDecoder(encoder.format)
    pieces = pieces_of(decoder, packets, encoder.end_samples, len(packets))
    unsent = [piece for piece in pieces if piece.missing == "unsent"]
    left_out = packets[-1].end_samples - sum(packet.duration_samples for packet in packets)
    assert sum(piece.samples for piece in unsent) == left_out > 48_000
    assert {piece.origin for piece in unsent} == {"comfort_noise"}
    assert decoder.stats.comfort_noise_samples == left_out
    assert not any(piece.missing == "lost" for piece in pieces)
    assert decoder.stats.packets_lost == 0
    # One packet of the tone is lost, too.
    decoder = StreamDecoder(encoder.format)
    kept = [packet for packet in packets if packet.sequence != 10]
    pieces = pieces_of(decoder, kept, encoder.end_samples, len(packets))
    assert sum(p.samples for p in pieces if p.missing == "lost") == 960
    assert sum(p.samples for p in pieces if p.missing == "unsent") == left_out


def test_long_losses_jumps_and_damage_are_told_apart() -> None:
    form, packets, end = speak(3)
    kept = [p for p in packets if not 20 <= p.sequence < 60 and not 80 <= p.sequence < 90]
    # A frame's padding that is longer than the packet (rule R6), told only when it is decoded.
    broken = bytes([packets[100].data[0] | 3, 0x41, 0xFF])
    damaged = replace(packets[100], data=broken)
    kept = [damaged if p.sequence == 100 else p for p in kept]
    decoder = StreamDecoder(form)
    pieces = pieces_of(decoder, kept, end, len(packets), frozenset({90}))
    found = marks(pieces)
    lost = [mark for mark in found if mark[1] == "lost"]
    # Concealment for half a second, silence, FEC for the last frame: all of it lost.
    assert ("plc", "lost", 24_000) in lost
    assert any(origin == "silence" for origin, _, _ in lost)
    assert sum(samples for _, _, samples in lost) == 41 * 960
    assert ("silence", "jump", 9600) in found


def test_nothing_is_taken_that_would_be_lost() -> None:
    form, packets, end = speak()
    decoder = StreamDecoder(form)

    def push_a_minute() -> None:
        for n in range(30):
            for packet in shifted(packets[:100], n * 96_000, n * 100):
                decoder.push(packet)  # and what it gives is not looked at

    with pytest.raises(InvalidArgumentError, match="iterate over what push gives"):
        push_a_minute()
    assert decoder.stats.packets_overflow == 0

    decoder = StreamDecoder(form)
    decode(decoder, packets, end, len(packets))
    with pytest.raises(InvalidArgumentError, match="finished"):
        decoder.push(packets[-1])


def test_packets_of_several_streams_are_refused() -> None:
    surround = StreamEncoder(48_000, 6).format
    for make in (StreamDecoder, Playout):
        with pytest.raises(UnsupportedFormatError, match="6 channels in 4 Opus streams"):
            make(surround)


def test_a_decoded_file_says_all_that_was_missing(tmp_path: Path) -> None:
    form, packets, end = speak(3.0)
    source = tmp_path / "a.opus"
    with source.open("wb") as file:
        writer = OggWriter(file, form)
        writer.write_all(packets[:40] + packets[90:])
        writer.close(end)
    decoded = decode_file(source, tmp_path / "a.wav")
    # A second is missing, of which concealment fills less.
    assert (decoded.samples, decoded.concealed_samples) == (3 * 48_000, 50 * 960)
