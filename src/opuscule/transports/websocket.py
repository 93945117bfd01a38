"""A link's shell over WebSocket, the same for both ends.

The shell does what the link's contract asks: it hands in what arrives with the time, sends what the
link wants sent, and calls it again when its deadline comes. It decides nothing else.
"""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus

import picows

from opuscule.auth import bearer, is_allowed, is_page_allowed
from opuscule.errors import (
    AccessDeniedError,
    ConnectError,
    InvalidArgumentError,
    LinkClosedError,
    ListenError,
    RemoteProtocolError,
)
from opuscule.link import Event, Link
from opuscule.packets import MAX_PACKET_BYTES
from opuscule.wire.frame import HEADER_BYTES
from opuscule.wire.messages import ErrorCode

__all__ = ["PATH", "WebSocketShell", "connect", "listen"]

PATH = "/opuscule/v1"
"""Where a server answers; the number is the protocol's major version."""

_MAX_MESSAGE_BYTES = MAX_PACKET_BYTES + HEADER_BYTES
_CONNECT_TIMEOUT_S = 5.0
_GOODBYE_S = 1.0
_MAX_UNSENT_BYTES = 1 << 20
"""A peer that leaves more than this unread is given up: answers to it would pile up in memory."""

_log = logging.getLogger(__name__)


