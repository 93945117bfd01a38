"""Recorders that are killed, files that are continued, files that are repaired."""

import io
import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.containers.ogg import OggReader, OggWriter, read_links, repair
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    TruncatedError,
    UnsupportedFormatError,
)
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

pytestmark = pytest.mark.row("R5")

MONO = StreamFormat(channels=1, pre_skip_samples=312, input_rate=16_000)


def voice(number: int, time_samples: int | None = None, size: int = 60) -> Packet:
    """A packet of 20 ms that differs from its neighbours; not meant to be decoded."""
    time = number * 960 if time_samples is None else time_samples
    data = bytes([9 << 3]) + (number.to_bytes(2, "big") * (size // 2 + 1))[: size - 1]
    return Packet(number, time, 960, data)


def written(count: int, serial: int = 1, end: int | None = None, page: int = 9600) -> bytes:
    file = io.BytesIO()
    writer = OggWriter(file, MONO, serial=serial, page_samples=page, comments=[("A", "é")])
    writer.write_all(voice(i) for i in range(count))
    writer.close(end)
    return file.getvalue()


def data_of(source: bytes) -> list[bytes]:
    items = [item for link in read_links(io.BytesIO(source)) for item in link]
    return [item.data for item in items if isinstance(item, Packet)]


RECORDER = """
import sys
from opuscule import Packet, StreamFormat
from opuscule.containers.ogg import OggWriter

with open(sys.argv[1], "wb") as file:
    writer = OggWriter(file, StreamFormat(1, 312, 16_000))
    for number in range(100_000):
        writer.write(Packet(number, number * 960, 960, bytes([72]) + number.to_bytes(4, "big")))
        print(number, flush=True)
        sys.stdin.readline()
"""


def test_a_recorder_that_is_killed_leaves_all_but_the_last_second(tmp_path: Path) -> None:
    path = tmp_path / "live.opus"
    recorder = subprocess.Popen(
        [sys.executable, "-c", RECORDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert recorder.stdin
    assert recorder.stdout
    with recorder:
        for expected in range(437):
            assert int(recorder.stdout.readline()) == expected
            if expected < 436:
                recorder.stdin.write(b"\n")
                recorder.stdin.flush()
        recorder.send_signal(signal.SIGKILL)
    assert recorder.returncode == -signal.SIGKILL
    with path.open("rb") as file:
        reader = OggReader(file)
        times = [item.time_samples for item in reader if isinstance(item, Packet)]
    assert times == [i * 960 for i in range(len(times))]
    assert len(times) > 437 - 51
    assert (reader.truncated, reader.skipped) == (True, {})
    # Other players read it too.
    with av.open(str(path)) as container:
        assert sum(1 for packet in container.demux(audio=0) if packet.size) == len(times)
    # And the recorder goes on where it was.
    with path.open("r+b") as file:
        writer = OggWriter.append(file)
        assert writer.end_samples == len(times) * 960
        resumed = writer.end_samples + 4800
        writer.write_all(voice(i, resumed + i * 960) for i in range(30))
        writer.close()
    with path.open("rb") as file:
        reader = OggReader(file)
        items = list(reader)
    assert [i for i in items if isinstance(i, Gap)] == [Gap(len(times) * 960, 4800, GapKind.LOST)]
    assert len(items) == len(times) + 31
    assert (reader.truncated, reader.skipped) == (False, {})


@pytest.mark.parametrize("size", [60, 1275, 40_000])
def test_a_file_cut_anywhere_goes_on(size: int) -> None:
    """As if it had not been cut, but for what was lost."""
    whole = io.BytesIO()
    writer = OggWriter(whole, MONO, serial=5, page_samples=4800)
    count = 12 if size == 40_000 else 60
    writer.write_all(voice(i, size=size) for i in range(count))
    writer.close()
    data = whole.getvalue()
    first_audio = data.index(b"OggS", data.index(b"OpusTags"))
    draw = random.Random(size)
    for length in {first_audio, *(draw.randrange(first_audio, len(data)) for _ in range(40))}:
        file = io.BytesIO(data[:length])
        kept = data_of(data[:length])
        appended = OggWriter.append(file)
        assert appended.end_samples == len(kept) * 960
        appended.write_all(voice(i, size=size) for i in range(len(kept), count))
        appended.close()
        reader = OggReader(io.BytesIO(file.getvalue()))
        assert list(reader) == [voice(i, size=size) for i in range(count)]
        assert (reader.end_samples, reader.truncated, reader.skipped) == (count * 960, False, {})


def test_the_beginning_of_a_packet_without_its_end_is_removed() -> None:
    # Other muxers let packets span pages; the second page here begins one that never ends.
    data = spanning(written(20, page=960))
    assert "partial_packet" in faults(data)
    file = io.BytesIO(data)
    writer = OggWriter.append(file)
    writer.write(voice(77, writer.end_samples))
    writer.close()
    assert faults(file.getvalue()) == {}
    assert data_of(file.getvalue())[-1] == voice(77).data


def spanning(data: bytes) -> bytes:
    """Make the last page that is kept end in the middle of a packet."""
    pages = [b"OggS" + rest for rest in data.split(b"OggS")[1:]]
    page = bytearray(pages[5])
    page[26] += 1
    page = page[: 27 + page[26] - 1] + b"\xff" + page[27 + page[26] - 1 :] + bytes(255)
    return b"".join(pages[:5]) + with_checksum(page)


def with_checksum(page: bytearray) -> bytes:
    page[22:26] = bytes(4)
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    page[22:26] = crc.to_bytes(4, "little")
    return bytes(page)


def faults(data: bytes) -> dict[str, tuple[int, int]]:
    found = {}
    for link in read_links(io.BytesIO(data)):
        list(link)
        found.update(link.skipped)
    return found


def test_the_last_link_of_a_chain_goes_on_and_a_finished_one_does_not() -> None:
    one, two = written(20, 1), written(30, 2)
    file = io.BytesIO(one + two[:-50])
    writer = OggWriter.append(file)
    writer.close()
    assert file.getvalue().startswith(one)
    ends = [link.end_samples for link in read_links(io.BytesIO(file.getvalue()))]
    assert ends[0] == 20 * 960
    assert len(ends) == 2
    with pytest.raises(InvalidArgumentError, match="finished"):
        OggWriter.append(io.BytesIO(one))
    with pytest.raises(TruncatedError, match="headers"):
        OggWriter.append(io.BytesIO(one[:60]))
    with pytest.raises(InvalidArgumentError, match="runs beside"):
        OggWriter.append(io.BytesIO(beside(one, two[:-50])))


def beside(one: bytes, two: bytes) -> bytes:
    """A file of another kind of stream and one of Opus, which is cut."""
    other = bytearray(one[:47])
    other[28:36] = b"\x80theora "
    return with_checksum(other) + two


def sound(data: bytes) -> bool:
    return repair(io.BytesIO(data)).sound


def test_a_sound_file_has_nothing_to_repair() -> None:
    for data in (
        written(100),
        written(1),
        written(60, end=60 * 960 - 900),
        written(5) + written(9, 2),
    ):
        done = repair(io.BytesIO(data))
        assert done.sound
        assert done.dropped_bytes == 0


@given(
    count=st.integers(1, 80),
    flips=st.lists(st.floats(0, 1, exclude_max=True), max_size=4),
    drop=st.lists(st.integers(2, 20), max_size=3, unique=True),
    cut=st.floats(0.3, 1),
    chained=st.booleans(),
)
def test_repair_keeps_every_packet_and_its_time(
    count: int, flips: list[float], drop: list[int], cut: float, chained: bool
) -> None:
    source = written(count, end=count * 960 - 30)
    pages = [b"OggS" + rest for rest in source.split(b"OggS")[1:]]
    broken = bytearray(b"".join(page for n, page in enumerate(pages) if n not in drop))
    if chained:
        broken += written(7, 2)
    headers = sum(map(len, pages[:2]))
    broken = broken[: max(headers, int(len(broken) * cut))]
    for share in flips:
        if len(broken) > headers:
            broken[headers + int(share * (len(broken) - headers))] ^= 32
    before = read(bytes(broken))
    target = io.BytesIO()
    done = repair(io.BytesIO(bytes(broken)), target)
    after = read(target.getvalue())
    assert sound(target.getvalue())
    assert [serial for serial, _, _ in after] == [serial for serial, _, _ in before]
    for (_, old, end), (_, new, new_end) in zip(before, after, strict=True):
        kept = [[i for i in items if isinstance(i, Packet)] for items in (old, new)]
        assert [i.data for i in kept[0]] == [i.data for i in kept[1]]
        moved = [a.time_samples - b.time_samples for a, b in zip(*kept, strict=True)]
        # Behind a hole whose length a trimmed end hides, if at all.
        assert all(0 <= early <= done.moved_samples < 120 for early in moved)
        assert 0 <= max(end, 312) - new_end <= done.moved_samples
    again = repair(io.BytesIO(target.getvalue()))
    assert [link.payload_sha256 for link in again.links] == [
        link.payload_sha256 for link in done.links
    ]
    assert again.dropped_bytes == 0


def read(data: bytes) -> list[tuple[int, list[Packet | Gap], int]]:
    links = read_links(io.BytesIO(data))
    return [(link.serial, list(link), link.end_samples) for link in links]


def test_headers_and_start_stay_as_they_are() -> None:
    file = io.BytesIO()
    form = StreamFormat(2, 100, 44_100, gain_q8=-300)
    writer = OggWriter(
        file, form, serial=8, vendor="someone", comments=[("A", "1")], start_granule=96_000
    )
    writer.write_all(voice(i) for i in range(99))
    # Comments that we would not write: no name, no '=', no UTF-8.
    data = file.getvalue()
    pages = [bytearray(b"OggS" + rest) for rest in data.split(b"OggS")[1:]]
    at = pages[1].index(b"A=1")
    pages[1][at : at + 3] = b"\xff=="
    data = with_checksum(pages[1]).join([bytes(pages[0]), b"".join(map(bytes, pages[2:]))])
    target = io.BytesIO()
    done = repair(io.BytesIO(data), target)
    assert done.links[0].truncated
    reader = OggReader(io.BytesIO(target.getvalue()))
    assert reader.raw_comments == (b"someone", [b"\xff=="])
    assert (reader.format, reader.serial) == (form, 8)
    assert len(list(reader)) == len(data_of(data)) == done.links[0].packets
    assert reader.start_granule == 96_000


def test_other_streams_are_not_left_out_unasked() -> None:
    data = beside(written(20, 1), written(30, 2)[:-50])
    target = io.BytesIO()
    assert not repair(io.BytesIO(data)).sound
    with pytest.raises(UnsupportedFormatError, match="other kinds"):
        repair(io.BytesIO(data), target)
    target = io.BytesIO()
    assert repair(io.BytesIO(data), target, opus_only=True).links[0].packets > 0
    assert sound(target.getvalue())


def opuscule(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("opuscule", path=str(Path(sys.executable).parent))
    assert program, "the package is installed where its tests run"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_the_command(tmp_path: Path) -> None:
    data = bytearray(written(500, page=48_000, end=500 * 960 - 7))
    data[len(data) // 2] ^= 1
    broken, fixed = tmp_path / "a.opus", tmp_path / "a.repaired.opus"
    broken.write_bytes(data[:-100])
    said = opuscule("repair", broken)
    assert (said.returncode, said.stderr) == (0, "")
    assert "1 gaps" in said.stdout
    assert "its end was missing" in said.stdout
    assert data_of(fixed.read_bytes()) == data_of(bytes(data[:-100]))
    assert broken.read_bytes() == data[:-100], "the damaged file is kept"
    with av.open(str(fixed)) as container:
        lengths = [packet.duration or 0 for packet in container.demux(audio=0) if packet.size]
    assert (
        sum(lengths)
        == OggReader(io.BytesIO(fixed.read_bytes())).format.pre_skip_samples * 0
        + (read(fixed.read_bytes())[0][2])
    )
    report = json.loads(opuscule("repair", broken, tmp_path / "b.opus", "--json").stdout)
    assert report["sound"] is False
    assert report["links"][0]["faults"]["damage"][0] == 2
    assert (tmp_path / "b.opus").read_bytes() == fixed.read_bytes()
    report = json.loads(opuscule("repair", fixed, tmp_path / "c.opus", "--json").stdout)
    assert (report["sound"], report["target"]) == (True, None)
    assert "is sound; nothing was written" in opuscule("repair", fixed).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.opus",
        "a.repaired.opus",
        "b.opus",
    ]


def test_what_the_command_cannot_repair(tmp_path: Path) -> None:
    other = tmp_path / "x.opus"
    for content, reason in (
        (b"", "is empty"),
        (b"RIFF" * 99, "not an Ogg file"),
        (written(9)[:70], "headers"),
        (beside(written(20, 1), written(30, 2)[:-50]), "other kinds"),
    ):
        other.write_bytes(content)
        said = opuscule("repair", other)
        assert said.returncode == 1
        assert reason in said.stderr
        assert len(said.stderr.splitlines()) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["x.opus"]


def test_a_gap_that_no_file_can_hold_is_refused() -> None:
    pages = [bytearray(b"OggS" + rest) for rest in written(30).split(b"OggS")[1:]]
    pages[-1][6:14] = (48_000 * 3600 * 24 * 2).to_bytes(8, "little")
    data = b"".join(map(bytes, pages[:-1])) + with_checksum(pages[-1])
    assert not sound(data)
    with pytest.raises((InvalidArgumentError, FormatError), match="a day"):
        repair(io.BytesIO(data), io.BytesIO())
