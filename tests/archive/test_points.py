"""A prepared recording: any stretch is exact, and only a little is decoded in vain."""

import functools
import logging
import math
import random
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr

from opuscule.archive import Recording, open_archive, prepare
from opuscule.archive.storage.documents import open_recording_document
from opuscule.archive.storage.points import SyncPoints
from opuscule.archive.storage.store import replace_document
from opuscule.archive.storage.stores import LocalStore, Place
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.errors import CorruptArchiveError
from opuscule.packets import Gap, GapKind

from .conftest import with_gaps

RATE = 48_000


@functools.cache
def talk(seconds: float) -> bytes:
    """Syllables of changing pitch with a breath of noise, and a pause after every sentence."""
    noise = random.Random(3)
    out = array("h")
    for n in range(round(seconds * RATE)):
        t = n / RATE
        said = max(0.0, math.sin(2 * math.pi * 3.1 * t)) * (t % 2.5 < 2.0)
        phase = 2 * math.pi * (120 * t + 9 * math.sin(1.7 * t))
        value = math.sin(phase) + 0.6 * math.sin(4 * phase) + 0.3 * noise.uniform(-1, 1)
        out.append(round(said * value * 6000 + noise.uniform(-8, 8)))
    return out.tobytes()


def tone(seconds: float) -> bytes:
    n = np.arange(round(seconds * RATE))
    return bytes(np.round(8000 * np.sin(n * 2 * np.pi * 440 / RATE)).astype("<i2").tobytes())


def loud(seconds: float) -> bytes:
    """Clipped hard: the decoder's soft clipping has to do its work."""
    n = np.arange(round(seconds * RATE))
    beat = np.sin(n * 2 * np.pi * 1.5 / RATE)
    wave = 90_000 * beat * np.sin(n * 2 * np.pi * 330 / RATE)
    return bytes(np.clip(wave, -32_768, 32_767).astype("<i2"))


def make(
    path: Path, pcm: bytes, gaps: dict[int, tuple[int, GapKind]], **settings: object
) -> Recording:
    chosen: dict[str, Any] = {"preset": "voice", "dtx": False, **settings}
    encoder = StreamEncoder(RATE, 1, **chosen)
    with RecordingWriter(path / "a.zarr", "it", encoder.format) as writer:
        for item in with_gaps(encoder.push(pcm) + encoder.finish(), gaps):
            writer.add(item)
        writer.finish(encoder.end_samples)
    return open_archive(path / "a.zarr")["it"]


def check(recording: Recording, seed: int = 0) -> None:
    """Compare 60 stretches, the ends and the whole among them, in both types."""
    draw = random.Random(seed)
    total = recording.info.total_samples
    types: tuple[Literal["int16", "float32"], ...] = ("int16", "float32")
    for dtype in types:
        whole = np.concatenate([np.asarray(b) for b in recording.sequential(dtype=dtype)])
        wanted = [(0, 1), (total - 1, total), (0, total)]
        while len(wanted) < 60:
            start = draw.randrange(total)
            wanted.append((start, min(total, start + draw.choice([1, 960, 48_000, 100_000]))))
        for start, stop in wanted:
            found = np.asarray(recording.extract(start, stop, dtype=dtype))
            assert np.array_equal(found, whole[start:stop]), (dtype, start, stop)


BURSTS = {
    120: (1, GapKind.LOST),
    121: (1, GapKind.LOST),
    180: (10, GapKind.LOST),
    260: (60, GapKind.UNSENT),
    400: (3, GapKind.DISCONTINUITY),
    404: (2, GapKind.LOST),
    560: (30, GapKind.LOST),
}


