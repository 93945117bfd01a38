"""Encoding and decoding through Python, against PyAV's libopus (rows C10, P10) and a loop in Rust.

A minute of speech, 16 kHz mono, 24 kb/s, complexity 5, in-band FEC for 10 % loss, no DTX, both
sides alike. A time is the CPU time of a minute by its packets, the median over the rounds. PyAV
decodes at 48 kHz only. Row C10: how small speech becomes at four frame lengths.

Against a loop in Rust (`_rust_loop.py`), in turns of half a second and less, by the CPU time of our
thread and of its process: a whole recording in one call, the median of the pairs; and what one call
costs above libopus, the difference of the quickest turns, because a small difference of two times
that both swing with the machine swings more than it is. There each call does as little as there is
to do: 2.5 ms at 8 kHz, and, because more samples have to be handed over, 20 ms at 48 kHz, both CELT
at complexity 0.

Two threads against one need two idle cores: `--only threads` alone on the machine.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from _common import (
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
from _rust_loop import RustLoop, Way, on_one_core, pairs, program
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


def against_rust(pcm: bytes, rounds: int) -> list[Result]:
    path = program()
    if path is None:
        print("cargo is absent, or this is not Linux: not compared with a loop in Rust")
        return []
    with on_one_core():
        return [
            *whole_recording(path, pcm, 2 * rounds),
            *one_call(path, pcm[: 4_000 * 40], 8_000, 2.5, 20 * rounds),
            *one_call(path, speech(48_000, 10), 48_000, 20, 20 * rounds),
        ]


def whole_recording(path: str, pcm: bytes, rounds: int) -> list[Result]:
    packets = [packet.data for packet in StreamEncoder(RATE, preset=SETTINGS).push(pcm)]
    loop = RustLoop(path, pcm, RATE, 20, SETTING_WORDS)
    assert loop.run("encode") == sum(map(len, packets)), "they encoded something else"
    assert loop.run("decode") == len(Decoder(RATE).decode_many(packets))
    ways: dict[Way, Callable[[], object]] = {
        "encode": lambda: StreamEncoder(RATE, preset=SETTINGS).push(pcm),
        "decode": lambda: Decoder(RATE).decode_many(packets),
    }
    results = []
    for way, work in ways.items():
        took = pairs(work, loop, way, rounds)
        ours, theirs = took
        name = f"{way}, whole recording: Rust's time by ours"
        results += [
            above(name, ratio(theirs, ours), "", 0.97),
            plain(f"{name}, quickest turns", min(theirs) / min(ours), ""),
        ]
    loop.close()
    return results


def one_call(path: str, pcm: bytes, rate: int, frame_ms: float, rounds: int) -> list[Result]:
    size = round(rate * frame_ms / 1000) * 2
    frames = [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]
    loop = RustLoop(path, pcm, rate, frame_ms, LEAST_WORDS)

    def encode() -> list[bytes]:
        encode = Encoder(rate, preset=LEAST).encode
        return [encode(frame) for frame in frames]

    packets = encode()
    assert loop.run("encode") == sum(map(len, packets)), "they encoded something else"

    def decode() -> None:
        decode = Decoder(rate).decode
        for packet in packets:
            decode(packet)

    results = []
    ways: dict[Way, Callable[[], object]] = {"encode": encode, "decode": decode}
    for way, work in ways.items():
        took = pairs(work, loop, way, rounds)
        ours, theirs = ([seconds / len(frames) * 1e6 for seconds in side] for side in took)
        name = f"{way}, {frame_ms:g} ms at {rate // 1000} kHz, one call"
        more = [a - b for a, b in zip(ours, theirs, strict=True)]
        results += [
            below(f"{name} above libopus", min(ours) - min(theirs), "µs", 1.5),
            plain(f"{name} above libopus, median of the pairs", median(more), "µs"),
            plain(f"{name}: libopus's own", min(theirs), "µs"),
        ]
    loop.close()
    return results


def encode_whole(pcm: bytes) -> int:
    return len(StreamEncoder(RATE, preset=SETTINGS).push(pcm))


def at_once(pcm: bytes, rounds: int) -> list[Result]:
    """Two encodings one after the other, on two threads, and in two processes, in turn.

    On idle cores two threads halve the time. On busy ones nothing does; but what hinders threads
    hinders two processes as much, which share no interpreter, and turns are so short that the
    quickest of each way may have found the cores idle.
    """
    twice = [pcm[: 2 * RATE * 10]] * 2

    def took(work: Callable[[], object]) -> Callable[[], float]:
        def measure() -> float:
            began = time.perf_counter()
            work()
            return time.perf_counter() - began

        return measure

    spawned = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(2) as pool, ProcessPoolExecutor(2, mp_context=spawned) as others:
        ways = {
            "one": took(lambda: [encode_whole(each) for each in twice]),
            "threads": took(lambda: list(pool.map(encode_whole, twice))),
            "processes": took(lambda: list(others.map(encode_whole, twice))),
        }
        measured = in_turn(ways, 10 * rounds)
    one, threads, processes = measured.values()
    load = os.getloadavg()[0]
    return [
        above("encode, two threads by one", ratio(one, threads), "×", 1.85),
        plain("encode, two threads by one, quickest turns", min(one) / min(threads), "×"),
        plain("encode, two processes by one", ratio(one, processes), "×"),
        plain("encode, two processes by one, quickest turns", min(one) / min(processes), "×"),
        plain("encode, two threads by two processes", ratio(processes, threads), "×"),
        plain("load of the machine meanwhile, this included", load, ""),
    ]


def against_pyav(pcm: bytes, rounds: int) -> list[Result]:
    encode = in_turn(encoding(pcm), rounds)
    encoder = StreamEncoder(RATE, preset=SETTINGS)
    decode = in_turn(decoding(encoder.push(pcm), encoder), rounds)
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
    return [
        *results,
        plain("encode, Encoder by PyAV", ratio(encode["Encoder"], encode["PyAV"]), "×"),
        plain("encode, StreamEncoder by PyAV", ratio(encode["StreamEncoder"], encode["PyAV"]), "×"),
        plain(
            "decode 48 kHz, Decoder by PyAV's libopus",
            ratio(decode["Decoder 48 kHz"], decode["PyAV 48 kHz, libopus"]),
            "×",
        ),
    ]


PARTS: dict[str, Callable[[bytes, int], list[Result]]] = {
    "pyav": against_pyav,
    "rust": against_rust,
    "threads": at_once,
    "size": compression,
}


def main() -> None:
    chosen = options(__doc__, rounds=7, parts=list(PARTS))
    pcm = speech(RATE, SECONDS)
    results = [
        result
        for name, part in PARTS.items()
        if chosen.only in (None, name)
        for result in part(pcm, chosen.rounds)
    ]
    report(results, chosen.json)


if __name__ == "__main__":
    main()
