"""What is written is there at once and whole or not at all, and reads the same with zarr-python."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from opuscule.archive.reading.archive import open_archive
from opuscule.archive.storage import store
from opuscule.archive.storage.documents import checksum, read_document
from opuscule.archive.storage.local import StoredArray
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.archive.upkeep.prepare import prepare
from opuscule.errors import (
    CorruptArchiveError,
    InvalidArgumentError,
    NotAnArchiveError,
    RecordingExistsError,
    RecordingNotFoundError,
)
from opuscule.packets import Gap, GapKind, Packet, StreamFormat

from .conftest import GAPS, Speech, with_gaps, write

FORMAT = StreamFormat(1, 312, 48_000)
BIG = [Packet(n, n * 960, 960, b"\xf8" + bytes([n % 251]) * (n % 1275)) for n in range(4000)]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of several chunks."""
    path = tmp_path_factory.mktemp("big") / "a.zarr"
    with RecordingWriter(path, "big", FORMAT) as writer:
        for packet in BIG:
            writer.add(packet)
        writer.finish(BIG[-1].end_samples)
    return path


def stored(recording: Path, name: str) -> StoredArray:
    place = Place(LocalStore(recording), name)
    return StoredArray(place, read_document(place, "array"))


@pytest.mark.parametrize("name", ["plain", "gappy", "stereo"])
@pytest.mark.parametrize("array", ["packets", "index"])
def test_zarr_python_and_the_local_reader_agree(archive: Path, name: str, array: str) -> None:
    group = zarr.open_group(archive, mode="r")
    theirs = group[f"recordings/{name}/{array}"]
    assert isinstance(theirs, zarr.Array)
    ours = stored(archive / "recordings" / name, array)
    assert ours.shape == theirs.shape
    assert ours.read(0, ours.size_bytes) == np.asarray(theirs[...]).tobytes()


def test_zarr_python_takes_the_metadata_that_is_inline(tmp_path: Path, speech: Speech) -> None:
    recording = write(tmp_path / "a.zarr", "plain", speech, iter(speech.packets))
    prepare(recording)
    group = zarr.open_group(recording.path, mode="r", use_consolidated=True)
    for name in ("packets", "index", "points"):
        (recording.path / name / "zarr.json").unlink()  # all of it is in the group's
    theirs = {name: np.asarray(member[...]) for name, member in group.arrays()}
    assert theirs.keys() == {"packets", "index", "points"}
    assert theirs["packets"].tobytes() == b"".join(p.data for p in speech.packets)
    assert theirs["points"].shape[1] == 4


def test_ranges_across_chunks_and_shards_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHARD_BYTES", 100_000)
    monkeypatch.setattr(store, "CHUNK_BYTES", 10_000)
    with RecordingWriter(tmp_path / "a.zarr", "big", FORMAT) as writer:
        for packet in BIG:
            writer.add(packet)
        writer.finish(BIG[-1].end_samples)
    folder = tmp_path / "a.zarr" / "recordings" / "big"
    theirs = zarr.open_array(folder / "packets", mode="r")
    whole = b"".join(packet.data for packet in BIG)
    assert theirs.shards is not None
    (shard,), (chunk,) = theirs.shards, theirs.chunks
    assert shard < len(whole) / 20
    assert chunk < shard / 5
    ours = stored(folder, "packets")
    ours.check_shards()
    for start, stop in [
        (0, 1),
        (0, chunk),
        (chunk - 1, chunk + 1),
        (chunk, 2 * chunk),
        (shard - 1, shard + 1),
        (5, 5 * shard),
        (len(whole) - 1, len(whole)),
        (0, len(whole)),
    ]:
        assert (
            ours.read(start, stop) == whole[start:stop] == np.asarray(theirs[start:stop]).tobytes()
        )
    with pytest.raises(CorruptArchiveError, match="it has"):
        ours.read(0, len(whole) + 1)
    assert [p.data for p in open_archive(tmp_path / "a.zarr")["big"].packets()] == [
        p.data for p in BIG
    ]


