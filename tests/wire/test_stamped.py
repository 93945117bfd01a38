from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.errors import InvalidArgumentError, RemoteProtocolError
from opuscule.packets import MAX_PACKET_BYTES
from opuscule.wire.stamped import (
    MAX_EPOCH_MS,
    StampedFrame,
    decode_stamped,
    encode_stamped,
    epoch_ms_of,
    from_epoch_ms,
    media_samples_between,
    to_epoch_ms,
)

pytestmark = pytest.mark.row("R4")


def test_the_first_byte_is_a_version_and_not_time() -> None:
    data = bytes.fromhex("01 00019876543210 f8fffe")
    assert decode_stamped(data) == StampedFrame(0x019876543210, b"\xf8\xff\xfe")
    assert encode_stamped(StampedFrame(0x019876543210, b"\xf8\xff\xfe")) == data


@given(st.integers(0, MAX_EPOCH_MS), st.binary(min_size=1, max_size=1500))
def test_every_frame_comes_back(epoch_ms: int, packet: bytes) -> None:
    frame = StampedFrame(epoch_ms, packet)
    assert decode_stamped(encode_stamped(frame)) == frame


@given(st.binary(max_size=40))
def test_bytes_are_a_frame_or_an_error(data: bytes) -> None:
    try:
        frame = decode_stamped(data)
    except RemoteProtocolError:
        assert len(data) <= 8 or data[0] != 1
    else:
        assert encode_stamped(frame) == data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "of 0 bytes"),
        (b"\x01" + bytes(7), "of 8 bytes"),
        (b"\x00" + bytes(8), "version 0 at offset 0"),
        (b"\x02" + bytes(8), "version 2 at offset 0"),
        (b"\x01" + bytes(8 + MAX_PACKET_BYTES), "at most 61298"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        decode_stamped(data)


@pytest.mark.parametrize(
    ("epoch_ms", "packet"),
    [(-1, b"a"), (1 << 56, b"a"), (0, b""), (0, bytes(MAX_PACKET_BYTES + 1))],
)
def test_what_does_not_fit_is_not_written(epoch_ms: int, packet: bytes) -> None:
    with pytest.raises(InvalidArgumentError, match="expected"):
        encode_stamped(StampedFrame(epoch_ms, packet))


@pytest.mark.row("R6")
def test_times_and_milliseconds() -> None:
    vienna = timezone(timedelta(hours=1))
    assert to_epoch_ms(datetime(1970, 1, 1, 1, 0, 0, 1999, vienna)) == 1
    assert to_epoch_ms(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == -1
    assert from_epoch_ms(1_700_000_000_123) == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
    with pytest.raises(InvalidArgumentError, match="time zone"):
        to_epoch_ms(datetime(2023, 1, 1))  # noqa: DTZ001 - that is what is refused
    with pytest.raises(InvalidArgumentError, match="9999"):
        from_epoch_ms(MAX_EPOCH_MS)


@pytest.mark.row("R6")
@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_comes_back_to_the_millisecond(time: datetime) -> None:
    assert timedelta(0) <= time - from_epoch_ms(to_epoch_ms(time)) < timedelta(milliseconds=1)


@pytest.mark.row("R6")
@given(st.integers(0, MAX_EPOCH_MS), st.integers(0, 10**9))
def test_media_time_and_wall_time(origin_ms: int, ms: int) -> None:
    assert epoch_ms_of(ms * 48, origin_ms) == origin_ms + ms
    assert media_samples_between(origin_ms, origin_ms + ms) == ms * 48
