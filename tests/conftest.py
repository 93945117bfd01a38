"""Fixtures for the whole project: sound devices without hardware, and real recordings."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, settings

# Who runs the tests behind something else may have Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes, or is thought of, says nothing on a machine that is busy with others.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]


def process_state() -> dict[str, object]:
    """What belongs to the whole process, and so to every test that follows in it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "the current folder": Path.cwd(),
        "the umask": umask,
        **{str(signum): signal.getsignal(signum) for signum in SIGNALS},
        **{f"${k}": v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
    }


SIGNALS = signal.valid_signals()


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """Each test leaves its process as it was: which test comes next there is a matter of chance."""
    before = process_state()
    hook, picows = sys.excepthook, logging.getLogger("picows")
    level = picows.level
    yield
    # What commands set for a process that is theirs, when they are called in this one.
    sys.excepthook = hook
    picows.setLevel(level)
    after = process_state()
    assert {k: v for k, v in after.items() if k not in before or before[k] != v} == {}
    assert before.keys() == after.keys()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the project; see its SOURCES.md."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real recordings are not here: ../shared/data beside the project is absent")
    return folder


@pytest.fixture(scope="session")
def speech_files(shared_data: Path) -> list[Path]:
    """Six sentences of one speaker, 16 kHz mono int16 WAV."""
    return sorted((shared_data / "speech").glob("spk1_snt*.wav"))


@dataclass(frozen=True, slots=True)
class Pulse:
    """A private PulseAudio server.

    What is played into ``cable`` is heard by the source ``mic``, which is the default; the default
    sink is ``speaker``, and ``speaker.monitor`` has what an ear would get.
    """

    environment: dict[str, str]
    """For subprocesses: PortAudio reads it when it starts, so a test cannot use it in-process."""
    prefix: tuple[str, ...]
    """What gives a program the processor whenever it wants it, where that is permitted (to root it
    is): sound drops out where it waits. Before the program it counts for all of its threads."""

    def start(
        self, *command: str | os.PathLike[str], stdout: "int | IO[bytes]" = subprocess.PIPE
    ) -> "subprocess.Popen[bytes]":
        """Start a program that sees these sound devices; its output is for the test to read."""
        return subprocess.Popen(
            [*self.prefix, *command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

    def python(
        self, script: Path, *arguments: str | os.PathLike[str], **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python script to its end with these sound devices; fails with what it said."""
        done = subprocess.run(
            [*self.prefix, sys.executable, "-W", "error", script, *arguments],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


_SERVER = """
load-module module-native-protocol-unix
load-module module-null-sink sink_name=speaker rate=48000
load-module module-null-sink sink_name=cable rate=48000
load-module module-remap-source master=cable.monitor source_name=mic
set-default-sink speaker
set-default-source mic
"""
_ALSA = """
pcm.!default { type pulse }
ctl.!default { type pulse }
"""


@pytest.fixture(scope="session")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulse]:
    """Sound devices without hardware, for subprocesses."""
    for program in ("pulseaudio", "pactl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: no sound devices to try")
    prefix: tuple[str, ...] = ("chrt", "--rr", "1")
    try:
        subprocess.run([*prefix, "true"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        prefix = ()
    folder = tmp_path_factory.mktemp("pulse")
    script, alsa = folder / "server.pa", folder / "asound.conf"
    script.write_text(_SERVER)
    alsa.write_text(_ALSA)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PULSE_", "OPUSCULE_"))},
        "XDG_RUNTIME_DIR": str(folder),
        "HOME": str(folder),
        "ALSA_CONFIG_PATH": str(alsa),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT / "src"), *sys.path))),
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*prefix, "pulseaudio", "-n", "-F", script, "--daemonize=no", "--exit-idle-time=-1"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(1000):
            answer = subprocess.run(
                ["pactl", "list", "short", "sources"],
                env=environment,
                capture_output=True,
                check=False,
            )
            if b"\tmic\t" in answer.stdout:
                break
            time.sleep(0.1)
        else:
            pytest.fail("PulseAudio does not start: " + (folder / "log").read_text())
        if prefix:  # its main thread has taken a priority of its own choice
            os.sched_setscheduler(server.pid, os.SCHED_RR, os.sched_param(1))
        yield Pulse(environment, prefix)
    finally:
        server.terminate()
        server.wait(120)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, so that nobody waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_packaging.py")
