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
from typing import Literal

from opuscule import Decoder, Packet, StreamFormat
from opuscule.codec import SampleFormat, packet_duration
from opuscule.containers.ogg import OggWriter

__all__ = ["Action", "Reference", "ReferenceMissingError", "carry_out", "ffmpeg_decode"]

ROOT = Path(__file__).resolve().parents[1]
Kind = Literal["d", "f", "r", "c"]


class ReferenceMissingError(RuntimeError):
    """The programs cannot be built here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Action:
    """One call to a decoder: ``d`` decode, ``f`` FEC, ``r`` deep redundancy, ``c`` conceal."""

    kind: Kind
    packet: bytes = b""
    samples: int = 0
    offset: int = 0


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
        out = self._run("encode", (rate, channels, application), script)
        packets = []
        at = 0
        while at < len(out):
            (length,) = struct.unpack_from("<I", out, at)
            packets.append(out[at + 4 : at + 4 + length])
            at += 4 + length
        return packets

    def decode(
        self,
        actions: Iterable[Action],
        rate: int,
        channels: int,
        sample_format: SampleFormat,
        complexity: int,
    ) -> bytes:
        """The PCM, interleaved, of all actions on one decoder."""
        records = b"".join(
            struct.pack("<4I", ord(a.kind), a.samples, a.offset, len(a.packet)) + a.packet
            for a in actions
        )
        name = "float" if sample_format == "float32" else "int16"
        return self._run("decode", (rate, channels, complexity, name), records)

    def _run(self, program: str, arguments: Iterable[object], records: bytes) -> bytes:
        done = subprocess.run(
            [self.folder / program, *map(str, arguments)],
            input=records,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"
        return done.stdout


def carry_out(
    actions: Iterable[Action],
    rate: int,
    channels: int,
    sample_format: SampleFormat,
    complexity: int,
) -> bytes:
    """The same as :meth:`Reference.decode`, by the package's decoder."""
    decoder = Decoder(rate, channels, sample_format=sample_format, complexity=complexity)
    out = []
    for action in actions:
        if action.kind == "d":
            pcm = decoder.decode(action.packet)
        elif action.kind == "f":
            pcm = decoder.decode_fec(action.packet)
        elif action.kind == "r":
            pcm = decoder.decode_dred(action.packet, action.offset, action.samples)
        else:
            pcm = decoder.conceal(action.samples)
        out.append(bytes(pcm))
    return b"".join(out)


def ffmpeg_decode(packets: Sequence[bytes], channels: int) -> bytes:
    """The int16 PCM at 48 kHz that ffmpeg's own decoder makes of a stream, its beginning included.

    Raises:
        RuntimeError: ffmpeg failed, or took another decoder than its own.
    """
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
                *("ffmpeg", "-hide_banner", "-nostdin", "-c:a", "opus", "-i", str(path)),
                *("-c:a", "pcm_s16le", "-f", "s16le", "-"),
            ],
            capture_output=True,
            check=False,
        )
    log = done.stderr.decode(errors="replace")
    if done.returncode or "(opus (native) -> pcm_s16le (native))" not in log:
        raise RuntimeError(f"ffmpeg did not decode with its own decoder:\n{log}")
    return done.stdout
