"""Makers of the corpus of Ogg Opus files: opusenc, ffmpeg, our own writer, and deliberate faults.

Each gives a file's bytes and what is in it. sox is not among them: it writes no Opus.
"""

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest

from opuscule.codec import EncoderSettings, StreamEncoder
from opuscule.containers.ogg import OggWriter, Picture, PictureType
from opuscule.containers.wav import WavWriter
from opuscule.packets import Packet, StreamFormat

__all__ = ["CORPUS", "Expected", "demuxed", "tool"]

SECONDS = 1.1


@dataclass(frozen=True)
class Expected:
    """What is in a file, link by link."""

    packets: list[int]
    samples: list[int]
    """That are heard: after pre-skip and end trim."""
    comments: tuple[tuple[str, str], ...] = ()
    gap_samples: int = 0
    faults: frozenset[str] = frozenset()
    truncated: bool = False
    payload: list[bytes] | None = None
    slack_samples: int = 0
    """By which the samples may be off: an encoder's resampler rounds."""


Made = tuple[bytes, Expected]


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def wav(folder: Path, rate: int, channels: int) -> tuple[Path, int]:
    """A tone and bursts of noise."""
    path, samples = folder / f"{rate}-{channels}.wav", int(rate * SECONDS)
    time = np.arange(samples) / rate
    noise = np.random.default_rng(5).normal(0, 2000, (channels, samples))
    audio = 8000 * np.sin(2 * np.pi * (200 + 900 * time) * time) + noise * (time % 0.5 > 0.25)
    with path.open("wb") as file:
        writer = WavWriter(file, rate, channels)
        writer.write(audio.T.astype("<i2").tobytes())
        writer.close()
    return path, samples


