"""One turn of a conversation: speech out, answer in, every stage measured.

Sending and hearing overlap: an answer may begin before the speech is over. What is sent runs as one
task, what is played as another; the link's events arrive in between.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from opuscule.client.report import Latency, TalkReport
from opuscule.codec import EncoderSettings, StreamEncoder
from opuscule.devices.base import Sink, Source
from opuscule.errors import LinkClosedError, LinkError
from opuscule.link import (
    ErrorReceived,
    Event,
    Link,
    PacketReceived,
    ReceiptReceived,
    StoredReceived,
    StreamEnded,
    StreamStarted,
    StreamStopped,
)
from opuscule.packets import Packet
from opuscule.playout import Playout
from opuscule.transports.shell import WebSocketShell
from opuscule.wire.messages import Side

__all__ = ["Turn"]

_PULL_MS = 20
_MAX_AHEAD_S = 1.0
_MAX_SILENCE_AHEAD_S = 0.1
_MAX_SENT_TIMES = 1024
_MAX_MEASUREMENTS = 4096

_STAGES = (
    *("capture", "encode", "uplink", "thinking"),
    *("downlink", "playout", "playback", "response"),
)
"""What is measured, as :class:`TalkReport` calls it."""


class Turn:
    """What happens between the first word and the last of the answer.

    Args:
        link: the connection's link.
        shell: the connection's shell.
        sink: where the answer goes.
        target_delay_ms: how long it is held back.
        withhold: says of each packet whether to drop it.
        wants_stored: whether the turn is over only when the server has stored what was said.
    """

    def __init__(
        self,
        link: Link,
        shell: WebSocketShell,
        sink: Sink,
        *,
        target_delay_ms: int,
        withhold: Callable[[Packet], bool] | None,
        wants_stored: bool,
    ) -> None:
        self._link = link
        self._shell = shell
        self._sink = sink
        self._target_delay_ms = target_delay_ms
        self._withhold = withhold
        self._stored = asyncio.Event()
        if not wants_stored:
            self._stored.set()
        self._wants_stored = wants_stored
        self._stream = -1
        self._answer_stream: int | None = None
        self._playout: Playout | None = None
        self._heard = asyncio.Event()
        self._player: asyncio.Task[None] | None = None
        self._main: asyncio.Task[object] | None = None
        self._error: Exception | None = None
        self._stored_packets = 0
        self._encoded = self._sent = self._pcm_bytes = self._opus_bytes = self._sent_bytes = 0
        self._sent_at: dict[int, float] = {}
        self._measured: dict[str, deque[float]] = {
            stage: deque(maxlen=_MAX_MEASUREMENTS) for stage in _STAGES
        }
        self._ended_at = 0.0
        self._answer_began_us = 0
        self._first_packet_at = 0.0
        self._answer_at = 0.0
        self._answer_ended = False
        self._problem = ""
        self._speech_ended = False

    async def run(
        self,
        source: Source,
        *,
        name: str,
        preset: str | EncoderSettings,
        frame_ms: float,
        timeout_s: float,
    ) -> TalkReport:
        """Go through the turn.

        Raises:
            LinkClosedError: the connection ended, or nothing came back in time.
        """
        encoder = StreamEncoder(source.rate, source.channels, frame_ms=frame_ms, preset=preset)
        self._main = asyncio.current_task()
        try:
            await self._speak(source, encoder, name, frame_ms)
            await self._wait(self._heard, timeout_s, "answer")
            await self._hear(timeout_s)
            await self._wait(self._stored, timeout_s, "acknowledgement that it is stored")
        except (asyncio.CancelledError, LinkError):
            # Cancelled from outside as well, it stays cancelled.
            if self._error and self._main and not self._main.uncancel():
                raise self._error from None
            raise
        finally:
            self._main = None
            await self._clean_up()
        return self._report(encoder)

    def fail(self, error: Exception) -> None:
        """End the turn: without its connection, its sink or its stream it cannot go on."""
        if self._main and not self._error:
            self._error = error
            self._main.cancel()

    def expects(self, event: StreamStarted) -> bool:
        """Whether this is the turn's answer: the first stream that replies to what is said."""
        return event.reply_to == self._stream and self._answer_stream is None

    def on_event(self, event: Event) -> None:
        """Take what the link tells."""
        match event:
            case PacketReceived() if event.stream == self._answer_stream and self._playout:
                self._answer_at = event.arrived
                if not self._first_packet_at:
                    self._first_packet_at = event.arrived
                    began = self._link.clock.to_local_us(self._answer_began_us) / 1e6
                    self._measure("downlink", event.arrived - began)
                self._playout.push(event.packet, event.arrived, discontinuity=event.discontinuity)
            case StreamStarted() if self.expects(event):
                self._on_answer(event)
            case StreamEnded() if event.stream == self._answer_stream and self._playout:
                self._answer_ended = True
                self._playout.finish(event.end_samples, event.end_sequence)
            case StreamStopped(side=Side.YOURS) if event.stream == self._answer_stream:
                self._answer_ended = True
                if self._player:
                    self._player.cancel()
            case StreamStopped(side=Side.MINE) if event.stream == self._stream:
                why = event.reason or "it gives no reason"
                self.fail(LinkClosedError(f"the server does not want what is said: {why}"))
            case ErrorReceived(fatal=False) if self._answer_stream is not None:
                self._problem = self._problem or event.message
            case ReceiptReceived() if event.stream == self._stream:
                sent_at = self._sent_at.get(event.highest)
                if sent_at is not None and self._link.clock.known:
                    arrived = self._link.clock.to_local_us(event.at_us) / 1e6
                    self._measure("uplink", arrived - sent_at)
            case StoredReceived() if event.stream == self._stream:
                self._stored_packets += sum(end - first for first, end in event.ranges)
                if event.end:
                    self._stored.set()
            case _:
                pass

    async def _speak(
        self, source: Source, encoder: StreamEncoder, name: str, frame_ms: float
    ) -> None:
        async for block in source.blocks():
            now = time.monotonic()
            self._measure("capture", now - block.captured)
            if self._stream < 0:
                self._open(encoder, block.captured, now, name, frame_ms)
            self._pcm_bytes += len(block.pcm)
            packets = encoder.push(block.pcm)
            if packets:
                self._measure("encode", (time.monotonic() - now) / len(packets))
            await self._send(packets)
        if self._stream < 0:
            now = time.monotonic()
            self._open(encoder, now, now, name, frame_ms)
        await self._send(encoder.finish())
        self._ended_at = time.monotonic()
        self._link.end_stream(self._stream, encoder.end_samples, end_sequence=encoder.next_sequence)
        self._speech_ended = True
        self._shell.flush()

    def _open(
        self, encoder: StreamEncoder, captured: float, now: float, name: str, frame_ms: float
    ) -> None:
        self._stream = self._link.open_stream(
            encoder.format,
            frame_ms=frame_ms,
            clock_us=round(captured * 1e6),
            epoch_ms=round((time.time() - (now - captured)) * 1000),
            name=name,
        )

    async def _send(self, packets: list[Packet]) -> None:
        for packet in packets:
            self._encoded += 1
            self._opus_bytes += len(packet.data)
            if self._withhold and self._withhold(packet):
                continue
            await self._shell.writable()
            self._link.send_packet(self._stream, packet)
            self._shell.flush()
            self._sent += 1
            self._sent_bytes += len(packet.data)
            self._sent_at[packet.sequence] = time.monotonic()
            if len(self._sent_at) > _MAX_SENT_TIMES:
                del self._sent_at[next(iter(self._sent_at))]

    def _on_answer(self, event: StreamStarted) -> None:
        self._answer_stream = event.stream
        self._answer_began_us = event.clock_us
        self._answer_at = time.monotonic()
        if self._ended_at:
            began = self._link.clock.to_local_us(event.clock_us) / 1e6
            self._measure("thinking", began - self._ended_at)
        self._playout = Playout(
            event.format,
            rate=self._sink.rate,
            channels=self._sink.channels,
            target_delay_ms=self._target_delay_ms,
        )
        self._player = asyncio.create_task(self._play(self._playout))
        self._player.add_done_callback(self._on_played)
        self._heard.set()

    def _on_played(self, player: asyncio.Task[None]) -> None:
        if not player.cancelled() and isinstance(error := player.exception(), Exception):
            self.fail(error)

    async def _play(self, playout: Playout) -> None:
        samples = self._sink.rate * _PULL_MS // 1000
        heard_at = 0.0
        while not playout.finished:
            now = time.monotonic()
            pcm = playout.pull(samples, now)
            if self._first_packet_at and not self._measured["playout"]:
                stats = playout.stats
                if stats.played_samples > stats.silence_samples:
                    self._on_first_sample(time.monotonic())
            await self._sink.write(pcm)
            heard_at = max(heard_at, now) + _PULL_MS / 1000
            # A sink that never waits, or has a large buffer, would be given silence until the next
            # packet, and what that brings would be heard after a hole.
            there = self._answer_ended or playout.buffered_ms > self._target_delay_ms
            ahead_s = _MAX_AHEAD_S if there else _MAX_SILENCE_AHEAD_S
            await asyncio.sleep(heard_at - ahead_s - time.monotonic())
        await self._sink.drain()

    def _on_first_sample(self, now: float) -> None:
        self._measure("playout", now - self._first_packet_at)
        self._measure("playback", self._sink.latency_ms / 1000)
        if self._ended_at:
            self._measure("response", now - self._ended_at + self._sink.latency_ms / 1000)

    async def _hear(self, timeout_s: float) -> None:
        while self._player and not self._player.done():
            left_s = self._answer_at + timeout_s - time.monotonic()
            if left_s <= 0 and not self._answer_ended:
                raise LinkClosedError(f"the answer stopped: nothing more within {timeout_s:.0f} s")
            await asyncio.wait([self._player], timeout=None if self._answer_ended else left_s)
        if self._player and not self._player.cancelled():
            self._player.result()  # raises what the sink raised

    async def _clean_up(self) -> None:
        """Leave neither a task behind nor a stream that the server waits for or sends in vain."""
        if not self._link.closed:
            if self._stream >= 0 and not self._speech_ended:
                self._link.stop_stream(self._stream, Side.MINE, "abandoned")
            if self._answer_stream is not None and not self._answer_ended:
                self._link.stop_stream(self._answer_stream, Side.YOURS, "abandoned")
            self._shell.flush()
        if self._player:
            self._player.cancel()
            await asyncio.wait([self._player])

    async def _wait(self, event: asyncio.Event, timeout_s: float, what: str) -> None:
        try:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            raise LinkClosedError(f"no {what} came within {timeout_s:.0f} s") from None

    def _measure(self, stage: str, seconds: float) -> None:
        self._measured[stage].append(max(0.0, seconds))

    def _report(self, encoder: StreamEncoder) -> TalkReport:
        pre_skip = encoder.format.pre_skip_samples
        return TalkReport(
            spoken_ms=max(0, encoder.end_samples - pre_skip) / 48,
            packets_encoded=self._encoded,
            packets_sent=self._sent,
            packets_withheld=self._encoded - self._sent,
            bytes_sent=self._sent_bytes,
            compression_ratio=self._pcm_bytes / max(1, self._opus_bytes),
            packets_stored=self._stored_packets,
            stored=self._wants_stored and self._stored.is_set(),
            answer=self._playout.stats if self._playout else None,
            answer_rate=self._sink.rate,
            round_trip_ms=self._link.clock.min_rtt_us / 1000,
            problem=self._problem,
            **{stage: Latency.of(seconds) for stage, seconds in self._measured.items()},
        )
