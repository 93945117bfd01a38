"""Ogg Opus files against other software: opus-tools, ffmpeg, PyAV."""

import io
import shutil
import subprocess
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from opuscule.containers.ogg import OggReader, OggWriter
from opuscule.packets import Gap, Packet

pytestmark = pytest.mark.row("R5")


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def wav(path: Path, rate: int, channels: int, samples: int) -> Path:
    """A tone and noise, so that packets are of all sizes."""
    time = np.arange(samples) / rate
    noise = np.random.default_rng(5).normal(0, 2000, (channels, samples))
    audio = 8000 * np.sin(2 * np.pi * (200 + 900 * time) * time) + noise * (time % 1 > 0.5)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(audio.T.astype("<i2").tobytes())
    return path


def demuxed(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def read(path: Path) -> tuple[OggReader, list[Packet]]:
    with path.open("rb") as file:
        reader = OggReader(file)
        items = list(reader)
    packets = [item for item in items if isinstance(item, Packet)]
    assert len(packets) == len(items), "no gap in a sound file"
    assert reader.skipped == {}
    assert not reader.truncated
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    ends = [0, *(packet.end_samples for packet in packets)]
    assert [packet.time_samples for packet in packets] == ends[:-1]
    return reader, packets


@pytest.mark.parametrize(
    ("rate", "channels", "options"),
    [
        (48_000, 1, ["--bitrate", "24"]),
        (48_000, 2, ["--bitrate", "510", "--hard-cbr"]),
        (16_000, 1, ["--bitrate", "12", "--framesize", "60"]),
        (48_000, 1, ["--framesize", "2.5", "--max-delay", "0"]),
        (24_000, 2, ["--framesize", "10", "--comment", "A=b=c"]),
    ],
)
def test_reads_what_opusenc_writes(
    tmp_path: Path, rate: int, channels: int, options: list[str]
) -> None:
    samples = rate * 3 + 77
    source, coded = wav(tmp_path / "in.wav", rate, channels, samples), tmp_path / "out.opus"
    subprocess.run([tool("opusenc"), "--quiet", *options, source, coded], check=True)
    reader, packets = read(coded)
    assert [packet.data for packet in packets] == demuxed(coded)
    assert (reader.format.channels, reader.format.input_rate) == (channels, rate)
    audible = reader.end_samples - reader.format.pre_skip_samples
    # Where opusenc resamples, it rounds up or down by the resampler's phase.
    assert abs(audible - samples * 48_000 // rate) <= (0 if rate == 48_000 else 48_000 // rate)
    assert "libopus" in reader.vendor
    assert ("A", "b=c") in reader.comments or "--comment" not in options


def test_reads_what_ffmpeg_writes(tmp_path: Path) -> None:
    source, coded = wav(tmp_path / "in.wav", 48_000, 2, 48_000 * 3 + 77), tmp_path / "out.ogg"
    ffmpeg = [tool("ffmpeg"), "-v", "error", "-i", str(source)]
    subprocess.run([*ffmpeg, "-c:a", "libopus", "-b:a", "96k", str(coded)], check=True)
    reader, packets = read(coded)
    assert [packet.data for packet in packets] == demuxed(coded)
    assert reader.format.pre_skip_samples == 312
    assert reader.end_samples == 312 + 48_000 * 3 + 77


@pytest.fixture(scope="module")
def coded_file() -> bytes:
    """Four seconds in stereo at 20 ms, encoded by PyAV's libopus."""
    samples = np.random.default_rng(3).integers(-6000, 6000, (1, 2 * 4 * 48_000), np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def gap(*lost: range) -> set[int]:
    return {number for numbers in lost for number in numbers}


@pytest.mark.parametrize(
    ("lost", "end"),
    [
        (gap(), 192_000 + 312),
        (gap(), 192_001),
        (gap(range(50, 77), range(100, 101)), 192_000 + 312),
        (gap(range(3), range(150, 300)), 192_000 + 312),
        (gap(range(1, 300)), 312),
        (gap(range(1, 300)), 48_000 * 30),
        (gap(range(300)), 312 + 777),
        (gap(range(300)), 0),
    ],
)
def test_others_read_what_we_write(
    tmp_path: Path, coded_file: bytes, lost: set[int], end: int
) -> None:
    reader = OggReader(io.BytesIO(coded_file))
    sent = [item for item in reader if isinstance(item, Packet) and item.sequence not in lost]
    path = tmp_path / "ours.opus"
    with path.open("wb") as file:
        writer = OggWriter(file, reader.format, comments=[("TITLE", "ours")])
        for packet in sent:
            writer.write(packet)
        writer.close(end)
    audible = max(end, 312) - 312

    with path.open("rb") as file:
        items = list(again := OggReader(file))
    assert [i.data for i in items if isinstance(i, Packet)] == [packet.data for packet in sent]
    assert [i.time_samples for i in items if isinstance(i, Packet)] == [
        packet.time_samples for packet in sent
    ]
    assert again.end_samples == audible + 312
    holes = sum(item.duration_samples for item in items if isinstance(item, Gap))
    assert holes >= again.end_samples - len(sent) * 960

    info = subprocess.run([tool("opusinfo"), path], check=True, capture_output=True, text=True)
    assert "WARNING" not in info.stdout + info.stderr
    out = tmp_path / "out.raw"
    subprocess.run([tool("opusdec"), "--quiet", path, out], check=True)
    assert out.stat().st_size == audible * 4
    if audible:
        with av.open(str(path)) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) == audible
        ffmpeg = [tool("ffmpeg"), "-v", "warning", "-y", "-i", str(path), "-f", "s16le"]
        told = subprocess.run([*ffmpeg, str(out)], check=True, capture_output=True, text=True)
        assert (told.stderr, out.stat().st_size) == ("", audible * 4)
