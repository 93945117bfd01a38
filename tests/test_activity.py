"""The energy gate, the voice detector, and what packets say of activity (row C8)."""

import array
import math
from collections.abc import Callable
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opuscule.activity import (
    ActiveSpan,
    ActivityDetector,
    EnergyGate,
    VoiceDetector,
    active_spans,
    packet_activity,
    packet_voiced,
)
from opuscule.codec import Encoder, packet_duration
from opuscule.containers.wav import WavReader
from opuscule.errors import InvalidArgumentError, InvalidPacketError

Samples: TypeAlias = Any  # arrays; NumPy's stubs call them buffers only from Python 3.12 on
RATE = 16_000
FRAME = 320


def tone(dbfs: float, frames: int) -> Samples:
    """A sine whose RMS over any frame of 20 ms is ``dbfs``."""
    amplitude = 32768 * math.sqrt(2) * 10 ** (dbfs / 20)
    t = np.arange(frames * FRAME)
    return (amplitude * np.sin(2 * np.pi * 400 / RATE * t)).astype(np.int16)


def silence(frames: int) -> Samples:
    return np.zeros(frames * FRAME, np.int16)


def noise(dbfs: float, samples: int, seed: int = 0) -> Samples:
    drawn = np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), samples)
    return drawn.clip(-32768, 32767).astype(np.int16)


# The gate


@pytest.mark.row("C8")
def test_the_gate_opens_at_its_threshold_and_hangs_over() -> None:
    pcm: Samples = np.concatenate(
        [silence(3), tone(-39, 2), tone(-41, 20), tone(-39, 1), silence(4)]
    )
    gate = EnergyGate(hangover_ms=100)
    decisions = gate.push(pcm)
    loud = [False] * 3 + [True] * 2 + [False] * 20 + [True] + [False] * 4
    assert decisions == [any(loud[max(0, i - 5) : i + 1]) for i in range(30)]
    assert gate.active  # the last hangover is not over
    assert active_spans(decisions, gate.frame_samples) == [
        ActiveSpan(3 * FRAME, 10 * FRAME),
        ActiveSpan(25 * FRAME, 30 * FRAME),
    ]
    assert EnergyGate(hangover_ms=0).push(pcm) == loud
    assert EnergyGate(threshold_dbfs=-38).push(pcm) == [False] * 30


def test_one_loud_channel_opens_the_gate() -> None:
    stereo: Samples = np.stack([silence(2), tone(-39.5, 2)], axis=1)
    assert EnergyGate(channels=2).push(stereo) == [True, True]
    assert EnergyGate(channels=2).push(stereo.tobytes()) == [True, True]


