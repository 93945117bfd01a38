"""The docs say what is so: commands' help, examples, code, links."""

import asyncio
import contextlib
import json
import os
import re
import runpy
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import opuscule
from opuscule.errors import ConnectError
from opuscule.server import DEFAULT_PORT

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
EXAMPLES = ROOT / "examples"
PROGRAM = Path(sys.executable).with_name("opuscule")


@pytest.fixture(scope="module")
def maker() -> dict[str, Any]:
    """What tools/make_commands.py defines."""
    return runpy.run_path(str(ROOT / "tools" / "make_commands.py"))


def test_the_commands_page_is_current(
    maker: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # as the tool does, for good
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == maker["commands_page"](), "run tools/make_commands.py"


def test_every_command_is_on_the_page() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    found = re.findall(r"^#+ opuscule (.+)$", page, re.MULTILINE)
    assert set(found) >= {"demo", "serve", "talk", "encode", "decode", "devices", "doctor"}
    assert set(found) >= {f"archive {name}" for name in ("import", "info", "extract", "verify")}
    told = " ".join(page.split())
    assert f"[default: {DEFAULT_PORT}]" in told
    assert f"[default: ws://127.0.0.1:{DEFAULT_PORT}]" in told


def test_the_readme_shows_the_examples_as_they_are(maker: dict[str, Any]) -> None:
    page = README.read_text(encoding="utf-8")
    assert page == maker["with_examples"](page), "run tools/make_commands.py"
    shown = re.findall(r"^<!-- example: examples/(\S+) -->$", page, re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in EXAMPLES.glob("*.py"))
    # No Python but the examples, which are run below.
    assert page.count("```python") == len(shown)


def test_the_readme_shows_a_demo() -> None:
    found = re.search(r"^<!-- demo -->\n```\n(.*?)^```$", README.read_text("utf-8"), re.S | re.M)
    assert found, "run tools/make_commands.py --demo"
    for heading in ("On the way there", "The answer", "How long each stage took", "Kept", "Files"):
        assert f"\n{heading}" in found[1]
    assert "equal to the sequential decode" in found[1]


def slug(heading: str) -> str:
    """The anchor that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), f"{page.name} links to {target}"


def run_python(*arguments: str | Path, folder: Path) -> str:
    """Run Python in a folder; it has to succeed without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_python_in_the_docs_runs(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.S | re.M)
    for block in blocks:
        run_python("-c", block, folder=tmp_path)


def test_codec_example(tmp_path: Path) -> None:
    said = run_python(EXAMPLES / "codec.py", folder=tmp_path)
    found = re.fullmatch(r"(\d+) samples, (\d+) of them rebuilt from FEC\n", said)
    assert found
    assert int(found[1]) == 16_000
    assert int(found[2]) > 0


def test_keep_example(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "dawn.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(range(250)) * 384)
    said = run_python(EXAMPLES / "keep.py", "birds.zarr", "dawn.wav", folder=tmp_path)
    assert said == "dawn: 48000 samples from sample 72000\n"


@pytest.fixture
def default_port() -> Iterator[None]:
    """The port that servers have when none is named, for one test on this machine at a time."""
    fcntl = pytest.importorskip("fcntl")
    with (Path(tempfile.gettempdir()) / f"opuscule-{DEFAULT_PORT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) == 0:
                pytest.skip(f"something listens on port {DEFAULT_PORT}, which the example needs")
        yield


async def is_served() -> bool:
    try:
        async with await opuscule.connect(f"ws://127.0.0.1:{DEFAULT_PORT}"):
            return True
    except ConnectError:
        return False


@pytest.mark.usefixtures("default_port")
def test_answer_example(tmp_path: Path) -> None:
    example = subprocess.Popen(
        [sys.executable, "-u", "-W", "error", EXAMPLES / "answer.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not asyncio.run(is_served()):  # it takes its moment to listen
            assert example.poll() is None, example.communicate()
            time.sleep(0.05)
        talk = [str(PROGRAM), "talk", "--source", "tone:440:500ms", "--sink", "null", "--json"]
        environment = {k: v for k, v in os.environ.items() if k[:9] != "OPUSCULE_"}
        done = subprocess.run(
            talk, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (done.stderr, example.poll())
        report = json.loads(done.stdout)
        assert report["stored"] is True
        assert report["answer"]["received_samples"] == 8000
    finally:
        example.terminate()
        out, err = example.communicate(timeout=120)
    assert out == "talk spoke for 0.5 s\n"
    assert err == ""
    assert len(list((tmp_path / "recordings" / "archive.zarr" / "recordings").glob("talk-*"))) == 1
