"""Encoding and decoding through Python, against PyAV's libopus (rows C10, P10).

A minute of speech, 16 kHz mono, 24 kb/s, complexity 5, in-band FEC for 10 % loss, no DTX, both
sides alike. A time is the CPU time of a minute by its packets, the median over the rounds. PyAV
decodes at 48 kHz only. The last part is row C10: how small speech becomes at four frame lengths.
"""

import time
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from _common import Result, above, below, in_turn, median, options, plain, ratio, report, speech
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
        *compression(pcm, chosen.rounds),
    ]
    report(results, chosen.json)


if __name__ == "__main__":
    main()
