"""Encoding and decoding through Python, against PyAV's libopus (rows C10, P10).

A minute of speech, 16 kHz mono, 24 kb/s, complexity 5, in-band FEC for 10 % loss, no DTX, both
sides alike. A time is the CPU time of a minute by its packets, the median over the rounds. PyAV
decodes at 48 kHz only. Row C10: how small speech becomes at four frame lengths.

Against a loop in Rust (`crates/core/examples/codec_loop.rs`, built by cargo), by the clock and by
the best round of each side: a whole recording in one call, and what one call costs above libopus.
For the second each call does as little as there is to do, 2.5 ms at 8 kHz, so that it is not lost
in the noise of the work. Two threads against one need two idle cores.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from _common import (
    ROOT,
    Result,
    above,
    below,
    in_turn,
    median,
    options,
    plain,
    ratio,
    report,
    speech,
)
from opuscule import Decoder, Encoder, EncoderSettings, Packet, StreamEncoder
from opuscule.playout import StreamDecoder

RATE = 16_000
SECONDS = 60
FRAME_SAMPLES = RATE // 50
PACKETS = SECONDS * 50
SETTINGS = EncoderSettings(bitrate=24_000, complexity=5, dtx=False, signal="auto")


def per_packet(work: Callable[[], object]) -> Callable[[], float]:
    """Measure µs of CPU a packet: a busy machine does not change it much."""

    def measure() -> float:
        began = time.process_time()
        work()
        return (time.process_time() - began) / PACKETS * 1e6

    return measure


def pyav_encoder() -> AudioCodecContext:
    wanted = {
        "application": "voip",
        "frame_duration": "20",
        "compression_level": "5",
        "packet_loss": "10",
        "fec": "1",
        "vbr": "on",
    }
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.options = wanted
    context.bit_rate = 24_000
    context.sample_rate = RATE
    context.layout = "mono"
    context.format = "s16"
    context.time_base = Fraction(1, RATE)
    context.open()
    return context


def pyav_frame(pcm: bytes, number: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(
        np.frombuffer(pcm, np.int16).reshape(1, -1), format="s16", layout="mono"
    )
    frame.sample_rate = RATE
    frame.pts = number * FRAME_SAMPLES
    frame.time_base = Fraction(1, RATE)
    return frame


def encoding(pcm: bytes) -> dict[str, Callable[[], float]]:
    size = FRAME_SAMPLES * 2
    frames = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    theirs = [pyav_frame(frame, n) for n, frame in enumerate(frames)]

    def frame_by_frame() -> None:
        encoder = Encoder(RATE, preset=SETTINGS)
        for frame in frames:
            encoder.encode(frame)

    def whole() -> None:
        encoder = StreamEncoder(RATE, preset=SETTINGS)
        assert len(encoder.push(pcm)) == PACKETS

    def pyav() -> None:
        context = pyav_encoder()
        for frame in theirs:
            context.encode(frame)

    return {
        "Encoder": per_packet(frame_by_frame),
        "StreamEncoder": per_packet(whole),
        "PyAV": per_packet(pyav),
    }


def decoding(packets: list[Packet], encoder: StreamEncoder) -> dict[str, Callable[[], float]]:
    theirs = [av.Packet(packet.data) for packet in packets]

    def call_by_call(rate: int) -> None:
        decoder = Decoder(rate)
        for packet in packets:
            decoder.decode(packet.data)

    def stream() -> None:
        decoder = StreamDecoder(encoder.format, rate=RATE)
        for packet in packets:
            for _ in decoder.push(packet):
                pass

    def pyav(name: str) -> None:
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate = 48_000
        context.layout = "mono"
        samples = sum(f.samples for packet in theirs for f in context.decode(packet))
        assert samples >= (PACKETS - 1) * 960

    return {
        "Decoder 16 kHz": per_packet(lambda: call_by_call(RATE)),
        "StreamDecoder 16 kHz": per_packet(stream),
        "Decoder 48 kHz": per_packet(lambda: call_by_call(48_000)),
        "PyAV 48 kHz, libopus": per_packet(lambda: pyav("libopus")),
        "PyAV 48 kHz, ffmpeg's own": per_packet(lambda: pyav("opus")),
    }


def compression(pcm: bytes, rounds: int) -> list[Result]:
    results = []
    for frame_ms in (10, 20, 40, 60):
        took, size = [], 0
        for _ in range(rounds):
            encoder = StreamEncoder(RATE, frame_ms=frame_ms, preset="voice")
            began = time.process_time()
            packets = encoder.push(pcm) + encoder.finish()
            took.append((time.process_time() - began) / len(packets) * 1e6)
            size = sum(len(packet.data) for packet in packets)
        name = f"voice preset, {frame_ms} ms"
        results += [
            above(f"{name}: PCM by Opus", len(pcm) / size, "to 1", 10),
            plain(f"{name}: bit rate", size * 8 / SECONDS / 1000, "kb/s"),
            plain(f"{name}: encode", median(took), "µs/packet"),
        ]
    return results


SETTING_WORDS = [
    "application=voip",
    "bitrate=24000",
    "complexity=5",
    "fec=1",
    "loss_percent=10",
    "signal=auto",
]
LEAST = EncoderSettings("lowdelay", 16_000, 0, fec=False, loss_percent=0, dtx=False, signal="auto")
LEAST_WORDS = ["application=lowdelay", "bitrate=16000", "complexity=0"]


@cache
def rust_loop() -> str | None:
    """The program, built; None where it cannot be."""
    if shutil.which("cargo") is None:
        return None
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # cmake is there
    command = ["cargo", "build", "--release", "--locked", "--example", "codec_loop"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, check=True)
    return str(ROOT / "target" / "release" / "examples" / "codec_loop")


def rust(program: str, file: str, rate: int, frame_ms: float, words: list[str]) -> list[float]:
    command = [program, file, str(rate), str(frame_ms), *words]
    return [float(n) for n in subprocess.check_output(command, text=True).split()]


def against_rust(pcm: bytes, rounds: int) -> list[Result]:
    program = rust_loop()
    if program is None:
        print("cargo is absent: not compared with a loop in Rust")
        return []
    with tempfile.NamedTemporaryFile(suffix=".pcm") as file, tempfile.NamedTemporaryFile() as small:
        file.write(pcm)
        file.flush()
        small.write(pcm[: 2 * 8_000 * 10])
        small.flush()
        return [
            *whole_recording(program, file.name, pcm, rounds),
            *one_call(program, small.name, pcm[: 2 * 8_000 * 10], rounds),
        ]


def whole_recording(program: str, file: str, pcm: bytes, rounds: int) -> list[Result]:
    packets = [packet.data for packet in StreamEncoder(RATE, preset=SETTINGS).push(pcm)]
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(rust(program, file, RATE, 20, SETTING_WORDS))
        assert theirs[-1][2] == sum(map(len, packets)), "they encoded something else"
        stream, decoder = StreamEncoder(RATE, preset=SETTINGS), Decoder(RATE)
        began = time.perf_counter()
        stream.push(pcm)
        between = time.perf_counter()
        decoder.decode_many(packets)
        ours.append((between - began, time.perf_counter() - between))
    encode, decode = (
        min(times[way] for times in theirs) / min(times[way] for times in ours) * PACKETS / 1e6
        for way in (0, 1)
    )
    return [
        above("encode, whole recording: Rust's time by ours", encode, "", 0.97),
        above("decode, whole recording: Rust's time by ours", decode, "", 0.97),
    ]


def one_call(program: str, file: str, pcm: bytes, rounds: int) -> list[Result]:
    frames = [pcm[at : at + 40] for at in range(0, len(pcm), 40)]
    ours: list[tuple[float, float]] = []
    theirs = []
    for _ in range(2 * rounds):
        theirs.append(rust(program, file, 8_000, 2.5, LEAST_WORDS))
        encoder, decoder = Encoder(8_000, preset=LEAST), Decoder(8_000)
        began = time.perf_counter()
        packets = [encoder.encode(frame) for frame in frames]
        between = time.perf_counter()
        for packet in packets:
            decoder.decode(packet)
        ended = time.perf_counter()
        ours.append((between - began, ended - between))
    encode, decode = (
        min(times[way] for times in ours) / len(frames) * 1e6 - min(times[way] for times in theirs)
        for way in (0, 1)
    )
    return [
        below("encode, one call above libopus", encode, "µs", 1.5),
        below("decode, one call above libopus", decode, "µs", 1.5),
    ]


def two_threads(pcm: bytes, rounds: int) -> Result:
    def work(_: int) -> None:
        StreamEncoder(RATE, preset=SETTINGS).push(pcm)

    gains = []
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
        for _ in range(rounds):
            began = time.perf_counter()
            work(0)
            work(1)
            between = time.perf_counter()
            list(pool.map(work, range(2)))
            gains.append((between - began) / (time.perf_counter() - between))
    return above("encode, two threads by one", median(gains), "×", 1.85)


def main() -> None:
    chosen = options(__doc__, rounds=7)
    pcm = speech(RATE, SECONDS)
    encode = in_turn(encoding(pcm), chosen.rounds)
    encoder = StreamEncoder(RATE, preset=SETTINGS)
    decode = in_turn(decoding(encoder.push(pcm), encoder), chosen.rounds)
    # Row P10 allows a stage 10 ms.
    results = [
        below(f"encode, {way}", median(took), "µs/packet", 10_000)
        if way != "PyAV"
        else plain("encode, PyAV", median(took), "µs/packet")
        for way, took in encode.items()
    ]
    results += [
        plain(f"decode, {way}", median(took), "µs/packet")
        if way.startswith("PyAV")
        else below(f"decode, {way}", median(took), "µs/packet", 10_000)
        for way, took in decode.items()
    ]
    results += [
        plain("encode, Encoder by PyAV", ratio(encode["Encoder"], encode["PyAV"]), "×"),
        plain("encode, StreamEncoder by PyAV", ratio(encode["StreamEncoder"], encode["PyAV"]), "×"),
        plain(
            "decode 48 kHz, Decoder by PyAV's libopus",
            ratio(decode["Decoder 48 kHz"], decode["PyAV 48 kHz, libopus"]),
            "×",
        ),
        *against_rust(pcm, chosen.rounds),
        two_threads(pcm, chosen.rounds),
        *compression(pcm, chosen.rounds),
    ]
    report(results, chosen.json)


if __name__ == "__main__":
    main()
