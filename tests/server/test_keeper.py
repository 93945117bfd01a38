"""What is kept, while there is much to seal."""

import asyncio
import logging
import shutil
from pathlib import Path

import pytest

from opuscule.archive import open_archive
from opuscule.errors import ArchiveError
from opuscule.journal import Durable, Journal
from opuscule.packets import Packet, StreamFormat
from opuscule.server import Keeper

FORM = StreamFormat(1, 312, 16_000)
TONE = b"\x08" + bytes(40)
LEFT_BEHIND = 30


def packet(number: int) -> Packet:
    return Packet(number, number * 960, 960, TONE)


def leave_behind(folder: Path) -> None:
    """What a server leaves that is killed while many devices speak."""
    with Journal(folder / "journal") as journal:
        for number in range(LEFT_BEHIND):
            journal.begin(f"old-{number}", FORM, {})
            for k in range(50):
                journal.append(f"old-{number}", packet(k), arrived_us=0)


def test_what_was_left_behind_does_not_hold_up_what_is_said_now(tmp_path: Path) -> None:
    leave_behind(tmp_path)

    async def go() -> None:
        stored = asyncio.Event()

        def note(name: str, durable: Durable) -> None:
            if name == "new" and durable.ended:
                stored.set()

        keeper = Keeper(tmp_path, note)

        def waiting() -> int:
            names = (f"old-{k}" for k in range(LEFT_BEHIND))
            return sum(not (keeper.archive / "recordings" / name).exists() for name in names)

        await keeper.start()
        while waiting() == LEFT_BEHIND:  # noqa: ASYNC110 - a folder sets no event
            await asyncio.sleep(0)
        begun = waiting()
        keeper.begin("new", FORM, {})
        keeper.append("new", packet(0), 0.0, backfill=False, discontinuity=False)
        keeper.end("new", 960)
        await stored.wait()
        # A flush had its turn after a few of them and not after all.
        assert waiting() > begun - 10
        await keeper.close()
        assert len(open_archive(keeper.archive)) == LEFT_BEHIND + 1

    asyncio.run(asyncio.wait_for(go(), 120))


def test_what_a_seal_makes_durable_is_told(tmp_path: Path) -> None:
    """Before a recording is sealed, the journal is flushed, with all that others said meanwhile."""

    async def go() -> None:
        told: dict[str, Durable] = {}
        keeper = Keeper(tmp_path, told.__setitem__)
        # It is not started, so that nothing else flushes.
        for name in ("old", "new"):
            keeper.begin(name, FORM, {})
            keeper.append(name, packet(0), 0.0, backfill=False, discontinuity=False)
        keeper.end("new", 960)
        keeper.interrupt("old")
        await keeper.sealed("old")
        assert told.keys() == {"old", "new"}
        assert told["new"].ended
        await keeper.sealed("new")
        await keeper.close()

    asyncio.run(asyncio.wait_for(go(), 120))


def test_closing_waits_for_no_flush_that_is_due(tmp_path: Path) -> None:
    async def go() -> None:
        for end in (True, False):
            name = f"last-{end}"
            keeper = Keeper(tmp_path, lambda *_: None)
            await keeper.start()
            keeper.begin(name, FORM, {})
            keeper.append(name, packet(0), 0.0, backfill=False, discontinuity=False)
            if end:
                keeper.end(name, 960)
            await asyncio.sleep(0)
            await keeper.close()
            assert open_archive(keeper.archive)[name].info.packets == 1

    asyncio.run(asyncio.wait_for(go(), 120))


@pytest.mark.parametrize(
    ("first", "end"),
    [((0, 0), 0), ((0, 0), 100), ((0, 0), 1 << 30), ((1 << 48, 1 << 48), (1 << 48) + 960)],
)
def test_any_place_that_the_protocol_allows_can_be_sealed(
    tmp_path: Path, first: tuple[int, int], end: int
) -> None:
    async def go() -> None:
        keeper = Keeper(tmp_path, lambda *_: None)
        await keeper.start()
        for name, packets in (("some", 3), ("none", 0)):
            keeper.begin(name, FORM, {})
            for k in range(packets):
                place = Packet(first[1] + k, first[0] + k * 960, 960, TONE)
                keeper.append(name, place, 0.0, backfill=False, discontinuity=False)
            keeper.end(name, end)
            await keeper.sealed(name)
        await keeper.close()
        archive = open_archive(keeper.archive)
        assert [archive[name].info.packets for name in ("some", "none")] == [3, 0]

    asyncio.run(asyncio.wait_for(go(), 120))


def test_a_disk_that_stays_full_is_not_said_at_every_attempt(tmp_path: Path) -> None:
    said: list[str] = []
    log = logging.getLogger("opuscule.server.keeper")

    async def go() -> None:
        first, stored = asyncio.Event(), asyncio.Event()

        class Reader(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                said.append(record.getMessage())
                first.set()

        reader = Reader()
        log.addHandler(reader)
        keeper = Keeper(tmp_path, lambda name, durable: stored.set())
        shutil.rmtree(tmp_path / "journal")
        await keeper.start()
        keeper.begin("new", FORM, {})
        keeper.append("new", packet(0), 0.0, backfill=False, discontinuity=False)
        await first.wait()
        await asyncio.sleep(1)  # in which it is tried again
        (tmp_path / "journal").mkdir()
        await stored.wait()
        await keeper.close()
        log.removeHandler(reader)

    asyncio.run(asyncio.wait_for(go(), 120))
    assert len(said) == 2
    assert "not durable" in said[0]
    assert said[1] == "the journal is written again"


def test_what_is_broken_off_while_the_disk_is_full_is_sealed_when_there_is_room(
    tmp_path: Path,
) -> None:
    async def go() -> None:
        keeper = Keeper(tmp_path, lambda *_: None)
        shutil.rmtree(tmp_path / "journal")
        await keeper.start()
        keeper.begin("new", FORM, {})
        keeper.append("new", packet(0), 0.0, backfill=False, discontinuity=False)
        keeper.interrupt("new")
        with pytest.raises(ArchiveError, match=r"new could not be sealed: .*not durable"):
            await keeper.sealed("new")
        (tmp_path / "journal").mkdir()
        while not (keeper.archive / "recordings" / "new").exists():  # noqa: ASYNC110 - a folder sets no event
            await asyncio.sleep(0.05)
        await keeper.sealed("new")
        assert not open_archive(keeper.archive)["new"].info.complete
        await keeper.close()

    asyncio.run(asyncio.wait_for(go(), 120))


def test_why_something_could_not_be_sealed_is_said_to_people(tmp_path: Path) -> None:
    async def go() -> None:
        keeper = Keeper(tmp_path, lambda *_: None)
        shutil.rmtree(keeper.archive / "recordings", ignore_errors=True)
        (keeper.archive / "recordings").touch()  # where a folder ought to be
        await keeper.start()
        keeper.begin("new", FORM, {})
        keeper.append("new", packet(0), 0.0, backfill=False, discontinuity=False)
        keeper.end("new", 960)
        with pytest.raises(ArchiveError, match="new could not be sealed: ") as caught:
            await keeper.sealed("new")
        assert "Errno" not in str(caught.value)
        await keeper.close()

    asyncio.run(asyncio.wait_for(go(), 60))
