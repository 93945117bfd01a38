"""WebM, Matroska and MP4 written packet by packet, FLAC and AIFF sample by sample, bare PCM."""

import io
from array import array
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.codec import Encoder, StreamEncoder
from opuscule.containers.av_writer import AV_CONTAINERS, AvContainer, AvWriter
from opuscule.containers.bare import BarePcm, BareReader, BareWriter
from opuscule.containers.media import MediaReader
from opuscule.containers.media_writer import LOSSLESS, Lossless, MediaWriter
from opuscule.containers.ogg import OggReader, OggWriter, Picture
from opuscule.containers.opening import open_packets
from opuscule.containers.pipe import Pipe
from opuscule.errors import InvalidArgumentError, UnsupportedFormatError
from opuscule.packets import Gap, GapKind, Packet
from opuscule.transcode import encode_file


class Chunks(io.RawIOBase):
    """A pipe from which data comes in pieces."""

    def __init__(self, data: bytes, chunk_bytes: int = 7) -> None:
        self._data, self._chunk_bytes = data, chunk_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # any buffer, it says there
        size = min(len(buffer), self._chunk_bytes, len(self._data))
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size


@pytest.mark.parametrize("container", AV_CONTAINERS)
@pytest.mark.parametrize(
    ("rate", "channels", "frame_ms", "preset"),
    [(16_000, 1, 20, "voice"), (48_000, 2, 60, "music"), (48_000, 1, 2.5, "archive")],
)
def test_packets_come_back_with_their_times(
    tmp_path_factory: pytest.TempPathFactory,
    container: AvContainer,
    rate: int,
    channels: int,
    frame_ms: float,
    preset: str,
) -> None:
    encoder = StreamEncoder(rate, channels, frame_ms=frame_ms, preset=preset)
    packets = encoder.push(bytes(2 * channels * (rate + 123))) + encoder.finish()
    lost = packets[7:9]
    kept = packets[:7] + packets[9:]
    path = tmp_path_factory.mktemp("av") / "a"
    with path.open("wb") as file:
        writer = AvWriter(file, container, encoder.format)
        for packet in kept:
            writer.write(packet)
        writer.close(encoder.end_samples)
        assert not file.closed
    with open_packets(path) as reader:
        found = list(reader)
        assert reader.format == encoder.format
        assert reader.end_samples == encoder.end_samples
        assert (reader.truncated, reader.skipped) == (False, {})
    gap = Gap(lost[0].time_samples, sum(p.duration_samples for p in lost), GapKind.LOST)
    assert [item for item in found if isinstance(item, Gap)] == [gap]
    assert [(p.time_samples, p.data) for p in found if isinstance(p, Packet)] == [
        (p.time_samples, p.data) for p in kept
    ]


def test_what_cannot_be_written() -> None:
    file = io.BytesIO()
    surround = Encoder(48_000, 6, preset="music").format
    with pytest.raises(UnsupportedFormatError, match="6 channels in 4 streams"):
        AvWriter(file, "webm", surround)
    mono = Encoder(48_000).format
    with pytest.raises(InvalidArgumentError, match="'caf'"):
        AvWriter(file, "caf", mono)  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(InvalidArgumentError, match="mp3 of 1"):
        MediaWriter(file, "mp3", 48_000, 1)  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(InvalidArgumentError, match="3 channels"):
        MediaWriter(file, "flac", 48_000, 3)
    assert file.getvalue() == b""


@pytest.mark.parametrize("container", LOSSLESS)
@given(
    samples=st.integers(1, 9000),
    block=st.integers(1, 5000),
    channels=st.sampled_from((1, 2)),
    rate=st.sampled_from((8000, 16_000, 48_000)),
)
def test_samples_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory,
    container: Lossless,
    samples: int,
    block: int,
    channels: int,
    rate: int,
) -> None:
    pcm = array("h", ((i * i * 31 + i) % 65_521 - 32_768 for i in range(samples * channels)))
    path = tmp_path_factory.mktemp("sound") / "a"
    with path.open("wb") as file:
        writer = MediaWriter(file, container, rate, channels)
        for start in range(0, len(pcm), block * channels):
            writer.write(pcm[start : start + block * channels].tobytes())
        writer.close()
    assert writer.total_samples == samples
    with MediaReader(path) as reader:
        assert (reader.rate, reader.channels, reader.sample_format) == (rate, channels, "int16")
        assert b"".join(reader) == pcm.tobytes()


