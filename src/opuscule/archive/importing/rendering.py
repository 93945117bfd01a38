"""What is encoded of a file: which channels, at which rate and speed; and what Opus would lose.

The policy for what is above 20 kHz concerns files of more than 48 kHz. Those up to 48 kHz are audio
at the rates that Opus is made for, whose upper end nobody hears.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opuscule.archive.importing.origin import sound_facts
from opuscule.archive.importing.ultrasonic import Ultrasonic, measure_ultrasonic
from opuscule.containers.media import open_native, opus_rate
from opuscule.containers.pcm import SAMPLE_BYTES, PcmReader
from opuscule.containers.resample import MAX_RATE, Resampler
from opuscule.containers.reshape import Counted, Picked, Slowed
from opuscule.errors import InvalidArgumentError, UnsupportedFormatError
from opuscule.units import MEDIA_RATE

__all__ = ["DEFAULT_EXPANSION", "Rendering", "RenderingChoice", "open_picked", "open_rendering"]

DEFAULT_EXPANSION = 10
"""By how much time is stretched: what bat detectors do."""
_POLICIES = ("downsample", "expand", "lossless")


@dataclass(frozen=True, slots=True)
class RenderingChoice:
    """What the user chose.

    Raises:
        InvalidArgumentError: something is out of its range.
    """

    rate: int | None = None
    """In Hz, to convert to before encoding; None: the next higher Opus rate."""
    channels: Sequence[int] | None = None
    """Which, counted from 1; None: all."""
    ultrasonic: Ultrasonic | None = None
    """What to do with a file of more than 48 kHz; None: refuse one with content above 20 kHz."""
    time_expansion: int = DEFAULT_EXPANSION
    """By how much, where that is to expand."""
    salvage: bool = False
    """Whether to take a damaged file as far as it goes."""

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate <= MAX_RATE:
            raise InvalidArgumentError(f"rate is {self.rate} Hz; expected 1 to {MAX_RATE} Hz")
        if self.ultrasonic is not None and self.ultrasonic not in _POLICIES:
            raise InvalidArgumentError(
                f"ultrasonic is {self.ultrasonic!r}; expected one of {', '.join(_POLICIES)}"
            )


@dataclass(frozen=True, slots=True)
class Rendering:
    """A file, opened to be encoded."""

    opened: PcmReader
    """The file as it is."""
    original: Counted
    """What was chosen of it, and how much of that has been read."""
    pcm: PcmReader
    """What is to be encoded."""
    facts: dict[str, object]
    """Entries of the recording's source."""
    keep_lossless: bool = False
    """Whether its own samples are to be kept beside."""

    @property
    def bits(self) -> int:
        """Of the file's samples, as far as known; at most what its reader hands out."""
        known = self.facts.get("original_bits")
        return known if isinstance(known, int) else 8 * SAMPLE_BYTES[self.original.sample_format]


def open_rendering(path: Path, choice: RenderingChoice, stack: contextlib.ExitStack) -> Rendering:
    """Open a file to be encoded, after measuring it if that is needed.

    Raises:
        UnsupportedFormatError: there are more than two channels and none were chosen, or there is
            content above 20 kHz and no policy was chosen.
        InvalidArgumentError: a channel is not there, or the time expansion does not fit.
        FormatError, MissingExtraError, OSError: it cannot be read.
    """
    opened = stack.enter_context(open_native(path, salvage=choice.salvage))
    facts = sound_facts(opened)
    original = _pick(opened, path, choice.channels)
    if choice.channels is not None:
        facts["picked_channels"] = list(choice.channels)
    pcm: PcmReader = original
    if opened.rate > MEDIA_RATE:
        facts["ultrasonic"] = _judge(path, choice)
        if choice.ultrasonic == "expand":
            pcm = _slow(original, choice.time_expansion)
            facts["time_expansion"] = choice.time_expansion
    wanted = choice.rate or opus_rate(min(pcm.rate, MEDIA_RATE), path)
    if wanted != pcm.rate:
        pcm = Resampler(pcm, wanted, quality="VHQ")
    keep_lossless = opened.rate > MEDIA_RATE and choice.ultrasonic == "lossless"
    return Rendering(opened, original, pcm, facts, keep_lossless)


def open_picked(
    path: str | os.PathLike[str], choice: RenderingChoice, stack: contextlib.ExitStack
) -> Counted:
    """Open a file again for the chosen channels at its own rate; errors as of the first time."""
    opened = stack.enter_context(open_native(path, salvage=choice.salvage))
    return _pick(opened, path, choice.channels)


def _pick(
    opened: PcmReader, path: str | os.PathLike[str], channels: Sequence[int] | None
) -> Counted:
    picked = Counted(opened) if channels is None else Picked(opened, channels)
    if picked.channels > 2:
        raise UnsupportedFormatError(
            f"{path} has {opened.channels} channels, of which {picked.channels} are wanted; a "
            "recording has 1 or 2: choose some with channels=[1, 2] (--channel 1,2), and import it "
            "again under another name for the others"
        )
    return picked


def _judge(path: Path, choice: RenderingChoice) -> dict[str, object]:
    if choice.ultrasonic is not None:
        return {"policy": choice.ultrasonic}
    with contextlib.ExitStack() as stack:
        found = measure_ultrasonic(open_picked(path, choice, stack))
    if found.has_content:
        raise UnsupportedFormatError(
            f"{path} has content above 20 kHz, where Opus ends: {found.peak_dbfs:.0f} dBFS at "
            f"{(found.peak_hz or 0) / 1000:.1f} kHz after {found.peak_seconds:.2f} s. Choose "
            "ultrasonic='downsample' to lose it, 'expand' to slow the recording down until it can "
            "be heard, or 'lossless' to keep the file's own samples beside (--ultrasonic)"
        )
    return {"policy": "absent", "peak_dbfs": found.peak_dbfs, "peak_hz": found.peak_hz}


def _slow(original: Counted, factor: int) -> Slowed:
    slowed = Slowed(original, factor)
    if slowed.rate > MEDIA_RATE:
        least = -(-original.rate // MEDIA_RATE)
        raise InvalidArgumentError(
            f"time expansion by {factor} leaves {slowed.rate} Hz, of which Opus would lose what is "
            f"above 20 kHz again; expected a factor of {least} and more"
        )
    return slowed
