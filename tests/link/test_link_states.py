"""The table of states, the handshake, and how a link ends."""

from collections.abc import Callable

import msgspec
import pytest

from opuscule.errors import InvalidArgumentError, LocalProtocolError, RemoteProtocolError
from opuscule.link import (
    ErrorReceived,
    Event,
    Link,
    Opened,
    PeerSilent,
    Role,
    Side,
    State,
    state_diagram,
)
from opuscule.link.states import TRANSITIONS, Happening, initial_state
from opuscule.packets import Packet, StreamFormat
from opuscule.wire import messages as m
from opuscule.wire.frame import Frame, encode_frame

Duration = Callable[[bytes], int]
Pair = Callable[[], tuple[Link, Link]]
Exchange = Callable[[Link, Link, float], tuple[list[Event], list[Event]]]

MONO = StreamFormat(1, 312, 16_000)

REACHABLE = [
    (role, state) for role in Role for state in (initial_state(role), State.OPEN, State.CLOSED)
]

LOCAL: dict[Happening, Callable[[Link], object]] = {
    Happening.OPEN_STREAM: lambda link: link.open_stream(MONO, frame_ms=20, clock_us=0, epoch_ms=0),
    Happening.SEND_PACKET: lambda link: link.send_packet(0, Packet(0, 0, 960, b"\x08")),
    Happening.END_STREAM: lambda link: link.end_stream(0, 0),
    Happening.STOP_STREAM: lambda link: link.stop_stream(0, Side.MINE),
    Happening.ACKNOWLEDGE_STORED: lambda link: link.acknowledge_stored(0, []),
    Happening.WARN: lambda link: link.warn("busy", ""),
    Happening.FAIL: lambda link: link.fail("busy", ""),
    Happening.CLOSE: lambda link: link.close(),
    Happening.PEER_SILENT: lambda link: link.tick(100.0),
}

REMOTE: dict[Happening, m.Message | None] = {
    Happening.GOT_HELLO: m.Hello(1),
    Happening.GOT_WELCOME: m.Welcome(1),
    Happening.GOT_START: m.Start(0, 1, 0, 0, 20.0, 0, 0),
    Happening.GOT_AUDIO: None,
    Happening.GOT_STOP: m.Stop(0, m.Side.MINE),
    Happening.GOT_RECEIPT: m.Receipt(0, 0, 0, 0),
    Happening.GOT_STORED: m.Stored(0),
    Happening.GOT_PING: m.Ping(0, 0),
    Happening.GOT_PONG: m.Pong(0, 0, 0, 0),
    Happening.GOT_ERROR: m.ErrorMessage("busy", fatal=False),
    Happening.GOT_FATAL_ERROR: m.ErrorMessage("busy"),
}


def link_in(role: Role, state: State, duration: Duration) -> Link:
    """A link that was brought to ``state`` by public calls, with stream 0 open both ways."""
    link = Link(role, 0.0, packet_duration=duration)
    if state is initial_state(role):
        return link
    if state is State.CLOSED:
        link.close()
        return link
    greeting = m.Welcome(1) if role is Role.CLIENT else m.Hello(1)
    link.receive_text(m.encode_message(greeting), 0.0)
    link.open_stream(MONO, frame_ms=20, clock_us=0, epoch_ms=0)
    link.send_packet(0, Packet(0, 0, 960, b"\x08"))
    link.receive_text(m.encode_message(m.Start(0, 1, 0, 0, 20.0, 0, 0)), 0.0)
    return link


def deliver(link: Link, what: Happening) -> None:
    message = REMOTE[what]
    if message is None:
        link.receive_binary(encode_frame(Frame(0, 0, 0, b"\x08")), 0.0)
    else:
        if what is Happening.GOT_START and link.state is State.OPEN:
            message = msgspec.structs.replace(message, stream=1)
        link.receive_text(m.encode_message(message), 0.0)


def test_the_tests_know_everything_that_may_happen() -> None:
    # PEER_FAULT happens within receive_*, whenever they raise.
    assert {*LOCAL, *REMOTE, Happening.PEER_FAULT} == set(Happening)


@pytest.mark.parametrize(("role", "state"), REACHABLE)
@pytest.mark.parametrize("what", LOCAL)
def test_local_calls_follow_the_table(
    role: Role, state: State, what: Happening, packet_duration: Duration
) -> None:
    link = link_in(role, state, packet_duration)
    after = TRANSITIONS.get((role, state, what))
    if what is Happening.PEER_SILENT and state is State.CLOSED:
        assert link.tick(100.0) == []  # nobody is expected to speak any more
    elif after is None:
        words = f"{what.value}: not allowed for a {role.value} in state {state.value}"
        with pytest.raises(LocalProtocolError, match=words):
            LOCAL[what](link)
        assert link.state is state
    else:
        try:
            LOCAL[what](link)
        except InvalidArgumentError:
            assert what is Happening.SEND_PACKET  # it was sent before
        assert link.state is after


@pytest.mark.parametrize(("role", "state"), REACHABLE)
@pytest.mark.parametrize("what", REMOTE)
def test_messages_follow_the_table(
    role: Role, state: State, what: Happening, packet_duration: Duration
) -> None:
    link = link_in(role, state, packet_duration)
    link.data_to_send()
    after = TRANSITIONS.get((role, state, what))
    if state is State.CLOSED:
        deliver(link, what)  # it was under way: ignored
        assert link.data_to_send() == []
    elif after is None:
        words = f"{what.value}: not allowed for a {role.value} in state {state.value}"
        with pytest.raises(RemoteProtocolError, match=words):
            deliver(link, what)
        assert link.closed
        assert link.close_code == 1002
        ((is_text, data),) = link.data_to_send()
        assert is_text
        assert m.decode_message(data) == m.ErrorMessage("protocol", words)
    else:
        deliver(link, what)
        assert link.state is after


