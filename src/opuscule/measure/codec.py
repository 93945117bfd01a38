"""What Opus makes of a sound on this machine: how much smaller, how fast, by length of frame (C10).

Frame lengths are measured in turns, so that a slow moment of the machine slows them all, and the
median of the rounds counts.
"""

import statistics
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files

from opuscule.codec import Decoder, EncoderSettings, StreamEncoder
from opuscule.containers.pcm import PcmReader, to_int16
from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError
from opuscule.packets import Packet
from opuscule.transcode import MAX_CHANNELS, open_audio

__all__ = ["FRAMES_MS", "CodecFigures", "Sound", "measure_codec", "read_sound", "sentence"]

FRAMES_MS = (10.0, 20.0, 40.0, 60.0)
"""What is compared unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM to measure with."""

    pcm: "array[int]"
    """int16, interleaved."""
    rate: int
    channels: int
    name: str

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return len(self.pcm) / self.channels / self.rate


@dataclass(frozen=True, slots=True)
class CodecFigures:
    """What one length of frame comes to."""

    frame_ms: float
    packets: int
    payload_bytes: int
    """Of the packets alone."""
    ratio: float
    """Bytes of int16 samples by bytes of packets."""
    bitrate: float
    """Of the packets, bits a second."""
    encode_us_per_s: float
    """Microseconds to encode a second of audio; the median."""
    decode_us_per_s: float
    """Microseconds to decode a second of audio; the median."""


def read_sound(reader: PcmReader, name: str, seconds: float) -> Sound:
    """Take the beginning of what a reader gives.

    Raises:
        InvalidArgumentError: ``seconds`` is not above 0.
        UnsupportedFormatError: it has more than two channels.
        FormatError: there is no sample in it, or see the reader's iteration.
    """
    if seconds <= 0:
        raise InvalidArgumentError(f"seconds is {seconds:g}; expected more than 0")
    if reader.channels > MAX_CHANNELS:
        raise UnsupportedFormatError(
            f"{name} has {reader.channels} channels; one Opus stream has 1 or 2"
        )
    wanted = max(1, round(seconds * reader.rate)) * reader.channels
    pcm = array("h")
    for block in reader:
        pcm.frombytes(to_int16(block, reader.sample_format))
        if len(pcm) >= wanted:
            break
    if not pcm:
        raise FormatError(f"{name} has no samples to measure with")
    return Sound(pcm[:wanted], reader.rate, reader.channels, name)


def sentence(rate: int = 16_000) -> Sound:
    """The sentence that comes with the package, spoken by a machine: mono.

    Raises:
        InvalidArgumentError: ``rate`` is no Opus rate.
    """
    place = files("opuscule") / "data" / "sentence.opus"
    with as_file(place) as path, open_audio(path, rate=rate) as reader:
        return read_sound(reader, "the built-in sentence", 60)


def measure_codec(
    sound: Sound,
    settings: EncoderSettings,
    *,
    frames_ms: Sequence[float] = FRAMES_MS,
    rounds: int = 5,
) -> list[CodecFigures]:
    """Encode and decode a sound at each length of frame.

    Args:
        sound: the sound, at an Opus rate.
        settings: how to encode; its own ``frame_ms`` is not looked at.
        frames_ms: the lengths, each one that Opus has.
        rounds: how often each has its turn, 1 or more; one more turn warms up and is not counted.

    Raises:
        InvalidArgumentError: an argument or a setting is out of its range.
    """
    if rounds < 1 or not frames_ms:
        raise InvalidArgumentError(
            f"{rounds} rounds over {len(frames_ms)} lengths of frame; expected 1 or more of each"
        )
    made: dict[float, list[Packet]] = {}
    spent: dict[float, list[tuple[float, float]]] = {frame_ms: [] for frame_ms in frames_ms}
    for turn in range(rounds + 1):
        for frame_ms in frames_ms:
            began = time.perf_counter()
            encoder = StreamEncoder(sound.rate, sound.channels, preset=settings, frame_ms=frame_ms)
            packets = encoder.push(sound.pcm) + encoder.finish()
            encoded = time.perf_counter()
            decoder = Decoder.for_stream(encoder.format, rate=sound.rate)
            decoder.decode_many([packet.data for packet in packets])
            decoded = time.perf_counter()
            made[frame_ms] = packets
            if turn:
                spent[frame_ms].append((encoded - began, decoded - encoded))
    return [_figures(sound, frame_ms, made[frame_ms], spent[frame_ms]) for frame_ms in frames_ms]


def _figures(
    sound: Sound, frame_ms: float, packets: Sequence[Packet], spent: Sequence[tuple[float, float]]
) -> CodecFigures:
    payload_bytes = sum(len(packet.data) for packet in packets)
    return CodecFigures(
        frame_ms=frame_ms,
        packets=len(packets),
        payload_bytes=payload_bytes,
        ratio=2 * len(sound.pcm) / payload_bytes,
        bitrate=payload_bytes * 8 / sound.duration_s,
        encode_us_per_s=statistics.median(e for e, _ in spent) / sound.duration_s * 1e6,
        decode_us_per_s=statistics.median(d for _, d in spent) / sound.duration_s * 1e6,
    )
