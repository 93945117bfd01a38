import io
import os
import random
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from opuscule.containers.media import MediaReader, Resampler, open_pcm
from opuscule.containers.pcm import BLOCK_BYTES, PcmReader
from opuscule.containers.wav import WavReader, WavWriter
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    TruncatedError,
    UnsupportedFormatError,
)

Samples = NDArray[np.float64]


def read(reader: PcmReader) -> Samples:
    """Frames by channels, full scale at 1."""
    with reader:
        blocks = list(reader)
    assert all(0 < len(block) <= BLOCK_BYTES for block in blocks)
    if reader.sample_format == "int16":
        flat = np.frombuffer(b"".join(blocks), np.int16) / 32768
    else:
        flat = np.frombuffer(b"".join(blocks), np.float32).astype(float)
    samples: Samples = flat.reshape(-1, reader.channels)
    assert reader.total_samples in (None, len(samples))
    return samples


def wav(path: Path, samples: Samples, rate: int) -> Path:
    with path.open("wb") as file, WavWriter(file, rate, samples.shape[1]) as writer:
        writer.write((samples * 32767).round().astype(np.int16).tobytes())
    return path


def sine(rate: int, frames: int, hertz: float, channels: int = 1) -> Samples:
    one = 0.5 * np.sin(2 * np.pi * hertz * np.arange(frames) / rate)
    both: Samples = np.repeat(one[:, None], channels, 1)
    return both


def encode(source: Path, target: Path, container: str, codec: str) -> Path:
    """By PyAV itself, so that the test needs no program."""
    with av.open(str(source)) as given_, av.open(str(target), "w", format=container) as made:
        stream = made.add_stream(codec, rate=given_.streams.audio[0].rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = ["mono", "stereo"][given_.streams.audio[0].channels - 1]
        stream.codec_context.format = (stream.codec_context.codec.audio_formats or [])[0]
        for frame in given_.decode(audio=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return target


@pytest.mark.row("Z1")
@pytest.mark.parametrize(
    ("container", "codec", "lossless"),
    [
        ("flac", "flac", True),
        ("aiff", "pcm_s16be", True),
        ("w64", "pcm_s24le", True),
        ("wav", "pcm_alaw", False),
        ("mp3", "libmp3lame", False),
        ("mp4", "aac", False),
        ("matroska", "ac3", False),
    ],
)
def test_other_formats_are_decoded(
    tmp_path: Path, container: str, codec: str, lossless: bool
) -> None:
    original = sine(48_000, 30_000, 700.0, 2)
    source = wav(tmp_path / "a.wav", original, 48_000)
    # Named as what it is not (Z2).
    samples = read(open_pcm(encode(source, tmp_path / "b.wav", container, codec)))
    if lossless:
        assert np.array_equal(samples, read(WavReader(source)))
    else:
        assert 0 <= len(samples) - len(original) < 2400
        middle = samples[4000:26_000]
        assert np.abs(middle - original[4000:26_000]).max() < 0.03


@pytest.mark.row("Z2")
def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    source = wav(tmp_path / "song.mp3", sine(16_000, 100, 440.0), 16_000)
    with open_pcm(source) as reader:
        assert isinstance(reader, WavReader)


@pytest.mark.row("Z3")
@pytest.mark.parametrize(
    ("rate", "taken"),
    [
        (6000, 8000), (8000, 8000), (11_025, 12_000), (16_000, 16_000), (22_050, 24_000),
        (32_000, 48_000), (44_100, 48_000), (48_000, 48_000),
    ],
)  # fmt: skip
def test_rates_go_to_the_next_that_opus_has(tmp_path: Path, rate: int, taken: int) -> None:
    source = wav(tmp_path / "a.wav", sine(rate, rate, 440.0), rate)
    with open_pcm(source) as reader:
        assert reader.rate == taken
        assert isinstance(reader, WavReader if rate == taken else Resampler)
    assert len(read(open_pcm(source))) == taken


@pytest.mark.row("Z3")
def test_ultrasound_is_never_quietly_destroyed(tmp_path: Path) -> None:
    source = wav(tmp_path / "bat.wav", sine(384_000, 38_400, 1000.0), 384_000)
    with pytest.raises(UnsupportedFormatError, match=r"384000 Hz.*rate=48000"):
        open_pcm(source)
    samples = read(open_pcm(source, rate=48_000))
    assert np.abs(samples[400:-400] - sine(48_000, 4800, 1000.0)[400:-400]).max() < 1e-3
    for rate in (0, -1, 10**6):
        with pytest.raises(InvalidArgumentError, match="expected 1 to"):
            open_pcm(source, rate=rate)
    absurd = wav(tmp_path / "absurd.wav", sine(8000, 10, 1.0), 2**32 - 1)
    with pytest.raises(UnsupportedFormatError, match="claims 4294967295 Hz"):
        open_pcm(absurd, rate=48_000)


@pytest.mark.parametrize("channels", [1, 2, 7])
@pytest.mark.parametrize(("rate", "to"), [(44_100, 48_000), (48_000, 16_000), (11_025, 48_000)])
def test_resampling_keeps_time_and_shape(tmp_path: Path, rate: int, to: int, channels: int) -> None:
    source = wav(tmp_path / "a.wav", sine(rate, 3 * rate, 440.0, channels), rate)
    samples = read(open_pcm(source, rate=to))
    assert samples.shape == (3 * to, channels)
    # No delay: sample n of the result is time n/to of the source.
    assert np.abs(samples - sine(to, 3 * to, 440.0, channels))[1000:-1000].max() < 2e-4


@given(st.integers(0, 5000), st.integers(4000, 50_000), st.integers(4000, 50_000))
def test_resampling_gives_exactly_as_many_as_it_says(frames: int, rate: int, to: int) -> None:
    file = io.BytesIO()
    with WavWriter(file, rate, 1) as writer:
        writer.write(bytes(2 * frames))
    file.seek(0)
    reader = Resampler(WavReader(file), to)
    got = sum(map(len, reader)) // 4
    assert got == reader.total_samples
    assert 2 * got * rate <= 2 * frames * to + rate < 2 * (got + 1) * rate


def test_what_holds_no_audio(tmp_path: Path) -> None:
    cases: list[tuple[bytes, type[Exception]]] = [
        (b"Dear diary,\n" * 50, FormatError),
        (random.Random(1).randbytes(5000), FormatError),
        (b"RIFF\0\0\0\0AVI " + bytes(100), FormatError),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), FormatError),
        (b"fLaC", FormatError),
    ]
    for content, error in cases:
        path = tmp_path / "x.wav"
        path.write_bytes(content)
        with pytest.raises(error) as caught:
            read(open_pcm(path))
        assert "\n" not in str(caught.value)
        assert "x.wav" in str(caught.value)
    with av.open(str(tmp_path / "film.mkv"), "w") as made:
        stream = made.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        made.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        made.mux(stream.encode(None))
    with pytest.raises(UnsupportedFormatError, match="no audio"):
        open_pcm(tmp_path / "film.mkv")


