"""One device's connection: its streams to the keeper and the handler, the answers back.

An answer is sent at the pace at which it is heard, a little ahead, so that it can be stopped and
never piles up in a device. Every utterance gets exactly one answer stream, which may be empty: that
is how a device knows that nothing more comes.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass

from opuscule import __version__
from opuscule.codec import StreamEncoder, packet_duration
from opuscule.errors import (
    JournalError,
    LinkClosedError,
    LinkError,
    OpusculeError,
)
from opuscule.handlers import AnswerHandler, Utterance
from opuscule.journal import Durable
from opuscule.link import (
    ErrorReceived,
    Event,
    Link,
    Opened,
    PacketReceived,
    PeerSilent,
    Role,
    StreamEnded,
    StreamStarted,
    StreamStopped,
)
from opuscule.packets import Packet
from opuscule.server.given import closing, frames
from opuscule.server.keeper import Keeper, recording_name
from opuscule.transports.shell import WebSocketShell
from opuscule.wire.messages import Side

__all__ = ["Session"]

_LEAD_S = 0.4
"""How far ahead of its time a packet of an answer is sent."""

_FRAME_MS = 20

_MAX_ANSWERS = 64
"""Utterances of one device that handlers are at work on; a device that begins more floods."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Stream:
    """A stream that the device sends."""

    utterance: Utterance
    recording: str
    answer: int | None = None
    task: asyncio.Task[None] | None = None
    ended: bool = False
    stored: bool = False
    abandoned: bool = False


