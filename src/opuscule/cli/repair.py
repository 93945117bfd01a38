"""``opuscule repair``."""

from pathlib import Path
from typing import Annotated

import typer

from opuscule.cli.output import clock_time, emit, json_option

__all__ = ["repair"]


def repair(
    source: Annotated[Path, typer.Argument(help="A damaged or cut Ogg Opus file.")],
    target: Annotated[
        Path | None,
        typer.Argument(help="The file to write; SOURCE with .repaired.opus if left out."),
    ] = None,
    serial: Annotated[
        int | None, typer.Option(help="The stream to keep, where several run side by side.")
    ] = None,
    opus_only: Annotated[
        bool, typer.Option("--opus-only", help="Leave out video and other streams.")
    ] = False,
    json: bool = json_option,
) -> None:
    """Write a damaged or cut Ogg Opus file anew, with every packet that it still has.

    Nothing is written when nothing is wrong.
    """
    from dataclasses import asdict

    from opuscule.containers.ogg import repair as repair_file
    from opuscule.files import atomic_output, check_input

    target = target or source.with_suffix(".repaired.opus")
    with check_input(source).open("rb") as file:
        done = repair_file(file, serial=serial)
        if not done.sound:
            file.seek(0)
            with atomic_output(target) as output:
                done = repair_file(file, output, serial=serial, opus_only=opus_only)
    written = None if done.sound else str(target)
    if json:
        facts = {"sound": done.sound, "dropped_bytes": done.dropped_bytes, **asdict(done)}
        emit({"source": str(source), "target": written, **facts})
        return
    if written is None:
        typer.echo(f"{source} is sound; nothing was written")
        return
    typer.echo(f"{target}: {done.dropped_bytes} bytes left out")
    for number, link in enumerate(done.links, 1):
        heard = clock_time(link.end_samples / 48_000)
        typer.echo(f"  stream {number}: {link.packets} packets, {heard}")
        if link.gaps:
            missing = clock_time(link.missing_samples / 48_000)
            typer.echo(f"    {link.gaps} gaps, {missing} missing, marked for concealment")
        if link.truncated:
            typer.echo("    its end was missing; it ends with its last whole packet now")
        for name, (count, size) in link.faults.items():
            typer.echo(f"    {name.replace('_', ' ')}: {count} times, {size} bytes")
