"""``opuscule bench``."""

import typer

__all__ = ["app"]

app = typer.Typer(
    name="bench",
    help="Measure this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def bench() -> None:
    """Measure this machine."""
