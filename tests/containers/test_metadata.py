"""What files say of their recording: by other people's writers, real recorders, and any bytes."""

import io
import json
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.containers.metadata import (
    SourceMetadata,
    parse_audiomoth,
    parse_bext,
    parse_guano,
    parse_info,
    parse_ixml,
    parse_zone,
    read_chunks,
    read_tags,
    read_wav_metadata,
)
from opuscule.containers.metadata.chunks import MAX_CHUNK_BYTES
from opuscule.errors import InvalidArgumentError

FMT = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 48_000, 96_000, 2, 16)


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def wav(*chunks: bytes, samples: int = 4) -> bytes:
    body = b"WAVE" + FMT + b"".join(chunks[:1]) + chunk(b"data", bytes(2 * samples))
    body += b"".join(chunks[1:])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bext(
    date: bytes = b"2024-03-01", time: bytes = b"06:30:15", reference: int = 0, version: int = 2
) -> bytes:
    body = struct.pack(
        "<256s32s32s10s8sQH64s5h180x",
        b"dawn chorus",
        b"recorder",
        b"REF-1",
        date,
        time,
        reference,
        version,
        b"\x06\x0a",
        -2300,
        500,
        -100,
        0x7FFF,
        0x7FFF,
    )
    return chunk(b"bext", body + b"A=PCM,F=48000,W=16\r\n")


def read(data: bytes, rate: int = 48_000) -> SourceMetadata:
    return read_wav_metadata(io.BytesIO(data), rate)


def test_broadcast_files_of_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    told = {
        "description": "a dawn",
        "originator": "somebody",
        "originator_reference": "XY",
        "origination_date": "2021-12-31",
        "origination_time": "23:59:58",
        "time_reference": str(48_000 * 86_398 + 24_000),
        "title": "T",
        "artist": "Ä",
    }
    with av.open(str(path), "w", format="wav", options={"write_bext": "1"}) as container:
        stream = container.add_stream("pcm_s16le", rate=48_000)
        stream.layout = "mono"
        container.metadata.update(told)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 480), np.int16), "s16", "mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
    with path.open("rb") as file:
        found = read_wav_metadata(file, 48_000)
    own = found.fields["bext"]
    for name in ("description", "originator", "originator_reference", "origination_date"):
        assert own[name] == told[name]
    assert own["time_reference_samples"] == 48_000 * 86_398 + 24_000
    assert dict(found.tags)["INAM"] == "T"
    assert dict(found.tags)["IART"] == "Ä"
    assert found.start is not None
    assert found.start.local.isoformat() == "2021-12-31T23:59:58.500000"
    assert found.start.epoch_ms is None, "a broadcast file does not know its zone"
    assert found.start.within("+01:00").epoch_ms == 1_640_991_598_500
    assert found.start.within("Europe/Berlin").epoch_ms == 1_640_991_598_500
    assert found.start.within("UTC").epoch_ms == 1_640_995_198_500
    assert set(found.raw) == {"bext"}


def test_bext_field_by_field() -> None:
    found = read(wav(bext()))
    assert found.form == "RIFF"
    assert found.fields["bext"] == {
        "description": "dawn chorus",
        "originator": "recorder",
        "originator_reference": "REF-1",
        "origination_date": "2024-03-01",
        "origination_time": "06:30:15",
        "time_reference_samples": 0,
        "version": 2,
        "umid": "060a",
        "loudness": {"value_lufs": -23.0, "range_lu": 5.0, "max_true_peak_dbtp": -1.0},
        "coding_history": "A=PCM,F=48000,W=16",
    }
    older = parse_bext(bext(version=0)[8:])
    assert older is not None
    assert (older.umid, older.loudness) == ("", {})


