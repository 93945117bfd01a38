"""One end of a native link, without any input or output of its own.

Theory of operation. The owner holds the socket and the clock. Its whole contract is: after every
call here, send all that :meth:`Link.data_to_send` returns, in its order, then close the transport
if :attr:`Link.closed`; and call :meth:`Link.tick` no later than :meth:`Link.next_deadline`. What
arrives goes into ``receive_text`` or ``receive_binary``, message by message, and comes out as
events; what the owner wants goes into the other methods and comes out as data.

``now`` is in seconds of a clock that only goes forward, the same for every call on one link. Times
of the link clock are ``now`` in microseconds.

Whether anything may happen at all is asked of the table in :mod:`opuscule.link.states`. When the
peer breaks the protocol, an error message for it is queued, the link closes, and
``RemoteProtocolError`` is raised. The path of a packet makes one value and one event, without JSON.
"""

from collections.abc import Callable, Iterable, Sequence

from opuscule.clock import ClockEstimate
from opuscule.errors import InvalidArgumentError, LocalProtocolError, RemoteProtocolError
from opuscule.link import events
from opuscule.link.channel import Channel
from opuscule.link.dialogue import STORES, Dialogue
from opuscule.link.inbound import Inbound
from opuscule.link.outbound import Outbound
from opuscule.link.pinger import Pinger
from opuscule.link.states import Happening, Role, State
from opuscule.packets import Packet, StreamFormat
from opuscule.wire import messages
from opuscule.wire.messages import ErrorCode, ErrorMessage, Side

__all__ = ["SILENCE_S", "Link"]

SILENCE_S = 10.0
"""For how long a peer may be silent, or fail to introduce itself, in seconds."""


