"""The reference programs of tools/reference, and what both they and our decoder are told to do."""

import os
import shlex
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from opuscule import Decoder, Packet, StreamFormat
from opuscule.codec import SampleFormat, packet_duration
from opuscule.containers.ogg import OggWriter

__all__ = [
    "Action",
    "Layout",
    "Reference",
    "ReferenceMissingError",
    "carry_out",
    "single_frames",
    "with_ffmpeg",
]

ROOT = Path(__file__).resolve().parents[1]
Kind = Literal["d", "f", "r", "c"]
FfmpegDecoder = Literal["opus", "libopus"]
Samples: TypeAlias = npt.NDArray[np.int16]
_TAIL_SAMPLES = 240  # 5 ms by which ffmpeg may end earlier than the package


class ReferenceMissingError(RuntimeError):
    """The programs cannot be built here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Action:
    """One call to a decoder: ``d`` decode, ``f`` FEC, ``r`` deep redundancy, ``c`` conceal.

    ``f`` of several streams rebuilds ``samples``, and conceals what its FEC does not reach.
    """

    kind: Kind
    packet: bytes = b""
    samples: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """How channels lie in several streams (RFC 7845 §5.1.1)."""

    streams: int
    coupled: int
    mapping: bytes

    def decoder(
        self, rate: int, sample_format: SampleFormat = "int16", complexity: int = 5
    ) -> Decoder:
        """The package's decoder of it."""
        stream = StreamFormat(
            len(self.mapping), 0, 48_000, 0, 255, self.streams, self.coupled, self.mapping
        )
        return Decoder.for_stream(
            stream, rate=rate, sample_format=sample_format, complexity=complexity
        )


def _libopus() -> Path:
    """The folder with the libopus that cargo built for the native module: headers and library."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    found = [
        *target.glob("release/build/opusic-sys-*/out/lib*/libopus.a"),
        *target.glob("*/release/build/opusic-sys-*/out/lib*/libopus.a"),
    ]
    if not found:
        raise ReferenceMissingError(f"cargo's build of libopus is not in {target.name}/release")
    return max(found, key=lambda path: path.stat().st_mtime)


@dataclass(frozen=True, slots=True)
class Reference:
    """Both programs, built."""

    folder: Path
    version: str
    """What the libopus in them calls itself."""

    @classmethod
    def build(cls, folder: Path) -> "Reference":
        """Compile both into ``folder``.

        Raises:
            ReferenceMissingError: there is no C compiler, or no libopus that cargo has built.
        """
        compiler = shlex.split(os.environ.get("CC", "cc"))
        if shutil.which(compiler[0]) is None:
            raise ReferenceMissingError(f"{compiler[0]} is not installed")
        library = _libopus()
        headers = library.parents[1] / "include" / "opus"
        for name in ("encode", "decode"):
            source = ROOT / "tools" / "reference" / f"{name}.c"
            warnings = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror")
            subprocess.run(
                [
                    *(*compiler, "-O2", *warnings, f"-I{headers}", str(source)),
                    *(str(library), "-lm", "-o", str(folder / name)),
                ],
                check=True,
            )
        version = subprocess.run(
            [folder / "decode", "--version"], check=True, capture_output=True, text=True
        )
        return cls(folder, version.stdout.strip())

    def encode(self, rate: int, channels: int, application: str, script: bytes) -> list[bytes]:
        """Encode as the script says, whose records ``tools/reference/encode.c`` describes."""
        return _packets(self._run("encode", (rate, channels, application), script))

    def encode_many(
        self, rate: int, channels: int, family: int, application: str, script: bytes
    ) -> tuple[Layout, list[bytes]]:
        """The same in several streams, by a mapping family; and how the channels lie in them."""
        out = self._run("encode", (rate, channels, application, family), script)
        layout, *packets = _packets(out)
        return Layout(layout[0], layout[1], layout[2:]), packets

    def decode(
        self,
        actions: Iterable[Action],
        rate: int,
        channels: int,
        sample_format: SampleFormat,
        complexity: int,
        layout: Layout | None = None,
    ) -> bytes:
        """The PCM, interleaved, of all actions on one decoder."""
        records = b"".join(
            struct.pack("<4I", ord(a.kind), a.samples, a.offset, len(a.packet)) + a.packet
            for a in actions
        )
        name = "float" if sample_format == "float32" else "int16"
        streams = (layout.streams, layout.coupled, layout.mapping.hex()) if layout else ()
        return self._run("decode", (rate, channels, complexity, name, *streams), records)

    def _run(self, program: str, arguments: Iterable[object], records: bytes) -> bytes:
        done = subprocess.run(
            [self.folder / program, *map(str, arguments)],
            input=records,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"
        return done.stdout


def _packets(out: bytes) -> list[bytes]:
    packets = []
    at = 0
    while at < len(out):
        (length,) = struct.unpack_from("<I", out, at)
        packets.append(out[at + 4 : at + 4 + length])
        at += 4 + length
    return packets


def carry_out(
    actions: Iterable[Action],
    rate: int,
    channels: int,
    sample_format: SampleFormat,
    complexity: int,
    layout: Layout | None = None,
) -> bytes:
    """The same as :meth:`Reference.decode`, by the package's decoder."""
    if layout:
        decoder = layout.decoder(rate, sample_format, complexity)
    else:
        decoder = Decoder(rate, channels, sample_format=sample_format, complexity=complexity)
    out = []
    for action in actions:
        if action.kind == "d":
            pcm = decoder.decode(action.packet)
        elif action.kind == "f":
            before = action.samples - decoder.fec_samples(action.packet)
            if before > 0:
                out.append(bytes(decoder.conceal(before)))
            pcm = decoder.decode_fec(action.packet)
        elif action.kind == "r":
            pcm = decoder.decode_dred(action.packet, action.offset, action.samples)
        else:
            pcm = decoder.conceal(action.samples)
        out.append(bytes(pcm))
    return b"".join(out)


