"""``opuscule info`` and ``opuscule packets`` on files whose content is known."""

import json
import math
import random
import shutil
import subprocess
from array import array
from pathlib import Path
from typing import Any

import pytest

from opuscule.codec import EncoderSettings, StreamEncoder
from opuscule.containers.ogg import OggWriter, Picture, list_streams
from opuscule.containers.raw import RawWriter
from opuscule.inspection import MAX_LISTED, inspect_file
from opuscule.packets import Packet

from .conftest import Shell

pytestmark = pytest.mark.row("Z4")


def coded(seconds: float, settings: EncoderSettings) -> tuple[StreamEncoder, list[Packet]]:
    encoder = StreamEncoder(16_000, 1, preset=settings)
    wave = (
        9000 * math.sin(i * 0.07 + 9 * math.sin(i * 0.0007)) * (i % 4000 > 900)
        for i in range(round(16_000 * seconds))
    )
    return encoder, encoder.push(array("h", map(int, wave)).tobytes()) + encoder.finish()


def ogg(path: Path, encoder: StreamEncoder, packets: list[Packet]) -> Path:
    with path.open("wb") as file:
        writer = OggWriter(file, encoder.format, comments=[("TITLE", "a \x1b[31mtrap")])
        for packet in packets:
            writer.write(packet)
        writer.close(encoder.end_samples)
    return path


@pytest.fixture
def fec_with_a_hole(inside: Shell) -> tuple[Path, list[Packet]]:
    encoder, packets = coded(2.01, EncoderSettings(bitrate=32_000, fec=True, loss_percent=20))
    kept = packets[:20] + packets[23:]
    return ogg(inside.folder / "a.opus", encoder, kept), kept


def test_info_for_a_script(inside: Shell, fec_with_a_hole: tuple[Path, list[Packet]]) -> None:
    _, packets = fec_with_a_hole
    told = json.loads(inside.well("info", "--json", "a.opus"))
    assert told["container"] == "ogg opus"
    assert told["packets"] == len(packets)
    assert told["payload_bytes"] == sum(len(packet.data) for packet in packets)
    assert told["duration_samples"] == round(48_000 * 2.01)
    assert told["gaps"] == [{"start_samples": 19_200, "duration_samples": 2880, "kind": "lost"}]
    assert told["gap_samples"] == 2880
    assert told["packet_durations"] == {"960": len(packets)}
    assert told["fec_packets"] > len(packets) // 2
    assert told["dred_packets"] == 0
    assert told["change_count"] == len(told["changes"]) - 1
    assert sum(row["samples"] for row in told["coded_samples"]) == 960 * len(packets)
    assert told["pre_skip_samples"] == 312
    assert (told["truncated"], told["problem"], told["skipped"]) == (False, None, {})
    (stream,) = told["ogg_streams"]
    assert (stream["kind"], stream["finished"], stream["size_bytes"]) == (
        "opus",
        True,
        told["file_bytes"],
    )
    assert stream["page_samples"][1] <= 48_000
    assert told["overhead_bytes"] == told["file_bytes"] - told["payload_bytes"]
    assert told["stream_format"]["mapping"] == [0]


def test_info_for_a_person(inside: Shell, fec_with_a_hole: tuple[Path, list[Packet]]) -> None:
    shown = inside.well("info", "a.opus", "a.opus")
    assert shown.count("a.opus\n") == 2
    assert "(96480 samples at 48 kHz)" in shown
    assert "gap at 0.400 s: 60 ms lost" in shown
    assert "wideband mono, frames of 20 ms" in shown
    assert "TITLE=a \N{REPLACEMENT CHARACTER}[31mtrap" in shown, "nothing steers the terminal"
    assert "\x1b" not in shown