def test_chunks_are_equal_so_that_little_is_padded(big: Path) -> None:
    files = list((big / "recordings/big/packets/c").iterdir())
    size = sum(len(packet.data) for packet in BIG)
    chunks = -(-size // (16 << 10))
    assert size <= sum(file.stat().st_size for file in files) <= size + 21 * chunks + 4


def test_packets_come_back_with_their_times(archive: Path, speech: Speech) -> None:
    opened = open_archive(archive)
    assert sorted(opened) == ["gappy", "plain", "stereo"]
    assert len(opened) == 3
    plain, gappy = opened["plain"], opened["gappy"]
    assert list(plain.packets()) == speech.packets
    assert list(plain.packets(250, 260)) == speech.packets[250:260]
    items = list(with_gaps(speech.packets, GAPS))
    kept = [item for item in items if isinstance(item, Packet)]
    for first, stop in [(0, None), (0, 1), (57, 300), (len(kept), None)]:
        found = list(gappy.packets(first, stop))
        assert [(p.time_samples, p.data) for p in found] == [
            (p.time_samples, p.data) for p in kept[first:stop]
        ]
    assert gappy.gaps == tuple(item for item in items if isinstance(item, Gap))
    assert gappy.info.gaps["discontinuity"] == {"count": 1, "samples": 2880}
    assert gappy.info.format == speech.format
    with pytest.raises(InvalidArgumentError, match="there are 601"):
        plain.packets(0, 602)
    with pytest.raises(RecordingNotFoundError, match="'none'"):
        opened["none"]
    assert "../a.zarr" not in opened


@pytest.mark.row("Z5")
def test_the_index_of_a_real_recording_is_small(archive: Path) -> None:
    # Below 2 % where a packet has 50 bytes or more, as at 24 kb/s.
    assert stored(archive / "recordings" / "plain", "index").size_bytes < 601


def test_reading_and_writing_import_neither_zarr_nor_numpy(archive: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['zarr'] = sys.modules['numpy'] = None\n"
        "from opuscule.archive import open_archive, prepare, verify\n"
        "from opuscule.archive.storage.writer import RecordingWriter\n"
        "recording = open_archive(sys.argv[1])['gappy']\n"
        "assert recording.extract(0, 48000).shape == (48000, 1)\n"
        "assert verify(recording, ranges=2).ok\n"
        "with RecordingWriter(sys.argv[2], 'copy', recording.info.format) as writer:\n"
        "    for packet in recording.packets(0, 1):\n"
        "        writer.add_packets(packet.data, [len(packet.data)], [960], 0)\n"
        "    writer.finish(960)\n"
        "assert prepare(open_archive(sys.argv[2])['copy']).points == 1\n"
    )
    arguments = [str(archive), str(tmp_path / "new.zarr")]
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path, speech: Speech) -> None:
    path = tmp_path / "a.zarr"

    def interrupted() -> None:
        with RecordingWriter(path, "a", FORMAT) as writer:
            writer.add(speech.packets[0])
            assert (path / ".incoming").exists()
            assert list(open_archive(path)) == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not path.exists()


def test_a_name_is_given_once(tmp_path: Path, speech: Speech) -> None:
    path = tmp_path / "a.zarr"
    first = RecordingWriter(path, "a", FORMAT)
    second = RecordingWriter(path, "a", FORMAT)
    for writer in (first, second):
        writer.add(speech.packets[0])
    first.finish(960)
    with pytest.raises(RecordingExistsError, match="another name"):
        second.finish(960)
    second.abort()
    with pytest.raises(RecordingExistsError, match="another name"):
        RecordingWriter(path, "a", FORMAT)
    assert [p.data for p in open_archive(path)["a"].packets()] == [speech.packets[0].data]
    assert not (path / ".incoming").exists()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a\n", "x" * 129, "é", ".."])