class WebSocketShell(picows.WSListener):
    """One WebSocket and the link that speaks through it.

    Args:
        link: the peer without I/O.
        on_connected: is told once the WebSocket stands.
        on_events: is given the events of each message, in the loop's thread.
        on_closed: is told once that the connection is over, and why if it was a fault; the socket
            may stand for a moment more, for the goodbye.
    """

    def __init__(
        self,
        link: Link,
        on_connected: Callable[[], None],
        on_events: Callable[[list[Event]], None],
        on_closed: Callable[[Exception | None], None],
    ) -> None:
        self.link = link
        self._on_connected = on_connected
        self._on_events = on_events
        self._on_closed = on_closed
        self._transport: picows.WSTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._fault: Exception | None = None
        self._watch: asyncio.Task[None] | None = None
        self._fragments: tuple[bool, bytearray] | None = None
        self._told = False
        self.closed = asyncio.Event()
        """Set when the socket is gone."""

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Begin (called by picows)."""
        self._transport = transport
        if transport.is_client_side:
            self._watch = asyncio.create_task(_take_fault(transport))
        self._on_connected()
        self.flush()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Hand a message to the link (called by picows)."""
        try:
            self._receive(transport, frame)
        except Exception as error:
            # A defect of ours or of the application, which picows would log with the strangers'.
            _log.exception("the connection is given up")
            self._fault = error
            self._disconnect(transport)

    def _receive(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind in (picows.WSMsgType.PING, picows.WSMsgType.PONG):
            return
        if kind is picows.WSMsgType.CLOSE:
            code = frame.get_close_code()
            # "No code" must not be sent as one (RFC 6455 §7.4.1).
            absent = code is picows.WSCloseCode.NO_INFO
            transport.send_close(picows.WSCloseCode.OK if absent else code)
            self._disconnect(transport)
            return
        now = time.monotonic()
        try:
            is_text, data = self._whole_message(frame)
            if data is None:
                return
            receive = self.link.receive_text if is_text else self.link.receive_binary
            events = receive(data, now)
        except RemoteProtocolError as error:
            self.fail(error)
            return
        if events:
            self._on_events(events)
        self.flush()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """End (called by picows)."""
        # None before anybody says goodbye, whatever its type says.
        sent = getattr(transport.close_handshake, "sent", None)
        if not self._fault and sent and sent.reason:  # only picows gives one
            self._fault = RemoteProtocolError(f"no WebSocket frame of ours: {sent.reason}")
        if self._timer:
            self._timer.cancel()
        self.closed.set()
        self._tell_closed()

    def pause_writing(self) -> None:
        """Hold writers back: the socket is full (called by picows)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on (called by picows)."""
        self._writable.set()

    async def writable(self) -> None:
        """Wait until the socket takes more.

        Raises:
            LinkClosedError: the connection is over.
        """
        await self._writable.wait()
        if self._told:
            raise LinkClosedError(f"the connection is closed{self._reason()}")

    def flush(self) -> None:
        """Send what the link has to say, and set the clock for its next deadline."""
        transport = self._transport
        if transport is None or self.closed.is_set():
            return
        for is_text, data in self.link.data_to_send():
            transport.send(picows.WSMsgType.TEXT if is_text else picows.WSMsgType.BINARY, data)
        if self.link.closed:
            self._say_goodbye(transport)
            self._tell_closed()
            return
        if not self._writable.is_set():
            unsent_bytes = transport.underlying_transport.get_write_buffer_size()
            if unsent_bytes > _MAX_UNSENT_BYTES:
                self._fault = LinkClosedError(f"the peer reads nothing: {unsent_bytes} bytes wait")
                transport.disconnect(graceful=False)
                return
        deadline = self.link.next_deadline()
        if deadline is None:
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, deadline - time.monotonic())
        # A timer that is early enough is left alone: most packets only move the deadline back.
        if self._timer is None or self._timer.cancelled() or self._timer.when() > when:
            if self._timer:
                self._timer.cancel()
            self._timer = loop.call_at(when, self._tick)

    def fail(self, error: Exception) -> None:
        """Close because of a fault; the link has queued what the peer should know."""
        self._fault = error
        self.flush()
        if self._transport is not None and not self.link.closed:
            self._transport.disconnect()

    async def close(self) -> None:
        """Say goodbye and wait a moment for the peer's."""
        if self._transport is not None and not self.closed.is_set():
            self.flush()
            self._transport.send_close(picows.WSCloseCode.OK)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self.closed.wait()
            self._transport.disconnect(graceful=False)

    def _say_goodbye(self, transport: picows.WSTransport) -> None:
        if not transport.is_close_frame_sent:
            transport.send_close(picows.WSCloseCode(self.link.close_code))
            asyncio.get_running_loop().call_later(_GOODBYE_S, transport.disconnect, False)

    def _tell_closed(self) -> None:
        self._writable.set()
        if not self._told:
            self._told = True
            self._on_closed(self._fault)

    @staticmethod
    def _disconnect(transport: picows.WSTransport) -> None:
        transport.disconnect()
        # What a peer leaves unread would hold the socket open for as long as the kernel likes.
        asyncio.get_running_loop().call_later(_GOODBYE_S, transport.disconnect, False)

    def _whole_message(self, frame: picows.WSFrame) -> tuple[bool, bytes | None]:
        """Put a message together that came in fragments (RFC 6455 §5.4); None if more will come."""
        data = frame.get_payload_as_bytes()
        is_text = frame.msg_type is picows.WSMsgType.TEXT
        begins = frame.msg_type is not picows.WSMsgType.CONTINUATION
        if begins and frame.fin and self._fragments is None:
            return is_text, data
        problem = ""
        if begins == (self._fragments is not None):
            problem = "a fragment of no message, or a message within another"
        is_text, parts = self._fragments or (is_text, bytearray())
        if len(parts) + len(data) > _MAX_MESSAGE_BYTES:
            problem = f"fragments of more than {_MAX_MESSAGE_BYTES} bytes"
        if problem:
            if not self.link.closed:
                self.link.fail(ErrorCode.PROTOCOL, problem)
            raise RemoteProtocolError(problem)
        parts += data
        self._fragments = None if frame.fin else (is_text, parts)
        return is_text, bytes(parts) if frame.fin else None

    def _reason(self) -> str:
        return f": {self._fault}" if self._fault else ""

    def _tick(self) -> None:
        self._timer = None
        events = self.link.tick(time.monotonic())
        if events:
            self._on_events(events)
        self.flush()


