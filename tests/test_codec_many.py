"""More than two channels: by mapping families 1 and 255 (RFC 7845 §5.1.1)."""

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from opuscule import Decoder, Encoder, StreamEncoder, StreamFormat
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.containers.ogg import OggReader, OggWriter, repair
from opuscule.errors import InvalidArgumentError, InvalidPacketError, UnsupportedFormatError
from opuscule.packets import Gap, Packet
from opuscule.playout import StreamDecoder

Samples: TypeAlias = Any  # arrays; NumPy's stubs call them buffers only from Python 3.12 on


def tones(channels: int, seconds: float = 1.0) -> Samples:
    """A tone of its own in each channel, 300 Hz and upwards, 40 Hz apart."""
    t = np.arange(int(48_000 * seconds)) / 48_000
    pitches = 300 + 40 * np.arange(channels)
    return (8000 * np.sin(2 * np.pi * t[:, None] * pitches)).astype(np.int16)


def pitch(pcm: Samples) -> float:
    power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)), 48_000 * 2))
    return float(np.argmax(power)) / 2


def encoded(channels: int, family: int, pcm: Samples) -> tuple[StreamEncoder, list[bytes]]:
    stream = StreamEncoder(
        48_000, channels, mapping_family=family, preset="archive", bitrate=64_000 * channels
    )
    return stream, [p.data for p in stream.push(pcm.tobytes()) + stream.finish()]


@pytest.mark.row("C1")
@pytest.mark.parametrize(
    ("channels", "family"), [*((n, 1) for n in range(1, 9)), (1, 255), (2, 255), (9, 255)]
)
def test_each_channel_comes_out_where_it_went_in(channels: int, family: int) -> None:
    pcm = tones(channels)
    stream, packets = encoded(channels, family, pcm)
    decoder = Decoder.for_stream(stream.format)
    out = np.asarray(decoder.decode_many(packets))[stream.format.pre_skip_samples :]
    assert out.shape[1] == channels
    assert decoder.final_range == stream.encoder.final_range
    # The sixth of surround and up is for low frequencies only: its tone is in the stop band.
    low = {6: 5, 7: 6, 8: 7}.get(channels) if family == 1 else None
    for channel in range(channels):
        if channel != low:
            assert abs(pitch(out[4800:43200, channel]) - (300 + 40 * channel)) <= 1


@pytest.mark.row("C1")
def test_255_channels() -> None:
    pcm = tones(255, 0.1)
    stream, packets = encoded(255, 255, pcm)
    assert (stream.format.streams, stream.format.coupled) == (255, 0)
    decoder = Decoder.for_stream(stream.format, rate=8_000, sample_format="float32")
    pcm_out = decoder.decode_many(packets)
    assert pcm_out.shape == (160 * len(packets), 255)
    assert decoder.final_range == stream.encoder.final_range


def test_surround_in_one_stream_is_the_same_stream() -> None:
    for channels in (1, 2):
        pcm = tones(channels)
        simple, surround = encoded(channels, 0, pcm), encoded(channels, 1, pcm)
        assert simple[1] == surround[1]
        assert simple[0].format.mapping == surround[0].format.mapping
        assert surround[0].format.mapping_family == 1
        assert surround[0].format.is_single
    # What single streams have, this has.
    Encoder(16_000, 1, mapping_family=1, preset="deep")


def test_format_is_filled_in_for_mono_and_stereo() -> None:
    assert StreamFormat(2, 312, 48_000) == StreamFormat(2, 312, 48_000, 0, 0, 1, 1, b"\0\1")
    assert Encoder(48_000, 2).format == StreamFormat(2, 312, 48_000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Encoder(48_000, 9, mapping_family=1), ["channels is 9", "1 to 8"]),
        (lambda: Encoder(48_000, 4, mapping_family=2), ["mapping_family is 2", "0, 1 or 255"]),
        (lambda: Encoder(48_000, 6, preset="deep"), ["dred_ms", "4 streams", "single"]),
        (lambda: Encoder(48_000, 6, force_channels=2), ["force_channels is 2", "1 or 'auto'"]),
        (lambda: Encoder(48_000, 6, bitrate=2_999), ["bitrate is 2999", "3000 to 4500000"]),
        (lambda: Decoder(48_000, 6), ["channels is 6", "for_stream"]),
        (lambda: Decoder.for_stream(StreamFormat(3, 0, 0)), ["3 channels", "maps 0"]),
        (
            lambda: Decoder.for_stream(StreamFormat(3, 0, 0, 0, 1, 1, 1, b"\0\1\2")),
            ["channel 2", "have 2"],
        ),
        (
            lambda: Decoder.for_stream(StreamFormat(1, 0, 0, 0, 255, 1, 2, b"\0")),
            ["1 streams", "2 of them"],
        ),
    ],
)
def test_wrong_arguments_are_named(make: object, words: list[str]) -> None:
    assert callable(make)
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert [word for word in words if word not in str(caught.value)] == []


