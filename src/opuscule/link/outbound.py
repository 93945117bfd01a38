"""The streams that this side sends: the mirror of :mod:`opuscule.link.inbound`."""

from opuscule.errors import InvalidArgumentError, LocalProtocolError, RemoteProtocolError
from opuscule.link.events import ReceiptReceived, StoredReceived
from opuscule.link.inbound import MAX_OPEN_STREAMS
from opuscule.link.track import Track
from opuscule.packets import Packet
from opuscule.wire.frame import MAX_STREAM_NUMBER, Flag, pack
from opuscule.wire.messages import Receipt, Stored

__all__ = ["Outbound"]

_NUMBERS = MAX_STREAM_NUMBER + 1
_BACKFILL = Flag.BACKFILL.value
_DISCONTINUITY = Flag.DISCONTINUITY.value
_END = Flag.END.value


class Outbound:
    """Every stream that this side sends."""

    def __init__(self) -> None:
        self._streams: dict[int, Track] = {}
        self._finished: set[int] = set()
        self._next = 0
        self.peer_stores = False
        """Whether the peer will say ``stored``, so that an ended stream is not finished yet."""

    def knows(self, number: int) -> bool:
        """Whether this side ever opened ``number``."""
        return number in self._streams or number in self._finished

    def next_number(self) -> int:
        """Return the number for another stream: the one that was free for longest.

        Raises:
            LocalProtocolError: too many are open or wait to be stored.
        """
        if sum(not track.ended for track in self._streams.values()) >= MAX_OPEN_STREAMS:
            raise LocalProtocolError(
                f"open_stream while {MAX_OPEN_STREAMS}, the most, are open; end or stop one"
            )
        for step in range(_NUMBERS):
            number = (self._next + step) % _NUMBERS
            track = self._streams.get(number)
            if track is None or (track.ended and not self.peer_stores):
                return number
        raise LocalProtocolError(
            f"open_stream while all {_NUMBERS} numbers wait to be stored; stop one"
        )

    def open(self, number: int, first_sequence: int, first_samples: int) -> None:
        """Begin to keep the books of the stream that got :meth:`next_number`."""
        # Numbers go round, so that words about an old stream that are still under way find nobody.
        self._next = (number + 1) % _NUMBERS
        self._finished.discard(number)
        self._streams[number] = Track(first_sequence, first_samples)

    def packet(self, number: int, packet: Packet, backfill: bool, discontinuity: bool) -> bytes:
        """Return the binary message for ``packet``.

        Raises:
            LocalProtocolError: the stream is not open; for backfill: is finished.
            InvalidArgumentError: the packet is out of place in its stream, or no packet.
        """
        track = self._track(number, "send_packet")
        if not backfill:
            if track.ended:
                raise LocalProtocolError(
                    f"send_packet on stream {number}, which has ended; only backfill may follow"
                )
            if packet.sequence <= track.highest:
                raise InvalidArgumentError(
                    f"packet {packet.sequence} after packet {track.highest}; send it as backfill"
                )
        flags = (_BACKFILL if backfill else 0) | (_DISCONTINUITY if discontinuity else 0)
        data = pack(flags, number, packet.sequence, packet.time_samples, packet.data)
        problem = track.place(packet.sequence, packet.time_samples, packet.duration_samples)
        if problem:
            raise InvalidArgumentError(f"stream {number}: {problem}")
        return data

    def end(self, number: int, end_samples: int, end_sequence: int | None, backfill: bool) -> bytes:
        """Return the binary message that marks the end.

        Raises:
            LocalProtocolError: the stream is not open.
            InvalidArgumentError: the end is before what was sent, or too far from it.
        """
        track = self._track(number, "end_stream")
        if track.ended:
            raise LocalProtocolError(f"end_stream on stream {number}, which has ended")
        if end_sequence is None:
            end_sequence = track.highest + 1 if track.highest >= 0 else track.sequences.highest
        problem = track.place_end(end_sequence, end_samples)
        if problem:
            raise InvalidArgumentError(f"stream {number}: {problem}")
        return pack(_END | (_BACKFILL if backfill else 0), number, end_sequence, end_samples, b"")

    def stop(self, number: int) -> bool:
        """Finish a stream; False if it is finished already, because the peer was first.

        Raises:
            LocalProtocolError: there was no such stream.
        """
        if number in self._finished:
            return False
        self._track(number, "stop_stream")
        self._finish(number)
        return True

    def peer_stopped(self, number: int) -> bool:
        """Finish a stream that the peer does not want; False if it is finished already.

        Raises:
            RemoteProtocolError: there was no such stream.
        """
        if self._told_of(number, "stop") is None:
            return False
        self._finish(number)
        return True

    def receipt(self, message: Receipt) -> ReceiptReceived | None:
        """Take in a receipt; None if it is for a finished stream.

        Raises:
            RemoteProtocolError: there was no such stream, or it never came so far.
        """
        track = self._told_of(message.stream, "receipt")
        if track is None:
            return None
        sent = max(track.highest, track.end_sequence)
        if message.highest > sent:
            raise RemoteProtocolError(
                f"receipt for {message.highest} of stream {message.stream}, of which "
                + (f"{sent} was the highest sent" if sent >= 0 else "nothing was sent")
            )
        return ReceiptReceived(message.stream, message.highest, message.received, message.at_us)

    def stored(self, message: Stored) -> StoredReceived | None:
        """Take in what is stored; None if it is for a finished stream.

        Raises:
            RemoteProtocolError: there was no such stream, or all of one that has not ended.
        """
        track = self._told_of(message.stream, "stored")
        if track is None:
            return None
        if message.end:
            if not track.ended:
                raise RemoteProtocolError(
                    f"stored to the end of stream {message.stream}, which has not ended"
                )
            self._finish(message.stream)
        return StoredReceived(message.stream, message.ranges, message.end)

    def _track(self, number: int, what: str) -> Track:
        track = self._streams.get(number)
        if track is None:
            state = "is finished" if number in self._finished else "was never opened"
            raise LocalProtocolError(f"{what} on stream {number}, which {state}")
        return track

    def _told_of(self, number: int, what: str) -> Track | None:
        track = self._streams.get(number)
        if track is None and number not in self._finished:
            raise RemoteProtocolError(f"{what} for stream {number}, which was never opened")
        return track

    def _finish(self, number: int) -> None:
        del self._streams[number]
        self._finished.add(number)
