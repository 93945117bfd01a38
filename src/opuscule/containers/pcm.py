"""Uncompressed samples: what every reader of audio files hands out, and the arithmetic on them.

Samples are interleaved and in the machine's own byte order. All of it works without NumPy, because
the live path does not import it.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from opuscule.errors import FormatError, InvalidArgumentError
from opuscule.packets import SAMPLE_BYTES, SampleFormat

__all__ = [
    "BLOCK_BYTES",
    "SAMPLE_BYTES",
    "Coding",
    "PcmReader",
    "SampleFormat",
    "default_mix",
    "mix",
    "to_int16",
]

BLOCK_BYTES = 65_536
"""About what a reader hands out at once, so that no file is ever in memory whole."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How samples are written in a file."""

    codec: str
    """As ffmpeg calls it: ``pcm_s16le``, ``pcm_f32le``, ``flac``, ``mp3``, ``aac``."""
    bits: int | None
    """Of a sample that are used; None where the codec keeps a likeness, or the file is silent."""
    is_float: bool
    """Whether a sample is a float."""


class PcmReader(Protocol):
    """Audio as blocks of samples, read once from beginning to end.

    Iterating yields ``bytes`` of whole frames (one sample of each channel), interleaved, in native
    byte order, at most about :data:`BLOCK_BYTES`, never empty. A second iteration goes on where the
    first one stopped. Close it, or use it in a ``with`` block.
    """

    cut_short: bool = False
    """It ended before its header said, and that was allowed; known when all of it is read."""

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""

    @property
    def channels(self) -> int:
        """Samples in a frame; 1 to 255."""

    @property
    def sample_format(self) -> SampleFormat:
        """What a sample is."""

    @property
    def total_samples(self) -> int | None:
        """How many frames there are in all, or None when only reading will tell; exact if given."""

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """Names, as written, and values; none where the format has none that are read here."""
        return ()

    def __iter__(self) -> Iterator[bytes]: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what is held; closing twice does no harm."""


def to_int16(pcm: bytes, sample_format: SampleFormat) -> bytes:
    """Return samples of either format as int16, rounded to the nearest and clipped at full scale.

    Raises:
        FormatError: a float32 sample is not a number.
    """
    if sample_format == "int16":
        return pcm
    samples = array("f", pcm)
    if not samples:
        return b""
    # One not-a-number makes the sum one, and the sum runs in C.
    if math.isnan(sum(samples)):
        raise FormatError("float samples contain values that are no numbers; expected -1.0 to 1.0")
    scaled: Iterable[float] = map((32768.0).__mul__, samples)
    if min(samples) < -1.0 or max(samples) > 32767 / 32768:
        scaled = (min(32767.0, max(-32768.0, sample)) for sample in scaled)
    return array("h", map(round, scaled)).tobytes()


def mix(pcm: bytes, channels: int, outputs: Sequence[Sequence[int]]) -> bytes:
    """Choose, mix or double the channels of int16 audio, frame by frame.

    Args:
        pcm: int16, interleaved, of ``channels`` channels, whole frames.
        channels: how many it has.
        outputs: for each output channel the input channels, counted from 0, of which it is the
            mean: ``[[0, 1, 2, 3]]`` mixes four into one, ``[[0], [2]]`` picks two, ``[[0], [0]]``
            doubles one.

    Returns:
        int16, interleaved, of ``len(outputs)`` channels.

    Raises:
        InvalidArgumentError: a channel that is not there is named, an output has no input, or
            ``pcm`` is no whole number of frames.
    """
    if not outputs or any(not chosen for chosen in outputs):
        raise InvalidArgumentError(f"channel mix {outputs!r} leaves an output without any input")
    if any(not 0 <= channel < channels for chosen in outputs for channel in chosen):
        raise InvalidArgumentError(
            f"channel mix {outputs!r} names a channel that is not there; there are 0 to "
            f"{channels - 1}"
        )
    samples = array("h", _whole_frames(pcm, channels))
    mixed = array("h", bytes(len(samples) // channels * len(outputs) * 2))
    for index, chosen in enumerate(outputs):
        planes = [samples[channel::channels] for channel in chosen]
        count = len(planes)
        if count == 1:
            mixed[index :: len(outputs)] = planes[0]
        else:
            # Half is added because // rounds down, and would shift the mean by half a step.
            sums = map(sum, zip(*planes, strict=True))
            mixed[index :: len(outputs)] = array("h", [(s + count // 2) // count for s in sums])
    return mixed.tobytes()


def default_mix(channels: int, wanted: int) -> tuple[tuple[int, ...], ...] | None:
    """Return the usual ``outputs`` for :func:`mix`: None (as is), all into one, or one doubled.

    Raises:
        InvalidArgumentError: anything else has no single right answer.
    """
    if channels == wanted:
        return None
    if wanted == 1:
        return (tuple(range(channels)),)
    if channels == 1:
        return ((0,),) * wanted
    raise InvalidArgumentError(
        f"there are {channels} channels and {wanted} are wanted: take 1 or {channels}, or say "
        "which to mix"
    )


def _whole_frames(pcm: bytes, channels: int) -> bytes:
    if len(pcm) % (2 * channels):
        raise InvalidArgumentError(
            f"got {len(pcm)} bytes of int16 audio, expected a multiple of {2 * channels} for "
            f"{channels} channels"
        )
    return pcm
