"""Damage is found, named, and concealed if one wants; nothing else is harmed."""

import errno
import os
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from opuscule.archive import Damage, Recording, open_archive, prepare, reindex, verify
from opuscule.archive.storage import store
from opuscule.archive.storage.catalogue import CATALOGUE
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.errors import (
    ArchiveError,
    CorruptArchiveError,
    InvalidArgumentError,
    RecordingNotFoundError,
)
from opuscule.packets import Gap, GapKind, Packet

from .conftest import GAPS, Speech, voice_like, with_gaps, write
from .test_stores import objects


class Watched(dict[str, bytes]):
    """Objects, and which of them were read."""

    def __init__(self, held: dict[str, bytes]) -> None:
        super().__init__(held)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> bytes:
        self.read.add(key)
        return super().__getitem__(key)


@pytest.mark.row("X4")
def test_any_flipped_byte_is_an_error_or_changes_nothing(tmp_path: Path) -> None:
    encoder = StreamEncoder(48_000, 1, preset="voice", bitrate=12_000, dtx=False)
    speech = Speech(encoder, voice_like(24_000))
    items: list[Packet | Gap] = [*speech.packets[:10], Gap(9600, 1920, GapKind.LOST)]
    items += [
        Packet(n, p.time_samples + 1920, p.duration_samples, p.data)
        for n, p in enumerate(speech.packets[10:], 10)
    ]
    prepare(write(tmp_path / "a.zarr", "it", speech, iter(items)))
    held = Watched(objects(tmp_path / "a.zarr"))
    assert sum(map(len, held.values())) <= 8 << 10

    def look(objects: dict[str, bytes]) -> tuple[object, object, bytes]:
        opened = open_archive(objects)
        recording = opened["it"]
        audio = bytes(recording.extract(0, recording.info.total_samples))
        late = bytes(recording.extract(23_500, 23_900))  # by the second sync point
        assert recording.points is not None
        return dict(opened.catalogue()), recording.info, audio + late

    expected = look(held)
    # What is not read cannot do any harm.
    assert {name.rpartition("it/")[2] for name in held.read} == {
        "zarr.json",
        "catalogue.jsonl",
        "index/c/0",
        "points/c/0/0",
        "packets/c/0",
    }
    errors = 0
    draw = random.Random(0)
    for name in sorted(held.read):
        for place in range(len(held[name])):
            content = bytearray(held[name])
            content[place] ^= draw.choice([1, 2, 4, 8, 16, 32, 64, 128, 255])
            try:
                found = look({**held, name: bytes(content)})
            except ArchiveError:
                errors += 1
                continue
            assert found == expected, (name, place)
    assert errors > sum(len(held[name]) for name in held.read) / 2


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


