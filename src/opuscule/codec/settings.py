"""How to encode: every setting, its range, and the presets."""

import dataclasses
from typing import Literal, TypedDict

from opuscule.errors import InvalidArgumentError

__all__ = [
    "ARCHIVE",
    "DEEP",
    "MUSIC",
    "PRESETS",
    "VOICE",
    "VOICE_LOSSY",
    "VOICE_LOW_CPU",
    "Application",
    "Bandwidth",
    "EncoderSettings",
    "SettingsOverrides",
    "Signal",
    "native_settings",
    "preset_settings",
]

Application = Literal["voip", "audio", "lowdelay"]
"""What is encoded for: intelligible speech, fidelity, or 4 ms less delay."""
Signal = Literal["auto", "voice", "music"]
"""What an encoder is to expect."""
Bandwidth = Literal["narrowband", "mediumband", "wideband", "superwideband", "fullband"]
"""Up to 4, 6, 8, 12 or 20 kHz (RFC 6716 §2)."""


@dataclasses.dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How to encode; ranges and combinations are checked when an encoder is made or updated."""

    application: Application = "voip"
    """``voip`` favours intelligible speech, ``audio`` fidelity, ``lowdelay`` 4 ms less delay (CELT
    only). The only setting that cannot change while encoding."""
    bitrate: int | Literal["auto", "max"] = 24_000
    """Bits a second, 500 to 750,000 for each channel; ``auto`` is libopus's choice by rate and
    channels, ``max`` as much as a packet holds."""
    complexity: int = 5
    """Work spent, 0 to 10."""
    vbr: bool = True
    """Variable bit rate; without it each packet of a length has the same size."""
    constrained_vbr: bool = True
    """Whether variable packets keep within what a link of the bit rate takes with one frame of
    buffer."""
    fec: bool | Literal["not_in_music"] = True
    """In-band FEC: the frame before, coarsely, in each packet, for which libopus leaves CELT;
    ``not_in_music`` stays with CELT there, and so without FEC. Needs ``loss_percent``. Below about
    20 kb/s libopus has no bits for it; with DRED on it takes DRED's bits."""
    loss_percent: int = 10
    """Loss to be ready for, 0 to 100 %; FEC and DRED need it above 0."""
    dtx: bool = True
    """Packets of a byte or two in silence."""
    dred_ms: int = 0
    """Deep redundancy, 0 to 1040 ms back in steps of 10, of single streams; see the bit rates at
    which it fits in the guide."""
    signal: Signal = "voice"
    """What to expect."""
    bandwidth: Bandwidth | Literal["auto"] = "auto"
    """The one bandwidth to use."""
    max_bandwidth: Bandwidth = "fullband"
    """The widest that may be chosen."""
    lsb_depth: int = 24
    """Bits of the input that mean something, 8 to 24; below them is taken for silence."""
    prediction: bool = True
    """Whether frames lean on the ones before; without it losses spread less and it costs bits."""
    phase_inversion: bool = True
    """Whether stereo may be coded with one side inverted; off for what will be mixed to mono."""
    force_channels: Literal[1, 2, "auto"] = "auto"
    """How many channels stereo is coded as."""
    frame_ms: float = 20
    """Audio in a packet, of which :class:`StreamEncoder` takes note; :class:`Encoder` takes any."""


class SettingsOverrides(TypedDict, total=False):
    """Fields of :class:`EncoderSettings` that replace a preset's, or the present ones.

    ``frame_ms`` is an argument of its own.
    """

    application: Application
    bitrate: int | Literal["auto", "max"]
    complexity: int
    vbr: bool
    constrained_vbr: bool
    fec: bool | Literal["not_in_music"]
    loss_percent: int
    dtx: bool
    dred_ms: int
    signal: Signal
    bandwidth: Bandwidth | Literal["auto"]
    max_bandwidth: Bandwidth
    lsb_depth: int
    prediction: bool
    phase_inversion: bool
    force_channels: Literal[1, 2, "auto"]


VOICE = EncoderSettings()
"""A voice device's uplink: 24 kb/s, FEC for 10 % loss, DTX."""

VOICE_LOW_CPU = dataclasses.replace(VOICE, complexity=3)
"""The same for a device that is too hot or too slow."""

VOICE_LOSSY = dataclasses.replace(VOICE, loss_percent=20)
"""The same for a network that loses a packet in five."""

MUSIC = EncoderSettings(
    application="audio",
    bitrate=96_000,
    complexity=10,
    fec=False,
    loss_percent=0,
    dtx=False,
    signal="music",
)
"""Music to an ear, at a bit rate at which stereo is hard to tell from the original."""

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

DEEP = EncoderSettings(fec=False, loss_percent=20, dred_ms=1040, frame_ms=60)
"""Speech over a network that drops out for half a second and more: each packet carries as much of
the last second as fits (DRED). 60 ms packets and no FEC: little fits into 24 kb/s otherwise."""

PRESETS = {
    "voice": VOICE,
    "voice_low_cpu": VOICE_LOW_CPU,
    "voice_lossy": VOICE_LOSSY,
    "music": MUSIC,
    "archive": ARCHIVE,
    "deep": DEEP,
}
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


_NATIVE = [field.name for field in dataclasses.fields(EncoderSettings) if field.name != "frame_ms"]


def native_settings(settings: EncoderSettings) -> dict[str, object]:
    """The settings by name, as the native encoder takes them."""
    return {name: getattr(settings, name) for name in _NATIVE}
