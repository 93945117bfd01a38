"""What a type checker says of a program that uses the package."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import opuscule
import opuscule.archive
from opuscule import serv
from opuscule.archive import open_archiv

opuscule.connec
opuscule.archive.verif
reveal_type(opuscule.connect)
"""


def test_a_name_that_is_not_there_is_found(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", program],
        cwd=ROOT,  # for its cache
        capture_output=True,
        text=True,
        check=False,
    )
    for name in ("serv", "open_archiv", "connec", "verif"):
        assert f'has no attribute "{name}"' in done.stdout
    assert "-> typing.Coroutine[Any, Any, opuscule.client.client.Client]" in done.stdout


WITH_NUMPY = """
import numpy as np
from opuscule import Decoder, StreamEncoder
from opuscule.activity import EnergyGate
from opuscule.levels import LevelMeter, measure

samples = np.zeros((960, 2), np.int16)
encoder = StreamEncoder(48_000, 2)
packets = encoder.push(samples) + encoder.finish()
decoder = Decoder(48_000, 2)
decoder.decode_into(packets[0].data, samples)
decoded = np.asarray(decoder.decode(packets[1].data))
measure(samples, 2)
LevelMeter(2).push(samples)
EnergyGate(48_000, channels=2).push(samples)
"""


def test_numpy_arrays_are_pcm(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(WITH_NUMPY)
    done = subprocess.run(
        # They tell of their buffer from Python 3.12 on only.
        [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", program],
        cwd=ROOT,  # for its cache
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
