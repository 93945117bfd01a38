"""Streams over a link: numbers, places, ends, receipts, what is stored."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from opuscule.errors import InvalidArgumentError, LocalProtocolError, RemoteProtocolError
from opuscule.link import (
    Event,
    Link,
    PacketReceived,
    ReceiptReceived,
    Side,
    State,
    StoredReceived,
    StreamEnded,
    StreamStarted,
    StreamStopped,
)
from opuscule.packets import Packet, StreamFormat
from opuscule.wire import messages as m
from opuscule.wire.frame import Flag, Frame, encode_frame

Pair = Callable[[], tuple[Link, Link]]
Exchange = Callable[[Link, Link, float], tuple[list[Event], list[Event]]]

T = TypeVar("T")

MONO = StreamFormat(1, 312, 16_000, gain_q8=-512)
PACKET = b"\x08speech"  # SILK, 20 ms, one frame


def packet(sequence: int, time_samples: int | None = None) -> Packet:
    return Packet(sequence, sequence * 960 if time_samples is None else time_samples, 960, PACKET)


def start(link: Link, name: str = "", reply_to: int | None = None, first: int = 0) -> int:
    return link.open_stream(
        MONO,
        frame_ms=20,
        clock_us=-7,
        epoch_ms=1_700_000_000_000,
        name=name,
        reply_to=reply_to,
        first_sequence=first,
        first_samples=first * 960,
    )


def of(kind: type[T], events: list[Event]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def test_a_stream_arrives_as_it_was_sent(pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    stream = start(client, "evening")
    client.send_packet(stream, packet(0))
    client.send_packet(stream, packet(1), discontinuity=True)
    client.send_packet(stream, packet(3))
    client.end_stream(stream, 3_500)
    client.send_packet(stream, packet(2), backfill=True)
    _, events = exchange(client, server, 2.5)
    assert events == [
        StreamStarted(0, MONO, 20.0, "evening", None, -7, 1_700_000_000_000, 0, 0),
        PacketReceived(0, packet(0), False, False, 2.5),
        PacketReceived(0, packet(1), False, True, 2.5),
        PacketReceived(0, packet(3), False, False, 2.5),
        StreamEnded(0, 3_500, 4),
        PacketReceived(0, packet(2), True, False, 2.5),
    ]


def test_an_answer_names_what_it_answers(pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    question = start(client, "q")
    exchange(client, server, 1.0)
    start(server, "a", reply_to=question)
    events, _ = exchange(client, server, 1.0)
    (started,) = events
    assert isinstance(started, StreamStarted)
    assert (started.name, started.reply_to) == ("a", question)
    with pytest.raises(InvalidArgumentError, match="reply_to is 9"):
        start(server, reply_to=9)
    text = m.encode_message(m.Start(1, 1, 0, 0, 20.0, 0, 0, reply_to=9))
    with pytest.raises(RemoteProtocolError, match="answers stream 9"):
        client.receive_text(text, 1.0)


def test_counters_wrap_on_the_wire_and_nowhere_else(pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    # Both counters wrap within the next packets, each at its own place.
    first, first_samples = 2 * 65_536 - 2, 2**32 - 1_500
    stream = client.open_stream(
        MONO,
        frame_ms=20,
        clock_us=0,
        epoch_ms=0,
        first_sequence=first,
        first_samples=first_samples,
    )
    sent = [packet(first + i, first_samples + i * 960) for i in (0, 2, 3, 5)]
    held = [packet(first + i, first_samples + i * 960) for i in (4, 1)]
    for each in sent:
        client.send_packet(stream, each)
    for each in held:
        client.send_packet(stream, each, backfill=True)
    _, events = exchange(client, server, 1.0)
    received = [e.packet for e in events if isinstance(e, PacketReceived)]
    assert received == sent + held
    assert sent[0].time_samples < 2**32 < sent[1].time_samples


def test_a_continued_recording_keeps_its_numbers(pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    stream = start(client, "night", first=1_000_000)
    client.send_packet(stream, packet(999_990), backfill=True)
    client.send_packet(stream, packet(1_000_000))
    client.end_stream(stream, 1_000_001 * 960)
    _, events = exchange(client, server, 1.0)
    numbers = [e.packet.sequence for e in events if isinstance(e, PacketReceived)]
    assert numbers == [999_990, 1_000_000]
    assert events[-1] == StreamEnded(stream, 1_000_001 * 960, 1_000_001)


def test_the_end_of_an_empty_or_held_back_stream(pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    empty, held = start(client), start(client)
    client.end_stream(empty, 0)
    client.send_packet(held, packet(0))
    client.end_stream(held, 2_880, end_sequence=3, backfill=True)
    client.send_packet(held, packet(2), backfill=True)
    _, events = exchange(client, server, 1.0)
    assert of(StreamEnded, events) == [StreamEnded(empty, 0, 0), StreamEnded(held, 2_880, 3)]


class TestWhatTheSenderMayNotSend:
    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            (packet(10), "send it as backfill"),
            (packet(11, 10 * 960), "before the end of packet 10"),
            (packet(10 + 2**14 + 1), "open another stream"),
            (packet(11, 2**31), "open another stream"),
            (Packet(11, 11 * 960, 960, b""), "without a packet"),
        ],
    )
    def test_live(self, pair: Pair, exchange: Exchange, wrong: Packet, words: str) -> None:
        client, server = pair()
        stream = start(client)
        client.send_packet(stream, packet(10))
        with pytest.raises(InvalidArgumentError, match=words):
            client.send_packet(stream, wrong)
        # Nothing went out, and the stream goes on.
        client.send_packet(stream, packet(10 + 2**14))
        _, events = exchange(client, server, 1.0)
        assert len(of(PacketReceived, events)) == 2

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            (packet(9, 9 * 960 + 1), "after the beginning of packet 10"),
            (packet(10, 10 * 960 + 1), "packet 10 is at"),
            (packet(-1), "before the stream's beginning"),
            (packet(11), "comes after the end"),
        ],
    )
    def test_backfill(self, pair: Pair, wrong: Packet, words: str) -> None:
        client, _ = pair()
        stream = start(client)
        client.send_packet(stream, packet(10))
        client.end_stream(stream, 11 * 960)
        with pytest.raises(InvalidArgumentError, match=words):
            client.send_packet(stream, wrong, backfill=True)

    def test_after_the_end(self, pair: Pair) -> None:
        client, _ = pair()
        stream = start(client)
        client.send_packet(stream, packet(5))
        with pytest.raises(InvalidArgumentError, match="but packet 5 came"):
            client.end_stream(stream, 960, end_sequence=5)
        client.end_stream(stream, 5_760)
        with pytest.raises(LocalProtocolError, match="has ended"):
            client.send_packet(stream, packet(6))
        with pytest.raises(LocalProtocolError, match="has ended"):
            client.end_stream(stream, 5_760)

    def test_unknown_and_finished(self, pair: Pair) -> None:
        client, _ = pair()
        with pytest.raises(LocalProtocolError, match="stream 4, which was never opened"):
            client.send_packet(4, packet(0))
        with pytest.raises(LocalProtocolError, match="never opened"):
            client.stop_stream(4, Side.MINE)
        with pytest.raises(LocalProtocolError, match="never started"):
            client.stop_stream(4, Side.YOURS)
        with pytest.raises(LocalProtocolError, match="never started"):
            client.acknowledge_stored(4, [(0, 1)])
        stream = start(client)
        client.stop_stream(stream, Side.MINE)
        with pytest.raises(LocalProtocolError, match="is finished"):
            client.send_packet(stream, packet(0))


class TestWhatThePeerMayNotSend:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (encode_frame(Frame(1, 0, 0, PACKET)), "stream 1, which was never started"),
            (
                encode_frame(Frame(0, 11, 10_560, b"\x0b\x00")),
                "stream 0, packet 11: no packet of code",
            ),
            (encode_frame(Frame(0, 11, 9_600, PACKET)), "before the end of packet 10"),
            (encode_frame(Frame(0, 9, 9_600, PACKET)), "after the beginning of packet 10"),
            (encode_frame(Frame(0, 10, 9_601, PACKET)), "packet 10 is at"),
            (encode_frame(Frame(0, 65_535, 0, PACKET)), "before the stream's beginning"),
            (encode_frame(Frame(0, 9, 2**32 - 960, PACKET)), "before the stream's beginning"),
            (encode_frame(Frame(0, 10 + 2**14 + 1, 10_560, PACKET)), "more than 16384 from 10"),
            (encode_frame(Frame(0, 11, 2**30 + 9_601, PACKET)), "more than 1073741824 samples"),
            (encode_frame(Frame(0, 10, 9_600, b"", Flag.END)), "but packet 10 came"),
            (b"\x08" + bytes(8), "reserves it"),
        ],
    )
    def test_frames(self, pair: Pair, exchange: Exchange, data: bytes, words: str) -> None:
        client, server = pair()
        stream = start(client)
        client.send_packet(stream, packet(10))
        exchange(client, server, 1.0)
        with pytest.raises(RemoteProtocolError, match=words):
            server.receive_binary(data, 1.0)
        assert server.closed
        (_, text) = server.data_to_send()[-1]
        error = m.decode_message(text)
        assert isinstance(error, m.ErrorMessage)
        assert (error.code, error.fatal) == ("protocol", True)

    @pytest.mark.parametrize(
        ("message", "words"),
        [
            (m.Start(0, 1, 0, 0, 20.0, 0, 0), "start of stream 0, which is not finished"),
            (m.Stop(5, m.Side.MINE), "stop of stream 5, which was never started"),
            (m.Stop(5, m.Side.YOURS), "stop for stream 5, which was never opened"),
            (m.Receipt(5, 0, 0, 0), "receipt for stream 5, which was never opened"),
            (m.Receipt(0, 0, 0, 0), "receipt for 0 of stream 0, of which nothing was sent"),
            (m.Stored(5), "stored for stream 5, which was never opened"),
            (m.Stored(0, (), True), "stored to the end of stream 0, which has not ended"),
            (m.Pong(99, 0, 0, 0), "pong for ping 99; the highest sent was 0"),
        ],
    )
    def test_messages(self, pair: Pair, exchange: Exchange, message: m.Message, words: str) -> None:
        client, server = pair()
        start(client)
        start(server)
        exchange(client, server, 1.0)
        with pytest.raises(RemoteProtocolError, match=words):
            server.receive_text(m.encode_message(message), 1.0)
        assert server.closed

    def test_after_the_end(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        client.end_stream(stream, 960, end_sequence=1)
        exchange(client, server, 1.0)
        # The same end again is harmless, another one is not.
        again = encode_frame(Frame(stream, 1, 960, b"", Flag.END))
        assert server.receive_binary(again, 1.0) == []
        with pytest.raises(RemoteProtocolError, match="a second end"):
            server.receive_binary(encode_frame(Frame(stream, 2, 960, b"", Flag.END)), 1.0)

    def test_a_ninth_stream(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        streams = [start(client) for _ in range(8)]
        with pytest.raises(LocalProtocolError, match="while 8, the most, are open"):
            start(client)
        exchange(client, server, 1.0)
        client.end_stream(streams[0], 0)
        assert start(client) == 8  # an ended one does not count
        exchange(client, server, 1.0)
        ninth = m.encode_message(m.Start(9, 1, 0, 0, 20.0, 0, 0))
        with pytest.raises(RemoteProtocolError, match="while 8, the most, are open"):
            server.receive_text(ninth, 1.0)


class TestStop:
    @pytest.mark.parametrize("by_sender", [True, False])
    def test_either_side_stops(self, pair: Pair, exchange: Exchange, by_sender: bool) -> None:
        client, server = pair()
        stream = start(server)
        exchange(client, server, 1.0)
        if by_sender:
            server.stop_stream(stream, Side.MINE, "barge-in")
            events, _ = exchange(client, server, 1.0)
            assert events == [StreamStopped(stream, Side.YOURS, "barge-in")]
        else:
            client.stop_stream(stream, Side.YOURS, "barge-in")
            _, events = exchange(client, server, 1.0)
            assert events == [StreamStopped(stream, Side.MINE, "barge-in")]

    def test_what_was_under_way_is_ignored(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        client.send_packet(stream, packet(0))
        exchange(client, server, 1.0)
        # All of this crosses on the way.
        client.send_packet(stream, packet(1))
        client.end_stream(stream, 1_920)
        client.stop_stream(stream, Side.MINE)
        server.stop_stream(stream, Side.YOURS)
        to_client, to_server = exchange(client, server, 1.0)
        assert (to_client, to_server) == ([], [])
        server.acknowledge_stored(stream, [(0, 1)], end=True)
        assert server.data_to_send() == []
        client.receive_text(m.encode_message(m.Stored(stream, ((0, 1),))), 1.0)
        client.receive_text(m.encode_message(m.Receipt(stream, 0, 1, 0)), 1.0)
        assert (client.state, server.state) == (State.OPEN, State.OPEN)

    def test_stopping_twice_is_harmless(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        client.stop_stream(stream, Side.MINE)
        client.stop_stream(stream, Side.MINE)
        _, events = exchange(client, server, 1.0)
        assert len(of(StreamStopped, events)) == 1
        server.stop_stream(stream, Side.YOURS)
        assert server.data_to_send() == []


class TestNumbers:
    def test_they_go_round(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        kept = start(client)
        numbers = []
        for _ in range(300):
            numbers.append(start(client))
            client.stop_stream(numbers[-1], Side.MINE)
            exchange(client, server, 1.0)
        assert numbers[:255] == list(range(1, 256))
        assert numbers[255:] == list(range(1, 46))  # 0 is still in use
        assert kept == 0

    def test_one_that_waits_to_be_stored_is_in_use(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        for number in range(256):
            assert start(client) == number
            client.end_stream(number, 0)
            exchange(client, server, 1.0)
        with pytest.raises(LocalProtocolError, match="all 256 numbers wait to be stored"):
            start(client)
        server.acknowledge_stored(77, [], end=True)
        exchange(client, server, 1.0)
        assert start(client) == 77
        exchange(client, server, 1.0)

    def test_where_nothing_is_stored_an_ended_one_is_free(
        self, pair: Pair, exchange: Exchange
    ) -> None:
        client, server = pair()  # the client stores nothing
        for number in range(300):
            assert start(server) == number % 256
            server.send_packet(number % 256, packet(0))
            server.end_stream(number % 256, 960)
            to_client, _ = exchange(client, server, 1.0)
            assert len(of(PacketReceived, to_client)) == 1


class TestStored:
    def test_it_is_told_and_finishes(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        client.end_stream(stream, 4_800, end_sequence=5)
        exchange(client, server, 1.0)
        server.acknowledge_stored(stream, [(0, 2), (3, 5)])
        events, _ = exchange(client, server, 1.0)
        assert events == [StoredReceived(stream, ((0, 2), (3, 5)), False)]
        client.send_packet(stream, packet(2), backfill=True)
        exchange(client, server, 1.0)
        server.acknowledge_stored(stream, [(2, 3)], end=True)
        events, _ = exchange(client, server, 1.0)
        assert events == [StoredReceived(stream, ((2, 3),), True)]
        with pytest.raises(LocalProtocolError, match="is finished"):
            client.send_packet(stream, packet(2), backfill=True)

    def test_many_ranges_go_in_several_messages(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        client.end_stream(stream, 0, end_sequence=1_200)
        exchange(client, server, 1.0)
        ranges = tuple((2 * i, 2 * i + 1) for i in range(600))
        server.acknowledge_stored(stream, iter(ranges), end=True)
        events, _ = exchange(client, server, 1.0)
        told = [e for e in events if isinstance(e, StoredReceived)]
        assert [e.end for e in told] == [False, False, True]
        assert sum((e.ranges for e in told), ()) == ranges

    def test_wrong_ranges_change_nothing(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        exchange(client, server, 1.0)
        with pytest.raises(LocalProtocolError, match="has not ended"):
            server.acknowledge_stored(stream, [(0, 1)], end=True)
        client.end_stream(stream, 0)
        exchange(client, server, 1.0)
        with pytest.raises(InvalidArgumentError, match="begins before 2"):
            server.acknowledge_stored(stream, [(0, 2), (1, 3)], end=True)
        server.acknowledge_stored(stream, [])
        assert server.data_to_send() == []
        server.acknowledge_stored(stream, [], end=True)
        events, _ = exchange(client, server, 1.0)
        assert events == [StoredReceived(stream, (), True)]


class TestReceipts:
    def test_the_first_at_once_then_every_100_ms(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        receipts: list[tuple[int, int, int]] = []
        for i in range(20):
            now = 1.0 + i / 64  # a packet each 15.6 ms, exactly
            client.send_packet(stream, packet(i))
            server.tick(now)
            events, _ = exchange(client, server, now)
            receipts += [(i, e.highest, e.received) for e in of(ReceiptReceived, events)]
        # What is due between two packets comes with the tick before the later one is heard.
        assert receipts == [(0, 0, 1), (7, 6, 7), (14, 13, 14)]

    def test_the_rest_comes_with_the_deadline(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        exchange(client, server, 1.0)
        server.tick(1.0)
        exchange(client, server, 1.0)
        for i in (0, 1):
            client.send_packet(stream, packet(i))
            exchange(client, server, 1.01)
        assert server.next_deadline() == pytest.approx(1.1)  # a ping; the receipt is due later
        server.tick(1.1)
        exchange(client, server, 1.1)
        assert server.next_deadline() == 1.01 + 0.1
        server.tick(1.01 + 0.1)
        events, _ = exchange(client, server, 1.12)
        assert events == [ReceiptReceived(stream, 1, 2, 1_010_000)]
        # Nothing new, nothing said.
        server.tick(1.9)
        events, _ = exchange(client, server, 1.9)
        assert of(ReceiptReceived, events) == []

    def test_the_end_is_told_at_once(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        client.send_packet(stream, packet(0))
        exchange(client, server, 1.0)
        client.end_stream(stream, 960)
        events, _ = exchange(client, server, 1.001)
        assert events == [ReceiptReceived(stream, 1, 1, 1_001_000)]

    def test_backfill_counts_and_is_not_the_highest(self, pair: Pair, exchange: Exchange) -> None:
        client, server = pair()
        stream = start(client)
        client.send_packet(stream, packet(9))
        exchange(client, server, 1.0)
        client.send_packet(stream, packet(3), backfill=True)
        events, _ = exchange(client, server, 3.0)
        assert events == [ReceiptReceived(stream, 9, 2, 1_000_000)]
