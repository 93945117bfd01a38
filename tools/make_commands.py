"""Writes docs/commands.md from the commands' own help, and the README's examples from examples/.

With --demo it also runs the demo and puts what it prints into the README. The tests hold both pages
to this, but for the demo, whose numbers are those of the machine that ran it.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer

from opuscule.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ROOT / "docs" / "commands.md"
README = ROOT / "README.md"

HEAD = """\
# Commands

Written by `tools/make_commands.py` from the commands' own help. Every command ends with 0 when all
went well, with 1 and a line on stderr for each thing that did not, with 2 when it was called
wrongly, and with 130 after Ctrl-C; `serve`, and what reads a pipe, end well with Ctrl-C. `--json`
prints what a script can read.
"""
EXAMPLE = re.compile(
    r"(<!-- example: (\S+) -->\n)(?:```python\n.*?^```\n)?", re.DOTALL | re.MULTILINE
)
DEMO = re.compile(r"(<!-- demo -->\n)(?:```\n.*?^```\n)?", re.DOTALL | re.MULTILINE)


def names(command: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command below a command, itself first if it has a name."""
    if above:
        yield above
    for name, below in getattr(command, "commands", {}).items():
        yield from names(below, (*above, name))


def help_of(name: tuple[str, ...]) -> str:
    """What a command prints with --help."""
    os.environ["COLUMNS"] = "80"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        app([*name, "--help"], prog_name="opuscule", standalone_mode=False)
    return printed.getvalue().strip()


def commands_page() -> str:
    """The text of docs/commands.md."""
    parts = [HEAD, f"```\n{help_of(())}\n```\n"]
    for name in names(typer.main.get_command(app)):
        parts.append(f"{'#' * (len(name) + 1)} opuscule {' '.join(name)}\n")
        parts.append(f"```\n{help_of(name)}\n```\n")
    return "\n".join(parts)


def with_examples(page: str) -> str:
    """Return a page with the text of the files that it names in it."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}```python\n{(ROOT / found[2]).read_text(encoding='utf-8')}```\n"

    return EXAMPLE.sub(block, page)


def with_demo(page: str) -> str:
    """Return a page with what the demo prints here and now in it."""
    with tempfile.TemporaryDirectory() as folder:
        # As "make demo" calls it, which is seen in what it says.
        Path(folder, ".venv").symlink_to(Path(sys.executable).parents[1])
        done = subprocess.run(
            [".venv/bin/opuscule", "demo"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return DEMO.sub(lambda found: f"{found[1]}```\n{done.stdout.strip()}\n```\n", page)


def main() -> None:
    """Write both pages."""
    COMMANDS.write_text(commands_page(), encoding="utf-8")
    page = with_examples(README.read_text(encoding="utf-8"))
    if "--demo" in sys.argv[1:]:
        page = with_demo(page)
    README.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
