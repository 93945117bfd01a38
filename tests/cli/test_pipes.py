"""``-``: audio in and out of pipes, live ones too."""

import io
import json
import os
import select
import signal
import subprocess
import time
import wave
from typing import IO

import pytest

from opuscule.codec import StreamEncoder
from opuscule.containers.ogg import OggReader
from opuscule.containers.raw import RawWriter
from opuscule.packets import Packet

from .conftest import PROGRAM, TIMEOUT_S, Shell, loudness, read_wav, write_tone


def through(shell: Shell, data: bytes, *arguments: str) -> tuple[int, bytes, str]:
    """Run the command with something in its standard input: exit code, output, what it said."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        cwd=shell.folder,
        input=data,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def prepare(shell: Shell, *arguments: str) -> str:
    """Run a command in this process, where there is no pipe to be tested; what it printed."""
    done = shell.call(*arguments)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def what_comes(pipe: IO[bytes]) -> bytes:
    """Some bytes out of a pipe that is still open."""
    assert select.select([pipe], [], [], TIMEOUT_S)[0], "nothing comes"
    return os.read(pipe.fileno(), 65_536)


def test_wav_through_pipes_and_back(shell: Shell) -> None:
    data = write_tone(shell.folder / "a.wav", 1.5).read_bytes()
    prepare(shell, "encode", "a.wav")
    code, opus, said = through(shell, data, "encode", "-")
    assert (code, said.partition(":")[0]) == (0, "standard output")
    packets = [item.data for item in OggReader(io.BytesIO(opus)) if isinstance(item, Packet)]
    with (shell.folder / "a.opus").open("rb") as file:
        assert packets == [item.data for item in OggReader(file) if isinstance(item, Packet)]

    prepare(shell, "decode", "a.opus", "whole.wav", "--rate", "16000")
    code, back, said = through(shell, opus, "decode", "-", "-", "--rate", "16000", "--json")
    assert (code, json.loads(said)["samples"]) == (0, 24_000)
    with wave.open(str(shell.folder / "whole.wav")) as whole:
        assert back[44:] == whole.readframes(24_000)
    code, bare, _ = through(
        shell, opus, "decode", "-", "-o", "-", "--rate", "16000", "--format", "pcm"
    )
    assert (code, bare) == (0, back[44:])


def test_bare_samples_and_a_raw_stream(shell: Shell) -> None:
    write_tone(shell.folder / "a.wav", 1, rate=44_100, channels=2)
    samples = read_wav(shell.folder / "a.wav")[2].tobytes()
    options = ("--pcm", "int16", "--rate", "44100", "--channels", "2", "--format", "u16be")
    code, stream, _ = through(shell, samples + b"\1", "encode", "-", *options)
    assert code == 0
    code, _, said = through(shell, stream, "decode", "-", "b.wav", "--raw", "u16be")
    assert (code, said) == (0, "")
    rate, channels, back = read_wav(shell.folder / "b.wav")
    assert (rate, channels) == (48_000, 2)
    assert loudness(back[9600:-9600]) == pytest.approx(5657, rel=0.25)


@pytest.mark.parametrize("container", ["webm", "matroska"])
def test_other_containers_through_a_pipe(shell: Shell, container: str) -> None:
    write_tone(shell.folder / "a.wav", 1)
    code, made, _ = through(shell, b"", "encode", "a.wav", "-o", "-", "--format", container)
    assert code == 0
    code, _, said = through(shell, made, "decode", "-", "b.flac", "--rate", "16000")
    assert (code, said) == (0, "")
    assert through(shell, (shell.folder / "b.flac").read_bytes(), "encode", "-", "c.opus")[0] == 0
    told = json.loads(prepare(shell, "info", "--json", "c.opus"))
    assert told["duration_samples"] == 48_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("encode", "a.wav", "-o", "-", "--format", "mp4"), "MP4 cannot be written into a pipe"),
        (("decode", "a.opus", "-", "--format", "flac"), "FLAC cannot be written into a pipe"),
        (("encode", "-"), "standard input"),
        (("decode", "-", "x.wav"), "standard input: it holds no Opus"),
    ],
)
def test_what_pipes_cannot_carry(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    write_tone(shell.folder / "a.wav", 0.1)
    prepare(shell, "encode", "a.wav")
    before = shell.listing()
    code, out, said = through(shell, b"no audio" * 10, *arguments)
    assert (code, out) == (1, b"")
    assert said.startswith("opuscule: ")
    assert words in said
    assert said.count("\n") == 1
    assert shell.listing() == before


def test_a_cut_pipe_is_an_error_and_leaves_nothing(shell: Shell) -> None:
    data = write_tone(shell.folder / "a.wav", 1).read_bytes()
    before = shell.listing()
    code, _, said = through(shell, data[:20_000], "encode", "-", "b.opus")
    assert code == 1
    assert "promises 16000" in said
    assert shell.listing() == before
    assert through(shell, data[:20_000], "encode", "-", "b.opus", "--salvage")[0] == 0


def test_a_live_pipe_is_encoded_as_it_comes_and_ends_with_ctrl_c(shell: Shell) -> None:
    process = subprocess.Popen(
        [PROGRAM, *["encode", "-", "-", "--pcm", "int16", "--rate", "16000", "--format", "ogg"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            noise = os.urandom(32_000 * 3)
            process.stdin.write(noise)
            process.stdin.flush()
            # It is not over, and yet two seconds are there.
            early = b""
            while early.count(b"OggS") < 4:
                early += what_comes(process.stdout)
            process.send_signal(signal.SIGINT)
            late = process.stdout.read()
            assert process.wait(TIMEOUT_S) == 0
            assert b"standard output: 3.0 s" in process.stderr.read()
        finally:
            process.kill()
    reader = OggReader(io.BytesIO(early + late))
    packets = [item.data for item in reader if isinstance(item, Packet)]
    encoder = StreamEncoder(16_000, 1, preset="voice")
    assert packets == [packet.data for packet in encoder.push(noise) + encoder.finish()]
    assert (reader.truncated, reader.end_samples) == (False, encoder.end_samples)


def test_live_packets_are_decoded_as_they_come(shell: Shell) -> None:
    encoder = StreamEncoder(16_000, 1, preset="voice")
    stream = io.BytesIO()
    writer = RawWriter(stream, "self-delimited")
    for packet in encoder.push(os.urandom(32_000)):
        writer.write(packet.data)
    process = subprocess.Popen(
        [PROGRAM, "decode", "-", "-", *("--raw", "self-delimited"), *("--format", "pcm")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(stream.getvalue())
            process.stdin.flush()
            early = 0
            while early < 2 * 960 * 49:  # the newest packet may wait for its end
                early += len(what_comes(process.stdout))
            process.stdin.close()
            assert early + len(process.stdout.read()) == 2 * 48_000
            assert process.wait(TIMEOUT_S) == 0
        finally:
            process.kill()


def test_a_live_recording_is_kept_when_ctrl_c_ends_it(shell: Shell) -> None:
    process = subprocess.Popen(
        [PROGRAM, *["encode", "-", "kept.webm", "--pcm", "float32", "--rate", "48000"]],
        cwd=shell.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(bytes(4 * 48_000 * 3))
            process.stdin.flush()
            while not list(shell.folder.glob("*.part")):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            process.stdin.close()
            assert process.wait(TIMEOUT_S) == 0
            assert process.stdout.read().startswith(b"kept.webm: ")
        finally:
            process.kill()
    assert list(shell.listing()) == ["kept.webm"]


def test_who_reads_the_output_may_have_had_enough(shell: Shell) -> None:
    write_tone(shell.folder / "a.wav", 10)  # ten times what a pipe holds
    prepare(shell, "encode", "a.wav")
    process = subprocess.Popen(
        [PROGRAM, "decode", "a.opus", "-"],
        cwd=shell.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"RIFF"
        process.stdout.close()
        assert process.wait(TIMEOUT_S) == 1
        assert process.stderr.read() == b""
