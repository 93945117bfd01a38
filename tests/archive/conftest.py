"""Audio and packets for the archive's tests, made here and the same each time."""

import math
import random
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from opuscule.archive.reading.archive import open_archive
from opuscule.archive.reading.recording import Recording
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.packets import Gap, GapKind, Packet, StreamFormat


def voice_like(samples: int, rate: int = 48_000, channels: int = 1) -> bytes:
    """Something that a codec finds no easier than speech: swept harmonics, noise and pauses."""
    noise = random.Random(7)
    out = array("h")
    for n in range(samples):
        t = n / rate
        loud = max(0.0, math.sin(2 * math.pi * 1.3 * t)) * 6000
        pitch = 2 * math.pi * (110 * t + 30 * math.sin(2 * t))
        value = loud * (math.sin(pitch) + 0.5 * math.sin(3 * pitch) + 0.2 * noise.uniform(-1, 1))
        for channel in range(channels):
            out.append(int(value * (1 - 0.4 * channel)))
    return out.tobytes()


class Speech:
    """Encoded audio."""

    def __init__(self, encoder: StreamEncoder, pcm: bytes) -> None:
        self.packets = encoder.push(pcm) + encoder.finish()
        self.format: StreamFormat = encoder.format
        self.end_samples: int = encoder.end_samples


@pytest.fixture(scope="session")
def speech() -> Speech:
    """Twelve seconds of 24 kb/s mono in 20 ms packets."""
    encoder = StreamEncoder(48_000, 1, preset="voice", dtx=False)
    return Speech(encoder, voice_like(12 * 48_000))


@pytest.fixture(scope="session")
def stereo() -> Speech:
    """Two seconds of 96 kb/s stereo in 10 ms packets."""
    encoder = StreamEncoder(48_000, 2, frame_ms=10, preset="voice", bitrate=96_000, dtx=False)
    return Speech(encoder, voice_like(2 * 48_000, channels=2))


def with_gaps(
    packets: list[Packet], gaps: dict[int, tuple[int, GapKind]]
) -> Iterator[Packet | Gap]:
    """Leave packets out: at each number, so many, for that reason."""
    skip = 0
    for number, packet in enumerate(packets):
        if number in gaps:
            count, kind = gaps[number]
            left_out = packets[number : number + count]
            skip = len(left_out)
            yield Gap(packet.time_samples, sum(p.duration_samples for p in left_out), kind)
        if skip:
            skip -= 1
        else:
            yield packet


GAPS = {
    0: (2, GapKind.LOST),
    30: (1, GapKind.LOST),
    60: (5, GapKind.LOST),
    100: (80, GapKind.UNSENT),
    200: (3, GapKind.DISCONTINUITY),
    257: (40, GapKind.LOST),
    300: (1, GapKind.UNSENT),
    590: (1000, GapKind.LOST),
}


def write(archive: Path, name: str, audio: Speech, items: Iterator[Packet | Gap]) -> Recording:
    with RecordingWriter(archive, name, audio.format) as writer:
        for item in items:
            writer.add(item)
        writer.finish(audio.end_samples)
    return open_archive(archive)[name]


def write_three(path: Path, speech: Speech, stereo: Speech) -> Path:
    """Make an archive with the recordings ``plain``, ``gappy`` and ``stereo``."""
    write(path, "plain", speech, iter(speech.packets))
    write(path, "gappy", speech, with_gaps(speech.packets, GAPS))
    write(path, "stereo", stereo, iter(stereo.packets))
    return path


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, speech: Speech, stereo: Speech) -> Path:
    """An archive with the recordings ``plain``, ``gappy`` and ``stereo``; not to be changed."""
    return write_three(tmp_path_factory.mktemp("archive") / "a.zarr", speech, stereo)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the project."""
    path = Path(__file__).parents[3] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the real recordings (../shared/data) are not here")
    return path
