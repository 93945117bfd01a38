"""Encoder, decoder and stream encoder, through their public calls."""

import array
import functools
import math
import shutil
import subprocess
import wave
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule import codec
from opuscule.activity import EnergyGate
from opuscule.codec import Decoder, Encoder, EncoderSettings, SampleFormat, StreamEncoder
from opuscule.errors import InvalidArgumentError, InvalidPacketError
from opuscule.levels import LevelMeter, measure
from opuscule.packets import Packet
from opuscule.units import OPUS_RATES, from_media_samples

Samples: TypeAlias = Any  # arrays; NumPy's stubs call them buffers only from Python 3.12 on
FRAMES_MS = (2.5, 5, 10, 20, 40, 60, 80, 100, 120)
DRED = EncoderSettings(bitrate=32_000, fec=False, loss_percent=20, dtx=False, dred_ms=500)


@functools.cache
def voice(rate: int = 16_000, seconds: float = 2.0) -> Samples:
    """Something voiced: a glottal pulse train with a moving pitch through three formants."""
    t = np.arange(int(rate * seconds)) / rate
    pitch = 110 + 25 * np.sin(2 * np.pi * 1.3 * t) + 10 * np.sin(2 * np.pi * 3.1 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    total = np.zeros_like(t)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        formants = (600 + 150 * np.sin(2 * np.pi * 0.9 * t), 1400 + 300 * np.cos(4 * t), 2600)
        gain = sum(1 / (1 + ((frequency - f) / 120) ** 2) for f in formants)
        total += np.where(frequency < 0.45 * rate, gain * np.sin(harmonic * phase), 0)
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    return (9000 * syllables * total / np.abs(total).max()).astype(np.int16)


def noise(samples: int, channels: int = 1, seed: int = 1) -> Samples:
    shape = (samples, channels) if channels > 1 else (samples,)
    return np.random.default_rng(seed).normal(0, 3000, shape).astype(np.int16)


def frames_of(pcm: Samples, samples: int) -> list[Samples]:
    return [pcm[at : at + samples] for at in range(0, len(pcm) - samples + 1, samples)]


def encode_all(encoder: Encoder, pcm: Samples, frame_ms: float = 20) -> list[bytes]:
    return [encoder.encode(f) for f in frames_of(pcm, round(encoder.rate * frame_ms / 1000))]


def flat(pcm: Samples) -> Samples:
    return np.frombuffer(memoryview(pcm), np.int16)


def snr_db(signal: Samples, other: Samples) -> float:
    reference = signal.astype(np.float64)
    error = float(np.sum((reference - other) ** 2))
    return 10 * math.log10(float(np.sum(reference**2)) / max(error, 1e-9))


# Lengths and forms


@pytest.mark.parametrize("frame_ms", FRAMES_MS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", OPUS_RATES)
def test_every_rate_and_frame_comes_back_as_long(rate: int, channels: int, frame_ms: float) -> None:
    samples = round(rate * frame_ms / 1000)
    encoder = Encoder(rate, channels, dtx=False)
    decoder = Decoder(rate, channels)
    elsewhere = Decoder(48_000, 3 - channels, sample_format="float32")
    for _ in range(2):
        packet = encoder.encode(noise(samples, channels))
        assert codec.packet_duration(packet) == frame_ms * 48
        pcm = decoder.decode(packet)
        assert (pcm.shape, pcm.format) == ((samples, channels), "h")
        floats = elsewhere.decode(packet)
        assert (floats.shape, floats.format) == ((frame_ms * 48, 3 - channels), "f")


def test_all_forms_of_pcm_give_the_same_packets() -> None:
    mono = noise(320)
    stereo = noise(320, 2)
    spaced = np.zeros((320, 4), np.int16)
    spaced[:, ::2] = stereo
    forms: list[tuple[int, list[Any]]] = [
        (1, [mono, mono.tobytes(), array.array("h", mono.tolist()), bytearray(mono.tobytes())]),
        (1, [mono, mono.repeat(2)[::2], mono[::-1][::-1], memoryview(mono.tobytes()).cast("h")]),
        (2, [stereo, spaced[:, ::2], np.asfortranarray(stereo), stereo.tobytes()]),
    ]
    for channels, same in forms:
        packets = {Encoder(16_000, channels).encode(pcm) for pcm in same}
        assert len(packets) == 1


def test_channels_in_rows_and_swapped_bytes_are_refused() -> None:
    stereo = noise(320, 2)
    calls: tuple[Callable[[Samples], object], ...] = (
        Encoder(16_000, 2).encode,
        lambda pcm: Encoder(16_000, 2).encode_frames(pcm, 320),
        StreamEncoder(16_000, 2).push,
        LevelMeter(2).push,
        lambda pcm: measure(pcm, 2),
        EnergyGate(16_000, 2).push,
    )
    for call in calls:
        call(stereo.reshape(1, 640))  # interleaved, as PyAV gives it
        call(stereo)
        with pytest.raises(
            InvalidArgumentError, match=r"shape \(2, 320\); expected \(samples, 2\)"
        ):
            call(np.ascontiguousarray(stereo.T))
        with pytest.raises(InvalidArgumentError):
            call(stereo.astype(stereo.dtype.newbyteorder()))
    with pytest.raises(InvalidArgumentError, match="transpose"):
        Encoder(16_000).encode(noise(160, 2))


def test_floats_are_full_scale_one() -> None:
    pcm = voice()
    ints = encode_all(Encoder(dtx=False), pcm)
    encoder = Encoder(dtx=False)
    floats = [encoder.encode(f.astype(np.float32) / 32768) for f in frames_of(pcm, 320)]
    assert floats == ints

    whole, real = Decoder(16_000), Decoder(16_000, sample_format="float32")
    for packet in ints:
        expected = flat(whole.decode(packet)).astype(np.float32)
        got = np.asarray(real.decode(packet)).ravel() * 32768
        assert np.abs(got - expected).max() <= 0.51


@pytest.mark.parametrize("rate", OPUS_RATES)
def test_what_comes_out_is_what_went_in(rate: int) -> None:
    pcm = voice(rate)
    encoder = Encoder(rate, preset="archive")
    decoder = Decoder(rate)
    out = np.concatenate([flat(decoder.decode(p)) for p in encode_all(encoder, pcm)])
    late = encoder.lookahead_samples
    assert snr_db(pcm[rate // 5 : -late], out[late:][rate // 5 :]) > 12


# What is refused, and how


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Encoder(44_100), ["rate is 44100", "48000", "resample"]),
        (lambda: Encoder(16_000, 3, mapping_family=0), ["channels is 3", "family 0", "1 to 2"]),
        (lambda: Encoder(16_000, 0), ["channels is 0"]),
        (lambda: Encoder(16_000, 256), ["channels is 256"]),
        (lambda: Encoder(16_000, -1), ["channels is -1"]),
        (lambda: Encoder(bitrate=499), ["bitrate is 499", "500 to 750000"]),
        (lambda: Encoder(bitrate=750_001), ["bitrate is 750001"]),
        (lambda: Encoder(bitrate=1 << 40), ["bitrate is 1099511627776", "'max'"]),
        (lambda: Encoder(complexity=11), ["complexity is 11", "0 to 10"]),
        (lambda: Encoder(loss_percent=101), ["loss_percent is 101", "0 to 100"]),
        (lambda: Encoder(dred_ms=1041), ["dred_ms is 1041", "0 to 1040"]),
        (lambda: Encoder(preset="loud"), ["preset is 'loud'", "archive, deep, music, voice"]),
        (lambda: Encoder(application="opera"), ["application is", "opera", "lowdelay"]),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Encoder(signal="noise"), ["signal is", "noise", "music"]),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Decoder(44_100), ["rate is 44100"]),
        (lambda: Decoder(channels=0), ["channels is 0"]),
        (lambda: Decoder(complexity=-1), ["complexity is -1", "0 to 10"]),
        (lambda: Decoder(sample_format="int24"), ["sample_format is 'int24'", "float32"]),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: StreamEncoder(sample_format="u8"), ["sample_format is 'u8'"]),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: StreamEncoder(frame_ms=0), ["frame_ms is 0", "nearest", "2.5 and 5"]),
        (lambda: StreamEncoder(frame_ms=121), ["frame_ms is 121"]),
        (lambda: StreamEncoder(frame_ms=30), ["frame_ms is 30", "2.5, 5, 10, 20, 40", "20 and 40"]),
        (lambda: Encoder().encode(bytes(638)), ["319 values", "40 to 1920 samples", "160 or 320"]),
        (lambda: Encoder().encode(b""), ["0 values"]),
        (lambda: Encoder().encode(bytes(3)), ["3 bytes", "two each"]),
        (lambda: Encoder().encode(array.array("d", [0] * 320)), ["int16 or float32"]),
        (lambda: Encoder(16_000, 2).encode(bytes(2 * 321)), ["321 values", "2 channel"]),
        (lambda: Decoder().conceal(0), ["0 samples", "multiple of 120"]),
        (lambda: Decoder().conceal(121), ["121 samples"]),
        (lambda: Decoder().conceal(5880), ["5880 samples", "5760"]),
        (lambda: Decoder().decode_fec(encode_all(Encoder(fec=False), voice())[9]), ["no in-band"]),
        (lambda: Decoder().decode_dred(encode_all(Encoder(), voice())[9], 960, 960), ["0 samples"]),
    ],
)
def test_wrong_arguments_are_named(make: object, words: list[str]) -> None:
    assert callable(make)
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert [word for word in words if word not in str(caught.value)] == []


