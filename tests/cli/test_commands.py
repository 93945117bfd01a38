"""Every command, as a user runs it; what it made is read by others than opuscule.

One of each kind is a process; the others are called in this one, which proves the same of them.
"""

import json
import signal
from array import array
from pathlib import Path

import av
import numpy as np
import pytest

from opuscule.cli.output import program

from .conftest import Shell, loudness, read_wav, write_tone


def decoded(path: Path) -> "array[int]":
    """All samples of a file's first audio stream at 48 kHz mono, by PyAV's own decoder."""
    samples = array("h")
    with av.open(str(path)) as container:
        convert = av.AudioResampler("s16", "mono", 48_000)
        for frame in container.decode(audio=0):
            for packed in convert.resample(frame):
                samples.extend(packed.to_ndarray()[0].tolist())
    return samples


def test_encode_and_decode(shell: Shell) -> None:
    write_tone(shell.folder / "tone.wav", 1.5)
    said = shell.well("encode", "tone.wav")
    assert said.startswith("tone.opus: 1.5 s, ")
    heard = decoded(shell.folder / "tone.opus")
    assert len(heard) == 72_000
    assert loudness(heard[4800:-4800]) == pytest.approx(5657, rel=0.25)

    assert shell.well("decode", "tone.opus", "back.wav", "--rate", "16000").startswith("back.wav:")
    rate, channels, back = read_wav(shell.folder / "back.wav")
    assert (rate, channels, len(back)) == (16_000, 1, 24_000)
    assert loudness(back[1600:-1600]) == pytest.approx(5657, rel=0.25)


def test_encode_takes_any_audio_and_every_option(inside: Shell) -> None:
    write_tone(inside.folder / "cd.wav", rate=44_100, channels=2)
    options = ("--preset", "archive", "--bitrate", "96000", "--frame-ms", "60", "--json")
    report = json.loads(inside.well("encode", "cd.wav", "out.ogg", *options))
    assert report["target"] == "out.ogg"
    assert (report["rate"], report["channels"], report["samples"]) == (48_000, 2, 48_000)
    with av.open(str(inside.folder / "out.ogg")) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        assert container.streams.audio[0].channels == 2
    assert len(packets) == report["packets"]
    assert sum(p.size for p in packets) == report["payload_bytes"]
    assert {p.duration for p in packets[:-1]} == {2880}

    report = json.loads(inside.well("decode", "out.ogg", "--json"))
    assert report == {
        "source": "out.ogg",
        "target": "out.wav",
        "samples": 48_000,
        "rate": 48_000,
        "channels": 2,
        "duration_s": 1.0,
        "concealed_samples": 0,
    }


def test_a_cut_file_can_be_salvaged(inside: Shell) -> None:
    whole = write_tone(inside.folder / "whole.wav", 2).read_bytes()
    (inside.folder / "cut.wav").write_bytes(whole[: 44 + 32_000])
    inside.well("encode", "cut.wav", "--salvage")
    assert len(decoded(inside.folder / "cut.opus")) == 48_000
    inside.well("archive", "import", "kept.zarr", "cut.wav", "--salvage")
    listed = json.loads(inside.well("archive", "info", "kept.zarr", "--json"))
    assert listed["cut"]["total_samples"] == 48_000