@pytest.mark.row("X4")
@pytest.mark.parametrize(
    ("pcm", "gaps", "settings"),
    [
        pytest.param(talk, {}, {"bitrate": 12_000}, id="SILK"),
        pytest.param(talk, {}, {"bitrate": 24_000}, id="hybrid"),
        pytest.param(talk, {}, {"bitrate": 64_000, "application": "audio"}, id="CELT"),
        pytest.param(talk, {}, {"preset": "voice", "dtx": True}, id="DTX"),
        pytest.param(talk, BURSTS, {"preset": "voice_lossy"}, id="gaps and FEC"),
        pytest.param(talk, {40: (8, GapKind.LOST)}, {"preset": "deep", "frame_ms": 60}, id="DRED"),
        pytest.param(tone, {}, {"bitrate": 16_000}, id="a tone in SILK"),
        pytest.param(tone, BURSTS, {"bitrate": 64_000}, id="a tone with gaps"),
        pytest.param(loud, {}, {"bitrate": 96_000, "application": "audio"}, id="clipped"),
        pytest.param(lambda s: bytes(round(s * RATE) * 2), {}, {}, id="silence"),
    ],
)
def test_any_stretch_of_a_prepared_recording_is_exact(
    tmp_path: Path,
    pcm: Callable[[float], bytes],
    gaps: dict[int, tuple[int, GapKind]],
    settings: dict[str, object],
) -> None:
    recording = make(tmp_path, pcm(14), gaps, **settings)
    report = prepare(recording)
    assert report.points == recording.info.end_samples // 24_000 + 1 or gaps
    check(recording)


@pytest.mark.row("Z6")
def test_little_is_decoded_in_vain(tmp_path: Path) -> None:
    recording = make(tmp_path, talk(14), {}, bitrate=24_000)
    report = prepare(recording)
    assert report.useless_points < report.points / 4
    points = recording.points
    assert points is not None
    begins = [
        (start, next(points.parts(start, start + 48_000, float_output=False)).begin_samples)
        for start in range(48_000, 600_000, 10_000)
    ]
    before = [start - begin for start, begin in begins]
    assert np.median(before) < 1.5 * RATE
    assert min(before) > 0  # from nowhere is a decoder exact at once


def test_a_tone_is_known_to_need_its_beginning(tmp_path: Path) -> None:
    recording = make(tmp_path, tone(14), {}, bitrate=16_000)
    report = prepare(recording)
    assert report.useless_points > report.points - 4


def test_preparing_again_does_nothing_unless_forced(tmp_path: Path) -> None:
    recording = make(tmp_path, talk(4), {})
    assert not prepare(recording).done_before
    assert prepare(recording).done_before
    assert not prepare(recording, force=True).done_before
    assert not list((tmp_path / "a.zarr" / ".incoming").glob("*"))
    assert zarr.open_array(recording.path / "points").shape[1] == 4


def test_another_decoder_prepares_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = make(tmp_path, talk(4), {})
    prepare(recording)
    place = Place(LocalStore(recording.path.parent), "it")
    _, arrays = open_recording_document(place)
    document = dict(arrays["points"])
    document["attributes"] = {"opuscule": {"decoder": {"libopus": "libopus 9"}}}
    replace_document(recording.path, tmp_path, {"points": document})
    again = open_archive(tmp_path / "a.zarr")["it"]
    with caplog.at_level(logging.WARNING):
        assert again.points is None
        check(again)
    assert sum("another decoder" in line for line in caplog.messages) == 1
    assert not prepare(again).done_before
    assert again.points is not None


def test_a_long_way_from_the_beginning_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = make(tmp_path, bytes(35 * RATE * 2), {})
    with caplog.at_level(logging.WARNING):
        for start in (10, 32 * RATE, 33 * RATE):
            recording.extract(start, start + 10)
    assert sum("archive prepare" in line for line in caplog.messages) == 1


def test_points_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    recording = make(tmp_path, talk(4), {})
    prepare(recording)
    other = make(tmp_path / "other", tone(4), {}, bitrate=16_000)
    prepare(other)
    (recording.path / "points").rename(tmp_path / "aside")
    (other.path / "points").rename(recording.path / "points")
    recording.forget_points()
    with pytest.raises(CorruptArchiveError, match="these are not the points"):
        recording.extract(100_000, 100_010)
    with pytest.raises(CorruptArchiveError, match="sync points"):
        SyncPoints(bytes(4 * 3), 24_000, recording.index)


def test_an_empty_recording_can_be_prepared(tmp_path: Path) -> None:
    encoder = StreamEncoder(RATE, 1)
    with RecordingWriter(tmp_path / "a.zarr", "it", encoder.format) as writer:
        writer.add(Gap(0, 96_000, GapKind.LOST))
        writer.finish(96_000)
    recording = open_archive(tmp_path / "a.zarr")["it"]
    assert prepare(recording).points == 0
