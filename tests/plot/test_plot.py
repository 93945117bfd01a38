"""Pictures of recordings show what is in them, where it is, and where nothing is."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.archive import Original, Recording, import_file, open_archive
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import StreamEncoder
from opuscule.errors import InvalidArgumentError
from opuscule.packets import Gap, GapKind, Packet
from opuscule.plot import Panes, Survey, survey, to_ascii, to_blocks, to_png
from opuscule.plot.colours import BACKGROUND, LOST, UNSENT
from opuscule.plot.font import dots
from opuscule.plot.picture import frequency_ticks, frequency_word, plot_width, time_ticks
from opuscule.plot.png import write_png

SECONDS = 12
TONE_HZ = 3000


@pytest.fixture(scope="module")
def toned(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Silence, from 4 s to 8 s a tone of -6 dBFS; 9 s to 10 s were lost, 10 s to 11 s not sent."""
    t = np.arange(SECONDS * 48_000) / 48_000
    sound = np.where((t >= 4) & (t < 8), 0.5 * np.sin(2 * np.pi * TONE_HZ * t), 0)
    encoder = StreamEncoder(48_000, 1, preset="music")
    packets = encoder.push((sound * 32_767).astype(np.int16).tobytes()) + encoder.finish()
    path = tmp_path_factory.mktemp("plot") / "a.zarr"
    with RecordingWriter(path, "it", encoder.format) as writer:
        for packet in packets:
            number = packet.time_samples // 48_000
            if number not in (9, 10):
                writer.add(packet)
            elif packet.time_samples % 48_000 == 0:
                kind = GapKind.LOST if number == 9 else GapKind.UNSENT
                writer.add(Gap(packet.time_samples, 48_000, kind))
        writer.finish(encoder.end_samples)
    return open_archive(path)["it"]


def pixels(png: bytes) -> Any:
    with av.open(io.BytesIO(png), "r") as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24")


def test_levels_and_frequencies_are_where_they_are(toned: Recording) -> None:
    told: list[tuple[int, int]] = []
    seen = survey(toned, 120, progress=lambda *so_far: told.append(so_far))
    assert told[-1] == (SECONDS * 48_000,) * 2
    assert seen.looked_at_samples == seen.stop_sample == SECONDS * 48_000
    assert (seen.columns, seen.rate, seen.duration_s) == (120, 48_000, SECONDS)
    inside = slice(45, 75)
    assert seen.maximum[inside] == pytest.approx(0.5, abs=0.02)
    assert seen.minimum[inside] == pytest.approx(-0.5, abs=0.02)
    assert seen.rms[inside] == pytest.approx(0.5 / 2**0.5, abs=0.02)
    assert np.abs(seen.maximum[:35]).max() < 1e-3
    hz = seen.power[inside].argmax(axis=1) * 24_000 / (seen.power.shape[1] - 1)
    assert np.abs(hz - TONE_HZ).max() < 50
    assert 10 * np.log10(seen.power[inside].max()) == pytest.approx(-6, abs=0.5)
    # Times of media include the pre-skip of 312 samples.
    assert np.flatnonzero(seen.lost > 0.5).tolist() == list(range(90, 100))
    assert np.flatnonzero(seen.unsent > 0.5).tolist() == list(range(100, 110))


