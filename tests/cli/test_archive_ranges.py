"""Ranges of a recording by the command line: decoded, cut, prepared, proven."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from opuscule.archive import open_archive
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder

from .conftest import Shell, read_wav


@pytest.fixture
def birds(inside: Shell) -> Path:
    """An archive with 4 s of stereo, recorded at midnight, and 1 s of mono."""
    noise = np.random.default_rng(1)
    path = inside.folder / "birds.zarr"
    for name, channels, seconds, began in (("owl", 2, 4, 1_767_225_600_000), ("wren", 1, 1, None)):
        encoder = StreamEncoder(48_000, channels, preset="voice", bitrate=32_000, dtx=False)
        pcm = np.cumsum(noise.normal(0, 300, seconds * 48_000 * channels)) % 8000 - 4000
        with RecordingWriter(path, name, encoder.format) as writer:
            for packet in encoder.push(pcm.astype(np.int16).tobytes()) + encoder.finish():
                writer.add(packet)
            writer.finish(encoder.end_samples, start_epoch_ms=began)
    return path


def samples(path: Path) -> tuple[int, int, "np.ndarray[tuple[int, ...], np.dtype[np.int16]]"]:
    rate, channels, found = read_wav(path)
    return rate, channels, np.array(found, np.int16).reshape(-1, channels)


def test_ranges_by_seconds_and_by_the_clock(inside: Shell, birds: Path) -> None:
    whole = np.asarray(open_archive(birds)["owl"][:])
    one = ("archive", "extract", "birds.zarr", "owl")
    said = inside.well(*one, "a.wav", "--seconds", "0.29/+1.5")
    assert said == "a.wav: samples 13920 to 85920, 1.5 s\n"
    assert np.array_equal(samples(inside.folder / "a.wav")[2], whole[13_920:85_920])
    inside.well(*one, "b.wav", "--at", "2026-01-01T01:00:01+01:00/+0.5")
    assert np.array_equal(samples(inside.folder / "b.wav")[2], whole[48_000:72_000])
    told = json.loads(
        inside.well(
            *(*one, "parts", "--seconds", "0:01/2", "--seconds", "3/"),
            *("--at", "2026-01-01T00:00:00Z/2026-01-01T00:00:00.25Z", "--json"),
        )
    )
    assert [(t["start"], t["end"]) for t in told] == [
        (48_000, 96_000),
        (144_000, 192_000),
        (0, 12_000),
    ]
    assert sorted(path.name for path in (inside.folder / "parts").iterdir()) == [
        "owl-0-12000.wav",
        "owl-144000-192000.wav",
        "owl-48000-96000.wav",
    ]
    assert np.array_equal(samples(inside.folder / told[1]["target"])[2], whole[144_000:])


def test_another_rate_and_one_channel(inside: Shell, birds: Path) -> None:
    one = ("archive", "extract", "birds.zarr", "owl", "a.wav", "--seconds", "1/2")
    inside.well(*one, "--rate", "44100", "--channel", "1")
    rate, channels, found = samples(inside.folder / "a.wav")
    assert (rate, channels, len(found)) == (44_100, 1, 44_100)
    recording = open_archive(birds)["owl"]
    expected = recording.read(48_000, 96_000, rate=44_100, channels=[1], dtype="int16")
    assert np.array_equal(found, np.asarray(expected))
    inside.well(*one, "--fast")
    expected = recording.extract(48_000, 96_000, pre_roll_ms=80)
    assert np.array_equal(samples(inside.folder / "a.wav")[2], np.asarray(expected))


def test_cut_says_whether_values_are_exact(inside: Shell, birds: Path) -> None:
    one = ("archive", "cut", "birds.zarr", "owl", "a.opus", "--seconds", "3/4")
    assert inside.well(*one) == "a.opus: samples 144000 to 192000, 1.0 s, exact in position\n"
    inside.well("archive", "prepare", "birds.zarr", "owl")
    told = json.loads(inside.well(*one, "--json"))["report"]
    assert (told["start_sample"], told["stop_sample"]) == (144_000, 192_000)
    inside.well("decode", "a.opus", "a.wav")
    assert len(samples(inside.folder / "a.wav")[2]) == 48_000


def test_prepare_goes_on_where_it_was(inside: Shell, birds: Path) -> None:
    said = inside.well("archive", "prepare", "birds.zarr", "wren")
    assert said.startswith("wren: prepared, ")
    told = json.loads(inside.well("archive", "prepare", "birds.zarr", "--json"))
    assert {t["recording"]: t["done_before"] for t in told} == {"owl": False, "wren": True}
    told = json.loads(inside.well("archive", "prepare", "birds.zarr", "--force", "--json"))
    assert [t["done_before"] for t in told] == [False, False]
    assert open_archive(birds)["wren"].points is not None


def test_verify_goes_on_behind_what_cannot_be_opened(inside: Shell, birds: Path) -> None:
    (birds / "recordings" / "owl" / "zarr.json").write_text("{")
    ran = inside.run("archive", "verify", "birds.zarr", "--ranges", "1")
    assert ran.code == 1
    assert "owl: NOT SOUND" in ran.err
    assert "wren: sound" in ran.out


def test_verify_a_sample(inside: Shell, birds: Path) -> None:
    inside.well("archive", "prepare", "birds.zarr", "owl")
    told = json.loads(inside.well("archive", "verify", "birds.zarr", "--ranges", "3", "--json"))
    assert {t["recording"]: t["prepared"] for t in told} == {"owl": True, "wren": False}
    said = inside.well("archive", "verify", "birds.zarr", "--ranges", "2", "--sample", "1")
    assert said in (
        "owl: sound, 2 ranges compared\n",
        "wren: sound, 2 ranges compared, not prepared\n",
    )


def test_the_files_own_samples(inside: Shell) -> None:
    t = np.arange(48_000) / 192_000
    loud = (8000 * np.sin(2 * np.pi * 45_000 * t)).astype("<i2")
    with wave.open(str(inside.folder / "bat.wav"), "wb") as file:
        file.setparams((1, 2, 192_000, 0, "NONE", ""))
        file.writeframes(loud.tobytes())
    inside.well("archive", "import", "bats.zarr", "bat.wav", "--ultrasonic", "lossless")
    one = ("archive", "extract", "bats.zarr", "bat", "a.wav", "--lossless")
    said = inside.well(*one, "--seconds", "0.1/0.2")
    assert said == "a.wav: samples 19200 to 38400 at 192000 Hz, 0.1 s\n"
    rate, channels, found = samples(inside.folder / "a.wav")
    assert (rate, channels) == (192_000, 1)
    assert np.array_equal(found[:, 0], loud[19_200:38_400])
    assert json.loads(inside.well(*one, "--start", "47000", "--json"))["samples"] == 1000
    assert inside.run(*one, "--rate", "48000").code == 2


def test_damage_is_concealed_on_request(shell: Shell, birds: Path) -> None:
    path = birds / "recordings" / "owl" / "packets" / "c" / "0"
    content = bytearray(path.read_bytes())
    content[9000] ^= 1
    path.write_bytes(content)
    one = ("archive", "extract", "birds.zarr", "owl", "a.wav")
    refused = shell.run(*one)
    assert refused.code == 1
    assert "s of the audio" in refused.err
    assert not (shell.folder / "a.wav").exists()
    done = shell.run(*one, "--conceal", "--json")
    assert done.code == 0
    assert "are concealed" in done.err
    (told,) = json.loads(done.out)["concealed"]
    assert 0 <= told["first_packet"] < told["stop_packet"] <= 201
    assert len(samples(shell.folder / "a.wav")[2]) == 192_000


def test_an_archive_may_be_a_zip_file_or_an_url(inside: Shell, birds: Path) -> None:
    inside.well("archive", "export", "birds.zarr", "birds.zip")
    whole = np.asarray(open_archive(birds)["wren"][:])
    for where in ("birds.zip", f"file://{birds}"):
        assert "owl" in inside.well("archive", "info", where)
        assert "48000 samples" in inside.well("archive", "info", where, "wren")
        inside.well("archive", "extract", where, "wren", "a.wav")
        assert np.array_equal(samples(inside.folder / "a.wav")[2], whole)
        inside.well("archive", "cut", where, "wren", "a.opus", "--end", "9600")
        assert "wren: sound" in inside.well("archive", "verify", where, "wren", "--ranges", "2")
    gone = inside.run("archive", "info", f"file://{birds.with_name('none.zarr')}")
    assert gone.code == 1
    assert "none.zarr" in gone.err
