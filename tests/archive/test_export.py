"""What is copied is checked on the way; damage is left behind, or taken along knowingly."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore
from typer.testing import CliRunner

from opuscule.archive import export_recordings, import_file, open_archive, prepare, verify
from opuscule.archive.storage.documents import checksum
from opuscule.cli.archive import app

from .conftest import Speech, write
from .sounds import call, write_float_wav


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, speech: Speech) -> Path:
    """An archive with ``bat``, which has all arrays there are, and ``good``."""
    folder = tmp_path_factory.mktemp("export")
    wav = write_float_wav(folder / "bat.wav", call(192_000, 1), 192_000)
    import_file(folder / "a.zarr", wav, ultrasonic="lossless")
    prepare(open_archive(folder / "a.zarr")["bat"])
    write(folder / "a.zarr", "good", speech, iter(speech.packets))
    return folder / "a.zarr"


@pytest.fixture
def two(tmp_path: Path, sound: Path) -> Path:
    """The same, to be damaged."""
    return shutil.copytree(sound, tmp_path / "a.zarr")


def open_target(kind: str, folder: Path) -> Any:
    return {"folder": folder / "b.zarr", "zip": folder / "b.zip", "store": MemoryStore()}[kind]


def keys_of(target: Any) -> list[str]:
    if isinstance(target, MemoryStore):
        return [str(found["path"]) for found in obstore.list(target).collect()]
    if target.suffix == ".zip":
        return zipfile.ZipFile(target).namelist()
    return [path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()]


FILES = [
    ("packets/c/0", 3),
    ("packets/c/0", -2),
    ("index/c/0", 2),
    ("points/c/0/0", 1),
    ("lossless/c/0", 3000),
    ("lossless_lengths/c/0", 5),
    ("zarr.json", 300),
    ("packets/c/0", None),
]


@pytest.mark.parametrize("kind", ["folder", "zip", "store"])
@pytest.mark.parametrize(("file", "byte"), FILES)
def test_a_damaged_recording_is_left_out(
    tmp_path: Path, two: Path, kind: str, file: str, byte: int | None
) -> None:
    path = two / "recordings" / "bat" / file
    content = bytearray(path.read_bytes())
    if byte is None:
        path.unlink()
    else:
        content[byte] ^= 0x40
        path.write_bytes(content)
    target = open_target(kind, tmp_path)
    report = export_recordings(open_archive(two), target)
    assert (report.copied, len(report.damaged)) == (("good",), 1)
    assert f"bat/{file}" in report.damaged[0] or "bat: zarr.json" in report.damaged[0]
    copy = open_archive(target)
    assert list(copy) == ["good"]
    assert verify(copy["good"], ranges=1).ok
    assert not [key for key in keys_of(target) if "/bat/" in key]


@pytest.mark.parametrize("cut", [1, 20, 5000])
def test_a_file_that_was_cut_off_is_damage(tmp_path: Path, two: Path, cut: int) -> None:
    path = two / "recordings" / "good" / "packets" / "c" / "0"
    path.write_bytes(path.read_bytes()[:-cut])
    report = export_recordings(open_archive(two), tmp_path / "b.zarr")
    assert report.copied == ("bat",)
    assert "which is not what was written" in report.damaged[0]


@pytest.mark.parametrize("kind", ["folder", "zip", "store"])
def test_damage_can_be_taken_along(tmp_path: Path, two: Path, kind: str) -> None:
    path = two / "recordings" / "good" / "packets" / "c" / "0"
    content = bytearray(path.read_bytes())
    content[20_000] ^= 1
    path.write_bytes(content)
    (two / "recordings" / "bat" / "packets" / "c" / "0").unlink()
    target = open_target(kind, tmp_path)
    report = export_recordings(open_archive(two), target, damaged=True)
    assert (report.copied, len(report.damaged)) == (("bat", "good"), 2)
    copy = open_archive(target)["good"]
    found = copy.extract(0, 576_000, on_damage="conceal")
    assert found == open_archive(two)["good"].extract(0, 576_000, on_damage="conceal")
    assert len(copy.damage) == 1
    assert "is missing" in report.damaged[0]


def test_from_the_command_line(tmp_path: Path, two: Path) -> None:
    path = two / "recordings" / "good" / "packets" / "c" / "0"
    content = bytearray(path.read_bytes())
    content[20_000] ^= 1
    path.write_bytes(content)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["export", str(two), *arguments])

    done = run(str(tmp_path / "b.zarr"))
    assert done.exit_code == 1
    assert "1 recordings copied" in done.output
    assert "NOT COPIED, DAMAGED: " in done.output
    done = run(str(tmp_path / "b.zarr"), "good", "--damaged")
    assert done.exit_code == 1
    assert "\nDAMAGED: " in done.output
    assert list(open_archive(tmp_path / "b.zarr")) == ["bat", "good"]
    assert run(str(tmp_path / "c.zip"), "bat").exit_code == 0


@pytest.mark.parametrize(
    "name", ["../../../../escaped", "{folder}/escaped", "..", "x/../../y", "a\\b", ""]
)
def test_an_archive_of_a_stranger_writes_nothing_outside_of_the_target(
    tmp_path: Path, sound: Path, name: str
) -> None:
    held = {
        path.relative_to(sound).as_posix(): path.read_bytes()
        for path in sound.rglob("*")
        if path.is_file()
    }
    place, name = "recordings/good", name.format(folder=tmp_path)
    document = json.loads(held[f"{place}/zarr.json"])
    arrays = document["consolidated_metadata"]["metadata"]
    own = document["attributes"]["opuscule"]
    arrays[name] = arrays["index"]
    own["checksum"] = checksum(own, arrays)
    held[f"{place}/zarr.json"] = json.dumps(document).encode()
    held[f"{place}/{name}/c/0"] = held[f"{place}/index/c/0"]
    target = tmp_path / "in" / "b.zarr"
    for damaged in (False, True):
        report = export_recordings(open_archive(held), target, damaged=damaged)
        assert any("no name of an array" in one for one in report.damaged)
        assert set(open_archive(target)) == {"bat"}
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]
    assert list((tmp_path / "in").iterdir()) == [target]