def test_the_diagram_has_every_state_and_step() -> None:
    diagram = state_diagram()
    for (_, state, what), after in TRANSITIONS.items():
        assert f"    {state.value} --> {after.value}: {what.value}\n" in diagram
    assert len(diagram.splitlines()) == len(set(diagram.splitlines()))


def test_both_sides_learn_who_the_other_is(packet_duration: Duration, exchange: Exchange) -> None:
    client = Link(
        Role.CLIENT,
        0.0,
        packet_duration=packet_duration,
        agent="c/1",
        device="porch",
        capabilities=["x"],
    )
    server = Link(
        Role.SERVER,
        0.0,
        packet_duration=packet_duration,
        agent="s/2",
        session="s-1",
        capabilities=["stored"],
    )
    to_client, to_server = exchange(client, server, 0.0)
    assert to_client[0] == Opened(1, "s/2", "", "s-1", frozenset({"stored"}))
    assert to_server[0] == Opened(1, "c/1", "porch", "s-1", frozenset({"x"}))
    assert (client.state, server.state) == (State.OPEN, State.OPEN)


def test_a_newer_client_is_met_at_our_version(packet_duration: Duration) -> None:
    server = Link(Role.SERVER, 0.0, packet_duration=packet_duration)
    (opened,) = server.receive_text(b'{"type":"hello","version":7,"new":true}', 0.0)
    assert isinstance(opened, Opened)
    assert opened.version == 1
    welcome = m.decode_message(server.data_to_send()[0][1])
    assert isinstance(welcome, m.Welcome)
    assert welcome.version == 1


@pytest.mark.parametrize(
    ("role", "greeting"),
    [
        (Role.SERVER, m.Hello(0)),
        (Role.CLIENT, m.Welcome(0)),
        (Role.CLIENT, m.Welcome(2)),
    ],
)
def test_no_common_version(role: Role, greeting: m.Message, packet_duration: Duration) -> None:
    link = Link(role, 0.0, packet_duration=packet_duration)
    link.data_to_send()
    with pytest.raises(RemoteProtocolError, match="this side speaks 1 to 1"):
        link.receive_text(m.encode_message(greeting), 0.0)
    ((_, data),) = link.data_to_send()
    error = m.decode_message(data)
    assert isinstance(error, m.ErrorMessage)
    assert (error.code, error.fatal) == ("version", True)
    assert (link.closed, link.close_code) == (True, 1002)


@pytest.mark.parametrize(("code", "close_code"), [*m.CLOSE_CODES.items(), ("own-word", 1011)])
def test_failing_tells_the_peer(code: str, close_code: int, pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    server.fail(code, "no more room")
    assert server.close_code == close_code
    to_client, _ = exchange(client, server, 1.0)
    assert to_client == [ErrorReceived(code, "no more room", True)]
    assert client.closed
    assert client.close_code == 1000


def test_a_warning_ends_nothing(pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    client.warn("odd", "microphone is muted")
    _, to_server = exchange(client, server, 1.0)
    assert to_server == [ErrorReceived("odd", "microphone is muted", False)]
    assert not server.closed


def test_a_refused_failure_changes_nothing(pair: Pair) -> None:
    client, _ = pair()
    with pytest.raises(InvalidArgumentError):
        client.fail("", "no code")
    assert client.state is State.OPEN


@pytest.mark.parametrize("role", Role)
def test_a_peer_that_never_introduces_itself(role: Role, packet_duration: Duration) -> None:
    link = Link(role, 5.0, packet_duration=packet_duration)
    assert link.next_deadline() == 15.0
    # Whatever else it says is no introduction.
    assert link.receive_text(b'{"type":"later"}', 9.0) == []
    assert link.tick(14.9) == []
    assert link.tick(15.0) == [PeerSilent(10.0)]
    assert (link.closed, link.next_deadline()) == (True, None)


def test_a_peer_that_falls_silent(pair: Pair) -> None:
    client, _ = pair()
    client.data_to_send()
    client.receive_text(b'{"type":"later"}', 3.0)
    assert client.tick(12.9) == []
    assert client.tick(13.0) == [PeerSilent(10.0)]
    last = m.decode_message(client.data_to_send()[-1][1])
    assert last == m.ErrorMessage("silent", "nothing heard for 10.0 s")
    assert client.close_code == 1001


def test_the_owner_has_to_drain(pair: Pair) -> None:
    client, _ = pair()
    stream = client.open_stream(MONO, frame_ms=20, clock_us=0, epoch_ms=0)

    def send_all() -> None:
        for i in range(10_000):
            client.send_packet(stream, Packet(i, i * 960, 960, b"\x08" * 1000))

    with pytest.raises(LocalProtocolError, match="call data_to_send"):
        send_all()
    queue = client.data_to_send()
    assert 1_000_000 < sum(len(data) + 64 for _, data in queue) <= 2**20


@pytest.mark.parametrize("role", Role)
def test_words_are_checked_at_once(role: Role, packet_duration: Duration) -> None:
    long = "x" * 201
    with pytest.raises(InvalidArgumentError, match="agent"):
        Link(role, 0.0, packet_duration=packet_duration, agent=long)
    with pytest.raises(InvalidArgumentError, match="device"):
        Link(role, 0.0, packet_duration=packet_duration, device=long)
    with pytest.raises(InvalidArgumentError, match="session"):
        Link(role, 0.0, packet_duration=packet_duration, session=long)
    with pytest.raises(InvalidArgumentError, match="capabilities"):
        Link(role, 0.0, packet_duration=packet_duration, capabilities=["x"] * 33)
