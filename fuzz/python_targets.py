"""Fuzz targets of the parsers that are written in Python: the frame header and stamped frames.

Both look at a few bytes and a length, so bytes need no guidance to reach every line: a header is
drawn at random, with odds that make each of its fields right and wrong often, and so is the length.

Invariant of ``frame``: bytes are either refused with ``RemoteProtocolError``, or they are 8 bytes
of kind 0 without the reserved flag and then END without a packet or a packet of 1 to 61298 bytes,
and packing what was unpacked gives the same bytes.

Invariant of ``stamped``: bytes are either refused with ``RemoteProtocolError``, or they are a 1,
seven bytes of time and a packet of 1 to 61298 bytes, and encoding what was decoded gives the same
bytes.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable

from opuscule.errors import RemoteProtocolError
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


def run(check: Callable[[bytes], bool], runs: int, seconds: float, seed: int) -> tuple[int, int]:
    """Check so many inputs, or for so long; how many there were, and how many were accepted."""
    draw, done, accepted = random.Random(seed), 0, 0
    end = time.monotonic() + seconds
    while done < runs if runs else time.monotonic() < end:
        inputs = block(draw)
        accepted += sum(map(check, inputs))
        done += len(inputs)
    return done, accepted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=("frame", "stamped"))
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    check = check_frame if arguments.target == "frame" else check_stamped
    began = time.monotonic()
    done, accepted = run(check, arguments.runs, arguments.seconds, arguments.seed)
    rate = done / (time.monotonic() - began)
    print(
        f"fuzz: {arguments.target}: {done:,} executions, {rate:,.0f} a second,"
        f" {accepted:,} accepted: the invariant holds",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