def test_no_packet_is_no_silence() -> None:
    decoder = Decoder()
    with pytest.raises(InvalidPacketError, match="empty"):
        decoder.decode(b"")
    with pytest.raises(InvalidPacketError):
        codec.packet_duration(b"")
    for wrong, words in [
        (b"\x4b", "byte 1 breaks rule R6"),  # code 3 without its count (RFC 6716 §3.2.5)
        (b"\x4b\x00", "byte 1 breaks rule R5"),  # no frames
        (b"\x4b\x07", "byte 1 breaks rule R5"),  # 140 ms
        (b"\x49" + bytes(3), "byte 1 breaks rule R3"),  # two equal frames of 1.5 bytes
        (b"\x48" + bytes(1276), "rule R2"),  # a frame of 1276 bytes
    ]:
        with pytest.raises(InvalidPacketError, match=words):
            decoder.decode(wrong)
    with pytest.raises(InvalidPacketError, match="rule R5"):
        codec.packet_duration(b"\x4b\x00")


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_a_packet_or_an_error(data: bytes) -> None:
    decoder = Decoder(8_000)
    try:
        duration = codec.packet_duration(data)
        pcm = decoder.decode(data)
    except InvalidPacketError:
        with pytest.raises(InvalidPacketError):
            decoder.decode(data)
        # It did no harm: the same decoder decodes what is sound, and as long as it says.
        sound = Encoder(8_000, dtx=False).encode(noise(160))
        assert len(decoder.decode(sound)) == 160
    else:
        assert duration == len(pcm) * 6
        assert 120 <= duration <= 5760
    assert decoder.fec_samples(data) >= 0
    assert decoder.dred_samples(data) >= 0


