"""A trace and a file of audio as a call: the trace gives the times to the packets of the file."""

import contextlib
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from opuscule.codec import EncoderSettings, StreamEncoder
from opuscule.containers.detect import detect_file
from opuscule.containers.opening import open_packets
from opuscule.errors import FormatError, UnsupportedFormatError
from opuscule.files import check_input
from opuscule.measure.codec import sentence
from opuscule.measure.playout.calls import LEAST_PACKETS, Call, Sent
from opuscule.measure.playout.rtp import MAX_PACKETS
from opuscule.measure.playout.traces import Fate, Trace
from opuscule.packets import Gap, GapKind, Packet, StreamFormat
from opuscule.transcode import MAX_CHANNELS, open_audio

__all__ = ["call_of_audio"]

_PAUSE_MS = 150
"""What was sent so long after a row of a trace is in a pause of its, and not of its fate."""


def call_of_audio(
    trace: Trace, path: str | os.PathLike[str] | None, settings: EncoderSettings
) -> Call:
    """Send an audio file over a network as it was.

    A file of Opus packets is sent as it is, everything else is encoded first. None stands for the
    sentence that comes with the package, over and over. A packet has the fate of the last row that
    was sent before the packet's end: one of 60 ms that of its third 20 ms.
    The call ends where the file or the trace does.

    Raises:
        FormatError: the file cannot be read, has more than two channels, or not two packets.
        InvalidArgumentError: a setting is out of its range.
        MissingExtraError: reading this kind of file needs the extra ``media``.
        OSError: it cannot be read.
    """
    limit = round(trace.duration_ms * 48)
    stream, source, notes = _packets(path, settings)
    packets = list(_until(source, limit))
    if len(packets) < LEAST_PACKETS:
        count = "1 packet" if packets else "no packet"
        raise FormatError(
            f"{path or 'the sentence'} has {count} that ends within the {trace.duration_ms:g} ms"
            f" of the trace; a call has at least {LEAST_PACKETS}: give longer audio, or a longer"
            " trace" + "".join(f" ({note})" for note in trace.notes)
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
