"""What is kept lossless is read as the recording is, in its own samples."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from opuscule.archive import Original, Recording, import_file, open_archive, verify
from opuscule.archive.storage import store
from opuscule.archive.storage.documents import checksum
from opuscule.cli.archive import app
from opuscule.errors import CorruptArchiveError, InvalidArgumentError

from .sounds import call, write_float_wav

RATE = 192_000
BEGAN = datetime(2026, 5, 1, 21, 0, tzinfo=UTC)


def kept(folder: Path, bits: int) -> tuple[Recording, Any]:
    """Half a second of two channels kept lossless, and their samples as integers."""
    bats = np.stack([call(RATE, 0.5), call(RATE, 0.5, 30_000, level=0.9)], axis=1)
    scale = 2 ** (bits - 1)
    import_file(
        folder / "a.zarr",
        write_float_wav(folder / "bat.wav", bats, RATE, bits),
        ultrasonic="lossless",
    )
    return open_archive(folder / "a.zarr")["bat"], np.rint(bats * scale) / scale


@pytest.fixture(scope="module")
def bat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Any]:
    return kept(tmp_path_factory.mktemp("bat"), 16)


def original_of(recording: Recording) -> Original:
    assert recording.lossless is not None
    return recording.lossless


@pytest.mark.row("Z3")
@pytest.mark.parametrize(("bits", "form"), [(16, np.int16), (24, np.float32)])
def test_any_range_is_the_files(tmp_path: Path, bits: int, form: Any) -> None:
    recording, whole = kept(tmp_path, bits)
    original = original_of(recording)
    assert (original.rate, original.channels, original.total_samples) == (RATE, 2, RATE // 2)
    for start, stop in ((0, 1), (0, RATE // 2), (4095, 4097), (50_000, 77_777)):
        found = np.asarray(original.extract(start, stop))
        assert found.dtype == form
        scale = 32_768 if form is np.int16 else 1
        np.testing.assert_array_equal(found / scale, whole[start:stop])
        one = np.asarray(original.extract(start, stop, dtype="float32", channels=[1]))
        np.testing.assert_array_equal(one, whole[start:stop, 1:])
    np.testing.assert_array_equal(np.asarray(original[-10:]), original.extract(95_990, 96_000))
    assert len(original[9:9]) == 0
    blocks = [np.asarray(b) for b in original.blocks(10_000, start_sample=5, dtype="float32")]
    assert [len(block) for block in blocks] == [10_000] * 9 + [5_995]
    np.testing.assert_array_equal(np.concatenate(blocks), whole[5:])


def test_times_are_samples_of_its_own(bat: tuple[Recording, Any]) -> None:
    recording = bat[0]
    original = original_of(recording)
    assert original.seconds_range(0.1, "0.25") == (19_200, 48_000)
    assert original.seconds_range() == (0, RATE // 2)
    with pytest.raises(InvalidArgumentError, match="not known when"):
        original.moments_range(BEGAN, BEGAN)
    began_ms = int(BEGAN.timestamp() * 1000)
    original = Original("bat", original.known, began_ms, recording.array)
    at = BEGAN + timedelta(milliseconds=100)
    assert original.moments_range(at, at + timedelta(milliseconds=50)) == (19_200, 28_800)


def test_what_cannot_be_is_refused(bat: tuple[Recording, Any]) -> None:
    original = original_of(bat[0])
    for ask in (
        lambda: original.extract(0, RATE),
        lambda: original.extract(7, 7),
        lambda: original.extract(0, 5, channels=[2]),
        lambda: original.extract(0, 5, dtype="int8"),  # type: ignore[arg-type]  # on purpose
        lambda: original.seconds_range(0, 1),
        lambda: original.moments_range(BEGAN - timedelta(seconds=1), BEGAN),
        lambda: original.blocks(0),
        lambda: original.blocks(10, stop_sample=RATE),
        lambda: original[::2],
        lambda: original[5],  # type: ignore[index]  # on purpose
    ):
        with pytest.raises(InvalidArgumentError):
            ask()


def test_a_recording_without_one_has_none(tmp_path: Path) -> None:
    path = write_float_wav(tmp_path / "a.wav", np.zeros(4800), 48_000)
    import_file(tmp_path / "a.zarr", path)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    assert recording.lossless is None
    assert verify(recording).lossless_bytes == 0
    done = CliRunner().invoke(
        app, ["extract", str(tmp_path / "a.zarr"), "a", str(tmp_path / "b.wav"), "--lossless"]
    )
    assert isinstance(done.exception, InvalidArgumentError)
    assert "no lossless original" in str(done.exception)


@pytest.mark.row("Z3")
def test_verify_compares_its_hash(tmp_path: Path) -> None:
    recording, _ = kept(tmp_path, 16)
    report = verify(recording, ranges=1)
    assert report.ok
    assert report.lossless_bytes == original_of(recording).flac_bytes > 10_000
    said = CliRunner().invoke(app, ["verify", str(tmp_path / "a.zarr")]).output
    assert f"{report.lossless_bytes} bytes of lossless original hashed" in said
    # Another hash, or another list of frames, with right checksums.
    path = recording.path / "zarr.json"
    document = json.loads(path.read_text())
    own = document["attributes"]["opuscule"]
    own["source"]["lossless"]["sha256"] = "0" * 64
    own["checksum"] = checksum(own, document["consolidated_metadata"]["metadata"])
    path.write_text(json.dumps(document))
    (problem,) = verify(open_archive(tmp_path / "a.zarr")["bat"], ranges=1).problems
    assert "the lossless original's SHA-256 is" in problem
    own["source"]["lossless"]["header_bytes"] += 1
    own["checksum"] = checksum(own, document["consolidated_metadata"]["metadata"])
    path.write_text(json.dumps(document))
    (problem,) = verify(open_archive(tmp_path / "a.zarr")["bat"], ranges=1).problems
    assert "FLAC frames are listed" in problem


def test_damage_is_named_and_harms_no_other_range(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK_BYTES", 1000)
    recording, whole = kept(tmp_path, 16)
    chunk = recording.path / "lossless" / "c" / "0"
    content = bytearray(chunk.read_bytes())
    content[-1000] ^= 1
    chunk.write_bytes(content)
    original = original_of(open_archive(tmp_path / "a.zarr")["bat"])
    np.testing.assert_array_equal(np.asarray(original[:5000]) / 32_768, whole[:5000])
    with pytest.raises(CorruptArchiveError, match=r"samples 0 to 96000 of its lossless original"):
        original.extract(0, RATE // 2)
    (problem,) = verify(open_archive(tmp_path / "a.zarr")["bat"], ranges=0).problems
    assert problem.startswith("the lossless original: ")
