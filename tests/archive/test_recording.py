"""Any stretch that is extracted is what decoding from the beginning gives."""

import dataclasses
import pickle
import random
import wave
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

from opuscule import _native
from opuscule.archive.reading import recording as recording_module
from opuscule.archive.reading.archive import open_archive
from opuscule.archive.reading.recording import Recording
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.errors import CorruptArchiveError, InvalidArgumentError
from opuscule.packets import Gap, GapKind, Packet

from .conftest import Speech, voice_like, with_gaps, write

Samples = npt.NDArray[np.int16] | npt.NDArray[np.float32]


def sequential(
    recording: Recording, dtype: Literal["int16", "float32"] = "int16", complexity: int = 5
) -> Samples:
    blocks = list(recording.sequential(dtype=dtype, complexity=complexity))
    assert max(len(block) for block in blocks) <= 5760
    return np.concatenate([np.asarray(block) for block in blocks])


def ranges(total: int, count: int) -> list[tuple[int, int]]:
    draw = random.Random(5)
    found = [(0, 1), (total - 1, total), (0, total)]
    while len(found) < count:
        start, stop = sorted(draw.sample(range(total + 1), 2))
        found.append((start, min(stop, start + 30_000)))
    return found


def test_a_recording_goes_to_another_process(archive: Path) -> None:
    recording = open_archive(archive)["plain"]
    expected = bytes(recording.extract(100, 5000))
    there = pickle.loads(pickle.dumps(recording))  # noqa: S301 - made just here
    assert bytes(there.extract(100, 5000)) == expected


@pytest.mark.row("X4")
@pytest.mark.row("Z6")
@pytest.mark.parametrize("name", ["plain", "gappy", "stereo"])
def test_extraction_equals_the_sequential_decode(archive: Path, name: str) -> None:
    recording = open_archive(archive)[name]
    whole = sequential(recording)
    assert whole.shape == (recording.info.total_samples, recording.info.channels)
    assert np.abs(whole).max() > 1000
    for start, stop in ranges(len(whole), 25):
        found = recording.extract(start, stop)
        assert found.shape == (stop - start, recording.info.channels)
        assert np.array_equal(np.asarray(found), whole[start:stop])


@pytest.mark.row("Z6")
def test_float_and_low_complexity_are_exact_too(archive: Path) -> None:
    recording = open_archive(archive)["gappy"]
    whole = sequential(recording, "float32", complexity=0)
    for start, stop in ranges(len(whole), 8):
        found = recording.extract(start, stop, dtype="float32", complexity=0)
        assert found.format == "f"
        assert np.array_equal(np.asarray(found), whole[start:stop])


@pytest.mark.row("X4")
def test_a_steady_tone_is_exact(tmp_path: Path) -> None:
    # A decoder begun in the middle of one never becomes equal.
    encoder = StreamEncoder(48_000, 1, preset="voice", dtx=False)
    tone = (8000 * np.sin(np.arange(5 * 48_000) * 2 * np.pi * 440 / 48_000)).astype(np.int16)
    with RecordingWriter(tmp_path / "a.zarr", "tone", encoder.format) as writer:
        for packet in encoder.push(tone.tobytes()) + encoder.finish():
            writer.add(packet)
        writer.finish(encoder.end_samples)
    recording = open_archive(tmp_path / "a.zarr")["tone"]
    whole = sequential(recording)
    assert np.array_equal(np.asarray(recording.extract(200_000, 210_000)), whole[200_000:210_000])
    cold = np.asarray(recording.extract(200_000, 210_000, pre_roll_ms=80))
    assert not np.array_equal(cold, whole[200_000:210_000])


def test_a_pre_roll_sounds_the_same(archive: Path) -> None:
    recording = open_archive(archive)["plain"]
    whole = sequential(recording).astype(float)
    for start, stop in ranges(len(whole), 12):
        found = np.asarray(recording.extract(start, stop, pre_roll_ms=500)).astype(float)
        error = np.abs(found - whole[start:stop]).max()
        assert error <= 0.1 * np.abs(whole).max()
    assert np.array_equal(
        np.asarray(recording.extract(99_000, 99_100, pre_roll_ms=float("inf"))),
        whole[99_000:99_100],
    )