def test_what_is_missing_is_concealed_and_damage_told() -> None:
    stream, packets = encoded(6, 1, tones(6))
    decoder = Decoder.for_stream(stream.format)
    decoder.decode_many(packets[:10])
    assert decoder.fec_samples(packets[11]) == 0
    assert decoder.dred_samples(packets[11]) == 0
    assert decoder.conceal(960).shape == (960, 6)
    assert decoder.last_packet_samples == 960
    filled = decoder.conceal(961, following=packets[12:])
    assert [(span.end_samples, span.means) for span in filled.spans] == [(960, "plc")]
    assert (filled.pcm.shape, filled.carried_samples) == ((960, 6), 1)
    with pytest.raises(InvalidPacketError):
        decoder.decode(packets[11][:5])
    with pytest.raises(InvalidPacketError, match="packet 1"):
        decoder.decode_many([packets[11], packets[12][:5]])


def test_a_channel_may_be_silent_or_double() -> None:
    pcm = tones(1)
    stream = StreamEncoder(48_000, 1, preset="archive")
    packets = [p.data for p in stream.push(pcm.tobytes())]
    layout = StreamFormat(3, 312, 48_000, 0, 255, 1, 0, bytes([0, 255, 0]))
    out = np.asarray(Decoder.for_stream(layout).decode_many(packets))
    assert np.array_equal(out[:, 0], out[:, 2])
    assert out[:, 0].any()
    assert not out[:, 1].any()


@pytest.mark.parametrize(("channels", "family"), [(3, 1), (6, 1), (8, 1), (2, 255), (12, 255)])
def test_ogg_keeps_channels_and_packets(channels: int, family: int, tmp_path: Path) -> None:
    pcm = tones(channels)
    stream = StreamEncoder(
        48_000, channels, mapping_family=family, preset="archive", bitrate=48_000 * channels
    )
    packets = stream.push(pcm.tobytes()) + stream.finish()
    file = io.BytesIO()
    writer = OggWriter(file, stream.format)
    for packet in packets:
        writer.write(packet)
    writer.close(stream.end_samples)
    reader = OggReader(io.BytesIO(file.getvalue()))
    assert reader.format == stream.format
    assert list(reader) == packets
    # What this cannot do with them it says.
    with pytest.raises(UnsupportedFormatError, match=f"{channels} channels"):
        StreamDecoder(reader.format)
    with pytest.raises(UnsupportedFormatError, match=f"{channels} channels"):
        RecordingWriter(tmp_path / "archive", "a", reader.format)

    if family != 1 or shutil.which("ffmpeg") is None:
        return
    # Another's decoder finds the same channels in the same places, in its own order.
    (tmp_path / "a.opus").write_bytes(file.getvalue())
    command = ["ffmpeg", "-v", "error", "-c:a", "libopus", "-i", str(tmp_path / "a.opus")]
    command += ["-f", "s16le", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    theirs = np.frombuffer(raw, np.int16).reshape(-1, channels)
    ours = np.asarray(Decoder.for_stream(reader.format).decode_many([p.data for p in packets]))
    ours = ours[stream.format.pre_skip_samples :][: len(pcm)]
    assert len(theirs) == len(pcm)
    found, expected = (
        sorted(round(pitch(pcm[4800:, channel]) / 4) for channel in range(channels))
        for pcm in (theirs, ours)
    )
    assert found == expected


def test_ogg_of_many_channels_is_continued_and_repaired() -> None:
    pcm = tones(6)
    stream = StreamEncoder(48_000, 6, mapping_family=1, preset="music", bitrate=256_000)
    packets = stream.push(pcm.tobytes()) + stream.finish()
    cut = io.BytesIO()
    OggWriter(cut, stream.format, page_samples=960).write_all(packets[:8])
    cut.seek(0)
    writer = OggWriter.append(cut, page_samples=960)
    # What the file did not have yet, but for two packets that are missing.
    kept = [packet for packet in packets if packet.end_samples <= writer.end_samples]
    later = packets[len(kept) + 2 :]
    writer.write_all(later)
    writer.close(stream.end_samples)
    cut.seek(0)
    repaired = io.BytesIO()
    assert repair(cut, repaired).links[0].missing_samples == 1920
    for file in (cut, repaired):
        reader = OggReader(io.BytesIO(file.getvalue()))
        assert reader.format == stream.format
        items = list(reader)
        read = [item.data for item in items if isinstance(item, Packet)]
        assert read == [packet.data for packet in kept + later]
        assert sum(item.duration_samples for item in items if isinstance(item, Gap)) == 1920
    assert len(kept) >= 7
