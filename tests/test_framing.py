"""Packets taken apart and joined, as users call it; the bytes themselves are tested in the core."""

import math
import pickle
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule import framing
from opuscule.codec import Decoder, Encoder, EncoderSettings, packet_duration
from opuscule.errors import InvalidArgumentError, InvalidPacketError

SILK_20_MS = 9 << 3
CELT_2_5_MS = 28 << 3


def voice(settings: EncoderSettings, packets: int = 50) -> list[bytes]:
    """Packets of 20 ms of a tone that swells and fades, at 16 kHz."""
    encoder = Encoder(16_000, preset=settings)
    made = []
    for n in range(packets):
        times = [(n * 320 + i) / 16_000 for i in range(320)]
        pcm = [
            int(8000 * math.sin(800 * t + 3 * math.sin(5 * t)) * abs(math.sin(9 * t)))
            for t in times
        ]
        made.append(encoder.encode(array("h", pcm)))
    return made


def test_a_packet_made_by_hand() -> None:
    padding = bytes([33 << 1 | 1, 2, 8, 9, 40 << 1, 5])
    packet = bytes([SILK_20_MS | 4 | 3, 0xC2, 6, 2]) + b"abcde" + padding
    info = framing.inspect(packet)
    assert (info.mode, info.bandwidth, info.channels, info.code) == ("silk", "wideband", 2, 3)
    assert (info.frame_samples, info.duration_samples) == (960, 1920)
    assert [packet[f.start : f.stop] for f in info.frames] == [b"ab", b"cde"]
    assert packet[info.padding.start : info.padding.stop] == padding
    assert [(e.id, e.frame, bytes(packet[i] for i in e.payload)) for e in info.extensions] == [
        (33, 0, b"\x08\x09"),
        (40, 0, b"\x05"),
    ]
    assert (info.extensions_fault, info.dred, info.dtx) == (None, None, False)
    assert framing.unpad(packet) == bytes([SILK_20_MS | 4 | 2, 2]) + b"abcde"


@pytest.mark.parametrize(
    ("config", "mode", "bandwidth", "frame_samples"),
    [
        (0, "silk", "narrowband", 480),
        (7, "silk", "mediumband", 2880),
        (13, "hybrid", "superwideband", 960),
        (14, "hybrid", "fullband", 480),
        (20, "celt", "wideband", 120),
        (31, "celt", "fullband", 960),
    ],
)
def test_kinds(config: int, mode: str, bandwidth: str, frame_samples: int) -> None:
    info = framing.inspect(bytes([config << 3, 1]))
    assert (info.mode, info.bandwidth, info.frame_samples) == (mode, bandwidth, frame_samples)


@pytest.mark.row("C4")
def test_three_of_20_ms_are_one_of_60_ms_and_sound_the_same() -> None:
    packets = voice(EncoderSettings(bitrate=24_000, fec=True, loss_percent=10))
    triples = [packets[i : i + 3] for i in range(0, 48, 3)]
    merged = [framing.merge(triple) for triple in triples]
    one, other = Decoder(16_000), Decoder(16_000)
    for triple, packet in zip(triples, merged, strict=True):
        assert packet_duration(packet) == 2880
        assert framing.split(packet) == triple
        assert b"".join(bytes(one.decode(p)) for p in triple) == bytes(other.decode(packet))


def test_fec_dred_and_dtx_are_seen() -> None:
    plain = voice(EncoderSettings(bitrate=24_000, fec=False, dtx=False))
    assert not any(framing.inspect(p).fec or framing.inspect(p).dred for p in plain)
    with_fec = voice(EncoderSettings(bitrate=24_000, fec=True, loss_percent=20, dtx=False))
    decoder = Decoder(16_000)
    for packet in with_fec:
        assert framing.inspect(packet).fec == (decoder.fec_samples(packet) > 0)
    assert sum(framing.inspect(p).fec for p in with_fec) > 30

    deep = EncoderSettings(bitrate=40_000, fec=False, loss_percent=20, dred_ms=500, dtx=False)
    reaches = 0
    for packet in voice(deep):
        info = framing.inspect(packet)
        reach = 0 if info.dred is None else -info.dred.start // 3
        assert reach == decoder.dred_samples(packet)
        if info.dred is not None:
            assert info.dred.start < info.dred.stop <= 0
            assert [e.id for e in info.extensions] == [126]
            assert framing.inspect(framing.unpad(packet)).dred is None
            reaches += 1
    assert reaches > 20

    encoder = Encoder(16_000, preset=EncoderSettings(dtx=True))
    silence = [encoder.encode(bytes(640)) for _ in range(60)]
    assert framing.inspect(silence[-1]).dtx
    assert not framing.inspect(silence[0]).dtx


