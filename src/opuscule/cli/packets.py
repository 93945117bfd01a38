"""``opuscule packets``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from opuscule.cli.output import json_option, raw_option
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Gap

if TYPE_CHECKING:
    from opuscule.containers.raw import Framing
    from opuscule.inspection import InspectedPacket

__all__ = ["framing_of", "packets"]

_TITLE = "   number         time   lasts  bytes  mode    bandwidth      ch  frames     flags"


def packets(
    file: Annotated[Path, typer.Argument(help="A file of Opus packets.", readable=False)],
    raw: str | None = raw_option,
    json: bool = json_option,
) -> None:
    """List a file's packets: media time (pre-skip included), duration, size, coding, redundancy.

    With --json each line is one object, for a packet or a gap. In a chained Ogg file each link
    counts packets and time from its own beginning.
    """
    from opuscule.containers.opening import open_links
    from opuscule.inspection import inspect_packets

    with open_links(file, raw=framing_of(raw)) as links:
        for link, reader in enumerate(links, 1):
            if not json:
                typer.echo(f"link {link}" if link > 1 else _TITLE)
            for item in inspect_packets(reader):
                if json:
                    typer.echo(msgspec.json.encode({**_for_script(item), "link": link}).decode())
                elif isinstance(item, Gap):
                    time, lasts = item.start_samples / 48_000, item.duration_samples / 48
                    typer.echo(f"      gap {time:>10.4f} s {lasts:>7g}  {item.kind.value}")
                else:
                    typer.echo(_row(item))


def framing_of(raw: str | None) -> "Framing | None":
    """Check what was given as --raw."""
    from opuscule.containers.raw import FRAMINGS

    if raw is not None and raw not in FRAMINGS:
        raise InvalidArgumentError(f"--raw is {raw!r}; expected {', '.join(FRAMINGS)}")
    return raw


def _row(item: "InspectedPacket") -> str:
    packet, coding = item.packet, item.coding
    frames = f"{item.frames} × {coding.frame_samples / 48:g} ms"
    flags = [name for name, there in (("fec", item.fec), ("dtx", item.dtx)) if there]
    if item.fault:
        flags.append("INVALID")
    if item.dred_samples:
        flags.append(f"dred {item.dred_samples / 48:g} ms")
    return (
        f"{packet.sequence:>9} {packet.time_samples / 48_000:>10.4f} s"
        f" {packet.duration_samples / 48:>7g} {len(packet.data):>6}  {coding.mode:<7}"
        f" {coding.bandwidth:<13} {coding.channels:>3}  {frames:<10} {', '.join(flags)}"
    ).rstrip()


def _for_script(item: "InspectedPacket | Gap") -> dict[str, object]:
    if isinstance(item, Gap):
        return {
            "type": "gap",
            "time_samples": item.start_samples,
            "duration_samples": item.duration_samples,
            "kind": item.kind.value,
        }
    return {
        "type": "packet",
        "sequence": item.packet.sequence,
        "time_samples": item.packet.time_samples,
        "duration_samples": item.packet.duration_samples,
        "bytes": len(item.packet.data),
        "mode": item.coding.mode,
        "bandwidth": item.coding.bandwidth,
        "channels": item.coding.channels,
        "frames": item.frames,
        "frame_samples": item.coding.frame_samples,
        "fec": item.fec,
        "dtx": item.dtx,
        "dred_samples": item.dred_samples,
        "fault": item.fault,
    }