def test_a_pipe_is_refused_before_it_loses_anything() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"RIFF")
    with pytest.raises(UnsupportedFormatError, match="is a pipe"):
        open_pcm(f"/dev/fd/{reading}")
    assert os.read(reading, 100) == b"RIFF"
    os.close(reading)
    os.close(writing)


def test_a_playlist_opens_nothing_else(tmp_path: Path) -> None:
    source = encode(
        wav(tmp_path / "a.wav", sine(48_000, 48_000, 440.0), 48_000), tmp_path / "a.mp3",
        "mp3", "libmp3lame",
    )  # fmt: skip
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{source}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {source}\n",
    ):
        listing = tmp_path / "list.m3u8"
        listing.write_text(text)
        with pytest.raises(FormatError):
            open_pcm(listing)


def test_a_cut_file_is_not_a_short_recording(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (48_000, 1))
    source = wav(tmp_path / "a.wav", noise, 48_000)
    whole = encode(source, tmp_path / "a.flac", "flac", "flac").read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="salvage"):
        read(open_pcm(cut))
    saved = read(open_pcm(cut, salvage=True))
    assert 10_000 < len(saved) < 40_000
    assert np.array_equal(saved, read(WavReader(source))[: len(saved)])
    # A hole in the middle is passed over by the decoder, and only the count tells.
    middle = len(whole) // 2
    cut.write_bytes(whole[:middle] + bytes(3000) + whole[middle + 3000 :])
    with pytest.raises(FormatError):
        read(open_pcm(cut))
    cut.write_bytes(source.read_bytes()[:-1000])
    with pytest.raises(TruncatedError, match="got 47500 samples, its header promises 48000"):
        open_pcm(cut)
    assert len(read(open_pcm(cut, salvage=True))) == 47_500