@pytest.mark.parametrize(
    ("packet", "rule", "offset"),
    [
        (b"", "R1", 0),
        (bytes([SILK_20_MS]) + bytes(1276), "R2", 1),
        (bytes([SILK_20_MS | 1]) + bytes(3), "R3", 1),
        (bytes([SILK_20_MS | 2, 5]) + bytes(4), "R4", 2),
        (bytes([SILK_20_MS | 3, 7]), "R5", 1),
        (bytes([SILK_20_MS | 3, 0x41, 5]) + bytes(4), "R6", 3),
        (bytes([SILK_20_MS | 3, 0x83, 1, 2]) + bytes(2), "R7", 5),
    ],
)
def test_each_rule_has_its_own_error(packet: bytes, rule: str, offset: int) -> None:
    for call in (
        framing.inspect,
        framing.split,
        framing.unpad,
        framing.delimit,
        lambda data: framing.pad(data, 2000),
        lambda data: framing.merge([data]),
    ):
        with pytest.raises(InvalidPacketError, match=f"byte {offset} breaks rule {rule}:") as told:
            call(packet)
        assert (told.value.rule, told.value.offset) == (rule, offset)
    again = pickle.loads(pickle.dumps(told.value))  # noqa: S301  # it was made here
    assert (again.rule, again.offset, str(again)) == (rule, offset, str(told.value))


def test_what_cannot_be_made() -> None:
    one, other = bytes([SILK_20_MS, 1]), bytes([CELT_2_5_MS, 1])
    with pytest.raises(InvalidArgumentError, match="no packets"):
        framing.merge([])
    with pytest.raises(InvalidArgumentError, match=r"packet 1 is celt, fullband, 2\.5 ms, mono"):
        framing.merge([one, other])
    with pytest.raises(InvalidArgumentError, match="6720 samples"):
        framing.merge([one] * 7)
    with pytest.raises(InvalidPacketError, match="packet 1: not an Opus packet: byte 0 breaks"):
        framing.merge([one, b""])
    with pytest.raises(InvalidArgumentError, match="cannot be padded to 1"):
        framing.pad(one, 1)
    with pytest.raises(InvalidArgumentError, match="61298"):
        framing.pad(one, 61_299)
    with pytest.raises(InvalidArgumentError, match="length is -1"):
        framing.pad(one, -1)
    with pytest.raises(InvalidArgumentError, match="start is 3; there are 2 bytes"):
        framing.undelimit(one, 3)
    with pytest.raises(InvalidArgumentError, match="start is -1"):
        framing.undelimit(one, -1)


def test_extensions_that_cannot_be_read_are_told_and_not_lost() -> None:
    packet = bytes([SILK_20_MS | 3, 0x41, 3, 0xAA, 6, 33 << 1 | 1, 9])
    info = framing.inspect(packet)
    assert [e.id for e in info.extensions] == [3]
    assert info.extensions_fault == "the extension at byte 5 goes on beyond the padding"
    with pytest.raises(InvalidPacketError, match=r"byte 5 .* unpad it first") as told:
        framing.split(packet)
    assert (told.value.rule, told.value.offset) == (None, 5)
    assert framing.split(framing.unpad(packet)) == [bytes([SILK_20_MS, 0xAA])]


frames = st.lists(st.binary(max_size=300), min_size=1, max_size=6)


@given(frames, st.integers(0, 600))
def test_split_and_merge_are_inverse(frames: list[bytes], more: int) -> None:
    parts = [bytes([SILK_20_MS]) + frame for frame in frames]
    whole = framing.merge(parts)
    assert framing.split(whole) == parts
    assert framing.merge(framing.split(whole)) == whole
    padded = framing.pad(whole, len(whole) + more)
    assert len(padded) == len(whole) + more
    assert framing.unpad(padded) == whole
    assert framing.split(padded) == parts


@given(st.lists(st.tuples(frames, st.integers(0, 20)), min_size=1, max_size=5))
def test_self_delimited_packets_follow_on_one_another(
    content: list[tuple[list[bytes], int]],
) -> None:
    packets = []
    for frames, more in content:
        whole = framing.merge(bytes([SILK_20_MS]) + frame for frame in frames)
        packets.append(framing.pad(whole, len(whole) + more))
    stream = b"".join(framing.delimit(packet) for packet in packets)
    at, found = 0, []
    while at < len(stream):
        packet, at = framing.undelimit(stream, at)
        found.append(packet)
    assert found == packets
    with pytest.raises(InvalidPacketError, match="byte") as told:
        framing.undelimit(stream[:-1], len(stream) - len(framing.delimit(packets[-1])))
    assert told.value.rule != "R5"
    assert told.value.offset is not None
    assert told.value.offset <= len(stream) - 1


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_break_a_rule(data: bytes) -> None:
    try:
        duration_samples = framing.inspect(data).duration_samples
    except InvalidPacketError as error:
        told = error.rule
    else:
        told = None
        assert duration_samples == packet_duration(data)
    assert told in {None, "R1", "R2", "R3", "R4", "R5", "R6", "R7"}
