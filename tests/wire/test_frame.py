"""The binary frame, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.errors import InvalidArgumentError, RemoteProtocolError
from opuscule.packets import MAX_PACKET_BYTES
from opuscule.wire.frame import (
    MAX_FRAME_BYTES,
    Flag,
    Frame,
    Unwrapper,
    decode_frame,
    encode_frame,
    pack,
    unpack,
)

BYTES = [
    ("00 00 0000 00000000 f8", Frame(0, 0, 0, b"\xf8")),
    ("00 03 002a 00009d80 f8fffe", Frame(3, 42, 40_320, b"\xf8\xff\xfe")),
    ("01 03 002a 00009d80 f8", Frame(3, 42, 40_320, b"\xf8", Flag.BACKFILL)),
    ("02 03 002a 00009d80 f8", Frame(3, 42, 40_320, b"\xf8", Flag.DISCONTINUITY)),
    ("03 ff ffff ffffffff f8", Frame(255, 65_535, 2**32 - 1, b"\xf8", Flag(3))),
    ("04 03 002b 0000a07f", Frame(3, 43, 41_087, b"", Flag.END)),
    ("05 03 002b 0000a07f", Frame(3, 43, 41_087, b"", Flag.END | Flag.BACKFILL)),
    ("06 03 002b 0000a07f", Frame(3, 43, 41_087, b"", Flag.END | Flag.DISCONTINUITY)),
    ("07 03 002b 0000a07f", Frame(3, 43, 41_087, b"", Flag(7))),
]

BAD = [
    ("", "binary message of 0 bytes"),
    ("00000000000000", "7 bytes"),
    ("00 03 002a 00009d80", "without a packet"),
    ("01 03 002a 00009d80", "without a packet"),
    ("04 03 002a 00009d80 f8", "END frame with 1 bytes"),
    ("08 03 002a 00009d80 f8", "reserves it as 0"),
    ("10 03 002a 00009d80 f8", "kind 1; version 1 has only kind 0"),
    ("f4 03 002a 00009d80", "kind 15"),
]

frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=1, max_size=100),
    st.sampled_from([Flag(0), Flag.BACKFILL, Flag.DISCONTINUITY, Flag(3)]),
)


@pytest.mark.parametrize(("text", "frame"), BYTES)
def test_bytes(text: str, frame: Frame) -> None:
    data = bytes.fromhex(text)
    assert encode_frame(frame) == data
    assert decode_frame(data) == frame


@pytest.mark.parametrize(("text", "words"), BAD)
def test_malformed_is_the_peers_fault(text: str, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        decode_frame(bytes.fromhex(text))


@given(frames)
def test_round_trip(frame: Frame) -> None:
    data = encode_frame(frame)
    assert len(data) == 8 + len(frame.payload)
    assert decode_frame(data) == frame


@given(st.binary(max_size=40))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        frame = decode_frame(data)
    except RemoteProtocolError:
        return
    assert encode_frame(frame) == data


def test_longest_packet() -> None:
    longest = Frame(0, 0, 0, bytes(MAX_PACKET_BYTES))
    data = encode_frame(longest)
    assert len(data) == MAX_FRAME_BYTES
    assert decode_frame(data) == longest
    with pytest.raises(RemoteProtocolError, match="at most 61298"):
        decode_frame(data + b"x")
    with pytest.raises(InvalidArgumentError, match="at most 61298"):
        pack(0, 0, 0, 0, bytes(MAX_PACKET_BYTES + 1))


@pytest.mark.parametrize(
    "frame",
    [
        Frame(256, 0, 0, b"x"),
        Frame(-1, 0, 0, b"x"),
        Frame(0, 65_536, 0, b"x"),
        Frame(0, -1, 0, b"x"),
        Frame(0, 0, 2**32, b"x"),
        Frame(0, 0, 0, b""),
        Frame(0, 0, 0, b"x", Flag.END),
        Frame(0, 0, 0, b"x", Flag(8)),
    ],
)
def test_wrong_frames_are_refused_before_they_are_sent(frame: Frame) -> None:
    with pytest.raises(InvalidArgumentError):
        encode_frame(frame)


def test_pack_wraps_what_unpack_returns() -> None:
    data = pack(1, 9, 65_536 * 3 + 7, 2**32 + 5, b"x")
    assert unpack(data) == (1, 9, 7, 5, b"x")


class TestUnwrapper:
    def test_reordering_around_the_wrap(self) -> None:
        unwrapper = Unwrapper(16, highest=65_530)
        values = [65_534, 1, 65_535, 0, 65_533, 2]
        assert [unwrapper.extend(v) for v in values] == [
            65_534,
            65_537,
            65_535,
            65_536,
            65_533,
            65_538,
        ]
        assert unwrapper.highest == 65_538

    def test_the_first_value(self) -> None:
        assert Unwrapper(16).extend(0) == 0
        assert Unwrapper(16).extend(5) == 5
        # Before the beginning, and not 65535 ahead of it.
        assert Unwrapper(16).extend(65_535) == -1
        assert Unwrapper(16, highest=200_000).extend(200_001 & 0xFFFF) == 200_001

    def test_half_a_turn_counts_as_behind(self) -> None:
        unwrapper = Unwrapper(16, highest=100_000)
        assert unwrapper.resolve((100_000 + 32_767) & 0xFFFF) == 132_767
        assert unwrapper.resolve((100_000 + 32_768) & 0xFFFF) == 100_000 - 32_768

    def test_resolve_remembers_nothing(self) -> None:
        unwrapper = Unwrapper(16)
        assert unwrapper.resolve(30_000) == 30_000
        assert unwrapper.highest == 0

    @pytest.mark.parametrize("bits", [16, 32])
    @given(data=st.data())
    def test_follows_whatever_stays_within_half_a_turn(
        self, bits: int, data: st.DataObject
    ) -> None:
        half = 1 << (bits - 1)
        start = data.draw(st.integers(0, 1 << 40))
        unwrapper = Unwrapper(bits, start)
        highest = start
        for step in data.draw(st.lists(st.integers(-half, half - 1), max_size=30)):
            true = highest + step
            assert unwrapper.extend(true & ((1 << bits) - 1)) == true
            highest = max(highest, true)
            assert unwrapper.highest == highest


def test_a_counter_that_is_longer_is_refused() -> None:
    unwrapper = Unwrapper(16, highest=5)
    for value in (-1, 65_536, 2**32 - 1):  # such as a time where a number is expected
        with pytest.raises(InvalidArgumentError, match="expected 0 to 65535"):
            unwrapper.extend(value)
    assert unwrapper.highest == 5
    with pytest.raises(InvalidArgumentError, match="bits is 0"):
        Unwrapper(0)
