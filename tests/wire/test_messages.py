"""The JSON messages: what is taken, ignored and refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.errors import InvalidArgumentError, RemoteProtocolError
from opuscule.wire import messages as m

EVERY: list[m.Message] = [
    m.Hello(1, "agent", "porch", ("stored",)),
    m.Welcome(1, "agent", "s-1", ("stored", "backfill")),
    m.Start(0, 1, 312, 16_000, 20.0, 5, 1_700_000_000_000, "rec", 7, 3, 2_880, -256),
    m.Stop(3, m.Side.YOURS, "barge-in"),
    m.Receipt(3, 99, 98, -5),
    m.Stored(3, ((0, 5), (5, 7), (9, 10)), True),
    m.Ping(0, 1),
    m.Pong(0, 1, 2, 3),
    m.ErrorMessage("busy", "come back", fatal=False),
]

BAD = [
    b"",
    b"\xff",
    b"null",
    b"[]",
    b"{}",
    b'{"type":1}',
    b'{"type":"hello"}',
    b'{"type":"hello","version":"1"}',
    b'{"type":"hello","version":-1}',
    b'{"type":"hello","version":1} x',
    b'{"type":"hello","version":1,"agent":"\\ud800"}',
    b'{"type":"hello","version":1,"agent":"\xed\xa0\x80"}',
    b'{"type":"hello","version":1,"more":' + b"[" * 10_000,
    b'{"type":"hello","version":1,"agent":"' + b"x" * 201 + b'"}',
    b'{"type":"hello","version":1,"capabilities":[' + b'"a",' * 32 + b'"a"]}',
    b'{"type":"hello","version":1,"capabilities":[""]}',
    b'{"type":"stop","stream":256,"side":"mine"}',
    b'{"type":"stop","stream":1,"side":"ours"}',
    b'{"type":"stored","stream":1,"ranges":[[1,1]]}',
    b'{"type":"stored","stream":1,"ranges":[[-1,1]]}',
    b'{"type":"stored","stream":1,"ranges":[[0,5],[4,6]]}',
    b'{"type":"stored","stream":1,"ranges":[[0,5,6]]}',
    b'{"type":"ping","id":0,"sent_us":1.5}',
    b'{"type":"ping","id":0,"sent_us":1e999}',
    b'{"type":"ping","id":0,"sent_us":9007199254740992}',
]


@pytest.mark.parametrize("message", EVERY, ids=lambda message: type(message).__name__)
def test_round_trip(message: m.Message) -> None:
    data = m.encode_message(message)
    assert m.decode_message(data) == message
    tree = json.loads(data)
    assert tree["type"] == {"ErrorMessage": "error"}.get(
        type(message).__name__, type(message).__name__.lower()
    )


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[:40]))
def test_malformed_is_the_peers_fault(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        m.decode_message(data)


def test_unknown_fields_are_ignored() -> None:
    data = b'{"version":1,"colour":{"deep":[1,2]},"type":"hello","capabilities":["x-new"]}'
    assert m.decode_message(data) == m.Hello(1, capabilities=("x-new",))


@pytest.mark.parametrize("data", [b'{"type":"later"}', b'{"type":"","stream":"?"}'])
def test_unknown_types_are_skipped(data: bytes) -> None:
    assert m.decode_message(data) is None


def test_longest_message() -> None:
    padding = b" " * (m.MAX_TEXT_BYTES - len(b'{"type":"later"}'))
    assert m.decode_message(b'{"type":"later"}' + padding) is None
    with pytest.raises(RemoteProtocolError, match="16385 bytes; at most 16384"):
        m.decode_message(b'{"type":"later"} ' + padding)


def test_the_largest_of_what_is_allowed_fits() -> None:
    top = 2**53 - 1
    ranges = tuple((top - 2 * i - 1, top - 2 * i) for i in reversed(range(m.MAX_RANGES)))
    assert len(m.encode_message(m.Stored(255, ranges, True))) <= m.MAX_TEXT_BYTES
    # Four bytes of UTF-8 and twelve of JSON escapes are the most that a character can take.
    words = ("\U0001f3a4" * 32,) * m.MAX_CAPABILITIES
    name = "\x00" * m.MAX_NAME_CHARACTERS
    assert len(m.encode_message(m.Hello(65_535, name, name, words))) <= m.MAX_TEXT_BYTES
    assert len(m.encode_message(m.ErrorMessage("x" * 32, "\x00" * 1000))) <= m.MAX_TEXT_BYTES


@pytest.mark.parametrize(
    "message",
    [
        m.Hello(1, "x" * 201),
        m.Hello(1, capabilities=("x",) * 33),
        m.Hello(1, "\ud800"),
        m.Start(256, 1, 0, 0, 20.0, 0, 0),
        m.Start(0, 3, 0, 0, 20.0, 0, 0),
        m.Start(0, 1, 0, 0, float("nan"), 0, 0),
        m.Ping(-1, 0),
        m.Stored(0, tuple((i, i + 1) for i in range(257))),
    ],
)
def test_out_of_bounds_is_refused_before_it_is_sent(message: m.Message) -> None:
    with pytest.raises(InvalidArgumentError):
        m.encode_message(message)


@pytest.mark.parametrize("ranges", [((0, 0),), ((3, 2),), ((-1, 2),), ((0, 2), (1, 3))])
def test_ranges_rise(ranges: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InvalidArgumentError, match="is empty, out of bounds, or begins before"):
        m.check_ranges(ranges)


words = st.text('ab"\\\x00é\U0001f3a4', max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def almost_messages(draw: st.DrawFn) -> bytes:
    tree = json.loads(m.encode_message(draw(st.sampled_from(EVERY))))
    for key in draw(st.lists(st.sampled_from(sorted(tree)), max_size=2)):
        tree[key] = draw(json_values)
    data = bytearray(json.dumps(tree).encode())
    if draw(st.booleans()):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@given(st.binary(max_size=60) | almost_messages())
def test_any_bytes_are_a_message_skipped_or_refused(data: bytes) -> None:
    try:
        message = m.decode_message(data)
    except RemoteProtocolError:
        return
    if message is not None:
        assert m.decode_message(m.encode_message(message)) == message


def test_every_error_has_a_close_code() -> None:
    assert set(m.CLOSE_CODES) == {code.value for code in m.ErrorCode}