@pytest.mark.parametrize(
    ("date", "time", "reference", "expected"),
    [
        (b"2024-03-01", b"06:30:15", 0, "2024-03-01T06:30:15"),
        (b"2024_03_01", b"06-30-15", 0, "2024-03-01T06:30:15"),
        (b"2024-03-01", b"06:30:15", 48_000 * 23_415 + 24_000, "2024-03-01T06:30:15.500000"),
        # Timecode that is not the time of day: the clock counts.
        (b"2024-03-01", b"06:30:15", 48_000 * 3600, "2024-03-01T06:30:15"),
        (b"2024-03-01", b"", 48_000 * 3600, "2024-03-01T01:00:00"),
        (b"2024-03-01", b"", 0, None),
        (b"2024-13-01", b"06:30:15", 0, None),
        (b"2024-03-01", b"26:30:15", 0, None),
        (b"", b"06:30:15", 0, None),
        (b"2024-03-01", b"", 1 << 63, None),
    ],
)
def test_start_by_bext(date: bytes, time: bytes, reference: int, expected: str | None) -> None:
    start = read(wav(bext(date, time, reference))).start
    assert (start and start.local.isoformat()) == expected


IXML = b"""<?xml version="1.0" encoding="UTF-8"?>
<BWFXML><PROJECT>River</PROJECT><SCENE></SCENE><SPEED>
<TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>0</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>
<TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>2160048000</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>
<TIMESTAMP_SAMPLE_RATE>96000</TIMESTAMP_SAMPLE_RATE></SPEED>
<TRACK_LIST><TRACK><NAME>left</NAME></TRACK><TRACK><NAME>right</NAME></TRACK></TRACK_LIST>
<BEXT><BWF_ORIGINATION_DATE>2024-03-01</BWF_ORIGINATION_DATE>
<BWF_ORIGINATION_TIME>06:15:00</BWF_ORIGINATION_TIME></BEXT></BWFXML>\0"""


def test_ixml() -> None:
    found = read(wav(b"", chunk(b"iXML", IXML)))
    own = found.fields["ixml"]
    assert own["PROJECT"] == "River"
    assert "SCENE" not in own
    assert own["TRACK_LIST/TRACK/NAME"] == "left"
    assert own["TRACK_LIST/TRACK[2]/NAME"] == "right"
    assert found.start is not None
    assert found.start.local.isoformat() == "2024-03-01T06:15:00.500000"
    assert found.start.clock == "ixml"
    assert found.raw["iXML"]["text"].endswith("</BWFXML>")


def test_xml_bombs_and_ruins_are_kept_raw_only() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "cccc"><!ENTITY d "&b;&b;">]><a><e>&d;</e></a>'
    for body in (bomb, b"<a><b></a>", b"\xff\xfe", b"", b"<a>" * 50_000):
        found = read(wav(b"", chunk(b"iXML", body)))
        assert "ixml" not in found.fields
    assert parse_ixml(b"<a>" + b"<b>x" * 30_000 + b"</b>" * 30_000 + b"</a>") is not None
    assert parse_ixml(b"<?xml version='1.0' encoding='klingon'?><a><b>x</b></a>") is None


GUANO = """GUANO|Version: 1.0
Timestamp: 2012-03-29T14:14:04-05:00
Make: Pettersson Elektronik
Loc Position: 38.1878301 -86.10434
Samplerate: 500000
TE: 1
Note: two\\nlines: really
Serial: 007
no value
"""


def test_guano() -> None:
    found = read(wav(b"", chunk(b"guan", GUANO.encode())))
    own = found.fields["guano"]
    assert own["Loc Position"] == [38.1878301, -86.10434]
    assert own["Samplerate"] == 500_000.0
    assert own["Note"] == "two\nlines: really"
    assert own["Serial"] == "007"
    assert "no value" not in own
    assert found.start is not None
    assert (found.start.epoch_ms, found.start.zone) == (1_333_048_444_000, "-05:00")
    assert found.raw["guan"] == {"text": GUANO}
    naive = parse_guano(b"Timestamp: 2012-03-29 14:14:04\0")
    assert naive == {"Timestamp": "2012-03-29 14:14:04"}


