"""Captures: real packets in RTP on every link that is read, and bytes that are none."""

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError
from opuscule.measure.playout import Call, call_of_capture, has_capture
from opuscule.measure.playout.capture import read_capture
from opuscule.measure.playout.rtp import Heard, number, ordered, rtp_packet
from opuscule.packets import Packet

from .wire import LINKS, block, framed, on_the_wire, pcap, pcapng, rtp, spoken, udp


def call_of(tmp_path: Path, data: bytes, **stream: int) -> Call:
    path = tmp_path / "call.pcap"
    path.write_bytes(data)
    assert has_capture(path)
    return call_of_capture(path, **stream)


def check_whole(call: Call, packets: tuple[Packet, ...]) -> None:
    assert [s.packet for s in call.sent] == list(packets)
    late = [s.arrival_ms - s.sent_ms for s in call.sent if s.arrival_ms is not None]
    assert late == pytest.approx([0.0] * len(packets), abs=0.002)
    assert [packet for _, packet in call.arrivals] == list(packets)


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("link", LINKS)
def test_every_link(tmp_path: Path, link: int, v6: bool) -> None:
    packets = spoken()[:50]
    check_whole(call_of(tmp_path, pcap(on_the_wire(packets, link=link, v6=v6), link)), packets)


def test_one_packet_is_no_call(tmp_path: Path) -> None:
    message = r"call\.pcap: the stream has 1 packet; a call has at least 2"
    with pytest.raises(FormatError, match=message):
        call_of(tmp_path, pcap(on_the_wire(spoken()[:1])))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_both_orders_of_bytes_and_both_resolutions(tmp_path: Path, order: str, nano: bool) -> None:
    packets = spoken()[:50]
    data = pcap(on_the_wire(packets), order=order, nano=nano)
    check_whole(call_of(tmp_path, data), packets)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [6, 9])
def test_pcapng(tmp_path: Path, order: str, resolution: int) -> None:
    packets = spoken()[:50]
    data = pcapng(on_the_wire(packets), order=order, resolution=resolution)
    check_whole(call_of(tmp_path, data), packets)
    check_whole(call_of(tmp_path, data + data[:20]), packets)  # cut in its next section


def test_numbers_that_wrap_and_headers_that_are_dressed(tmp_path: Path) -> None:
    packets = spoken()[:80]
    frames = [
        (
            p.time_samples / 48,
            framed(
                udp(
                    rtp(
                        p,
                        first_sequence=0xFFFF - 30,
                        first_timestamp=0xFFFFFFFF - 40_000,
                        dressed=True,
                    )
                ),
                1,
                vlan=True,
            ),
        )
        for p in packets
    ]
    check_whole(call_of(tmp_path, pcap(frames)), packets)


def test_lost_late_twice_and_out_of_order(tmp_path: Path) -> None:
    packets = spoken()[:50]
    frames = dict(enumerate(on_the_wire(packets)))
    del frames[10], frames[11]
    frames[20] = (frames[20][0] + 75, frames[20][1])
    frames[99] = (frames[30][0] + 30, frames[30][1])
    call = call_of(tmp_path, pcap(frames.values()))
    assert [s.packet.sequence for s in call.sent if s.arrival_ms is None] == [10, 11]
    assert [s.packet.time_samples for s in call.sent] == [p.time_samples for p in packets]
    late = call.sent[20]
    assert late.arrival_ms is not None
    assert late.arrival_ms - late.sent_ms == pytest.approx(75, abs=0.002)
    assert len(call.arrivals) == 49
    assert call.notes == ("1 packets came twice",)


def test_most_of_it_lost(tmp_path: Path) -> None:
    packets = spoken()[:60]
    call = call_of(tmp_path, pcap(on_the_wire([p for p in packets if p.sequence % 5 in (0, 1)])))
    assert [s.packet.duration_samples for s in call.sent] == [960] * 57


def test_the_stream_is_the_longest_or_the_one_that_is_named(tmp_path: Path) -> None:
    first, other = spoken()[:50], spoken()[50:90]
    frames = on_the_wire(first)
    frames += [(1e12, framed(udp(rtp(p, ssrc=9, payload_type=96)), 1)) for p in other]
    frames += [(1e12, framed(udp(b"\x80\xc8" + bytes(26)), 1))] * 99  # RTCP
    frames += [(1e12, framed(udp(b"\x00\x01\x00\x08" + bytes(16)), 1))] * 99  # STUN
    data = pcap(frames)
    call = call_of(tmp_path, data)
    assert len(call.sent) == 50
    assert "SSRC 0x00000009, payload type 96: 40 packets" in call.notes[0]
    assert [s.packet.data for s in call_of(tmp_path, data, ssrc=9).sent] == [p.data for p in other]
    assert len(call_of(tmp_path, data, payload_type=96).sent) == 40
    with pytest.raises(InvalidArgumentError, match="no such stream; there are SSRC 0x1234abcd"):
        call_of(tmp_path, data, ssrc=1)