class Link:
    """One end of a native link.

    Args:
        role: which end.
        now: the time, in seconds; the time to introduce itself begins here for the peer.
        packet_duration: what an Opus packet lasts in 48 kHz samples; raises ``InvalidPacketError``
            for anything else. The native module's ``packet_duration`` is one.
        agent: software and version, told to the peer.
        device: a client's own stable name, told to the server.
        session: a server's name for the connection, told to the client.
        capabilities: what this side does beyond the version's minimum. A side that will call
            :meth:`acknowledge_stored` lists ``"stored"``.

    Raises:
        InvalidArgumentError: a text is too long, or there are too many capabilities.
    """

    def __init__(
        self,
        role: Role,
        now: float,
        *,
        packet_duration: Callable[[bytes], int],
        agent: str = "",
        device: str = "",
        session: str = "",
        capabilities: Sequence[str] = (),
    ) -> None:
        self._channel = Channel(role)
        self._inbound = Inbound(packet_duration, STORES in capabilities)
        self._outbound = Outbound()
        self._pinger = Pinger()
        self._heard = now
        words = tuple(capabilities)
        welcome = messages.Welcome(messages.VERSION, agent, session, words)
        self._dialogue = Dialogue(
            self._channel, self._inbound, self._outbound, self._pinger, welcome
        )
        hello = messages.encode_message(messages.Hello(messages.VERSION, agent, device, words))
        # Both are checked in both roles: a welcome must not fail when a client comes.
        messages.encode_message(welcome)
        if role is Role.CLIENT:
            self._channel.push(True, hello)

    @property
    def role(self) -> Role:
        """Which end this is."""
        return self._channel.role

    @property
    def state(self) -> State:
        """How far the two sides have come."""
        return self._channel.state

    @property
    def closed(self) -> bool:
        """Whether the transport is to be closed, once what is queued was sent."""
        return self._channel.state is State.CLOSED

    @property
    def close_code(self) -> int:
        """The WebSocket close code (RFC 6455 §7.4.1) to close with; 1000 if nothing went wrong."""
        return self._channel.close_code

    @property
    def clock(self) -> ClockEstimate:
        """What is known of the peer's link clock."""
        return self._pinger.clock

    def receive_text(self, data: bytes, now: float) -> list[events.Event]:
        """Take in one text message of the peer, and return what it means.

        Raises:
            RemoteProtocolError: the protocol does not allow it, here or now. The link is closed.
        """
        if self._channel.state is State.CLOSED:
            return []
        try:
            message = messages.decode_message(data)
            event = None if message is None else self._dialogue.take(message, now)
        except RemoteProtocolError as error:
            self._channel.blame(error)
            raise
        # Before the handshake only the handshake counts as a sign of life.
        if self._channel.state is State.OPEN:
            self._heard = now
        return [] if event is None else [event]

    def receive_binary(self, data: bytes, now: float) -> list[events.Event]:
        """Take in one binary message of the peer, and return what it means.

        Raises:
            RemoteProtocolError: the protocol does not allow it, here or now. The link is closed.
        """
        if self._channel.state is State.CLOSED:
            return []
        try:
            if self._channel.state is not State.OPEN:  # the table, without its cost a packet
                self._channel.happens(Happening.GOT_AUDIO, RemoteProtocolError)
            self._heard = now
            event = self._inbound.frame(data, now)
        except RemoteProtocolError as error:
            self._channel.blame(error)
            raise
        if self._inbound.next_receipt <= now:
            self._channel.send(self._inbound.receipts(now))
        return [] if event is None else [event]

    def data_to_send(self) -> list[tuple[bool, bytes]]:
        """Return what is to be sent now, in order: (is it text, the message); it is gone then."""
        return self._channel.drain()

    def next_deadline(self) -> float | None:
        """Return when :meth:`tick` must be called at the latest, in seconds; None when closed."""
        if self._channel.state is State.CLOSED:
            return None
        silent_at = self._heard + SILENCE_S
        if self._channel.state is not State.OPEN:
            return silent_at
        return min(silent_at, self._pinger.due, self._inbound.next_receipt)

    def tick(self, now: float) -> list[events.Event]:
        """Do what is due at ``now``: pings, receipts, or giving up a silent peer."""
        if self._channel.state is State.CLOSED:
            return []
        if now >= self._heard + SILENCE_S:
            silent_s = now - self._heard
            self._channel.fail(
                Happening.PEER_SILENT, ErrorCode.SILENT, f"nothing heard for {silent_s:.1f} s"
            )
            return [events.PeerSilent(silent_s)]
        if self._channel.state is State.OPEN:
            if self._pinger.due <= now:
                self._channel.send([self._pinger.ping(now)])
            if self._inbound.next_receipt <= now:
                self._channel.send(self._inbound.receipts(now))
        return []

    def open_stream(
        self,
        stream_format: StreamFormat,
        *,
        frame_ms: float,
        clock_us: int,
        epoch_ms: int,
        name: str = "",
        reply_to: int | None = None,
        first_sequence: int = 0,
        first_samples: int = 0,
    ) -> int:
        """Begin to send a stream, and return its number.

        Args:
            stream_format: what the peer's decoder has to know.
            frame_ms: what most packets last, 2.5 to 120 ms, for information.
            clock_us: this side's link clock at media time 0, in microseconds.
            epoch_ms: wall time at media time 0, in milliseconds since 1970.
            name: of the recording; streams of one name are parts of one recording.
            reply_to: the peer's stream that this one answers.
            first_sequence: where the sequence begins, if a recording is continued.
            first_samples: where the media time begins then, in 48 kHz samples.

        Raises:
            LocalProtocolError: the link is not open, or all streams that it may have are.
            InvalidArgumentError: a value that the protocol cannot carry, or a ``reply_to`` that
                the peer never started.
        """
        self._channel.happens(Happening.OPEN_STREAM, LocalProtocolError)
        if reply_to is not None and not self._inbound.knows(reply_to):
            raise InvalidArgumentError(f"reply_to is {reply_to}, which the peer never started")
        number = self._outbound.next_number()
        start = messages.Start(
            stream=number,
            channels=stream_format.channels,
            pre_skip_samples=stream_format.pre_skip_samples,
            input_rate=stream_format.input_rate,
            frame_ms=frame_ms,
            clock_us=clock_us,
            epoch_ms=epoch_ms,
            name=name,
            reply_to=reply_to,
            first_sequence=first_sequence,
            first_samples=first_samples,
            gain_q8=stream_format.gain_q8,
        )
        self._channel.send([start])
        self._outbound.open(number, first_sequence, first_samples)
        return number

    def send_packet(
        self, stream: int, packet: Packet, *, backfill: bool = False, discontinuity: bool = False
    ) -> None:
        """Send a packet; live ones in rising order, held-back ones as ``backfill``.

        Raises:
            LocalProtocolError: the link or the stream is not open; backfill may follow the end.
            InvalidArgumentError: the packet's place contradicts what was sent before, or is too far
                from it: open another stream of the same name then.
        """
        if self._channel.state is not State.OPEN:
            self._channel.happens(Happening.SEND_PACKET, LocalProtocolError)
        self._channel.push(False, self._outbound.packet(stream, packet, backfill, discontinuity))

    def end_stream(
        self,
        stream: int,
        end_samples: int,
        *,
        end_sequence: int | None = None,
        backfill: bool = False,
    ) -> None:
        """Mark the end of a stream; backfill may still follow it.

        Args:
            stream: its number.
            end_samples: exact end of valid audio in 48 kHz samples, pre-skip included.
            end_sequence: one more than the last packet's, if that was held back.
            backfill: whether no listener waits for this end.

        Raises:
            LocalProtocolError: the link or the stream is not open.
            InvalidArgumentError: packets after the end were sent.
        """
        self._channel.happens(Happening.END_STREAM, LocalProtocolError)
        self._channel.push(False, self._outbound.end(stream, end_samples, end_sequence, backfill))

    def stop_stream(self, stream: int, side: Side, reason: str = "") -> None:
        """Abandon a stream of this side (MINE) or refuse one of the peer's (YOURS).

        It is harmless if the stream is finished: the peer may have been first.

        Raises:
            LocalProtocolError: the link is not open, or there was no such stream.
            InvalidArgumentError: the reason is too long.
        """
        self._channel.happens(Happening.STOP_STREAM, LocalProtocolError)
        data = messages.encode_message(messages.Stop(stream, side, reason))
        streams = self._outbound if side is Side.MINE else self._inbound
        if streams.stop(stream):
            self._channel.push(True, data)

    def acknowledge_stored(
        self, stream: int, ranges: Iterable[tuple[int, int]], *, end: bool = False
    ) -> None:
        """Tell the peer what of its stream is durable here.

        Args:
            stream: the peer's number.
            ranges: half-open ranges of sequence numbers, rising and not overlapping; they add to
                earlier ones.
            end: whether the end marker and every packet that had come are stored and no more are
                waited for; finishes the stream.

        Raises:
            LocalProtocolError: the link is not open, there was no such stream, or it has not ended.
            InvalidArgumentError: a range is empty or begins before the end of the one before.
        """
        self._channel.happens(Happening.ACKNOWLEDGE_STORED, LocalProtocolError)
        self._channel.send(self._inbound.stored(stream, tuple(ranges), end))

    def warn(self, code: str, message: str) -> None:
        """Report an error to the peer that does not end the link.

        Raises:
            LocalProtocolError: the link is not open.
            InvalidArgumentError: code or message is too long.
        """
        self._channel.happens(Happening.WARN, LocalProtocolError)
        self._channel.send([ErrorMessage(code, message, fatal=False)])

    def fail(self, code: str, message: str) -> None:
        """Report an error to the peer and close the link.

        Raises:
            LocalProtocolError: the link is closed.
            InvalidArgumentError: code or message is too long.
        """
        self._channel.fail(Happening.FAIL, code, message)

    def close(self) -> None:
        """Close the link without an error; harmless if it is closed."""
        self._channel.happens(Happening.CLOSE, LocalProtocolError)
