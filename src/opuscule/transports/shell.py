"""A link's shell over WebSocket, the same for both ends.

The shell does what the link's contract asks: it hands in what arrives with the time, sends what the
link wants sent, and calls it again when its deadline comes. It decides nothing else.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable

import picows

from opuscule.errors import LinkClosedError, RemoteProtocolError
from opuscule.link import Event, Link
from opuscule.packets import MAX_PACKET_BYTES
from opuscule.wire.frame import HEADER_BYTES
from opuscule.wire.messages import ErrorCode

__all__ = ["MAX_MESSAGE_BYTES", "WebSocketShell"]

MAX_MESSAGE_BYTES = MAX_PACKET_BYTES + HEADER_BYTES
"""The largest message of a link, and so of the WebSocket."""

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
        self._timer: asyncio.Handle | None = None
        self._timer_at = math.inf
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
        # A timer that is early enough is left alone: most packets only move the deadline back.
        if deadline < self._timer_at:
            if self._timer:
                self._timer.cancel()
            delay_s = max(0.0, deadline - time.monotonic())
            # The time is kept here: uvloop's handle of a deadline that is due has none.
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)
            self._timer_at = deadline

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
        if len(parts) + len(data) > MAX_MESSAGE_BYTES:
            problem = f"fragments of more than {MAX_MESSAGE_BYTES} bytes"
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
        self._timer, self._timer_at = None, math.inf
        events = self.link.tick(time.monotonic())
        if events:
            self._on_events(events)
        self.flush()


async def _take_fault(transport: picows.WSTransport) -> None:
    """Take what picows found wrong, which asyncio prints when nobody does; the shell knows it."""
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()
