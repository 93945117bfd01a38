"""A process that adds, prepares and removes, killed at any moment: whole recordings or none."""

import multiprocessing
import os
import random
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from opuscule.archive import collect_garbage, open_archive, prepare, remove_recordings, verify

from .test_removal import add, check

KILLS = int(os.environ.get("OPUSCULE_KILLS", "5"))
"""How often it is killed; 50 and more show more."""


def churn(archive: Path, began: Connection, seed: int) -> None:
    """Do things for ever, and say of each that it is about to be done, and that it was."""
    draw = random.Random(seed)
    opened = open_archive(archive)
    began.send(("", ""))
    while True:
        name = f"n{draw.randrange(6)}"
        what = draw.choice(["remove", "remove", "prepare"]) if name in opened else "add"
        began.send((what, name))
        if what == "add":
            add(archive, name)
        elif what == "remove":
            remove_recordings(archive, [name])
        else:
            prepare(opened[name], force=True)
        began.send((f"{what} done", name))


@pytest.mark.skipif(os.name == "nt", reason="locks are POSIX")
def test_killed_at_any_moment(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    add(archive, "always")
    moments = random.Random(5)
    expected = {"always"}
    processes = multiprocessing.get_context("spawn")
    for kill in range(KILLS):
        here, there = processes.Pipe(duplex=False)
        process = processes.Process(target=churn, args=(archive, there, kill))
        process.start()
        there.close()
        assert here.recv() == ("", "")
        time.sleep(moments.uniform(0, 0.2))
        process.kill()
        process.join()
        unsure: str | None = None
        try:
            while True:
                what, name = here.recv()
                unsure = None if what.endswith("done") else name
                if what == "add done":
                    expected.add(name)
                elif what == "remove done":
                    expected.discard(name)
        except EOFError:
            pass
        # As a reader sees it, before anybody clears up.
        opened = open_archive(archive)
        seen = set(opened)
        assert seen - {unsure} == expected - {unsure}
        for name in seen:
            assert verify(opened[name], ranges=1).ok
            assert opened.catalogue()[name].prepared == (opened[name].points is not None)
        planned = collect_garbage(archive, dry_run=True)
        # Lines that the last one's death left out are added on the way.
        assert collect_garbage(archive).freed_bytes >= planned.freed_bytes
        assert check(archive) == seen
        assert collect_garbage(archive).freed_bytes == 0
        expected = seen