def test_info_draws_the_coding_over_time(inside: Shell) -> None:
    encoder = StreamEncoder(48_000, 1, preset="voice", frame_ms=20)
    noise = random.Random(5).randbytes(2 * 48_000)
    packets = encoder.push(noise)
    encoder.update(application="voip", fec=False, signal="music", bitrate=96_000)
    packets += encoder.push(noise)
    encoder.update(bandwidth="narrowband", signal="voice", bitrate=10_000)
    packets += encoder.push(noise) + encoder.finish()
    path = ogg(inside.folder / "a.opus", encoder, packets[:130] + packets[136:])
    with path.open("rb") as file:
        (stream,) = list_streams(file)
    picture = Picture(b"GIF89a" * 50, "image/gif")
    with (inside.folder / "b.opus").open("wb") as file:
        writer = OggWriter(file, encoder.format, comments=[picture.to_comment()])
        writer.close()
    shown = inside.well("info", "a.opus").splitlines()
    modes, bandwidths = (
        next(line.split("|")[1] for line in shown if line.startswith(f"  {what} "))
        for what in ("mode", "bandwidth")
    )
    assert (len(modes), len(bandwidths)) == (48, 48)
    assert modes[18:30] == "C" * 12
    assert bandwidths[18:30] == "F" * 12
    assert bandwidths[44:] == "N" * 4
    assert [i for i, c in enumerate(modes) if c == "·"] == [41, 42, 43]
    assert any(f"serial {stream.serial:#010x}, {stream.pages} pages" in line for line in shown)
    shown = inside.well("info", "b.opus").splitlines()
    assert "  METADATA_BLOCK_PICTURE=front cover, image/gif, 300 bytes" in shown


def test_packets_for_a_script(inside: Shell, fec_with_a_hole: tuple[Path, list[Packet]]) -> None:
    _, packets = fec_with_a_hole
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in inside.well("packets", "--json", "a.opus").splitlines()
    ]
    assert [line["type"] for line in lines].index("gap") == 20
    found = [line for line in lines if line["type"] == "packet"]
    assert [line["sequence"] for line in found] == list(range(len(packets)))
    assert [line["bytes"] for line in found] == [len(packet.data) for packet in packets]
    assert [line["time_samples"] for line in found] == [p.time_samples for p in packets]
    assert {line["mode"] for line in found} == {"silk"}
    assert any(line["fec"] for line in found)


def test_packets_for_a_person(inside: Shell, fec_with_a_hole: tuple[Path, list[Packet]]) -> None:
    _, packets = fec_with_a_hole
    title, *rows = inside.well("packets", "a.opus").splitlines()
    assert title.split()[:3] == ["number", "time", "lasts"]
    assert len(rows) == len(packets) + 1
    assert rows[20].split() == ["gap", "0.4000", "s", "60", "lost"]
    assert rows[21].split()[:6] == ["20", "0.4600", "s", "20", str(len(packets[20].data)), "silk"]


def test_dred_is_seen(tmp_path: Path) -> None:
    settings = EncoderSettings(bitrate=40_000, fec=False, loss_percent=20, dred_ms=500)
    report = inspect_file(ogg(tmp_path / "a.opus", *coded(2, settings)))
    assert report.dred_packets > report.packets // 2
    assert 10 * 480 < report.dred_longest_samples <= 1040 * 48
    assert report.fec_packets == 0


def test_silence_is_seen(tmp_path: Path) -> None:
    encoder = StreamEncoder(16_000, 1, preset=EncoderSettings(dtx=True))
    packets = encoder.push(bytes(32_000 * 4)) + encoder.finish()
    report = inspect_file(ogg(tmp_path / "a.opus", encoder, packets))
    assert report.dtx_packets == sum(len(packet.data) <= 2 for packet in packets)
    assert report.dtx_samples == 960 * report.dtx_packets
    assert (
        report.gap_samples
        + sum(duration * count for duration, count in report.packet_durations.items())
        >= encoder.end_samples
    )


@pytest.mark.row("Z1")
def test_a_raw_stream(inside: Shell) -> None:
    _, packets = coded(0.5, EncoderSettings())
    with (inside.folder / "a.raw").open("wb") as file:
        writer = RawWriter(file, "u16be")
        for packet in packets:
            writer.write(packet.data)
        file.write(b"\1\2")
    told = json.loads(inside.well("info", "--json", "--raw", "u16be", "a.raw"))
    assert (told["packets"], told["container"]) == (len(packets), "raw u16be")
    assert "begins at byte" in told["problem"]
    assert told["truncated"]
    done = inside.run("packets", "--raw", "u16be", "a.raw")
    assert done.code == 1, "the list ends with an error"
    assert len(done.out.splitlines()) == len(packets) + 1


