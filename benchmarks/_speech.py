"""The speech that playout is judged by, and the packets made of it.

``plain`` and ``fec`` are the shared packets of ``../shared/neteq``; all others are encoded here
from the same reference, at the bit rate at which their bytes come nearest to ``fec``'s (within
2 %), and kept in the temporary folder.
"""

import importlib.util
import json
import struct
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from opuscule import libopus_version
from opuscule.codec import Encoder, EncoderSettings, is_dtx

__all__ = ["CACHE", "NETEQ", "STREAMS", "Material", "load_module", "material", "reference"]

NETEQ = Path(__file__).parents[2] / "shared" / "neteq"
CACHE = Path(tempfile.gettempdir()) / "opuscule-playout"
RATE, LOOKAHEAD_SAMPLES = 48_000, 312
SLACK = 0.02
"""Of the bytes, up and down; two thirds of it above are aimed at."""
BITRATES = range(20_000, 29_000, 100)

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a stream is made."""

    settings: EncoderSettings
    rows: int = 1
    """Rows of 20 ms in a packet."""
    talkers: int = 1
    """Two: the other one speaks at the same time, 6 dB lower."""
    left_out: bool = False
    """Whether packets of pauses are not sent."""
    like_fec: bool = True
    """Whether it is to have as many bytes as ``fec.opkt``."""


_PLAIN = EncoderSettings(
    application="voip", complexity=10, fec=False, loss_percent=0, dtx=False, signal="auto"
)
# With PESQ-WB in view: what is spent above 8 kHz is missing below and in the redundancy.
_DRED = replace(_PLAIN, loss_percent=20, dred_ms=800, bandwidth="wideband")

STREAMS: dict[str, Recipe | None] = {
    "plain": None,
    "fec": None,
    "dred20": Recipe(_DRED),
    "dred40": Recipe(replace(_DRED, frame_ms=40), rows=2),
    "dred60": Recipe(replace(_DRED, frame_ms=60, dred_ms=800), rows=3),
    # No more redundancy than the delay lets in: the rest is better spent on what is received.
    "dred40_120": Recipe(replace(_DRED, signal="voice", frame_ms=40, dred_ms=120), rows=2),
    "dred40_240": Recipe(
        replace(_DRED, application="audio", signal="voice", frame_ms=40, dred_ms=240), rows=2
    ),
    "plain60": Recipe(replace(_PLAIN, frame_ms=60), rows=3),
    "dtx": Recipe(replace(_PLAIN, dtx=True), left_out=True, like_fec=False),
    "talkers": Recipe(_PLAIN, talkers=2),
}
"""The streams; None for those that are shared."""


@dataclass(frozen=True, slots=True)
class Material:
    """A stream and what it was made from."""

    packets: tuple[bytes, ...]
    """One for each time; empty where nothing is sent."""
    packet_rows: int
    reference: Path


@cache
def load_module(name: str) -> ModuleType:
    """A script of ``../shared/neteq``."""
    path = NETEQ / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"neteq_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # It is not ours to write beside.
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


@cache
def _speech(talkers: int) -> Samples:
    x: Samples = load_module("encode").build(NETEQ.parent / "data")[0]
    if talkers == 2:
        # The sentences of another minute: none meets itself.
        x = np.clip(x + 0.5 * np.roll(x, 11 * len(x) // 23), -0.99, 0.99)
    return x


@cache
def reference(talkers: int = 1) -> Path:
    """The wav that received audio is compared with: sample 960·k belongs to packet k."""
    import soundfile

    path = CACHE / f"reference{talkers}.wav"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        x = _speech(talkers)
        late = np.r_[np.zeros(LOOKAHEAD_SAMPLES), x[:-LOOKAHEAD_SAMPLES]]
        part = path.with_suffix(f".{id(x)}.wav")
        soundfile.write(part, late, RATE, "PCM_16")
        part.replace(path)
    return path


def _encode(pcm: bytes, recipe: Recipe, bitrate: int) -> list[bytes]:
    encoder = Encoder(RATE, 1, preset=replace(recipe.settings, bitrate=bitrate))
    assert encoder.lookahead_samples == LOOKAHEAD_SAMPLES
    step = 2 * recipe.rows * RATE // 50
    pcm += bytes(-len(pcm) % step)
    packets = [encoder.encode(pcm[at : at + step]) for at in range(0, len(pcm), step)]
    return [b"" if recipe.left_out and is_dtx(packet) else packet for packet in packets]


def _search(recipe: Recipe, wanted_bytes: int) -> list[bytes]:
    pcm = (_speech(recipe.talkers) * 32767).round().astype(np.int16).tobytes()
    if not recipe.like_fec:
        return _encode(pcm, recipe, 24_000)
    # Bytes do not grow steadily with the bit rate, at which libopus changes mode: try them all.
    tries = (_encode(pcm, recipe, bitrate) for bitrate in BITRATES)
    aim = wanted_bytes * (1 + 0.9 * SLACK)
    best = min(tries, key=lambda packets: abs(sum(map(len, packets)) - aim))
    total = sum(map(len, best))
    assert abs(total / wanted_bytes - 1) < SLACK, f"{total} bytes, {wanted_bytes} wanted"
    return best


def _write(path: Path, packets: Sequence[bytes]) -> None:
    part = path.with_suffix(f".{id(packets)}")
    part.write_bytes(b"".join(struct.pack("<H", len(packet)) + packet for packet in packets))
    part.replace(path)


@cache
def material(stream: str) -> Material:
    """The packets of a stream, encoded on first use."""
    recipe = STREAMS[stream]
    if recipe is None:
        packets = load_module("encode").read_packets(NETEQ / "packets" / f"{stream}.opkt")
        return Material(tuple(packets), 1, reference())
    made_by = json.dumps([libopus_version(), asdict(recipe)], sort_keys=True)
    path, note = CACHE / f"{stream}.opkt", CACHE / f"{stream}.json"
    if not path.exists() or not note.exists() or note.read_text() != made_by:
        CACHE.mkdir(exist_ok=True)
        fec = material("fec").packets
        _write(path, _search(recipe, sum(map(len, fec))))
        note.write_text(made_by)
    packets = load_module("encode").read_packets(path)
    return Material(tuple(packets), recipe.rows, reference(recipe.talkers))
