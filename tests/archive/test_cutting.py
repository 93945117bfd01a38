"""Packets of a range in an Ogg file: the right samples, and as many, by whatever decodes them."""

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from opuscule.archive import Recording, cut, open_archive, prepare
from opuscule.archive.reading.sequential import SequentialDecoder
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.containers.ogg import OggReader
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Gap, GapKind

from .conftest import Speech, write, write_three

RATE = 48_000


@pytest.fixture(scope="module")
def recordings(
    tmp_path_factory: pytest.TempPathFactory, speech: Speech, stereo: Speech
) -> dict[str, Recording]:
    path = tmp_path_factory.mktemp("cut") / "a.zarr"
    opened = open_archive(write_three(path, speech, stereo))
    for name in opened:
        prepare(opened[name])
    write(path, "unprepared", speech, iter(speech.packets))
    return {name: opened[name] for name in opened}


def decoded(path: Path) -> npt.NDArray[np.int16]:
    """What the file decodes to by its own pre-skip and end, with a decoder of complexity 5."""
    with path.open("rb") as file:
        reader = OggReader(file)
        items = list(reader)
        form, end = reader.format, reader.end_samples
        decoder = SequentialDecoder(
            form.channels, complexity=5, float_output=False, gain_q8=form.gain_q8
        )
        pcm = b"".join(decoder.decode(items))
        samples = np.frombuffer(pcm, np.int16).reshape(-1, form.channels)
        return samples[form.pre_skip_samples : end]


def ranges(total: int, count: int, seed: int) -> list[tuple[int, int]]:
    draw = random.Random(seed)
    found = [(0, total), (0, 1), (total - 1, total)]
    while len(found) < count:
        start = draw.randrange(total - 1)
        found.append((start, min(total, start + draw.choice([1, 959, 48_000, 200_000]))))
    return found


@pytest.mark.row("Z12")
@pytest.mark.parametrize("name", ["plain", "stereo", "gappy", "unprepared"])
def test_a_cut_is_its_range(recordings: dict[str, Recording], tmp_path: Path, name: str) -> None:
    recording = recordings[name]
    exact = 0
    for start, stop in ranges(recording.info.total_samples, 25, seed=1):
        target = tmp_path / "cut.opus"
        report = cut(recording, start, stop, target)
        got = decoded(target)
        assert len(got) == stop - start
        assert report.pre_skip_samples <= 65_535
        before = start + recording.info.pre_skip_samples
        if name != "gappy":  # there a range may begin in a long gap
            assert report.pre_skip_samples >= min(before, 3_840)
        if report.exact_values:
            exact += 1
            assert np.array_equal(got, np.asarray(recording.extract(start, stop)))
    if name in ("plain", "stereo"):
        assert exact > 20
    assert exact > 0


@pytest.mark.parametrize("name", ["plain", "stereo", "gappy"])
def test_other_programs_count_the_same_samples(
    recordings: dict[str, Recording], tmp_path: Path, name: str
) -> None:
    if not shutil.which("opusdec") or not shutil.which("ffmpeg"):
        pytest.skip("opusdec or ffmpeg is not installed")
    recording = recordings[name]
    for start, stop in [(0, 96_000), (70_001, 90_000), (60_000, 95_999), (90_000, 92_000)]:
        target, raw = tmp_path / "cut.opus", tmp_path / "cut.raw"
        cut(recording, start, stop, target)
        frame = 2 * recording.info.channels
        subprocess.run(
            ["opusdec", "--quiet", "--rate", "48000", target, raw], check=True, capture_output=True
        )
        assert raw.stat().st_size == (stop - start) * frame
        if name != "gappy":
            expected = np.asarray(recording.extract(start, stop), np.float64).ravel()
            ours = np.fromfile(raw, np.int16).astype(np.float64)
            assert np.abs(ours - expected).max() < 200  # opusdec dithers, and is another libopus
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-c:a", "libopus", "-i", target, "-f", "s16le", "-"],
            check=True,
            capture_output=True,
        )
        assert len(done.stdout) == (stop - start) * frame


def test_where_nothing_was_recorded(tmp_path: Path, speech: Speech) -> None:
    # Ten seconds left out: a range in them has no packet, one across their end has.
    late = [p.__class__(p.sequence, p.time_samples + 480_000, 960, p.data) for p in speech.packets]
    with RecordingWriter(tmp_path / "a.zarr", "it", speech.format) as writer:
        for packet in speech.packets[:50]:
            writer.add(packet)
        writer.add(Gap(48_000, 480_000, GapKind.UNSENT))
        for packet in late[50:100]:
            writer.add(packet)
        writer.finish(480_000 + 96_000)
    recording = open_archive(tmp_path / "a.zarr")["it"]
    target = tmp_path / "cut.opus"
    assert cut(recording, 300_000, 310_000, target).packets == 0
    assert not decoded(target).any()
    assert len(decoded(target)) == 10_000
    report = cut(recording, 520_000, 560_000, target)
    assert (report.pre_skip_samples, report.exact_values) == (0, False)
    assert len(decoded(target)) == 40_000
    with pytest.raises(InvalidArgumentError, match="not empty"):
        cut(recording, 5, 5, target)


def test_gaps_of_odd_length_leave_the_range_in_its_place(tmp_path: Path, speech: Speech) -> None:
    shift = 50
    with RecordingWriter(tmp_path / "a.zarr", "it", speech.format) as writer:
        for packet in speech.packets[:100]:
            writer.add(packet)
        writer.add(Gap(96_000, 960 + shift, GapKind.LOST))
        for p in speech.packets[101:200]:
            writer.add(p.__class__(p.sequence, p.time_samples + shift, 960, p.data))
        writer.finish(192_000)
    recording = open_archive(tmp_path / "a.zarr")["it"]
    target = tmp_path / "cut.opus"
    cut(recording, 120_000, 150_000, target)
    got, expected = decoded(target), np.asarray(recording.extract(120_000, 150_000))
    assert len(got) == 30_000
    assert np.abs(got.astype(int) - expected)[20_000:].max() < 30


def test_tags_say_where_it_is_from(tmp_path: Path, speech: Speech) -> None:
    with RecordingWriter(tmp_path / "a.zarr", "dawn", speech.format) as writer:
        for packet in speech.packets:
            writer.add(packet)
        writer.finish(
            speech.end_samples, start_epoch_ms=1_767_225_600_000, comments=[("ARTIST", "a wren")]
        )
    recording = open_archive(tmp_path / "a.zarr")["dawn"]
    report = cut(recording, 72_000, 96_000, tmp_path / "cut.opus")
    with (tmp_path / "cut.opus").open("rb") as file:
        reader = OggReader(file)
        items = list(reader)
        tags = dict(reader.comments)
    assert len(items) == report.packets
    assert tags == {
        "ARTIST": "a wren",
        "CUT_FROM": "dawn",
        "CUT_PAYLOAD_SHA256": recording.info.payload_sha256,
        "CUT_SAMPLES": "72000-96000",
        "CUT_STARTED": "2026-01-01T00:00:01.500000+00:00",
    }
