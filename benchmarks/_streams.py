"""The matrix of streams on which decoders must agree (docs/conformance.md).

A stream is a script for the reference encoder, so that every mode, bandwidth and transition can be
had at will. Most streams hold one mode from beginning to end; the rest are in groups of their own,
because another decoder may differ there and still be right, or because packets are taken out.
"""

import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Literal

from _reference import Action, Layout
from _sounds import RATE, SOUNDS, sound
from opuscule import Decoder
from opuscule.codec import Application, SampleFormat, packet_duration
from opuscule.framing import undelimit

__all__ = [
    "GROUPS",
    "Group",
    "Segment",
    "Stream",
    "Variant",
    "actions",
    "matrix",
    "subset",
    "variants",
]

Group = Literal[
    "steady", "automatic", "switching", "dtx", "fec", "dred", "channels", "channels, fec"
]
GROUPS: tuple[Group, ...] = ("steady", "automatic", "switching", "dtx", "fec", "dred")
Controls = Mapping[str, int]

CONTROLS = {  # libopus's own numbers; mode is not in its public headers
    "bitrate": 4002,
    "vbr": 4006,
    "bandwidth": 4008,
    "complexity": 4010,
    "fec": 4012,
    "loss_percent": 4014,
    "dtx": 4016,
    "constrained": 4020,
    "channels": 4022,
    "signal": 4024,
    "prediction_off": 4042,
    "inversion_off": 4046,
    "dred": 4050,  # in units of 10 ms
    "mode": 11002,
}
SILK, HYBRID, CELT = 1000, 1001, 1002
NB, MB, WB, SWB, FB = 1101, 1102, 1103, 1104, 1105
AUTO, VOICE, MUSIC = -1000, 3001, 3002
BANDWIDTHS = {
    SILK: {NB: 12_000, MB: 16_000, WB: 22_000},
    HYBRID: {SWB: 28_000, FB: 36_000},
    CELT: {NB: 40_000, WB: 56_000, SWB: 72_000, FB: 96_000},
}
_LONG_MS = (20.0, 40.0, 60.0, 80.0, 100.0, 120.0)
FRAMES_MS = {SILK: (10.0, *_LONG_MS), HYBRID: (10.0, *_LONG_MS), CELT: (2.5, 5.0, 10.0, *_LONG_MS)}
_NAMES = {
    SILK: "SILK",
    HYBRID: "hybrid",
    CELT: "CELT",
    NB: "NB",
    MB: "MB",
    WB: "WB",
    SWB: "SWB",
    FB: "FB",
}
_RATES = {
    "vbr": {"vbr": 1, "constrained": 0},
    "cvbr": {"vbr": 1, "constrained": 1},
    "cbr": {"vbr": 0},
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stream: what is set before it, and the frames that follow."""

    controls: Controls
    frame_ms: float
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Stream:
    """How to make one stream."""

    name: str
    group: Group
    channels: int
    application: Application
    sound: str
    segments: tuple[Segment, ...]
    number: int
    """Its place in the matrix: what varies from stream to stream follows from it."""
    family: int = 0
    """The mapping family: 0 for one stream."""

    def script(self) -> bytes:
        """The records for the reference encoder."""
        records = []
        at = self.number * 7919  # each stream hears another stretch
        for segment in self.segments:
            for name, value in segment.controls.items():
                records.append(struct.pack("<Ii", CONTROLS[name], value))
            samples = round(segment.frame_ms * RATE / 1000)
            for _ in range(round(segment.duration_ms / segment.frame_ms)):
                records.append(struct.pack("<II", 0, samples))
                records.append(sound(self.sound, self.channels, at, samples).tobytes())
                at += samples
        return b"".join(records)


@dataclass(frozen=True, slots=True)
class Variant:
    """How a stream is decoded."""

    rate: int
    channels: int
    sample_format: SampleFormat
    complexity: int


def variants(stream: Stream) -> tuple[Variant, ...]:
    """As it is, in both sample formats; and once in another way, another one for each stream."""
    n = stream.number
    rate = (8_000, 12_000, 16_000, 24_000, 48_000)[n % 5]
    formats: tuple[SampleFormat, SampleFormat] = ("int16", "float32")
    return (
        *(Variant(RATE, stream.channels, kind, 5) for kind in formats),
        Variant(
            rate,
            stream.channels if stream.family else 1 + n // 5 % 2,
            formats[n // 10 % 2],
            (0, 6, 10)[n % 3],
        ),
    )


def actions(
    stream: Stream, packets: Sequence[bytes], rate: int, layout: Layout | None = None
) -> Iterator[Action]:
    """All packets; but in groups of losses some are missing, and rebuilt by each means there is.

    What DTX need not send (packets of at most two bytes) is missing from every second such stream.
    """
    asked = layout.decoder(rate) if layout else Decoder(rate)
    chance = random.Random(stream.number)
    missing: list[int] = []  # their durations
    burst = 0
    for packet in packets:
        # All streams of a packet are equally long; all but the last are self-delimited.
        one = undelimit(packet)[0] if layout and layout.streams > 1 else packet
        duration = packet_duration(one) * rate // 48_000
        if stream.group == "dtx":
            lost = stream.number // 2 % 2 == 1 and len(packet) <= 2
        else:
            if not burst and not missing and stream.group.endswith(("fec", "dred")):
                burst = chance.choice((*[0] * 12, 1, 1, 2, 4))
            lost = burst > 0
            burst -= lost
        if lost:
            missing.append(duration)
            continue
        yield from _rebuilt(asked, missing, packet, layout is not None)
        missing.clear()
        yield Action("d", packet)
    for duration in missing:
        yield Action("c", samples=duration)


def _rebuilt(
    asked: Decoder, missing: Sequence[int], packet: bytes, several: bool
) -> Iterator[Action]:
    """Deep redundancy as far back as it reaches, FEC for the last frame, PLC for the rest."""
    reach, fec = asked.dred_samples(packet), asked.fec_samples(packet)
    for n, duration in enumerate(missing):
        back = sum(missing[n:])
        if back <= reach:
            yield Action("r", packet, duration, back)
        elif n + 1 == len(missing) and 0 < fec <= duration:
            if several:  # libopus rebuilds no less than a packet there, and conceals what is before
                yield Action("f", packet, duration)
                continue
            if fec < duration:
                yield Action("c", samples=duration - fec)
            yield Action("f", packet)
        else:
            yield Action("c", samples=duration)


class _Maker:
    """Numbers the streams, and gives each the next of what is to vary."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self._complexity = cycle((5, 10, 0, 8, 2))

    def add(
        self,
        name: str,
        group: Group,
        channels: int,
        segments: Sequence[Segment],
        sounds: str,
        application: Application = "audio",
    ) -> None:
        first = Segment(
            {"complexity": next(self._complexity), **segments[0].controls},
            segments[0].frame_ms,
            segments[0].duration_ms,
        )
        name = f"{group}: {name}, {('mono', 'stereo')[channels - 1]}, {sounds}"
        number = len(self.streams)
        parts = (first, *segments[1:])
        self.streams.append(Stream(name, group, channels, application, sounds, parts, number))


def _forced(mode: int, bandwidth: int, channels: int, share: float = 1.0) -> dict[str, int]:
    bitrate = round(BANDWIDTHS[mode][bandwidth] * (1.7 if channels == 2 else 1) * share)
    return {"mode": mode, "bandwidth": bandwidth, "channels": channels, "bitrate": bitrate}


def _modes() -> Iterator[tuple[int, int]]:
    return ((mode, bandwidth) for mode, widths in BANDWIDTHS.items() for bandwidth in widths)


def _steady(make: _Maker) -> None:
    others, kinds = cycle(SOUNDS[1:5]), cycle(_RATES.items())
    for mode, bandwidth in _modes():
        for frame_ms, channels, is_speech in product(FRAMES_MS[mode], (1, 2), (True, False)):
            kind, rates = next(kinds)
            controls = _forced(mode, bandwidth, channels, 1.0 if is_speech else 1.5)
            if not is_speech:
                controls |= {"prediction_off": 1, "inversion_off": 1}
            # Short frames cost more bits for the same sound.
            controls["bitrate"] = round(controls["bitrate"] * max(1, 20 / (frame_ms + 10)))
            name = f"{_NAMES[mode]} {_NAMES[bandwidth]}, {frame_ms:g} ms, {kind}"
            sounds = "speech" if is_speech else next(others)
            make.add(name, "steady", channels, [Segment(controls | rates, frame_ms, 1200)], sounds)


def _automatic(make: _Maker) -> None:
    """What libopus makes of a bit rate when nothing is forced."""
    applications: tuple[Application, ...] = ("voip", "audio", "lowdelay")
    sounds = cycle(SOUNDS)
    bitrates = (6_000, 9_000, 14_000, 18_000, 24_000, 32_000, 48_000, 96_000, 256_000, 510_000)
    for application, bitrate, channels in product(applications, bitrates, (1, 2)):
        name = f"{application}, {bitrate / 1000:g} kb/s"
        segments = [Segment({"bitrate": bitrate}, 20, 2000)]
        make.add(name, "automatic", channels, segments, next(sounds), application)


def _switching(make: _Maker) -> None:
    cells = list(_modes())
    sounds = cycle(("speech", "chords", "noise", "sweep"))
    for seed, channels in product(range(16), (1, 2)):
        chance = random.Random(seed)
        segments = []
        for mode, bandwidth in chance.sample(cells, len(cells)):
            frame_ms = chance.choice(FRAMES_MS[mode])
            controls = _forced(mode, bandwidth, chance.randint(1, channels))
            duration_ms = round(frame_ms * max(2, chance.randint(100, 300) // frame_ms))
            segments.append(Segment(controls, frame_ms, duration_ms))
        make.add(f"forced, plan {seed}", "switching", channels, segments, next(sounds))
    for step, channels in product((2, 3, 5, 7), (1, 2)):
        bitrates = (6, 8, 12, 16, 20, 24, 28, 36, 48, 64, 128)
        segments = [
            Segment({"bitrate": 1000 * bitrates[n * step % 11], "signal": VOICE}, 20, 240)
            for n in range(11)
        ]
        make.add(f"by bit rate, every {step}.", "switching", channels, segments, "speech", "voip")


def _dtx(make: _Maker) -> None:
    for (mode, bandwidth), frame_ms, channels in product(_modes(), (20.0, 60.0), (1, 2)):
        controls = _forced(mode, bandwidth, channels) | {"dtx": 1, "signal": VOICE}
        name = f"{_NAMES[mode]} {_NAMES[bandwidth]}, {frame_ms:g} ms"
        make.add(name, "dtx", channels, [Segment(controls, frame_ms, 3000)], "pauses", "voip")
    for bitrate, channels in product((12_000, 24_000, 64_000), (1, 2)):
        controls = {"bitrate": bitrate, "dtx": 1}
        make.add(
            f"{bitrate} b/s", "dtx", channels, [Segment(controls, 20, 3000)], "silence", "voip"
        )


def _fec(make: _Maker) -> None:
    for mode, bandwidth in _modes():
        if mode == CELT:
            continue  # which has none
        for frame_ms, channels in product((10.0, 20.0, 40.0, 60.0), (1, 2)):
            controls = _forced(mode, bandwidth, channels, 2.0)
            controls |= {"fec": 1, "loss_percent": 25, "signal": VOICE}
            name = f"{_NAMES[mode]} {_NAMES[bandwidth]}, {frame_ms:g} ms"
            make.add(name, "fec", channels, [Segment(controls, frame_ms, 2400)], "speech", "voip")


def _dred(make: _Maker) -> None:
    wanted = ((SILK, WB), (HYBRID, SWB), (HYBRID, FB), (CELT, WB), (CELT, FB))
    for (mode, bandwidth), frame_ms, channels in product(wanted, (20.0, 40.0, 60.0), (1, 2)):
        controls = _forced(mode, bandwidth, channels, 1.5)
        controls |= {"dred": 50, "loss_percent": 20, "signal": VOICE}
        controls["fec"] = int(mode != CELT and frame_ms == 40)
        name = f"{_NAMES[mode]} {_NAMES[bandwidth]}, {frame_ms:g} ms"
        make.add(name, "dred", channels, [Segment(controls, frame_ms, 2400)], "speech", "voip")


def matrix() -> list[Stream]:
    """All streams."""
    make = _Maker()
    for add in (_steady, _automatic, _switching, _dtx, _fec, _dred):
        add(make)
    return make.streams


def subset(streams: Sequence[Stream], every: int = 11) -> list[Stream]:
    """A share of them: each so many-th, from every group."""
    return [stream for stream in streams if stream.number % every == every // 2]