def single_frames(packet: bytes) -> list[bytes]:
    """The frames of a valid packet, each as a packet of its own (RFC 6716 §3.2)."""

    def length(at: int) -> tuple[int, int]:
        first = packet[at]
        return (first, at + 1) if first < 252 else (first + 4 * packet[at + 1], at + 2)

    code, at, end = packet[0] & 3, 1, len(packet)
    if code == 0:
        lengths = [end - at]
    elif code == 1:
        lengths = [(end - at) // 2] * 2
    elif code == 2:
        first, at = length(at)
        lengths = [first, end - at - first]
    else:
        count, at = packet[1], 2
        more = bool(count & 64)
        while more:  # padding: 255 means 254 bytes and another length
            end -= min(packet[at], 254)
            more = packet[at] == 255
            at += 1
        frames = count & 63
        lengths = [(end - at) // frames] * frames
        if count & 128:
            for n in range(frames - 1):
                lengths[n], at = length(at)
            lengths[-1] = end - at - sum(lengths[:-1])
    ends = [at + sum(lengths[: n + 1]) for n in range(len(lengths))]
    toc = bytes([packet[0] & ~3])
    return [toc + packet[e - n : e] for n, e in zip(lengths, ends, strict=True)]


def with_ffmpeg(
    packets: Sequence[bytes], channels: int, decoder: FfmpegDecoder
) -> tuple[Samples, Samples]:
    """A whole stream at 48 kHz, by the package and by ffmpeg, of shape ``(samples, channels)``.

    ffmpeg's own decoder ``opus`` is compared by what both give as float, cut off at full scale: for
    int16, libopus rounds peaks off (opus_pcm_soft_clip), which is no part of decoding. The other,
    ``libopus``, is whatever version the system has; both give int16.

    Raises:
        RuntimeError: ffmpeg failed, took another decoder, or gives more or much less than we do.
    """
    is_float = decoder == "opus"
    code = "f32le" if is_float else "s16le"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream.opus"
        with path.open("wb") as file:
            writer = OggWriter(file, StreamFormat(channels, 0, 48_000))
            time = 0
            for sequence, data in enumerate(packets):
                duration = packet_duration(data)
                writer.write(Packet(sequence, time, duration, data))
                time += duration
            writer.close()
        done = subprocess.run(
            [
                *("ffmpeg", "-hide_banner", "-nostdin", "-c:a", decoder, "-i", str(path)),
                *("-c:a", f"pcm_{code}", "-f", code, "-"),
            ],
            capture_output=True,
            check=False,
        )
    log = done.stderr.decode(errors="replace")
    said = "native" if decoder == "opus" else decoder
    if done.returncode or f"(opus ({said}) -> pcm_{code} (native))" not in log:
        raise RuntimeError(f"ffmpeg did not decode with {decoder}:\n{log}")
    sample_format: SampleFormat = "float32" if is_float else "int16"
    whole = [Action("d", packet) for packet in packets]
    ours = _int16(carry_out(whole, 48_000, channels, sample_format, 5), channels, is_float)
    theirs = _int16(done.stdout, channels, is_float)
    short = len(ours) - len(theirs)
    if not 0 <= short <= _TAIL_SAMPLES:
        raise RuntimeError(f"ffmpeg gives {short} samples fewer than the package")
    return ours[: len(theirs)], theirs


def _int16(pcm: bytes, channels: int, is_float: bool) -> Samples:
    if not is_float:
        return np.frombuffer(pcm, np.int16).reshape(-1, channels)
    scaled = np.rint(np.frombuffer(pcm, np.float32) * 32768)
    return np.asarray(np.clip(scaled, -32768, 32767), np.int16).reshape(-1, channels)
