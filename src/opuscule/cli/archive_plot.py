"""``opuscule archive plot``: a recording as a picture."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import ArchivePlace, clock_time, emit, json_option, progress_line

if TYPE_CHECKING:
    from opuscule.archive.reading.moments import Seconds
    from opuscule.plot import Panes, Survey

__all__ = ["plot"]


def plot(
    archive: ArchivePlace,
    recording: Annotated[str, typer.Argument(help="One of its recordings.")],
    begin: Annotated[
        str, typer.Option("--from", help="Where to begin, in seconds or as 1:02:03.5.")
    ] = "0",
    end: Annotated[
        str | None, typer.Option("--to", help="Where to end, or +10 for 10 s; the end if left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The PNG file to write; the terminal if left out.")
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            help="In pixels (1200), in the terminal in letters (its width).", show_default=False
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(help="In pixels (600), in the terminal in lines.", show_default=False),
    ] = None,
    waveform: Annotated[bool, typer.Option("--waveform", help="Only the waveform.")] = False,
    spectrogram: Annotated[
        bool, typer.Option("--spectrogram", help="Only the spectrogram.")
    ] = False,
    both: Annotated[
        bool, typer.Option("--both", help="Both, as without any of the three.")
    ] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="The file's own samples, where they were kept.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Decode all of it, not one window a column.")
    ] = False,
    json: bool = json_option,
) -> None:
    """Draw the waveform and the spectrogram of a recording, or of a part of it.

    Of long recordings a window of a sixth of a second is decoded for each column; how much that is
    is said. Lost and damaged time is red (in plain text x), time that was never sent grey (~).
    """
    from opuscule.archive import open_archive
    from opuscule.cli.archive_ranges import original_of
    from opuscule.files import atomic_output
    from opuscule.plot import survey, to_png
    from opuscule.plot.picture import MIN_WIDTH, plot_width
    from opuscule.plot.terminal import AXIS_LETTERS

    panes: Panes = "both"
    if waveform != spectrogram and not both:
        panes = "waveform" if waveform else "spectrogram"
    opened = open_archive(archive)[recording]
    source = original_of(opened) if lossless else opened
    start, stop = source.seconds_range(*_times(begin, end))
    if out is None:
        terminal = shutil.get_terminal_size()
        width = max(AXIS_LETTERS + 8, min(width or terminal.columns - 1, 1000))
        height = max(6, min(height or min(terminal.lines - 3, 40), 400))
        columns = width - AXIS_LETTERS
    else:
        width, height = max(width or 1200, MIN_WIDTH), height or 600
        columns = plot_width(width)
    with progress_line(f"looking at {opened.name}", json) as show:
        seen = survey(
            source,
            columns,
            start_sample=start,
            stop_sample=stop,
            whole=whole,
            progress=(lambda done, all_: show(f"looking at {opened.name}: {done / all_:.0%}"))
            if show
            else None,
        )
    if out is None and not json:
        _show(seen, width, height, panes)
    elif out is not None:
        picture = to_png(seen, width, height, panes)
        with atomic_output(out) as file:
            file.write(picture)
    share = seen.looked_at_samples / (stop - start)
    if json:
        emit(
            {
                "target": str(out) if out else None,
                "start": start,
                "end": stop,
                "rate": seen.rate,
                "decoded_share": min(1.0, share),
            }
        )
    elif out is not None or share < 1:
        note = "" if share >= 1 else f", {share:.1%} of it looked at (--whole for all)"
        typer.echo(f"{out or opened.name}: {clock_time(seen.duration_s)}{note}")


def _show(seen: "Survey", width: int, height: int, panes: "Panes") -> None:
    from rich.console import Console

    from opuscule.plot import to_ascii, to_blocks

    console = Console(width=width + 1, highlight=False)
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    # NO_COLOR: https://no-color.org
    if not console.is_terminal or os.environ.get("NO_COLOR") or encoding != "utf8":
        typer.echo(to_ascii(seen, width, height, panes))
    else:
        console.print(to_blocks(seen, width, height, panes))


def _times(begin: str, end: str | None) -> tuple["Seconds", "Seconds | None"]:
    from opuscule.archive.reading.moments import exact_seconds

    if end is not None and end.startswith("+"):
        return begin, exact_seconds(begin) + exact_seconds(end[1:])
    return begin, end
