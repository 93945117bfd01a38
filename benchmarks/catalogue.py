"""An archive of 100,000 recordings: opening, searching, sums, what was imported, removing.

The lines are as an import of AudioMoth's WAVs makes them. There is one recording behind them, for
nothing but the catalogue is read; what reading each recording would cost is measured on it. CPU
time of this process, catalogue in the page cache.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _common import Result, below, in_turn, median, options, plain, report
from opuscule.archive import (
    Archive,
    Entry,
    RecordingWriter,
    archive_stats,
    expire_recordings,
    open_archive,
    remove_recordings,
)
from opuscule.archive.importing.sources import KnownSources
from opuscule.archive.storage.catalogue import CATALOGUE
from opuscule.archive.storage.entries import line
from opuscule.archive.storage.stores import LocalStore, MemoryStore
from opuscule.packets import Packet, StreamFormat

COUNT = 100_000
BEGAN_MS = 1_700_000_000_000


class Counting(MemoryStore):
    """Counts what is read."""

    reads = 0

    def read(self, key: str) -> bytes:
        self.reads += 1
        return super().read(key)


def entry(number: int) -> Entry:
    return Entry(
        name=f"north-june-{number:06}",
        total_samples=2_880_960 + number,
        channels=1,
        start_epoch_ms=BEGAN_MS + 60_000 * number,
        added_epoch_ms=BEGAN_MS + 60_000 * COUNT,
        payload_bytes=180_000 + number,
        index_bytes=2431,
        points_bytes=1200,
        other_bytes=4012,
        kind="import",
        path=f"north/june/{number:06}.wav",
        sha256=f"{number:064x}",
        mark=f"{number:032x}",
        container="wav",
        rate=48_000,
        metadata={
            "audiomoth.serial": f"24526B065D3259{number % 64:02}",
            "audiomoth.gain": "medium",
            "audiomoth.battery": "4.7V",
            "audiomoth.battery_v": 4.7,
            "audiomoth.temperature_c": 12.5,
        },
        attributes={"plot": f"B{number % 17}", "visit": number % 5},
    )


def add(root: Path, name: str) -> None:
    with RecordingWriter(root, name, StreamFormat(1, 312, 48_000)) as writer:
        writer.add(Packet(0, 0, 960, b"\xf8\xff\xfe"))
        writer.finish(960)


def cpu_ms(do: Callable[[], object]) -> float:
    began = time.process_time()
    do()
    return (time.process_time() - began) * 1000


def measure(root: Path, rounds: int) -> list[Result]:
    add(root, "one")
    with (root / CATALOGUE).open("ab") as file:
        file.writelines(line(entry(number)) for number in range(COUNT))
    size = (root / CATALOGUE).stat().st_size
    opened = open_archive(root)
    known = len(opened)
    numbers, gone = iter(range(rounds + 1)), iter(range(rounds + 1))

    def renew() -> float:
        """Look again after one more recording came."""
        add(root, f"more-{next(numbers)}")
        return cpu_ms(opened.catalogue)

    def search(pattern: str = "*", **wanted: Any) -> float:
        opened.catalogue()  # which the last round has changed
        return cpu_ms(lambda: list(opened.find(pattern, **wanted)))

    def each() -> None:
        for _ in range(100):
            opened["one"].info.source  # noqa: B018 - its cost is what is measured

    middle_ms = BEGAN_MS + 60_000 * COUNT // 2
    ways: dict[str, Callable[[], float]] = {
        "open and list": lambda: cpu_ms(lambda: len(open_archive(root))),
        "search: two attributes": lambda: search(
            attributes={"plot": "B3", "audiomoth.battery_v": "4.7"}
        ),
        "search: a time of two hours": lambda: search(
            start_epoch_ms=middle_ms, stop_epoch_ms=middle_ms + 7_200_000
        ),
        "search: names": lambda: search("*-0012??"),
        "look again after one more": renew,
        "stats": lambda: cpu_ms(lambda: archive_stats(opened)),
        "what was imported, by the catalogue": lambda: cpu_ms(lambda: KnownSources(root)),
        "what was imported, by each recording": lambda: cpu_ms(each) * COUNT / 100,
        "expire, dry run": lambda: cpu_ms(
            lambda: expire_recordings(root, now_epoch_ms=middle_ms, older_than_ms=0, dry_run=True)
        ),
        "rm of one": lambda: cpu_ms(lambda: remove_recordings(root, [entry(next(gone)).name])),
    }
    taken = in_turn(ways, rounds)
    targets = {"open and list": 500.0} | {name: 1000.0 for name in ways if "search" in name}
    store = Counting({p: LocalStore(root).read(p) for p in ("zarr.json", CATALOGUE)})
    Archive(store).catalogue()
    return [
        plain("recordings", known, ""),
        plain("catalogue", size / 1e6, "MB"),
        below("reads for the list", store.reads, "", 1),
        *(
            below(name, median(each), "ms CPU", targets[name])
            if name in targets
            else plain(name, median(each), "ms CPU")
            for name, each in taken.items()
        ),
        plain("load", os.getloadavg()[0], ""),
    ]


def main() -> None:
    chosen = options(__doc__, rounds=5)
    folder = Path(tempfile.mkdtemp())
    try:
        report(measure(folder / "a.zarr", chosen.rounds), chosen.json)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