@pytest.mark.row("Z9")
def test_a_run_too_long_for_one_piece_is_exact(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = open_archive(archive)["gappy"]
    whole = sequential(recording)
    monkeypatch.setattr(recording_module, "_MAX_RUN_BYTES", 2000)
    for start, stop in ranges(len(whole), 8):
        assert np.array_equal(np.asarray(recording.extract(start, stop)), whole[start:stop])


@pytest.mark.row("Z6")
def test_the_audio_is_where_it_was(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 4000, 48_000).astype(np.int16)
    encoder = StreamEncoder(48_000, 1, preset="archive", bitrate=128_000)
    with RecordingWriter(tmp_path / "a.zarr", "a", encoder.format) as writer:
        for packet in encoder.push(noise.tobytes()) + encoder.finish():
            writer.add(packet)
        writer.finish(encoder.end_samples)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    assert recording.info.total_samples == 48_000
    found = np.asarray(recording.extract(10_000, 40_000))[:, 0].astype(float)
    fits = [np.dot(found, noise[10_000 + n : 40_000 + n].astype(float)) for n in range(-5, 6)]
    assert int(np.argmax(fits)) - 5 == 0


def test_gain_is_applied(tmp_path: Path, speech: Speech) -> None:
    louder = dataclasses.replace(speech.format, gain_q8=6 * 256)
    write(tmp_path / "a.zarr", "plain", speech, iter(speech.packets))
    with RecordingWriter(tmp_path / "a.zarr", "louder", louder) as writer:
        for packet in speech.packets:
            writer.add(packet)
        writer.finish(speech.end_samples)
    opened = open_archive(tmp_path / "a.zarr")
    plain = np.asarray(opened["plain"].extract(0, 96_000, dtype="float32"))
    loud = np.asarray(opened["louder"].extract(0, 96_000, dtype="float32"))
    assert np.allclose(loud, plain * 10 ** (6 / 20), atol=1e-4)
    assert np.array_equal(sequential(opened["louder"], "float32")[:96_000], loud)


def test_packets_of_different_lengths_are_exact(tmp_path: Path, speech: Speech) -> None:
    items: list[Packet | Gap] = []
    time = number = 0
    for frame_ms in (10, 60, 2.5, 20):
        encoder = StreamEncoder(48_000, 1, frame_ms=frame_ms, preset="voice", bitrate=32_000)
        for packet in encoder.push(voice_like(48_000)) + encoder.finish():
            items.append(dataclasses.replace(packet, sequence=number, time_samples=time))
            number, time = number + 1, items[-1].end_samples
        items.append(Gap(time, 1000, GapKind.LOST))  # not even a multiple of 2.5 ms
        time += 1000
    with RecordingWriter(tmp_path / "a.zarr", "a", speech.format) as writer:
        for item in items:
            writer.add(item)
        writer.finish(time - 7)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    assert recording.info.packet_samples is None
    whole = sequential(recording)
    assert len(whole) == time - 7 - 312
    for start, stop in ranges(len(whole), 15):
        assert np.array_equal(np.asarray(recording.extract(start, stop)), whole[start:stop])


def test_deep_redundancy_fills_the_same_in_both(tmp_path: Path) -> None:
    encoder = StreamEncoder(
        48_000, 1, preset="voice", fec=False, bitrate=40_000, loss_percent=20, dred_ms=500
    )
    packets = encoder.push(voice_like(4 * 48_000)) + encoder.finish()
    decoder = _native.Decoder(48_000, 1, 5, False)
    assert decoder.dred_samples(packets[100].data) >= 480 * 20
    with RecordingWriter(tmp_path / "a.zarr", "a", encoder.format) as writer:
        for item in with_gaps(packets, {90: (10, GapKind.LOST), 150: (40, GapKind.LOST)}):
            writer.add(item)
        writer.finish(encoder.end_samples)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    whole = sequential(recording)
    # The range ends within the gap: what comes after it is needed all the same.
    for start, stop in [(85 * 960, 93 * 960), (151 * 960, 155 * 960), (0, len(whole))]:
        assert np.array_equal(np.asarray(recording.extract(start, stop)), whole[start:stop])


@pytest.fixture
def redundant(shared_data: Path) -> Speech:
    """Real speech, whose DRED reaches less far in some packets: 495 ms in 60, 535 ms in 61."""
    with wave.open(str(shared_data / "speech" / "ca01_01.wav")) as file:
        pcm = file.readframes(file.getnframes())
    encoder = StreamEncoder(
        48_000, 1, preset="voice", fec=False, bitrate=40_000, loss_percent=20, dred_ms=1000
    )
    return Speech(encoder, pcm)


def test_redundancy_of_a_packet_further_on(tmp_path: Path, redundant: Speech) -> None:
    # The oldest 5 ms are beyond the reach of the packet after the gap and rebuilt from the next.
    items = with_gaps(redundant.packets, {35: (25, GapKind.LOST)})
    recording = write(tmp_path / "a.zarr", "a", redundant, items)
    whole = sequential(recording)
    start = 35 * 960 - 312
    for stop in (start + 100, start + 960, len(whole)):
        assert np.array_equal(np.asarray(recording.extract(start, stop)), whole[start:stop])


def test_redundancy_across_two_gaps(tmp_path: Path, redundant: Speech) -> None:
    gaps = {35: (25, GapKind.LOST), 61: (2, GapKind.LOST)}
    recording = write(tmp_path / "a.zarr", "a", redundant, with_gaps(redundant.packets, gaps))
    whole = sequential(recording)
    assert np.array_equal(np.asarray(recording.extract(0, len(whole))), whole)


@pytest.mark.parametrize("kind", [GapKind.LOST, GapKind.DISCONTINUITY])
def test_two_gaps_before_one_packet(tmp_path: Path, shared_data: Path, kind: GapKind) -> None:
    with wave.open(str(shared_data / "speech" / "ca01_01.wav")) as file:
        pcm = file.readframes(file.getnframes())
    encoder = StreamEncoder(48_000, 1, preset="voice", bitrate=32_000, loss_percent=20)
    speech = Speech(encoder, pcm)
    packets = speech.packets
    items: list[Packet | Gap] = [*packets[:40], Gap(40 * 960, 960, GapKind.LOST)]
    items += [Gap(41 * 960, 3 * 960, kind), *packets[44:]]
    recording = write(tmp_path / "a.zarr", "a", speech, iter(items))
    assert len(recording.gaps) == (1 if kind is GapKind.LOST else 2)
    whole = sequential(recording)
    assert np.array_equal(np.asarray(recording.extract(0, len(whole))), whole)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (6, 5), (0, 576_001)])
