"""One process wrote, another reads, a third adds: nobody sees half a recording."""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from opuscule.archive import open_archive
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.packets import Packet, StreamFormat

from .conftest import Speech, write

ADDED = 8


def add(path: Path, form: StreamFormat, packets: list[Packet], end_samples: int) -> None:
    """What the third process does."""
    for number in range(ADDED):
        with RecordingWriter(path, f"added-{number}", form) as writer:
            for packet in packets:
                writer.add(packet)
            writer.finish(end_samples)


def read(path: Path, expected: bytes, heard: Connection) -> None:
    """What the second does: until all are there, read every recording that it sees."""
    seen: set[str] = set()
    while len(seen) <= ADDED:
        archive = open_archive(path)
        for name in archive:
            found = archive[name][48_000:52_800]
            if bytes(found) != expected:
                heard.send(f"{name} is not what was written")
                return
            seen.add(name)
    heard.send("all is well")


@pytest.mark.row("Z12")
def test_readers_see_whole_recordings_while_others_are_added(
    tmp_path: Path, stereo: Speech
) -> None:
    path = tmp_path / "a.zarr"
    first = write(path, "first", stereo, iter(stereo.packets))
    expected = bytes(first[48_000:52_800])
    assert np.frombuffer(expected, np.int16).any()
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe(duplex=False)
    reader = processes.Process(target=read, args=(path, expected, there))
    adder = processes.Process(
        target=add, args=(path, stereo.format, stereo.packets, stereo.end_samples)
    )
    reader.start()
    adder.start()
    try:
        assert here.poll(300)
        assert here.recv() == "all is well"
    finally:
        for process in (reader, adder):
            process.join(10)
            process.terminate()
