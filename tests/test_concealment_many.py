"""A gap in several streams at once: FEC where one of them has it, in each of them what it would be
alone (row C6)."""

import functools
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule import Decoder, StreamFormat
from opuscule.codec import Encoder, EncoderSettings
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.framing import delimit, undelimit

Samples: TypeAlias = Any  # arrays; NumPy's stubs call them buffers only from Python 3.12 on
RATE = 16_000
SPEECH = EncoderSettings(dtx=False, loss_percent=20, bitrate=32_000, bandwidth="wideband")
HYBRID = EncoderSettings(dtx=False, loss_percent=20, bitrate=40_000, bandwidth="fullband")
CELT = EncoderSettings("lowdelay", 64_000, fec=False, loss_percent=0, dtx=False)


def sound(seed: int) -> Samples:
    """Something like speech for a second: a voice's overtones that swell, and a little noise."""
    t = np.arange(48_000) / 48_000
    pitch = 110 * (seed + 1) * (1 + 0.05 * np.sin(2 * np.pi * 3 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / 48_000
    voice = sum(np.sin(n * phase) / n for n in range(1, 12))
    noise = np.random.default_rng(seed).normal(0, 0.02, t.size)
    return (6000 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)) * voice + 300 * noise).astype(np.int16)


@functools.cache
def streams(*kinds: EncoderSettings, frame_ms: int = 20) -> list[list[bytes]]:
    """The packets of mono streams of a second."""
    step = 48 * frame_ms
    return [
        Encoder(48_000, preset=each).encode_frames(sound(seed).tobytes(), step)
        for seed, each in enumerate(kinds)
    ]


def joined(packets: list[list[bytes]]) -> list[bytes]:
    """One packet of all streams at a time (RFC 7845 §3)."""
    return [b"".join([*map(delimit, at[:-1]), at[-1]]) for at in zip(*packets, strict=True)]


def many(count: int, rate: int = RATE, **settings: Any) -> Decoder:
    stream = StreamFormat(count, 312, 48_000, 0, 255, count, 0, bytes(range(count)))
    return Decoder.for_stream(stream, rate=rate, **settings)


def expected(decoder: Decoder, packet: bytes, samples: int) -> Samples:
    """What one stream alone makes of the ``samples`` before its packet."""
    fec = decoder.fec_samples(packet)
    parts = [decoder.conceal(samples - fec)] if fec < samples else []
    if fec:
        parts.append(decoder.decode_fec(packet))
    return np.concatenate([np.asarray(part) for part in parts])[:, 0]


