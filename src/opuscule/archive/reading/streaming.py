"""Long stretches decoded piece by piece, with one decoder for as long as that is exact."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, TypeAlias

from opuscule import _native
from opuscule.archive.layout import Index
from opuscule.archive.reading.damage import OnDamage
from opuscule.archive.reading.sequential import SequentialDecoder
from opuscule.archive.storage.info import RecordingInfo
from opuscule.archive.storage.points import Part, SyncPoints
from opuscule.codec import Pcm
from opuscule.errors import CorruptArchiveError, InvalidArgumentError, InvalidPacketError
from opuscule.packets import SAMPLE_BYTES, Gap, Packet, SampleFormat

__all__ = ["PRE_ROLL_SAMPLES", "Mode", "Readable", "blocks", "check_mode", "pick", "stream"]

Mode: TypeAlias = Literal["exact", "fast"]
"""``exact`` gives the sequential decoder's samples, ``fast`` begins 80 ms before the range."""

PRE_ROLL_SAMPLES = 3_840
"""80 ms: what RFC 7845 §4.6 wants to be decoded before what is heard."""

_COMPLEXITY = 5
_BATCH_PACKETS = 128
"""Few enough that a batch of the longest packets stays below two megabytes of float32."""
_ITEM_CODES: dict[int, Literal["H", "I"]] = {2: "H", 4: "I"}


class Readable(Protocol):
    """What ranges are read from; a :class:`~opuscule.archive.Recording` is one."""

    @property
    def name(self) -> str:
        """Its name in the archive."""

    @property
    def info(self) -> RecordingInfo:
        """What is known of it."""

    @property
    def index(self) -> Index:
        """Where each packet is."""

    @property
    def points(self) -> SyncPoints | None:
        """Where decoding may begin."""

    def extract(
        self,
        start_sample: int,
        stop_sample: int,
        *,
        dtype: SampleFormat = "int16",
        pre_roll_ms: float | None = None,
        on_damage: OnDamage = "raise",
    ) -> Pcm:
        """Decode a range."""

    def parts(
        self, start_samples: int, stop_samples: int, dtype: SampleFormat, on_damage: OnDamage
    ) -> Iterator[Part]:
        """Plan how to decode a stretch of media time."""

    def items(
        self, first: int, stop_sample: int, on_damage: OnDamage = "raise"
    ) -> Iterator[Packet | Gap]:
        """Read packets and gaps."""

    def packets(self, first: int = 0, stop: int | None = None) -> Iterator[Packet]:
        """Read packets."""

    def payload(self, start_byte: int, stop_byte: int) -> bytes:
        """Read a range of the packets' bytes."""


def check_mode(mode: str) -> None:
    """Refuse what is no mode.

    Raises:
        InvalidArgumentError: it is none.
    """
    if mode not in ("exact", "fast"):
        raise InvalidArgumentError(f"mode is {mode!r}; expected 'exact' or 'fast'")


def blocks(
    recording: Readable,
    start: int,
    stop: int,
    dtype: SampleFormat,
    mode: Mode,
    size: int,
    step: int,
    on_damage: OnDamage = "raise",
) -> Iterator[bytes]:
    """Decode audio samples ``[start, stop)`` to blocks of ``size`` that begin ``step`` apart.

    The last one is shorter if there is no more. Memory: a block, and a second of audio.
    """
    frame = SAMPLE_BYTES[dtype] * recording.info.channels
    held = bytearray()
    for piece in stream(recording, start, stop, dtype, mode, on_damage):
        held += piece
        # The last block is given below, so that a rest of nothing but overlap is no block.
        while len(held) > size * frame:
            yield bytes(held[: size * frame])
            del held[: step * frame]
    if held:
        yield bytes(held)


