"""Many files in one call: which is written where, and what is said of those that fail."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import typer

from opuscule.cli.output import complain, emit, in_words, progress_bar
from opuscule.cli.pipes import STANDARD, standard_input, standard_output
from opuscule.containers.pipe import Pipe
from opuscule.errors import InvalidArgumentError, OpusculeError

if TYPE_CHECKING:
    from opuscule.transcode import Progress

__all__ = ["FILES_HELP", "Input", "Job", "Output", "Work", "output_option", "plan", "run_all"]

Input = str | Pipe
Output = str | BinaryIO
Work = Callable[[Input, Output, "Progress | None"], tuple[dict[str, object], str]]
"""Does one job; returns its report for a script and for a person."""

FILES_HELP = (
    "Each is written beside itself, where nothing is replaced, or into the folder of -o. Of two "
    "names the second is the file or folder to write, unless it is a file of a kind that is not "
    "written here. '-' is a pipe."
)
"""What happens to the names that a command is given."""

output_option = typer.Option(
    None,
    "--output",
    "-o",
    help="The file to write, a folder for all of them, or '-' for standard output.",
)


@dataclass(frozen=True, slots=True)
class Job:
    """One file to read and one to write; either may be :data:`~opuscule.cli.pipes.STANDARD`."""

    source: str
    target: str


def plan(
    names: Sequence[str], output: str | None, ending: str, endings: Collection[str]
) -> list[Job]:
    """Decide what is written where.

    Args:
        names: as they were given.
        output: what was given as the output.
        ending: of files that are named here.
        endings: of files that the command writes.

    Raises:
        InvalidArgumentError: it cannot be told, or two would be written to the same name.
    """
    if output is None and len(names) == 2 and (STANDARD in names or _is_target(names, endings)):
        names, output = names[:1], names[1]
    folder = output is not None and (output.endswith(("/", os.sep)) or Path(output).is_dir())
    if output is not None and len(names) > 1 and not folder:
        raise InvalidArgumentError(
            f"{len(names)} files cannot all be written to {output}; name a folder that is there"
        )
    if STANDARD in names and len(names) > 1:
        raise InvalidArgumentError("standard input, '-', is read alone; call once more for files")
    if names[0] == STANDARD and (folder or output is None):
        jobs = [Job(STANDARD, output or STANDARD)]  # a folder is refused when it is opened
    elif output is None or folder:
        places = (Path(output or Path(name).parent) / (Path(name).stem + ending) for name in names)
        jobs = [Job(name, str(place)) for name, place in zip(names, places, strict=True)]
    else:
        jobs = [Job(names[0], output)]
    _check_distinct(jobs)
    if output is None:
        _check_new(jobs)
    return jobs


def _is_target(names: Sequence[str], endings: Collection[str]) -> bool:
    """Whether the second of two names is what to write."""
    source, second = Path(names[0]), Path(names[1])
    if second.suffix.lower() not in endings:
        return not second.is_file()
    if second.is_file() and source.suffix.lower() in endings and not source.samefile(second):
        raise InvalidArgumentError(
            f"{second} is there, and may be meant to be read or to be replaced; say -o {second} to "
            "replace it, or the folder for both with -o"
        )
    return True


def _check_distinct(jobs: Sequence[Job]) -> None:
    seen: dict[str, str] = {}
    for job in jobs:
        place = os.path.realpath(job.target)
        if place in seen:
            raise InvalidArgumentError(
                f"{seen[place]} and {job.source} would both be written to {job.target}; give each "
                "its own call and name"
            )
        seen[place] = job.source


def _check_new(jobs: Sequence[Job]) -> None:
    """Of a name that nobody gave, nothing is replaced: it may be what the source was made from."""
    there = [
        job.target
        for job in jobs
        if Path(job.target).is_file()
        and os.path.realpath(job.target) != os.path.realpath(job.source)  # which is said later
    ]
    if there:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise InvalidArgumentError(
            f"{there[0]} is there{more}; name another file to write, or replace it with -o: the"
            " file, or the folder for all"
        )


def run_all(jobs: Sequence[Job], work: Work, doing: str, json: bool) -> None:
    """Do one job after the other; one that fails does not stop the others.

    Reports go to standard output, or to stderr where that carries audio. Those that failed are
    named at the end, and the exit code is 1.
    """
    piped = any(job.target == STANDARD for job in jobs)
    reports: list[dict[str, object]] = []
    failures: list[str] = []
    for number, job in enumerate(jobs, 1):
        name = "standard input" if job.source == STANDARD else Path(job.source).name
        of = f" ({number} of {len(jobs)})" if len(jobs) > 1 else ""
        about: dict[str, object] = {"source": job.source, "target": job.target}
        try:
            with progress_bar(f"{doing} {name}{of}", json) as progress, _ends(job) as ends:
                report, line = work(*ends, progress)
        except BrokenPipeError:
            raise
        except (OpusculeError, OSError) as error:
            if len(jobs) == 1:
                raise
            said = in_words(error)
            failures.append(said if job.source in said else f"{job.source}: {said}")
            reports.append({**about, "error": said})
            continue
        reports.append({**about, **report})
        if not json:
            shown = "standard output" if job.target == STANDARD else job.target
            typer.echo(f"{shown}: {line}", err=piped)
    if json:
        emit(reports[0] if len(jobs) == 1 else reports, err=piped)
    for said in failures:
        complain(said)
    if failures:
        complain(f"{len(failures)} of {len(jobs)} files failed, as said above")
        raise typer.Exit(1)


@contextlib.contextmanager
def _ends(job: Job) -> Iterator[tuple[Input, Output]]:
    """What a job reads and writes, pipes opened."""
    with contextlib.ExitStack() as stack:
        source: Input = job.source
        target: Output = job.target
        if job.target == STANDARD:
            target = stack.enter_context(standard_output())
        if job.source == STANDARD:
            source = stack.enter_context(standard_input())
        yield source, target