# The words of each firmware generation; times worked out by hand.
MOTHS: list[tuple[str, dict[str, object], str | None]] = [
    (
        (
            "Recorded at 09:32:00 04/05/2018 by AudioMoth 0FE081F80FE081F0 at gain setting 2 while "
            "battery state was < 3.6V"
        ),
        {"serial": "0FE081F80FE081F0", "gain": "2", "battery": "< 3.6V"},
        "2018-05-04T09:32:00+00:00",
    ),
    (
        (
            "Recorded at 10:25:00 04/04/2020 (UTC+2) by AudioMoth 24526B065D325963 at gain setting "
            "2 while battery state was 4.7V. Recording cancelled before completion due to low "
            "voltage."
        ),
        {
            "serial": "24526B065D325963",
            "gain": "2",
            "battery": "4.7V",
            "battery_v": 4.7,
            "stopped": "due to low voltage",
        },
        "2020-04-04T10:25:00+02:00",
    ),
    (
        (
            "Recorded at 00:10:00 01/01/2023 (UTC-3:30) during deployment 2F3A0B0C0D0E0F10 using "
            "external microphone at low-medium gain while battery was greater than 4.9V and "
            "temperature was -12.8C. Band-pass filter with frequencies of 1.0kHz and 2.0kHz "
            "applied. Amplitude threshold was 0.5% with 3s minimum trigger duration. Recording "
            "stopped by magnetic switch."
        ),
        {
            "deployment": "2F3A0B0C0D0E0F10",
            "gain": "low-medium",
            "battery": "greater than 4.9V",
            "temperature_c": -12.8,
            "external_microphone": True,
            "filter": "Band-pass filter with frequencies of 1.0kHz and 2.0kHz applied",
            "trigger": "Amplitude threshold was 0.5% with 3s minimum trigger duration",
            "stopped": "by magnetic switch",
        },
        "2023-01-01T00:10:00-03:30",
    ),
    (
        "Recorded at 25:00:00 01/01/2023 (UTC) by AudioMoth 24526B065D325963 at high gain",
        {"serial": "24526B065D325963", "gain": "high"},
        None,
    ),
]


@pytest.mark.row("Z11")
@pytest.mark.parametrize(("comment", "fields", "start"), MOTHS)
def test_audiomoths(comment: str, fields: dict[str, object], start: str | None) -> None:
    found = parse_audiomoth(comment)
    assert found is not None
    assert found[0] == fields
    assert (found[1] and found[1].local.isoformat()) == start


@pytest.mark.row("Z11")
@pytest.mark.parametrize(
    ("file", "kind", "expected", "epoch_ms"),
    [
        (
            "1min.wav",
            "audiomoth",
            {"serial": "0FE081F80FE081F0", "gain": "2", "battery": "4.3V", "battery_v": 4.3},
            1_525_426_320_000,
        ),
        (
            "audiomoth_metadata.wav",
            "audiomoth",
            {"serial": "24526B065D325963", "gain": "2", "battery": "4.7V", "battery_v": 4.7},
            1_585_995_900_000,
        ),
        (
            "audiomoth_gps.wav",
            "audiomoth",
            {
                "serial": "243B1F026488F56E",
                "gain": "medium",
                "battery": "3.8V",
                "battery_v": 3.8,
                "temperature_c": 12.8,
            },
            1_716_890_400_000,
        ),
        ("aru_1.wav", "opensoundscape", {"subtype": "MPEG_LAYER_III", "duration": 3.0}, None),
    ],
)
def test_real_recorders(
    shared_data: Path, file: str, kind: str, expected: dict[str, object], epoch_ms: int | None
) -> None:
    with (shared_data / "field" / file).open("rb") as wave:
        found = read_wav_metadata(wave, 32_000)
    assert expected.items() <= found.fields[kind].items()
    assert (found.start and found.start.epoch_ms) == epoch_ms
    if found.start:
        assert found.start.zone == "UTC"


def test_the_comment_of_a_flac_file_is_understood_too() -> None:
    found = read_tags([("TITLE", "x"), ("comment", MOTHS[0][0])])
    assert found.fields["audiomoth"]["gain"] == "2"
    assert found.tags[0] == ("TITLE", "x")


