"""``opuscule archive prepare`` and ``verify``: what makes exactness near, and what proves it."""

import errno
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import ArchivePlace, complain, emit, in_words, json_option, progress_bar
from opuscule.errors import OpusculeError, RecordingNotFoundError

if TYPE_CHECKING:
    from opuscule.archive import Archive

__all__ = ["prepare", "verify"]

_Archive = Annotated[
    Path, typer.Argument(help="The archive, a folder such as archive.zarr.", readable=False)
]

_FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What would fail for the other recordings, too."""


def prepare(
    archive: _Archive,
    recordings: Annotated[
        list[str] | None, typer.Argument(help="Some of its recordings; all if left out.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also those that this decoder has prepared before.")
    ] = False,
    json: bool = json_option,
) -> None:
    """Find where decoding may begin, so that any part is exact and near.

    May be stopped: what is prepared stays so, and the next run goes on with the rest.
    """
    from opuscule.archive import open_archive
    from opuscule.archive import prepare as prepare_recording

    opened = open_archive(archive)
    names = _names(opened, recordings)
    reports, failed = [], 0
    for number, name in enumerate(names, 1):
        try:
            with progress_bar(f"preparing {name} ({number} of {len(names)})", json) as progress:
                report = prepare_recording(opened[name], force=force, progress=progress)
        except (OpusculeError, OSError) as error:
            if isinstance(error, OSError) and error.errno in _FOR_ALL:
                raise
            complain(f"{name}: {in_words(error)}")
            failed += 1
            continue
        reports.append(report)
        if not json:
            useful = report.points - report.useless_points
            done = "prepared before" if report.done_before else "prepared"
            typer.echo(
                f"{name}: {done}, {useful} of {report.points} points are of use, half of them after"
                f" {report.median_depth_ms:.0f} ms"
            )
    if json:
        emit(reports)
    if failed:
        raise typer.Exit(1)


def verify(
    archive: ArchivePlace,
    recordings: Annotated[
        list[str] | None, typer.Argument(help="Some of its recordings; all if left out.")
    ] = None,
    ranges: Annotated[int, typer.Option(help="Random ranges to extract and compare.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the random ranges, and of the sample.")] = 0,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many recordings, chosen at random.")
    ] = None,
    json: bool = json_option,
) -> None:
    """Prove that an archive is sound and that extraction equals the sequential decode."""
    from opuscule.archive import open_archive
    from opuscule.archive import verify as verify_recording

    opened = open_archive(archive)
    forgotten = [] if recordings else _forgotten(opened)
    names = sorted({*_names(opened, recordings), *forgotten})
    if sample is not None and sample < len(names):
        # Reproducible on purpose; nothing is kept secret by it.
        names = sorted(random.Random(seed).sample(names, sample))  # noqa: S311
    sound = True
    told: list[dict[str, object]] = []
    for number, name in enumerate(names, 1):
        try:
            recording = opened[name]
            with progress_bar(f"verifying {name} ({number} of {len(names)})", json) as progress:
                report = verify_recording(recording, ranges=ranges, seed=seed, progress=progress)
        except (OpusculeError, OSError) as error:
            # The others are not to go unchecked because of one that cannot even be opened.
            sound = False
            told.append({"recording": name, "problems": [in_words(error)]})
            complain(f"{name}: NOT SOUND: {in_words(error)}")
            continue
        problems = report.problems
        if name in forgotten:
            problems += ("the catalogue lacks it: opuscule archive reindex makes it anew",)
        sound = sound and not problems
        prepared = report.ok and recording.points is not None
        told.append(
            {
                "recording": report.recording,
                "problems": problems,
                "ranges": report.ranges,
                "compared_samples": report.compared_samples,
                "prepared": prepared,
                "lossless_bytes": report.lossless_bytes,
            }
        )
        if not json:
            verdict = "NOT SOUND: " + "; ".join(problems) if problems else "sound"
            remark = "" if prepared or problems else ", not prepared"
            if report.lossless_bytes:
                remark += f", {report.lossless_bytes} bytes of lossless original hashed"
            typer.echo(f"{name}: {verdict}, {report.ranges} ranges compared{remark}")
    if json:
        emit(told)
    if not sound:
        raise typer.Exit(1)


def _forgotten(opened: "Archive") -> list[str]:
    """Recordings of which the catalogue knows nothing, as where it was cut off when it was copied.

    The folders are read first: what comes or goes meanwhile the catalogue knows.
    """
    try:
        folders = opened.store.names("recordings")
    except OSError:  # a web server that does not list
        return []
    known = opened.catalogue()
    return [name for name in folders if name not in known and _is_there(opened, name)]


def _is_there(opened: "Archive", name: str) -> bool:
    try:
        _ = opened[name]
    except RecordingNotFoundError:
        return False
    except (OpusculeError, OSError):
        pass  # which verifying it will say
    return True


def _names(opened: "Archive", wanted: Sequence[str] | None) -> list[str]:
    for name in wanted or ():
        _ = opened[name]  # before anything is done, so that a wrong name stops it all
    return list(dict.fromkeys(wanted)) if wanted else list(opened)
