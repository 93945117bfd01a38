"""Readers around a reader: its frames counted, some of its channels, its time stretched."""

from array import array
from collections.abc import Iterator, Sequence

from opuscule.containers.pcm import SAMPLE_BYTES, PcmReader, SampleFormat
from opuscule.errors import InvalidArgumentError

__all__ = ["Counted", "Picked", "Slowed"]


class Counted(PcmReader):
    """The same audio, and how much of it has been read.

    Args:
        source: what to read; closed together with this.
    """

    def __init__(self, source: PcmReader) -> None:
        self._source = source
        self.read_samples = 0
        """Frames handed out so far."""

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""
        return self._source.rate

    @property
    def channels(self) -> int:
        """Samples in a frame."""
        return self._source.channels

    @property
    def sample_format(self) -> SampleFormat:
        """What a sample is."""
        return self._source.sample_format

    @property
    def total_samples(self) -> int | None:
        """Frames in all, if the source knows it."""
        return self._source.total_samples

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """The source's."""
        return self._source.tags

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of whole frames; raises what the source raises."""
        frame_bytes = self.channels * SAMPLE_BYTES[self.sample_format]
        for block in self._source:
            self.read_samples += len(block) // frame_bytes
            yield block

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class Picked(Counted):
    """Some channels of a reader, in any order.

    Args:
        source: what to read; closed together with this.
        channels: which, counted from 1 as they are on recorders.

    Raises:
        InvalidArgumentError: one is not there, one comes twice, or there are none.
    """

    def __init__(self, source: PcmReader, channels: Sequence[int]) -> None:
        super().__init__(source)
        there = source.channels
        if (
            not channels
            or len(set(channels)) != len(channels)
            or not all(1 <= channel <= there for channel in channels)
        ):
            raise InvalidArgumentError(
                f"channels are {list(channels)}; expected different ones of 1 to {there}"
            )
        self._picked = tuple(channel - 1 for channel in channels)

    @property
    def channels(self) -> int:
        """How many were picked."""
        return len(self._picked)

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of whole frames; raises what the source raises."""
        code = "h" if self.sample_format == "int16" else "f"
        there, wanted = self._source.channels, len(self._picked)
        for block in self._source:
            samples: array[int] | array[float] = array(code, block)
            picked: array[int] | array[float] = array(code, bytes(len(block) // there * wanted))
            for place, channel in enumerate(self._picked):
                picked[place::wanted] = samples[channel::there]  # type: ignore[assignment]  # same code
            self.read_samples += len(picked) // wanted
            yield picked.tobytes()


class Slowed(Counted):
    """The same samples at a lower rate, so that they last longer and sound lower.

    This is how bat detectors make their calls audible: at a tenth of the rate, 45 kHz is 4.5 kHz.

    Args:
        source: what to read; closed together with this.
        factor: by how much, 2 and more.

    Raises:
        InvalidArgumentError: the factor does not divide the rate, or is below 2.
    """

    def __init__(self, source: PcmReader, factor: int) -> None:
        super().__init__(source)
        if factor < 2 or source.rate % factor:
            fitting = [str(n) for n in range(2, 33) if source.rate % n == 0]
            raise InvalidArgumentError(
                f"time expansion is by {factor}, at {source.rate} Hz; expected a factor of 2 and "
                f"more that divides the rate: {', '.join(fitting) or 'there is none below 33'}"
            )
        self._factor = factor

    @property
    def rate(self) -> int:
        """The source's rate divided by the factor, in Hz."""
        return self._source.rate // self._factor
