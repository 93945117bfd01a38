"""All the ways to ask for ranges: slices, seconds, moments, blocks, many at once.

What only some of them need is imported there, because a process may want but one range.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from opuscule.archive.reading.damage import OnDamage, check_on_damage
from opuscule.archive.reading.positions import Positions
from opuscule.archive.reading.streaming import Mode, Readable, blocks, check_mode, pick
from opuscule.codec import Pcm, as_pcm
from opuscule.codec.pcm import check_sample_format
from opuscule.errors import InvalidArgumentError
from opuscule.packets import SampleFormat
from opuscule.units import MEDIA_RATE

if TYPE_CHECKING:
    from opuscule.archive.reading.moments import Seconds

__all__ = ["RangeReading", "check_range"]

_MAX_THREADS = 256


class RangeReading:
    """Ranges of a recording, addressed and read in every way.

    Positions are 48 kHz samples of the audio; ``*_range`` methods make them of other things.
    """

    def __getitem__(self: Readable, part: slice) -> Pcm:
        """Decode a slice: ``recording[48_000:96_000]`` is the second second, exactly.

        Ends count as in any Python sequence: left out, negative from the end, cut to what there is.

        Returns:
            int16 as a memoryview of shape ``(samples, channels)``; an empty one of shape ``(0,)``.

        Raises:
            InvalidArgumentError: it is no slice, or has a step.
            CorruptArchiveError: the archive contradicts itself, or a packet is not valid.
        """
        try:
            start, stop, step = part.indices(self.info.total_samples)
        except (AttributeError, TypeError, ValueError):
            step = 0
        if step != 1:
            raise InvalidArgumentError(
                f"recording[{part!r}] is wanted; give a slice of 48 kHz samples without a step, "
                "and iterate with blocks()"
            )
        if start >= stop:
            return as_pcm(b"", self.info.channels, "int16")
        return self.extract(start, stop)

    def seconds_range(
        self: Readable, start: "Seconds" = 0, stop: "Seconds | None" = None
    ) -> tuple[int, int]:
        """Tell the range between two times in seconds from the beginning of the audio.

        Each becomes the nearest sample, a tie the later one. A float is the number that it prints
        as: 0.29 is sample 13,920. Text may be ``"0.29"`` or ``"1:02:03.5"``.

        Args:
            start: 0 is the beginning.
            stop: None is the end.

        Returns:
            First sample and one past the last, for :meth:`read`, ``extract``, :meth:`blocks` …

        Raises:
            InvalidArgumentError: they are no numbers, or the range is empty or not within the
                audio.
        """
        from opuscule.archive.reading.moments import seconds_to_sample, span_text

        end = self.info.total_samples if stop is None else seconds_to_sample(stop)
        return check_range(self, seconds_to_sample(start), end, span_text(start, stop))

    def moments_range(self: Readable, start: datetime, stop: datetime) -> tuple[int, int]:
        """Tell the range between two moments, which have zones; result as :meth:`seconds_range`.

        Raises:
            InvalidArgumentError: a moment has no zone, the recording's beginning is not known, or
                the range is empty or not within the audio.
        """
        from opuscule.archive.reading.moments import moment_to_sample

        began, clock = self.info.start_epoch_ms, self.info.source.get("start")
        if began is None and isinstance(clock, dict) and "local" in clock:
            raise InvalidArgumentError(
                f"recording {self.name!r} began at {clock['local']} by a clock of unknown zone; "
                "import it with its zone (--zone), or address it by seconds or samples"
            )
        first, last = moment_to_sample(start, began), moment_to_sample(stop, began)
        return check_range(self, first, last, f"{start.isoformat()} to {stop.isoformat()}")

    def original_range(self: Readable, start: int, stop: int) -> tuple[int, int]:
        """Tell the range that holds samples ``[start, stop)`` of the file that was imported.

        They are counted at its own rate, each becomes the nearest at 48 kHz; where packets were
        copied, they are at 48 kHz. Result as :meth:`seconds_range`; read at the rate of the
        file with :meth:`read` it has as many samples as were asked for, give or take one.

        Raises:
            InvalidArgumentError: the range is empty or not within the original.
        """
        own = Positions.of(self.info)
        first, last = own.to_media(start), own.to_media(stop)
        return check_range(self, first, last, f"samples {start} to {stop} of the original")

    def read(
        self: Readable,
        start_sample: int = 0,
        stop_sample: int | None = None,
        *,
        rate: int = MEDIA_RATE,
        channels: Sequence[int] | None = None,
        dtype: SampleFormat = "float32",
        mode: Mode = "exact",
        on_damage: OnDamage = "raise",
    ) -> Pcm:
        """Decode a range at any rate, in chosen channels.

        Args:
            start_sample: first sample, always counted at 48 kHz.
            stop_sample: one past the last; None is the end.
            rate: of what comes out, in Hz, 1 to 768 kHz. At another than 48 kHz it is samples
                ``round(start_sample * rate / 48000)`` to ``round(stop_sample * rate / 48000)``
                (halves up) of the whole recording converted by soxr: ranges that adjoin adjoin, and
                a cut is the cut of the whole, because what the filter sees around it is decoded.
            channels: which, from 0, in that order; None for all.
            dtype: ``int16``, or ``float32`` with full scale ±1.
            mode: ``exact``, or ``fast``, which begins 80 ms earlier.
            on_damage: as for ``extract``.

        Returns:
            A memoryview of shape ``(samples, channels)``; ``numpy.asarray`` takes it as it is.

        Raises:
            InvalidArgumentError: the range is empty or not within the audio, or another value is
                out of its range.
            MissingExtraError: another rate is wanted and soxr or NumPy is not installed.
            CorruptArchiveError: the archive contradicts itself, or a packet is not valid.
        """
        check_mode(mode)
        check_on_damage(on_damage)
        check_sample_format(dtype)
        total = self.info.total_samples
        stop = total if stop_sample is None else stop_sample
        start, stop = check_range(self, start_sample, stop)
        every, count = self.info.channels, len(channels or range(self.info.channels))
        pick(b"", every, channels, dtype)
        pre_roll_ms = None if mode == "exact" else 80

        def decode(begin: int, end: int, form: SampleFormat) -> Pcm:
            pcm = self.extract(begin, end, dtype=form, pre_roll_ms=pre_roll_ms, on_damage=on_damage)
            return pcm if channels is None else _picked(pcm, every, channels, form)

        if rate == MEDIA_RATE:
            return decode(start, stop, dtype)
        from opuscule.archive.reading.rates import resampled

        return as_pcm(resampled(decode, total, rate, start, stop, dtype), count, dtype)

    def blocks(
        self: Readable,
        block_samples: int,
        *,
        overlap_samples: int = 0,
        start_sample: int = 0,
        stop_sample: int | None = None,
        channels: Sequence[int] | None = None,
        dtype: SampleFormat = "float32",
        mode: Mode = "exact",
        on_damage: OnDamage = "raise",
    ) -> Iterator[Pcm]:
        """Decode a range block by block, for the price of decoding it once.

        One decoder goes on from block to block. Memory: a block, and a second or two of audio.

        Args:
            block_samples: length of a block, in 48 kHz samples; the last may be shorter.
            overlap_samples: how many a block has in common with the one before it.
            start_sample: first sample, at 48 kHz.
            stop_sample: one past the last; None is the end.
            channels: which, from 0, in that order; None for all.
            dtype: ``int16``, or ``float32`` with full scale ±1.
            mode: ``exact``, or ``fast``, which begins 80 ms before the range.
            on_damage: as for ``extract``; what is concealed is noted as its block is decoded.

        Yields:
            Memoryviews of shape ``(samples, channels)``.

        Raises:
            InvalidArgumentError: a value is out of its range.
            CorruptArchiveError: the archive contradicts itself, or a packet is not valid.
        """
        check_mode(mode)
        check_on_damage(on_damage)
        check_sample_format(dtype)
        if not 0 <= overlap_samples < block_samples:
            raise InvalidArgumentError(
                f"blocks of {block_samples} samples with {overlap_samples} of overlap are wanted; "
                "expected at least one sample, and less overlap than that"
            )
        stop = self.info.total_samples if stop_sample is None else stop_sample
        if start_sample == stop == self.info.total_samples == 0:
            return iter(())
        start, stop = check_range(self, start_sample, stop)
        every, count = self.info.channels, len(channels or range(self.info.channels))
        pick(b"", every, channels, dtype)
        step = block_samples - overlap_samples
        return (
            as_pcm(pick(block, every, channels, dtype), count, dtype)
            for block in blocks(self, start, stop, dtype, mode, block_samples, step, on_damage)
        )

    def extract_many(
        self: Readable,
        ranges: Iterable[tuple[int, int]],
        *,
        threads: int | None = None,
        dtype: SampleFormat = "int16",
        mode: Mode = "exact",
        on_damage: OnDamage = "raise",
    ) -> Iterator[Pcm]:
        """Decode many ranges at once, each as ``extract`` does, without the GIL.

        Args:
            ranges: first samples and ones past the last, at 48 kHz, in any order.
            threads: how many decode at a time; None for one a processor.
            dtype: ``int16``, or ``float32`` with full scale ±1.
            mode: ``exact``, or ``fast``, which begins 80 ms before each range.
            on_damage: as for ``extract``.

        Yields:
            What ``extract`` gives, in the order of ``ranges``. Few more than ``threads`` are held
            at a time: what is not taken is not decoded.

        Raises:
            InvalidArgumentError: a value is out of its range; for a range, when its turn comes.
            CorruptArchiveError: the archive contradicts itself, or a packet is not valid.
        """
        check_mode(mode)
        check_on_damage(on_damage)
        check_sample_format(dtype)
        threads = (os.cpu_count() or 1) if threads is None else threads
        if not 1 <= threads <= _MAX_THREADS:
            raise InvalidArgumentError(f"threads is {threads}; expected 1 to {_MAX_THREADS}")
        pre_roll_ms = None if mode == "exact" else 80

        def decode(wanted: tuple[int, int]) -> Pcm:
            return self.extract(*wanted, dtype=dtype, pre_roll_ms=pre_roll_ms, on_damage=on_damage)

        return _many(self, ranges, threads, decode)


def _many(
    recording: Readable,
    ranges: Iterable[tuple[int, int]],
    threads: int,
    decode: Callable[[tuple[int, int]], Pcm],
) -> Iterator[Pcm]:
    if threads == 1:
        yield from map(decode, ranges)
        return
    from concurrent.futures import Future, ThreadPoolExecutor  # for several threads alone

    _ = recording.index, recording.points  # read here once, and not by every thread
    waiting: deque[Future[Pcm]] = deque()
    pool = ThreadPoolExecutor(threads, "opuscule-extract")
    try:
        for wanted in ranges:
            waiting.append(pool.submit(decode, wanted))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _picked(pcm: Pcm, every: int, channels: Sequence[int], dtype: SampleFormat) -> Pcm:
    return as_pcm(pick(bytes(pcm), every, channels, dtype), len(channels), dtype)


def check_range(
    recording: Readable, start: int, stop: int, wanted: str | None = None
) -> tuple[int, int]:
    """Return a range of samples, if it is within a recording.

    Raises:
        InvalidArgumentError: it is empty or not, or is counted in anything but whole samples.
    """
    if not (hasattr(start, "__index__") and hasattr(stop, "__index__")):
        raise InvalidArgumentError(
            f"samples {start} to {stop} of recording {recording.name!r} are wanted; give whole "
            "numbers of 48 kHz samples: seconds_range makes them of seconds"
        )
    total = recording.info.total_samples
    if not 0 <= start < stop <= total:
        told = f"samples {start} to {stop}"
        told = f"{wanted} ({told} at 48 kHz)" if wanted else told
        raise InvalidArgumentError(
            f"{told} of recording {recording.name!r} are wanted; give a range that is not empty "
            f"within 0 to {total} (48 kHz)"
        )
    return start, stop
