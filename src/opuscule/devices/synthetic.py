"""Sources of computed sound: tones, sweeps, noise and silence, the same samples every time."""

import math
import random
import re
from array import array
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal

from opuscule.devices.base import Block, Source, check_shape
from opuscule.devices.pacing import as_captured
from opuscule.errors import InvalidArgumentError

__all__ = ["Signal", "SignalSource", "parse_signal"]

_SPEC = re.compile(
    r"(?P<kind>tone|sweep|noise|silence)"
    r"(?::(?P<low>\d+(?:\.\d+)?)(?:-(?P<high>\d+(?:\.\d+)?))?)??"
    r"(?::(?P<length>\d+(?:\.\d+)?)(?P<unit>ms|s))?"
)


@dataclass(frozen=True, slots=True)
class Signal:
    """A sound that can be computed."""

    kind: Literal["tone", "sweep", "noise", "silence"]
    """Its shape; a sweep rises (or falls) by the same interval each second."""
    low_hz: float = 440.0
    """A tone's frequency, or where a sweep begins."""
    high_hz: float = 440.0
    """Where a sweep ends."""
    amplitude: float = 0.5
    """The peak, 0 to 1 of full scale."""
    duration_ms: float | None = None
    """How long it lasts; None for ever, which a sweep cannot."""
    seed: int = 0
    """What noise is drawn from; equal seeds give equal noise."""


def parse_signal(spec: str) -> Signal | None:
    """Read ``tone:440:2s``, ``sweep:100-7000:5s``, ``noise:500ms`` or ``silence``.

    The length may be left out, but for a sweep; noise takes a seed (``noise:7:2s``).

    Returns:
        The signal, or None when ``spec`` does not begin with the name of one.

    Raises:
        InvalidArgumentError: it begins so and goes on otherwise.
    """
    name = spec.partition(":")[0]
    if name not in ("tone", "sweep", "noise", "silence"):
        return None
    match = _SPEC.fullmatch(spec)
    low, high = (match["low"], match["high"]) if match else (None, None)
    if (
        match is None
        or (high is not None) != (name == "sweep")
        or (low is not None and name == "silence")
        or (name == "noise" and low is not None and not low.isdecimal())
    ):
        raise InvalidArgumentError(
            f"signal {spec!r}; expected such as tone:440:2s, sweep:100-7000:5s, noise:7:500ms, "
            "silence:1s"
        )
    duration_ms = None
    if match["length"] is not None:
        duration_ms = float(match["length"]) * (1000 if match["unit"] == "s" else 1)
    if name == "noise":
        return Signal("noise", seed=int(low or 0), duration_ms=duration_ms)
    if name == "silence":
        return Signal("silence", duration_ms=duration_ms)
    low_hz = float(low or 440)
    if name == "tone":
        return Signal("tone", low_hz, low_hz, duration_ms=duration_ms)
    return Signal("sweep", low_hz, float(high or low_hz), duration_ms=duration_ms)


class SignalSource(Source):
    """A signal as a microphone: int16 blocks, the same on every channel, in real time or at once.

    Args:
        signal: what to sound.
        rate: frames a second, in Hz.
        channels: samples in a frame.
        paced: False hands blocks out as fast as they are taken.
        block_ms: how long a block is, 1 to 1000 ms.

    Raises:
        InvalidArgumentError: a value is out of range, a frequency is not below half the rate, or a
            sweep has no length.
    """

    def __init__(
        self,
        signal: Signal,
        *,
        rate: int = 16_000,
        channels: int = 1,
        paced: bool = True,
        block_ms: float = 20,
    ) -> None:
        self._block_frames = check_shape(rate, channels, block_ms)
        if not 0 <= signal.amplitude <= 1:
            raise InvalidArgumentError(f"amplitude is {signal.amplitude}; expected 0 to 1")
        for hertz in (signal.low_hz, signal.high_hz):
            if signal.kind in ("tone", "sweep") and not 0 < hertz < rate / 2:
                raise InvalidArgumentError(
                    f"{hertz} Hz cannot sound at a rate of {rate} Hz; expected below {rate / 2} Hz"
                )
        if signal.duration_ms is None and signal.kind == "sweep":
            raise InvalidArgumentError("a sweep needs a length, such as sweep:100-7000:5s")
        if signal.duration_ms is not None and not 0 <= signal.duration_ms < math.inf:
            raise InvalidArgumentError(f"length is {signal.duration_ms} ms; expected 0 or more")
        self._signal, self._rate, self._channels, self._paced = signal, rate, channels, paced
        self._total = (
            None if signal.duration_ms is None else round(signal.duration_ms * rate / 1000)
        )
        self._closed = False

    @property
    def rate(self) -> int:
        """Frames a second, in Hz."""
        return self._rate

    @property
    def channels(self) -> int:
        """Samples in a frame."""
        return self._channels

    @property
    def overruns(self) -> int:
        """Always 0: a computation waits."""
        return 0

    @property
    def total_samples(self) -> int | None:
        """Frames that will come; None when it never ends."""
        return self._total

    async def blocks(self) -> AsyncIterator[Block]:
        """Give its blocks from the beginning; see :class:`~opuscule.devices.base.Source`."""
        pieces = self._pieces()
        async for block in as_captured(pieces, self._rate, 2 * self._channels, paced=self._paced):
            if self._closed:
                return
            yield block

    async def close(self) -> None:
        """End the iteration."""
        self._closed = True

    def _pieces(self) -> Iterator[bytes]:
        peak = 32767 * self._signal.amplitude
        wave, position = self._wave(), 0
        while self._total is None or position < self._total:
            frames = self._block_frames
            if self._total is not None:
                frames = min(frames, self._total - position)
            mono = array("h", (round(peak * next(wave)) for _ in range(frames)))
            position += frames
            if self._channels == 1:
                yield mono.tobytes()
                continue
            every = array("h", bytes(2 * frames * self._channels))
            for channel in range(self._channels):
                every[channel :: self._channels] = mono
            yield every.tobytes()

    def _wave(self) -> Iterator[float]:
        """Compute samples between -1 and 1, without end."""
        signal, position = self._signal, 0
        if signal.kind == "silence":
            while True:
                yield 0.0
        if signal.kind == "noise":
            draw = random.Random(signal.seed)  # noqa: S311 - a repeatable sound, not a secret
            while True:
                yield draw.uniform(-1.0, 1.0)
        # The frequency is low * growth ** n after n samples; its sum is the phase in turns.
        growth = (signal.high_hz / signal.low_hz) ** (1 / max(1, self._total or 1))
        step = signal.low_hz / self._rate
        while True:
            turns = (
                step * position
                if growth == 1.0
                else step * math.expm1(position * math.log(growth)) / math.log(growth)
            )
            yield math.sin(2 * math.pi * (turns % 1.0))
            position += 1