@pytest.mark.parametrize(
    ("container", "codec"), [("flac", "flac"), ("mp3", "libmp3lame"), ("mp4", "aac")]
)
def test_damage_is_read_or_refused(tmp_path: Path, container: str, codec: str) -> None:
    source = wav(tmp_path / "a.wav", sine(48_000, 9600, 440.0), 48_000)
    whole = encode(source, tmp_path / "whole", container, codec).read_bytes()
    draw, path = random.Random(container), tmp_path / "damaged"
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(draw.choice((1, 5, 50))):
            data[draw.randrange(draw.choice((min(300, len(data)), len(data))))] = draw.randrange(
                256
            )
        path.write_bytes(data[: draw.randrange(1, len(data) + 1)])
        try:
            read(open_pcm(path))
        except FormatError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("container", "codec", "length_is_said"),
    [
        ("flac", "flac", True),
        ("flac", "flac", False),
        ("wv", "wavpack", True),
        ("tta", "tta", True),
    ],
)
def test_a_changed_byte_of_a_lossless_file_does_not_pass_for_sound(
    tmp_path: Path, container: str, codec: str, length_is_said: bool
) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (48_000, 1))
    source = wav(tmp_path / "a.wav", noise, 48_000)
    whole = bytearray(encode(source, tmp_path / "whole", container, codec).read_bytes())
    if not length_is_said:  # written into a pipe (RFC 9639 §8.2)
        whole[21] &= 0xF0
        whole[22:26] = bytes(4)
    path = tmp_path / "damaged"
    path.write_bytes(whole)
    expected = read(open_pcm(path))
    refused = 0
    for tenth in range(1, 10):
        changed = bytearray(whole)
        changed[len(whole) * tenth // 10] ^= 0x55
        path.write_bytes(changed)
        try:
            assert np.array_equal(read(open_pcm(path)), expected)
        except FormatError as error:
            assert "salvage" in str(error)  # noqa: PT017 - either outcome is right
            refused += 1
    assert refused >= 8


@pytest.mark.parametrize("container", ["flac", "ogg"])
def test_lossless_files_that_were_joined_are_no_damage(tmp_path: Path, container: str) -> None:
    source = wav(tmp_path / "a.wav", sine(48_000, 30_000, 440.0), 48_000)
    whole = encode(source, tmp_path / "whole", container, "flac")
    one = read(open_pcm(whole))
    joined = tmp_path / "joined"
    joined.write_bytes(whole.read_bytes() * 2)
    with MediaReader(joined) as reader:
        samples = sum(map(len, reader)) // (2 if reader.sample_format == "int16" else 4)
    assert samples == 2 * len(one)


def test_tags_that_are_no_utf8(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav", sine(48_000, 9600, 440.0), 48_000)
    made = encode(source, tmp_path / "a.flac", "flac", "flac").read_bytes()
    path = tmp_path / "b.flac"
    path.write_bytes(made.replace(b"encoder=Lavf", b"encoder=L\xe9vf"))
    assert b"\xe9vf" in path.read_bytes()
    assert len(read(open_pcm(path))) == 9600


@pytest.mark.row("C12")
@pytest.mark.parametrize("missing", ["av", "soxr", "numpy"])
def test_what_is_not_installed_is_named(tmp_path: Path, missing: str) -> None:
    source = wav(tmp_path / "a.wav", sine(44_100, 4410, 440.0), 44_100)
    other = encode(source, tmp_path / "a.flac", "flac", "flac")
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from opuscule.containers.media import open_pcm\nopen_pcm(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, other if missing == "av" else source],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "MissingExtraError" in done.stderr
    assert done.stderr.rstrip().endswith("pip install 'opuscule[media]'")


@pytest.mark.row("P13")
def test_wav_at_an_opus_rate_needs_nothing(tmp_path: Path) -> None:
    source = wav(tmp_path / "a.wav", sine(48_000, 4800, 440.0), 48_000)
    script = (
        "import sys; sys.modules.update(dict.fromkeys(('av', 'soxr', 'numpy')))\n"
        "from opuscule.containers.media import open_pcm\n"
        "print(sum(map(len, open_pcm(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, source],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == 9600


@pytest.mark.row("Z1")
def test_real_recordings_in_other_formats(shared_data: Path) -> None:
    with MediaReader(shared_data / "speech/jfk.flac") as reader:
        assert (reader.rate, reader.channels, reader.sample_format) == (44_100, 2, "float32")
    samples = read(open_pcm(shared_data / "speech/jfk.flac"))
    assert samples.shape == (528_000, 2)
    assert 0.05 < np.sqrt((samples**2).mean()) < 0.3
    silence = read(open_pcm(shared_data / "edge/silence_10s.mp3"))
    assert silence.shape == (480_000, 1)
    assert np.abs(silence).max() < 1e-3


def test_wav_agrees_with_ffmpeg(shared_data: Path) -> None:
    for path in sorted(shared_data.glob("*/*.wav")):
        if path.name != "empty_2c.wav":
            assert np.array_equal(read(WavReader(path)), read(MediaReader(path))), path.name
