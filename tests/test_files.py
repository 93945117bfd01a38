import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opuscule.containers.ogg import OggReader, OggWriter, list_streams, read_links, repair
from opuscule.containers.wav import WavWriter
from opuscule.errors import FormatError, InvalidArgumentError
from opuscule.files import atomic_output, check_input, check_output
from opuscule.packets import StreamFormat


def test_a_file_appears_only_when_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.wav"
    with atomic_output(target) as file:
        file.write(b"half")
        file.flush()
        assert not target.exists()
        file.write(b" and half")
        file.seek(0)
        file.write(b"HALF")
    assert target.read_bytes() == b"HALF and half"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_stops_it_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "out.wav"
    target.write_bytes(b"old")
    with pytest.raises(error), atomic_output(target) as file:  # noqa: PT012 - both raise there
        file.write(b"new")
        raise error
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "real", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    with atomic_output(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "out") as file:
        file.write(b"new")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_device_is_written_and_not_replaced() -> None:
    before = Path("/dev/null").stat()
    with atomic_output("/dev/null") as file:
        file.write(b"gone")
    assert Path("/dev/null").stat().st_rdev == before.st_rdev
    assert not Path("/dev/null").is_file()


def test_a_pipe_is_written() -> None:
    script = (
        "from opuscule.files import atomic_output\n"
        "with atomic_output('/dev/stdout') as file: file.write(b'through')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"through"


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    cases: list[tuple[Path | str, type[Exception], str]] = [
        (tmp_path, IsADirectoryError, "is a folder"),
        (tmp_path / "none" / "x", FileNotFoundError, "create it first"),
        (tmp_path / "file" / "x", NotADirectoryError, "Not a directory"),
        (tmp_path / "a\0b", InvalidArgumentError, "cannot be a file name"),
        ("", InvalidArgumentError, "is empty"),
    ]
    for path, error, words in cases:
        with pytest.raises(error, match=words) as caught, atomic_output(path):
            pytest.fail("opened")
        assert "\n" not in str(caught.value)
        with pytest.raises(error) as checked:
            check_output(path)
        assert str(checked.value) == str(caught.value)
    assert check_output(str(tmp_path / "new")) == tmp_path / "new"
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "file").read_bytes() == b"x"


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on file size does what a full disk does: the write fails half way.
    script = (
        "import resource, signal, sys\n"
        "from opuscule.files import atomic_output\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with atomic_output(sys.argv[1]) as file: file.write(bytes(5000))\n"
        "except OSError as error: print('refused', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out"],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("refused")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may do everything")
def test_what_a_user_may_not_do(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    secret.chmod(0)
    with pytest.raises(PermissionError, match="may not be read"):
        check_input(secret)
    with pytest.raises(PermissionError, match="may not be written"), atomic_output(secret):
        pytest.fail("opened")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="may not create"), atomic_output(tmp_path / "x"):
        pytest.fail("opened")
    tmp_path.chmod(0o700)


def test_input_is_checked(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "good").write_bytes(b"x")
    assert check_input(str(tmp_path / "good")) == tmp_path / "good"
    assert check_input("/dev/zero") == Path("/dev/zero")
    for name, error in [
        ("none", FileNotFoundError),
        ("", IsADirectoryError),
        ("empty", FormatError),
        ("a\0b", InvalidArgumentError),
        ("good/x", OSError),
    ]:
        with pytest.raises(error) as caught:
            check_input(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)


def test_a_name_is_not_taken_for_a_file(tmp_path: Path) -> None:
    name = tmp_path / "a.opus"
    form = StreamFormat(1, 312, 16_000)
    calls: tuple[Callable[[Any], object], ...] = (
        OggReader,
        lambda file: next(read_links(file)),
        list_streams,
        repair,
        OggWriter.append,
        lambda file: OggWriter(file, form),
        lambda file: WavWriter(file, 16_000, 1),
    )
    for call in calls:
        for wrong in (name, str(name)):
            with pytest.raises(InvalidArgumentError, match=r"a\.opus' is a name; .* open\(name, "):
                call(wrong)
        with pytest.raises(InvalidArgumentError, match="open as text"):
            call(io.StringIO())
    assert not name.exists()
