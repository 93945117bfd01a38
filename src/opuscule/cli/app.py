"""The commands, and what all of them do with errors.

Every error that is not a defect is one line on stderr and an exit code of 1; what is a defect keeps
its traceback. Commands import what they need when they run, so that ``--help`` is quick.
"""

import logging
import sys
from typing import Any

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
from opuscule.cli.stopping import stopped, takes_time_to_stop
from opuscule.errors import OpusculeError

__all__ = ["app"]


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
            complain(in_words(error))
            sys.exit(1)
        except KeyboardInterrupt:
            stopped()

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        found = super().resolve_command(ctx, args)
        # What waits in an event loop is stopped by the loop.
        if found[0] not in ("talk", "demo", "serve"):
            ctx.with_resource(takes_time_to_stop())
        return found


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
