"""Opus out of WebM, Matroska, MP4, CAF and MPEG-TS, as ffmpeg makes them from a known Ogg file."""

import io
import random
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.archive import import_file, open_archive
from opuscule.codec import StreamEncoder
from opuscule.containers.detect import FileFormat, detect_file
from opuscule.containers.ogg import OggWriter
from opuscule.containers.opening import PacketReader, open_packets
from opuscule.containers.opus_head import access_units, caf_packets, parse_opus_head
from opuscule.containers.timeline import StampedTimeline
from opuscule.errors import FormatError, InvalidPacketError, UnsupportedFormatError
from opuscule.packets import Gap, GapKind, Packet, StreamFormat
from opuscule.transcode import OpusReader

pytestmark = [pytest.mark.row("Z1"), pytest.mark.row("Z4")]

SAMPLES = 48_000 * 2 + 77


@dataclass(frozen=True, slots=True)
class Original:
    """An Ogg file and what is in it."""

    path: Path
    packets: list[bytes]
    format: StreamFormat
    end_samples: int


def ffmpeg(*arguments: str | Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """Two seconds of noise, stereo, that end within a packet."""
    import random

    encoder = StreamEncoder(48_000, 2, preset="archive")
    made = encoder.push(random.Random(3).randbytes(SAMPLES * 4)) + encoder.finish()
    path = tmp_path_factory.mktemp("original") / "a.opus"
    with path.open("wb") as file:
        writer = OggWriter(file, encoder.format, comments=[("ARTIST", "nobody")])
        for packet in made:
            writer.write(packet)
        writer.close(encoder.end_samples)
    return Original(path, [p.data for p in made], encoder.format, encoder.end_samples)


def read(path: Path) -> tuple[PacketReader, list[Packet], list[Gap]]:
    with open_packets(path) as reader:
        items = list(reader)
        assert reader.end_samples >= 0
    packets = [item for item in items if isinstance(item, Packet)]
    ends = [0, *(item.end_samples for item in items)]
    times = [i.time_samples if isinstance(i, Packet) else i.start_samples for i in items]
    assert times == ends[:-1], "without holes and overlaps"
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    return reader, packets, [item for item in items if isinstance(item, Gap)]


CONTAINERS = {
    "webm": (["-f", "webm"], FileFormat.WEBM),
    "live webm": (["-f", "webm", "-live", "1"], FileFormat.WEBM),
    "matroska": (["-f", "matroska"], FileFormat.MATROSKA),
    "mp4": (["-f", "mp4"], FileFormat.MP4),
    "fast mp4": (["-f", "mp4", "-movflags", "+faststart"], FileFormat.MP4),
    "fragmented mp4": (["-f", "mp4", "-movflags", "frag_keyframe+empty_moov"], FileFormat.MP4),
    "mpegts": (["-f", "mpegts"], FileFormat.MPEG_TS),
    "caf": (["-f", "caf"], FileFormat.CAF),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_packet_and_the_exact_length(
    tmp_path: Path, original: Original, container: str
) -> None:
    options, kind = CONTAINERS[container]
    target = tmp_path / "misnamed.bin"
    ffmpeg("-i", original.path, "-c", "copy", *options, target)
    assert detect_file(target) is kind
    reader, packets, gaps = read(target)
    assert [packet.data for packet in packets] == original.packets
    assert gaps == []
    assert reader.skipped == {}
    assert not reader.truncated
    assert reader.format.channels == 2
    if kind is FileFormat.CAF:  # ffmpeg 5 writes neither priming nor remainder into it
        assert (reader.format.pre_skip_samples, reader.end_samples) == (
            0,
            packets[-1].end_samples,
        )
    else:
        assert reader.format.pre_skip_samples == original.format.pre_skip_samples
        assert kind is FileFormat.MPEG_TS or reader.end_samples == original.end_samples
    if "webm" in container or container == "matroska":
        assert ("ARTIST", "nobody") in reader.comments


def test_there_and_back_adds_nothing_that_ffmpeg_adds(tmp_path: Path, original: Original) -> None:
    webm, ogg = tmp_path / "a.webm", tmp_path / "b.opus"
    ffmpeg("-i", original.path, "-c", "copy", webm)
    ffmpeg("-i", webm, "-c", "copy", ogg)
    assert read(ogg)[0].end_samples > original.end_samples, "ffmpeg loses the end trim"
    assert read(webm)[0].end_samples == original.end_samples


@pytest.mark.parametrize("container", ["webm", "matroska", "mp4", "mpegts"])
@pytest.mark.parametrize(("first", "count"), [(10, 1), (10, 7), (60, 30)])
def test_missing_packets_are_gaps(
    tmp_path: Path, original: Original, container: str, first: int, count: int
) -> None:
    source, holed = tmp_path / "a.bin", tmp_path / "b.bin"
    ffmpeg("-i", original.path, "-c", "copy", "-f", container, source)
    with av.open(str(source)) as given_, av.open(str(holed), "w", format=container) as made:
        stream = made.add_stream_from_template(given_.streams.audio[0])
        for index, packet in enumerate(given_.demux(audio=0)):
            if packet.size and not first <= index < first + count:
                packet.stream = stream
                made.mux(packet)
    reader, packets, gaps = read(holed)
    kept = original.packets[:first] + original.packets[first + count :]
    assert [packet.data for packet in packets] == kept
    assert gaps == [Gap(first * 960, count * 960, GapKind.LOST)]
    assert abs(reader.end_samples - original.end_samples) <= 960


def test_import_copies_and_decoding_is_that_of_the_ogg_file(
    tmp_path: Path, original: Original
) -> None:
    webm = tmp_path / "a.webm"
    ffmpeg("-i", original.path, "-c", "copy", webm)
    done = import_file(tmp_path / "a.zarr", webm)
    assert not done.transcoded
    assert done.info.source["container"] == "webm"
    assert done.info.packets == len(original.packets)
    assert done.info.total_samples == SAMPLES
    with OpusReader(webm) as ours, OpusReader(original.path) as ogg:
        sound = b"".join(ours)
        assert len(sound) == SAMPLES * 4
        assert sound == b"".join(ogg)
    assert bytes(open_archive(tmp_path / "a.zarr")["a"].extract(0, SAMPLES)) == sound


@pytest.mark.parametrize("container", ["webm", "fast mp4", "mpegts"])
def test_a_cut_file_gives_what_is_there(tmp_path: Path, original: Original, container: str) -> None:
    whole, cut = tmp_path / "a.bin", tmp_path / "b.bin"
    ffmpeg("-i", original.path, "-c", "copy", *CONTAINERS[container][0], whole)
    data = whole.read_bytes()
    for part in (3, 2):
        cut.write_bytes(data[: len(data) * (part - 1) // part])
        reader, packets, _ = read(cut)
        got = [packet.data for packet in packets]
        assert got == original.packets[: len(got)]
        assert len(original.packets) // 3 < len(got) < len(original.packets)
        assert reader.truncated or container == "mpegts"


@pytest.mark.parametrize("seed", range(60))
def test_damage_never_crashes(seed: int, original: Original) -> None:
    target = original.path.with_suffix(".webm")
    if not target.exists():
        ffmpeg("-i", original.path, "-c", "copy", target)
    draw = random.Random(seed)
    content = bytearray(target.read_bytes())
    for _ in range(draw.randint(1, 5)):
        content[draw.randrange(4, len(content))] = draw.randrange(256)
    damaged = original.path.with_suffix(".damaged")
    damaged.write_bytes(content)
    try:
        _, packets, _ = read(damaged)
    except FormatError:
        return
    assert len(packets) <= len(original.packets) + 5


def test_a_part_cut_out_of_an_mp4_begins_where_its_edit_list_says(
    tmp_path: Path, original: Original
) -> None:
    whole, part = tmp_path / "a.mp4", tmp_path / "b.mp4"
    ffmpeg("-i", original.path, "-c", "copy", whole)
    ffmpeg("-ss", "1.003", "-i", whole, "-c", "copy", part)
    reader, packets, _ = read(part)
    assert packets[0].data in original.packets
    assert reader.format.pre_skip_samples > original.format.pre_skip_samples


def test_other_codecs_and_files_are_named(tmp_path: Path, original: Original) -> None:
    vorbis = tmp_path / "a.mkv"
    ffmpeg("-i", original.path, "-c:a", "flac", vorbis)
    with pytest.raises(UnsupportedFormatError, match=r"a\.mkv: .*no Opus"), open_packets(vorbis):
        pass
    broken = tmp_path / "b.webm"
    broken.write_bytes(b"\x1aE\xdf\xa3" + bytes(400))
    with pytest.raises(FormatError, match=r"b\.webm: "), open_packets(broken):
        pass


@given(
    st.lists(st.sampled_from([120, 240, 480, 960, 1920, 2880]), min_size=1, max_size=300),
    st.integers(0, 10**9),
)
def test_rounding_to_milliseconds_is_no_gap(durations: list[int], start: int) -> None:
    timeline = StampedTimeline(48)
    time = start
    for duration in durations:
        assert timeline.gap_before(round(time / 48) * 48, duration) == 0
        time += duration
    assert timeline.wrong_stamps == 0


@given(st.lists(st.tuples(st.sampled_from([120, 960, 2880]), st.integers(0, 3)), min_size=2))
def test_whole_packets_lost_are_found_whole(steps: list[tuple[int, int]]) -> None:
    timeline = StampedTimeline(48)
    time = lost = found = 0
    duration = steps[0][0]
    for index, (_, missing) in enumerate(steps):
        if index:
            time += missing * duration
            lost += missing * duration
        found += timeline.gap_before(round(time / 48) * 48, duration)
        time += duration
    assert found == lost


def test_a_clock_that_drifts_is_no_gap_and_a_wrong_one_is_not_believed() -> None:
    timeline = StampedTimeline(48)
    assert {timeline.gap_before(round(i * 960 * 1.001), 960) for i in range(50_000)} == {0}
    assert timeline.gap_before(0, 960) == 0
    assert timeline.gap_before(10**13, 960) == 0
    assert timeline.wrong_stamps == 2
    assert timeline.gap_before(None, 960) == 0
    assert timeline.gap_before(10**13 + 960 * 4, 960) == 960 * 2


def test_opus_heads() -> None:
    head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\xff\0"
    assert parse_opus_head(head) == StreamFormat(2, 312, 48_000, -256)
    assert parse_opus_head(head[:-1] + b"\xff\x01\x00\x00\x01").channels == 2
    for wrong in (head[:18], b"opusHead" + head[8:], head[:8] + b"\x11" + head[9:]):
        with pytest.raises(FormatError):
            parse_opus_head(wrong)
    for other in (head[:9] + b"\x06" + head[10:], head[:-1] + b"\x01\x02\x00\x00\x01"):
        with pytest.raises(UnsupportedFormatError, match="channels"):
            parse_opus_head(other)


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda rest: b"\x7f\xe0" + rest))
def test_any_pes_packet_is_read_or_refused(pes: bytes) -> None:
    try:
        units = list(access_units(pes))
    except InvalidPacketError:
        return
    assert sum(len(unit.data) + 3 for unit in units) <= len(pes)


def test_trims_of_a_transport_stream() -> None:
    first, last = b"\x7f\xf0\x02\x01\x38ab", b"\x7f\xec\xff\x01\x02\xd4\x01x" + bytes(256)
    units = list(access_units(first + last))
    assert [(u.start_trim_samples, u.end_trim_samples) for u in units] == [(312, 0), (0, 724)]
    assert [u.data for u in units] == [b"ab", bytes(256)]


def test_a_packet_table_of_caf() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return name + len(body).to_bytes(8) + body

    pakt = struct.pack(">qqii", 7, 6000, 312, 724)
    data = b"caff\0\1\0\0" + chunk(b"desc", bytes(32)) + chunk(b"pakt", pakt)
    found = caf_packets(io.BytesIO(data))
    assert found is not None
    assert (found.packets, found.priming_samples, found.remainder_samples) == (7, 312, 724)
    for wrong in (data[:-1], data[:20], data[:8], data[:12] + b"\xff" * 8 + data[20:]):
        assert caf_packets(io.BytesIO(wrong)) is None
