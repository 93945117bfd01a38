"""What each text message of the peer means, and what is answered without asking the owner.

:class:`Dialogue` only hands messages on to the part that they concern. What that part returns or
raises is what the owner gets.
"""

from msgspec import structs

from opuscule.errors import RemoteProtocolError
from opuscule.link import events
from opuscule.link.channel import Channel
from opuscule.link.inbound import Inbound
from opuscule.link.outbound import Outbound
from opuscule.link.pinger import Pinger
from opuscule.link.states import Happening
from opuscule.wire import messages
from opuscule.wire.messages import ErrorCode, ErrorMessage, Message, Side

__all__ = ["STORES", "Dialogue"]

STORES = "stored"
"""The capability of a side that stores what it receives and says so."""

_GOT: dict[type[Message], Happening] = {
    messages.Hello: Happening.GOT_HELLO,
    messages.Welcome: Happening.GOT_WELCOME,
    messages.Start: Happening.GOT_START,
    messages.Stop: Happening.GOT_STOP,
    messages.Receipt: Happening.GOT_RECEIPT,
    messages.Stored: Happening.GOT_STORED,
    messages.Ping: Happening.GOT_PING,
    messages.Pong: Happening.GOT_PONG,
    messages.ErrorMessage: Happening.GOT_ERROR,
}


class Dialogue:
    """The receiving side of the text messages of one link."""

    def __init__(
        self,
        channel: Channel,
        inbound: Inbound,
        outbound: Outbound,
        pinger: Pinger,
        welcome: messages.Welcome,
    ) -> None:
        self._channel = channel
        self._inbound = inbound
        self._outbound = outbound
        self._pinger = pinger
        self._welcome = welcome

    def take(self, message: Message, now: float) -> events.Event | None:
        """Do what ``message`` asks for; return what the owner should know, if anything.

        Raises:
            RemoteProtocolError: the message is not allowed here or now.
        """
        what = _GOT[type(message)]
        if isinstance(message, ErrorMessage) and message.fatal:
            what = Happening.GOT_FATAL_ERROR
        self._channel.happens(what, RemoteProtocolError)
        event: events.Event | None = None
        match message:
            case messages.Hello():
                event = self._greet(message, now)
            case messages.Welcome():
                event = self._be_greeted(message, now)
            case messages.Start():
                if message.reply_to is not None and not self._outbound.knows(message.reply_to):
                    raise RemoteProtocolError(
                        f"stream {message.stream} answers stream {message.reply_to}, which was "
                        "never opened"
                    )
                event = self._inbound.start(message)
            case messages.Stop():
                # Whoever says "mine" means the stream that this side receives.
                theirs = message.side is Side.MINE
                streams = self._inbound if theirs else self._outbound
                if streams.peer_stopped(message.stream):
                    side = Side.YOURS if theirs else Side.MINE
                    event = events.StreamStopped(message.stream, side, message.reason)
            case messages.Receipt():
                event = self._outbound.receipt(message)
            case messages.Stored():
                event = self._outbound.stored(message)
            case messages.Ping():
                now_us = round(now * 1e6)
                self._channel.send([messages.Pong(message.id, message.sent_us, now_us, now_us)])
            case messages.Pong():
                event = self._pinger.pong(message, now)
            case messages.ErrorMessage():
                event = events.ErrorReceived(message.code, message.message, message.fatal)
        return event

    def _greet(self, hello: messages.Hello, now: float) -> events.Opened:
        version = min(hello.version, messages.VERSION)
        self._check_version(version, hello.version)
        self._channel.send([structs.replace(self._welcome, version=version)])
        return self._opened(version, hello.agent, hello.device, self._welcome.session, hello, now)

    def _be_greeted(self, welcome: messages.Welcome, now: float) -> events.Opened:
        self._check_version(welcome.version, welcome.version)
        return self._opened(welcome.version, welcome.agent, "", welcome.session, welcome, now)

    def _opened(
        self,
        version: int,
        agent: str,
        device: str,
        session: str,
        peer: messages.Hello | messages.Welcome,
        now: float,
    ) -> events.Opened:
        self._outbound.peer_stores = STORES in peer.capabilities
        self._channel.send([self._pinger.ping(now)])
        return events.Opened(version, agent, device, session, frozenset(peer.capabilities))

    def _check_version(self, version: int, said: int) -> None:
        if not messages.MIN_VERSION <= version <= messages.VERSION:
            error = RemoteProtocolError(
                f"the peer speaks version {said} of the protocol; this side speaks "
                f"{messages.MIN_VERSION} to {messages.VERSION}"
            )
            self._channel.blame(error, ErrorCode.VERSION)
            raise error
