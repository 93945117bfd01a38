"""What a user can get wrong: one line that says what to do, no traceback, nothing left behind."""

import contextlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Done, Shell, write_tone

NOBODY = "ws://127.0.0.1:1"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """One folder for all: a command that fails leaves it as it was."""
    folder = tmp_path_factory.mktemp("desk")
    shell = Shell(folder, inside=True)
    good = write_tone(folder / "good.wav").read_bytes()
    (folder / "cut.wav").write_bytes(good[:9000])
    (folder / "header.wav").write_bytes(good[:30])
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("This is no audio.\n" * 200)
    write_tone(folder / "six.wav", 0.1, channels=6)
    write_tone(folder / "bats.wav", 0.1, rate=192_000)
    shell.well("encode", "good.wav")
    (folder / "cut.opus").write_bytes((folder / "good.opus").read_bytes()[:60])
    shell.well("archive", "import", "kept.zarr", "good.wav")
    for name, broken in (("broken.zarr", ""), ("torn.zarr", "recordings/good")):
        shutil.copytree(folder / "kept.zarr", folder / name)
        (folder / name / broken / "zarr.json").write_text('{"zarr_format": 3, "attr')
    (folder / "folder").mkdir()
    (folder / "folder" / "note").write_text("mine")
    with contextlib.closing(shell):
        yield shell


def fails_well(shell: Shell, done: Done, *words: str) -> None:
    """Check that a command said what is wrong in one line."""
    assert done.code == 1, done
    assert done.out == ""
    assert done.err.startswith("opuscule: ")
    assert done.err.count("\n") == 1
    assert done.err.endswith("\n")
    for word in words:
        assert word in done.err


# What it is, the arguments, and what the line has to say of it.
AUDIO: list[tuple[str, str, str]] = [
    ("cut.wav", "promises 16000", "salvage"),
    ("header.wav", "header.wav", ""),
    ("empty.wav", "empty.wav is empty: got 0 bytes", "expected audio"),
    ("text.wav", "text.wav is not audio", ""),
    ("none.wav", "none.wav: there is no such file", "check the name"),
    ("good.wav/x.wav", "good.wav/x.wav", "is a file"),
    ("six.wav", "6 channels", ""),
    ("a\nb.wav", "a b.wav", "check the name"),
    ("x" * 300 + ".wav", "name too long", ""),
]
READERS: dict[str, Callable[[str], list[str]]] = {
    "encode": lambda path: ["encode", path, "made.opus"],
    "import": lambda path: ["archive", "import", "made.zarr", path],
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("path", "got", "advice"), AUDIO, ids=[a[0][:9] for a in AUDIO])
def test_audio_that_cannot_be_read(
    desk: Shell, reader: str, path: str, got: str, advice: str
) -> None:
    before = desk.listing()
    fails_well(desk, desk.run(*READERS[reader](path)), got, advice)
    assert desk.listing() == before


