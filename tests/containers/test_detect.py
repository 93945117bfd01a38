import io
import os
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.codec import StreamEncoder
from opuscule.containers.detect import HEAD_BYTES, FileFormat, detect, detect_file
from opuscule.containers.ogg import OggWriter
from opuscule.containers.wav import WavWriter
from opuscule.errors import UnsupportedFormatError

pytestmark = pytest.mark.row("Z2")


def pcm(path: Path) -> Path:
    with path.open("wb") as file, WavWriter(file, 48_000, 1) as writer:
        writer.write(bytes(96_000))
    return path


@pytest.mark.parametrize(
    ("container", "codec", "found"),
    [
        ("ogg", "libopus", FileFormat.OGG_OPUS),
        ("webm", "libopus", FileFormat.WEBM),
        ("matroska", "libopus", FileFormat.MATROSKA),
        ("mp4", "libopus", FileFormat.MP4),
        ("mov", "pcm_s16le", FileFormat.MP4),
        ("caf", "pcm_s16le", FileFormat.CAF),
        ("mpegts", "libopus", FileFormat.MPEG_TS),
        ("wav", "pcm_s16le", FileFormat.WAV),
        ("aiff", "pcm_s16be", FileFormat.AIFF),
        ("flac", "flac", FileFormat.FLAC),
        ("mp3", "libmp3lame", FileFormat.MP3),
        ("adts", "aac", FileFormat.AAC),
    ],
)
def test_each_kind_whatever_it_is_called(
    tmp_path: Path, container: str, codec: str, found: FileFormat
) -> None:
    target = tmp_path / "misnamed.txt"
    with (
        av.open(str(pcm(tmp_path / "in.wav"))) as source,
        av.open(str(target), "w", format=container) as made,
    ):
        stream = made.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for frame in source.decode(audio=0):
            frame.pts = None
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    assert detect_file(target) is found
    assert found.may_hold_opus == (codec == "libopus" or found in ("ogg", "mp4", "caf"))


def test_opus_behind_another_stream() -> None:
    encoder = StreamEncoder(48_000, 1)
    file = io.BytesIO()
    OggWriter(file, encoder.format, serial=7)
    opus = file.getvalue()
    video = opus.replace(b"OpusHead", b"\x80theora!")[: opus.index(b"OggS", 4)]
    assert detect(video + opus) is FileFormat.OGG_OPUS
    assert detect(video) is FileFormat.OGG
    assert detect(video + b"x" + opus) is FileFormat.OGG


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"RIFF\0\0\0\0AVI ",
        b"OggT",
        b"\xff\xff\xff\xff",
        b"\x47" * 187,
        b"FORM\0\0\0\0ILBM",
        b"ftypisom",
        "Übermäßig".encode("utf-16"),
    ],
)
def test_what_only_looks_like_it(head: bytes) -> None:
    assert detect(head) is FileFormat.OTHER


@given(st.sampled_from([b"", b"OggS", b"\x1aE\xdf\xa3", b"RIFF", b"\xff"]), st.binary(max_size=300))
def test_any_bytes_are_of_some_kind(begin: bytes, rest: bytes) -> None:
    assert isinstance(detect(begin + rest), FileFormat)


def test_real_recordings(shared_data: Path) -> None:
    assert detect_file(shared_data / "speech" / "jfk.flac") is FileFormat.FLAC
    assert detect_file(shared_data / "edge" / "silence_10s.mp3") is FileFormat.MP3
    for path in (shared_data / "field").glob("*.wav"):
        assert detect_file(path) is FileFormat.WAV
    assert HEAD_BYTES >= 5 * 188


def test_a_pipe_is_refused_before_anything_is_taken_out_of_it() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as end, open(writing, "wb") as other:  # noqa: PTH123 - descriptors
        other.write(b"OggS")
        other.flush()
        with pytest.raises(UnsupportedFormatError, match="is a pipe"):
            detect_file(f"/dev/fd/{reading}")
        assert end.read(4) == b"OggS"
