"""``opuscule measure playout``: what a person sees, what a script gets, what is refused."""

import csv
import inspect
import json
import struct
import wave
from pathlib import Path

import pytest

from opuscule.cli.measure import playout
from opuscule.codec import StreamEncoder
from opuscule.measure.codec import sentence
from opuscule.playout import Playout

from .conftest import Shell, write_tone

QUICK = ("--no-quality",)


def write_trace(path: Path, lost: range = range(0), late_ms: float = 0.0, rows: int = 250) -> Path:
    lines = ["seq,send_ms,arrival_ms"]
    for n in range(rows):
        late = late_ms if n % 7 == 0 else 0.0
        lines.append(f"{n},{20 * n},{'' if n in lost else 20 * n + late}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_clocks_that_part_are_named(inside: Shell) -> None:
    lines = ["send_ms,arrival_ms", *(f"{20 * n},{20.006 * n:.3f}" for n in range(6000))]
    (inside.folder / "trace.csv").write_text("\n".join(lines))
    told = json.loads(inside.well("measure", "playout", "trace.csv", *QUICK, "--json"))
    assert told["drift_ppm"] == pytest.approx(-300, abs=30)
    shown = inside.well("measure", "playout", "trace.csv", *QUICK)
    assert f"the sender's is {-told['drift_ppm']:.0f} ppm slower" in shown


def test_what_is_not_said_is_as_in_playout() -> None:
    told = inspect.signature(playout).parameters
    for name, parameter in inspect.signature(Playout).parameters.items():
        if name in told and name not in ("mode", "target_delay_ms"):
            assert told[name].default == parameter.default, name


@pytest.fixture
def lossy(inside: Shell) -> Path:
    return write_trace(inside.folder / "trace.csv", range(100, 110))


def test_a_person_reads_what_hurt(inside: Shell, lossy: Path) -> None:
    shown = inside.well("measure", "playout", "trace.csv", *QUICK)
    lines = shown.splitlines()
    assert lines[0].startswith("trace.csv, the built-in sentence: 5.0 s, 250 packets of 20 ms at 2")
    assert lines[0].endswith("played adaptive, at least 30 ms")
    assert "10 of 250 packets (4.0%), in one burst of 200 ms\n" in shown
    for heading in ("What the network did", "What was heard", "What hurt most"):
        assert f"\n{heading}\n" in shown
    band = next(line for line in lines if line.lstrip().startswith("made of .."))
    assert "x" in band
    assert "not heard, but made up or left out" in shown.partition("What hurt most")[2]


def test_webrtcs_statistics_have_units(inside: Shell, lossy: Path) -> None:
    shown = inside.well("measure", "playout", "trace.csv", *QUICK)
    told = json.loads(inside.well("measure", "playout", "trace.csv", *QUICK, "--json"))["webrtc"]
    lines = dict(line.split(None, 1) for line in shown.splitlines() if line.count(" ") > 2)
    concealed, emitted = told["concealedSamples"], told["jitterBufferEmittedCount"]
    assert lines["concealedSamples"] == f"{concealed} samples, {concealed / 48_000:.2f} s"
    delay_s = told["jitterBufferDelay"]
    each_ms = delay_s / emitted * 1000
    assert lines["jitterBufferDelay"] == f"{each_ms:.0f} ms a sample, {delay_s:.1f} s added up"
    assert lines["packetsLost"] == "10 packets"


def test_a_script_gets_the_same(inside: Shell, lossy: Path) -> None:
    told = json.loads(inside.well("measure", "playout", "trace.csv", *QUICK, "--json"))
    assert told["trace"] == "trace.csv"
    assert told["network"]["lost"] == 10
    assert told["speech"]["lost_ms"] > 100
    assert told["quality"] is None
    assert told["hurt"][0] in inside.well("measure", "playout", "trace.csv", *QUICK)


def test_what_is_written(inside: Shell, lossy: Path) -> None:
    pytest.importorskip("matplotlib")
    write_tone(inside.folder / "a.wav", 4, rate=48_000, channels=2)
    files = ("--out", "heard.wav", "--log", "log.csv", "--plot", "what.png")
    shown = inside.well("measure", "playout", "trace.csv", "a.wav", *files, *QUICK)
    assert "the audio ends after 4.0 s" in shown
    with wave.open(str(inside.folder / "heard.wav"), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, 2)
        samples = file.getnframes()
    with (inside.folder / "log.csv").open(newline="") as text:
        assert sum(int(row["samples"]) for row in csv.DictReader(text)) == samples - 240
    assert (inside.folder / "what.png").read_bytes().startswith(b"\x89PNG")


def test_options_of_the_encoder_and_the_playout(inside: Shell, lossy: Path) -> None:
    fec = json.loads(inside.well("measure", "playout", "trace.csv", *QUICK, "--json"))
    options = ("--dred", "800", "--loss-percent", "20", "--frame-ms", "40", "--bitrate", "40000")
    deep = json.loads(
        inside.well(
            "measure",
            "playout",
            "trace.csv",
            *QUICK,
            "--json",
            *options,
            "--target-delay-ms",
            "300",
        )
    )
    assert (fec["packets_ms"], deep["packets_ms"]) == (20, 40)
    assert fec["shares"]["fec"] > 0
    assert deep["shares"]["dred"] > 0.03
    assert deep["speech"]["unheard_share"] < 0.2 * fec["speech"]["unheard_share"]
    assert deep["delay"]["mean_ms"] > 290
    fixed = json.loads(
        inside.well(
            "measure", "playout", "trace.csv", *QUICK, "--json", "--mode", "fixed", "--fec", "off"
        )
    )
    assert "fec" not in fixed["shares"]


def test_a_capture_is_played_by_itself(inside: Shell) -> None:
    sound = sentence()
    encoder = StreamEncoder(sound.rate, sound.channels, preset="voice")
    packets = [*encoder.push(sound.pcm), *encoder.finish()]
    with (inside.folder / "call.pcap").open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for p in (*packets[:60], *packets[66:]):
            rtp = struct.pack(">BBHII", 128, 111, p.sequence, p.time_samples, 0x1234ABCD) + p.data
            udp = struct.pack(">HHHH", 5004, 5006, 8 + len(rtp), 0) + rtp
            ip = struct.pack(">BBHIBBH8x", 0x45, 0, 20 + len(udp), 0, 64, 17, 0) + udp
            seconds, ms = divmod(p.time_samples // 48, 1000)
            file.write(struct.pack("<IIII", 5 + seconds, ms * 1000, len(ip), len(ip)) + ip)
    shown = inside.well("measure", "playout", "call.pcap", *QUICK)
    assert shown.startswith(f"call.pcap, the packets in it: 5.7 s, {len(packets)} packets of 20 ms")
    assert f"6 of {len(packets)} packets" in shown
    options = ("--bitrate", "9000", "--fec", "off", "--loss", "10")
    done = inside.run("measure", "playout", "call.pcap", *options)
    assert done.code == 1
    assert "call.pcap has packets of its own; leave out --bitrate, --fec, --loss" in done.err
    done = inside.run("measure", "playout", "call.pcap", *QUICK, "--ssrc", "7")
    assert done.code == 1
    assert "there is no such stream; there are SSRC 0x1234abcd" in done.err


def test_the_quality_is_judged_where_a_judge_is(inside: Shell, lossy: Path) -> None:
    shown = inside.well("measure", "playout", "trace.csv")
    try:
        import pesq  # noqa: F401 - only whether it is there
    except ImportError:
        assert "not judged; pip install 'opuscule[quality]' adds PESQ and PLCMOS" in shown
    else:
        assert "PESQ-WB" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.csv",), "gone.csv"),
        (("empty.csv",), "empty.csv is empty: got 0 bytes, expected a trace or a capture"),
        (("trace.csv", "--ssrc", "7"), "has one stream"),
        (
            ("trace.csv", "--target-delay-ms", "2000"),
            "target_delay_ms is 2000; expected at most max_delay_ms, 1000",
        ),
        (("trace.csv", "gone.wav"), "gone.wav"),
        (("trace.csv", "empty.csv"), "empty.csv"),
        (("trace.csv", "--mode", "odd"), "--mode is 'odd'; expected whole, fixed, adaptive"),
        (("trace.csv", "--fec", "some"), "--fec is 'some'; expected on or off"),
        (("trace.csv", "--ssrc", "me"), "--ssrc is 'me'"),
        (("trace.csv", "--log", "log.txt"), "expected a name that ends in .csv or .jsonl"),
        (("seconds.csv",), "give longer audio, or a longer trace (its rows are 0.02 ms apart"),
        (("/dev/null",), "/dev/null is a pipe or a device, and is read twice"),
        (("trace.csv", "--out", "heard.mp3"), "expected a name that ends in .wav"),
        (("trace.csv", "--out", "no/heard.wav"), "no: there is no such folder; create it first"),
        (("trace.csv", "--log", "trace.csv"), "trace.csv is what is read, and would be replaced"),
        (("trace.csv", "--plot", "p.gif"), "expected a name in .png or .svg"),
        (("trace.csv", "--target-delay-ms", "-1"), "-1"),
        (("trace.csv", "--late-per-mille", "2000"), "2000"),
        (("trace.csv", "--bitrate", "1"), "bitrate"),
        (("trace.csv", "--preset", "loud"), "preset is 'loud'"),
    ],
)
def test_what_is_wrong_is_one_line(
    inside: Shell, lossy: Path, arguments: tuple[str, ...], message: str
) -> None:
    (inside.folder / "empty.csv").write_text("")
    seconds = "".join(f"{n / 50},{n / 50}\n" for n in range(500))
    (inside.folder / "seconds.csv").write_text(f"send_ms,arrival_ms\n{seconds}")
    done = inside.run("measure", "playout", *arguments)
    assert (done.code, done.out) == (1, "") or done.code == 2, done
    assert message in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) == 1 or done.code == 2


def test_what_is_played_is_not_replaced(inside: Shell, lossy: Path) -> None:
    write_tone(inside.folder / "a.wav", 4)
    before = {path: path.read_bytes() for path in inside.folder.iterdir()}
    for option, name in (("--out", "a.wav"), ("--log", "trace.csv")):
        done = inside.run("measure", "playout", "trace.csv", "a.wav", *QUICK, option, name)
        assert done.code == 1
        assert f"{name} is what is read" in done.err
    assert {path: path.read_bytes() for path in inside.folder.iterdir()} == before


def test_nothing_is_written_where_not_all_can_be(inside: Shell, lossy: Path) -> None:
    names = ("--out", "heard.wav", "--log", "no/log.csv")
    assert inside.run("measure", "playout", "trace.csv", *QUICK, *names).code == 1
    assert not (inside.folder / "heard.wav").exists()