CASES: list[tuple[str, str, tuple[str, ...]]] = [
    # Settings and targets.
    ("encode bats.wav", "192000 Hz", ("give rate=48000", "--rate 48000")),
    ("encode good.wav x.opus --bitrate 3", "bitrate is 3", ("500 to 750000",)),
    ("encode good.wav x.opus --preset loud", "'loud'", ("archive, deep, music, voice",)),
    ("encode good.wav x.opus --frame-ms 7", "frame_ms is 7", ("2.5, 5, 10, 20, 40", "5 and 10")),
    ("encode good.wav x.opus --frame-ms nan", "nan", ("2.5, 5, 10",)),
    ("encode good.wav x.opus --rate 44100", "44100", ("16000, 24000, 48000",)),
    ("encode good.wav x.opus --rate 0", "rate is 0", ("expected",)),
    ("encode good.wav none/x.opus", "none", ("create it first",)),
    ("encode good.wav good.wav/x.opus", "good.wav", ("is a file",)),
    ("encode good.opus", "would be replaced", ("name another",)),
    ("encode good.wav folder/../good.wav", "both be written to folder/../good.opus", ()),
    # Decoding.
    ("decode good.wav x.wav", "good.wav: it holds no Opus", ("it is WAV", "Ogg, WebM")),
    ("decode text.wav", "text.wav: it holds no Opus", ("unknown kind", "Ogg, WebM")),
    ("decode empty.wav", "empty.wav is empty", ("expected audio",)),
    ("decode cut.opus x.wav", "cut.opus", ()),
    ("decode none.opus", "none.opus", ("check the name",)),
    ("encode folder", "folder is a folder", ("name a file",)),
    ("decode folder", "folder is a folder", ("name a file",)),
    ("decode good.opus x.wav --rate 44100", "44100", ("16000, 24000, 48000",)),
    ("decode good.opus none/x.wav", "none", ("create it first",)),
    ("decode good.opus good.opus", "both be written to good.wav", ()),
    # Looking into files.
    ("info good.wav", "good.wav: it holds no Opus", ("it is WAV",)),
    ("info cut.opus", "cut.opus", ()),
    ("info none.opus", "none.opus", ("check the name",)),
    ("info good.opus --raw u8", "'u8'", ("self-delimited, u16le",)),
    ("packets empty.wav", "empty.wav is empty", ("expected audio",)),
    ("packets text.wav --raw u16be", "ends at byte 3600", ("begins at byte 0", "cut")),
    ("packets good.opus --raw u32be", "good.opus: no Opus packet at byte 0", ("framed",)),
    # Archives.
    ("archive import kept.zarr good.opus", "recording 'good' already", ("another name",)),
    ("archive import made.zarr folder", "folder: there is no audio in it", ("files",)),
    ("archive import kept.zarr good.wav --name ../up", "'../up'", ("A-Z a-z 0-9",)),
    ("archive import new.zarr good.wav --name .hid", "'.hid'", ("no dot",)),
    ("archive import new.zarr good.wav --bitrate 3", "bitrate is 3", ("500 to 750000",)),
    ("archive import new.zarr good.wav --rate 44100", "44100", ("48000",)),
    ("archive import new.zarr cut.opus", "cut.opus", ()),
    ("archive import folder good.wav", "folder is there and is no archive", ("another place",)),
    ("archive import good.wav good.wav", "good.wav is there and is no archive", ()),
    ("archive import broken.zarr good.wav", "broken.zarr", ("JSON",)),
    ("archive info none.zarr", "none.zarr: there is no such archive", ("check the name",)),
    ("archive info good.wav", "good.wav is no archive", ("folder",)),
    ("archive info folder", "folder holds no Zarr", ("zarr.json",)),
    ("archive info broken.zarr", "broken.zarr: zarr.json is no JSON", ()),
    ("archive info torn.zarr", "good: zarr.json is no JSON", ()),
    ("archive info kept.zarr other", "no recording 'other'", ("it has good",)),
    ("archive info kept.zarr ../kept.zarr", "no recording", ("it has good",)),
    ("archive extract kept.zarr other x.wav", "no recording 'other'", ("it has good",)),
    ("archive extract kept.zarr good x.wav --start -5", "-5", ("0 to 48000",)),
    ("archive extract kept.zarr good x.wav --start 9 --end 9", "9 to 9", ("0 to 48000",)),
    ("archive extract kept.zarr good x.wav --end 48001", "48001", ("0 to 48000",)),
    ("archive extract kept.zarr good x.wav --seconds 5/4", "5 s to 4 s", ("0 to 48000",)),
    ("archive extract kept.zarr good x.wav --seconds a/4", "'a'", ("such as 0.29",)),
    ("archive extract kept.zarr good x.wav --rate 3", "rate is 3 Hz", ("1000 to 768000",)),
    ("archive extract kept.zarr good x.wav --channel 1", "[1]", ("0 to 0",)),
    (
        "archive extract kept.zarr good x.wav --at 2026-01-01T00:00Z/+1",
        "not known when",
        ("by seconds",),
    ),
    ("archive cut kept.zarr good x.opus --end 48001", "48001", ("0 to 48000",)),
    ("archive cut kept.zarr good folder", "folder is a folder", ("name a file",)),
    ("archive prepare kept.zarr other", "no recording 'other'", ("it has good",)),
    ("archive extract kept.zarr good folder", "folder is a folder", ("name a file",)),
    ("archive extract kept.zarr good none/x.wav", "none", ("create it first",)),
    ("archive extract torn.zarr good x.wav", "torn.zarr", ("JSON",)),
    ("archive verify kept.zarr other", "no recording 'other'", ("it has good",)),
    ("archive verify kept.zarr --ranges -1", "ranges is -1", ("0 or more",)),
    ("archive verify none.zarr", "none.zarr", ("check the name",)),
    # Servers, before they serve.
    ("serve --port 99999", "port is 99999", ("0 to 65535",)),
    ("serve --port 0 --host 0.0.0.0", "'0.0.0.0' and there is no token", ("--insecure",)),
    ("serve --port 0 --host no.invalid --insecure", "no.invalid", ("another --host",)),
    ("serve --port 0 --answer none.wav", "'none.wav'", ("'echo', 'none' or",)),
    ("serve --port 0 --answer cut.wav", "promises 16000", ("salvage",)),
    ("serve --port 0 --answer empty.wav", "empty.wav is empty", ("expected audio",)),
    ("serve --port 0 --answer folder", "folder is a folder", ("name a file",)),
    ("serve --port 0 --keep good.wav", "good.wav", ()),
    ("serve --port 0 --keep good.wav/x", "good.wav", ()),
    # Devices without a server.
    (f"talk --url {NOBODY} --source good.wav --sink x.wav", NOBODY, ("opuscule serve",)),
    ("talk --url http://a --source good.wav --sink x.wav", "http://a", ("ws://127",)),
    ("talk --url nonsense --source good.wav --sink x.wav", "nonsense", ("ws://127",)),
    ("talk --url ws://no.invalid --source good.wav --sink x.wav", "no.invalid", ("serve",)),
    ("demo --folder good.wav", "good.wav", ()),
]


