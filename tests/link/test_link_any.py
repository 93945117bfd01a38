"""What no order of legal calls, and no bytes at all, may do to a link."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opuscule.errors import InvalidPacketError, RemoteProtocolError
from opuscule.link import (
    Event,
    Link,
    PacketReceived,
    PeerSilent,
    ReceiptReceived,
    Role,
    Side,
    State,
    StoredReceived,
    StreamEnded,
    StreamStarted,
    StreamStopped,
)
from opuscule.link.states import initial_state
from opuscule.packets import Packet, StreamFormat
from opuscule.wire import messages as m
from opuscule.wire.frame import Flag, pack

Duration = Callable[[bytes], int]

MONO = StreamFormat(1, 0, 0)
TOC = b"\x08"  # SILK, 20 ms, one frame


def twenty_ms(data: bytes) -> int:
    if data[:1] != TOC:
        raise InvalidPacketError(f"expected {TOC!r}, got {data[:1]!r}")
    return 960


small = st.integers(0, 12)
clocks = st.integers(-100, 100)
messages = st.one_of(
    st.builds(m.Hello, st.integers(0, 2)),
    st.builds(m.Welcome, st.integers(0, 2)),
    st.builds(
        m.Start,
        stream=small,
        channels=st.integers(1, 2),
        pre_skip_samples=small,
        input_rate=small,
        frame_ms=st.just(20.0),
        clock_us=clocks,
        epoch_ms=clocks,
        reply_to=st.none() | small,
        first_sequence=st.sampled_from([0, 65_530, 2**48]),
        first_samples=st.sampled_from([0, 2**32 - 960, 2**48]),
    ),
    st.builds(m.Stop, small, st.sampled_from(m.Side)),
    st.builds(m.Receipt, small, small, small, clocks),
    st.builds(m.Stored, small, st.just(((0, 3), (5, 6))), st.booleans()),
    st.builds(m.Ping, small, clocks),
    st.builds(m.Pong, small, clocks, clocks, clocks),
    st.builds(m.ErrorMessage, st.just("busy"), fatal=st.booleans()),
).map(m.encode_message)

frames = st.one_of(
    st.builds(
        lambda flags, stream, sequence, time: pack(flags, stream, sequence, time * 960, TOC),
        st.sampled_from([0, 1, 2, 3]),
        small,
        small | st.sampled_from([65_530, 65_535]),
        small,
    ),
    st.builds(lambda s, n: pack(Flag.END.value, s, n, n * 960, b""), small, small),
)


@given(
    role=st.sampled_from(Role),
    meet=st.booleans(),
    arrivals=st.lists(
        st.tuples(
            st.booleans(),
            st.binary(max_size=30) | messages | frames,
            st.floats(0, 3),
        ),
        max_size=40,
    ),
)
@settings(max_examples=300)
def test_any_bytes_make_events_or_a_remote_protocol_error(
    role: Role, meet: bool, arrivals: list[tuple[bool, bytes, float]]
) -> None:
    now = 0.0
    link = Link(role, now, packet_duration=twenty_ms, capabilities=["stored"])
    if meet:
        greeting = m.Welcome(1) if role is Role.CLIENT else m.Hello(1)
        link.receive_text(m.encode_message(greeting), now)
        link.open_stream(MONO, frame_ms=20, clock_us=0, epoch_ms=0)
        link.send_packet(0, Packet(0, 0, 960, TOC))
        link.receive_text(m.encode_message(m.Start(0, 1, 0, 0, 20.0, 0, 0)), now)
    for is_text, data, pause in arrivals:
        now += pause
        closed = link.closed
        receive = link.receive_text if is_text else link.receive_binary
        try:
            events = receive(data, now)
        except RemoteProtocolError:
            assert link.closed
            last = m.decode_message(link.data_to_send()[-1][1])
            assert isinstance(last, m.ErrorMessage)
            assert last.fatal
            break
        assert not (closed and events)
        for _, reply in link.data_to_send():
            assert len(reply) <= m.MAX_TEXT_BYTES
        link.tick(now)
    assert link.closed or link.state in (State.OPEN, initial_state(role))


class Conversation(RuleBasedStateMachine):
    """Two links that keep to their contracts, over a wire that delays each way as it likes.

    Neither may ever find fault with the other, and everything arrives as it was sent: whatever
    crosses on the way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.links = [
            Link(Role.CLIENT, 0.0, packet_duration=twenty_ms, capabilities=["stored"]),
            Link(Role.SERVER, 0.0, packet_duration=twenty_ms),
        ]
        self.wires: list[list[tuple[bool, bytes]]] = [[], []]  # messages for the link of the index
        # What each link sends: number to next sequence, held-back ones, ended.
        self.sending: list[dict[int, list[Any]]] = [{}, {}]
        self.receiving: list[dict[int, bool]] = [{}, {}]  # number to: ended
        # Every packet and end, as sent and as heard, by link that sent it.
        self.said: list[list[tuple[int, int, bool]]] = [[], []]
        self.heard: list[list[tuple[int, int, bool]]] = [[], []]
        self.stopped: list[set[int]] = [set(), set()]
        self.flush()
        self.deliver_all()

    def flush(self) -> None:
        for who, link in enumerate(self.links):
            self.wires[1 - who] += link.data_to_send()

    def deliver(self, who: int, count: int) -> None:
        link = self.links[who]
        for is_text, data in self.wires[who][:count]:
            receive = link.receive_text if is_text else link.receive_binary
            for event in receive(data, self.now):
                self.note(who, event)
        del self.wires[who][:count]
        self.flush()

    def note(self, who: int, event: Event) -> None:
        peer = 1 - who
        match event:
            case StreamStarted():
                self.receiving[who][event.stream] = False
            case PacketReceived():
                assert event.packet.time_samples == event.packet.sequence * 960
                self.heard[peer].append((event.stream, event.packet.sequence, event.backfill))
            case StreamEnded():
                self.receiving[who][event.stream] = True
                assert event.end_samples == event.end_sequence * 960
                self.heard[peer].append((event.stream, event.end_sequence, False))
            case StreamStopped(side=Side.MINE):
                self.sending[who].pop(event.stream)
            case StreamStopped():
                self.receiving[who].pop(event.stream)
            case ReceiptReceived():
                assert (event.stream, event.highest) in [(s, q) for s, q, _ in self.said[who]]
            case StoredReceived(end=True):
                self.sending[who].pop(event.stream)
            case PeerSilent():
                raise AssertionError

    def deliver_all(self) -> None:
        while any(self.wires):
            for who in (0, 1):
                self.deliver(who, len(self.wires[who]))

    def pick(self, data: st.DataObject, who: int, ended: bool | None = None) -> int | None:
        fit = [n for n, s in self.sending[who].items() if ended is None or s[2] is ended]
        return data.draw(st.sampled_from(fit)) if fit else None

    @rule(who=st.integers(0, 1), first=st.sampled_from([0, 65_533, 4_473_924]))
    def open(self, who: int, first: int) -> None:
        if sum(not s[2] for s in self.sending[who].values()) < 8 and len(self.sending[who]) < 20:
            number = self.links[who].open_stream(
                MONO,
                frame_ms=20,
                clock_us=0,
                epoch_ms=0,
                first_sequence=first,
                first_samples=first * 960,
            )
            self.sending[who][number] = [first, [], False]
            self.flush()

    @rule(who=st.integers(0, 1), hold=st.integers(0, 3), data=st.data())
    def send(self, who: int, hold: int, data: st.DataObject) -> None:
        number = self.pick(data, who, ended=False)
        if number is not None:
            stream = self.sending[who][number]
            stream[1] += range(stream[0], stream[0] + hold)
            self.say(who, number, stream[0] + hold, backfill=False)
            stream[0] += hold + 1

    @rule(who=st.integers(0, 1), data=st.data())
    def backfill(self, who: int, data: st.DataObject) -> None:
        number = self.pick(data, who)
        if number is not None and self.sending[who][number][1]:
            held = self.sending[who][number][1]
            self.say(who, number, held.pop(data.draw(st.integers(0, len(held) - 1))), backfill=True)

    def say(self, who: int, number: int, sequence: int, backfill: bool) -> None:
        packet = Packet(sequence, sequence * 960, 960, TOC)
        self.links[who].send_packet(number, packet, backfill=backfill)
        self.said[who].append((number, sequence, backfill))
        self.flush()

    @rule(who=st.integers(0, 1), held=st.integers(0, 2), data=st.data())
    def end(self, who: int, held: int, data: st.DataObject) -> None:
        number = self.pick(data, who, ended=False)
        if number is not None:
            stream = self.sending[who][number]
            stream[1] += range(stream[0], stream[0] + held)
            end = stream[0] + held
            self.links[who].end_stream(number, end * 960, end_sequence=end)
            self.said[who].append((number, end, False))
            stream[2] = True
            self.flush()

    @rule(who=st.integers(0, 1), data=st.data())
    def abandon(self, who: int, data: st.DataObject) -> None:
        number = self.pick(data, who)
        if number is not None:
            self.links[who].stop_stream(number, Side.MINE)
            del self.sending[who][number]
            self.stopped[who].add(number)
            self.flush()

    @rule(who=st.integers(0, 1), data=st.data())
    def refuse(self, who: int, data: st.DataObject) -> None:
        if self.receiving[who]:
            number = data.draw(st.sampled_from(sorted(self.receiving[who])))
            self.links[who].stop_stream(number, Side.YOURS)
            del self.receiving[who][number]
            self.stopped[1 - who].add(number)
            self.flush()

    @rule(data=st.data())
    def store(self, data: st.DataObject) -> None:
        # Only the client said that it stores.
        if self.receiving[0]:
            number = data.draw(st.sampled_from(sorted(self.receiving[0])))
            end = self.receiving[0][number] and data.draw(st.booleans())
            self.links[0].acknowledge_stored(number, [(0, 5)], end=end)
            if end:
                del self.receiving[0][number]
                self.stopped[1].add(number)
            self.flush()

    @precondition(lambda self: any(self.wires))
    @rule(who=st.integers(0, 1), count=st.integers(1, 5))
    def carry(self, who: int, count: int) -> None:
        self.deliver(who, count)

    @rule(seconds=st.floats(0, 1))
    def pass_time(self, seconds: float) -> None:
        # A wire that is slower than the limit of silence is another test's business.
        self.deliver_all()
        self.now += seconds
        for who, link in enumerate(self.links):
            for event in link.tick(self.now):
                self.note(who, event)
        self.flush()

    @invariant()
    def both_are_open(self) -> None:
        assert [link.state for link in self.links] == [State.OPEN, State.OPEN]

    def teardown(self) -> None:
        self.deliver_all()
        for who in (0, 1):
            # A stopped stream may lose its tail, and its number may be used again; no other may.
            kept = [each for each in self.said[who] if each[0] not in self.stopped[who]]
            assert [e for e in self.heard[who] if e[0] not in self.stopped[who]] == kept


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
