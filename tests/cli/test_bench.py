"""``opuscule bench codec``: what it counts is right; what it times is the machine's affair."""

import json

import pytest

from opuscule.codec import StreamEncoder
from opuscule.transcode import open_audio

from .conftest import Shell, write_tone

pytestmark = pytest.mark.row("C10")


def test_the_sentence_is_ten_times_smaller(shell: Shell) -> None:
    told = json.loads(shell.well("bench", "codec", "--json", "--rounds", "1"))
    assert (told["rate"], told["channels"], told["preset"]) == (16_000, 1, "voice")
    assert [row["frame_ms"] for row in told["frames"]] == [10, 20, 40, 60]
    pcm_bytes = round(told["duration_s"] * 16_000) * 2
    for row in told["frames"]:
        assert row["ratio"] == pytest.approx(pcm_bytes / row["payload_bytes"])
        assert row["ratio"] >= 10
        assert row["bitrate"] == pytest.approx(row["payload_bytes"] * 8 / told["duration_s"])
        assert row["encode_us_per_s"] > 0
        assert row["decode_us_per_s"] > 0


def test_a_file_and_settings_of_ones_own(shell: Shell) -> None:
    path = write_tone(shell.folder / "a.wav", 2, rate=48_000, channels=2)
    options = ("--seconds", "1", "--preset", "music", "--bitrate", "64000", "--rounds", "1")
    told = json.loads(shell.well("bench", "codec", "a.wav", *options, "--json"))
    assert (told["duration_s"], told["channels"], told["bitrate"]) == (1, 2, 64_000)
    with open_audio(path) as reader:
        pcm = b"".join(reader)[: 48_000 * 4]
    for row in told["frames"]:
        encoder = StreamEncoder(48_000, 2, preset="music", bitrate=64_000, frame_ms=row["frame_ms"])
        packets = encoder.push(pcm) + encoder.finish()
        assert row["packets"] == len(packets)
        assert row["payload_bytes"] == sum(len(packet.data) for packet in packets)

    shown = shell.well("bench", "codec", "a.wav", *options).splitlines()
    assert shown[0].startswith("a.wav: 1.0 s at 48000 Hz, stereo; music, 64000 b/s")
    lengths = ("10 ms", "20 ms", "40 ms", "60 ms")
    assert sum(line.lstrip().startswith(lengths) for line in shown) == 3 * len(lengths)
    assert max(line.count("█") for line in shown) == 40
