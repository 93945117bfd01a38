"""What an imported recording keeps of its file, against what other programs read from it."""

import json
import shutil
import struct
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from opuscule.archive.importing.importer import import_file
from opuscule.archive.reading.archive import open_archive
from opuscule.cli.archive import app
from opuscule.containers.metadata import read_wav_metadata
from opuscule.containers.ogg import OggWriter
from opuscule.containers.wav import WavReader
from opuscule.errors import FormatError, InvalidArgumentError

from .conftest import Speech, voice_like
from .test_importer import write_wav

SOUNDS = ("field", "music", "speech", "edge")


def every_sound(folder: Path) -> list[Path]:
    return [path for name in SOUNDS for path in sorted((folder / name).iterdir())]


def decoded_samples(path: Path) -> int:
    """The length by ffmpeg's libraries, which decode all of it."""
    with av.open(str(path), metadata_errors="replace") as container:
        return sum(frame.samples for frame in container.decode(audio=0))


@pytest.mark.row("Z1")
@pytest.mark.row("Z11")
def test_every_real_file_against_an_independent_reader(tmp_path: Path, shared_data: Path) -> None:
    for path in every_sound(shared_data):
        if path.name == "empty_2c.wav":
            # 2 channels of 16 bits in frames of 2 bytes, and 116 bytes of data that are not there.
            with pytest.raises(FormatError, match="2 bytes for a frame of 2 samples of 16 bits"):
                import_file(tmp_path / "a.zarr", path)
            continue
        info = import_file(tmp_path / "a.zarr", path, complexity=0).info
        source = info.source
        with av.open(str(path), metadata_errors="replace") as container:
            context = container.streams.audio[0].codec_context
            assert source["original_codec"] == context.codec.canonical_name
            assert source["original_rate"] == context.sample_rate == info.input_rate
            assert source["original_channels"] == context.channels == info.channels
        samples = decoded_samples(path)
        assert source["original_samples"] == samples, path.name
        assert info.total_samples == (2 * samples * 48_000 + context.sample_rate) // (
            2 * context.sample_rate
        )


