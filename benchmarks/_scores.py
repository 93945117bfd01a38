"""How good it sounds: ``score.py`` of ``../shared/neteq``, asked once for each sound.

Scores are kept in the temporary folder by the content of what was played.
"""

import csv
import hashlib
import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _speech import CACHE, NETEQ, load_module

__all__ = ["Others", "Scores", "others", "scored", "write_wav"]

RATE = 48_000

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Scores:
    """What score.py says."""

    pesq: float
    plcmos: float
    stoi: float
    delay_ms: float
    delay_p95_ms: float
    windows: int
    pesq_segments: tuple[float, ...]
    track: tuple[tuple[float, float], ...]
    """Time and delay of each window of speech that was surely found again, in seconds."""


def write_wav(path: Path, pcm: Samples) -> None:
    """Write it as score.py reads it."""
    import soundfile

    soundfile.write(path, pcm, RATE, "PCM_16")


@cache
def _script() -> Any:
    """score.py, its network on one thread: there is a process for each core already."""
    import onnxruntime
    from speechmos.plcmos import PLCMOS

    script: Any = load_module("score")
    one = onnxruntime.SessionOptions()
    one.intra_op_num_threads = one.inter_op_num_threads = 1
    # As score.py makes it; the values are the same.
    script._plcmos = PLCMOS(embed_rounds=8)  # noqa: SLF001 - score.py is a script
    script._plcmos.session = onnxruntime.InferenceSession(  # noqa: SLF001
        script._plcmos.model_path,  # noqa: SLF001
        one,
    )
    return script


def scored(pcm: Samples, reference: Path, *, quick: bool = False) -> Scores:
    """Score what was played; from the cache where the same was scored before.

    ``quick`` leaves PLCMOS out (nan), which takes most of the time.
    """
    folder = CACHE / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(pcm.tobytes() + reference.name.encode()).hexdigest()
    full, part = folder / f"{key}.json", folder / f"{key}.quick.json"
    for path in (full, part) if quick else (full,):
        if path.exists():
            return _scores(json.loads(path.read_text()))
    script, tracks = _script(), list[Any]()
    own_plcmos, own_track = script.plcmos, script.delay_track
    if quick:
        script.plcmos = lambda _: float("nan")

    def keep_track(*of: Any) -> Any:
        # It takes a while to find, and score.py keeps it to itself.
        tracks.append(own_track(*of))
        return tracks[-1]

    script.delay_track = keep_track
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "played.wav"
        write_wav(wav, pcm)
        try:
            found: dict[str, Any] = script.score(reference, wav)
        finally:
            script.plcmos, script.delay_track = own_plcmos, own_track
    track = tracks[0]
    found["track"] = track[track[:, 2] > script.SURE, :2].round(5).tolist()
    target = part if quick else full
    unfinished = target.with_suffix(f".{id(found)}")
    unfinished.write_text(json.dumps(found))
    unfinished.replace(target)
    return _scores(found)


def _scores(found: dict[str, Any]) -> Scores:
    track = tuple((float(t), float(d)) for t, d in found.pop("track"))
    return Scores(**found | {"pesq_segments": tuple(found["pesq_segments"])}, track=track)


Others = dict[tuple[str, str, str], dict[str, float]]


@cache
def others() -> Others:
    """What other receivers reached, by system, stream and condition."""
    with (NETEQ / "results.csv").open(newline="") as file:
        return {
            (row["system"], row["variant"], row["condition"]): {
                name: float(row[name] or "nan")
                for name in ("pesq", "plcmos", "stoi", "delay_ms", "delay_p95_ms")
            }
            for row in csv.DictReader(file)
            if row["set"] == "public"
        }