def test_names_that_are_no_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="cannot name a recording"):
        RecordingWriter(tmp_path / "a.zarr", name, FORMAT)


def test_an_empty_recording_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    with RecordingWriter(path, "nothing", FORMAT) as writer:
        writer.finish(0)
    with RecordingWriter(path, "gap", FORMAT) as writer:
        writer.add(Gap(0, 4800, GapKind.LOST))
        writer.finish(4800)
    nothing, gap = open_archive(path)["nothing"], open_archive(path)["gap"]
    assert list(nothing.packets()) == []
    assert list(nothing.sequential()) == []
    with pytest.raises(InvalidArgumentError, match="within 0 to 0"):
        nothing.extract(0, 1)
    assert bytes(gap.extract(0, 4488)) == bytes(2 * 4488)


def test_an_end_beyond_what_there_is_is_refused(tmp_path: Path, speech: Speech) -> None:
    with RecordingWriter(tmp_path / "a.zarr", "a", FORMAT) as writer:
        writer.add(speech.packets[0])
        with pytest.raises(InvalidArgumentError, match="reach from 0 to 960"):
            writer.finish(961)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("source", [{"x": b"bytes"}, {"x": "y" * (9 << 20)}, {"x": float("nan")}])
def test_what_a_reader_would_not_take_is_not_written(
    tmp_path: Path, source: dict[str, object]
) -> None:
    writer = RecordingWriter(tmp_path / "a.zarr", "a", FORMAT)
    with writer, pytest.raises(InvalidArgumentError, match="JSON"):
        writer.finish(0, source=source)
    assert not (tmp_path / "a.zarr").exists()


KILLED = """
import sys
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.packets import Packet, StreamFormat
for number in range(1000):
    with RecordingWriter(sys.argv[1], f"r{number}", StreamFormat(1, 0, 48000)) as writer:
        for n in range(300):
            writer.add(Packet(n, n * 960, 960, b"\\xf8" + bytes([n % 256]) * 400))
        print(number, flush=True)
        writer.finish(300 * 960)
"""


@pytest.mark.row("X3")
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_a_killed_writer_leaves_no_half_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    whole = 0
    for attempt in range(6):
        shutil.rmtree(path, ignore_errors=True)
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
        # Somewhere in the finishing of the second one, or after it.
        time.sleep(attempt * 0.006)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        opened = open_archive(path)
        for name in opened:
            assert len(list(opened[name].packets())) == 300
            whole += 1
        assert whole
    # The next writer clears away what the killed ones left.
    with RecordingWriter(path, "next", FORMAT) as writer:
        assert [p.name.split(".")[0] for p in (path / ".incoming").iterdir()] == ["next"]
        writer.finish(0)
    assert not (path / ".incoming").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnArchiveError, match="it has no zarr"):
        open_archive(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotAnArchiveError):
        open_archive(tmp_path / "file")
    with pytest.raises(NotAnArchiveError, match="choose another place"):
        RecordingWriter(tmp_path, "a", FORMAT)
    zarr.open_group(tmp_path / "other", mode="w")
    with pytest.raises(NotAnArchiveError, match="opuscule-archive"):
        open_archive(tmp_path / "other")


@pytest.fixture
def copy(tmp_path: Path, speech: Speech) -> Path:
    """A recording to be spoilt."""
    return write(tmp_path / "a.zarr", "plain", speech, with_gaps(speech.packets, GAPS)).path


def change(path: Path, *keys: str | int, value: object) -> None:
    document = json.loads((path / "zarr.json").read_text())
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    if "consolidated_metadata" in document:
        own = document["attributes"]["opuscule"]
        own["checksum"] = checksum(own, document["consolidated_metadata"]["metadata"])
    (path / "zarr.json").write_text(json.dumps(document))


INLINE = ("consolidated_metadata", "metadata", "packets")