def stream(
    recording: Readable,
    start: int,
    stop: int,
    dtype: SampleFormat,
    mode: Mode,
    on_damage: OnDamage = "raise",
) -> Iterator[bytes]:
    """Decode audio samples ``[start, stop)`` in order, to pieces of at most a few seconds."""
    skip = recording.info.pre_skip_samples
    for part in _parts(recording, start + skip, stop + skip, dtype, mode, on_damage):
        yield from _decode(recording, part, dtype, on_damage)


def _parts(
    recording: Readable,
    start: int,
    stop: int,
    dtype: SampleFormat,
    mode: Mode,
    on_damage: OnDamage,
) -> Iterator[Part]:
    if mode == "fast":
        yield Part(max(0, start - PRE_ROLL_SAMPLES), start, stop)
    elif start <= recording.info.pre_skip_samples and on_damage == "raise":
        yield Part(0, start, stop)
    else:
        yield from recording.parts(start, stop, dtype, on_damage)


def _decode(
    recording: Readable, part: Part, dtype: SampleFormat, on_damage: OnDamage
) -> Iterator[bytes]:
    """Decode a part with one decoder, many packets a call where none is missing."""
    info = recording.info
    run = recording.index.run(part.begin_samples, part.stop_samples)
    frame = SAMPLE_BYTES[dtype] * info.channels
    time = run.start_samples
    pieces = (
        _with_gaps(recording, run.first, part.stop_samples, dtype, on_damage)
        if run.gaps or on_damage == "conceal"
        else _without_gaps(recording, run.start_byte, run.lengths, dtype)
    )
    try:
        for piece in pieces:
            samples = len(piece) // frame
            low = max(0, part.start_samples - time)
            high = min(samples, part.stop_samples - time)
            time += samples
            if low < high:
                yield piece[low * frame : high * frame]
            if time >= part.stop_samples:
                return
    except InvalidPacketError as error:
        raise CorruptArchiveError(f"recording {recording.name!r}: {error}") from error
    raise CorruptArchiveError(
        f"recording {recording.name!r} ends at media sample {time}; its description says "
        f"{info.end_samples}"
    )


def _without_gaps(
    recording: Readable, offset: int, lengths: "array[int]", dtype: SampleFormat
) -> Iterator[bytes]:
    info = recording.info
    decoder = _native.Decoder(48_000, info.channels, _COMPLEXITY, dtype == "float32")
    decoder.set_gain_q8(info.gain_q8)
    for first in range(0, len(lengths), _BATCH_PACKETS):
        batch = lengths[first : first + _BATCH_PACKETS]
        size = sum(batch)
        payload = recording.payload(offset, offset + size)
        packets, at = [], 0
        for length in batch:
            packets.append(payload[at : at + length])
            at += length
        offset += size
        yield decoder.decode_many(packets)


def _with_gaps(
    recording: Readable, first: int, stop: int, dtype: SampleFormat, on_damage: OnDamage
) -> Iterator[bytes]:
    info = recording.info
    decoder = SequentialDecoder(
        info.channels,
        complexity=_COMPLEXITY,
        float_output=dtype == "float32",
        gain_q8=info.gain_q8,
    )
    return decoder.decode(recording.items(first, stop - info.pre_skip_samples, on_damage))


def pick(data: bytes, channels: int, wanted: Sequence[int] | None, dtype: SampleFormat) -> bytes:
    """Keep chosen channels of interleaved samples, in the order that they are named.

    Raises:
        InvalidArgumentError: there is no such channel, or none is chosen.
    """
    if wanted is None:
        return data
    if not wanted or not all(0 <= channel < channels for channel in wanted):
        raise InvalidArgumentError(
            f"channels are {list(wanted)}; expected one or more of 0 to {channels - 1}"
        )
    code = _ITEM_CODES[SAMPLE_BYTES[dtype]]
    samples = array(code, data)
    picked = array(code, bytes(len(data) // channels * len(wanted)))
    for place, channel in enumerate(wanted):
        picked[place :: len(wanted)] = samples[channel::channels]
    return picked.tobytes()
