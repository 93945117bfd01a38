"""Settings of encoder and decoder: what each does, while encoding too, and what is refused."""

import array
import dataclasses
import functools
import threading
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule import Decoder, Encoder, EncoderSettings, StreamEncoder, codec
from opuscule.codec import PRESETS, is_dtx
from opuscule.errors import ConcurrentUseError, InvalidArgumentError, InvalidPacketError

Samples: TypeAlias = Any  # arrays; NumPy's stubs call them buffers only from Python 3.12 on


@functools.cache
def sound(rate: int = 48_000, channels: int = 1, seconds: float = 1.0) -> Samples:
    """A sweep with noise under it, in two channels not the same."""
    t = np.arange(int(rate * seconds)) / rate
    rng = np.random.default_rng(1)
    mono = 6000 * np.sin(2 * np.pi * (200 + 900 * t) * t)
    planes = [mono * (1 - 0.6 * n) + rng.normal(0, 900, len(t)) for n in range(channels)]
    return np.stack(planes, axis=1).astype(np.int16)


def encode(encoder: Encoder, pcm: Samples, frame_ms: float = 20) -> list[bytes]:
    return encoder.encode_frames(pcm, round(encoder.rate * frame_ms / 1000))


def size(packets: list[bytes]) -> int:
    return sum(map(len, packets))


def is_stereo(packet: bytes) -> bool:
    return bool(packet[0] & 4)  # RFC 6716 §3.1


def config(packet: bytes) -> int:
    return packet[0] >> 3  # RFC 6716 §3.1: 0-11 SILK, 12-15 hybrid, 16-31 CELT


SPOKEN = encode(Encoder(48_000), sound())


# What each setting does, given at the beginning and changed half way


@pytest.mark.row("C1")
def test_bitrate() -> None:
    encoder = Encoder(48_000, preset="archive", bitrate=32_000)
    low = size(encode(encoder, sound()))
    encoder.update(bitrate=128_000)
    high = size(encode(encoder, sound()))
    assert abs(low * 8 - 32_000) < 6_000
    assert abs(high * 8 - 128_000) < 20_000
    encoder.update(bitrate="max")
    assert size(encode(encoder, sound())) > 3 * high
    encoder.update(bitrate="auto")
    assert low < size(encode(encoder, sound())) < 3 * high
    assert encoder.settings.bitrate == "auto"


def test_constant_bitrate() -> None:
    encoder = Encoder(48_000, preset="archive", vbr=False)
    assert {len(p) for p in encode(encoder, sound())} == {160}
    encoder.update(vbr=True)
    assert len({len(p) for p in encode(encoder, sound())}) > 5
    free = Encoder(48_000, preset="archive", constrained_vbr=False)
    held = Encoder(48_000, preset="archive", constrained_vbr=True)
    assert encode(free, sound()) != encode(held, sound())


def test_bandwidth() -> None:
    encoder = Encoder(48_000, preset="archive", bandwidth="narrowband")
    assert encoder.bandwidth in (None, "fullband")
    packet = encode(encoder, sound())[-1]
    decoder = Decoder()
    decoder.decode(packet)
    assert (encoder.bandwidth, decoder.bandwidth) == ("narrowband", "narrowband")
    encoder.update(bandwidth="auto", max_bandwidth="wideband")
    decoder.decode(encode(encoder, sound())[-1])
    assert (encoder.bandwidth, decoder.bandwidth) == ("wideband", "wideband")
    encoder.update(max_bandwidth="fullband")
    decoder.decode(encode(encoder, sound())[-1])
    assert decoder.bandwidth == "fullband"


def test_signal_and_application_choose_the_mode() -> None:
    def modes(**overrides: Any) -> set[str]:
        encoder = Encoder(16_000, fec=False, dtx=False, bitrate=20_000, **overrides)
        packets = encode(encoder, sound(16_000))
        return {"CELT" if config(p) >= 16 else "SILK" for p in packets[5:]}

    assert modes(signal="voice") == {"SILK"}
    assert modes(application="lowdelay") == {"CELT"}
    late = (
        Encoder(16_000).lookahead_samples
        - Encoder(16_000, application="lowdelay", fec=False).lookahead_samples
    )
    assert late == 64  # 4 ms


