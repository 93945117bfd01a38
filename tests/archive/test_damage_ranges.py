"""Any range of a damaged, prepared recording is that of its sequential decode, reported."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from opuscule.archive import Recording, open_archive, prepare
from opuscule.archive.storage import store
from opuscule.errors import CorruptArchiveError, InvalidArgumentError
from opuscule.packets import SampleFormat

from .conftest import Speech, write
from .test_points import BURSTS, make, talk, tone

CHUNK_BYTES = 200
"""Of the payload: what one wrong bit spoils is four to ten packets."""


def damaged(recording: Recording, chunks: list[int]) -> Recording:
    """Open a recording anew, after a bit of each of these chunks was changed."""
    path = recording.path / "packets" / "c" / "0"
    size = 4 + zarr.open_array(recording.path / "packets", mode="r").chunks[0]
    content = bytearray(path.read_bytes())
    for chunk in chunks:
        content[chunk * size + 3] ^= 0x20
    path.write_bytes(content)
    return again(recording)


def again(recording: Recording) -> Recording:
    return open_archive(recording.path.parents[1])[recording.name]


def whole(recording: Recording, dtype: SampleFormat) -> Any:
    blocks = recording.sequential(dtype=dtype, on_damage="conceal")
    return np.concatenate([np.asarray(block) for block in blocks])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHUNK_BYTES", CHUNK_BYTES)


@pytest.mark.row("X4")
@pytest.mark.parametrize(
    ("pcm", "gaps", "settings", "dtype"),
    [
        pytest.param(talk, {}, {"bitrate": 24_000}, "float32", id="hybrid"),
        pytest.param(talk, {}, {"bitrate": 64_000, "application": "audio"}, "int16", id="CELT"),
        pytest.param(talk, {}, {"preset": "voice", "dtx": True}, "float32", id="DTX"),
        pytest.param(talk, BURSTS, {"preset": "voice_lossy"}, "int16", id="gaps and FEC"),
        pytest.param(talk, {}, {"preset": "deep", "frame_ms": 60}, "float32", id="DRED"),
        pytest.param(tone, {}, {"bitrate": 16_000}, "int16", id="a tone in SILK"),
    ],
)
def test_any_range_of_a_damaged_recording(
    tmp_path: Path, pcm: Any, gaps: Any, settings: dict[str, object], dtype: SampleFormat
) -> None:
    recording = make(tmp_path, pcm(8), gaps, **settings)
    prepare(recording)
    undamaged = whole(recording, dtype)
    total, draw = recording.info.total_samples, random.Random(7)
    chunks = recording.info.payload_bytes // CHUNK_BYTES
    spoilt = [chunks // 5, chunks // 2, chunks // 2 + 2, chunks * 9 // 10]
    recording = damaged(recording, spoilt)
    concealed = whole(recording, dtype)
    damages = recording.damage
    assert 1 <= len(damages) <= 4
    expected = np.asarray(recording.extract(0, total, dtype=dtype, on_damage="conceal"))
    if gaps:
        # What fills a gap depends on all that was before it: there it is better than sequential.
        assert ((expected == concealed) | (expected == undamaged)).all()
    else:
        assert np.array_equal(expected, concealed)
    first = damages[0].start_sample
    assert np.array_equal(expected[:first], undamaged[:first])
    assert not np.array_equal(expected, undamaged)
    edges = [at for one in damages for at in (one.start_sample, one.stop_sample)]
    for number in range(18):
        near = draw.choice(edges) + draw.randint(-60_000, 120_000)
        start = min(max(0, draw.choice([near, draw.randrange(total)])), total - 1)
        stop = min(total, start + draw.choice([1, 960, 48_000, 100_000]))
        fresh = again(recording)
        if number % 3:
            found = fresh.extract(start, stop, dtype=dtype, on_damage="conceal")
            assert np.array_equal(np.asarray(found), expected[start:stop]), (start, stop)
        else:
            blocks = fresh.blocks(
                7001, start_sample=start, stop_sample=stop, dtype=dtype, on_damage="conceal"
            )
            joined = np.concatenate([np.asarray(block) for block in blocks])
            assert np.array_equal(joined, expected[start:stop]), (start, stop)
        # What is reported is damage that was met, and all that is heard is reported.
        for one in fresh.damage:
            assert any(o.first_packet <= one.first_packet < o.stop_packet for o in damages)
            assert one.start_sample < stop
        for one in damages:
            if one.start_sample < stop and start < one.stop_sample:
                assert one in fresh.damage


@pytest.mark.parametrize("prepared", [False, True])
def test_reading_on_is_as_damaged_as_a_range(
    tmp_path: Path, speech: Speech, prepared: bool
) -> None:
    recording = write(tmp_path / "a.zarr", "it", speech, iter(speech.packets))
    if prepared:
        prepare(recording)
    count = recording.info.payload_bytes // CHUNK_BYTES
    recording = damaged(recording, [count // 2])
    where = r"packets \d+ to \d+, \d+\.\d+ s to \d+\.\d+ s of the audio"
    for read in (
        lambda **how: list(recording.blocks(48_000, **how)),
        lambda **how: list(recording.blocks(48_000, mode="fast", **how)),
        lambda **how: recording.read(**how),
        lambda **how: list(recording.extract_many([(250_000, 330_000)], threads=2, **how)),
    ):
        with pytest.raises(CorruptArchiveError, match=where):
            read()
        assert recording.damage == ()
    (concealed,) = recording.extract_many([(0, 576_000)], on_damage="conceal")
    (one,) = recording.damage
    assert one.first_packet < 300 < one.stop_packet + 20
    assert np.array_equal(np.asarray(concealed), whole(recording, "int16"))
    assert len(recording.read(on_damage="conceal")) == 576_000
    for mode in ("exact", "fast"):
        blocks = recording.blocks(48_000, mode=mode, on_damage="conceal", dtype="int16")
        found = np.concatenate([np.asarray(block) for block in blocks])
        assert np.array_equal(found, np.asarray(concealed))
    # Far from the damage nothing is to be reported.
    fresh = again(recording)
    for _ in fresh.blocks(9600, stop_sample=96_000, on_damage="conceal"):
        pass
    fresh.extract(0, 96_000, on_damage="conceal")
    if prepared:
        fresh.extract(540_000, 570_000, on_damage="conceal")
    assert fresh.damage == ()
    with pytest.raises(InvalidArgumentError, match="on_damage"):
        fresh.blocks(960, on_damage="ignore")  # type: ignore[arg-type] # that is the test