def test_software_that_cuts_knows_the_start_better() -> None:
    told = {"recording_start_time": "2018-05-04T09:32:30+00:00", "comment": MOTHS[0][0]}
    comment = "opso_metadata" + json.dumps(told)
    found = read_tags([("ICMT", comment)])
    assert found.start is not None
    assert found.start.clock == "opensoundscape"
    assert "audiomoth" in found.fields


def test_chunks_before_and_after_and_of_odd_length_and_too_long() -> None:
    data = wav(chunk(b"odd ", b"abc"), chunk(b"long", bytes(MAX_CHUNK_BYTES + 1)), bext())
    found = read_chunks(io.BytesIO(data))
    assert found is not None
    assert [(c.name, len(c.body)) for c in found.chunks] == [(b"odd ", 3), (b"bext", 622)]
    assert found.left_out == 1
    own = read(wav(b"", *[chunk(b"big ", bytes(60_000))] * 6))
    assert list(own.raw) == ["big", "big#2", "big#3", "big#4"]
    assert own.left_out == 2
    assert read(b"fLaC" + bytes(100)) == SourceMetadata()


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0])
def test_samples_of_a_stream_are_no_chunks(size: int) -> None:
    data = b"RIFF" + struct.pack("<I", size) + b"WAVE" + FMT + b"data" + struct.pack("<I", size)
    data += b"bext" + struct.pack("<I", 602) + bytes(602)
    found = read_chunks(io.BytesIO(data))
    assert found is not None
    assert found.chunks == ()


def test_rf64_says_where_its_data_ends() -> None:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 8, 4, 0))
    data = b"RF64\xff\xff\xff\xffWAVE" + ds64 + FMT + b"data\xff\xff\xff\xff" + bytes(8) + bext()
    found = read(data)
    assert found.form == "RF64"
    assert found.fields["bext"]["description"] == "dawn chorus"


def test_zones() -> None:
    for zone in ("UTC", "+02:00", "-3:30", "+0530", "+10", "Europe/Berlin"):
        parse_zone(zone)
    for zone in ("", "Berlin", "+25:00", "../../etc/passwd", "Europe", "+2:", "a\0b"):
        with pytest.raises(InvalidArgumentError, match="expected UTC"):
            parse_zone(zone)


@given(st.binary(max_size=900))
def test_any_bytes_in_any_chunk(body: bytes) -> None:
    parse_bext(body)
    parse_info(b"INFO" + body)
    parse_ixml(body)
    parse_guano(body)
    for name in (b"bext", b"iXML", b"guan", b"LIST", b"zzzz"):
        own = read(wav(chunk(name, body)))
        json.dumps([own.tags, own.fields, own.raw], allow_nan=False).encode()


@given(st.binary(max_size=300))
def test_any_bytes_for_a_file(data: bytes) -> None:
    read(b"RIFF\xff\xff\xff\xffWAVE" + data)
    read(data)


@given(st.text(max_size=300))
def test_any_comment(text: str) -> None:
    for comment in (text, "opso_metadata" + text, MOTHS[0][0][:60] + text, "Timestamp:" + text):
        own = read_tags([("comment", comment)])
        json.dumps([own.fields]).encode()
        parse_guano(comment.encode(errors="replace"))


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_any_json_comment_is_kept_as_plain_values(told: dict[str, object]) -> None:
    own = read_tags([("ICMT", "opso_metadata" + json.dumps(told))])
    for value in own.fields.get("opensoundscape", {}).values():
        assert isinstance(value, str | int | float)
    json.dumps(own.fields, allow_nan=False).encode()


def test_a_part_that_was_cut_out_knows_its_own_beginning() -> None:
    moth = "Recorded at 09:32:00 04/05/2018 (UTC) by AudioMoth 0FE081F80FE081F0 at gain setting 2"
    cut = "2018-05-04T09:32:12.500000+00:00"
    found = read_tags([("ICMT", moth), ("CUT_STARTED", cut)])
    assert found.start
    assert found.start.clock == "cut"
    assert found.start.local.isoformat() == cut
    without = read_tags([("ICMT", moth), ("CUT_STARTED", "some time")])
    assert without.start
    assert without.start.clock == "audiomoth"