@pytest.mark.parametrize("make", [EnergyGate, VoiceDetector])
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_chunking_changes_no_decision(
    make: Callable[..., ActivityDetector], data: st.DataObject
) -> None:
    channels = data.draw(st.sampled_from([1, 2]))
    sample_format = data.draw(st.sampled_from(["int16", "float32"]))
    samples = data.draw(st.integers(0, 4000))
    loudness = [-70.0, -20.0, -45.0, -30.0, -90.0]
    parts = [noise(dbfs, samples * channels // 5 + 1, n) for n, dbfs in enumerate(loudness)]
    pcm = np.concatenate(parts)[: samples * channels]
    whole = (pcm if sample_format == "int16" else (pcm / 32768).astype(np.float32)).tobytes()
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=6).map(sorted))

    def detector() -> ActivityDetector:
        return make(RATE, channels, sample_format=sample_format, hangover_ms=20)

    once, bit_by_bit = detector(), detector()
    decided = once.push(whole)
    assert len(decided) == samples // FRAME
    decided += once.finish()
    assert len(decided) == -(-samples // FRAME)
    assert once.finish() == []
    pieces = [bit_by_bit.push(whole[a:b]) for a, b in pairwise([0, *cuts, len(whole)])]
    assert [*chain(*pieces), *bit_by_bit.finish()] == decided


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: EnergyGate(0), "rate is 0"),
        (lambda: EnergyGate(channels=0), "channels is 0"),
        (lambda: EnergyGate(hangover_ms=-1), "hangover_ms is -1"),
        (lambda: EnergyGate(hangover_ms=math.inf), "hangover_ms is inf"),
        (lambda: EnergyGate(threshold_dbfs=1), "threshold_dbfs is 1"),
        (lambda: EnergyGate(threshold_dbfs=math.nan), "threshold_dbfs is nan"),
        (lambda: EnergyGate(sample_format="u8"), "'u8'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: EnergyGate().push(array.array("f", [0])), "type 'f'.*int16"),
        (lambda: VoiceDetector(44_100), "rate is 44100"),
        (lambda: VoiceDetector(channels=3), "channels is 3"),
    ],
)
def test_wrong_arguments_are_named(wrong: Callable[[], object], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        wrong()


@pytest.mark.parametrize("make", [EnergyGate, VoiceDetector])
def test_what_is_refused_does_no_harm(make: Callable[..., ActivityDetector]) -> None:
    detector, twin = (make(sample_format="float32") for _ in range(2))
    speech = (noise(-20, 1000) / 32768).astype(np.float32)
    assert detector.push(speech[:100]) == twin.push(speech[:100]) == []
    with pytest.raises(InvalidArgumentError, match="NaN"):
        detector.push(array.array("f", [0.5, math.nan]))
    assert detector.push(speech[100:]) == twin.push(speech[100:])
    detector.push(b"\0\0")
    with pytest.raises(InvalidArgumentError, match="2 bytes into a sample of 4"):
        detector.finish()
    detector.push(b"\0\0")
    assert len(detector.finish()) == 1


# The voice


def sentences(files: list[Path]) -> tuple[Samples, Samples]:
    """Speech with two seconds of nothing around each sentence; which frames are in a sentence."""
    parts, spoken = [silence(100)], [False] * 100
    for path in files:
        with WavReader(path) as reader:
            pcm = np.frombuffer(b"".join(reader), np.int16)
        frames = len(pcm) // FRAME
        parts += [pcm[: frames * FRAME], silence(100)]
        spoken += [True] * frames + [False] * 100
    return np.concatenate(parts), np.array(spoken)


@pytest.mark.row("C8")
@pytest.mark.parametrize(
    ("noise_dbfs", "found", "wrongly"), [(-96, 0.9, 0.1), (-50, 0.85, 0.1), (-40, 0.75, 0.1)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_voice_is_told_from_noise(
    speech_files: list[Path], channels: int, noise_dbfs: float, found: float, wrongly: float
) -> None:
    pcm, spoken = sentences(speech_files)
    pcm = (pcm.astype(np.int32) + noise(noise_dbfs, len(pcm))).clip(-32768, 32767)
    pcm = np.repeat(pcm.astype(np.int16)[:, None], channels, axis=1).tobytes()
    heard: Samples = np.array(VoiceDetector(channels=channels).push(pcm), bool)
    assert heard[spoken].mean() > found
    assert heard[~spoken].mean() < wrongly
    gate: Samples = np.array(EnergyGate(channels=channels).push(pcm), bool)
    assert (gate[~spoken].mean() > 0.9) == (noise_dbfs == -40)


@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
def test_noise_is_no_voice(rate: int) -> None:
    for dbfs in (-60, -30, -10):
        assert (
            sum(VoiceDetector(rate).push(noise(dbfs, 3 * rate))) <= 16
        )  # a frame, with its hangover


# Packets


def voiced_by_the_book(frame: bytes) -> bool:
    """The type of the first SILK frame, by the range decoder of RFC 6716 §4.1 written out."""
    source = iter(frame)
    remainder = next(source)
    span, value = 128, 127 - (remainder >> 1)

    def fill() -> None:
        nonlocal span, value, remainder
        while span <= 1 << 23:
            before, remainder = remainder, next(source, 0)
            symbol = ((before << 8 | remainder) >> 1) & 255
            span, value = span << 8, ((value << 8) + 255 - symbol) & 0x7FFFFFFF

    def draw(odds: list[int]) -> int:
        """A symbol of these odds in 256 (§4.1.2)."""
        nonlocal span, value
        scale = span // 256
        place = 256 - min(value // scale + 1, 256)
        low = 0
        for symbol, odd in enumerate(odds):
            if place < low + odd:
                value -= scale * (256 - low - odd)
                span = scale * odd if low else span - scale * (256 - odd)
                fill()
                return symbol
            low += odd
        raise AssertionError(place)

    fill()
    active, _ = draw([128, 128]), draw([128, 128])
    return draw([0, 0, 24, 74, 148, 10] if active else [26, 230, 0, 0, 0, 0]) >= 4


@given(config=st.integers(0, 15), data=st.binary(min_size=2, max_size=9))
@settings(deadline=None, max_examples=500)
@example(config=9, data=b"\x80\0\0\0")
@example(config=9, data=b"\xbf\xff\xff\xff")
def test_the_first_symbols_are_read_as_by_a_whole_decoder(config: int, data: bytes) -> None:
    packet = bytes([config << 3]) + data
    multiple = config < 12 and config % 4 >= 2
    redundancy = not multiple and data[0] & 0x40
    if multiple:
        return
    assert packet_activity(packet) is bool(data[0] & 0x80)
    if redundancy and data[0] & 0x80:
        assert packet_voiced(packet) is None
    else:
        assert packet_voiced(packet) is voiced_by_the_book(data)


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_bytes_have_an_answer_or_are_no_packet(data: bytes) -> None:
    try:
        active, voiced = packet_activity(data), packet_voiced(data)
    except InvalidPacketError:
        for call in (packet_activity, packet_voiced):
            with pytest.raises(InvalidPacketError):
                call(data)
    else:
        assert packet_duration(data) >= 120
        assert (active, voiced) not in [(False, True), (None, True), (False, None)]


def test_packets_say_what_their_encoder_found(speech_files: list[Path]) -> None:
    pcm, spoken = sentences(speech_files[:2])
    for frame_ms in (10, 20, 40, 60):
        step = RATE * frame_ms // 1000
        for channels, bitrate in ((1, 16_000), (2, 40_000)):
            encoder = Encoder(RATE, channels, bitrate=bitrate, fec=True, dtx=True)
            frames: Samples = np.repeat(pcm[:, None], channels, axis=1)
            packets = [
                encoder.encode(frames[at : at + step]) for at in range(0, len(pcm) - step, step)
            ]
            active = [packet_activity(packet) for packet in packets]
            assert None not in active
            inside = [spoken[n * step // FRAME] for n in range(len(packets))]
            said = [a for a, i in zip(active, inside, strict=True) if i]
            outside = [a for a, i in zip(active, inside, strict=True) if not i]
            assert said.count(True) > 0.75 * len(said)
            assert outside.count(True) < 0.2 * len(outside)
            # A pause (DTX) is no activity.
            assert not any(a for a, p in zip(active, packets, strict=True) if len(p) <= 2)


def test_celt_does_not_say() -> None:
    encoder = Encoder(48_000, preset="archive", application="lowdelay", bitrate=96_000)
    packet = encoder.encode(noise(-20, 960))
    assert packet_activity(packet) is None
    assert packet_voiced(packet) is None
    # But for a frame of nothing, which is a pause.
    assert packet_activity(packet[:1]) is False
    assert packet_voiced(packet[:1]) is False
