"""``opuscule devices``."""

import dataclasses

import typer

from opuscule.cli.output import emit, json_option

__all__ = ["devices"]


def devices(json: bool = json_option) -> None:
    """List the sound devices."""
    from opuscule.devices import list_devices

    found = list_devices()
    if json:
        emit([dataclasses.asdict(device) for device in found])
        return
    if not found:
        typer.echo("there are no sound devices; files and signals work without any")
        return
    for device in found:
        uses = [f"{device.inputs} in" if device.inputs else ""]
        uses.append(f"{device.outputs} out" if device.outputs else "")
        marks = "".join(
            mark
            for mark, there in (
                (" <- default microphone", device.is_default_input),
                (" <- default speaker", device.is_default_output),
            )
            if there
        )
        typer.echo(
            f"{device.index:3}  {device.name}  ({', '.join(filter(None, uses))},"
            f" {device.default_rate:.0f} Hz){marks}"
        )