def test_a_report_is_bounded(tmp_path: Path) -> None:
    encoder, packets = coded(0.1, EncoderSettings())
    many = [
        Packet(i, i * 1920, 960, packets[1].data if i % 2 else b"\xf8" + packets[1].data)
        for i in range(2 * MAX_LISTED)
    ]
    path = tmp_path / "a.opus"
    with path.open("wb") as file:
        writer = OggWriter(file, encoder.format)
        for packet in many:
            writer.write(packet)
        writer.close()
    report = inspect_file(path)
    assert (len(report.gaps), report.gap_count) == (MAX_LISTED, 2 * MAX_LISTED - 1)
    assert (len(report.changes), report.change_count) == (MAX_LISTED, 2 * MAX_LISTED - 1)
    assert all(gap.duration_samples == 960 for gap in report.gaps)


def chained(path: Path) -> list[tuple[StreamEncoder, list[Packet]]]:
    """Three links, the second with a hole of 40 ms, the third cut."""
    links = [coded(seconds, EncoderSettings(fec=False)) for seconds in (0.5, 1.0, 0.25)]
    with path.open("wb") as file:
        for number, (encoder, packets) in enumerate(links):
            writer = OggWriter(
                file, encoder.format, serial=7 + number, comments=[("N", f"{number}")]
            )
            if number == 1:
                del packets[10:12]
            writer.write_all(packets)
            if number < 2:
                writer.close(encoder.end_samples)
    return links


def test_the_links_of_a_chain(inside: Shell) -> None:
    links = chained(inside.folder / "a.opus")
    told = json.loads(inside.well("info", "--json", "a.opus"))
    assert (told["link_count"], told["problem"]) == (3, None)
    found = told["links"]
    assert [link["serial"] for link in found] == [7, 8, 9]
    assert [link["comments"] for link in found] == [["N=0"], ["N=1"], ["N=2"]]
    assert [link["duration_samples"] for link in found[:2]] == [24_000, 48_000]
    assert [link["packets"] for link in found[:2]] == [len(packets) for _, packets in links[:2]]
    assert [link["gap_samples"] for link in found] == [0, 1920, 0]
    assert [link["truncated"] for link in found] == [False, False, True]
    assert told["truncated"]
    for total in ("packets", "payload_bytes", "gap_samples", "duration_samples"):
        assert told[total] == sum(link[total] for link in found)
    (gap,) = told["gaps"]
    assert gap["start_samples"] == found[1]["start_samples"] + 10 * 960

    shown = inside.well("info", "a.opus")
    assert shown.count("serial number") == 3
    assert "1 channel, 16000 Hz, serial number 8, 40 ms missing\n    N=1\n" in shown

    lines = [json.loads(line) for line in inside.well("packets", "--json", "a.opus").splitlines()]
    listed = [sum(x["link"] == n and x["type"] == "packet" for x in lines) for n in (1, 2, 3)]
    assert listed == [link["packets"] for link in found]
    assert "\nlink 2\n        0     0.0000 s" in inside.well("packets", "a.opus")


def test_opusinfo_counts_the_same_links(inside: Shell) -> None:
    program = shutil.which("opusinfo")
    if program is None:
        pytest.skip("opusinfo is not installed")
    chained(inside.folder / "a.opus")
    said = subprocess.run(
        [program, inside.folder / "a.opus"], capture_output=True, check=False, text=True
    ).stdout
    assert said.count("New logical stream") == inspect_file(inside.folder / "a.opus").link_count


def test_packets_of_several_streams(tmp_path: Path) -> None:
    encoder = StreamEncoder(48_000, 6, preset=EncoderSettings(bitrate=200_000), mapping_family=1)
    packets = encoder.push(bytes(48_000 * 12)) + encoder.finish()
    report = inspect_file(ogg(tmp_path / "a.opus", encoder, packets))
    assert (report.channels, report.packets, report.invalid_packets) == (6, len(packets), 0)


def test_a_packet_that_decoders_refuse(inside: Shell) -> None:
    encoder, packets = coded(0.5, EncoderSettings())
    # Two equal frames, and bytes that cannot be halved: it breaks R3 and yet tells its time.
    packets[5] = Packet(5, packets[5].time_samples, 960, bytes([8 << 3 | 1, 1, 2, 3]))
    path = inside.folder / "a.opus"
    ogg(path, encoder, packets)
    assert inspect_file(path).invalid_packets == 1
    assert "INVALID" in inside.well("info", "a.opus")
    lines = [json.loads(line) for line in inside.well("packets", "--json", "a.opus").splitlines()]
    assert [bool(line["fault"]) for line in lines].index(True) == 5
    assert "R3" in lines[5]["fault"]