def test_a_sender_that_begins_anew_goes_on_behind(tmp_path: Path) -> None:
    packets = spoken()[:60]
    frames = on_the_wire(packets[:30])
    later = [(p.time_samples / 48 + 1e12 + 500, p) for p in packets[30:]]
    frames += [
        (at, framed(udp(rtp(p, first_sequence=40_000, first_timestamp=1 << 31)), 1))
        for at, p in later
    ]
    stray = rtp(packets[0], first_sequence=20_000, first_timestamp=1 << 30)
    frames.insert(10, (frames[9][0] + 1, framed(udp(stray), 1)))
    call = call_of(tmp_path, pcap(frames))
    assert [s.packet.data for s in call.sent] == [p.data for p in packets]
    gap_ms = call.sent[30].sent_ms - call.sent[29].sent_ms
    assert gap_ms == pytest.approx(520, abs=0.1)


def test_what_is_not_opus_is_refused(tmp_path: Path) -> None:
    coded = [
        (p.time_samples / 48, framed(udp(rtp(Packet(p.sequence, n * 160, 160, bytes(160)))), 1))
        for n, p in enumerate(spoken()[:50])
    ]
    with pytest.raises(FormatError, match=r"call\.pcap: the payloads are no Opus packets"):
        call_of(tmp_path, pcap(coded))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pcap([]), "no whole RTP packet in it"),
        (pcap(on_the_wire(spoken()[:5]), 1)[:20], "ends within its header"),
        (pcap([])[:24] + struct.pack("<4I", 0, 0, 1 << 30, 0), "packet at byte 24 .* damaged"),
        (block(0x0A0D0D0A, b"\1\2\3\4" + bytes(12)), "section at byte 0 has no order of bytes"),
        (pcapng([])[:28] + struct.pack("<3I", 6, 13, 0), "block at byte 28 .* 13 bytes"),
        (pcapng([])[:28] + block(6, bytes(20)), "of an interface that is not there"),
        (pcapng([])[:28] + block(1, b"\0\0"), "interface at byte 28 is too short"),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        call_of(tmp_path, data)


def test_a_link_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match="links of type 105"):
        call_of(tmp_path, pcap(on_the_wire(spoken()[:5]), 105))


def test_a_capture_that_was_cut_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    packets = spoken()[:50]
    frames = on_the_wire(packets)
    for kept in (-1, -len(frames[-1][1]) - 3):  # within the packet, and within its head
        for data in (pcap(frames)[:kept], pcapng(frames)[:kept]):
            call = call_of(tmp_path, data)
            assert len(call.sent) == 49
            assert call.notes == ("the file was cut within a packet, and ends before it",)
    assert call_of(tmp_path, pcap(frames)).notes == call_of(tmp_path, pcapng(frames)).notes == ()


def test_packets_of_which_only_the_heads_were_captured(tmp_path: Path) -> None:
    heads = [(at, frame[:60]) for at, frame in on_the_wire(spoken()[:50])]
    with pytest.raises(FormatError, match=r"no whole RTP packet in it.*tcpdump -s 0"):
        call_of(tmp_path, pcap(heads))


def test_a_call_without_end_is_refused(tmp_path: Path) -> None:
    packets = spoken()[:10]
    frames = on_the_wire(packets[:9]) + on_the_wire(packets[9:], late_ms=8_000_000)
    with pytest.raises(UnsupportedFormatError, match="at most 7200 are played"):
        call_of(tmp_path, pcap(frames))


SEEDS = [
    pcap(on_the_wire(spoken()[:4])),
    pcapng(on_the_wire(spoken()[:4], link=276, v6=True), 276),
    pcapng(on_the_wire(spoken()[:4], link=113), 113, order=">"),
]


@settings(max_examples=300)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 700),
)
def test_any_bytes_are_a_capture_or_an_error(
    seed: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(seed[:length])
    for at, value in changes:
        if at < len(data):
            data[at] = value
    try:
        for datagram in read_capture(io.BytesIO(data), []):
            assert len(datagram.data) <= len(data)
            rtp_packet(datagram.data)
    except FormatError:
        pass


@given(st.binary(max_size=60))
def test_any_bytes_are_rtp_or_not(data: bytes) -> None:
    if parts := rtp_packet(data):
        assert 0 <= parts[1] < 128
        assert parts[4] in data


@given(
    st.lists(st.integers(0, 400), unique=True, min_size=1, max_size=60),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.randoms(use_true_random=False),
)
def test_numbers_unwrap_in_any_order(
    sent: list[int], first: int, timestamp: int, chance: "object"
) -> None:
    """Up to 100 numbers late, as RFC 3550 A.1 takes for misordered and not for a restart."""
    sent.sort()
    late = sorted(sent, key=lambda n: n + chance.uniform(0, 90))  # type: ignore[attr-defined]
    heard = [
        Heard((first + n) & 0xFFFF, (timestamp + 960 * n) & 0xFFFFFFFF, float(at), bytes([n % 251]))
        for at, n in enumerate(late)
    ]
    rows, notes = ordered(number(heard))
    assert notes == []
    assert [row.sequence for row in rows] == list(range(sent[-1] - sent[0] + 1))
    here = {n - sent[0] for n in sent}
    assert {row.sequence for row in rows if row.arrival_ms is not None} == here
    assert all(row.time_samples == 960 * row.sequence for row in rows)


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 1000)),
        max_size=40,
    )
)
def test_any_numbers_are_put_in_order(packets: list[tuple[int, int, int]]) -> None:
    rows, _ = ordered(number(Heard(a, b, float(c), b"x") for a, b, c in packets))
    assert [row.sequence for row in rows] == list(range(len(rows)))
    assert all(row.time_samples >= 0 for row in rows)
