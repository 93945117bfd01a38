"""Two links and what carries their messages."""

from collections.abc import Callable

import pytest

from opuscule.errors import InvalidPacketError
from opuscule.link import Event, Link, Role

Exchange = Callable[[Link, Link, float], tuple[list[Event], list[Event]]]


def _duration(data: bytes) -> int:
    """What a packet of code 0 or 1 lasts, by RFC 6716 §3.1; the other codes are not used here."""
    if not data or data[0] & 3 > 1 or (data[0] & 3 == 1 and len(data) % 2 == 0):
        raise InvalidPacketError(f"no packet of code 0 or 1: {data[:4].hex()}")
    config = data[0] >> 3
    if config < 12:
        samples = (480, 960, 1920, 2880)[config % 4]
    elif config < 16:
        samples = (480, 960)[config % 2]
    else:
        samples = (120, 240, 480, 960)[config % 4]
    return samples * (1 + (data[0] & 3))


@pytest.fixture(scope="session")
def packet_duration() -> Callable[[bytes], int]:
    return _duration


@pytest.fixture(scope="session")
def exchange() -> Exchange:
    """Carry everything both ways until neither has anything to say; (client's, server's events)."""

    def carry(client: Link, server: Link, now: float) -> tuple[list[Event], list[Event]]:
        heard: dict[Link, list[Event]] = {client: [], server: []}
        while True:
            waiting = [(client, server.data_to_send()), (server, client.data_to_send())]
            if not any(messages for _, messages in waiting):
                return heard[client], heard[server]
            for link, messages in waiting:
                for is_text, data in messages:
                    receive = link.receive_text if is_text else link.receive_binary
                    heard[link] += receive(data, now)

    return carry


@pytest.fixture(scope="session")
def pair(exchange: Exchange) -> Callable[[], tuple[Link, Link]]:
    """Return a client and a server that have met at time 0; the server stores."""

    def meet() -> tuple[Link, Link]:
        client = Link(Role.CLIENT, 0.0, packet_duration=_duration, agent="c/1", device="porch")
        server = Link(
            Role.SERVER,
            0.0,
            packet_duration=_duration,
            agent="s/1",
            session="s-1",
            capabilities=["stored"],
        )
        exchange(client, server, 0.0)
        return client, server

    return meet