@pytest.mark.row("Z11")
def test_bit_depths_by_ffprobe(tmp_path: Path, shared_data: Path) -> None:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not installed: no other reader of bit depths")
    for path in (shared_data / "speech" / "jfk.flac", shared_data / "speech" / "ca01_01.wav"):
        entries = "stream=bits_per_raw_sample,bits_per_sample"
        probe = [ffprobe, "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
        done = subprocess.run(probe, capture_output=True, check=True)
        stream = json.loads(done.stdout)["streams"][0]
        bits = int(stream.get("bits_per_raw_sample", 0)) or stream["bits_per_sample"]
        source = import_file(tmp_path / "a.zarr", path, complexity=0).info.source
        assert (source["original_bits"], source["original_sample_format"]) == (bits, "integer")


@pytest.mark.row("Z11")
def test_a_recorders_words_are_kept_and_understood(tmp_path: Path, shared_data: Path) -> None:
    import_file(tmp_path / "a.zarr", shared_data / "field" / "1min.wav", complexity=0)
    info = open_archive(tmp_path / "a.zarr")["1min"].info
    assert info.start_epoch_ms == 1_525_426_320_000
    assert info.source["start"] == {
        "local": "2018-05-04T09:32:00+00:00",
        "zone": "UTC",
        "clock": "audiomoth",
    }
    assert dict(info.comments)["ICMT"].startswith("Recorded at 09:32:00 04/05/2018 (UTC) by")
    metadata = info.source["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["audiomoth"]["serial"] == "0FE081F80FE081F0"
    assert info.source["form"] == "RIFF"


@pytest.mark.row("Z11")
def test_a_clock_without_a_zone(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(4800))
    bext = bytes(320) + b"2024-07-01" + b"12:00:00" + bytes(264)
    path.write_bytes(path.read_bytes() + b"bext" + len(bext).to_bytes(4, "little") + bext)
    archive = tmp_path / "a.zarr"
    unknown = import_file(archive, path, name="unknown").info
    assert unknown.start_epoch_ms is None
    assert unknown.source["start"] == {
        "local": "2024-07-01T12:00:00",
        "zone": None,
        "clock": "bext",
    }
    moment = datetime(2024, 7, 1, 12, tzinfo=UTC)
    with pytest.raises(InvalidArgumentError, match="2024-07-01T12:00:00 by a clock of unknown"):
        open_archive(archive)["unknown"].moments_range(moment, moment)
    berlin = import_file(archive, path, name="berlin", zone="Europe/Berlin").info
    assert berlin.start_epoch_ms == 1_719_828_000_000
    with pytest.raises(InvalidArgumentError, match="expected UTC"):
        import_file(archive, path, name="none", zone="Atlantis")
    assert sorted(open_archive(archive)) == ["berlin", "unknown"]


@pytest.mark.row("Z11")
def test_a_users_own_attributes(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(4800))
    own = {"site": "fen", "depth_m": 1.5, "species": ["Rana", "Bufo"], "no": None}
    import_file(tmp_path / "a.zarr", path, attributes=own)
    assert open_archive(tmp_path / "a.zarr")["a"].info.attributes == own
    deep: list[object] = []
    deep.append(deep)
    for bad in ({"x": object()}, {"x": float("nan")}, {"x": "y" * 70_000}, {"x": deep}):
        with pytest.raises(InvalidArgumentError, match="attributes are"):
            import_file(tmp_path / "b.zarr", path, attributes=bad)
    assert not (tmp_path / "b.zarr").exists()


@pytest.mark.row("Z11")
def test_attributes_and_zone_from_the_command_line(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(4800))
    run = CliRunner().invoke
    options = ["--attribute", "site=fen 7", "--attribute", "depth=1.5", "--attribute", "id=007"]
    done = run(app, ["import", str(tmp_path / "a.zarr"), str(path), *options])
    assert done.exit_code == 0, done.output
    kept = open_archive(tmp_path / "a.zarr")["a"].info.attributes
    assert kept == {"site": "fen 7", "depth": 1.5, "id": "007"}
    done = run(app, ["import", str(tmp_path / "a.zarr"), str(path), "--attribute", "site"])
    assert done.exit_code == 2
    assert "NAME=VALUE" in done.output


@pytest.mark.row("Z11")
def test_opus_that_is_copied_tells_what_its_tags_say(tmp_path: Path, speech: Speech) -> None:
    path = tmp_path / "a.opus"
    comment = "Recorded at 09:32:00 04/05/2018 (UTC+1) by AudioMoth 0FE081F80FE081F0 at high gain"
    with path.open("wb") as file:
        writer = OggWriter(file, speech.format, comments=[("COMMENT", comment)])
        for packet in speech.packets[:50]:
            writer.write(packet)
        writer.close(48_000)
    info = import_file(tmp_path / "a.zarr", path, attributes={"site": "fen"}).info
    assert info.start_epoch_ms == 1_525_422_720_000
    assert info.source["original_codec"] == "opus"
    assert info.attributes == {"site": "fen"}


def riff(fmt: bytes, raw: bytes, *, form: bytes = b"RIFF", size: int | None = None) -> bytes:
    """A WAV file with one ``data`` chunk, whose size and the file's may be said wrong."""
    told = len(raw) if size is None else size
    ds64 = b""
    if form != b"RIFF":
        ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, len(raw), 0, 0)
    body = b"WAVE" + ds64 + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"data" + struct.pack("<I", told) + raw
    return form + struct.pack("<I", len(body) if size is None else size) + body


def fmt(tag: int, channels: int, bits: int, align: int) -> bytes:
    return struct.pack("<HHIIHH", tag, channels, 48_000, 48_000 * align, align, bits)


EXTENSIBLE = bytes.fromhex("1600") + struct.pack("<HI", 24, 3)
EXTENSIBLE += struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
WAVS: dict[str, tuple[bytes, str]] = {
    "8": (riff(fmt(1, 1, 8, 1), bytes([128]) * 960), "pcm_u8"),
    "24": (riff(fmt(1, 1, 24, 3), bytes(3 * 960)), "pcm_s24le"),
    "32": (riff(fmt(1, 1, 32, 4), bytes(4 * 960)), "pcm_s32le"),
    "64": (riff(fmt(1, 1, 64, 8), bytes(8 * 960)), "pcm_s64le"),
    "float": (riff(fmt(3, 1, 32, 4), bytes(4 * 960)), "pcm_f32le"),
    "double": (riff(fmt(3, 1, 64, 8), bytes(8 * 960)), "pcm_f64le"),
    "extensible": (riff(fmt(0xFFFE, 2, 24, 6) + EXTENSIBLE, bytes(6 * 960)), "pcm_s24le"),
    "rf64": (riff(fmt(1, 1, 16, 2), bytes(2 * 960), form=b"RF64", size=2**32 - 1), "pcm_s16le"),
    "bw64": (riff(fmt(1, 1, 16, 2), bytes(2 * 960), form=b"BW64", size=2**32 - 1), "pcm_s16le"),
    "streamed": (riff(fmt(1, 1, 16, 2), bytes(2 * 960), size=2**32 - 1), "pcm_s16le"),
    "unfilled": (riff(fmt(1, 1, 16, 2), bytes(2 * 960), size=0), "pcm_s16le"),
    "odd": (riff(fmt(1, 1, 8, 1), bytes(960)) + b"LIST\5\0\0\0INFO\0\0", "pcm_u8"),
}


@pytest.mark.row("Z1")
@pytest.mark.parametrize("kind", WAVS)
def test_wav_of_every_kind(tmp_path: Path, kind: str) -> None:
    data, codec = WAVS[kind]
    path = tmp_path / f"{kind}.wav"
    path.write_bytes(data)
    info = import_file(tmp_path / "a.zarr", path).info
    assert (info.total_samples, info.source["original_samples"]) == (960, 960)
    assert info.source["original_codec"] == codec
    assert info.source["form"] == {"rf64": "RF64", "bw64": "BW64"}.get(kind, "RIFF")


@pytest.mark.row("Z9")
def test_metadata_behind_five_gigabytes_is_found_without_reading_them(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    size = 5 << 30
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, size + 200, size, size // 2, 0)
    head = b"RF64\xff\xff\xff\xffWAVE" + ds64 + b"fmt " + struct.pack("<I", 16) + fmt(1, 1, 16, 2)
    comment = (
        b"Recorded at 09:32:00 04/05/2018 (UTC) by AudioMoth 0FE081F80FE081F0 at high gain\0\0"
    )
    tags = b"INFOICMT" + struct.pack("<I", len(comment)) + comment
    with path.open("wb") as file:
        file.write(head + b"data\xff\xff\xff\xff")
        file.seek(size, 1)
        file.write(b"LIST" + struct.pack("<I", len(tags)) + tags)
    with path.open("rb") as file:
        found = read_wav_metadata(file, 48_000)
    assert found.start is not None
    assert found.start.epoch_ms == 1_525_426_320_000
    with WavReader(path) as reader:
        assert reader.total_samples == size // 2
