"""Real audio through real PortAudio, and a sound server that has no hardware."""

import functools
import json
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.conftest import Pulse

if find_spec("sounddevice") is None or find_library("portaudio") is None:
    pytest.skip("sounddevice or PortAudio is not installed", allow_module_level=True)

PROBE = Path(__file__).with_name("sound_probe.py")


def probe(pulse: "Pulse", task: str, *arguments: str | Path, **environment: str) -> Any:
    return json.loads(pulse.python(PROBE, task, *arguments, **environment).stdout)


def tone(path: Path, *frequencies: float, rate: int, seconds: float) -> None:
    """Write raw int16 with one frequency a channel."""
    turns = np.arange(int(rate * seconds)) / rate
    waves = [np.sin(2 * np.pi * f * turns) * 8000 for f in frequencies]
    path.write_bytes(np.stack(waves, 1).round().astype(np.int16).tobytes())


def heard(samples: NDArray[np.float64], rate: int, frequency: float) -> NDArray[np.bool_]:
    """For each 10 ms, whether the tone is there and nothing else is; a click or gap breaks it."""
    step = rate // 100
    windows = samples[: len(samples) // step * step].reshape(-1, step)
    turns = 2 * np.pi * frequency * np.arange(step) / rate
    basis = np.stack([np.sin(turns), np.cos(turns)])
    parts = windows @ basis.T * 2 / step
    rest = windows - parts @ basis
    level = np.hypot(*parts.T)
    clean: NDArray[np.bool_] = (level > 1000) & (np.abs(rest).max(1) < 0.05 * level)
    return clean


def phases(samples: NDArray[np.float64], rate: int, frequency: float) -> NDArray[np.float64]:
    """How far the tone's phase moves from each 10 ms to the next, in turns; 0 if none is lost."""
    step = rate // 100
    windows = samples[: len(samples) // step * step].reshape(-1, step)
    turns = 2 * np.pi * frequency * np.arange(windows.size).reshape(windows.shape) / rate
    angle = np.angle((windows * np.exp(-1j * turns)).sum(1)) / (2 * np.pi)
    moved: NDArray[np.float64] = (np.diff(angle) + 0.5) % 1.0 - 0.5
    return moved


def in_time(test: Callable[["Pulse", Path], None]) -> Callable[["Pulse", Path], None]:
    """Try again what failed while this machine kept others waiting: sound does not wait."""

    @functools.wraps(test)
    def repeated(pulse: "Pulse", tmp_path: Path) -> None:
        for _ in range(8):
            with watched() as late_s:
                try:
                    test(pulse, tmp_path)
                except AssertionError:
                    if max(late_s) < 0.02:
                        raise
                else:
                    return
        pytest.skip(f"this machine is too busy for sound: {max(late_s) * 1000:.0f} ms late")

    return repeated


@contextmanager
def watched() -> Iterator[list[float]]:
    """How many seconds too late somebody awoke who slept for two milliseconds again and again."""
    late_s, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.is_set():
            due = time.monotonic() + 0.002
            time.sleep(0.002)
            late_s.append(time.monotonic() - due)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield late_s
    finally:
        over.set()
        watcher.join()


@contextmanager
def playing(pulse: "Pulse", path: Path, channels: int) -> Iterator[None]:
    """Keep a tone sounding in front of the microphone."""
    player = pulse.start(
        "pacat", "-p", "-d", "cable", "--rate=48000", f"--channels={channels}", "--raw", path
    )
    try:
        for _ in range(1000):
            listed = subprocess.run(
                ["pactl", "list", "short", "sink-inputs"],
                env=pulse.environment,
                capture_output=True,
                check=True,
            )
            if listed.stdout.strip():
                break
            time.sleep(0.05)
        yield
    finally:
        player.kill()
        player.communicate()


@contextmanager
def ear(pulse: "Pulse", out: Path) -> Iterator[None]:
    """Record what a listener would hear."""
    with out.open("wb") as file:
        format_ = ["--rate=48000", "--channels=1", "--latency-msec=20"]
        recorder = pulse.start("parec", "-d", "speaker.monitor", *format_, stdout=file)
        try:
            for _ in range(1000):
                if out.stat().st_size:
                    break
                time.sleep(0.05)
            yield
            size = out.stat().st_size  # what is on its way still has to arrive
            for _ in range(100):
                if out.stat().st_size > size + 48_000:
                    break
                time.sleep(0.05)
        finally:
            recorder.terminate()
            recorder.communicate()


def loud(out: Path) -> tuple[NDArray[np.float64], int, int]:
    """What was heard, and where it begins and ends."""
    samples = np.frombuffer(out.read_bytes()[: out.stat().st_size // 2 * 2], np.int16)
    there = np.flatnonzero(np.abs(samples.astype(int)) > 300)
    assert there.size, "nothing was heard"
    return samples.astype(float), int(there[0]), int(there[-1]) + 1


@pytest.mark.row("P4")
def test_devices_are_listed_and_found(pulse: "Pulse") -> None:
    found = probe(pulse, "devices")
    assert "default" in found["names"]
    assert found["input"] == "default"
    assert found["default_output"] is True
    assert found["by_part"] == found["by_number"] == "default"
    assert found["unknown"]["error"] == "DeviceNotFoundError"
    assert "'no such thing'" in found["unknown"]["message"]
    assert "'default'" in found["unknown"]["message"]


@pytest.mark.row("P4")
def test_the_environment_chooses_a_device(pulse: "Pulse") -> None:
    failed = subprocess.run(
        [sys.executable, PROBE, "devices"],
        env={**pulse.environment, "OPUSCULE_INPUT": "parlour"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode
    assert "'parlour' (OPUSCULE_INPUT)" in failed.stderr


@pytest.mark.row("P4")
def test_a_microphone_array_is_preferred(pulse: "Pulse", tmp_path: Path) -> None:
    alsa = tmp_path / "asound.conf"
    alsa.write_text(
        Path(pulse.environment["ALSA_CONFIG_PATH"]).read_text()
        + "pcm.Seeed4mic { type pulse hint { show on description voicecard } }\n"
    )
    found = probe(pulse, "devices", ALSA_CONFIG_PATH=str(alsa))
    assert found["input"] == "Seeed4mic"
    found = probe(pulse, "devices", ALSA_CONFIG_PATH=str(alsa), OPUSCULE_INPUT="default")
    assert found["input"] == "default"


def test_settings_that_a_device_does_not_offer(pulse: "Pulse") -> None:
    refused = probe(pulse, "refused")
    assert refused["error"] == "DeviceError"
    assert "99 channels at 16000 Hz" in refused["message"]


@pytest.mark.row("C11")
@in_time
def test_the_microphone_hears_what_is_played(pulse: "Pulse", tmp_path: Path) -> None:
    tone(tmp_path / "in.raw", 1000.0, rate=48_000, seconds=60)
    with playing(pulse, tmp_path / "in.raw", 1):
        result = probe(pulse, "hear", "2000", tmp_path / "out.raw")
    samples = np.array(array("h", (tmp_path / "out.raw").read_bytes()), float)
    assert len(samples) == 32_000
    start = int(np.argmax(np.abs(samples) > 300)) + 1600  # the fade-in of its resampler
    clean = heard(samples[start:], 16_000, 1000.0)
    assert len(clean) > 100
    assert clean.all()
    assert np.abs(phases(samples[start:], 16_000, 1000.0)).max() < 0.02
    assert result["overruns"] == 0
    steps = np.diff(result["captured"])
    assert abs(steps.mean() - 0.02) < 0.002


@pytest.mark.row("G2")
@in_time
def test_channels_are_picked_by_frames(pulse: "Pulse", tmp_path: Path) -> None:
    tone(tmp_path / "in.raw", 500.0, 3000.0, rate=48_000, seconds=60)
    with playing(pulse, tmp_path / "in.raw", 2):
        probe(pulse, "pick", tmp_path / "out.raw")
    samples = np.array(array("h", (tmp_path / "out.raw").read_bytes()), float)[-4000:]
    assert heard(samples, 16_000, 3000.0).all()


@pytest.mark.row("P7")
def test_a_slow_reader_loses_the_oldest(pulse: "Pulse") -> None:
    result = probe(pulse, "hear_slowly")
    assert result["overruns"] > 0
    steps = np.diff(result["captured"])
    assert steps.max() > 0.2  # the hole shows in the times
    assert (steps > 0).all()
    assert result["again"]["error"] == "InvalidArgumentError"


def test_closing_ends_the_reading(pulse: "Pulse") -> None:
    assert probe(pulse, "close_while_reading")["blocks"] < 50


@pytest.mark.row("P3")
@in_time
def test_one_stream_without_a_dropout(pulse: "Pulse", tmp_path: Path) -> None:
    with ear(pulse, tmp_path / "out.raw"):
        result = probe(pulse, "say", "1500")
    samples, begin, end = loud(tmp_path / "out.raw")
    assert abs((end - begin) - 72_000) < 100
    middle = samples[begin + 480 : end - 480]
    assert heard(middle, 48_000, 1000.0).all()
    assert np.abs(phases(middle, 48_000, 1000.0)).max() < 0.01
    assert result["underruns"] == 0
    assert result["most_ms"] < 1000
    assert result["drained_ms"] < result["most_ms"]


@pytest.mark.row("P7")
@in_time
def test_running_dry_is_counted_once_each_time(pulse: "Pulse", tmp_path: Path) -> None:
    result = probe(pulse, "say_haltingly")
    assert result["underruns"] == [1, 2, 2]
    assert "closed" in result["closed"]["message"]


@pytest.mark.row("X9")
@in_time
def test_discarding_cuts_the_answer_off(pulse: "Pulse", tmp_path: Path) -> None:
    with ear(pulse, tmp_path / "out.raw"):
        result = probe(pulse, "interrupt")
    _, begin, end = loud(tmp_path / "out.raw")
    assert 4800 < end - begin < 38_400  # of 48,000 that were written
    assert result["underruns"] == 0


def without(preparation: str) -> subprocess.CompletedProcess[str]:
    code = f"{preparation}\nfrom opuscule.devices import list_devices\nlist_devices()"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.row("C12")
def test_what_is_not_installed_is_named() -> None:
    done = without("import sys; sys.modules['sounddevice'] = None")
    assert done.stderr.strip().splitlines()[-1].endswith("pip install 'opuscule[device]'")
    done = without("import ctypes.util; ctypes.util.find_library = lambda name: None")
    assert done.stderr.strip().splitlines()[-1].startswith("opuscule.errors.DeviceError")
    assert "apt install libportaudio2" in done.stderr


def test_importing_needs_no_extra() -> None:
    code = (
        "import sys\nsys.modules.update(dict.fromkeys(('sounddevice', 'numpy', 'av', 'soxr')))\n"
        "import opuscule.devices"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=True)