def test_the_picture_shows_it(toned: Recording) -> None:
    width, height = 640, 400
    found = pixels(to_png(survey(toned, plot_width(width)), width, height))
    assert found.shape == (height, width, 3)
    inner = found[:, 112 : 112 + plot_width(width)]
    at = [round(second / SECONDS * plot_width(width)) for second in range(SECONDS + 1)]
    for colour, number in ((LOST, 9), (UNSENT, 10)):
        for row in (15, 100, 200, 350):  # of both panes
            assert (inner[row, at[number] + 4 : at[number + 1] - 4] == colour).all()
    assert not (inner[:, : at[8]] == LOST).all(axis=2).any()
    # The tone is brightest in the spectrogram, an eighth of the way up.
    brightness = inner[170:366, (at[5] + at[6]) // 2].sum(axis=1)
    assert 170 + brightness.argmax() == pytest.approx(366 - 196 / 8, abs=5)
    panes: list[Panes] = ["waveform", "spectrogram"]
    for only in panes:
        found = pixels(to_png(survey(toned, plot_width(width)), width, height, only))
        bar = (found[20:300, width - 112 + 10] != BACKGROUND).any(axis=1)
        assert bar.all() if only == "spectrogram" else not bar.any()


def test_axes_are_lettered(toned: Recording) -> None:
    seen = survey(toned, plot_width(640))
    found = pixels(to_png(seen, 640, 400))
    letters = (found == (205, 210, 220)).all(axis=2)

    def is_there(text: str, area: Any) -> bool:
        wanted = np.zeros((14, 12 * len(text) - 2), bool)
        for column, row in dots(text):
            wanted[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = True
        views = np.lib.stride_tricks.sliding_window_view(area, wanted.shape)
        return bool((views == wanted).all(axis=(2, 3)).any())

    for text in ("0:00", "0:05", "0:10"):
        assert is_there(text, letters[366:])
    peak = 20 * np.log10(max(seen.maximum.max(), -seen.minimum.min()))
    for text in ("5 kHz", "20 kHz", f"{peak:.1f} dB"):
        assert is_there(text, letters[:370, :112])
    assert is_there("-80", letters[160:, 600 - 112 :])
    assert not is_there("0:07", letters)


@pytest.mark.parametrize(
    ("start", "length", "count", "words"),
    [
        (0, 3600, 8, ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]),
        (3590, 20, 4, ["59:50", "59:55", "1:00:00", "1:00:05", "1:00:10"]),
        (2.1, 0.05, 6, ["2.10 s", "2.11 s", "2.12 s", "2.13 s", "2.14 s", "2.15 s"]),
        (59.5, 1, 2, ["59.5 s", "1:00.0", "1:00.5"]),
        (0.0, 400_000, 5, ["0:00", "24:00:00", "48:00:00", "72:00:00", "96:00:00"]),
    ],
)
def test_times_are_round(start: float, length: float, count: int, words: list[str]) -> None:
    assert [word for _, word in time_ticks(start, length, count)] == words


def test_frequencies_are_round() -> None:
    words = [frequency_word(hz) for hz in frequency_ticks(24_000, 6)]
    assert words == ["0", "5 kHz", "10 kHz", "15 kHz", "20 kHz"]
    assert [frequency_word(hz) for hz in frequency_ticks(4000, 8)][1] == "500 Hz"


def test_a_long_recording_is_not_decoded_whole(tmp_path: Path) -> None:
    encoder = StreamEncoder(48_000, 1, frame_ms=60, preset="voice")
    tone = np.round(9000 * np.sin(np.arange(2880) / 10)).astype(np.int16).tobytes()
    packets = encoder.push(tone * 40)
    time = 0
    with RecordingWriter(tmp_path / "a.zarr", "long", encoder.format) as writer:
        while time < 20 * 60 * 48_000:
            packet = packets[-1]
            writer.add(Packet(0, time, packet.duration_samples, packet.data))
            time += packet.duration_samples
        writer.finish(time)
    recording = open_archive(tmp_path / "a.zarr")["long"]
    seen = survey(recording, 40)
    assert seen.looked_at_samples == 40 * 8192
    assert (seen.maximum > 0.1).all()
    part = survey(recording, 40, start_sample=48_000, stop_sample=96_000)
    assert part.looked_at_samples == 48_000


def test_damage_is_shown(tmp_path: Path, toned: Recording) -> None:
    with RecordingWriter(tmp_path / "a.zarr", "it", toned.info.format) as writer:
        for item in toned.items(0, 0):
            writer.add(item)
        writer.finish(toned.info.end_samples)
    path = tmp_path / "a.zarr" / "recordings" / "it" / "packets" / "c" / "0"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    seen = survey(open_archive(tmp_path / "a.zarr")["it"], 120)
    assert (seen.lost > 0.5).sum() > 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Original, Any]:
    folder = tmp_path_factory.mktemp("plot")
    samples = np.random.default_rng(2).integers(-9000, 9000, (30_000, 2)).astype("<i2")
    with av.open(str(folder / "noise.wav"), "w", format="wav") as file:
        stream = file.add_stream("pcm_s16le", rate=96_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "stereo")
        frame.sample_rate = 96_000
        file.mux([*stream.encode(frame), *stream.encode(None)])
    import_file(folder / "a.zarr", folder / "noise.wav", ultrasonic="lossless")
    found = open_archive(folder / "a.zarr")["noise"].lossless
    assert found is not None
    return found, samples / 32_768


