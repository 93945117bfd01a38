"""The part of the matrix with several streams in a packet: mapping families 1 and 255."""

from itertools import cycle, product

from _reference import Layout, Reference
from _sounds import RATE, SOUNDS
from _streams import BANDWIDTHS, CELT, FB, HYBRID, SILK, VOICE, WB, Group, Segment, Stream

__all__ = ["channel_streams", "encode"]

_CELLS = ((SILK, WB), (HYBRID, FB), (CELT, FB))
_NAMES = {SILK: "SILK", HYBRID: "hybrid", CELT: "CELT"}


def channel_streams(first: int) -> list[Stream]:
    """Streams of several streams, numbered from `first` on."""
    streams: list[Stream] = []
    sounds, rates, work = cycle(SOUNDS[:5]), cycle((1, 0)), cycle((5, 10, 0))

    def add(
        name: str, group: Group, family: int, channels: int, segment: Segment, heard: str
    ) -> None:
        name = f"{group}: family {family}, {channels} channels, {name}, {heard}"
        number = first + len(streams)
        parts = (segment,)
        streams.append(Stream(name, group, channels, "audio", heard, parts, number, family))

    # Surround as libopus makes it: the pairs are CELT, what is alone is its choice.
    for channels, frame_ms, kbit in product(range(3, 9), (2.5, 10, 20, 40, 60), (12, 64)):
        controls = {
            "bitrate": 1000 * kbit * channels,
            "complexity": next(work),
            "vbr": next(rates),
            "dtx": int(kbit == 12),
        }
        name = f"{frame_ms:g} ms, {kbit} kb/s a channel"
        add(name, "channels", 1, channels, Segment(controls, frame_ms, 600), next(sounds))
    # Each for itself, one or two in a single stream included.
    for channels, (mode, bandwidth), frame_ms in product((1, 2, 3, 5, 8, 12), _CELLS, (10, 20, 60)):
        controls = {
            "mode": mode,
            "bandwidth": bandwidth,
            "bitrate": BANDWIDTHS[mode][bandwidth] * channels,
            "complexity": next(work),
        }
        name = f"{_NAMES[mode]}, {frame_ms} ms"
        add(name, "channels", 255, channels, Segment(controls, frame_ms, 600), next(sounds))
    controls = {"bitrate": 24_000 * 255, "complexity": 0}
    add("20 ms", "channels", 255, 255, Segment(controls, 20, 200), "speech")
    # Losses: FEC where a stream has it, the others concealed.
    for (family, channels), frame_ms in product(
        ((1, 3), (1, 4), (1, 5), (1, 6), (1, 7), (1, 8), (255, 2), (255, 3), (255, 8)),
        (10, 20, 40, 60),
    ):
        mode, bandwidth = _CELLS[len(streams) // 4 % 2] if frame_ms <= 20 else _CELLS[0]
        controls = {
            "mode": mode,
            "bandwidth": bandwidth,
            "bitrate": 2 * BANDWIDTHS[mode][bandwidth] * channels,
            "complexity": next(work),
            "signal": VOICE,
            "fec": 1,
            "loss_percent": 25,
        }
        name = f"{_NAMES[mode]}, {frame_ms} ms"
        add(name, "channels, fec", family, channels, Segment(controls, frame_ms, 2400), "speech")
    return streams


def encode(reference: Reference, stream: Stream) -> tuple[list[bytes], Layout | None]:
    """The packets of any stream of the matrix, and how the channels lie in them if in several."""
    how = (stream.application, stream.script())
    if not stream.family:
        return reference.encode(RATE, stream.channels, *how), None
    layout, packets = reference.encode_many(RATE, stream.channels, stream.family, *how)
    return packets, layout
