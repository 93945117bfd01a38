"""Extraction's inner loop, ``_native.decode_run``, against the decoder that goes one by one."""

import array
import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule import _native
from opuscule.codec import Decoder, EncoderSettings, SampleFormat, StreamEncoder
from opuscule.errors import InvalidArgumentError, InvalidPacketError

FRAME = 960
SETTINGS = {
    "plain": EncoderSettings(fec=False, loss_percent=0, dtx=False),
    "fec": EncoderSettings(loss_percent=20, dtx=False),
    "dred": EncoderSettings(
        bitrate=32_000, fec=False, loss_percent=20, dtx=False, dred_ms=500, complexity=2
    ),
}


@functools.cache
def packets(kind: str = "plain", channels: int = 1) -> list[bytes]:
    """A sawtooth that glides, half a second of it at 20 ms."""
    wave = array.array("h", [])
    for n in range(8_000):
        value = (n * (90 + n // 200)) % 12_000 - 6_000
        wave.extend([value, value // 2][:channels])
    encoder = StreamEncoder(16_000, channels, preset=SETTINGS[kind])
    return [packet.data for packet in [*encoder.push(wave), *encoder.finish()]]


def sequential(
    data: list[bytes], channels: int = 1, sample_format: SampleFormat = "int16"
) -> bytes:
    decoder = Decoder(channels=channels, sample_format=sample_format)
    return b"".join(bytes(decoder.decode(packet)) for packet in data)


def run(data: list[bytes], take: int, gaps: Any = (), **options: Any) -> bytes:
    chosen = {"channels": 1, "skip_samples": 0, "float_output": False, "complexity": 5, **options}
    lengths = [len(packet) for packet in data]
    return _native.decode_run(b"".join(data), lengths, list(gaps), take_samples=take, **chosen)


@pytest.mark.row("X4")
@given(data=st.data())
@settings(deadline=None, max_examples=80)
def test_any_window_is_that_of_the_sequential_decode(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(SETTINGS)))
    channels = data.draw(st.sampled_from([1, 2]))
    float_output = data.draw(st.booleans())
    source = packets(kind, channels)
    whole = sequential(source, channels, "float32" if float_output else "int16")
    skip = data.draw(st.integers(0, len(source) * FRAME))
    take = data.draw(st.integers(0, len(source) * FRAME - skip))
    out = run(source, take, channels=channels, skip_samples=skip, float_output=float_output)
    width = channels * (4 if float_output else 2)
    assert out == whole[skip * width : (skip + take) * width]


def test_lengths_may_be_a_buffer() -> None:
    source = packets()
    options: dict[str, Any] = {"channels": 1, "skip_samples": 0, "take_samples": FRAME}
    lengths = array.array("H", [len(packet) for packet in source])
    for given_lengths in (lengths, lengths.tolist(), tuple(lengths), memoryview(lengths)):
        out = _native.decode_run(
            b"".join(source), given_lengths, [], float_output=False, complexity=5, **options
        )
        assert out == sequential(source)[: FRAME * 2]


def test_gain_is_applied() -> None:
    source = packets()
    plain = memoryview(run(source, 9_600)).cast("h")
    quiet = memoryview(run(source, 9_600, gain_q8=round(-6.0206 * 256))).cast("h")
    assert all(abs(a - 2 * b) <= 3 for a, b in zip(plain, quiet, strict=True))


@given(data=st.data())
@settings(deadline=None, max_examples=80)
def test_a_gap_is_exactly_as_long_and_always_the_same(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(SETTINGS)))
    source = packets(kind)
    places = data.draw(st.lists(st.integers(0, len(source)), max_size=3).map(sorted))
    gaps = [
        (
            place,
            data.draw(st.integers(1, 40_000)),
            data.draw(st.sampled_from(["lost", "unsent", "discontinuity"])),
        )
        for place in places
    ]
    total = len(source) * FRAME + sum(duration for _, duration, _ in gaps)
    out = run(source, total, gaps)
    assert len(out) == total * 2
    assert run(source, total, gaps) == out
    with pytest.raises(InvalidArgumentError, match=f"{total} samples.*more were wanted"):
        run(source, total + 1, gaps)
    # What comes before the first gap does not know of it.
    before = places[0] * FRAME * 2 if places else len(out)
    assert out[:before] == sequential(source)[:before]
    # A window of it is that window.
    skip = data.draw(st.integers(0, total))
    assert run(source, total - skip, gaps, skip_samples=skip) == out[skip * 2 :]


def test_a_gap_is_filled_as_the_decoder_would() -> None:
    """One lost frame: by FEC where the next packet has it, by DRED, or concealed."""
    lost = 12
    for kind in SETTINGS:
        source = packets(kind)
        kept = source[:lost] + source[lost + 1 :]
        out = run(kept, len(source) * FRAME, [(lost, FRAME, "lost")])
        decoder = Decoder()
        expected = b"".join(bytes(decoder.decode(packet)) for packet in source[:lost])
        after = source[lost + 1]
        if kind == "fec":
            expected += bytes(decoder.decode_fec(after))
        elif kind == "dred":
            expected += bytes(decoder.decode_dred(after, FRAME, FRAME))
        else:
            expected += bytes(decoder.conceal(FRAME))
        expected += b"".join(bytes(decoder.decode(packet)) for packet in source[lost + 1 :])
        assert out == expected, kind


def test_a_discontinuity_is_silent() -> None:
    source = packets()
    out = run(source, 3 * FRAME, [(1, FRAME, "discontinuity")])
    assert out[: FRAME * 2] == sequential(source)[: FRAME * 2]
    assert not any(out[FRAME * 2 : FRAME * 4])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lengths": [10]}, "add up to 10 bytes; the payload has 30"),
        ({"lengths": [10, 21]}, "add up to 31 bytes"),
        ({"lengths": []}, "add up to 0 bytes"),
        ({"gaps": [(0, 1, "eaten")]}, "gap kind is \"eaten\"; expected 'lost'"),
        ({"channels": 3}, "channels is 3"),
        ({"complexity": 11}, "complexity is 11"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], words: str) -> None:
    options: dict[str, Any] = {
        "lengths": [10, 20],
        "gaps": [],
        "channels": 1,
        "skip_samples": 0,
        "take_samples": 1,
        "float_output": False,
        "complexity": 5,
        **change,
    }
    with pytest.raises(InvalidArgumentError, match=words):
        _native.decode_run(bytes(30), options.pop("lengths"), options.pop("gaps"), **options)


def test_a_damaged_packet_is_named() -> None:
    source = packets()
    with pytest.raises(InvalidPacketError, match="packet 3 of the run"):
        run([*source[:3], b"", *source[3:]], 10 * FRAME)
    # It is nobody's business when it is not wanted.
    assert run([*source[:3], b"\x4b\x00"], 3 * FRAME) == sequential(source[:3])


@given(st.binary(max_size=300), st.lists(st.integers(0, 80), max_size=8), st.integers(0, 5000))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_samples_or_an_error(payload: bytes, lengths: list[int], take: int) -> None:
    try:
        out = _native.decode_run(
            payload,
            lengths,
            [(1, 300, "lost")],
            channels=1,
            skip_samples=0,
            take_samples=take,
            float_output=False,
            complexity=5,
        )
    except (InvalidArgumentError, InvalidPacketError):
        return
    assert len(out) == take * 2