@pytest.mark.parametrize(("line", "got", "advice"), CASES, ids=[c[0] for c in CASES])
def test_a_command_refuses(desk: Shell, line: str, got: str, advice: tuple[str, ...]) -> None:
    before = desk.listing()
    fails_well(desk, desk.run(*line.split(" ")), got, *advice)
    assert desk.listing() == before


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("nonsense", "nonsense"),
        ("encode", "'files...'"),
        ("encode good.wav --bitrate loud", "'loud'"),
        ("encode good.wav --frobnicate", "--frobnicate"),
        ("archive import a.zarr good.wav cut.wav --name both", "--name"),
        ("archive extract kept.zarr good x.wav --start 1.5", "'1.5'"),
        ("archive extract kept.zarr good x.wav --seconds 1.5", "FROM/TO"),
        ("archive extract kept.zarr good x.wav --at noon/+1", "expected such as 2026-05-01T"),
        ("archive ls kept.zarr --after noon", "'noon' is no time; expected such as 2026-05-01"),
        ("archive extract kept.zarr good x.wav --start 5 --seconds 1/2", "--start"),
        ("archive verify kept.zarr --sample 0", "--sample"),
        ("serve --port http", "'http'"),
        ("talk --seconds -1", "-1"),
    ],
)
def test_what_is_no_command_shows_how_to_call_it(desk: Shell, line: str, named: str) -> None:
    before = desk.listing()
    done = desk.run(*line.split(" "))
    assert done.code == 2
    assert done.err.startswith("Usage: opuscule ")
    assert named in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert desk.listing() == before


def test_of_several_files_the_good_ones_are_kept(inside: Shell) -> None:
    write_tone(inside.folder / "a.wav", 0.2)
    (inside.folder / "b.wav").write_text("no audio")
    done = inside.run("archive", "import", "new.zarr", "b.wav", "none.wav", "a.wav")
    assert done.code == 1
    none, no_audio, last = done.err.splitlines()
    assert none.startswith("opuscule: none.wav: there is no such file")
    assert no_audio.startswith("opuscule: b.wav is not audio")
    assert last == "opuscule: 2 of 3 files failed, as said above"
    assert inside.well("archive", "info", "new.zarr") == "a  0.2 s\n"
    assert sorted(p.name for p in (inside.folder / "new.zarr").iterdir()) == [
        "catalogue.jsonl",
        "recordings",
        "zarr.json",
    ]


def test_damage_in_the_middle_leaves_nothing(inside: Shell) -> None:
    import av

    with av.open(str(inside.folder / "a.flac"), "w") as made:
        stream = made.add_stream("flac", rate=48_000, layout="mono")
        for at in range(40):
            frame = av.AudioFrame("s16", "mono", 4800)
            frame.planes[0].update(os.urandom(9600))
            frame.sample_rate, frame.pts = 48_000, at * 4800
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    path = inside.folder / "a.flac"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = inside.listing()
    for line in (("encode", "a.flac"), ("archive", "import", "new.zarr", "a.flac")):
        fails_well(inside, inside.run(*line), "a.flac is damaged", "salvage")
        assert inside.listing() == before


@pytest.mark.parametrize(
    ("module", "extra", "line"),
    [
        ("av", "media", "encode text.wav"),
        ("soxr", "media", f"talk --url {NOBODY}"),
        ("sounddevice", "device", "devices"),
    ],
)
def test_a_missing_extra_is_named(
    desk: Shell, tmp_path: Path, module: str, extra: str, line: str
) -> None:
    # As if it were not installed: a finder in front of all others says so.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    before = desk.listing()
    done = desk.run(*line.split(" "), environment={"PYTHONPATH": path})
    if module == "soxr":
        assert NOBODY in done.err
    else:
        fails_well(desk, done, f"pip install 'opuscule[{extra}]'")
    assert desk.listing() == before


def test_what_may_not_be_read_or_written(desk: Shell) -> None:
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may do everything, and setpriv is not there to take that away")
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    held = Shell(desk.folder, prefix)
    secret, locked = desk.folder / "secret.wav", desk.folder / "locked"
    secret.write_bytes(b"RIFF")
    locked.mkdir()
    secret.chmod(0)
    locked.chmod(0o500)
    before = desk.listing()
    try:
        for line, words in (
            ("encode secret.wav", ("secret.wav may not be read", "permissions")),
            ("archive import new.zarr secret.wav", ("secret.wav may not be read", "permissions")),
            ("encode good.wav locked/x.opus", ("locked", "another folder")),
            ("archive extract kept.zarr good locked/x.wav", ("locked", "another folder")),
            ("archive import locked/new.zarr good.wav", ("locked",)),
            ("serve --port 0 --keep locked/recordings", ("locked",)),
        ):
            fails_well(held, held.run(*line.split(" ")), *words)
            assert desk.listing() == before
    finally:
        held.close()
        secret.unlink()
        locked.chmod(0o700)
        locked.rmdir()


def test_a_port_in_use(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = shell.run("serve", "--port", str(port))
    fails_well(shell, done, f"127.0.0.1:{port} (Address already in use)", "another --")
    assert shell.listing() == {}