async def _take_fault(transport: picows.WSTransport) -> None:
    """Take what picows found wrong, which asyncio prints when nobody does; the shell knows it."""
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()


def _reason(error: OSError) -> str:
    """Say in the system's words why, where asyncio wraps its own around them."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or "no answer"


async def connect(url: str, make_shell: Callable[[], WebSocketShell], token: str | None) -> None:
    """Open a WebSocket to a server, at its protocol's path; the shell is then running.

    Raises:
        InvalidArgumentError: ``url`` is no WebSocket address.
        AccessDeniedError: the server wants another token.
        ConnectError: nobody answers there, or somebody else.
    """
    try:
        # The handshake's own limit begins only when the connection stands.
        async with asyncio.timeout(2 * _CONNECT_TIMEOUT_S):
            _, listener = await picows.ws_connect(
                make_shell,
                url.rstrip("/") + PATH,
                extra_headers=bearer(token),
                websocket_handshake_timeout=_CONNECT_TIMEOUT_S,
                max_frame_size=_MAX_MESSAGE_BYTES,
                max_redirects=0,
            )
    except picows.WSInvalidURL as error:
        raise InvalidArgumentError(
            f"{url!r} is no WebSocket address; expected something like ws://127.0.0.1:8750"
        ) from error
    except picows.WSHandshakeError as error:
        status = error.response.status if error.response else None
        if status == HTTPStatus.UNAUTHORIZED:
            raise AccessDeniedError(
                f"the server at {url} wants another token; set OPUSCULE_TOKEN or --token"
            ) from error
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise ConnectError(
                f"the server at {url} has no room for another device; try again later"
            ) from error
        raise ConnectError(f"what answers at {url} is no opuscule server ({error})") from error
    except ssl.SSLError as error:  # an OSError whose number is not the system's
        reason = error.reason or str(error)
        raise ConnectError(
            f"no secure connection to {url} ({reason.lower().replace('_', ' ')}); a server without"
            " TLS is at ws://, and its certificate must be one that this machine trusts"
        ) from error
    except OSError as error:  # a TimeoutError is one, too
        raise ConnectError(
            f"no server answers at {url} ({_reason(error).lower()}); start one with: opuscule serve"
        ) from error
    if listener is None:  # picows takes an end instead of an answer for an answer
        raise ConnectError(f"what answers at {url} is no opuscule server (it closed at once)")


async def listen(
    host: str, port: int, token: str | None, make_shell: Callable[[], WebSocketShell | None]
) -> asyncio.Server:
    """Bind a port and give each device that connects a shell; None turns it away as busy.

    Nobody is let in before the caller's ``start_serving``.

    Raises:
        ListenError: the port is in use or not allowed.
    """

    def refuse(status: HTTPStatus, why: str) -> picows.WSUpgradeResponseWithListener:
        response = picows.WSUpgradeResponse.create_error_response(status, f"{why}\n".encode())
        return picows.WSUpgradeResponseWithListener(response, None)

    def admit(
        request: picows.WSUpgradeRequest,
    ) -> WebSocketShell | picows.WSUpgradeResponseWithListener:
        if request.path.split(b"?")[0].decode("latin-1") != PATH:
            return refuse(HTTPStatus.NOT_FOUND, f"opuscule answers at {PATH}")
        if not is_allowed(token, request.headers.get("Authorization")):
            return refuse(HTTPStatus.UNAUTHORIZED, "another token is wanted")
        if not is_page_allowed(token, request.headers.get("Origin")):
            return refuse(HTTPStatus.FORBIDDEN, "a web page needs a server with a token")
        shell = make_shell()
        if shell is None:
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many devices are connected")
        return shell

    try:
        return await picows.ws_create_server(
            admit,
            host,
            port,
            max_frame_size=_MAX_MESSAGE_BYTES,
            websocket_handshake_timeout=5.0,
            start_serving=False,
        )
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host}:{port} ({_reason(error)}); choose another --host or --port,"
            " or stop what uses it"
        ) from error