def test_a_range_outside_names_the_valid_one(archive: Path, start: int, stop: int) -> None:
    recording = open_archive(archive)["plain"]
    assert recording.info.total_samples == 576_000
    with pytest.raises(InvalidArgumentError, match="within 0 to 576000"):
        recording.extract(start, stop)


def test_other_arguments_are_checked(archive: Path) -> None:
    recording = open_archive(archive)["plain"]
    with pytest.raises(InvalidArgumentError, match="'float64'"):
        recording.extract(0, 5, dtype="float64")  # type: ignore[arg-type] # that is the test
    with pytest.raises(InvalidArgumentError, match="0 to 5"):
        recording.extract(0, 5, complexity=6)
    for wrong in (-1, float("nan")):
        with pytest.raises(InvalidArgumentError, match="pre_roll_ms"):
            recording.extract(0, 5, pre_roll_ms=wrong)


def test_a_packet_that_is_none_is_named(tmp_path: Path, speech: Speech) -> None:
    broken = list(speech.packets[:10])
    broken[4] = dataclasses.replace(broken[4], data=b"\x03")  # code 3 without its frame count
    with RecordingWriter(tmp_path / "a.zarr", "a", speech.format) as writer:
        for packet in broken:
            writer.add(packet)
        writer.finish(9600)
    recording = open_archive(tmp_path / "a.zarr")["a"]
    with pytest.raises(CorruptArchiveError, match="packet 4"):
        recording.extract(0, 9000)
    with pytest.raises(CorruptArchiveError, match="packet 4"):
        list(recording.packets())