def test_fec_not_in_music() -> None:
    def lbrr(fec: Any) -> int:
        encoder = Encoder(48_000, preset="music", fec=fec, loss_percent=20, bitrate=64_000)
        decoder = Decoder()
        return sum(decoder.fec_samples(p) > 0 for p in encode(encoder, sound()))

    assert lbrr(True) > 30
    assert lbrr("not_in_music") == 0


def test_dtx_marks_pauses() -> None:
    rate = 16_000
    pcm: Samples = np.concatenate(
        [sound(rate)[:, 0], np.zeros(rate * 2, np.int16), sound(rate)[:, 0]]
    )
    encoder = Encoder(rate)
    marks = []
    for at in range(0, len(pcm), 320):
        packet = encoder.encode(pcm[at : at + 320])
        marks.append(encoder.in_dtx)
        if is_dtx(packet):
            assert encoder.in_dtx
    assert not any(marks[:50])
    assert sum(marks[50:150]) > 80
    assert not any(marks[151:])
    assert not is_dtx(b"")

    # Left out of a stream, they are pauses and no losses: time goes on, the count does not.
    whole, thin = StreamEncoder(rate), StreamEncoder(rate, leave_out_dtx=True)
    everything = whole.push(pcm) + whole.finish()
    kept = thin.push(pcm) + thin.finish()
    assert len(kept) < len(everything) - 70
    assert [p.sequence for p in kept] == list(range(len(kept)))
    assert thin.next_sequence == len(kept)
    by_time = {
        p.time_samples: p.data
        for before, p in pairwise([None, *everything])
        # The first of a row is sent: without it a live receiver waits for what does not come.
        if p is not None and not (is_dtx(p.data) and before is not None and is_dtx(before.data))
    }
    assert {p.time_samples: p.data for p in kept} == by_time
    encoder.update(dtx=False)
    assert not any(is_dtx(encoder.encode(bytes(640))) for _ in range(60))


def test_the_rest_of_the_settings_reach_libopus() -> None:
    plain = encode(Encoder(48_000, 2, preset="archive"), sound(channels=2))
    changes: list[dict[str, Any]] = [
        {"complexity": 0},
        {"prediction": False},
        {"lsb_depth": 8},
        {"loss_percent": 30},
        {"force_channels": 1},
        {"phase_inversion": False},
    ]
    quiet = sound(channels=2) // 200  # of which 8 bits leave nothing
    opposite = sound(channels=2).copy()
    opposite[:, 1] = -opposite[:, 0] // 2
    for change in changes:
        pcm = {"lsb_depth": quiet, "phase_inversion": opposite}.get(next(iter(change)))
        pcm = sound(channels=2) if pcm is None else pcm
        base: dict[str, Any] = {"bitrate": 24_000} if "phase_inversion" in change else {}
        if "prediction" in change:
            base = {"application": "voip", "bitrate": 20_000, "max_bandwidth": "wideband"}
        before = encode(Encoder(48_000, 2, preset="archive", **base), pcm)
        begun = Encoder(48_000, 2, preset="archive", **base, **change)
        assert encode(begun, pcm) != before, change
        # Updated before the first frame it is the same as begun with.
        updated = Encoder(48_000, 2, preset="archive", **base)
        updated.update(**change)
        again = Encoder(48_000, 2, preset="archive", **base, **change)
        assert encode(updated, pcm) == encode(again, pcm), change
    assert all(map(is_stereo, plain))
    mono = Encoder(48_000, 2, preset="archive", force_channels=1)
    assert not any(map(is_stereo, encode(mono, sound(channels=2))))


