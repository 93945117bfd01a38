"""A capture as a call: packets and times of its own."""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from opuscule.codec import packet_duration
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    InvalidPacketError,
    UnsupportedFormatError,
)
from opuscule.files import check_input
from opuscule.measure.playout.calls import LEAST_PACKETS, Call, Sent
from opuscule.measure.playout.capture import is_capture, read_capture
from opuscule.measure.playout.rtp import (
    MAX_CALL_S,
    MAX_PACKETS,
    Heard,
    Numbered,
    chosen_stream,
    number,
    ordered,
    rtp_packet,
)
from opuscule.packets import Packet, StreamFormat

__all__ = ["call_of_capture", "has_capture"]


def has_capture(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds captured packets.

    Raises:
        InvalidArgumentError: it is no regular file.
        OSError: see :func:`opuscule.files.check_input`.
    """
    found = check_input(path, expected="a trace or a capture")
    if not found.is_file():
        raise InvalidArgumentError(
            f"{path} is a pipe or a device, and is read twice; write it to a file first"
        )
    with found.open("rb") as file:
        return is_capture(file.read(4))


def call_of_capture(
    path: str | os.PathLike[str], *, ssrc: int | None = None, payload_type: int | None = None
) -> Call:
    """Read one RTP stream of Opus out of a pcap or pcapng file.

    The times at which packets were sent are those of their RTP time stamps; the fastest packet
    counts as having taken no time.

    Raises:
        FormatError: it is no capture, or has no Opus in RTP that can be read, or not two packets.
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
    if len(rows) < LEAST_PACKETS:
        raise FormatError(
            f"{path}: the stream has 1 packet; a call has at least {LEAST_PACKETS}: capture more of"
            " it, or name another stream with --ssrc"
        )
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
