"""What users get: the wheel and the source archive, installed as pip does it, and used.

Every environment is a new one without this checkout on its path. Dependencies come from the package
index, because the metadata that pip resolves is what is tested; where none can be reached, what
needs one is skipped.
"""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
import venv
import wave
import zipfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "target"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
MAX_WHEEL_BYTES = 8_000_000
QUICK_BUILD = """
[profile.release.package.opuscule-core]
opt-level = 0
[profile.release.package.opuscule-python]
opt-level = 0
"""
EXTRAS = ("device", "media", "archive", "remote", "server", "measure")


def environment(target: Path | None = None, build: Path | None = None) -> dict[str, str]:
    """Without what leads back to the checkout; cmake and cargo are found as by the Makefile."""
    path = [str(Path(sys.executable).parent), os.environ["PATH"], str(Path.home() / ".cargo/bin")]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "OPUSCULE", "VIRTUAL_ENV"))
    }
    built_in = {"CARGO_TARGET_DIR": str(target)} if target else {}
    if build:
        built_in["TMPDIR"] = str(build)
    return {**kept, "PATH": os.pathsep.join(path), **built_in}


def run(
    *command: str | Path,
    cwd: Path,
    expected: int = 0,
    target: Path | None = None,
    build: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(target, build),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


class Installed:
    """A virtual environment with the package, used from a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.prefix = folder / "venv"
        self.work = folder / "work"
        self.work.mkdir()
        # Without pip, which would take longer to install than the package.
        venv.create(self.prefix, symlinks=True)
        self.bin = self.prefix / "bin"

    def install(
        self, requirement: str | Path, target: Path | None = None, build: Path | None = None
    ) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.bin / "python")
        quiet = ("--quiet", "--no-compile", "--disable-pip-version-check")
        run(*pip, "install", *quiet, str(requirement), cwd=self.work, target=target, build=build)

    def opuscule(self, *arguments: str | Path, expected: int = 0) -> str:
        """Run the command; its stdout, or its stderr if it is to fail."""
        done = run(self.bin / "opuscule", *arguments, cwd=self.work, expected=expected)
        return done.stderr if expected else done.stdout

    def findings(self) -> dict[str, tuple[bool, str]]:
        """What doctor found, by the first word."""
        found = json.loads(self.opuscule("doctor", "--json"))
        return {f["what"].split(" ")[0]: (f["ok"], f["detail"]) for f in found}

    @contextmanager
    def serving(self, *options: str) -> Iterator[str]:
        """The address of an echo server in another process, which then has to end in good order."""
        server = subprocess.Popen(
            [self.bin / "opuscule", "serve", "--port", "0", *options],
            cwd=self.work,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            listening = re.match(r"listening on (ws://\S+);", server.stdout.readline())
            assert listening, server.communicate(timeout=10)
            yield listening[1]
            server.send_signal(signal.SIGTERM)
            _, errors = server.communicate(timeout=30)
            assert (server.returncode, errors) == (0, "")
        finally:
            server.kill()
            server.communicate()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    maturin = ("maturin", "build", "--release", "--locked", "--out", folder)
    run(*maturin, cwd=ROOT, target=TARGET)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run("maturin", "sdist", "--out", folder, cwd=ROOT)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where pip finds no packages; asked for one that is surely there and not ours."""
    question = ("install", "--dry-run", "--ignore-installed", "--no-deps", "--no-cache-dir")
    done = subprocess.run(
        [sys.executable, "-m", "pip", *question, "--retries", "1", "--timeout", "15", "msgspec"],
        cwd=tmp_path_factory.mktemp("index"),
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.skip("pip reaches no package index, so what it would install cannot be tested")


@pytest.fixture(scope="module")
def full(wheel: Path, index: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    installed = Installed(tmp_path_factory.mktemp("full"))
    installed.install(f"{wheel}[all]")
    yield installed
    # pytest keeps the folders of its last runs, and this is some hundred megabytes.
    shutil.rmtree(installed.prefix)


@pytest.fixture(scope="module")
def base(wheel: Path, index: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    installed = Installed(tmp_path_factory.mktemp("base"))
    installed.install(wheel)
    yield installed
    # pytest keeps the folders of its last runs, and this is some hundred megabytes.
    shutil.rmtree(installed.prefix)


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.23 s of 440 Hz, 16 kHz mono: not a whole number of packets."""
    path = tmp_path_factory.mktemp("tone") / "tone.wav"
    samples = (round(12_000 * math.sin(2 * math.pi * 440 * n / 16_000)) for n in range(19_680))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(array("h", samples).tobytes())
    return path


def length(path: Path) -> int:
    with wave.open(str(path), "rb") as file:
        return file.getnframes()


def check_conversation(installed: Installed, tone: Path, *options: str) -> None:
    """A device in one process and a server in another; the answer is what was said."""
    answer = installed.work / "answer.wav"
    with installed.serving(*options) as url:
        talk = ("talk", "--url", url, "--source", tone, "--sink", answer, "--json")
        report = json.loads(installed.opuscule(*talk))
    assert report["packets_sent"] == report["packets_encoded"] == 62
    assert report["spoken_ms"] == pytest.approx(1230)
    with wave.open(str(answer), "rb") as file:
        rate = file.getframerate()
        heard = array("h", file.readframes(file.getnframes()))
    assert len(heard) >= 1.23 * rate
    loud = [n for n, sample in enumerate(heard) if abs(sample) > 4000]
    assert loud[-1] - loud[0] == pytest.approx(1.23 * rate, rel=0.05)


def test_the_wheel_serves_every_python_and_holds_what_it_should(wheel: Path) -> None:
    assert re.fullmatch(rf"opuscule-{re.escape(VERSION)}-cp311-abi3-\w+\.whl", wheel.name)
    assert wheel.stat().st_size < MAX_WHEEL_BYTES
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for name in names:
            # The native module alone may: Rust's panics name source files of its dependencies.
            assert name.endswith(".so") or str(ROOT).encode() not in archive.read(name), name
    tops = {name.split("/")[0] for name in names}
    about = f"opuscule-{VERSION}.dist-info"
    assert tops == {"opuscule", about}
    wanted = {f"opuscule/{name}" for name in ("py.typed", "_native.pyi", "data/sentence.opus")}
    wanted |= {f"{about}/licenses/{name}" for name in ("LICENSE", "NOTICE")}
    assert wanted <= set(names)
    assert sum(name.startswith("opuscule/_native.") for name in names) == 2
    unwanted = re.compile(r"/tests?/|test_|conftest|__pycache__|\.py[co]$|/out/|/target/")
    assert [name for name in names if unwanted.search(name)] == []
    sources = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}


def test_the_source_archive_is_enough_to_build_from_and_no_more(sdist: Path) -> None:
    assert sdist.name == f"opuscule-{VERSION}.tar.gz"
    assert sdist.stat().st_size < 2_000_000
    with tarfile.open(sdist) as archive:
        names = {name.removeprefix(f"opuscule-{VERSION}/") for name in archive.getnames()}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is None or str(ROOT).encode() not in file.read(), member.name
    assert {"LICENSE", "NOTICE", "README.md", "Cargo.lock", "Cargo.toml", "PKG-INFO"} <= names
    inside = {p.relative_to(ROOT).as_posix() for p in (ROOT / "crates").rglob("src/**/*.rs")}
    assert inside <= names
    unwanted = re.compile(r"(^|/)(target|out|\.venv|__pycache__)/|\.so$|\.py[co]$")
    assert [name for name in names if unwanted.search(name)] == []


def test_the_whole_install_has_every_part(full: Installed) -> None:
    findings = full.findings()
    assert findings["opuscule"][1].startswith(VERSION)
    for extra in EXTRAS:
        assert findings[extra] == (True, "installed")
    where = run(
        full.bin / "python", "-c", "import opuscule; print(opuscule.__file__)", cwd=full.work
    )
    assert Path(where.stdout.strip()).is_relative_to(full.prefix)


def test_the_whole_install_encodes_and_decodes(full: Installed, tone: Path) -> None:
    full.opuscule("encode", tone, "tone.opus")
    full.opuscule("decode", "tone.opus", "tone.wav")
    assert length(full.work / "tone.wav") == 19_680 * 3


def test_the_whole_install_encodes_a_flac_file(full: Installed, shared_data: Path) -> None:
    flac = shared_data / "speech" / "jfk.flac"
    with flac.open("rb") as file:
        # STREAMINFO (RFC 9639 §8.2): 20 bits of rate, 3 of channels, 5 of depth, 36 of length.
        numbers = int.from_bytes(file.read(26)[18:], "big")
    rate, samples = numbers >> 44, numbers & ((1 << 36) - 1)
    assert samples * 48_000 % rate == 0
    full.opuscule("encode", flac, "jfk.opus")
    full.opuscule("decode", "jfk.opus", "jfk.wav")
    assert length(full.work / "jfk.wav") == samples * 48_000 // rate


def test_the_whole_install_speaks_to_a_server_that_keeps(full: Installed, tone: Path) -> None:
    check_conversation(full, tone, "--keep", "kept")
    recordings = json.loads(full.opuscule("archive", "info", "kept/archive.zarr", "--json"))
    (recording,) = recordings.values()
    assert recording["complete"]
    assert recording["total_samples"] == 19_680 * 3
    assert "NOT SOUND" not in full.opuscule("archive", "verify", "kept/archive.zarr")


def test_the_base_install_is_small_and_says_what_would_add_the_rest(base: Installed) -> None:
    heavy = ["numpy", "zarr", "av", "soxr", "sounddevice", "uvloop", "pydantic", "obstore"]
    script = f"import opuscule, importlib.util as u; print([m for m in {heavy} if u.find_spec(m)])"
    assert run(base.bin / "python", "-c", script, cwd=base.work).stdout.strip() == "[]"
    findings = base.findings()
    for extra in EXTRAS:
        there, detail = findings[extra]
        assert not there
        assert f"pip install 'opuscule[{extra}]'" in detail


def test_the_base_install_encodes_and_decodes(base: Installed, tone: Path) -> None:
    base.opuscule("encode", tone, "tone.opus")
    base.opuscule("decode", "tone.opus", "tone.wav", "--rate", "16000")
    assert length(base.work / "tone.wav") == 19_680


def test_the_base_install_speaks_to_a_server_that_keeps_nothing(
    base: Installed, tone: Path
) -> None:
    check_conversation(base, tone, "--no-keep")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["archive", "export", "new.zarr", "s3://bucket/new.zarr"], "remote"),
        (["devices"], "device"),
        (["encode", "README.md", "out.opus"], "media"),
    ],
    ids=["export", "devices", "encode"],
)
def test_a_command_whose_extra_is_missing_says_the_line_that_installs_it(
    base: Installed, tone: Path, command: list[str], extra: str
) -> None:
    (base.work / "README.md").write_text("no sound")
    arguments = [str(tone) if word == "TONE" else word for word in command]
    if extra == "remote":
        base.opuscule("archive", "import", "new.zarr", tone)
    said = base.opuscule(*arguments, expected=1)
    assert len(said.splitlines()) == 1
    assert said.rstrip().endswith(f"pip install 'opuscule[{extra}]'")


def test_the_source_archive_builds_and_works(
    sdist: Path, index: None, tone: Path, tmp_path: Path
) -> None:
    # pip builds in a folder of a new name each time, which cargo keeps apart: in a copy, what is
    # compiled here goes away with the test, and what libopus is made of need not be compiled.
    if (TARGET / "release").is_dir():
        shutil.copytree(TARGET / "release", tmp_path / "target" / "release", symlinks=True)
    # Neither is our own part made fast, which takes the most time: pip is told to build below
    # this folder, where cargo finds it said.
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text(QUICK_BUILD)
    (tmp_path / "build").mkdir()
    installed = Installed(tmp_path)
    installed.install(sdist, target=tmp_path / "target", build=tmp_path / "build")
    shutil.rmtree(tmp_path / "target")
    findings = installed.findings()
    assert findings["in-band"] == findings["deep"] == (True, "works")
    installed.opuscule("encode", tone, "tone.opus")
    installed.opuscule("decode", "tone.opus", "tone.wav", "--rate", "16000")
    assert length(installed.work / "tone.wav") == 19_680
