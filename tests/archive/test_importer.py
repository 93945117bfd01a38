"""Files become recordings: whole, by their content, and not at all if anything is wrong."""

import hashlib
import shutil
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from opuscule.archive.importing.importer import import_file
from opuscule.archive.reading.archive import open_archive
from opuscule.archive.upkeep.verify import verify
from opuscule.containers.media_writer import MediaWriter
from opuscule.containers.ogg import OggWriter
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    RecordingExistsError,
    UnsupportedFormatError,
)

from .conftest import Speech, voice_like


def write_wav(path: Path, pcm: bytes, rate: int = 48_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_what_was_salvaged_of_a_cut_file_is_not_whole(tmp_path: Path, container: str) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(2 * 16_000, 16_000), 16_000)
    if container == "flac":
        with (tmp_path / "a.flac").open("wb") as file:
            writer = MediaWriter(file, "flac", 16_000, 1)
            writer.write(voice_like(2 * 16_000, 16_000))
            writer.close()
        path = tmp_path / "a.flac"
    data = path.read_bytes()
    archive = tmp_path / "a.zarr"
    assert import_file(archive, path, name="whole", salvage=True).info.complete
    path.write_bytes(data[: len(data) // 2])
    cut = import_file(archive, path, name="cut", salvage=True).info
    assert not cut.complete
    assert 24_000 < cut.total_samples < 72_000


@pytest.mark.row("Z1")
@pytest.mark.row("Z2")
@pytest.mark.row("Z11")
def test_a_wav_by_another_name(tmp_path: Path) -> None:
    pcm = voice_like(2 * 16_000, 16_000)
    path = write_wav(tmp_path / "sound.mp3", pcm, 16_000)
    seen: list[tuple[int, int | None]] = []
    result = import_file(
        tmp_path / "a.zarr", path, progress=lambda done, total: seen.append((done, total))
    )
    assert result.name == "sound"
    assert result.transcoded
    assert seen[-1] == (96_000, 96_000)
    recording = open_archive(tmp_path / "a.zarr")["sound"]
    assert recording.info == result.info
    assert recording.info.total_samples == 96_000
    assert recording.info.input_rate == 16_000
    source = recording.info.source
    assert source["container"] == "wav"
    assert source["name"] == "sound.mp3"
    assert source["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(recording.info.encoder["libopus"]).startswith("libopus")
    original = np.frombuffer(pcm, np.int16).astype(float)
    decoded = np.asarray(recording.extract(0, 96_000))[::3, 0].astype(float)
    assert np.corrcoef(original, decoded)[0, 1] > 0.99
    assert verify(recording, ranges=3).ok


@pytest.mark.row("Z11")
def test_the_rate_before_resampling_is_kept(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(44_100, 44_100, 2), 44_100, 2)
    info = import_file(tmp_path / "a.zarr", path).info
    assert (info.input_rate, info.source["original_rate"]) == (44_100, 44_100)
    assert (info.channels, info.total_samples) == (2, 48_000)


@pytest.mark.row("Z3")
def test_what_would_be_destroyed_or_is_no_audio_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    many = write_wav(tmp_path / "many.wav", bytes(4 * 2 * 480), 48_000, 4)
    with pytest.raises(UnsupportedFormatError, match="4 channels"):
        import_file(archive, many)
    text = tmp_path / "text.wav"
    text.write_text("this is not audio " * 100)
    with pytest.raises(FormatError):
        import_file(archive, text)
    with pytest.raises(FileNotFoundError):
        import_file(archive, tmp_path / "none.wav")
    good = write_wav(tmp_path / "good.wav", bytes(960))
    with pytest.raises(InvalidArgumentError, match="bitrate"):
        import_file(archive, good, bitrate=1)
    assert not archive.exists()


def test_a_name_is_given_once_and_another_one_helps(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "ä sound (1).wav", voice_like(4800))
    archive = tmp_path / "a.zarr"
    assert import_file(archive, path).name == "_sound_1_"
    with pytest.raises(RecordingExistsError, match="another name"):
        import_file(archive, path)
    import_file(archive, path, name="other")
    assert sorted(open_archive(archive)) == ["_sound_1_", "other"]


def test_an_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(96_000))

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(tmp_path / "a.zarr", path, progress=stop)
    assert not (tmp_path / "a.zarr").exists()

    # Nor does it take with it what was there before.
    kept = import_file(tmp_path / "a.zarr", path, name="kept").name
    with pytest.raises(KeyboardInterrupt):
        import_file(tmp_path / "a.zarr", path, progress=stop)
    assert list(open_archive(tmp_path / "a.zarr")) == [kept]
    assert {p.name for p in (tmp_path / "a.zarr").iterdir()} == {
        "catalogue.jsonl",
        "recordings",
        "zarr.json",
    }


def test_a_cut_wav_is_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(48_000))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match="cut"):
        import_file(tmp_path / "a.zarr", path)
    assert not (tmp_path / "a.zarr" / "recordings" / "a").exists()


