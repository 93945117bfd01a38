"""A corpus of Ogg Opus files, sound and faulty, made by opusenc, ffmpeg and our own writer.

Each is read whole and byte by byte; packets, samples, tags and what is wrong are as expected; what
is read is written again, and read the same by others. What browsers make is in test_browser.py.
"""

import io
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from opuscule.containers.ogg import OggWriter, read_links
from opuscule.packets import Gap, Packet, StreamFormat

from .ogg_corpus import CORPUS, Expected, demuxed, tool

pytestmark = pytest.mark.row("R5")


class Slow(io.BytesIO):
    """A file that gives a byte at a time, or some where there are many."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read((1 if len(self.getbuffer()) < 100_000 else 997) if size else 0)


def test_the_corpus_is_large() -> None:
    makers = Counter(name.split()[0] for name in CORPUS)
    print(
        f"{len(CORPUS)} files: {makers['opusenc']} by opusenc, {makers['ffmpeg']} by ffmpeg, "
        f"{makers['ours'] + makers['our']} by us, the rest chained or faulty"
    )
    assert len(CORPUS) >= 90
    assert min(makers["opusenc"], makers["ffmpeg"], makers["ours"]) >= 15


@pytest.mark.parametrize("name", CORPUS)
def test_file(name: str, tmp_path: Path) -> None:
    data, expected = CORPUS[name](tmp_path)
    whole = list(contents(io.BytesIO(data)))
    assert list(contents(Slow(data))) == whole
    assert [len(packets) for packets, *_ in whole] == expected.packets
    got = [packet.data for packets, *_ in whole for packet in packets]
    if expected.payload is not None:
        assert got == expected.payload
    heard = [end - form.pre_skip_samples for _, _, end, form, *_ in whole]
    for one, wanted in zip(heard, expected.samples, strict=True):
        assert abs(one - wanted) <= expected.slack_samples
    comments = whole[0][4]
    if "tags" in expected.faults:
        assert comments == ()
    else:
        assert set(expected.comments) <= set(comments)
    missing_samples = sum(gap.duration_samples for _, gaps, *_ in whole for gap in gaps)
    assert missing_samples == expected.gap_samples
    assert {fault for *_, faults, _ in whole for fault in faults} == expected.faults
    assert any(truncated for *_, truncated in whole) == expected.truncated
    for packets, gaps, end, *_ in whole:
        covered = sorted(
            [(p.time_samples, p.end_samples) for p in packets]
            + [(g.start_samples, g.end_samples) for g in gaps]
        )
        ends = [0, *(stop for _, stop in covered)]
        assert [start for start, _ in covered] == ends[:-1], "nothing is missing in silence"
        assert end <= ends[-1]
    again = written_again(data, whole)
    form = whole[0][3]
    if name.startswith(("opusenc", "ffmpeg", "our ")) and form.mapping_family < 2:
        played_by_opusdec(again, expected, form.channels, tmp_path)


Contents = tuple[
    list[Packet],
    list[Gap],
    int,
    StreamFormat,
    tuple[tuple[str, str], ...],
    dict[str, tuple[int, int]],
    bool,
]


def contents(file: io.BytesIO) -> Iterator[Contents]:
    for link in read_links(file):
        items = list(link)
        yield (
            [item for item in items if isinstance(item, Packet)],
            [item for item in items if isinstance(item, Gap)],
            link.end_samples,
            link.format,
            link.comments,
            link.skipped,
            link.truncated,
        )


def played_by_opusdec(data: bytes, expected: Expected, channels: int, folder: Path) -> None:
    """Real audio, by another decoder: as many samples as expected."""
    source, target = folder / "again.opus", folder / "again.raw"
    source.write_bytes(data)
    command = [tool("opusdec"), "--quiet", "--rate", "48000", str(source), str(target)]
    subprocess.run(command, check=True, capture_output=True)
    samples = target.stat().st_size // (2 * channels)
    assert abs(samples - expected.samples[0]) <= expected.slack_samples


def written_again(data: bytes, whole: list[Contents]) -> bytes:
    """The other direction: what was read is written, and read by us and by ffmpeg the same."""
    target = io.BytesIO()
    for link in read_links(io.BytesIO(data)):
        items = list(link)
        writer = OggWriter.like(target, link)
        writer.write_all(items)
        writer.close(link.end_samples)
    again = list(contents(io.BytesIO(target.getvalue())))
    assert [packets for packets, *_ in again] == [packets for packets, *_ in whole]
    assert [form for _, _, _, form, *_ in again] == [form for _, _, _, form, *_ in whole]
    assert [tags for *_, tags, _, _ in again] == [tags for *_, tags, _, _ in whole]
    assert all(not faults and not truncated for *_, faults, truncated in again)
    for (_, _, new, form, *_), (_, _, old, *_) in zip(again, whole, strict=True):
        assert new == max(old, form.pre_skip_samples)
    if len(whole) == 1 and not any(gap for _, gap, *_ in whole) and whole[0][0]:
        assert demuxed(target.getvalue()) == [packet.data for packet in whole[0][0]]
    return target.getvalue()


def test_ffprobe_and_opusinfo_find_what_we_write(tmp_path: Path) -> None:
    """Every own file of the corpus that is sound, by the word of two others."""
    for name in [name for name in CORPUS if name.startswith("ours")]:
        data, expected = CORPUS[name](tmp_path)
        # opusinfo warns of the first four; the others have packets of ours where there are gaps.
        unusual = ("largest", "long pre-skip", "no pre-skip", "to a page", "no packet", "gap")
        if any(what in name for what in unusual):
            continue
        path = tmp_path / "ours.opus"
        path.write_bytes(data)
        said = subprocess.run(
            [tool("opusinfo"), path], capture_output=True, check=True, errors="replace", text=True
        )
        assert "WARNING" not in said.stdout + said.stderr, name
        probe = [tool("ffprobe"), "-v", "error", "-count_packets", "-show_streams", "-of", "json"]
        (stream,) = json.loads(
            subprocess.run([*probe, path], capture_output=True, check=True).stdout
        )["streams"]
        assert int(stream["nb_read_packets"]) == expected.packets[0], name
