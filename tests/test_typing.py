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
