"""The commands, and what all of them do with errors.

Every error that is not a defect is one line on stderr and an exit code of 1; what is a defect keeps
its traceback. Commands import what they need when they run, so that ``--help`` is quick.
"""

import logging
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from opuscule.cli import (
    bench,
    decode,
    demo,
    devices,
    doctor,
    encode,
    info,
    levels,
    measure,
    packets,
    repair,
    serve,
    talk,
)
from opuscule.cli.archive import app as archive
from opuscule.cli.output import complain, in_words
from opuscule.errors import OpusculeError

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """Turns errors into lines before typer sees them.

    It would take each EOFError, and so a truncated file, for a closed terminal.
    """

    def invoke(self, ctx: Any) -> Any:
        # A stranger's garbage is one line of ours; picows would log how it failed to parse it.
        logging.getLogger("picows").setLevel(logging.CRITICAL)
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # who reads the output has had enough, which typer knows how to take
        except (OpusculeError, OSError) as error:
            _fail(in_words(error), 1)
        except KeyboardInterrupt:
            _fail("stopped", 130)


def _fail(text: str, code: int) -> NoReturn:
    complain(text)
    sys.exit(code)


app = typer.Typer(
    name="opuscule",
    cls=_Commands,
    help="Opus audio from a microphone to an ear and to an archive.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(serve.serve)
app.command()(talk.talk)
app.command()(encode.encode)
app.command()(decode.decode)
app.command()(info.info)
app.command()(packets.packets)
app.command()(levels.levels)
app.command()(repair.repair)
app.add_typer(archive, name="archive")
app.add_typer(bench.app, name="bench")
app.add_typer(measure.app, name="measure")
app.command()(devices.devices)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line."""
    app()