class Session:
    """One connected device.

    Args:
        name: the server's name for the connection.
        handler: the application.
        keeper: where streams are kept, or None.
        answer_rate: of the handler's samples, in Hz.
        sessions: where it stands while it is connected.
        answering: where its handlers' tasks are while they run, which may be longer.
    """

    def __init__(
        self,
        name: str,
        handler: AnswerHandler,
        keeper: Keeper | None,
        answer_rate: int,
        sessions: "set[Session]",
        answering: set[asyncio.Task[None]],
    ) -> None:
        self.name = name
        self.device = ""
        self._handler = handler
        self._keeper = keeper
        self._answer_rate = answer_rate
        self._sessions = sessions
        self._answering = answering
        self._streams: dict[int, _Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.link = Link(
            Role.SERVER,
            time.monotonic(),
            packet_duration=packet_duration,
            agent=f"opuscule/{__version__}",
            session=name,
            capabilities=["stored"] if keeper else [],
        )
        self.shell = WebSocketShell(
            self.link, lambda: sessions.add(self), self._on_events, self._on_closed
        )

    def on_stored(self, recording: str, durable: Durable) -> None:
        """Tell the device what has become durable of one of its recordings."""
        for number, stream in list(self._streams.items()):
            if stream.recording == recording and not self.link.closed:
                self.link.acknowledge_stored(number, _merged(durable.ranges), end=durable.ended)
                self.shell.flush()
                stream.stored = stream.stored or durable.ended
                self._forget(number, stream)

    async def close(self) -> None:
        """End the connection."""
        await self.shell.close()

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case PacketReceived():
                    self._on_packet(event)
                case Opened():
                    self.device = event.device
                    _log.info("%s: %s is here (%s)", self.name, event.device, event.agent)
                case StreamStarted():
                    self._on_started(event)
                case StreamEnded():
                    self._on_ended(event)
                case StreamStopped():
                    self._on_stopped(event)
                case ErrorReceived() | PeerSilent():
                    _log.warning("%s: %s", self.name, event)
                case _:
                    pass

    def _on_started(self, event: StreamStarted) -> None:
        if len(self._tasks) >= _MAX_ANSWERS:
            self.link.stop_stream(event.stream, Side.YOURS, "too much waits for an answer")
            return
        recording = ""
        if self._keeper:
            recording = recording_name(self.device, event.epoch_ms, self._keeper.is_taken)
            metadata: dict[str, object] = {
                "device": self.device,
                "session": self.name,
                "name": event.name,
                "start_epoch_ms": event.epoch_ms,
            }
            try:
                self._keeper.begin(recording, event.format, metadata)
            except JournalError as error:
                self._give_up(error)
                return
        utterance = Utterance(
            event.format,
            device=self.device,
            name=recording,
            first_samples=event.first_samples,
            first_sequence=event.first_sequence,
        )
        stream = _Stream(utterance, recording)
        self._streams[event.stream] = stream
        stream.task = asyncio.create_task(self._answer(event.stream, stream))
        self._tasks.add(stream.task)
        self._answering.add(stream.task)
        stream.task.add_done_callback(lambda _: self._on_answered(event.stream, stream))

    def _on_answered(self, number: int, stream: _Stream) -> None:
        if stream.task:
            self._tasks.discard(stream.task)
            self._answering.discard(stream.task)
        self._forget(number, stream)

    def _forget(self, number: int, stream: _Stream) -> None:
        """Let a stream go that is over in every respect; its decoder is large."""
        kept = stream.stored or self._keeper is None
        over = stream.ended and kept and stream.task not in self._tasks
        if over and self._streams.get(number) is stream:
            del self._streams[number]

    def _on_packet(self, event: PacketReceived) -> None:
        stream = self._streams.get(event.stream)
        if stream is None:  # backfill, of a stream that is over and not kept
            return
        if not event.backfill:
            stream.utterance.feed(event.packet, discontinuity=event.discontinuity)
        if self._keeper:
            try:
                self._keeper.append(
                    stream.recording,
                    event.packet,
                    event.arrived,
                    backfill=event.backfill,
                    discontinuity=event.discontinuity,
                )
            except JournalError as error:
                self._give_up(error)

    def _on_ended(self, event: StreamEnded) -> None:
        stream = self._streams[event.stream]
        stream.utterance.end(event.end_samples, event.end_sequence)
        if self._keeper:
            try:
                self._keeper.end(stream.recording, event.end_samples)
            except JournalError as error:
                self._give_up(error)
                return
        stream.ended = True
        self._forget(event.stream, stream)

    def _give_up(self, error: JournalError) -> None:
        # Nothing is acknowledged that is not kept: the device still has it.
        _log.error("%s: %s", self.name, error)
        self.link.fail("storage", "the server's disk does not keep up")

    def _on_stopped(self, event: StreamStopped) -> None:
        if event.side is Side.YOURS:
            if stream := self._streams.get(event.stream):
                self._abandon(stream, event.reason or "stopped by the device")
                self._forget(event.stream, stream)
            return
        for stream in self._streams.values():
            if stream.answer == event.stream and stream.task:
                stream.task.cancel()

    def _on_closed(self, fault: Exception | None) -> None:
        _log.info("%s: %s is gone%s", self.name, self.device, f": {fault}" if fault else "")
        for stream in self._streams.values():
            if not stream.ended:
                self._abandon(stream, "the connection ended")
        for task in self._tasks:
            task.cancel()
        self._sessions.discard(self)

    def _abandon(self, stream: _Stream, reason: str) -> None:
        stream.abandoned = True
        stream.ended = stream.stored = True  # as far as that goes: no word of it will come
        stream.utterance.abort(reason)
        if self._keeper:
            self._keeper.interrupt(stream.recording)

    async def _answer(self, number: int, stream: _Stream) -> None:
        encoder = StreamEncoder(self._answer_rate, 1, frame_ms=_FRAME_MS)
        begun = 0.0

        def begin() -> int:
            nonlocal begun
            if stream.answer is None:
                begun = time.monotonic()
                stream.answer = self._open_answer(number, encoder, begun)
            return stream.answer

        async def send(packets: list[Packet]) -> None:
            nonlocal begun
            for packet in packets:
                answer = begin()
                time_s = packet.time_samples / 48_000
                # What a handler that paused gives late is not made up for in a burst, which would
                # be more than a device holds.
                begun = max(begun, time.monotonic() - time_s)
                await asyncio.sleep(begun + time_s - _LEAD_S - time.monotonic())
                await self.shell.writable()
                self.link.send_packet(answer, packet)
                self.shell.flush()

        problem = ""
        try:
            try:
                async with closing(self._handler(stream.utterance)) as answer:
                    async for pcm in answer:
                        for piece in frames(pcm, self._answer_rate * _FRAME_MS // 1000):
                            await send(encoder.push(piece))
                await send(encoder.finish())
            except OpusculeError as error:
                # That a device went away or changed its mind is its own business, and it knows.
                known = stream.abandoned or isinstance(error, LinkClosedError)
                _log.log(
                    logging.INFO if known else logging.WARNING,
                    "%s: no answer: %s",
                    self.name,
                    error,
                )
                problem = f"no answer: {error}"
            except Exception:
                # The application's own fault; its other utterances go on.
                _log.exception("%s: the answer handler failed", self.name)
                problem = "the server's answer handler failed"
            if problem and not stream.abandoned:
                with contextlib.suppress(LinkError):
                    begin()  # first, so that the device knows which answer is meant
                self.link.warn("handler", problem[:200])
                self.shell.flush()
            self.link.end_stream(begin(), encoder.end_samples)
            self.shell.flush()
        except LinkError as error:
            _log.info("%s: the answer was cut off: %s", self.name, error)

    def _open_answer(self, number: int, encoder: StreamEncoder, now: float) -> int:
        return self.link.open_stream(
            encoder.format,
            frame_ms=_FRAME_MS,
            clock_us=round(now * 1e6),
            epoch_ms=round(time.time() * 1000),
            name="answer",
            reply_to=number,
        )


def _merged(ranges: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged
