"""The streams that the peer sends.

A number goes through three states: open from START, ended from its END frame (backfill may still
come), finished from a stop by either side or from ``stored`` with ``end``. What arrives for a
finished number may have been under way when it finished, and is ignored; what arrives for a number
that was never started is a fault. At most 256 numbers exist, so nothing here grows.
"""

import math
from collections.abc import Callable

from opuscule.errors import InvalidPacketError, LocalProtocolError, RemoteProtocolError
from opuscule.link.events import PacketReceived, StreamEnded, StreamStarted
from opuscule.link.track import Track
from opuscule.packets import Packet, StreamFormat
from opuscule.wire.frame import Flag, unpack
from opuscule.wire.messages import MAX_RANGES, Receipt, Start, Stored, check_ranges

__all__ = ["MAX_OPEN_STREAMS", "RECEIPT_INTERVAL_S", "Inbound"]

MAX_OPEN_STREAMS = 8
"""Most streams that one side may have open at a time, ended ones not counted."""

RECEIPT_INTERVAL_S = 0.1
"""Least time between two receipts for one stream, in seconds, but for the one for its end."""

# Plain numbers: see opuscule.wire.frame.
_BACKFILL = Flag.BACKFILL.value
_DISCONTINUITY = Flag.DISCONTINUITY.value
_END = Flag.END.value


class _Stream:
    __slots__ = ("arrived_us", "receipt_due", "receipt_sent", "received", "track")

    def __init__(self, first_sequence: int, first_samples: int) -> None:
        self.track = Track(first_sequence, first_samples)
        self.received = 0
        self.arrived_us = 0
        self.receipt_due = math.inf
        self.receipt_sent = -math.inf


class Inbound:
    """Every stream that the peer sends, and the receipts for them."""

    def __init__(self, packet_duration: Callable[[bytes], int], stores: bool) -> None:
        self._packet_duration = packet_duration
        self._stores = stores
        self._streams: dict[int, _Stream] = {}
        self._finished: set[int] = set()
        self.next_receipt = math.inf
        """When :meth:`receipts` has something to say next, in seconds; never: infinity."""

    def knows(self, number: int) -> bool:
        """Whether the peer ever started ``number``."""
        return number in self._streams or number in self._finished

    def start(self, message: Start) -> StreamStarted:
        """Open a stream.

        Raises:
            RemoteProtocolError: its number is in use, or too many are open.
        """
        number = message.stream
        old = self._streams.get(number)
        if old is not None and (self._stores or not old.track.ended):
            raise RemoteProtocolError(f"start of stream {number}, which is not finished")
        if sum(not s.track.ended for s in self._streams.values()) >= MAX_OPEN_STREAMS:
            raise RemoteProtocolError(
                f"start of stream {number} while {MAX_OPEN_STREAMS}, the most, are open"
            )
        self._finished.discard(number)
        self._streams[number] = _Stream(message.first_sequence, message.first_samples)
        return StreamStarted(
            stream=number,
            format=StreamFormat(
                message.channels, message.pre_skip_samples, message.input_rate, message.gain_q8
            ),
            frame_ms=message.frame_ms,
            name=message.name,
            reply_to=message.reply_to,
            clock_us=message.clock_us,
            epoch_ms=message.epoch_ms,
            first_sequence=message.first_sequence,
            first_samples=message.first_samples,
        )

    def frame(self, data: bytes, now: float) -> PacketReceived | StreamEnded | None:
        """Take in a binary message; None if it is of a finished stream or says nothing new.

        Raises:
            RemoteProtocolError: no frame, no Opus packet, no such stream, or out of place in it.
        """
        flags, number, wrapped_sequence, wrapped_time, payload = unpack(data)
        stream = self._streams.get(number)
        if stream is None:
            if number in self._finished:
                return None
            raise RemoteProtocolError(f"frame of stream {number}, which was never started")
        track = stream.track
        sequence = track.sequences.resolve(wrapped_sequence)
        time_samples = track.times.resolve(wrapped_time)
        if flags & _END:
            return self._end(number, stream, sequence, time_samples, now)
        try:
            duration_samples = self._packet_duration(payload)
        except InvalidPacketError as error:
            raise RemoteProtocolError(f"stream {number}, packet {sequence}: {error}") from error
        problem = track.place(sequence, time_samples, duration_samples)
        if problem:
            raise RemoteProtocolError(f"stream {number}: {problem}")
        stream.received += 1
        if sequence == track.highest:
            stream.arrived_us = round(now * 1e6)
        if stream.receipt_due == math.inf:
            self._owe_receipt(stream, max(now, stream.receipt_sent + RECEIPT_INTERVAL_S))
        return PacketReceived(
            number,
            Packet(sequence, time_samples, duration_samples, payload),
            bool(flags & _BACKFILL),
            bool(flags & _DISCONTINUITY),
            now,
        )

    def _end(
        self, number: int, stream: _Stream, sequence: int, time_samples: int, now: float
    ) -> StreamEnded | None:
        repeated = stream.track.ended
        problem = stream.track.place_end(sequence, time_samples)
        if problem:
            raise RemoteProtocolError(f"stream {number}: {problem}")
        if repeated:
            return None
        stream.arrived_us = round(now * 1e6)
        self._owe_receipt(stream, now)
        return StreamEnded(number, time_samples, sequence)

    def _owe_receipt(self, stream: _Stream, due: float) -> None:
        stream.receipt_due = due
        self.next_receipt = min(self.next_receipt, due)

    def receipts(self, now: float) -> list[Receipt]:
        """Return the receipts that are due."""
        due: list[Receipt] = []
        for number, stream in self._streams.items():
            if stream.receipt_due <= now:
                stream.receipt_due = math.inf
                stream.receipt_sent = now
                highest = max(stream.track.highest, stream.track.end_sequence)
                due.append(Receipt(number, highest, stream.received, stream.arrived_us))
        self.next_receipt = min((s.receipt_due for s in self._streams.values()), default=math.inf)
        return due

    def stored(self, number: int, ranges: tuple[tuple[int, int], ...], end: bool) -> list[Stored]:
        """Return what tells the peer that ``ranges`` are stored; with ``end`` the stream finishes.

        Nothing is told of a stream that is finished already: the peer has forgotten it.

        Raises:
            LocalProtocolError: there was no such stream, or its end has not arrived.
            InvalidArgumentError: a range is empty or begins before the end of the one before.
        """
        check_ranges(ranges)
        stream = self._streams.get(number)
        if stream is None:
            self._check_finished(number, "acknowledge_stored")
            return []
        if end and not stream.track.ended:
            raise LocalProtocolError(
                f"acknowledge_stored with end=True on inbound stream {number}, which has not ended"
            )
        parts = [ranges[i : i + MAX_RANGES] for i in range(0, len(ranges), MAX_RANGES)]
        told = [Stored(number, part) for part in parts]
        if end:
            last = parts[-1] if parts else ()
            told[-1:] = [Stored(number, last, True)]
            self._finish(number)
        return told

    def stop(self, number: int) -> bool:
        """Finish a stream that this side does not want; False if it is finished already.

        Raises:
            LocalProtocolError: there was no such stream.
        """
        if number not in self._streams:
            self._check_finished(number, "stop_stream")
            return False
        self._finish(number)
        return True

    def peer_stopped(self, number: int) -> bool:
        """Finish a stream because the peer says so; False if it was finished already.

        Raises:
            RemoteProtocolError: there was no such stream.
        """
        if number in self._streams:
            self._finish(number)
            return True
        if number not in self._finished:
            raise RemoteProtocolError(f"stop of stream {number}, which was never started")
        return False

    def _finish(self, number: int) -> None:
        del self._streams[number]
        self._finished.add(number)
        self.next_receipt = min((s.receipt_due for s in self._streams.values()), default=math.inf)

    def _check_finished(self, number: int, what: str) -> None:
        if number not in self._finished:
            raise LocalProtocolError(
                f"{what} on inbound stream {number}, which the peer never started"
            )
