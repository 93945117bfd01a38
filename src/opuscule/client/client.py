"""One connection of a device, and its turns."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from opuscule import __version__
from opuscule.client.report import TalkReport
from opuscule.client.turn import Turn
from opuscule.codec import EncoderSettings, packet_duration
from opuscule.devices.base import Sink, Source
from opuscule.errors import (
    ConcurrentUseError,
    ConnectError,
    InvalidArgumentError,
    LinkClosedError,
)
from opuscule.link import (
    ErrorReceived,
    Event,
    Link,
    Opened,
    PeerSilent,
    Role,
    StreamStarted,
)
from opuscule.packets import Packet
from opuscule.transports import websocket
from opuscule.transports.shell import WebSocketShell
from opuscule.wire.messages import Side

__all__ = ["Client", "connect"]

MAX_DELAY_MS = 10_000
"""How long an answer may be held back: what a playout buffers."""

_HELLO_TIMEOUT_S = 5.0


class Client:
    """A device that is connected to a server; made by :func:`connect`.

    Use it in an ``async with`` block.
    """

    def __init__(self, device: str) -> None:
        self.link = Link(
            Role.CLIENT,
            time.monotonic(),
            packet_duration=packet_duration,
            agent=f"opuscule/{__version__}",
            device=device,
        )
        """The protocol's state on this side."""
        self.shell = WebSocketShell(self.link, lambda: None, self._on_events, self._on_closed)
        """What moves its bytes."""
        self.session = ""
        """The server's name for the connection."""
        self.server_keeps = False
        """Whether the server says what it has stored."""
        self._opened = asyncio.Event()
        self._turn: Turn | None = None
        self._fault = ""
        self._over = False

    async def talk(
        self,
        source: Source,
        sink: Sink,
        *,
        name: str = "",
        preset: str | EncoderSettings = "voice",
        frame_ms: float = 20,
        target_delay_ms: int = 60,
        withhold: Callable[[Packet], bool] | None = None,
        answer_timeout_s: float = 30.0,
    ) -> TalkReport:
        """Say all of ``source``, hear the answer in ``sink``; return when both are over.

        Args:
            source: where the speech comes from; it ends when the source does or is closed.
            sink: where the answer goes.
            name: what to call the recording; information for the server.
            preset: how to encode.
            frame_ms: audio per packet.
            target_delay_ms: how long the answer is held back against jitter.
            withhold: says of each packet whether to drop it before the socket.
            answer_timeout_s: how long to wait for an answer to begin or to go on, and for the
                server to have stored what was said.

        Cancelled, it tells the server that what was said has no end and that nobody listens; the
        connection stays.

        Raises:
            InvalidArgumentError: a value is out of its range.
            LinkClosedError: the connection ended first, or the server fell silent.
            ConcurrentUseError: another turn is not over.
            DeviceError: source or sink failed.
        """
        if not 0 <= target_delay_ms <= MAX_DELAY_MS:
            # Said before anything is: the answer's playout would only notice when it begins.
            raise InvalidArgumentError(
                f"target_delay_ms is {target_delay_ms}; expected 0 to {MAX_DELAY_MS}"
            )
        if self._turn:
            raise ConcurrentUseError("a turn is not over; connect once more to speak meanwhile")
        if self._over:
            raise LinkClosedError(f"the connection ended: {self._fault}")
        turn = Turn(
            self.link,
            self.shell,
            sink,
            target_delay_ms=target_delay_ms,
            withhold=withhold,
            wants_stored=self.server_keeps,
        )
        self._turn = turn
        try:
            return await turn.run(
                source, name=name, preset=preset, frame_ms=frame_ms, timeout_s=answer_timeout_s
            )
        finally:
            self._turn = None

    async def close(self) -> None:
        """End the connection."""
        await self.shell.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def wait_opened(self, url: str) -> None:
        """Wait until the server has welcomed this device.

        Raises:
            ConnectError: it has not, or something else answers there.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HELLO_TIMEOUT_S):
                await self._opened.wait()
        if not self.session:
            why = self._fault or f"no welcome within {_HELLO_TIMEOUT_S:.0f} s"
            raise ConnectError(f"what answers at {url} did not welcome this device: {why}")

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Opened():
                    self.session = event.session
                    self.server_keeps = "stored" in event.capabilities
                    self._opened.set()
                case ErrorReceived(fatal=True):
                    self._fault = f"the server says: {event.message}"
                case PeerSilent():
                    self._fault = f"the server was silent for {event.silent_s:.0f} s"
                case StreamStarted() if not (self._turn and self._turn.expects(event)):
                    # The answer to a turn that was given up, or one that nobody asked for.
                    self.link.stop_stream(event.stream, Side.YOURS, "nobody listens")
                case _:
                    pass
            if self._turn:
                self._turn.on_event(event)

    def _on_closed(self, fault: Exception | None) -> None:
        self._fault = self._fault or (str(fault) if fault else "the server closed it")
        self._over = True
        self._opened.set()
        if self._turn:
            self._turn.fail(LinkClosedError(f"the connection ended: {self._fault}"))


async def connect(url: str, *, device: str = "device", token: str | None = None) -> Client:
    """Connect to a server.

    Args:
        url: such as ``ws://127.0.0.1:8750``; the protocol's path is added.
        device: this device's own stable name.
        token: what the server wants to see.

    Raises:
        InvalidArgumentError: ``url`` is no WebSocket address.
        AccessDeniedError: the server wants another token.
        ConnectError: nobody answers there, or no opuscule server.
    """
    client = Client(device)
    try:
        await websocket.connect(url, lambda: client.shell, token)
        await client.wait_opened(url)
    except BaseException:
        await client.close()
        raise
    return client
