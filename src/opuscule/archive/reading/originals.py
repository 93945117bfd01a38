"""What a recording keeps lossless beside its packets, read as the recording itself is.

Positions are the original's own samples, at its own rate: there is no pre-skip and nothing before a
range has to be decoded, so that every range is exact and near.
"""

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cached_property

from opuscule.archive.reading.moments import (
    Seconds,
    moment_to_sample,
    seconds_to_sample,
    span_text,
)
from opuscule.archive.reading.streaming import pick
from opuscule.archive.storage.local import StoredArray
from opuscule.archive.storage.lossless import Lossless, read_lossless
from opuscule.codec import Pcm, as_pcm
from opuscule.errors import CorruptArchiveError, InvalidArgumentError
from opuscule.packets import SampleFormat

__all__ = ["Original"]

_HEAD_BYTES = 42
"""What a decoder has to know: the marker and STREAMINFO (RFC 9639 §8.2)."""


class Original:
    """The file that a recording was made of, sample for sample; see :attr:`Recording.lossless`.

    Args:
        name: of the recording.
        known: what is known of it.
        start_epoch_ms: when it began, in milliseconds since 1970 UTC, where known.
        open_array: opens one of the recording's arrays.

    Raises:
        CorruptArchiveError: its arrays are missing or contradict what is known.
    """

    def __init__(
        self,
        name: str,
        known: Lossless,
        start_epoch_ms: int | None,
        open_array: Callable[[str], StoredArray],
    ) -> None:
        self.name = name
        """The recording's name."""
        self.known = known
        """What is known of it, the FLAC file's SHA-256 for one."""
        self._start_epoch_ms = start_epoch_ms
        self._flac, self._stored_lengths = open_array("lossless"), open_array("lossless_lengths")

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""
        return self.known.rate

    @property
    def channels(self) -> int:
        """Samples in a frame; 1 or 2."""
        return self.known.channels

    @property
    def total_samples(self) -> int:
        """Length in its own samples."""
        return self.known.samples

    @property
    def sample_format(self) -> SampleFormat:
        """The smallest that holds its samples exactly: int16, or float32 for 24 bits."""
        return "int16" if self.known.bits == 16 else "float32"

    @property
    def flac_bytes(self) -> int:
        """Length of the FLAC file that is kept."""
        return self._flac.size_bytes

    def flac(self, start_byte: int, stop_byte: int) -> bytes:
        """Read a range of the FLAC file, which is a whole one (RFC 9639).

        Raises:
            CorruptArchiveError: it is outside, or damaged.
            OSError: it cannot be read.
        """
        return self._flac.read(start_byte, stop_byte)

    def extract(
        self,
        start_sample: int,
        stop_sample: int,
        *,
        dtype: SampleFormat | None = None,
        channels: Sequence[int] | None = None,
    ) -> Pcm:
        """Decode samples ``[start_sample, stop_sample)`` of the original, bit for bit.

        Args:
            start_sample: first sample, at :attr:`rate`.
            stop_sample: one past the last.
            dtype: ``int16``, which 24 bits are rounded to; ``float32`` with full scale ±1, which
                holds 24 bits exactly; None for :attr:`sample_format`.
            channels: which, from 0, in that order; None for all.

        Returns:
            A memoryview of shape ``(samples, channels)``; ``numpy.asarray`` takes it as it is.

        Raises:
            InvalidArgumentError: the range is empty or not within the original, or another value is
                out of its range.
            CorruptArchiveError: what is kept is damaged; the message names the bytes.
            MissingExtraError: the extra ``media`` is not installed.
            OSError: it cannot be read.
        """
        form = self.sample_format if dtype is None else dtype
        pick(b"", self.channels, channels, form if form in ("int16", "float32") else "int16")
        try:
            found = read_lossless(
                self._fetch, self.known, self._lengths, start_sample, stop_sample, form
            )
        except CorruptArchiveError as error:
            raise CorruptArchiveError(
                f"recording {self.name!r}, samples {start_sample} to {stop_sample} of its lossless "
                f"original: {error}"
            ) from error
        if channels is None:
            return found
        return as_pcm(pick(bytes(found), self.channels, channels, form), len(channels), form)

    def __getitem__(self, part: slice) -> Pcm:
        """Decode a slice: ``original[:192_000]`` is the first second at 192 kHz.

        Ends count as in any Python sequence: left out, negative from the end, cut to what there is.

        Returns:
            :attr:`sample_format` as a memoryview of shape ``(samples, channels)``; an empty one of
            shape ``(0,)``.

        Raises:
            InvalidArgumentError: it is no slice, or has a step.
            CorruptArchiveError: what is kept is damaged.
        """
        try:
            start, stop, step = part.indices(self.total_samples)
        except (AttributeError, TypeError, ValueError):
            step = 0
        if step != 1:
            raise InvalidArgumentError(
                f"original[{part!r}] is wanted; give a slice of its own samples without a step"
            )
        if start >= stop:
            return as_pcm(b"", self.channels, self.sample_format)
        return self.extract(start, stop)

    def seconds_range(self, start: Seconds = 0, stop: Seconds | None = None) -> tuple[int, int]:
        """Tell the range between two times, in own samples; as :meth:`Recording.seconds_range`.

        Raises:
            InvalidArgumentError: they are no numbers, or the range is empty or not within the
                original.
        """
        last = self.total_samples if stop is None else seconds_to_sample(stop, self.rate)
        return self._checked(seconds_to_sample(start, self.rate), last, span_text(start, stop))

    def moments_range(self, start: datetime, stop: datetime) -> tuple[int, int]:
        """Tell the range between two moments; as :meth:`Recording.moments_range`.

        Raises:
            InvalidArgumentError: a moment has no zone, the recording's beginning is not known, or
                the range is empty or not within the original.
        """
        first = moment_to_sample(start, self._start_epoch_ms, self.rate)
        last = moment_to_sample(stop, self._start_epoch_ms, self.rate)
        return self._checked(first, last, f"{start.isoformat()} to {stop.isoformat()}")

    def blocks(
        self,
        block_samples: int,
        *,
        start_sample: int = 0,
        stop_sample: int | None = None,
        dtype: SampleFormat | None = None,
        channels: Sequence[int] | None = None,
    ) -> Iterator[Pcm]:
        """Decode a range block by block, in the memory of one; arguments as :meth:`extract`.

        Yields:
            Memoryviews of shape ``(samples, channels)``; the last block may be shorter.

        Raises:
            InvalidArgumentError: ``block_samples`` is below 1, or as :meth:`extract`.
            CorruptArchiveError: what is kept is damaged.
        """
        stop = self.total_samples if stop_sample is None else stop_sample
        if block_samples < 1 or not 0 <= start_sample <= stop <= self.total_samples:
            raise InvalidArgumentError(
                f"blocks of {block_samples} of samples {start_sample} to {stop} are wanted; "
                f"expected a positive length, and a range within 0 to {self.total_samples}"
            )
        return (
            self.extract(at, min(at + block_samples, stop), dtype=dtype, channels=channels)
            for at in range(start_sample, stop, block_samples)
        )

    def _checked(self, first: int, last: int, wanted: str) -> tuple[int, int]:
        if not 0 <= first < last <= self.total_samples:
            raise InvalidArgumentError(
                f"{wanted} (samples {first} to {last} at {self.rate} Hz) of the original of "
                f"{self.name!r} are wanted; give a range that is not empty within 0 to "
                f"{self.total_samples}"
            )
        return first, last

    def check(self) -> None:
        """Check what reading a range does not need: the whole list of frames, the shards' indexes.

        Raises:
            CorruptArchiveError: it is not what was written.
            OSError: it cannot be read.
        """
        if len(self._lengths) != -(-self.known.samples // self.known.block_samples):
            raise CorruptArchiveError(
                f"{self._stored_lengths.place}: {len(self._lengths)} FLAC frames are listed for "
                f"{self.known.samples} samples"
            )
        self._flac.check_shards()

    @cached_property
    def _lengths(self) -> "array[int]":
        rows = self._stored_lengths
        lengths = array("H", rows.read(0, rows.size_bytes & ~1))
        if sys.byteorder == "big":
            lengths.byteswap()
        if self.known.header_bytes + sum(lengths) != self._flac.size_bytes:
            raise CorruptArchiveError(
                f"{rows.place}: {self.known.header_bytes} bytes of header and {sum(lengths)} in "
                f"{len(lengths)} FLAC frames are listed; the file has {self._flac.size_bytes}"
            )
        return lengths

    @cached_property
    def _head(self) -> bytes:
        return self._flac.read(0, min(_HEAD_BYTES, self._flac.size_bytes))

    def _fetch(self, start: int, stop: int) -> bytes:
        # Each range wants the head besides: it is read once.
        return self._head[start:stop] if stop <= _HEAD_BYTES else self._flac.read(start, stop)