@pytest.fixture
def chunked(tmp_path: Path, speech: Speech, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """A recording with gaps, of chunks of 1000 bytes."""
    monkeypatch.setattr(store, "CHUNK_BYTES", 1000)
    return write(tmp_path / "a.zarr", "it", speech, with_gaps(speech.packets, GAPS))


def test_damaged_packets_are_named_and_concealed(
    chunked: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    total = chunked.info.total_samples
    whole = np.asarray(chunked.extract(0, total))
    chunk = chunked.path / "packets" / "c" / "0"
    bad = 5_100, 12_500
    for place in bad:
        flip(chunk, place)
    with pytest.raises(CorruptArchiveError, match=r"bytes \d+ to \d+ are damaged"):
        chunked.extract(0, total)
    assert not chunked.damage
    found = np.asarray(chunked.extract(0, total, on_damage="conceal"))
    first, second = chunked.damage
    assert sum("are concealed" in message for message in caplog.messages) == 2
    size = 4 + zarr.open_array(chunked.path / "packets", mode="r").chunks[0]
    for one, at in ((first, bad[0] // size), (second, bad[1] // size)):
        packets = chunked.index.packets_within(at * (size - 4), (at + 1) * (size - 4))
        assert (one.first_packet, one.stop_packet) == packets
        assert 0 < one.stop_sample - one.start_sample < 60_000
    # What was before is as it was, and what is long behind sounds like it.
    assert np.array_equal(found[: first.start_sample], whole[: first.start_sample])
    assert not np.array_equal(found, whole)
    behind = slice(first.stop_sample + 48_000, second.start_sample)
    assert np.abs(found[behind].astype(int) - whole[behind]).max() < 200
    # Sequential decoding, along its own way, says the same.
    blocks = [np.asarray(b) for b in chunked.sequential(on_damage="conceal")]
    assert np.array_equal(np.concatenate(blocks), found)
    assert len(chunked.damage) == 2
    # Elsewhere nothing is to be reported.
    fresh = open_archive(chunked.path.parents[1])["it"]
    fresh.extract(0, 1000, on_damage="conceal", pre_roll_ms=0)
    assert fresh.damage == ()
    with pytest.raises(InvalidArgumentError, match="on_damage"):
        fresh.extract(0, 10, on_damage="ignore")  # type: ignore[arg-type] # that is the test


@pytest.mark.parametrize("how", ["missing", "cut"])
def test_a_lost_shard_can_be_concealed(chunked: Recording, how: str) -> None:
    chunk = chunked.path / "packets" / "c" / "0"
    chunk.write_bytes(chunk.read_bytes()[:3000])
    if how == "missing":
        chunk.unlink()
    total = chunked.info.total_samples
    with pytest.raises(CorruptArchiveError, match="missing" if how == "missing" else "cut off"):
        chunked.extract(0, total)
    assert chunked.extract(0, total, on_damage="conceal").shape == (total, 1)
    assert chunked.damage[-1].stop_packet == chunked.info.packets


def test_a_packet_that_is_none_is_concealed(tmp_path: Path, speech: Speech) -> None:
    packets = list(speech.packets)
    broken = packets[100]
    packets[100] = Packet(100, broken.time_samples, broken.duration_samples, b"\x03")
    recording = write(tmp_path / "a.zarr", "it", speech, iter(packets))
    lost = write(
        tmp_path / "b.zarr", "it", speech, with_gaps(speech.packets, {100: (1, GapKind.LOST)})
    )
    stop = 120 * 960
    found = recording.extract(0, stop, on_damage="conceal")
    assert recording.damage == (Damage(100, 101, 100 * 960 - 312, 101 * 960 - 312),)
    assert found == lost.extract(0, stop)


def test_points_that_are_damaged_are_an_error_until_they_are_dropped(chunked: Recording) -> None:
    prepare(chunked)
    whole = chunked.extract(200_000, 201_000)
    flip(chunked.path / "points" / "c" / "0" / "0", 40)
    again = open_archive(chunked.path.parents[1])["it"]
    with pytest.raises(CorruptArchiveError, match="points"):
        again.extract(200_000, 201_000)
    report = reindex(chunked.path.parents[1])
    assert report.lost == ()
    assert "prepare it again" in report.mended[0]
    again = open_archive(chunked.path.parents[1])["it"]
    assert again.points is None
    assert again.extract(200_000, 201_000) == whole
    assert not prepare(again).done_before


def test_an_index_is_mended_where_lengths_are_sound(tmp_path: Path, stereo: Speech) -> None:
    speech, path = stereo, tmp_path / "a.zarr"
    time = 0
    with RecordingWriter(path, "it", speech.format) as writer:
        for n, packet in enumerate(speech.packets):
            writer.add(Packet(n, time, packet.duration_samples, packet.data))
            time += packet.duration_samples
            if n == 50:
                merged = StreamEncoder(48_000, 2, preset="voice").push(bytes(4 * 960))[0]
                writer.add(Packet(n, time, merged.duration_samples, merged.data))
                time += merged.duration_samples
                writer.add(Gap(time, 480, GapKind.LOST))
                time += 480
        writer.finish(time)
    recording = open_archive(path)["it"]
    assert recording.info.packet_samples is None
    prepare(recording)
    whole = recording.extract(0, recording.info.total_samples)
    chunk = recording.path / "index" / "c" / "0"
    sound = chunk.read_bytes()
    sections = recording._contents.index_sections()
    mends = [
        sections["lengths_bytes"] + 5,  # a duration
        len(sound) - 1,  # the checksum
    ]
    for place in mends:
        chunk.write_bytes(sound)
        flip(chunk, place)
        with pytest.raises(CorruptArchiveError, match="reindex"):
            open_archive(path)["it"].extract(0, 10)
        report = reindex(path)
        assert (report.lost, report.recordings) == ((), 1)
        assert "rebuilt" in report.mended[0]
        assert chunk.read_bytes() == sound
        again = open_archive(path)["it"]
        assert again.points is None
        assert again.extract(0, recording.info.total_samples) == whole
        assert verify(again, ranges=2).ok
    loses = [
        5,  # a length
        len(sound) - 4 - 16,  # a gap's duration
    ]
    for place in loses:
        chunk.write_bytes(sound)
        flip(chunk, place)
        report = reindex(path)
        assert report.mended == ()
        assert "index" in report.lost[0]
        assert report.recordings == 1
    chunk.unlink()
    assert "index" in reindex(path).lost[0]


def test_one_damaged_recording_harms_no_other(tmp_path: Path, speech: Speech) -> None:
    path = tmp_path / "a.zarr"
    for name in ("bad", "good"):
        write(path, name, speech, iter(speech.packets))
    flip(path / "recordings" / "bad" / "zarr.json", 200)
    opened = open_archive(path)
    assert list(opened) == ["bad", "good"]
    with pytest.raises(ArchiveError, match="bad"):
        opened["bad"]
    assert verify(opened["good"], ranges=2).ok
    report = reindex(path)
    assert (report.recordings, len(report.lost)) == (1, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, speech: Speech) -> None:
    path = tmp_path / "a.zarr"
    write(path, "there", speech, iter(speech.packets))
    before = objects(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RecordingWriter(path, "new", speech.format) as writer:
        for packet in speech.packets:
            writer.add(packet)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large") as caught:
                writer.finish(speech.end_samples)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert objects(path) == before
    assert list(open_archive(path)) == ["there"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can read."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(sys.platform == "win32", reason="rights are POSIX")
def test_a_read_only_archive_is_read(open_folder: Path, speech: Speech) -> None:
    path = open_folder / "a.zarr"
    recording = write(path, "it", speech, iter(speech.packets))
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o555)
    if os.getuid() == 0:
        os.seteuid(65_534)  # root may write anything
    try:
        assert verify(open_archive(path)["it"], ranges=2).ok
        with pytest.raises(OSError, match=r"\.incoming"):
            prepare(recording)
        with pytest.raises(OSError, match=r"\.incoming"):
            RecordingWriter(path, "new", speech.format)
        assert list(open_archive(path)) == ["it"]
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for folder, _, _ in os.walk(path):
            Path(folder).chmod(0o755)


def test_a_recording_taken_away_under_a_reader_is_an_error(tmp_path: Path, speech: Speech) -> None:
    recording = write(tmp_path / "a.zarr", "it", speech, iter(speech.packets))
    assert recording.extract(0, 10).shape == (10, 1)
    shutil.rmtree(recording.path)
    for on_damage in ("raise", "conceal"):
        with pytest.raises(RecordingNotFoundError, match="was removed after it was opened"):
            recording.extract(0, 10, on_damage=on_damage)
    assert (tmp_path / "a.zarr" / CATALOGUE).exists()
