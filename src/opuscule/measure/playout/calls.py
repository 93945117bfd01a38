"""Calls: packets with the times at which they were sent and came, out of files.

A trace gives the times to the packets of an audio file; a capture has packets and times of its own.
Media time is that of RTP (RFC 7587): there is no pre-skip, and the sample at media time t is sent
at t.
"""

import contextlib
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from opuscule.codec import EncoderSettings, StreamEncoder, packet_duration
from opuscule.containers.detect import detect_file
from opuscule.containers.opening import open_packets
from opuscule.containers.pcm import default_mix, mix, to_int16
from opuscule.errors import FormatError, InvalidPacketError, UnsupportedFormatError
from opuscule.files import check_input
from opuscule.measure.codec import sentence
from opuscule.measure.playout.capture import is_capture, read_capture
from opuscule.measure.playout.rtp import (
    MAX_CALL_S,
    MAX_PACKETS,
    Heard,
    Numbered,
    number,
    ordered,
    rtp_packet,
)
from opuscule.measure.playout.traces import Fate, Trace, chosen_stream
from opuscule.packets import Gap, GapKind, Packet, StreamFormat
from opuscule.playout import StreamDecoder
from opuscule.transcode import MAX_CHANNELS, open_audio

__all__ = [
    "Call",
    "Sent",
    "call_of_audio",
    "call_of_capture",
    "clean_decode",
    "has_capture",
    "read_reference",
]

_PAUSE_MS = 150
"""What was sent so long after a row of a trace is in a pause of its, and not of its fate."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet and what became of it."""

    packet: Packet
    """Without data where it was lost before it was captured."""
    sent_ms: float
    """From the beginning of the call."""
    arrival_ms: float | None
    """On the same clock; None when lost."""


@dataclass(frozen=True, slots=True)
class Call:
    """One direction of a call."""

    format: StreamFormat
    """What a receiver is told of the stream; without pre-skip, as in RTP."""
    sent: tuple[Sent, ...]
    """In the order of sending, each once."""
    arrivals: tuple[tuple[float, Packet], ...]
    """What came when (ms), in the order of arrival, copies too."""
    notes: tuple[str, ...]
    """What a reader of the results should know."""

    @property
    def packet_ms(self) -> float:
        """How long most packets are."""
        counts = Counter(s.packet.duration_samples for s in self.sent if s.packet.data)
        return counts.most_common(1)[0][0] / 48 if counts else 20.0

    @property
    def duration_ms(self) -> float:
        """From the first sample to the last."""
        return max(s.packet.end_samples for s in self.sent) / 48

    @property
    def bitrate(self) -> float:
        """Of the packets that are known, bits a second."""
        known = [s.packet for s in self.sent if s.packet.data]
        samples = sum(packet.duration_samples for packet in known)
        return sum(len(packet.data) for packet in known) * 8 * 48_000 / samples if samples else 0.0


# A trace and a file of audio


def call_of_audio(
    trace: Trace, path: str | os.PathLike[str] | None, settings: EncoderSettings
) -> Call:
    """Send an audio file over a network as it was.

    A file of Opus packets is sent as it is, everything else is encoded first. None stands for the
    sentence that comes with the package, over and over. A packet has the fate of the last row that
    was sent before the packet's end: one of 60 ms that of its third 20 ms.
    The call ends where the file or the trace does.

    Raises:
        FormatError: the file cannot be read, or has more than two channels.
        InvalidArgumentError: a setting is out of its range.
        MissingExtraError: reading this kind of file needs the extra ``media``.
        OSError: it cannot be read.
    """
    limit = round(trace.duration_ms * 48)
    stream, source, notes = _packets(path, settings)
    packets = list(_until(source, limit))
    if not packets:
        raise FormatError(
            f"{path or 'the sentence'} has no packet that ends within the {trace.duration_ms:g} ms"
            " of the trace"
        )
    fates = _fates(trace.fates, packets)
    sent = tuple(Sent(p, at, arrival) for p, (at, arrival) in zip(packets, fates, strict=True))
    lasts_ms = packets[-1].end_samples / 48
    if lasts_ms < trace.duration_ms - 500:
        notes = [*notes, f"the audio ends after {lasts_ms / 1000:.1f} s, before the trace"]
    arrivals = sorted(
        ((s.arrival_ms, s.packet) for s in sent if s.arrival_ms is not None),
        key=lambda arrival: arrival[0],
    )
    return Call(replace(stream, pre_skip_samples=0), sent, tuple(arrivals), (*trace.notes, *notes))