def test_archive(inside: Shell) -> None:
    write_tone(inside.folder / "dawn.wav", 2)
    write_tone(inside.folder / "dusk.wav", rate=44_100, hz=880)
    said = inside.well("archive", "import", "birds.zarr", "dawn.wav", "dusk.wav")
    *files, last = said.splitlines()
    assert sorted(line.partition(":")[0] for line in files) == ["dawn", "dusk"]
    assert last.startswith("2 imported: 3.0 s")
    assert inside.well("archive", "info", "birds.zarr") == "dawn  2.0 s\ndusk  1.0 s\n"
    inside.well("encode", "dawn.wav", "noon.opus")
    imported = json.loads(
        inside.well("archive", "import", "birds.zarr", "noon.opus", "--name", "at-noon", "--json")
    )
    assert (imported["name"], imported["transcoded"]) == ("at-noon", False)
    told = json.loads(inside.well("archive", "info", "birds.zarr", "at-noon", "--json"))
    assert told["payload_bytes"] == sum(
        p.size for p in av.open(str(inside.folder / "noon.opus")).demux(audio=0)
    )
    assert "whole     " in inside.well("archive", "info", "birds.zarr", "dawn")

    # The whole, and a part that equals that part of the whole.
    inside.well("archive", "extract", "birds.zarr", "dawn", "all.wav")
    said = inside.well(
        *("archive", "extract", "birds.zarr", "dawn", "part.wav"),
        *("--start", "48000", "--end", "60000", "--json"),
    )
    assert json.loads(said) == {
        "target": "part.wav",
        "start": 48_000,
        "end": 60_000,
        "samples": 12_000,
    }
    rate, _, whole = read_wav(inside.folder / "all.wav")
    assert (rate, len(whole)) == (48_000, 96_000)
    assert loudness(whole[4800:]) == pytest.approx(5657, rel=0.1)
    assert read_wav(inside.folder / "part.wav")[2] == whole[48_000:60_000]
    inside.well(
        *("archive", "extract", "birds.zarr", "dawn", "near.wav"),
        *("--start", "48000", "--end", "60000", "--fast"),
    )
    near = np.array(read_wav(inside.folder / "near.wav")[2], float)
    assert np.abs(near - np.array(whole[48_000:60_000], float)).max() < 1500

    assert inside.well("archive", "verify", "birds.zarr", "--ranges", "3") == "".join(
        f"{name}: sound, 3 ranges compared, not prepared\n" for name in ("at-noon", "dawn", "dusk")
    )
    report = json.loads(inside.well("archive", "verify", "birds.zarr", "dawn", "--json"))
    assert [(r["recording"], r["problems"]) for r in report] == [("dawn", [])]


def test_verify_finds_damage(inside: Shell) -> None:
    write_tone(inside.folder / "a.wav", 0.5)
    inside.well("archive", "import", "kept.zarr", "a.wav")
    (chunk,) = (inside.folder / "kept.zarr" / "recordings" / "a" / "packets" / "c").iterdir()
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 0x10
    chunk.write_bytes(data)
    done = inside.run("archive", "verify", "kept.zarr")
    assert done.code == 1
    assert done.out.startswith("a: NOT SOUND: ")
    assert "are damaged: their checksum is wrong" in done.out
    assert done.err == ""


def test_recordings_are_exported_and_an_archive_is_reindexed(inside: Shell) -> None:
    write_tone(inside.folder / "a.wav", 0.5)
    inside.well("archive", "import", "kept.zarr", "a.wav")
    done = inside.run("archive", "export", "kept.zarr", "copy.zarr")
    assert done.out.startswith("copy.zarr: 1 recordings copied")
    again = inside.run("archive", "export", "kept.zarr", "copy.zarr", "a")
    assert again.out.endswith("1 were there before\n")
    assert inside.run("archive", "verify", "copy.zarr").code == 0
    assert inside.run("archive", "reindex", "copy.zarr").out == "copy.zarr: 1 recordings\n"
    inside.well("archive", "export", "kept.zarr", "copy.zip")
    assert "copy.zip is no folder; export" in inside.run("archive", "reindex", "copy.zip").err
    index = inside.folder / "copy.zarr" / "recordings" / "a" / "index" / "c" / "0"
    index.unlink()
    done = inside.run("archive", "reindex", "copy.zarr")
    assert done.code == 1
    assert "NOT MENDED: " in done.out


