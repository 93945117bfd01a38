"""The state of a link and what waits to be sent: what every part of it goes through.

The only place that changes the state, and the only one that queues.
"""

from collections.abc import Iterable

from opuscule.errors import LinkError, LocalProtocolError, RemoteProtocolError
from opuscule.link.states import TRANSITIONS, Happening, Role, State, initial_state
from opuscule.wire.messages import (
    CLOSE_CODES,
    MAX_ERROR_CHARACTERS,
    ErrorCode,
    ErrorMessage,
    Message,
    encode_message,
)

__all__ = ["MAX_QUEUED_BYTES", "Channel"]

MAX_QUEUED_BYTES = 1 << 20
"""Most that waits to be sent; an owner that keeps its contract never comes near."""

# What a queued message costs beside its own bytes, so that many tiny ones are bounded as well.
_OVERHEAD_BYTES = 64
_NORMAL_CLOSURE = 1000  # RFC 6455 §7.4.1


class Channel:
    """State and outgoing queue of one end of a link."""

    def __init__(self, role: Role) -> None:
        self.role = role
        """Which end it is."""
        self.state = initial_state(role)
        """How far the two sides have come."""
        self.close_code = _NORMAL_CLOSURE
        """The WebSocket close code that fits how the link closed."""
        self._queue: list[tuple[bool, bytes]] = []
        self._queued_bytes = 0

    def happens(self, what: Happening, fault: type[LinkError]) -> None:
        """Go to the next state.

        Raises:
            LinkError: the table has no such step; of the class ``fault``.
        """
        after = TRANSITIONS.get((self.role, self.state, what))
        if after is None:
            raise fault(
                f"{what.value}: not allowed for a {self.role.value} in state {self.state.value}"
            )
        self.state = after

    def push(self, is_text: bool, data: bytes) -> None:
        """Queue a message as it is.

        Raises:
            LocalProtocolError: the owner does not drain the queue.
        """
        self._queued_bytes += len(data) + _OVERHEAD_BYTES
        # A closing error may go over the bound: it is the last message.
        if self._queued_bytes > MAX_QUEUED_BYTES and self.state is not State.CLOSED:
            raise LocalProtocolError(
                f"more than {MAX_QUEUED_BYTES} bytes wait to be sent; call data_to_send() after "
                "every call and send what it returns"
            )
        self._queue.append((is_text, data))

    def send(self, messages: Iterable[Message]) -> None:
        """Queue text messages.

        Raises:
            InvalidArgumentError: a field is out of its bounds.
            LocalProtocolError: the owner does not drain the queue.
        """
        for message in messages:
            self.push(True, encode_message(message))

    def drain(self) -> list[tuple[bool, bytes]]:
        """Return what is queued, and forget it."""
        queue, self._queue, self._queued_bytes = self._queue, [], 0
        return queue

    def fail(self, what: Happening, code: str, message: str) -> None:
        """Close with a fatal error message to the peer.

        Raises:
            LocalProtocolError: the link is closed already.
            InvalidArgumentError: code or message is too long; nothing has changed then.
        """
        data = encode_message(ErrorMessage(code, message, fatal=True))
        self.happens(what, LocalProtocolError)
        self.close_code = CLOSE_CODES.get(code, CLOSE_CODES[ErrorCode.INTERNAL])
        self.push(True, data)

    def blame(self, error: RemoteProtocolError, code: ErrorCode = ErrorCode.PROTOCOL) -> None:
        """Close because the peer broke the protocol, and tell it how."""
        if self.state is not State.CLOSED:
            self.fail(Happening.PEER_FAULT, code, str(error)[:MAX_ERROR_CHARACTERS])