def _until(packets: Iterable[Packet], limit: int) -> Iterator[Packet]:
    for count, packet in enumerate(packets):
        if packet.end_samples > limit or count == MAX_PACKETS:
            return
        yield packet


def _packets(
    path: str | os.PathLike[str] | None, settings: EncoderSettings
) -> tuple[StreamFormat, Iterator[Packet], list[str]]:
    """The format, the packets as they are asked for, and what is to be said."""
    if path is None:
        spoken = sentence()
        encoder = StreamEncoder(spoken.rate, spoken.channels, preset=settings)
        return encoder.format, _repeated(spoken.pcm.tobytes(), encoder), []
    if detect_file(check_input(path)).may_hold_opus:
        with contextlib.suppress(UnsupportedFormatError), open_packets(path) as reader:
            if reader.format.is_single:
                notes = ["sent as they are in the file; the options of the encoder have no effect"]
                return reader.format, _from_file(path), notes
    with open_audio(path) as audio:
        if audio.channels > MAX_CHANNELS:
            raise UnsupportedFormatError(
                f"{path} has {audio.channels} channels; one Opus stream has 1 or 2: mix or pick"
                " them first"
            )
        encoder = StreamEncoder(
            audio.rate, audio.channels, sample_format=audio.sample_format, preset=settings
        )
    return encoder.format, _encoded(path, encoder), []


def _from_file(path: str | os.PathLike[str]) -> Iterator[Packet]:
    sequence = 0
    with open_packets(path) as reader:
        for item in reader:
            if isinstance(item, Gap):
                sequence += item.kind is GapKind.LOST
            else:
                yield Packet(sequence, item.time_samples, item.duration_samples, item.data)
                sequence += 1


def _repeated(pcm: bytes, encoder: StreamEncoder) -> Iterator[Packet]:
    while True:
        yield from encoder.push(pcm)


def _encoded(path: str | os.PathLike[str], encoder: StreamEncoder) -> Iterator[Packet]:
    with open_audio(path) as audio:
        for block in audio:
            yield from encoder.push(block)
    yield from encoder.finish()


def _fates(
    fates: Sequence[Fate], packets: Sequence[Packet]
) -> Iterator[tuple[float, float | None]]:
    """When each packet is sent, and when it comes."""
    times = [fate.sent_ms for fate in fates]
    transits = list[float]()  # of what came last, row by row
    for fate in fates:
        before = transits[-1] if transits else 0.0
        transits.append(before if fate.arrival_ms is None else fate.arrival_ms - fate.sent_ms)
    for packet in packets:
        begin_ms, end_ms = packet.time_samples / 48, packet.end_samples / 48
        row = max(0, bisect_left(times, end_ms) - 1)
        sent_ms = max(times[row], begin_ms)
        lost = fates[row].arrival_ms is None and begin_ms - times[row] < _PAUSE_MS
        yield sent_ms, None if lost else sent_ms + transits[row]


# A capture


