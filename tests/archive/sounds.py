"""WAV files with high rates, made of NumPy arrays."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def write_float_wav(path: Path, samples: Floats, rate: int, bits: int = 16) -> Path:
    """Write samples of shape (frames,) or (frames, channels) at ±1 as PCM; 32 bits as floats."""
    frames = samples[:, None] if samples.ndim == 1 else samples
    scaled: Any = np.clip(
        np.rint(frames * 2 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    )
    if bits == 16:
        raw = scaled.astype("<i2").tobytes()
    elif bits == 24:
        raw = scaled.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    else:
        raw = frames.astype("<f4").tobytes()
    channels = frames.shape[1]
    align = channels * bits // 8
    tag = 3 if bits == 32 else 1
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(raw)) + raw
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def call(
    rate: int, seconds: float, hz: float = 45_000, ms: float = 20, level: float = 0.1
) -> Floats:
    """Silence with one falling call in its middle."""
    silence = np.zeros(int(rate * seconds))
    t = np.arange(int(rate * ms / 1000)) / rate
    start = len(silence) // 2 + 77
    falling = 2 * np.pi * (hz * t - 100_000 * (t - t.mean()) ** 2)
    silence[start : start + len(t)] = level * np.sin(falling) * np.hanning(len(t))
    return silence