@pytest.mark.row("C6")
@pytest.mark.parametrize("rate", [RATE, 48_000])
@pytest.mark.parametrize(
    ("kinds", "frame_ms"),
    [
        ((SPEECH, SPEECH, SPEECH), 20),
        ((SPEECH, CELT), 20),
        ((CELT, HYBRID, SPEECH), 20),
        ((SPEECH, SPEECH), 60),
        ((SPEECH, HYBRID), 40),  # a frame of 40 ms beside two of 20
    ],
)
def test_each_stream_is_rebuilt_as_if_it_were_alone(
    kinds: tuple[EncoderSettings, ...], frame_ms: int, rate: int
) -> None:
    apart = streams(*kinds, frame_ms=frame_ms)
    together = joined(apart)
    frame = rate * frame_ms // 1000
    reader = Decoder(rate)
    at = next(n for n in range(5, 20) if any(reader.fec_samples(s[n + 2]) == frame for s in apart))
    decoder = many(len(kinds), rate)
    singles = [Decoder(rate) for _ in kinds]
    for number in range(at):
        decoder.decode(together[number])
        for single, stream in zip(singles, apart, strict=True):
            single.decode(stream[number])
    reach = [single.fec_samples(s[at + 2]) for single, s in zip(singles, apart, strict=True)]
    assert decoder.fec_samples(together[at + 2]) == max(reach) == frame
    filled = decoder.conceal(2 * frame, following=together[at + 2 :])
    assert [(span.end_samples, span.means) for span in filled.spans] == [
        (frame, "plc"),
        (2 * frame, "fec"),
    ]
    pcm = np.asarray(filled.pcm)
    for channel, (single, stream) in enumerate(zip(singles, apart, strict=True)):
        alone = [np.asarray(single.conceal(rate // 50))[:, 0] for _ in range(frame_ms // 20)]
        alone.append(expected(single, stream[at + 2], frame))
        assert np.array_equal(pcm[:, channel], np.concatenate(alone)), channel
    # And all go on alike.
    for number in range(at + 2, len(together)):
        pcm = np.asarray(decoder.decode(together[number]))
        for channel, (single, stream) in enumerate(zip(singles, apart, strict=True)):
            assert np.array_equal(pcm[:, channel], np.asarray(single.decode(stream[number]))[:, 0])


def test_the_first_of_several_frames_has_it() -> None:
    apart = streams(SPEECH, SPEECH, frame_ms=80)  # two frames of 40 ms
    together = joined(apart)
    decoder = many(2)
    singles = [Decoder(RATE), Decoder(RATE)]
    decoder.decode_many(together[:4])
    for single, stream in zip(singles, apart, strict=True):
        single.decode_many(stream[:4])
    assert decoder.fec_samples(together[5]) == 640
    filled = decoder.conceal(1280, following=[together[5]])
    assert [span.means for span in filled.spans] == ["plc", "fec"]
    for channel, (single, stream) in enumerate(zip(singles, apart, strict=True)):
        alone = [single.conceal(320), single.conceal(320), single.decode_fec(stream[5])]
        whole = np.concatenate([np.asarray(part)[:, 0] for part in alone])
        assert np.array_equal(np.asarray(filled.pcm)[:, channel], whole)


def test_our_own_encoder_of_several_streams_sends_it() -> None:
    pcm = np.stack([sound(seed) for seed in range(3)], axis=1)
    encoder = Encoder(48_000, 3, mapping_family=255, dtx=False, loss_percent=20, bitrate=96_000)
    packets = encoder.encode_frames(pcm.tobytes(), 960)
    decoder = Decoder.for_stream(encoder.format, sample_format="float32")
    decoder.decode_many(packets[:10])
    assert decoder.fec_samples(packets[11]) == 960
    assert [span.means for span in decoder.conceal(960, [packets[11]]).spans] == ["fec"]


def test_there_is_none_without_a_stream_that_has_it() -> None:
    celt = joined(streams(CELT, CELT))
    speech = joined(streams(SPEECH, SPEECH))
    decoder, twin = many(2), many(2)
    for each in (decoder, twin):
        each.decode_many(celt[:5])
    # libopus takes it up in no stream after CELT, and not from CELT.
    for packet in (speech[6], celt[6]):
        assert decoder.fec_samples(packet) == 0
        with pytest.raises(InvalidArgumentError, match="conceal instead"):
            decoder.decode_fec(packet)
    filled = decoder.conceal(320, following=[speech[6]])
    assert [span.means for span in filled.spans] == ["plc"]
    assert filled.pcm == twin.conceal(320)
    # After speech there is; a copy knows it, and a reset forgets it.
    decoder.decode(speech[6])
    assert decoder.copy().fec_samples(speech[8]) == 320
    decoder.decode(celt[6])
    assert decoder.fec_samples(speech[8]) == 0
    decoder.reset()
    assert decoder.fec_samples(speech[8]) == 320
    assert decoder.dred_samples(speech[8]) == 0


def test_what_is_no_packet_of_so_many_streams_is_refused() -> None:
    apart = streams(SPEECH, SPEECH)
    good = joined(apart)
    short = streams(SPEECH, frame_ms=10)[0][0]
    unequal = delimit(apart[0][0]) + short
    cut = good[0][: undelimit(good[0])[1]]
    decoder, twin = many(2), many(2)
    for wrong, words in [
        (apart[0][0], "not an Opus packet"),
        (unequal, "stream 1 has 160 samples, stream 0 320"),
        (cut, "R1"),
    ]:
        assert decoder.fec_samples(wrong) == 0
        with pytest.raises(InvalidPacketError, match=f"packet 1 after the gap: .*{words}"):
            decoder.conceal(640, following=[good[2], wrong])
        with pytest.raises(InvalidPacketError, match=f"packet 1: .*{words}"):
            decoder.decode_many([good[0], wrong])
    assert decoder.decode_many(good) == twin.decode_many(good)


@given(wrong=st.binary(max_size=60), at=st.integers(0, 300), cut=st.integers(0, 300))
@settings(deadline=None, max_examples=150)
def test_damage_loses_nothing(wrong: bytes, at: int, cut: int) -> None:
    good = joined(streams(SPEECH, SPEECH))[:8]
    damaged = good[6][:at] + wrong + good[6][at + cut :]
    decoder, twin = many(2), many(2)
    for each in (decoder, twin):
        each.decode_many(good[:5])
    assert decoder.fec_samples(damaged) in {0, 40, 80, 160, 320, 640, 960}
    try:
        decoder.conceal(640, following=[damaged])
    except InvalidPacketError:
        assert decoder.conceal(640, following=[good[6]]) == twin.conceal(640, [good[6]])
