"""What a browser's MediaRecorder makes: recordings kept in tests/data, and new ones."""

import io
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

from opuscule.codec import Decoder
from opuscule.containers.av_packets import AvReader
from opuscule.containers.detect import FileFormat, detect
from opuscule.containers.ogg import OggReader, OggWriter
from opuscule.packets import Packet
from opuscule.transcode import OpusReader

pytestmark = [pytest.mark.row("Z1"), pytest.mark.row("Z4"), pytest.mark.row("R5")]

ROOT = Path(__file__).resolve().parents[2]
KEPT = sorted((ROOT / "tests" / "data").glob("chromium-*"))
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "record_in_browser.py"))


class Slow(io.BytesIO):
    """A file that gives one byte at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 if size else 0)


SEGMENT, CLUSTER, GROUP, SIMPLE_BLOCK, BLOCK = 0x18538067, 0x1F43B675, 0xA0, 0xA3, 0xA1


def webm_frames(data: bytes) -> list[bytes]:
    """The frames of a WebM file with one track, without lacing: another parser than the tested."""
    found, at = [], 0
    while at < len(data):
        width = 9 - data[at].bit_length()  # RFC 8794 §4
        name = int.from_bytes(data[at : at + width])
        at += width
        width = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + width]) & (1 << 7 * width) - 1
        at += width
        if name in (SEGMENT, CLUSTER, GROUP):
            continue  # into it: its length may be unknown
        if name in (SIMPLE_BLOCK, BLOCK):
            assert data[at] == 0x81, "track 1"
            assert not data[at + 3] & 0x06, "no lacing"
            found.append(data[at + 4 : at + size])
        at += size
    return found


def mp4_frames(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def check(data: bytes, folder: Path, *, channels: int = 1) -> None:
    """Read it whole and byte by byte, write it as Ogg, and have others read that."""
    kind = detect(data)
    assert kind in (FileFormat.WEBM, FileFormat.MP4)
    expected = webm_frames(data) if kind is FileFormat.WEBM else mp4_frames(data)
    assert 10 < len(expected) < 40, "a second, in packets of 60 ms"
    reader = AvReader(io.BytesIO(data), kind)
    items = list(reader)
    packets = [item for item in items if isinstance(item, Packet)]
    assert [packet.data for packet in packets] == expected
    assert items == list(AvReader(Slow(data), kind))
    assert len(packets) == len(items), "its stamps are a clock's, and no gaps"
    assert (reader.skipped, reader.truncated) == ({}, False)
    assert reader.end_samples == sum(packet.duration_samples for packet in packets)
    assert (reader.format.channels, reader.format.input_rate) == (channels, 48_000)
    if kind is FileFormat.WEBM:
        assert (reader.vendor, reader.format.pre_skip_samples) == ("Chrome", 0)
    decoder = Decoder(48_000, channels)
    heard = b"".join(bytes(decoder.decode(packet.data)) for packet in packets)
    last = memoryview(heard).cast("h")[-2000 * channels :]
    assert max(last) > 3000, "the tone goes on up to the end: nothing is cut off"

    target = folder / "a.opus"
    with target.open("wb") as file:
        writer = OggWriter(file, reader.format, comments=reader.comments, vendor=reader.vendor)
        writer.write_all(items)
        writer.close(reader.end_samples)
    with target.open("rb") as file:
        again = OggReader(file)
        assert list(again) == items
        assert (again.comments, again.end_samples) == (reader.comments, reader.end_samples)
    with av.open(str(target)) as container:
        assert [bytes(p) for p in container.demux(audio=0) if p.size] == expected
    if opusdec := shutil.which("opusdec"):
        wav = folder / "a.wav"
        subprocess.run([opusdec, "--quiet", "--rate", "48000", target, wav], check=True)
        samples = reader.end_samples - reader.format.pre_skip_samples
        assert wav.stat().st_size - 2 * channels * samples in range(40, 100), "and a header"
    source = folder / f"a.{kind}"
    source.write_bytes(data)
    with OpusReader(source) as one, OpusReader(target) as other:
        assert b"".join(map(bytes, one)) == b"".join(map(bytes, other))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_a_kept_recording(path: Path, tmp_path: Path) -> None:
    check(path.read_bytes(), tmp_path)


def test_recordings_are_kept() -> None:
    assert len(KEPT) == 3


def test_new_recordings(tmp_path: Path) -> None:
    browser = TOOL["find_browser"]()
    if browser is None:
        pytest.skip("Chromium is not installed; its kept recordings are read all the same")
    try:
        made = TOOL["record"](browser, list(TOOL["RECORDINGS"]), 60)
    except TimeoutError as error:
        pytest.skip(f"Chromium records nothing here: {error}")
    for name, data in made.items():
        check(data, tmp_path, channels=2 if "stereo" in name else 1)
