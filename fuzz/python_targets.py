"""Fuzz targets of the parsers that are written in Python: frames, captures, RTP, traces.

The frame header and stamped frames look at a few bytes and a length, so bytes need no guidance to
reach every line: a header is drawn at random, with odds that make each of its fields right and
wrong often, and so is the length. Captures and traces are sound ones that are damaged at random.

Invariant of ``frame``: bytes are either refused with ``RemoteProtocolError``, or they are 8 bytes
of kind 0 without the reserved flag and then END without a packet or a packet of 1 to 61298 bytes,
and packing what was unpacked gives the same bytes.

Invariant of ``stamped``: bytes are either refused with ``RemoteProtocolError``, or they are a 1,
seven bytes of time and a packet of 1 to 61298 bytes, and encoding what was decoded gives the same
bytes.

Invariant of ``capture``: bytes are refused with ``FormatError``, or they give datagrams of which
none is longer than all; what RTP makes of a datagram is a part of it, and however the numbers of
several jump, they are put in order, with none missing between them.

Invariant of ``trace``: text is refused with ``FormatError`` or ``InvalidArgumentError``, or it is a
trace that begins at 0, is in the order of sending, and in which nothing comes before it was sent.
"""

import argparse
import io
import random
import struct
import sys
import time

from opuscule.errors import FormatError, InvalidArgumentError, RemoteProtocolError
from opuscule.measure.playout.capture import read_capture
from opuscule.measure.playout.rtp import Heard, number, ordered, rtp_packet
from opuscule.measure.playout.traces import trace_of_text
from opuscule.packets import MAX_PACKET_BYTES
from opuscule.wire.frame import pack, unpack
from opuscule.wire.stamped import decode_stamped, encode_stamped

BLOCK = 100_000
LONGEST = bytes(8 + MAX_PACKET_BYTES + 2)


def check_frame(data: bytes) -> bool:
    """Whether it was accepted; raises where the invariant does not hold."""
    first = data[0] if data else 0xFF
    ended = bool(first & 4)
    sound = len(data) >= 8 and first < 8 and (len(data) == 8) == ended
    sound = sound and len(data) <= 8 + MAX_PACKET_BYTES
    try:
        parts = unpack(data)
    except RemoteProtocolError as error:
        if sound:
            raise AssertionError(f"refused: {data[:20]!r}") from error
        return False
    if not sound or pack(*parts) != data:
        raise AssertionError(f"accepted, or not packed again: {data[:20]!r}")
    return True


def check_stamped(data: bytes) -> bool:
    """As :func:`check_frame`."""
    sound = 9 <= len(data) <= 8 + MAX_PACKET_BYTES and data[0] == 1
    try:
        frame = decode_stamped(data)
    except RemoteProtocolError as error:
        if sound:
            raise AssertionError(f"refused: {data[:20]!r}") from error
        return False
    if not sound or encode_stamped(frame) != data:
        raise AssertionError(f"accepted, or not encoded again: {data[:20]!r}")
    return True


def check_capture(data: bytes) -> bool:
    """As :func:`check_frame`."""
    heard: list[Heard] = []
    try:
        for datagram in read_capture(io.BytesIO(data), []):
            parts = rtp_packet(datagram.data)
            if len(datagram.data) > len(data) or (parts and parts[4] not in datagram.data):
                raise AssertionError(f"more than there is: {data!r}")
            if parts:
                heard.append(Heard(parts[2], parts[3], datagram.time_ms, parts[4]))
    except FormatError:
        return False
    rows, _ = ordered(number(heard))
    if [row.sequence for row in rows] != list(range(len(rows))):
        raise AssertionError(f"not in order: {data!r}")
    return True


def check_trace(data: bytes) -> bool:
    """As :func:`check_frame`."""
    try:
        trace = trace_of_text(io.StringIO(data.decode("latin-1")))
    except (FormatError, InvalidArgumentError):
        return False
    sent = [fate.sent_ms for fate in trace.fates]
    early = [f for f in trace.fates if f.arrival_ms is not None and f.arrival_ms < f.sent_ms - 0.5]
    if sent[0] != 0 or sent != sorted(sent) or early:
        raise AssertionError(f"no trace: {data!r}")
    return True


def block(draw: random.Random) -> list[bytes]:
    """Inputs: three in four with a likely first byte, one in 5000 of the longest lengths."""
    pool = draw.randbytes(BLOCK + 64)
    lengths = draw.choices((0, 1, 7, 8, 9, 10, 20, 60), (1, 1, 2, 8, 4, 4, 4, 1), k=BLOCK)
    firsts = draw.choices(
        [bytes([n]) for n in (*range(9), *range(256))], [97] * 9 + [1] * 256, k=BLOCK
    )
    made = [
        first + pool[i : i + length - 1] if length else b""
        for i, (first, length) in enumerate(zip(firsts, lengths, strict=True))
    ]
    for i in range(0, BLOCK, 5000):
        made[i] = firsts[i] + LONGEST[: 7 + MAX_PACKET_BYTES + draw.randrange(-1, 3)]
    return made