def test_serve_and_talk(shell: Shell) -> None:
    write_tone(shell.folder / "question.wav")
    server, url = shell.serve()
    talk = ("talk", "--url", url, "--source", "question.wav")
    said = json.loads(shell.well(*talk, "--sink", "echo.wav", "--device", "kitchen", "--json"))
    assert said["spoken_ms"] == 1000
    assert said["packets_sent"] == said["packets_stored"] == said["packets_encoded"]
    assert said["stored"] is True
    rate, channels, echo = read_wav(shell.folder / "echo.wav")
    assert (rate, channels) == (16_000, 1)
    loud = [abs(sample) > 2000 for sample in echo]
    assert 0.9 * 16_000 < len(echo) - loud.index(True) - loud[::-1].index(True) <= 16_000 * 1.05

    done = shell.end(server, signal.SIGINT)
    assert (done.code, done.err) == (0, "")
    kept = json.loads(shell.well("archive", "info", "recordings/archive.zarr", "--json"))
    ((name, info),) = kept.items()
    assert name.startswith("kitchen-")
    assert (info["total_samples"], info["complete"]) == (48_000, True)
    shell.well("archive", "extract", "recordings/archive.zarr", name, "kept.wav")
    assert loudness(read_wav(shell.folder / "kept.wav")[2][4800:]) == pytest.approx(5657, rel=0.1)


def test_serve_with_an_answer_and_a_token_keeping_nothing(shell: Shell) -> None:
    write_tone(shell.folder / "answer.wav", 0.5, rate=44_100, channels=2)
    server, url = shell.serve("--answer", "answer.wav", "--token", "sesam", "--no-keep")
    before = shell.listing()
    said = shell.run(
        *("talk", "--url", url, "--source", "tone:300:200ms", "--sink", "heard.wav"),
        environment={"OPUSCULE_TOKEN": "sesam"},
    )
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("said 0.2 s in 11 packets\n")
    assert "answer" in said.out
    heard = np.array(read_wav(shell.folder / "heard.wav")[2])
    assert np.count_nonzero(np.abs(heard) > 2000) > 0.5 * 0.5 * 16_000
    assert shell.listing().keys() - before.keys() == {"heard.wav"}
    assert shell.end(server, signal.SIGTERM).code == 0


def test_talk_can_be_limited_and_hear_nothing(shell: Shell) -> None:
    server, url = shell.serve("--answer", "none", "--no-keep")
    said = shell.well(
        *("talk", "--url", url, "--source", "tone:300", "--sink", "null"),
        *("--seconds", "0.3", "--delay-ms", "20"),
    )
    assert said.startswith("said 0.")
    assert "  answer  none\n" in said
    assert shell.end(server, signal.SIGINT).code == 0


def test_devices_and_doctor(shell: Shell) -> None:
    devices = json.loads(shell.well("devices", "--json"))
    assert isinstance(devices, list)
    assert shell.well("devices")
    findings = json.loads(shell.well("doctor", "--json"))
    # What the project's own set-up gives has to work: libopus with FEC and DRED, every extra.
    assert {f["what"] for f in findings if f["ok"]} >= {"libopus", "in-band FEC"}
    assert [f["what"] for f in findings if not f["ok"] and not f["optional"]] == []
    assert len(shell.well("doctor").splitlines()) == len(findings)


@pytest.mark.parametrize(
    ("called", "again"),
    [
        (".venv/bin/opuscule", ".venv/bin/opuscule"),
        ("/usr/local/bin/opuscule", "opuscule"),  # found by the shell
        ("opuscule", "opuscule"),
        ("tests/run.py", "opuscule"),
    ],
)
def test_what_is_proposed_can_be_typed(
    called: str, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [called])
    assert program() == again


def test_the_demo_goes_the_whole_way(inside: Shell) -> None:
    told = json.loads(inside.well("demo", "--json", "--folder", "shown"))
    assert told["middle_equal"] is True
    assert told["report"]["packets_withheld"] > 0
    assert told["heard"]["dred_samples"] > 0
    assert len(told["gaps"]) > 0
    assert told["archive"] == "shown/archive.zarr"
    assert loudness(read_wav(inside.folder / told["answer"])[2]) > 100
    kept = json.loads(inside.well("archive", "info", told["archive"], "--json"))
    assert kept[told["recording"]]["total_samples"] == told["kept_samples"]
