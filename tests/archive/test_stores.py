"""An archive reads the same from a folder, a zip file, memory and an object store."""

import functools
import http.client
import http.server
import json
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore as ObstoreMemory
from typer.testing import CliRunner

from opuscule.archive import export_recordings, open_archive, prepare, verify
from opuscule.archive.storage.remote import open_store
from opuscule.archive.storage.stores import LocalStore, MemoryStore, Store, ZipStore
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.cli.archive import app
from opuscule.errors import (
    ArchiveError,
    CorruptArchiveError,
    InvalidArgumentError,
    NotAnArchiveError,
    RecordingExistsError,
    RecordingNotFoundError,
)

from .conftest import GAPS, Speech, with_gaps, write


def objects(root: Path) -> dict[str, bytes]:
    """All files of a folder, by name."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, speech: Speech) -> Path:
    """An archive of two recordings, one of them prepared; not to be changed."""
    path = tmp_path_factory.mktemp("stores") / "a.zarr"
    prepare(write(path, "plain", speech, iter(speech.packets)))
    write(path, "gappy", speech, with_gaps(speech.packets, GAPS))
    return path


def make_zip(root: Path, target: Path, compression: int, prefix: str) -> Path:
    with zipfile.ZipFile(target, "w", compression) as file:
        for name, data in objects(root).items():
            file.writestr(prefix + name, data)
    return target


@pytest.fixture(params=["memory", "stored zip", "deflated zip", "obstore"])
def elsewhere(request: pytest.FixtureRequest, prepared: Path, tmp_path: Path) -> object:
    match request.param:
        case "memory":
            return objects(prepared)
        case "stored zip":
            return make_zip(prepared, tmp_path / "a.zip", zipfile.ZIP_STORED, "folder/a.zarr/")
        case "deflated zip":
            return make_zip(prepared, tmp_path / "a.zip", zipfile.ZIP_DEFLATED, "")
        case _:
            store = ObstoreMemory()
            for name, data in objects(prepared).items():
                obstore.put(store, name, data)
            return store


def assert_same(theirs: object, prepared: Path, **options: object) -> None:
    ours, found = open_archive(prepared), open_archive(theirs, **options)  # type: ignore[arg-type] # any kind of store
    assert list(found) == list(ours) == ["gappy", "plain"]
    assert found.catalogue() == ours.catalogue()
    for name in ours:
        assert found[name].info == ours[name].info
        for start, stop in [(0, 10), (300_000, 302_000), (575_000, 576_000)]:
            assert found[name].extract(start, stop) == ours[name].extract(start, stop)
    assert found["plain"].points is not None
    assert "plain" in found
    assert "none" not in found
    with pytest.raises(RecordingNotFoundError, match="it has gappy, plain"):
        found["none"]


def test_another_store_reads_the_same(elsewhere: object, prepared: Path) -> None:
    assert_same(elsewhere, prepared)
    opened = open_archive(elsewhere)  # type: ignore[arg-type] # any kind of store
    assert verify(opened["gappy"], ranges=3).ok
    with pytest.raises(ArchiveError, match="export"):
        opened.path  # noqa: B018 - that is the test
    with pytest.raises(ArchiveError, match="export"):
        prepare(opened["gappy"])


def samples(place: object, name: str = "plain") -> bytes:
    return bytes(open_archive(place)[name].extract(0, 5000))  # type: ignore[arg-type] # any kind


@pytest.mark.parametrize("kind", ["local", "memory", "zip", "remote"])
def test_what_is_read_from_any_store_goes_to_another_process(
    kind: str, prepared: Path, tmp_path: Path
) -> None:
    archive = open_archive(
        f"file://{prepared}" if kind == "remote" else store_of(kind, prepared, tmp_path)
    )
    for made in (archive["plain"], pickle.loads(pickle.dumps(archive))["plain"]):  # noqa: S301 - made just here
        there = pickle.loads(pickle.dumps(made))  # noqa: S301 - made just here
        assert bytes(there.extract(0, 5000)) == samples(prepared)


def forked(work: Callable[[], bool]) -> "multiprocessing.process.BaseProcess":
    """Start a fork of this process whose exit code tells what ``work`` told."""
    child = multiprocessing.get_context("fork").Process(target=lambda: os._exit(not work()))
    child.start()
    return child


# From Python 3.12 on a fork warns when the test runner has threads.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_processes_do_not_share_their_place_in_a_zip_file(tmp_path: Path) -> None:
    members = {f"m{n}": bytes([n]) + os.urandom(60_000) for n in range(8)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    store = ZipStore(tmp_path / "a.zip")

    def read() -> bool:
        return all(store.read(name) == data for _ in range(40) for name, data in members.items())

    children = [forked(read) for _ in range(3)]
    assert read()
    for child in children:
        child.join()
        assert child.exitcode == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_is_told_that_it_cannot_use_an_object_store(prepared: Path) -> None:
    """It would wait for ever for threads that its parent has."""
    opened = open_archive(f"file://{prepared}")

    def is_told() -> bool:
        for read in (lambda: opened["plain"], lambda: samples(f"file://{prepared}")):
            with pytest.raises(OSError, match="spawn"):
                read()
        return True

    child = forked(is_told)
    child.join(120)
    hung = child.is_alive()
    child.kill()
    child.join()
    assert not hung
    assert child.exitcode == 0


def test_a_damaged_member_of_a_zip_file_is_an_error_of_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("member", bytes(range(256)) * 40)
        begin = 30 + len("member")
    data = bytearray(path.read_bytes())
    data[begin : begin + 4] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(OSError, match="member cannot be unpacked"):
        ZipStore(path).read("member")


def test_another_store_without_a_catalogue_is_listed(
    prepared: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = objects(prepared)
    del held["catalogue.jsonl"]
    store = ObstoreMemory()
    for name, data in held.items():
        obstore.put(store, name, data)
    for place in (held, store):
        caplog.clear()
        opened = open_archive(place)
        assert list(opened) == ["gappy", "plain"]
        assert len(opened) == 2
        assert sum("it is missing" in line for line in caplog.messages) == 1


def store_of(kind: str, root: Path, tmp_path: Path) -> Store:
    if kind == "local":
        return LocalStore(root)
    if kind == "memory":
        return MemoryStore(objects(root))
    if kind == "obstore":
        store = ObstoreMemory()
        for name, data in objects(root).items():
            obstore.put(store, name, data)
        return open_store(store)
    return ZipStore(make_zip(root, tmp_path / "x.zip", zipfile.ZIP_STORED, ""))


@pytest.mark.parametrize("kind", ["local", "memory", "zip", "obstore"])
def test_every_store_gives_ranges_and_names(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "zarr.json").write_bytes(b"{}")
    (root / "a" / "b" / "c").write_bytes(b"0123456789")
    store = store_of(kind, root, tmp_path)
    assert store.read("a/b/c") == b"0123456789"
    assert store.read_range("a/b/c", 2, 5) == b"234"
    assert store.read_range("a/b/c", 8, 15) == b"89"
    assert store.read_range("a/b/c", 15, 18) == b""
    assert store.names("a") == ["b"]
    assert store.names("") == ["a"]
    assert store.names("none") == []
    for key in ("none", "a/none", "zarr.json/x"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            store.read(key)
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            store.read_range(key, 0, 1)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK but not so")
    with pytest.raises(NotAnArchiveError, match="is no archive"):
        open_archive(tmp_path / "x.zip")
    with pytest.raises(InvalidArgumentError, match="cannot be opened"):
        open_archive("nonsense://bucket/x")
    with pytest.raises(InvalidArgumentError, match="cannot be opened"):
        open_archive("s3://bucket/x", no_such_option=1)
    with pytest.raises(InvalidArgumentError, match="options for an URL"):
        open_archive(tmp_path, region="x")
    with pytest.raises(NotAnArchiveError, match="it has no zarr"):
        open_archive({})


def test_object_stores_without_obstore_name_what_to_install() -> None:
    program = (
        "import sys\n"
        "sys.modules['obstore'] = None\n"
        "from opuscule.archive import open_archive\n"
        "open_archive('s3://bucket/a.zarr')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'opuscule[remote]'" in done.stderr


def test_a_web_server_without_tls(archive: Path) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    files = functools.partial(Quiet, directory=archive.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/{archive.name}"
            assert list(open_archive(url)) == list(open_archive(archive))
        finally:
            server.shutdown()
            thread.join()


class Server:
    """A real S3-compatible server, which writes down each request."""

    def __init__(self, log: Path) -> None:
        self._log = log
        program = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"
        with log.open("wb") as file:
            self._process = subprocess.Popen([sys.executable, "-c", program], stderr=file)
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.05)
        self.url = found[0]
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"))
        connection.request("PUT", "/bucket")
        assert connection.getresponse().status == 200
        connection.close()

    @property
    def options(self) -> dict[str, Any]:
        return {
            "endpoint": self.url,
            "region": "us-east-1",
            "access_key_id": "x",
            "secret_access_key": "x",
            "virtual_hosted_style_request": False,
            "client_options": {"allow_http": True},
        }

    def requests(self) -> list[str]:
        """What was asked for so far: method and path."""
        return re.findall(r'"(?:\x1b\[\d+m)*(\w+ \S+) HTTP', self._log.read_text())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("s3") / "log")
    yield server
    server.close()


@pytest.mark.row("Z12")
def test_an_archive_in_s3_costs_few_requests(server: Server, prepared: Path) -> None:
    url = "s3://bucket/field/a.zarr"
    report = export_recordings(open_archive(prepared), url, **server.options)
    assert report.copied == ("gappy", "plain")
    puts = [
        line.split("/a.zarr/")[1] for line in server.requests() if line.startswith("PUT /bucket/")
    ]
    for name in report.copied:
        own = [key for key in puts if key.startswith(f"recordings/{name}/")]
        assert own[-1] == f"recordings/{name}/zarr.json"
        assert len(own) == len(set(own))
    assert puts[-1] == "catalogue.jsonl"
    assert_same(url, prepared, **server.options)

    def asked(before: int) -> list[str]:
        return [line.split("/a.zarr/")[1] for line in server.requests()[before:]]

    before = len(server.requests())
    opened = open_archive(url, **server.options)
    assert asked(before) == ["zarr.json"]
    before = len(server.requests())
    assert opened.catalogue().keys() == {"gappy", "plain"}
    assert asked(before) == ["catalogue.jsonl"]
    before = len(server.requests())
    recording = opened["plain"]
    assert recording.points is not None
    assert asked(before) == [
        "recordings/plain/zarr.json",
        "recordings/plain/index/c/0",
        "recordings/plain/points/c/0/0",
    ]
    before = len(server.requests())
    fast = recording.extract(300_000, 348_000, pre_roll_ms=80)
    assert asked(before) == ["recordings/plain/packets/c/0"]
    before = len(server.requests())
    exact = recording.extract(300_000, 348_000)
    assert asked(before) == ["recordings/plain/packets/c/0"]
    assert len(fast) == len(exact) == 48_000

    again = export_recordings(open_archive(prepared), url, ["plain"], **server.options)
    assert (again.copied, again.there_before) == ((), ("plain",))
    assert list(open_archive(url, **server.options)) == ["gappy", "plain"]


@pytest.mark.row("Z12")
def test_commands_take_an_url(
    server: Server, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the guide has it: keys and the rest from the environment."""
    for name, value in {
        "AWS_ENDPOINT": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    url = "s3://bucket/commands/a.zarr"

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert "2 recordings copied" in run("export", str(prepared), url)
    assert "plain  12.0 s" in run("info", url)
    assert "samples 48000 to 96000" in run(
        "extract", url, "plain", str(tmp_path / "a.wav"), "--seconds", "1/2"
    )
    assert "1.0 s, exact" in run("cut", url, "plain", str(tmp_path / "a.opus"), "--seconds", "1/2")
    assert "plain: sound" in run("verify", url, "plain", "--ranges", "2")
    assert run("plot", url, "plain", "--out", str(tmp_path / "a.png")).endswith("a.png: 12.0 s\n")
    for command in ("ls", "stats"):
        before = len(server.requests())
        told = json.loads(run(command, url, "--json"))
        asked = [line.split("/a.zarr/")[1] for line in server.requests()[before:]]
        assert asked == ["zarr.json", "catalogue.jsonl"]
        if command == "ls":
            assert {one["name"]: one["prepared"] for one in told} == {"gappy": False, "plain": True}
    for refused in (["rm", url, "plain"], ["gc", url], ["expire", url, "--max-size", "1"]):
        done = CliRunner().invoke(app, refused)
        assert done.exit_code == 1
        assert "is no folder" in str(done.exception)


def test_a_store_that_fails_says_so(server: Server, prepared: Path) -> None:
    url = "s3://bucket/cut/a.zarr"
    export_recordings(open_archive(prepared), url, **server.options)
    store = open_store(url, **server.options).store  # type: ignore[attr-defined] # obstore's own
    chunk = "recordings/plain/packets/c/0"
    data = bytes(obstore.get(store, chunk).bytes())
    recording = open_archive(url, **server.options)["plain"]
    obstore.put(store, chunk, data[:2000])
    with pytest.raises(CorruptArchiveError, match="is cut off"):
        recording.extract(500_000, 500_010)
    obstore.delete(store, chunk)
    with pytest.raises(CorruptArchiveError, match="the chunk is missing"):
        recording.extract(0, 10)
    retries = {"max_retries": 0}
    nowhere = {**server.options, "endpoint": "http://127.0.0.1:9", "retry_config": retries}
    with pytest.raises(OSError, match=r"zarr\.json cannot be read"):
        open_archive(url, **nowhere)
    with pytest.raises(NotAnArchiveError, match="it has no zarr"):
        open_archive("s3://bucket/none", **server.options)


def test_recordings_are_exported_to_a_folder_and_a_zip(prepared: Path, tmp_path: Path) -> None:
    ours = open_archive(prepared)
    told: list[tuple[int, int]] = []
    report = export_recordings(
        ours, tmp_path / "b.zarr", progress=lambda n, of: told.append((n, of))
    )
    assert report.copied == ("gappy", "plain")
    assert told == [(1, 2), (2, 2)]
    assert_same(tmp_path / "b.zarr", prepared)
    assert verify(open_archive(tmp_path / "b.zarr")["plain"], ranges=2).ok
    assert not (tmp_path / "b.zarr" / ".incoming").exists()
    export_recordings(open_archive(tmp_path / "b.zarr"), tmp_path / "c.zip")
    assert_same(tmp_path / "c.zip", prepared)
    with pytest.raises(RecordingExistsError, match="is there"):
        export_recordings(ours, tmp_path / "c.zip")
    # And back again, one of them.
    back = export_recordings(open_archive(tmp_path / "c.zip"), tmp_path / "d.zarr", ["gappy"])
    assert back.copied == ("gappy",)
    assert list(open_archive(tmp_path / "d.zarr")) == ["gappy"]
    assert verify(open_archive(tmp_path / "d.zarr")["gappy"], ranges=2).ok


def test_export_overwrites_nothing(prepared: Path, tmp_path: Path, speech: Speech) -> None:
    with RecordingWriter(tmp_path / "b.zarr", "plain", speech.format) as writer:
        for packet in speech.packets[:300]:
            writer.add(packet)
        writer.finish(300 * 960)
    with pytest.raises(RecordingExistsError, match="another recording 'plain'"):
        export_recordings(open_archive(prepared), tmp_path / "b.zarr")
    # What came before it is there, and was not harmed.
    assert list(open_archive(tmp_path / "b.zarr")) == ["gappy", "plain"]
    assert open_archive(tmp_path / "b.zarr")["plain"].info.packets == 300
    with pytest.raises(RecordingNotFoundError, match="'none'"):
        export_recordings(open_archive(prepared), tmp_path / "c.zarr", ["none"])
    assert not (tmp_path / "c.zarr").exists()


class Failing(dict[str, bytes]):
    """Objects, one of which cannot be read."""

    def __getitem__(self, key: str) -> bytes:
        if key == "recordings/plain/packets/c/0":
            raise OSError("the network is down")
        return super().__getitem__(key)


def test_an_export_that_fails_leaves_no_half_recording(prepared: Path, tmp_path: Path) -> None:
    held = Failing(objects(prepared))
    for target in ("b.zarr", "b.zip"):
        with pytest.raises(OSError, match="network"):
            export_recordings(open_archive(held), tmp_path / target)
    assert [p.name for p in tmp_path.iterdir()] == ["b.zarr"]
    assert list(open_archive(tmp_path / "b.zarr")) == ["gappy"]
    assert not (tmp_path / "b.zarr" / ".incoming").exists()