def test_a_later_version_is_refused_by_name(copy: Path) -> None:
    change(copy, "attributes", "opuscule", "version", value=2)
    with pytest.raises(NotAnArchiveError, match="version 2; this release reads up to 1"):
        open_archive(copy.parents[1])["plain"]
    change(copy.parents[1], "attributes", "opuscule", "version", value=9)
    with pytest.raises(NotAnArchiveError, match="install a newer"):
        open_archive(copy.parents[1])


def test_what_is_unknown_and_optional_is_ignored(copy: Path) -> None:
    change(copy, "attributes", "opuscule", "later", value=[1])
    change(copy, *INLINE, "later", value={"must_understand": False})
    assert open_archive(copy.parents[1])["plain"].extract(0, 10).shape == (10, 1)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["codecs"], [{"name": "bytes"}, {"name": "zstd", "configuration": {"level": 1}}]),
        (["codecs"], [{"name": "bytes"}]),
        (["codecs"], [{"name": "sharding_indexed", "configuration": {}}]),
        (["codecs", 0, "configuration", "index_location"], "start"),
        (["codecs", 0, "configuration", "codecs"], [{"name": "bytes"}]),
        (["codecs", 0, "configuration", "index_codecs", 0, "configuration", "endian"], "big"),
        (["codecs", 0, "configuration", "chunk_shape"], [7]),
        (["chunk_grid"], {"name": "rectilinear"}),
        (["chunk_key_encoding"], {"name": "v2"}),
        (["chunk_key_encoding", "configuration", "separator"], "."),
        (["storage_transformers"], [{"name": "x"}]),
        (["data_type"], "float64"),
        (["data_type"], "uint16"),
        (["later"], {"must_understand": True}),
        (["zarr_format"], 2),
        (["node_type"], "group"),
    ],
)
def test_storage_that_is_not_known_is_refused_by_name(
    copy: Path, keys: list[str | int], value: object
) -> None:
    change(copy, *INLINE, *keys, value=value)
    with pytest.raises(NotAnArchiveError, match=str(copy / "packets")):
        open_archive(copy.parents[1])["plain"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("channels", 3),
        ("channels", "1"),
        ("gain_q8", 40_000),
        ("packets", -1),
        ("packets", True),
        ("total_samples", 1),
        ("packet_samples", 1),
        ("complete", None),
        ("payload_sha256", 5),
        ("comments", [["a"]]),
        ("source", []),
        ("attributes", [1]),
        ("payload_bytes", 10**9),
    ],
)
def test_attributes_that_make_no_sense_are_named(copy: Path, key: str, value: object) -> None:
    change(copy, "attributes", "opuscule", key, value=value)
    with pytest.raises(CorruptArchiveError, match=str(copy)):
        open_archive(copy.parents[1])["plain"]


def test_a_missing_or_short_chunk_is_no_silence(copy: Path) -> None:
    chunk = copy / "packets" / "c" / "0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-1])
    recording = open_archive(copy.parents[1])["plain"]
    assert recording.extract(0, 10).shape == (10, 1)  # the shard's own index is not needed
    with pytest.raises(CorruptArchiveError, match="the shard's index is damaged or cut off"):
        recording.check_shards()
    chunk.write_bytes(content[:1000])
    with pytest.raises(CorruptArchiveError, match="is cut off: it has 1000 of the"):
        recording.extract(0, 10)
    chunk.unlink()
    with pytest.raises(CorruptArchiveError, match="missing"):
        open_archive(copy.parents[1])["plain"].extract(0, 10)


def test_an_archive_that_another_makes_at_this_moment(tmp_path: Path) -> None:
    """As two files do that are imported at once into an archive that is not there yet."""
    root, made = tmp_path / "a.zarr", store.ensure_archive(tmp_path / "made.zarr")
    root.mkdir()
    meetings: list[str] = []

    def come_between(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("os.listdir", "os.scandir") and arguments == (str(root),) and not meetings:
            meetings.append(event)
            made.rename(root)

    sys.addaudithook(come_between)
    assert store.ensure_archive(root) == root
    assert meetings
    assert list(open_archive(root)) == []