def captures(draw: random.Random) -> list[bytes]:
    """A capture of a few packets, of either format, damaged in none to six places, and cut."""
    made = []
    for _ in range(1000):
        order = draw.choice("<>")
        datagrams = []
        for n in range(draw.randrange(6)):
            first = draw.choice((0x80, 0x80, 0xB2, draw.randrange(256)))
            sequence = draw.choice((n, 65530 + n, draw.randrange(65536))) & 0xFFFF
            stamp = draw.choice((n * 960, draw.randrange(1 << 32)))
            rtp = struct.pack(">BBHII", first, 111, sequence, stamp, 5) + draw.randbytes(8)
            udp = struct.pack(">4H", 1, 2, 8 + len(rtp), 0) + rtp
            ip = struct.pack(">BBHIBBH8x", 0x45, 0, 20 + len(udp), 0, 64, 17, 0) + udp
            datagrams.append(bytes(12) + b"\x08\0" + ip)
        data = bytearray(_pcap(order, datagrams) if draw.random() < 0.5 else _ng(order, datagrams))
        for _ in range(draw.choice((0, 1, 2, 6))):
            data[draw.randrange(len(data))] = draw.choice((0, 1, 255, draw.randrange(256)))
        made.append(bytes(data[: draw.choice((len(data), draw.randrange(len(data) + 1)))]))
    return made


def _pcap(order: str, frames: list[bytes]) -> bytes:
    head = struct.pack(f"{order}IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    sizes = [struct.pack(f"{order}4I", n, 0, len(f), len(f)) for n, f in enumerate(frames)]
    return head + b"".join(a + b for a, b in zip(sizes, frames, strict=True))


def _ng(order: str, frames: list[bytes]) -> bytes:
    bodies = [(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))]
    option = struct.pack(f"{order}HHB3x", 9, 1, 9)
    bodies.append((1, struct.pack(f"{order}HHI", 1, 0, 0) + option))
    bodies += [
        (6, struct.pack(f"{order}5I", 0, 0, n, len(f), len(f)) + f) for n, f in enumerate(frames)
    ]
    found = b""
    for kind, body in bodies:
        whole = body + bytes(-len(body) % 4)
        length = struct.pack(f"{order}I", 12 + len(whole))
        found += struct.pack(f"{order}I", kind) + length + whole + length
    return found


COLUMNS = [
    "send_ms",
    "arrival_ms",
    "seq",
    "timestamp",
    "ssrc",
    "pt",
    "size",
    "SendTime",
    "SeqNo",
    "rtp.seq",
    "who",
]
CELLS = ("", "0", "1", "20", "65535", "0x7", "-3.5", "1e9", "nan", "1e999", "x", '"', "*", "9" * 40)


def tables(draw: random.Random) -> list[bytes]:
    """A heading and a few rows, numbers likely, letters sometimes changed."""
    made = []
    for _ in range(1000):
        mark = draw.choice((",", ";", "\t", " "))
        names = draw.sample(COLUMNS, draw.randrange(2, 7))
        if draw.random() < 0.5:
            names = ["seq", "send_ms", "arrival_ms"]
        rows = [names]
        for n in range(draw.randrange(8)):
            usual = (str(n), str(20 * n), str(20 * n + draw.randrange(90)))
            rows.append([draw.choice((*usual, draw.choice(CELLS))) for _ in names])
            if draw.random() < 0.6:
                rows[-1] = list(usual)[: len(names)]
        text = bytearray("\n".join(map(mark.join, rows)).encode())
        for _ in range(draw.choice((0, 0, 0, 1, 3))):
            text[draw.randrange(len(text))] = draw.randrange(256)
        made.append(bytes(text))
    return made


TARGETS = {
    "frame": (check_frame, block),
    "stamped": (check_stamped, block),
    "capture": (check_capture, captures),
    "trace": (check_trace, tables),
}
"""How each is checked, and with what."""


def run(name: str, runs: int, seconds: float, seed: int) -> tuple[int, int]:
    """Check so many inputs, or for so long; how many there were, and how many were accepted."""
    check, make = TARGETS[name]
    draw, done, accepted = random.Random(seed), 0, 0
    end = time.monotonic() + seconds
    while done < runs if runs else time.monotonic() < end:
        inputs = make(draw)
        accepted += sum(map(check, inputs))
        done += len(inputs)
    return done, accepted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=tuple(TARGETS))
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    done, accepted = run(arguments.target, arguments.runs, arguments.seconds, arguments.seed)
    rate = done / (time.monotonic() - began)
    print(
        f"fuzz: {arguments.target}: {done:,} executions, {rate:,.0f} a second,"
        f" {accepted:,} accepted: the invariant holds",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