# The stream encoder


def joined(stream: StreamEncoder, chunks: list[bytes]) -> list[Packet]:
    packets = [packet for chunk in chunks for packet in stream.push(chunk)]
    return packets + stream.finish()


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_chunking_changes_nothing(data: st.DataObject) -> None:
    rate = data.draw(st.sampled_from(OPUS_RATES))
    channels = data.draw(st.sampled_from([1, 2]))
    frame_ms = data.draw(st.sampled_from(FRAMES_MS))
    sample_format: SampleFormat = data.draw(st.sampled_from(["int16", "float32"]))
    samples = data.draw(st.integers(0, rate // 4))
    pcm = noise(samples, channels)
    whole = (pcm if sample_format == "int16" else pcm.astype(np.float32) / 32768).tobytes()
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8).map(sorted))
    chunks = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]

    def stream() -> StreamEncoder:
        return StreamEncoder(
            rate, channels, frame_ms=frame_ms, sample_format=sample_format, dtx=False
        )

    encoder = stream()
    packets = joined(encoder, chunks)
    assert packets == joined(stream(), [whole])
    # Numbered, timed and of one length, and just enough of them.
    duration = round(frame_ms * 48)
    assert [p.sequence for p in packets] == list(range(encoder.next_sequence))
    assert [p.time_samples for p in packets] == [i * duration for i in range(len(packets))]
    assert {codec.packet_duration(p.data) for p in packets} <= {duration}
    media = samples * (48_000 // rate)
    assert encoder.end_samples == (encoder.format.pre_skip_samples + media if samples else 0)
    assert len(packets) == -(-encoder.end_samples // duration)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frame_ms", [2.5, 20, 60, 120])
@pytest.mark.parametrize("rate", OPUS_RATES)
def test_all_samples_come_out_where_they_went_in(rate: int, channels: int, frame_ms: float) -> None:
    mono = voice(rate)[: rate + 7]
    pcm = mono if channels == 1 else np.stack([mono, mono[::-1]], axis=1)
    stream = StreamEncoder(rate, channels, frame_ms=frame_ms, preset="archive", bitrate=256_000)
    packets = joined(stream, [pcm.tobytes()])
    decoder = Decoder(rate, channels)
    out = np.concatenate([np.asarray(decoder.decode(p.data)) for p in packets])
    skip = from_media_samples(stream.format.pre_skip_samples, rate)
    out = out[skip : skip + len(pcm)]
    assert len(out) == len(pcm)
    for channel in range(channels):
        wanted = pcm.reshape(len(pcm), channels)[:, channel].astype(np.float64)
        # The lag at which they are most alike is none: the pre-skip is the whole delay.
        lags = range(-40, 41)
        alike = [float(np.dot(np.roll(wanted, lag), out[:, channel])) for lag in lags]
        assert lags[int(np.argmax(alike))] == 0
        # The last samples came out as well.
        tail = slice(-rate // 50, None)
        assert np.corrcoef(wanted[tail], out[tail, channel])[0, 1] > 0.7


def test_a_stream_takes_no_half_samples_and_nothing_after_its_end() -> None:
    stream = StreamEncoder(16_000, 2)
    stream.push(bytes(1282))
    with pytest.raises(InvalidArgumentError, match="2 bytes into a sample of 4"):
        stream.finish()
    stream.push(bytes(2))  # the rest of it: nothing was lost
    assert [p.sequence for p in stream.finish()] == [1]
    assert stream.finish() == []
    with pytest.raises(InvalidArgumentError, match="finished"):
        stream.push(b"")
    with pytest.raises(InvalidArgumentError, match=r"'f'.*int16"):
        StreamEncoder().push(array.array("f", [0.0]))


def test_an_empty_stream_has_no_packets() -> None:
    stream = StreamEncoder()
    assert stream.finish() == []
    assert stream.end_samples == 0


# Silence, and what is missing


def test_silence_is_tiny_and_all_there() -> None:
    stream = StreamEncoder(preset="voice")
    packets = joined(stream, [voice().tobytes() + bytes(2 * 16_000 * 3) + voice().tobytes()])
    sizes = [len(p.data) for p in packets]
    assert min(sizes) >= 1
    assert sum(size <= 2 for size in sizes[115:250]) > 100
    assert max(sizes[115:250]) < max(sizes[:100])
    times = [p.time_samples for p in packets]
    assert times == list(range(0, 960 * len(packets), 960))
    decoder = Decoder()
    assert sum(len(decoder.decode(p.data)) for p in packets) == 960 * len(packets)


@functools.cache
def speech() -> Samples:
    """A sentence at 16 kHz: a recording, or else a speaking machine."""
    recording = Path(__file__).parents[2] / "shared" / "data" / "speech" / "spk1_snt1.wav"
    if recording.exists():
        with wave.open(str(recording)) as file:
            assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
            return flat(file.readframes(file.getnframes()))
    if shutil.which("espeak-ng") is None:
        pytest.skip("no speech: neither ../shared/data nor espeak-ng is there")
    text = "A rainbow is a division of white light into many beautiful colours."
    said = subprocess.run(["espeak-ng", "--stdout", text], capture_output=True, check=True).stdout
    # Its header has no length, as it is written to a pipe; samples follow at byte 44.
    return soxr.resample(flat(said[44 : len(said) // 2 * 2]), 22_050, 16_000)


def lossy(settings: EncoderSettings) -> tuple[list[bytes], Samples]:
    """Packets of speech and what they decode to at 16 kHz when none is missing."""
    packets = encode_all(Encoder(16_000, preset=settings), speech())
    decoder = Decoder(16_000)
    return packets, np.concatenate([flat(decoder.decode(p)) for p in packets])


@pytest.mark.row("C6")
def test_fec_is_closer_than_concealment() -> None:
    packets, original = lossy(EncoderSettings(dtx=False, loss_percent=20))
    reader = Decoder(16_000)
    # Packets in pauses carry none.
    rebuildable = [i for i in range(20, len(packets) - 1) if reader.fec_samples(packets[i + 1])]
    assert len(rebuildable) > len(packets) / 4
    gains = []
    for lost in rebuildable[::7]:
        with_fec, without = Decoder(16_000), Decoder(16_000)
        for packet in packets[:lost]:
            with_fec.decode(packet)
            without.decode(packet)
        assert with_fec.fec_samples(packets[lost + 1]) == 320
        rebuilt = flat(with_fec.decode_fec(packets[lost + 1]))
        concealed = flat(without.conceal(320))
        assert len(rebuilt) == 320
        assert not np.array_equal(rebuilt, concealed)
        truth = original[lost * 320 : (lost + 1) * 320]
        gains.append(snr_db(truth, rebuilt) - snr_db(truth, concealed))
    assert np.median(gains) > 3


@pytest.mark.row("C6")
def test_dred_is_closer_than_concealment() -> None:
    packets, original = lossy(DRED)
    missing = 6  # 120 ms
    gains = []
    for lost in range(30, len(packets) - missing, 7):
        with_dred, without = Decoder(16_000), Decoder(16_000)
        for packet in packets[:lost]:
            with_dred.decode(packet)
            without.decode(packet)
        after = packets[lost + missing]
        reach = with_dred.dred_samples(after)
        if reach < missing * 320:
            continue  # just after a pause
        rebuilt = [
            flat(with_dred.decode_dred(after, back * 320, 320)) for back in range(missing, 0, -1)
        ]
        concealed = [flat(without.conceal(320)) for _ in range(missing)]
        truth = original[lost * 320 : (lost + missing) * 320]
        gains.append(
            likeness(truth, np.concatenate(rebuilt)) - likeness(truth, np.concatenate(concealed))
        )
        with pytest.raises(InvalidArgumentError, match="reaches"):
            with_dred.decode_dred(after, reach + 40, 40)
    assert len(gains) > 8
    assert np.mean(gains) > 2


def likeness(truth: Samples, other: Samples) -> float:
    """How alike two voices' short-time spectra are, in dB below 0; phase is not DRED's business."""

    def spectrum(pcm: Samples) -> npt.NDArray[np.float64]:
        frames = np.lib.stride_tricks.sliding_window_view(pcm.astype(np.float64), 320)[::80]
        power: npt.NDArray[np.float64] = np.abs(np.fft.rfft(frames * np.hanning(320))) ** 2
        bands = np.add.reduceat(power, range(0, 161, 8), axis=1)
        return np.asarray(10 * np.log10(bands + 1e4))

    return -float(np.abs(spectrum(truth) - spectrum(other)).mean())


def test_reset_forgets() -> None:
    packets, _ = lossy(codec.VOICE)
    used, fresh = Decoder(16_000), Decoder(16_000)
    for packet in packets[:20]:
        used.decode(packet)
    used.reset()
    for packet in packets[20:30]:
        assert used.decode(packet) == fresh.decode(packet)


def test_the_library_has_dred() -> None:
    assert codec.libopus_version().startswith("libopus 1.")
