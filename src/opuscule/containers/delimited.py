"""Self-delimiting framing: a packet that says how long it is (RFC 6716 appendix B).

It is an ordinary packet with one more length, that of the last frame, which ordinarily is whatever
is left. In code 1 and in code 3 with equal frames it is the length of them all.
"""

from opuscule.errors import InvalidPacketError, TruncatedError

__all__ = ["delimit", "undelimit"]

_MAX_FRAME_BYTES = 1275


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Read a frame's length (RFC 6716 §3.2.1); return it and what comes after it."""
    if at >= len(data):
        raise TruncatedError(f"ends at byte {at}, in the length of a frame")
    first = data[at]
    if first < 252:
        return first, at + 1
    if at + 1 >= len(data):
        raise TruncatedError(f"ends at byte {at + 1}, in the length of a frame")
    return first + 4 * data[at + 1], at + 2


def _coded(length: int) -> bytes:
    if length < 252:
        return bytes((length,))
    first = 252 + (length & 3)
    return bytes((first, (length - first) >> 2))


def _padding(data: bytes, at: int) -> tuple[int, int]:
    """Read how much padding there is (RFC 6716 §3.2.5); return it and what comes after."""
    padding = 0
    while True:
        if at >= len(data):
            raise TruncatedError(f"ends at byte {at}, in the length of the padding")
        at += 1
        if data[at - 1] < 255:
            return padding + data[at - 1], at
        padding += 254


def _head(data: bytes, start: int) -> tuple[int, int, bool, int]:
    """Read what comes before the frames' lengths: frames, padding, own lengths, and its end."""
    if start >= len(data):
        raise TruncatedError(f"ends at byte {start}, where a packet was to begin")
    code = data[start] & 3
    if code < 3:
        return (1, 0, False, start + 1) if code == 0 else (2, 0, code == 2, start + 1)
    if start + 1 >= len(data):
        raise TruncatedError(f"ends at byte {start + 1}, in the number of frames")
    count = data[start + 1]
    frames = count & 0x3F
    if not frames:
        raise InvalidPacketError(f"no frames at byte {start + 1}; expected 1 to 48 (RFC 6716 R5)")
    padding, at = _padding(data, start + 2) if count & 0x40 else (0, start + 2)
    return frames, padding, bool(count & 0x80), at


def undelimit(data: bytes, start: int = 0) -> tuple[bytes, int]:
    """Return the self-delimited packet at ``start``, as an ordinary one, and where the next begins.

    Raises:
        InvalidPacketError: there is none; the message has the rule and the offset in ``data``.
        TruncatedError: ``data`` ends within it.
    """
    frames, padding, own_lengths, at = _head(data, start)
    sizes = []
    if own_lengths:
        for _ in range(frames - 1):
            size, at = _length(data, at)
            sizes.append(size)
    before = at
    last, at = _length(data, at)
    body = sum(sizes) + last + padding if own_lengths else frames * last + padding
    end = at + body
    if end > len(data):
        raise TruncatedError(
            f"ends at byte {len(data)}, in a packet that begins at {start} and needs {end - start}"
        )
    return bytes(data[start:before] + data[at:end]), end


def delimit(packet: bytes) -> bytes:
    """Return an ordinary packet in self-delimiting framing: one or two bytes longer.

    Raises:
        InvalidPacketError: it is no Opus packet.
    """
    try:
        frames, padding, own_lengths, at = _head(packet, 0)
        used = 0
        if own_lengths:
            for _ in range(frames - 1):
                size, at = _length(packet, at)
                used += size
    except TruncatedError as error:
        raise InvalidPacketError(f"packet of {len(packet)} bytes {error}") from None
    rest = len(packet) - at - padding - used
    last = rest if own_lengths else rest // frames
    if rest < 0 or last > _MAX_FRAME_BYTES or (not own_lengths and rest % frames):
        raise InvalidPacketError(
            f"packet of {len(packet)} bytes does not hold {frames} frames (RFC 6716 §3.4)"
        )
    return packet[:at] + _coded(last) + packet[at:]