def test_decoder_settings() -> None:
    packets = encode(Encoder(48_000, preset="archive"), sound())
    plain = np.asarray(Decoder().decode_many(packets)).astype(float)
    louder, changed = Decoder(gain_q8=-6 * 256), Decoder()
    changed.update(gain_q8=-6 * 256)
    half = np.asarray(louder.decode_many(packets)).astype(float)
    assert np.array_equal(half, np.asarray(changed.decode_many(packets)))
    assert abs(np.std(half) / np.std(plain) - 10 ** (-6 / 20)) < 0.01

    # Bandwidth extension: speech of 8 kHz bandwidth gets something above it.
    speech = encode(Encoder(16_000, dtx=False, bitrate=32_000), sound(16_000))
    above = []
    for extend in (False, True):
        decoder = Decoder(bandwidth_extension=extend)
        pcm = np.asarray(decoder.decode_many(speech))[:, 0]
        power = np.abs(np.fft.rfft(pcm)) ** 2
        above.append(power[len(power) * 10 // 24 :].sum())
    assert above[1] > 10 * above[0]

    stereo = encode(Encoder(48_000, 2, preset="archive", bitrate=24_000), -sound(channels=2))
    assert Decoder(48_000, 2).decode_many(stereo).shape == (48_000, 2)
    Decoder(48_000, 2, phase_inversion=False).decode_many(stereo)
    with pytest.raises(InvalidArgumentError, match="gain_q8 is 32768; expected -32768 to 32767"):
        changed.update(complexity=3, gain_q8=32_768)


def test_what_can_be_read() -> None:
    encoder = Encoder(48_000, 2, preset="music")
    decoder = Decoder(24_000, 2)
    assert decoder.last_packet_samples == 0
    for frame_ms in (2.5, 20, 60, 120):
        samples = round(48 * frame_ms)
        packet = encoder.encode(sound(channels=2)[:samples])
        decoder.decode(packet)
        assert encoder.final_range == decoder.final_range != 0
        assert decoder.last_packet_samples == samples // 2


# Changing


def test_update_is_all_or_nothing() -> None:
    encoder, same = Encoder(48_000), Encoder(48_000)
    before = encoder.settings
    wrong: list[dict[str, Any]] = [
        {"bitrate": 64_000, "complexity": 11},
        {"complexity": 0, "fec": True, "loss_percent": 0},
        {"bitrate": 64_000, "application": "audio"},
    ]
    for changes in wrong:
        with pytest.raises(InvalidArgumentError):
            encoder.update(**changes)
    assert encoder.settings == before
    assert encode(encoder, sound()) == encode(same, sound())


def test_frames_change_their_length_on_the_way() -> None:
    stream = StreamEncoder(16_000, preset="archive")
    pcm = sound(16_000)[:, 0].tobytes()
    packets = stream.push(pcm[:1000])
    with pytest.raises(InvalidArgumentError, match="bitrate"):
        stream.update(frame_ms=120, bitrate=1)
    stream.update(frame_ms=60, bitrate=32_000)
    packets += stream.push(pcm[1000:30_000])
    stream.update(frame_ms=2.5)
    packets += stream.push(pcm[30_000:]) + stream.finish()
    assert {p.duration_samples for p in packets} == {960, 2880, 120}
    assert [p.time_samples for p in packets[1:]] == [p.end_samples for p in packets[:-1]]
    assert [codec.packet_duration(p.data) for p in packets] == [p.duration_samples for p in packets]
    assert stream.end_samples == 48_000 + stream.format.pre_skip_samples
    assert packets[-1].time_samples < stream.end_samples <= packets[-1].end_samples


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "bitrate": st.sampled_from([6_000, 24_000, 96_000, "auto", "max"]),
        "complexity": st.integers(0, 10),
        "vbr": st.booleans(),
        "constrained_vbr": st.booleans(),
        "fec": st.sampled_from([False, True, "not_in_music"]),
        "loss_percent": st.integers(0, 100),
        "dtx": st.booleans(),
        "dred_ms": st.sampled_from([0, 10, 500, 1040]),
        "signal": st.sampled_from(["auto", "voice", "music"]),
        "bandwidth": st.sampled_from(["auto", "narrowband", "mediumband", "wideband", "fullband"]),
        "max_bandwidth": st.sampled_from(["narrowband", "wideband", "fullband"]),
        "lsb_depth": st.integers(8, 24),
        "prediction": st.booleans(),
        "phase_inversion": st.booleans(),
        "force_channels": st.sampled_from([1, 2, "auto"]),
    },
)


@given(
    channels=st.sampled_from([1, 2, 6]),
    steps=st.lists(st.tuples(CHANGES, st.sampled_from([2.5, 5, 10, 20, 60])), max_size=6),
)
@settings(deadline=None, max_examples=60)
def test_any_changes_are_refused_or_encoded(channels: int, steps: Any) -> None:
    encoder = Encoder(48_000, channels)
    decoder = Decoder.for_stream(encoder.format)
    for changes, frame_ms in steps:
        before = encoder.settings
        try:
            encoder.update(**changes)
        except InvalidArgumentError as error:
            assert "expected" in str(error)  # noqa: PT017 (that it is refused is not certain)
            assert encoder.settings == before
        else:
            assert encoder.settings == dataclasses.replace(before, **changes)
        samples = round(48 * frame_ms)
        for packet in encode(encoder, sound(channels=channels)[: samples * 3], frame_ms):
            assert len(decoder.decode(packet)) == samples
        if not encoder.in_dtx:
            assert decoder.final_range == encoder.final_range


