"""Pings, the peer's clock, and deadlines, with a time that is passed in."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opuscule.errors import RemoteProtocolError
from opuscule.link import ClockUpdated, Event, Link, Role
from opuscule.wire import messages as m

Duration = Callable[[bytes], int]
Pair = Callable[[], tuple[Link, Link]]
Exchange = Callable[[Link, Link, float], tuple[list[Event], list[Event]]]


def run(
    client: Link, server: Link, server_ahead_s: float, there_s: float, back_s: float, until_s: float
) -> list[tuple[float, bool, bytes]]:
    """Carry messages with the given delays, waking each link at its deadline.

    The server's clock is ahead. Returns (the client's time, from the client?, text) as sent.
    """
    now = 0.0
    log: list[tuple[float, bool, bytes]] = []
    flying: list[tuple[float, int, bool, bytes]] = []  # due, order, for the server?, text
    while now < until_s:
        for from_client, link in ((True, client), (False, server)):
            for _, data in link.data_to_send():
                delay = there_s if from_client else back_s
                flying.append((now + delay, len(log), from_client, data))
                log.append((now, from_client, data))
        client_due, server_due = client.next_deadline(), server.next_deadline()
        assert client_due is not None
        assert server_due is not None
        now = min(client_due, server_due - server_ahead_s, *(f[0] for f in flying), until_s)
        for message in sorted(f for f in flying if f[0] <= now):
            flying.remove(message)
            _, _, for_server, data = message
            link = server if for_server else client
            link.receive_text(data, now + server_ahead_s if for_server else now)
        # The tolerance is for the float sum of two clocks, not for the link.
        if client_due <= now + 1e-9:
            client.tick(client_due)
        if server_due <= now + server_ahead_s + 1e-9:
            server.tick(server_due)
    return log


def links(duration: Duration, server_starts: float) -> tuple[Link, Link]:
    return (
        Link(Role.CLIENT, 0.0, packet_duration=duration),
        Link(Role.SERVER, server_starts, packet_duration=duration),
    )


def test_a_few_quick_pings_then_one_every_two_seconds(packet_duration: Duration) -> None:
    client, server = links(packet_duration, 0.0)
    log = run(client, server, 0.0, 0.01, 0.01, 9.0)
    for from_client, opened in ((True, 0.02), (False, 0.01)):
        pings = [
            now
            for now, by_client, data in log
            if by_client is from_client and isinstance(m.decode_message(data), m.Ping)
        ]
        offsets = [0.0, 0.1, 0.2, 0.3, 2.3, 4.3, 6.3, 8.3]
        assert pings == pytest.approx([opened + each for each in offsets])


@pytest.mark.parametrize("ahead_s", [0.0, 5_000.0, -3.5])
def test_both_sides_map_the_others_clock(packet_duration: Duration, ahead_s: float) -> None:
    client, server = links(packet_duration, ahead_s)
    run(client, server, ahead_s, 0.03, 0.03, 3.0)
    assert client.clock.offset_us == pytest.approx(ahead_s * 1e6, abs=2)
    assert server.clock.offset_us == pytest.approx(-ahead_s * 1e6, abs=2)
    assert client.clock.rtt_us == pytest.approx(60_000, abs=2)
    assert client.clock.to_local_us(round(ahead_s * 1e6) + 123) == pytest.approx(123, abs=2)


@given(
    ahead_s=st.floats(-1e6, 1e6),
    there_s=st.floats(0, 0.5),
    back_s=st.floats(0, 0.5),
)
def test_unequal_ways_cost_half_of_their_difference(
    packet_duration: Duration, ahead_s: float, there_s: float, back_s: float
) -> None:
    client, server = links(packet_duration, ahead_s)
    run(client, server, ahead_s, there_s, back_s, 4.0)
    wrong_us = (there_s - back_s) / 2 * 1e6
    assert client.clock.offset_us == pytest.approx(ahead_s * 1e6 + wrong_us, abs=5)
    bound = client.clock.error_us(4_000_000)
    assert bound is not None
    assert abs(wrong_us) <= bound + 5


def test_an_exchange_is_an_event(pair: Pair, exchange: Exchange) -> None:
    client, server = pair()
    client.tick(0.5)
    to_client, to_server = exchange(client, server, 0.5)
    assert to_client == [ClockUpdated(0, 0)]
    assert to_server == []


def test_old_and_repeated_pongs_are_ignored(pair: Pair) -> None:
    client, _ = pair()
    client.tick(0.5)
    ping = m.decode_message(client.data_to_send()[-1][1])
    assert isinstance(ping, m.Ping)
    pong = m.encode_message(m.Pong(ping.id, ping.sent_us, 7, 7))
    assert len(client.receive_text(pong, 0.6)) == 1
    assert client.receive_text(pong, 0.7) == []


def test_unanswered_pings_are_forgotten_in_the_end(pair: Pair) -> None:
    client, _ = pair()
    now, first = 0.5, None
    for _ in range(20):
        client.tick(now)
        ping = m.decode_message(client.data_to_send()[-1][1])
        assert isinstance(ping, m.Ping)
        first = first or ping
        client.receive_text(b'{"type":"later"}', now)
        now += 2.0
    assert first is not None
    assert client.receive_text(m.encode_message(m.Pong(first.id, 0, 0, 0)), now) == []


def test_the_peers_word_for_our_clock_is_not_taken(pair: Pair) -> None:
    client, _ = pair()
    client.tick(0.5)
    ping = m.decode_message(client.data_to_send()[-1][1])
    assert isinstance(ping, m.Ping)
    client.receive_text(m.encode_message(m.Pong(ping.id, -(10**9), 500_000, 500_000)), 0.5)
    assert client.clock.rtt_us == 0


@pytest.mark.parametrize(("received_us", "replied_us"), [(9, 5), (0, 10_000_000)])
def test_times_that_contradict_ours(pair: Pair, received_us: int, replied_us: int) -> None:
    client, _ = pair()
    client.tick(0.5)
    ping = m.decode_message(client.data_to_send()[-1][1])
    assert isinstance(ping, m.Ping)
    pong = m.Pong(ping.id, ping.sent_us, received_us, replied_us)
    with pytest.raises(RemoteProtocolError, match=f"pong for ping {ping.id}: the peer held"):
        client.receive_text(m.encode_message(pong), 0.6)
    assert client.closed
