"""The commands, and what all of them do with errors.

Every error that is not a defect is one line on stderr and an exit code of 1; what is a defect keeps
its traceback. Commands import what they need when they run, so that ``--help`` is quick.
"""

import sys

import typer

from opuscule.cli import demo, devices, doctor, encode, repair, serve, talk
from opuscule.cli.archive import app as archive
from opuscule.errors import OpusculeError

__all__ = ["app", "main"]

app = typer.Typer(
    name="opuscule",
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
app.command()(encode.decode)
app.command()(repair.repair)
app.add_typer(archive, name="archive")
app.command()(devices.devices)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except OpusculeError as error:
        _fail(str(error))
    except OSError as error:
        # str() of a plain one begins with "[Errno 2]", which tells a person nothing.
        named = f"{error.filename}: {error.strerror}" if error.strerror else str(error)
        _fail(named)
    except KeyboardInterrupt:
        print("opuscule: stopped", file=sys.stderr)  # noqa: T201  # a person reads it
        sys.exit(130)


def _fail(text: str) -> None:
    line = " ".join(text.split())
    print(f"opuscule: {line}", file=sys.stderr)  # noqa: T201  # a person reads it
    sys.exit(1)
