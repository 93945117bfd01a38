"""The WebSocket's shell against peers that misbehave, over real sockets."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

import picows
import pytest
import uvloop

import opuscule
from opuscule.codec import packet_duration
from opuscule.devices import NullSink, open_source
from opuscule.errors import ConnectError, LinkClosedError
from opuscule.handlers import nothing
from opuscule.link import Link, Opened, Role
from opuscule.server import Server
from opuscule.transports.websocket import PATH
from opuscule.wire.messages import Hello, Ping, encode_message


def run(go: Callable[[], object]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(go(), 120)  # type: ignore[arg-type]  # a coroutine

    asyncio.run(limited())


def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


class Raw(picows.WSListener):
    """A client that says what it is told."""

    def __init__(self) -> None:
        self.transport: picows.WSTransport | None = None
        self.texts: list[bytes] = []
        self.heard = asyncio.Event()
        self.closed = asyncio.Event()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.TEXT:
            self.texts.append(frame.get_payload_as_bytes())
            self.heard.set()
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.closed.set()

    async def said(self, what: bytes) -> None:
        while not any(what in text for text in self.texts):
            self.heard.clear()
            await self.heard.wait()


async def raw(server: Server) -> tuple[Raw, picows.WSTransport]:
    listener = Raw()
    transport, _ = await picows.ws_connect(lambda: listener, server.url + PATH)
    return listener, transport


def test_a_message_in_fragments_is_put_together() -> None:
    hello = encode_message(Hello(1, "test", "pieces"))

    async def go() -> None:
        async with Server(nothing, port=0) as server:
            listener, transport = await raw(server)
            text, more = picows.WSMsgType.TEXT, picows.WSMsgType.CONTINUATION
            transport.send(text, hello[:5], fin=False)
            transport.send(more, hello[5:9], fin=False)
            transport.send(more, hello[9:])
            await listener.said(b'"welcome"')
            transport.disconnect()

    run(go)


FRAGMENTS = [
    [(picows.WSMsgType.CONTINUATION, b"x", True)],
    [(picows.WSMsgType.TEXT, b"{", False), (picows.WSMsgType.TEXT, b"}", True)],
    [
        (picows.WSMsgType.TEXT, b"{", False),
        *[(picows.WSMsgType.CONTINUATION, bytes(40_000), False)] * 2,
    ],
]


@pytest.mark.parametrize("frames", FRAGMENTS, ids=["of nothing", "nested", "too long"])
def test_fragments_that_make_no_message_are_a_fault(
    frames: list[tuple[picows.WSMsgType, bytes, bool]],
) -> None:
    async def go() -> None:
        async with Server(nothing, port=0) as server:
            listener, transport = await raw(server)
            for kind, data, fin in frames:
                transport.send(kind, data, fin=fin)
            await listener.said(b'"protocol"')
            await listener.closed.wait()

    run(go)


async def deaf_socket(server: Server) -> socket.socket:
    """A WebSocket that has said hello and never reads again."""
    loop = asyncio.get_running_loop()
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await loop.sock_connect(plain, ("127.0.0.1", port_of(server)))
    upgrade = (
        f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(plain, upgrade.encode())
    await loop.sock_recv(plain, 4096)
    await loop.sock_sendall(plain, masked(encode_message(Hello(1, "test", "deaf"))))
    return plain


async def ask(device: socket.socket, pings: int) -> None:
    loop = asyncio.get_running_loop()
    for number in range(0, pings, 500):
        some = (encode_message(Ping(number + k, 0)) for k in range(500))
        await loop.sock_sendall(device, b"".join(map(masked, some)))


def masked(text: bytes) -> bytes:
    """A text message as a client sends it, masked with zeros."""
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


def test_a_device_that_asks_and_never_reads_is_given_up() -> None:
    async def go() -> None:
        async with Server(nothing, port=0) as server:
            deaf = await deaf_socket(server)
            # Every ping has a pong, which stays in the server when nobody reads it.
            with pytest.raises(ConnectionError):
                await ask(deaf, 500_000)
            deaf.close()

    run(go)


async def deaf_server() -> tuple[asyncio.Server, str, list[picows.WSTransport]]:
    """A server that welcomes, then stops reading and says nonsense; and where it is."""
    transports: list[picows.WSTransport] = []

    class Deaf(picows.WSListener):
        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            transports.append(transport)
            self.link = Link(Role.SERVER, 0.0, packet_duration=packet_duration, session="deaf")

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            if frame.msg_type is picows.WSMsgType.TEXT:
                events = self.link.receive_text(frame.get_payload_as_bytes(), 0.0)
                for _, data in self.link.data_to_send():
                    transport.send(picows.WSMsgType.TEXT, data)
                if any(isinstance(event, Opened) for event in events):
                    transport.underlying_transport.pause_reading()
                    loop = asyncio.get_running_loop()
                    loop.call_later(1, transport.send, picows.WSMsgType.TEXT, b"nonsense")

    server = await picows.ws_create_server(lambda _: Deaf(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, f"ws://127.0.0.1:{port}", transports


def test_a_server_that_stops_reading_does_not_hold_a_client_for_ever() -> None:
    async def go() -> None:
        server, url, transports = await deaf_server()
        # More than any socket buffer holds, so that the goodbye cannot get through either.
        source = open_source("noise:600s", paced=False)
        async with await opuscule.connect(url) as client:
            with pytest.raises(LinkClosedError, match="malformed"):
                await client.talk(source, NullSink(16_000), preset="archive")
            # Nobody reads the goodbye, and the socket is gone all the same.
            await client.shell.closed.wait()
        for transport in transports:
            transport.disconnect(graceful=False)
        server.close()
        await asyncio.sleep(0.01)

    run(go)


def test_a_full_server_says_so() -> None:
    async def go() -> None:
        async with (
            Server(nothing, port=0, max_devices=1) as server,
            await opuscule.connect(server.url),
        ):
            with pytest.raises(ConnectError, match="no room"):
                await opuscule.connect(server.url)

    run(go)


def test_tls_where_there_is_none() -> None:
    async def go() -> None:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        plain = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = plain.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError, match="TLS"):
            await opuscule.connect(f"wss://127.0.0.1:{port}")
        plain.close()

    run(go)


async def upgrade_status(server: Server, *headers: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    lines = [
        b"GET " + PATH.encode() + b" HTTP/1.1",
        b"Host: x",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        *headers,
    ]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    status = (await reader.readline()).split()[1]
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return status


def test_a_web_page_cannot_use_a_server_without_a_token() -> None:
    async def go() -> None:
        page = b"Origin: https://example.org"
        async with Server(nothing, port=0) as server:
            assert await upgrade_status(server) == b"101"
            assert await upgrade_status(server, page) == b"403"
        async with Server(nothing, port=0, token="secret") as server:
            assert await upgrade_status(server, page) == b"401"
            assert await upgrade_status(server, page, b"Authorization: Bearer secret") == b"101"
            assert await upgrade_status(server, b"Authorization: bearer secret") == b"101"
            for wrong in (b"secret", b"Basic secret", b"Bearer", b"Bearer \xff", b"Bearer secret "):
                expected = b"101" if wrong.endswith(b" ") else b"401"
                assert await upgrade_status(server, b"Authorization: " + wrong) == expected, wrong

    run(go)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "0.0.0.0", "::"])
def test_the_address_that_a_server_gives_is_one(host: str) -> None:
    if ":" in host:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("there is no IPv6 here")

    async def go() -> None:
        async with (
            Server(nothing, host=host, port=0, insecure=True) as server,
            await opuscule.connect(server.url) as client,
        ):
            assert client.session

    run(go)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_shell_that_is_flushed_all_the_time_keeps_its_deadlines(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def go() -> None:
        async with Server(nothing, port=0) as server, await opuscule.connect(server.url) as client:
            # Timers fire up to half a millisecond early in some loops: every due receipt and ping
            # meets flushes before, at and after its time.
            end = time.monotonic() + 1.5
            source = open_source("tone:440:1s", paced=True)
            talk = asyncio.create_task(client.talk(source, NullSink()))
            while time.monotonic() < end:
                client.shell.flush()
                await asyncio.sleep(0)
            assert (await talk).packets_sent > 0

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(go(), 120))