def by_opusenc(
    rate: int, channels: int, *options: str, frame_ms: float = 20
) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        source, samples = wav(folder, rate, channels)
        command = [tool("opusenc"), "--quiet", "--framesize", str(frame_ms), "--comment", "A=b=c"]
        coded = folder / "out.opus"
        subprocess.run([*command, *options, source, coded], check=True)
        heard = samples * 48_000 // rate
        data = coded.read_bytes()
        # Its packets hold the look-ahead, too, and it may need one more to flush.
        pre_skip = struct.unpack("<H", data[38:40])[0]
        packets = -(-(heard + pre_skip) // int(frame_ms * 48))
        slack = 0 if rate == 48_000 else 48_000 // rate + 1
        payload = demuxed(data)
        assert len(payload) in (packets, packets + 1)
        comments = (("A", "b=c"),)
        return data, Expected(
            [len(payload)], [heard], comments, payload=payload, slack_samples=slack
        )

    return make


def by_ffmpeg(channels: int, *options: str, frame_ms: float = 20) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        source, samples = wav(folder, 48_000, channels)
        coded = folder / "out.ogg"
        codec = ["-c:a", "libopus", "-frame_duration", str(frame_ms), "-metadata", "title=Übung"]
        command = [tool("ffmpeg"), "-v", "error", "-y", "-i", str(source), *codec, *options]
        subprocess.run([*command, coded], check=True)
        data = coded.read_bytes()
        pre_skip = struct.unpack("<H", data[38:40])[0]
        packets = -(-(samples + pre_skip) // int(frame_ms * 48))
        comments = (("title", "Übung"),)
        payload = demuxed(data)
        # The encoder may round its input up to whole frames twice.
        assert len(payload) in (packets, packets + 1)
        return data, Expected([len(payload)], [samples], comments, payload=payload)

    return make


MONO = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)


def voice(number: int, time_samples: int, size: int) -> Packet:
    data = bytes([9 << 3]) + (number.to_bytes(3, "big") * (size // 3 + 1))[: size - 1]
    return Packet(number, time_samples, 960, data)


def by_us(
    count: int,
    *,
    size: int = 50,
    page: int = 9600,
    trim: int = 0,
    start: int = 0,
    gaps: dict[int, int] | None = None,
    serial: int = 1,
    form: StreamFormat = MONO,
    comments: tuple[tuple[str, str], ...] = (("A", "1"), ("a", "2"), ("B", "")),
) -> Callable[[Path], Made]:
    def make(_: Path) -> Made:
        file, time, sent = io.BytesIO(), 0, []
        writer = OggWriter(
            file, form, serial=serial, comments=comments, page_samples=page, start_granule=start
        )
        for number in range(count):
            time += (gaps or {}).get(number, 0)
            sent.append(voice(number, time, size))
            time += 960
        end = max(time + (gaps or {}).get(count, 0) - trim, form.pre_skip_samples)
        writer.write_all(sent)
        writer.close(end)
        missing = sum((gaps or {}).values()) if count else end
        return file.getvalue(), Expected(
            [count],
            [end - form.pre_skip_samples],
            comments,
            missing,
            payload=[packet.data for packet in sent],
        )

    return make


def by_encoder(
    channels: int, settings: EncoderSettings, *, family: int = 0, silence: bool = False
) -> Callable[[Path], Made]:
    """Real audio through our encoder and writer, 60 ms of it missing, for decoders to play."""

    def make(folder: Path) -> Made:
        source, samples = wav(folder, 48_000, channels)
        pcm = source.read_bytes()[-2 * samples * channels :]
        if silence:
            pcm += bytes(2 * 48_000 * channels)
            samples += 48_000
        encoder = StreamEncoder(48_000, channels, preset=settings, mapping_family=family)
        sent = [*encoder.push(pcm), *encoder.finish()]
        kept = sent[:20] + sent[23:]
        file = io.BytesIO()
        comments = (("TITLE", "ours"), picture())
        writer = OggWriter(file, encoder.format, comments=comments)
        writer.write_all(kept)
        writer.close(encoder.end_samples)
        covered = sum(packet.duration_samples for packet in kept)
        return file.getvalue(), Expected(
            [len(kept)],
            [samples],
            comments,
            max(kept[-1].end_samples, encoder.end_samples) - covered,
            payload=[packet.data for packet in kept],
        )

    return make


def picture() -> tuple[str, str]:
    return Picture(PNG, "image/png", PictureType.FRONT_COVER, "a dot", 1, 1, 24).to_comment()


def with_picture(folder: Path) -> Made:
    """opusenc reads an image and writes the tag itself."""
    image = folder / "dot.png"
    image.write_bytes(PNG)
    data, expected = by_opusenc(48_000, 1, "--picture", f"3|image/png|a dot||{image}")(folder)
    return data, replace(expected, comments=(*expected.comments, picture()))


def faulty(
    damage: Callable[[list[bytearray]], list[bytearray]],
    kept: Callable[[list[bytes]], list[bytes]],
    gap_samples: int,
    faults: set[str],
    *,
    truncated: bool = False,
    samples: int | None = None,
) -> Callable[[Path], Made]:
    """Sixty packets, ten on each of six pages behind the two headers, and what is done to them."""

    def make(folder: Path) -> Made:
        data, sound = by_us(60, page=11 * 960, trim=100)(folder)
        assert sound.payload
        broken = b"".join(map(bytes, damage(pages_of(data))))
        payload = kept(sound.payload)
        heard = sound.samples[0] if samples is None else samples
        return broken, Expected(
            [len(payload)],
            [heard],
            sound.comments,
            gap_samples,
            frozenset(faults),
            truncated,
            payload,
        )

    return make


def pages_of(data: bytes) -> list[bytearray]:
    pages = [bytearray(b"OggS" + rest) for rest in data.split(b"OggS")[1:]]
    assert b"".join(map(bytes, pages)) == data
    return pages


def sealed(page: bytearray) -> bytearray:
    """The page with a checksum that fits it again."""
    page[22:26] = bytes(4)
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    page[22:26] = crc.to_bytes(4, "little")
    return page


def with_granule(page: bytearray, granule: int) -> bytearray:
    page[6:14] = granule.to_bytes(8, "little", signed=True)
    return sealed(page)


def changed(
    pages: list[bytearray], number: int, change: Callable[[bytearray], bytearray]
) -> list[bytearray]:
    return [change(page) if n == number else page for n, page in enumerate(pages)]


def flipped(page: bytearray) -> bytearray:
    page[-1] ^= 1
    return page


def without(*numbers: int) -> Callable[[list[bytearray]], list[bytearray]]:
    return lambda pages: [page for n, page in enumerate(pages) if n not in numbers]


def missing(*numbers: int) -> Callable[[list[bytes]], list[bytes]]:
    """All packets but those of some pages; page 2 is the first with audio."""
    gone = {10 * (n - 2) + i for n in numbers for i in range(10)}
    return lambda sent: [data for n, data in enumerate(sent) if n not in gone]


def everything(sent: list[bytes]) -> list[bytes]:
    return sent


def spread(values: int, *gone: int) -> Callable[[Path], Made]:
    """Ten packets of twelve lacing values, so many values a page; some audio pages are left out."""

    def make(folder: Path) -> Made:
        data, sound = by_us(10, size=3000, page=48_000, trim=100)(folder)
        *head, audio = pages_of(data)
        lacing, body = audio[27 : 27 + audio[26]], audio[27 + audio[26] :]
        assert (audio[26], sound.payload is None) == (120, False)
        pages, at = head, 0
        for first in range(0, 120, values):
            part = lacing[first : first + values]
            ended, last = sum(value < 255 for value in part), first + values >= 120
            granule = (first + values) // 12 * 960 if ended else -1
            page = audio[:27] + part + body[at : at + sum(part)]
            page[5] = (first % 12 > 0) | last << 2  # continued; the last
            page[18:22] = (2 + first // values).to_bytes(4, "little")
            page[26] = len(part)
            pages.append(sealed(page) if last else with_granule(page, granule))
            at += sum(part)
        lost = {first // 12 for n in gone for first in range(n * values, (n + 1) * values)}
        payload = [packet for n, packet in enumerate(sound.payload or []) if n not in lost]
        faults = {"missing_pages", "partial_packet"} if gone else set()
        return b"".join(map(bytes, without(*(n + 2 for n in gone))(pages))), replace(
            sound,
            packets=[10 - len(lost)],
            gap_samples=960 * len(lost),
            faults=frozenset(faults),
            payload=payload,
        )

    return make


def lost_head(folder: Path) -> Made:
    """A second link whose OpusHead is gone."""
    first, expected = by_us(30)(folder)
    second, _ = by_us(30, serial=2)(folder)
    rest = b"".join(map(bytes, pages_of(second)[1:]))
    return first + rest, replace(expected, faults=frozenset({"lost_head"}))


def chain(*makers: Callable[[Path], Made]) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        made = [maker(folder) for maker in makers]
        parts = [expected for _, expected in made]
        return b"".join(data for data, _ in made), Expected(
            [n for part in parts for n in part.packets],
            [n for part in parts for n in part.samples],
            parts[0].comments,
            sum(part.gap_samples for part in parts),
            frozenset().union(*(part.faults for part in parts)),
            any(part.truncated for part in parts),
            [data for part in parts for data in part.payload or []],
            max(part.slack_samples for part in parts),
        )

    return make


def two_at_once(folder: Path) -> Made:
    """Vorbis beside Opus."""
    source, samples = wav(folder, 48_000, 1)
    coded = folder / "two.ogg"
    streams = ["-map", "0", "-map", "0", "-c:a:0", "libvorbis", "-c:a:1", "libopus"]
    subprocess.run([tool("ffmpeg"), "-v", "error", "-y", "-i", source, *streams, coded], check=True)
    data = coded.read_bytes()
    faults = frozenset({"other_stream"})
    payload = demuxed(data, 1)
    return data, Expected([-(-(samples + 312) // 960)], [samples], faults=faults, payload=payload)


def with_video(folder: Path) -> Made:
    """Theora beside Opus."""
    source, samples = wav(folder, 48_000, 2)
    coded = folder / "video.ogv"
    picture = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=1.1"]
    codecs = ["-c:v", "libtheora", "-c:a", "libopus"]
    command = [
        tool("ffmpeg"),
        "-v",
        "error",
        "-y",
        *picture,
        "-i",
        str(source),
        *codecs,
        str(coded),
    ]
    subprocess.run(command, check=True)
    data = coded.read_bytes()
    faults = frozenset({"other_stream"})
    payload = demuxed(data)
    return data, Expected([-(-(samples + 312) // 960)], [samples], faults=faults, payload=payload)


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c4944415408d763f8ffff3f0005fe02fea7359da00000000049454e44ae426082"
)
TEXT = tuple((f"NAME{n}", "täg " * n) for n in range(60))
CORPUS: dict[str, Callable[[Path], Made]] = {
    "opusenc 48k mono": by_opusenc(48_000, 1, "--bitrate", "24"),
    "opusenc 48k stereo": by_opusenc(48_000, 2, "--bitrate", "96"),
    "opusenc 16k voice": by_opusenc(16_000, 1, "--bitrate", "12", "--speech"),
    "opusenc 8k": by_opusenc(8_000, 1, "--bitrate", "8"),
    "opusenc 44.1k": by_opusenc(44_100, 2),
    "opusenc 96k": by_opusenc(96_000, 1),
    "opusenc 24k": by_opusenc(24_000, 2, "--music"),
    "opusenc 2.5 ms": by_opusenc(48_000, 1, "--max-delay", "0", frame_ms=2.5),
    "opusenc 5 ms": by_opusenc(48_000, 1, frame_ms=5),
    "opusenc 10 ms": by_opusenc(48_000, 2, frame_ms=10),
    "opusenc 40 ms": by_opusenc(48_000, 1, frame_ms=40),
    "opusenc 60 ms": by_opusenc(48_000, 1, frame_ms=60),
    "opusenc 510 kb/s": by_opusenc(48_000, 2, "--bitrate", "510", "--hard-cbr"),
    "opusenc 6 kb/s": by_opusenc(48_000, 1, "--bitrate", "6", frame_ms=60),
    "opusenc short pages": by_opusenc(48_000, 1, "--max-delay", "20"),
    "opusenc long pages": by_opusenc(48_000, 1, "--max-delay", "1000"),
    "opusenc loss": by_opusenc(48_000, 1, "--expect-loss", "20", "--bitrate", "32"),
    "opusenc serial 0": by_opusenc(48_000, 1, "--serial", "0"),
    "opusenc serial highest": by_opusenc(48_000, 1, "--serial", "4294967295"),
    "opusenc no padding": by_opusenc(48_000, 1, "--padding", "0"),
    "opusenc padding": by_opusenc(48_000, 1, "--padding", "70000"),
    "opusenc downmix": by_opusenc(48_000, 2, "--downmix-mono"),
    "ffmpeg mono": by_ffmpeg(1),
    "ffmpeg stereo": by_ffmpeg(2, "-b:a", "96k"),
    "ffmpeg voip": by_ffmpeg(1, "-application", "voip", "-b:a", "16k"),
    "ffmpeg low delay": by_ffmpeg(1, "-application", "lowdelay", "-page_duration", "0"),
    "ffmpeg 2.5 ms": by_ffmpeg(1, frame_ms=2.5),
    "ffmpeg 5 ms": by_ffmpeg(1, frame_ms=5),
    "ffmpeg 10 ms": by_ffmpeg(2, frame_ms=10),
    "ffmpeg 40 ms": by_ffmpeg(1, frame_ms=40),
    "ffmpeg 60 ms": by_ffmpeg(1, frame_ms=60),
    "ffmpeg 100 ms": by_ffmpeg(1, "-application", "voip", frame_ms=100),
    "ffmpeg 120 ms": by_ffmpeg(2, frame_ms=120),
    "ffmpeg constant": by_ffmpeg(1, "-vbr", "off", "-b:a", "64k"),
    "ffmpeg 450 kb/s": by_ffmpeg(2, "-b:a", "450k"),
    "ffmpeg short pages": by_ffmpeg(1, "-page_duration", "20000"),
    "ffmpeg long pages": by_ffmpeg(1, "-page_duration", "60000000"),
    "ffmpeg vorbis beside": two_at_once,
    "ffmpeg theora beside": with_video,
    "ours one packet": by_us(1),
    "ours no packet": by_us(0),
    "ours plain": by_us(100),
    "ours trimmed": by_us(100, trim=959),
    "ours trimmed to a page": by_us(60, page=48_000, trim=8 * 960),
    "ours a packet a page": by_us(60, page=1),
    "ours 254 bytes": by_us(60, size=254),
    "ours 255 bytes": by_us(60, size=255),
    "ours 256 bytes": by_us(60, size=256),
    "ours 1275 bytes": by_us(60, size=1275),
    "ours largest packets": by_us(5, size=61_298),
    "ours late start": by_us(60, start=48_000 * 86_400),
    "ours gaps": by_us(60, gaps={0: 1200, 30: 96_000, 59: 120, 60: 480}),
    "ours gap only": by_us(0, gaps={0: 48_000}),
    "ours no pre-skip": by_us(20, form=StreamFormat(1, 0, 48_000)),
    "ours long pre-skip": by_us(80, form=StreamFormat(2, 65_535, 0, gain_q8=-9)),
    "ours many tags": by_us(20, comments=TEXT),
    "ours tags over pages": by_us(20, comments=(("P", "x" * 150_000), *TEXT)),
    "opusenc 5.1": by_opusenc(48_000, 6, "--bitrate", "200"),
    "opusenc 7.1": by_opusenc(48_000, 8),
    "opusenc picture": with_picture,
    "ffmpeg 5.1": by_ffmpeg(6, "-b:a", "256k", "-mapping_family", "1"),
    "ffmpeg 8 channels": by_ffmpeg(8, "-mapping_family", "255"),
    "our voice": by_encoder(1, EncoderSettings(bitrate=16_000, fec=True, loss_percent=10)),
    "our music": by_encoder(2, EncoderSettings(bitrate=128_000, application="audio")),
    "our DRED": by_encoder(
        1, EncoderSettings(bitrate=40_000, fec=False, loss_percent=20, dred_ms=500)
    ),
    "our DTX": by_encoder(1, EncoderSettings(dtx=True), silence=True),
    "our 60 ms": by_encoder(1, EncoderSettings(frame_ms=60)),
    "our 2.5 ms": by_encoder(2, EncoderSettings(application="lowdelay", fec=False, frame_ms=2.5)),
    "our 5.1": by_encoder(6, EncoderSettings(bitrate=256_000), family=1),
    "our 4 channels": by_encoder(4, EncoderSettings(bitrate=200_000), family=255),
    "chain of two": chain(by_us(30), by_us(50, serial=2, start=960)),
    "chain of five": chain(*(by_us(9 + n, serial=n, trim=n) for n in range(5))),
    "chain of one serial": chain(by_us(30), by_us(30), by_us(7, size=300)),
    "chain of opusenc and ffmpeg": chain(by_opusenc(48_000, 1), by_ffmpeg(2)),
    "chain of layouts": chain(
        by_encoder(1, EncoderSettings()), by_encoder(6, EncoderSettings(), family=1)
    ),
    "chain whose second head is lost": lost_head,
    "packets over two pages": spread(10),
    "packets over many pages": spread(1),
    "packets begun and ended on a page": spread(40),
    "halves of packets lost": spread(5, 7),
    "middle of a packet lost": spread(1, 30),
    "ends of many packets lost": spread(10, 2, 4, 8),
    "page lost": faulty(without(4), missing(4), 9600, {"missing_pages"}),
    "pages lost": faulty(without(3, 5, 6), missing(3, 5, 6), 28_800, {"missing_pages"}),
    "first page lost": faulty(without(2), missing(2), 9600, {"missing_pages"}),
    "last page lost": faulty(
        without(7), missing(7), 0, set(), truncated=True, samples=50 * 960 - 312
    ),
    "comments lost": faulty(without(1), everything, 0, {"missing_pages", "tags"}),
    "checksum wrong": faulty(
        lambda p: changed(p, 4, flipped), missing(4), 9600, {"damage", "missing_pages"}
    ),
    "page twice": faulty(lambda p: [*p[:5], *p[4:]], everything, 0, {"stray_page"}),
    "page after the end": faulty(lambda p: [*p, p[3]], everything, 0, {"stray_page"}),
    "pages swapped": faulty(
        lambda p: [*p[:4], p[5], p[4], *p[6:]], missing(4), 9600, {"missing_pages", "stray_page"}
    ),
    "junk between": faulty(
        lambda p: [*p[:5], bytearray(b"OggS junk" * 99), *p[5:]], everything, 0, {"damage"}
    ),
    "junk before": faulty(
        lambda p: [bytearray(b"ID3" + bytes(999)), *p], everything, 0, {"damage"}
    ),
    "cut": faulty(
        lambda p: [*p[:6], p[6][:50]],
        missing(6, 7),
        0,
        {"damage"},
        truncated=True,
        samples=40 * 960 - 312,
    ),
    "granule ahead": faulty(
        lambda p: [with_granule(q, int.from_bytes(q[6:14], "little") + 4800 * (n > 4))
                   for n, q in enumerate(p)],
        everything, 4800, {"granule_ahead"}, samples=60 * 960 - 100 - 312 + 4800,
    ),
    "granule behind": faulty(
        lambda p: changed(p, 4, lambda q: with_granule(q, 100)),
        everything, 0, {"granule_behind"},
    ),
    "granule behind before the end": faulty(
        lambda p: changed(p, 6, lambda q: with_granule(q, 100)),
        everything, 0, {"granule_behind"},
    ),
    "granule unknown": faulty(
        lambda p: changed(p, 4, lambda q: with_granule(q, -1)), everything, 0, set()
    ),
    "start below zero": faulty(
        lambda p: [with_granule(q, int.from_bytes(q[6:14], "little") - 300 * (n > 1))
                   for n, q in enumerate(p)],
        everything, 0, {"bad_start"},
    ),
    "no end": faulty(
        lambda p: changed(p, 7, unmarked), everything, 0, set(),
        truncated=True, samples=60 * 960 - 312,
    ),
}  # fmt: skip


def unmarked(page: bytearray) -> bytearray:
    page[5] = 0
    return with_granule(page, 60 * 960)


def demuxed(data: bytes, audio: int = 0) -> list[bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        return [bytes(packet) for packet in container.demux(audio=audio) if packet.size]