@given(st.integers(1, 500), st.integers(0, 29_999), st.integers(1, 30_000))
@settings(max_examples=30, deadline=None)
def test_each_column_has_its_samples(
    original: tuple[Original, Any], columns: int, start: int, length: int
) -> None:
    source, samples = original
    stop = min(30_000, start + length)
    seen = survey(source, columns, start_sample=start, stop_sample=stop)
    assert seen.columns == min(columns, stop - start)
    edges = start + np.arange(seen.columns + 1) * (stop - start) // seen.columns
    for column in {0, seen.columns // 2, seen.columns - 1}:
        part = samples[edges[column] : edges[column + 1]]
        assert seen.minimum[column] == pytest.approx(part.min())
        assert seen.maximum[column] == pytest.approx(part.max())
        assert seen.rms[column] == pytest.approx(np.sqrt((part**2).mean()))
    assert np.isfinite(seen.power).all()
    assert (seen.power.sum(axis=1) > 0).all()
    assert pixels(to_png(seen, 320, 120)).shape == (120, 320, 3)


def test_in_plain_text(toned: Recording) -> None:
    drawn = to_ascii(survey(toned, 60), 69, 20).split("\n")
    assert drawn[-1].split() == ["0:00", "0:05", "0:10"]
    assert all(len(line) == 69 for line in drawn[:-1])
    body = [line[9:] for line in drawn[:-1]]
    assert all(set(line[46:49]) == {"x"} and set(line[51:54]) == {"~"} for line in body)
    # The tone, at 6 dB below the brightest.
    strongest = [line for line in body if "%" in line]
    assert 1 <= len(strongest) <= 2
    assert all(set(line[:19]) == {" "} for line in strongest)
    assert "10 kHz" in "".join(drawn)
    assert any("#" in line[20:40] for line in body[:6])
    assert all(ord(letter) < 128 for line in drawn for letter in line)


def test_in_half_blocks(toned: Recording) -> None:
    text = to_blocks(survey(toned, 60), 69, 20)
    lines = text.plain.split("\n")
    assert len(lines) == 20
    assert all(line[9:] == "▀" * 60 for line in lines[:-1])
    styles = {str(span.style) for span in text.spans}
    lost = "#{:02x}{:02x}{:02x}".format(*LOST)
    assert f"{lost} on {lost}" in styles
    assert len(styles) > 20


@pytest.mark.parametrize("panes", ["waveform", "spectrogram"])
def test_silence_can_be_drawn(tmp_path: Path, panes: Any) -> None:
    encoder = StreamEncoder(48_000, 2, preset="voice")
    with RecordingWriter(tmp_path / "a.zarr", "it", encoder.format) as writer:
        writer.add(Gap(0, 96_000, GapKind.DISCONTINUITY))
        writer.finish(96_000)
    seen = survey(open_archive(tmp_path / "a.zarr")["it"], 50)
    assert seen.unsent.all()
    assert to_png(seen, 400, 200, panes)
    assert to_ascii(seen, 59, 10, panes)


def test_what_cannot_be_drawn_is_refused(toned: Recording) -> None:
    for columns, start, stop in ((0, 0, 10), (9000, 0, 10), (5, 10, 10), (5, 0, 10**7)):
        with pytest.raises(InvalidArgumentError, match="columns of samples"):
            survey(toned, columns, start_sample=start, stop_sample=stop)
    seen: Survey = survey(toned, 10)
    with pytest.raises(InvalidArgumentError, match="at least"):
        to_png(seen, 100, 100)
    with pytest.raises(InvalidArgumentError, match="expected both"):
        to_png(seen, panes="all")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidArgumentError, match="at most"):
        write_png(0, 1, b"")
    with pytest.raises(InvalidArgumentError, match="12 bytes; got 3"):
        write_png(2, 2, b"abc")