def has_capture(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds captured packets.

    Raises:
        OSError: see :func:`opuscule.files.check_input`.
    """
    with check_input(path, expected="a trace or a capture").open("rb") as file:
        return is_capture(file.read(4))


def call_of_capture(
    path: str | os.PathLike[str], *, ssrc: int | None = None, payload_type: int | None = None
) -> Call:
    """Read one RTP stream of Opus out of a pcap or pcapng file.

    The times at which packets were sent are those of their RTP time stamps; the fastest packet
    counts as having taken no time.

    Raises:
        FormatError: it is no capture, or has no Opus in RTP that can be read.
        UnsupportedFormatError: it is too long, or of another kind of link.
        InvalidArgumentError: it has no such stream.
        OSError: it cannot be read.
    """
    found = check_input(path)
    streams: dict[tuple[int, int], list[Heard]] = {}
    cut: list[str] = []
    with found.open("rb") as file:
        try:
            for count, datagram in enumerate(read_capture(file, cut)):
                if count == MAX_PACKETS:
                    raise UnsupportedFormatError(f"it has more than {MAX_PACKETS} packets; cut it")
                if parts := rtp_packet(datagram.data):
                    heard = Heard(parts[2], parts[3], datagram.time_ms, parts[4])
                    streams.setdefault(parts[:2], []).append(heard)
        except FormatError as error:
            raise type(error)(f"{path}: {error}") from error
    if not streams:
        raise FormatError(
            f"{path}: there is no whole RTP packet in it, over UDP and IP; a capture of the first"
            " bytes of packets has to be made again with all of them (tcpdump -s 0)"
        )
    notes, chosen = chosen_stream(streams, ssrc, payload_type)
    numbered = number(chosen)
    rows, more = ordered(numbered)
    _check_opus(path, rows)
    first_ms = min((p.arrival_ms or 0.0) - p.time_samples / 48 for p in numbered)
    usual = Counter(_duration(p.payload) for p in numbered).most_common(1)[0][0]

    def placed(row: Numbered) -> Packet:
        duration = _duration(row.payload) if row.arrival_ms is not None else usual
        return Packet(row.sequence, row.time_samples, duration or usual, row.payload)

    sent = tuple(
        Sent(
            placed(row),
            row.time_samples / 48,
            None if row.arrival_ms is None else row.arrival_ms - first_ms,
        )
        for row in rows
    )
    arrivals = tuple(((row.arrival_ms or 0.0) - first_ms, placed(row)) for row in numbered)
    last_ms = max(arrivals[-1][0], sent[-1].sent_ms)
    if last_ms > MAX_CALL_S * 1000:
        raise UnsupportedFormatError(
            f"{path}: the stream goes on for {last_ms / 1000:.0f} s; at most {MAX_CALL_S} are"
            " played: cut it"
        )
    channels = 2 if any(row.payload and row.payload[0] & 4 for row in rows) else 1  # RFC 6716 §3.1
    return Call(StreamFormat(channels, 0, 48_000), sent, arrivals, (*cut, *notes, *more))


def _duration(payload: bytes) -> int:
    """In 48 kHz samples; 0 if it is no Opus packet."""
    try:
        return packet_duration(payload) if payload else 0
    except InvalidPacketError:
        return 0


def _check_opus(path: str | os.PathLike[str], rows: Sequence[Numbered]) -> None:
    """Opus packets last as long as their time stamps say, more in a pause; what is encrypted not.

    Raises:
        FormatError: they do not.
    """
    came = [row for row in rows if row.arrival_ms is not None]
    steps = [
        (_duration(a.payload), b.time_samples - a.time_samples)
        for a, b in pairwise(came)
        if b.sequence == a.sequence + 1
    ]
    fitting = sum(0 < duration <= step for duration, step in steps)
    equal = sum(0 < duration == step for duration, step in steps)
    alone = not steps and any(_duration(row.payload) for row in came)
    if not alone and (2 * fitting < len(steps) or 4 * equal < len(steps) or not steps):
        raise FormatError(
            f"{path}: the payloads are no Opus packets of the length that the time stamps say: they"
            " are encrypted (SRTP) or another codec; name another stream with --ssrc or"
            " --payload-type"
        )


def clean_decode(call: Call) -> bytes:
    """What all packets that are known give without the network: int16 at 48 kHz from time 0 on."""
    known = [s.packet for s in call.sent if s.packet.data]
    decoder = StreamDecoder(call.format, channels=call.format.channels)
    pcm = bytearray()
    for packet in known:
        with contextlib.suppress(InvalidPacketError):
            for piece in decoder.push(packet):
                pcm += piece
    for piece in decoder.finish(known[-1].end_samples, known[-1].sequence + 1):
        pcm += piece
    return bytes(pcm)


def read_reference(path: str | os.PathLike[str], channels: int) -> bytes:
    """What was said, as :func:`clean_decode` gives it, from an audio file.

    Raises:
        FormatError: it cannot be read; see :func:`opuscule.transcode.open_audio`.
    """
    pcm = bytearray()
    with open_audio(path, rate=48_000) as audio:
        outputs = default_mix(audio.channels, channels)
        for block in audio:
            samples = to_int16(block, audio.sample_format)
            pcm += mix(samples, audio.channels, outputs) if outputs else samples
            if len(pcm) > 2 * channels * 48_000 * MAX_CALL_S:
                raise UnsupportedFormatError(f"{path} is longer than {MAX_CALL_S} s; cut it")
    if not pcm:
        raise FormatError(f"{path} has no samples to compare with")
    return bytes(pcm)