# Presets


@pytest.mark.row("C2")
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_work(name: str) -> None:
    stream = StreamEncoder(48_000, 2 if name in ("music", "archive") else 1, preset=name)
    packets = stream.push(sound(channels=stream.encoder.channels)) + stream.finish()
    assert {p.duration_samples for p in packets} == {2880 if name == "deep" else 960}
    decoder = Decoder()
    if name == "deep":
        assert max(decoder.dred_samples(p.data) for p in packets) > 24_000
    if name == "voice_lossy":
        assert sum(decoder.fec_samples(p.data) > 0 for p in packets) > 25


# What is refused


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Encoder(fec=True, loss_percent=0), ["loss_percent 0", "1 or more", "fec off"]),
        (lambda: Encoder(application="lowdelay"), ["fec", "CELT", "'voip' or 'audio'"]),
        (
            lambda: Encoder(48_000, fec=False, application="lowdelay", bandwidth="mediumband"),
            ["mediumband", "'narrowband' or 'wideband'"],
        ),
        (
            lambda: Encoder(fec=False, dred_ms=500, loss_percent=0),
            ["dred_ms is 500", "20 is usual"],
        ),
        (lambda: Encoder(fec=False, dred_ms=9), ["dred_ms is 9", "steps of 10"]),
        (lambda: Encoder(fec=False, dred_ms=100, bitrate=12_000), ["bitrate 12000", "24000"]),
        (lambda: Encoder(dred_ms=100, bitrate=20_000), ["bitrate 20000", "fec on"]),
        (lambda: Encoder(preset="deep", bitrate=20_000), ["bitrate 20000", "24000", "800 or less"]),
        (
            lambda: Encoder(48_000, bandwidth="fullband", max_bandwidth="wideband"),
            ["fullband", "max_bandwidth", "'wideband' or less"],
        ),
        (lambda: Encoder(16_000, bandwidth="fullband"), ["16000 Hz", "'wideband' or less"]),
        (lambda: Encoder(force_channels=2), ["force_channels is 2", "1 channel", "'auto'"]),
        (lambda: Encoder(lsb_depth=7), ["lsb_depth is 7", "8 to 24"]),
        (lambda: Encoder(bitrate="fast"), ["bitrate", "fast", "500 to 750000", "'auto' or 'max'"]),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Encoder(complexity=2.5), ["complexity is 2.5"]),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Encoder(bandwidth="wide"), ["'mediumband'", "or 'fullband'"]),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Encoder().encode_frames(bytes(1000), 300), ["300 values", "160 or 320"]),
        (lambda: Encoder().encode_into(bytes(640), bytearray(7665)), ["7665 bytes", "7666 are"]),
        (lambda: Encoder().encode_into(bytes(640), bytes(7666)), ["read-only"]),
        (lambda: Encoder().encode_into(bytes(640), array.array("h", [0])), ["of bytes"]),
        (
            lambda: Decoder().decode_into(SPOKEN[0], array.array("h", bytes(1918))),
            ["959 int16", "960 are"],
        ),
        (lambda: Decoder().decode_into(SPOKEN[0], bytearray(1920)), ["int16 samples"]),
        (lambda: Decoder(gain_q8=1.5), ["gain_q8 is 1.5"]),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_what_is_useless_is_refused_with_what_works(make: object, words: list[str]) -> None:
    assert callable(make)
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert [word for word in words if word not in str(caught.value)] == []


def test_what_works_is_not_refused() -> None:
    Encoder(48_000, fec=False, dred_ms=10, loss_percent=1)
    Encoder(fec=False, application="lowdelay", bandwidth="wideband")
    Encoder(preset="deep", bitrate=20_000, dred_ms=800)
    Encoder(48_000, 2, force_channels=2, bitrate=1_500_000)
    Encoder(vbr=False, constrained_vbr=True, bitrate="max")


# Buffers, and many at once


def test_buffers_of_the_caller() -> None:
    one, other = Encoder(48_000), Encoder(48_000)
    out = bytearray(b"\xee" * (one.max_packet_bytes + 3))
    for at in range(0, 48_000, 960):
        frame = sound()[at : at + 960]
        length = one.encode_into(frame, out)
        assert bytes(out[:length]) == other.encode(frame)
    assert out[-3:] == b"\xee" * 3

    for sample_format, dtype in (("int16", np.int16), ("float32", np.float32)):
        for room in (960, 5760):
            into = Decoder(sample_format=sample_format)  # type: ignore[arg-type]  # one of the two
            fresh = Decoder(sample_format=sample_format)  # type: ignore[arg-type]  # one of the two
            pcm: Samples = np.full((room, 1), 77, dtype)
            for packet in SPOKEN:
                assert into.decode_into(packet, pcm) == 960
                assert np.array_equal(pcm[:960], np.asarray(fresh.decode(packet)))
                assert np.all(pcm[960:] == 77)


def test_nothing_is_lost_to_a_wrong_buffer() -> None:
    encoder, decoder = Encoder(48_000), Decoder()
    sizes, pcm = [], []
    for at, packet in zip(range(0, 48_000, 960), SPOKEN, strict=True):
        frame = sound()[at : at + 960]
        with pytest.raises(InvalidArgumentError):
            encoder.encode_into(frame, bytearray(9))
        with pytest.raises(InvalidArgumentError):
            decoder.decode_into(packet, array.array("h", [0] * 9))
        sizes.append(encoder.encode(frame))
        pcm.append(decoder.decode(packet))
    assert sizes == SPOKEN
    assert np.array_equal(np.concatenate(pcm), np.asarray(Decoder().decode_many(SPOKEN)))


def test_many_packets_are_decoded_or_none() -> None:
    decoder = Decoder(sample_format="float32")
    assert decoder.decode_many([]).shape == (0,)
    with pytest.raises(InvalidPacketError, match=r"packet 3: .*rule R"):
        decoder.decode_many([*SPOKEN[:3], b"\x4b\x00", *SPOKEN[3:]])
    with pytest.raises(InvalidPacketError, match=r"packet 0: .*empty"):
        decoder.decode_many([b""])
    whole = np.asarray(decoder.decode_many(SPOKEN))
    each = Decoder(sample_format="float32")
    assert np.array_equal(whole, np.concatenate([np.asarray(each.decode(p)) for p in SPOKEN]))


# Copies


@pytest.mark.parametrize(
    ("channels", "preset"),
    [(1, "voice"), (2, "archive"), (1, "deep"), (6, "archive"), (2, "music")],
)
def test_copies_go_their_own_ways(channels: int, preset: str) -> None:
    pcm = sound(channels=channels)
    encoder = Encoder(48_000, channels, preset=preset)
    decoder = Decoder.for_stream(encoder.format, complexity=10)
    decoder.decode_many(encode(encoder, pcm[:24_000]))
    twin, echo = encoder.copy(), decoder.copy()
    assert twin.settings == encoder.settings
    assert (twin.format, echo.sample_format) == (encoder.format, decoder.sample_format)
    rest = encode(encoder, pcm[24_000:])
    expected = decoder.decode_many(rest)
    # The first ones go elsewhere, and away, before the second ones continue.
    encode(encoder, -pcm)
    decoder.reset()
    encoder.update(bitrate=100_000)
    del encoder, decoder
    assert encode(twin, pcm[24_000:]) == rest
    assert echo.decode_many(rest) == expected
    lost, kept = echo.copy(), echo.copy()
    lost.conceal(960)
    assert np.array_equal(lost.conceal(960), lost.copy().conceal(960)) is False
    assert kept.decode(rest[0]) == echo.decode(rest[0])


def test_two_threads_in_one_are_refused() -> None:
    encoder = Encoder(48_000, preset="archive")
    pcm = np.concatenate([sound()] * 20)
    began, refused = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        try:
            encode(encoder, pcm)
        except ConcurrentUseError:  # the other was there first
            refused.set()

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    while thread.is_alive() and not refused.is_set():
        try:
            encoder.copy()
        except ConcurrentUseError:
            refused.set()
    thread.join()
    assert refused.is_set()


def test_settings_are_a_value() -> None:
    assert PRESETS["voice"] == EncoderSettings()
    assert Encoder(preset=EncoderSettings(bitrate=32_000)).settings.bitrate == 32_000
