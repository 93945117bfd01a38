"""Many files in one call: where each goes, and what becomes of those that fail."""

import json
from importlib.resources import files
from pathlib import Path

import av
import pytest

from .conftest import Shell, loudness, read_wav, write_tone
from .test_bad_input import fails_well


def frames(path: Path) -> int:
    """How many samples a file holds, by PyAV's own decoder."""
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def test_each_is_written_beside_itself(inside: Shell) -> None:
    (inside.folder / "in").mkdir()
    write_tone(inside.folder / "in" / "a.wav", 0.5)
    write_tone(inside.folder / "b.wav", 0.25)
    said = inside.well("encode", "in/a.wav", "b.wav")
    assert [line.partition(":")[0] for line in said.splitlines()] == ["in/a.opus", "b.opus"]
    inside.well("decode", "in/a.opus", "b.opus", "--format", "flac")
    assert frames(inside.folder / "in" / "a.flac") == 24_000
    assert frames(inside.folder / "b.flac") == 12_000


def test_into_a_folder_and_one_that_fails_stops_no_other(inside: Shell) -> None:
    write_tone(inside.folder / "a.wav", 0.5)
    (inside.folder / "b.wav").write_text("no audio")
    write_tone(inside.folder / "d.wav", 0.25)
    (inside.folder / "out").mkdir()
    names = ("a.wav", "b.wav", "none.wav", "d.wav")
    done = inside.run("encode", *names, "-o", "out", "--format", "webm")
    assert done.code == 1
    assert [line.partition(":")[0] for line in done.out.splitlines()] == [
        "out/a.webm",
        "out/d.webm",
    ]
    *failed, last = done.err.splitlines()
    assert [line.split(" ")[1].rstrip(":") for line in failed] == ["b.wav", "none.wav"]
    assert last == "opuscule: 2 of 4 files failed, as said above"
    assert sorted(p.name for p in (inside.folder / "out").iterdir()) == ["a.webm", "d.webm"]
    done = inside.run("decode", "out/a.webm", "b.wav", "out/d.webm", "-o", "out/", "--json")
    assert done.code == 1
    reports = json.loads(done.out)
    assert [r["source"] for r in reports] == ["out/a.webm", "b.wav", "out/d.webm"]
    assert [r.get("samples") for r in reports] == [24_000, None, 12_000]
    assert "it holds no Opus" in reports[1]["error"]
    assert "b.wav" in done.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("encode a.wav a.flac c.wav", ("a.wav and a.flac", "both be written to a.opus")),
        ("encode a.wav c.wav -o one.opus", ("cannot all be written to one.opus", "folder")),
        ("encode a.opus b.opus", ("b.opus is there", "-o b.opus")),
        ("encode a.wav", ("a.opus is there", "another file to write", "-o")),
        ("decode a.opus b.opus d.opus", ("a.wav is there;", "the folder for all")),
        ("encode a.wav b.mp3", ("'.mp3'", ".opus", ".webm", "self-delimited")),
        ("encode a.wav -o b.caf", ("'.caf'", ".opus")),
        ("encode a.wav --format caf", ("'caf'", "ogg, webm, matroska, mp4")),
        ("encode - a.wav c.wav", ("standard input", "alone")),
        ("decode a.opus b.ogg", ("'.ogg'", ".wav", ".flac", "pcm")),
        ("encode a.wav new.opus --complexity 11", ("complexity is 11", "0 to 10")),
        ("encode a.wav new.opus --fec on --loss 0", ("fec", "loss_percent 1 or more")),
        ("encode a.wav --fec maybe", ("--fec is 'maybe'", "on, off, not_in_music")),
        ("encode a.wav --vbr loose", ("--vbr is 'loose'", "on, constrained, off")),
        ("encode a.wav new.opus --bandwidth huge", ('bandwidth is "huge"', "wideband")),
        ("encode a.wav new.opus --frame-ms 30", ("frame_ms is 30", "nearest")),
        ("encode a.wav new.opus --application voice", ("application", "voip")),
        ("encode a.wav --pcm int16", ("--rate",)),
        ("encode a.wav --pcm int24 --rate 8000", ("--pcm is 'int24'", "int16, float32")),
        ("encode a.wav --pcm int16 --rate 8000 --channels 0", ("0 channels",)),
        ("encode a.wav --channels 2", ("--pcm",)),
        ("bench codec none.wav", ("none.wav", "check the name")),
        ("bench codec --rounds 0", ("0 rounds", "1 or more")),
        ("bench codec --seconds 0 a.wav", ("seconds is 0",)),
        ("bench codec --preset best", ("'best'", "voice_lossy")),
    ],
)
def test_what_is_refused_before_anything_is_written(
    inside: Shell, line: str, words: tuple[str, ...]
) -> None:
    write_tone(inside.folder / "a.wav", 0.1)
    for name in ("a.flac", "c.wav", "a.opus", "b.opus"):
        (inside.folder / name).write_bytes(b"something")
    before = inside.listing()
    fails_well(inside, inside.run(*line.split(" ")), *words)
    assert inside.listing() == before
    assert (inside.folder / "b.opus").read_bytes() == b"something"


@pytest.mark.parametrize("ending", ["opus", "ogg", "webm", "mka", "mkv", "mp4", "m4a"])
def test_every_container_keeps_the_exact_length(inside: Shell, ending: str) -> None:
    write_tone(inside.folder / "a.wav", 1.2345, channels=2)
    inside.well("encode", "a.wav", f"b.{ending}", "--frame-ms", "60")
    told = json.loads(inside.well("decode", f"b.{ending}", "b.wav", "--rate", "16000", "--json"))
    assert (told["samples"], told["concealed_samples"]) == (round(1.2345 * 16_000), 0)
    rate, channels, samples = read_wav(inside.folder / "b.wav")
    assert (rate, channels) == (16_000, 2)
    assert loudness(samples[3200:-3200]) == pytest.approx(5657, rel=0.25)


def test_every_control_reaches_the_encoder(inside: Shell) -> None:
    sentence = str(files("opuscule") / "data" / "sentence.opus")  # FEC is for speech alone
    options = (
        *("--preset", "music", "--bitrate", "32000", "--application", "voip", "--signal", "voice"),
        *("--complexity", "3", "--vbr", "off", "--fec", "on", "--loss", "15", "--no-dtx"),
        *("--bandwidth", "mediumband", "--max-bandwidth", "wideband", "--force-channels", "1"),
        *("--no-phase-inversion", "--prediction", "--lsb-depth", "16", "--frame-ms", "40"),
    )
    inside.well("encode", sentence, "a.opus", *options)
    told = json.loads(inside.well("info", "--json", "a.opus"))
    coded = told["coded_samples"][0]
    assert coded["samples"] > 0.9 * told["duration_samples"], told["coded_samples"]
    assert (coded["mode"], coded["bandwidth"]) == ("silk", "mediumband")
    assert (coded["channels"], coded["frame_samples"]) == (1, 1920)
    assert told["packet_bytes"] == [160, 160], "constant bit rate: 32 kb/s in 40 ms"
    assert told["fec_packets"] > told["packets"] // 2
    inside.well("encode", sentence, "deep.opus", "--preset", "deep")
    told = json.loads(inside.well("info", "--json", "deep.opus"))
    assert told["packet_durations"] == {"2880": told["packets"]}, "the preset's own 60 ms"
    assert told["dred_packets"] > 0
    assert told["dred_samples"] >= told["dred_longest_samples"] > 0
