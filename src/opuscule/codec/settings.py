"""How to encode: every setting, its range, and the presets."""

import dataclasses
from typing import Literal, TypedDict

from opuscule.errors import InvalidArgumentError

__all__ = [
    "ARCHIVE",
    "PRESETS",
    "VOICE",
    "Application",
    "EncoderSettings",
    "SettingsOverrides",
    "Signal",
    "preset_settings",
]

Application = Literal["voip", "audio", "lowdelay"]
Signal = Literal["auto", "voice", "music"]


@dataclasses.dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How to encode; the ranges are libopus's, checked when an encoder is made."""

    application: Application = "voip"
    """``voip`` favours intelligible speech, ``audio`` fidelity, ``lowdelay`` 4 ms less delay."""
    bitrate: int = 24_000
    """Bits a second, 500 to 512,000."""
    complexity: int = 5
    """Work spent, 0 to 10."""
    vbr: bool = True
    """Variable bit rate."""
    fec: bool = True
    """In-band FEC: the frame before, coarsely, in each packet. Below about 20 kb/s libopus has no
    bits for it; with DRED on it takes DRED's bits."""
    loss_percent: int = 10
    """Loss to be ready for, 0 to 100 %; FEC and DRED need it above 0."""
    dtx: bool = True
    """Packets of a byte or two in silence."""
    dred_ms: int = 0
    """Deep redundancy, 0 to 1040 ms back; see the bit rates at which it fits in the guide."""
    signal: Signal = "voice"
    """What to expect."""


class SettingsOverrides(TypedDict, total=False):
    """The fields of :class:`EncoderSettings`, each to replace the preset's."""

    application: Application
    bitrate: int
    complexity: int
    vbr: bool
    fec: bool
    loss_percent: int
    dtx: bool
    dred_ms: int
    signal: Signal


VOICE = EncoderSettings()
"""A voice device's uplink: 24 kb/s, FEC for 10 % loss, DTX (row C2)."""

ARCHIVE = EncoderSettings(
    application="audio",
    bitrate=64_000,
    complexity=10,
    fec=False,
    loss_percent=0,
    dtx=False,
    signal="auto",
)
"""What is kept: nothing is spent on losses, and silence is encoded like everything else."""

PRESETS = {"voice": VOICE, "archive": ARCHIVE}
"""The settings by name."""


def preset_settings(name: str) -> EncoderSettings:
    """Return the settings of a preset.

    Raises:
        InvalidArgumentError: there is none of that name.
    """
    if name not in PRESETS:
        names = ", ".join(sorted(PRESETS))
        raise InvalidArgumentError(f"preset is {name!r}; there are: {names}")
    return PRESETS[name]