def test_a_wav_of_a_program_that_streamed(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", voice_like(48_000))
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4  # sizes that it could not go back to fill in
    path.write_bytes(content)
    assert import_file(tmp_path / "a.zarr", path).info.total_samples == 48_000


def test_a_file_without_samples_is_an_empty_recording(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "empty.wav", b"")
    info = import_file(tmp_path / "a.zarr", path).info
    assert (info.packets, info.total_samples) == (0, 0)


@pytest.fixture
def ogg(tmp_path: Path) -> Path:
    path = tmp_path / "sound.ogg"
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000)
        stream.bit_rate = 32_000
        stream.layout = "mono"
        container.metadata["title"] = "a sound"
        pcm = np.frombuffer(voice_like(3 * 48_000), np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), "s16", "mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


@pytest.mark.row("Z1")
@pytest.mark.row("Z4")
def test_ogg_opus_is_copied_bit_by_bit(tmp_path: Path, ogg: Path) -> None:
    named = shutil.move(ogg, tmp_path / "sound.wav")
    result = import_file(tmp_path / "a.zarr", named)
    assert not result.transcoded
    with av.open(str(named)) as container:
        theirs = [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]
    recording = open_archive(tmp_path / "a.zarr")["sound"]
    assert [p.data for p in recording.packets()] == theirs
    assert recording.info.total_samples == 3 * 48_000
    assert recording.info.complete
    assert recording.gaps == ()
    assert ("title", "a sound") in [(k.lower(), v) for k, v in recording.info.comments]
    assert verify(recording, ranges=3).ok


def test_comments_of_any_kind_are_kept_or_counted(tmp_path: Path, speech: Speech) -> None:
    path = tmp_path / "a.opus"
    odd = b"caf\xe9".decode(errors="surrogateescape")
    comments = [("ARTIST", odd), ("TITLE", "ε"), ("PICTURE", "x" * 20_000)]
    with path.open("wb") as file:
        writer = OggWriter(file, speech.format, comments=comments)
        for packet in speech.packets[:50]:
            writer.write(packet)
        writer.close(48_000)
    import_file(tmp_path / "a.zarr", path)
    info = open_archive(tmp_path / "a.zarr")["a"].info
    assert info.comments == (("ARTIST", "café"), ("TITLE", "ε"))
    assert info.source["comments_left_out"] == 1
    assert (info.end_samples, info.complete) == (48_000, True)


def test_a_damaged_ogg_keeps_its_time(tmp_path: Path, ogg: Path) -> None:
    content = bytearray(ogg.read_bytes())
    whole = import_file(tmp_path / "a.zarr", ogg, name="whole").info
    middle = content.index(b"OggS", len(content) // 2)
    content[middle + 40] ^= 1
    ogg.write_bytes(content)
    damaged = import_file(tmp_path / "a.zarr", ogg, name="damaged").info
    assert damaged.total_samples == whole.total_samples
    assert damaged.packets < whole.packets
    assert "lost" in damaged.gaps
    ogg.write_bytes(content[:middle])
    cut = import_file(tmp_path / "a.zarr", ogg, name="cut").info
    assert not cut.complete
    assert 0 < cut.packets < whole.packets
    for name in ("damaged", "cut"):
        assert verify(open_archive(tmp_path / "a.zarr")[name], ranges=3).ok


@pytest.mark.row("Z1")
@pytest.mark.parametrize(
    ("file", "samples"),
    [
        ("speech/ca01_01.wav", 131_444),
        ("speech/jfk.flac", 528_000),
        ("edge/silence_10s.mp3", 480_000),
        ("field/aru_1.wav", None),
    ],
)
def test_real_recordings(tmp_path: Path, shared_data: Path, file: str, samples: int | None) -> None:
    result = import_file(tmp_path / "a.zarr", shared_data / file, name="a", bitrate=24_000)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    if samples is not None:
        assert recording.info.total_samples == samples
    assert result.info.packets == recording.info.packets > 0
    assert verify(recording, ranges=4).ok