@given(data=st.binary(max_size=300), chunk=st.integers(1, 50), sizes=st.lists(st.integers(1, 40)))
def test_a_pipe_gives_all_once(data: bytes, chunk: int, sizes: list[int]) -> None:
    pipe = Pipe(Chunks(data, chunk))
    assert data.startswith(pipe.head())
    assert pipe.head() or not data
    got = b"".join(pipe.read(size) for size in sizes)
    assert got + pipe.read() == data
    assert not pipe.seekable()


def test_a_pipe_waits_for_no_more_than_tells_what_it_is() -> None:
    assert len(Pipe(Chunks(b"OggS" + bytes(5000))).head()) == 7
    assert len(Pipe(Chunks(b"no such signature" * 500)).head()) == 4096


def test_bare_samples(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        writer = BareWriter(file, 2)
        writer.write(bytes(range(100)))
        writer.close()
        file.write(b"\1\2\3")  # an incomplete frame
    assert writer.total_samples == 25
    with path.open("rb", 0) as raw:
        for source in (path, Pipe(raw)):
            with BareReader(source, BarePcm(8000, 2)) as reader:
                assert (reader.rate, reader.channels, reader.total_samples) == (8000, 2, None)
                assert b"".join(reader) == bytes(range(100))


def test_ffmpeg_plays_what_is_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A decoder of others finds the same length, so the trims are where it looks for them."""
    encoder = StreamEncoder(48_000, 1, preset="archive")
    packets = encoder.push(bytes(2 * 50_123)) + encoder.finish()
    for container in AV_CONTAINERS:
        path = tmp_path_factory.mktemp("played") / "a"
        with path.open("wb") as file:
            writer = AvWriter(file, container, encoder.format)
            for packet in packets:
                writer.write(packet)
            writer.close(encoder.end_samples)
        with av.open(str(path)) as played:
            samples = sum(frame.samples for frame in played.decode(audio=0))
        # Of MP4, FFmpeg cuts no packet at the end: neither ours nor its own.
        whole = packets[-1].end_samples - encoder.format.pre_skip_samples
        assert samples == (whole if container == "mp4" else 50_123), container


TAGS = [("TITLE", "Grüße"), ("artist", "one"), ("ARTIST", "two"), ("R128_TRACK_GAIN", "-256")]


def tags_of(path: Path) -> list[tuple[str, str]]:
    with open_packets(path) as reader:
        return list(reader.comments)


def test_tags_go_along_when_a_file_is_encoded(tmp_path: Path) -> None:
    encoder = StreamEncoder(16_000)
    picture = Picture(b"an image", "image/png").to_comment()
    stale = [("ENCODER", "another"), ("REPLAYGAIN_TRACK_GAIN", "-3 dB")]
    ogg = tmp_path / "a.opus"
    with ogg.open("wb") as file:
        writer = OggWriter(file, encoder.format, comments=[*TAGS, picture, *stale])
        writer.write_all(encoder.push(bytes(32_000)) + encoder.finish())
        writer.close(encoder.end_samples)
    encode_file(ogg, tmp_path / "b.opus")
    with (tmp_path / "b.opus").open("rb") as file:
        assert OggReader(file).comments == (*TAGS, picture)
    for ending in ("webm", "mka", "mp4"):
        encode_file(ogg, tmp_path / f"c.{ending}")
        assert ("title", "Grüße") in {(n.lower(), v) for n, v in tags_of(tmp_path / f"c.{ending}")}


def test_tags_of_other_codecs_go_along_at_another_rate(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.flac", "w") as output:
        output.metadata.update({"title": "Dawn", "encoder": "another"})
        stream = output.add_stream("flac", rate=44_100, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=4096)
        frame.sample_rate = 44_100
        frame.planes[0].update(bytes(8192))
        output.mux([*stream.encode(frame), *stream.encode(None)])
    encode_file(tmp_path / "a.flac", tmp_path / "a.opus")
    assert [(n.lower(), v) for n, v in tags_of(tmp_path / "a.opus")] == [("title", "Dawn")]
