"""Which sound devices there are, by PortAudio (from the extra ``device``)."""

import os
from dataclasses import dataclass
from typing import Any, Literal

from opuscule.errors import DeviceError, DeviceNotFoundError, MissingExtraError

__all__ = [
    "STALL_S",
    "DeviceInfo",
    "find_device",
    "library",
    "list_devices",
    "open_stream",
    "start_stream",
]

STALL_S = 5.0
"""Seconds without a call from the sound system after which a device is taken to be gone."""

# Small boards and robots carry these microphone arrays; where one is plugged in, it is meant.
_PREFERRED = ("respeaker", "seeed")
_VARIABLE = {"input": "OPUSCULE_INPUT", "output": "OPUSCULE_OUTPUT"}


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One sound device, as it was when PortAudio started."""

    index: int
    """PortAudio's number for it; may change when devices come and go."""
    name: str
    """Its name."""
    inputs: int
    """Channels that it records; 0 for none."""
    outputs: int
    """Channels that it plays; 0 for none."""
    default_rate: int
    """The rate in Hz that it prefers."""
    is_default_input: bool
    """Whether the system records from it when nothing else is asked for."""
    is_default_output: bool
    """Whether the system plays on it when nothing else is asked for."""


def library() -> Any:  # sounddevice publishes no types
    """Return the module ``sounddevice``, imported when first needed.

    Raises:
        MissingExtraError: it is not installed.
        DeviceError: it is, but the PortAudio library that it loads is not.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("recording or playing sound", "device") from error
    except OSError as error:
        raise DeviceError(
            f"the PortAudio library cannot be loaded ({error}); on Debian: "
            "apt install libportaudio2"
        ) from error
    return sounddevice


def list_devices() -> list[DeviceInfo]:
    """Return every sound device, in PortAudio's order; none is an empty list.

    Raises:
        MissingExtraError, DeviceError: see :func:`library`.
    """
    sd = library()
    try:
        found = sd.query_devices()
        defaults = [_default(sd, kind) for kind in ("input", "output")]
    except sd.PortAudioError as error:
        raise DeviceError(f"PortAudio cannot list devices: {error}") from error
    return [
        DeviceInfo(
            index=index,
            name=str(entry["name"]),
            inputs=int(entry["max_input_channels"]),
            outputs=int(entry["max_output_channels"]),
            default_rate=int(entry["default_samplerate"]),
            is_default_input=index == defaults[0],
            is_default_output=index == defaults[1],
        )
        for index, entry in enumerate(found)
    ]


def _default(sd: Any, kind: str) -> int:
    """Return the default device's number; -1 where there is none."""
    hosts = sd.query_hostapis()
    # The first host interface that PortAudio names is the one it would choose itself.
    return next(
        (
            int(host[f"default_{kind}_device"])
            for host in hosts
            if host[f"default_{kind}_device"] >= 0
        ),
        -1,
    )


def find_device(
    wanted: str | int | None = None, kind: Literal["input", "output"] = "input"
) -> DeviceInfo:
    """Choose a device that records (``input``) or plays (``output``).

    Args:
        wanted: a device's number, or a part of its name in any case; an exact name wins over a
            part, and the first device that fits over later ones. None takes what the environment
            variable ``OPUSCULE_INPUT`` or ``OPUSCULE_OUTPUT`` says, else a ReSpeaker or seeed
            microphone array, else the system's default.
        kind: what it is needed for.

    Raises:
        DeviceNotFoundError: no device fits; the message lists those that there are.
        MissingExtraError, DeviceError: see :func:`library`.
    """
    devices = [d for d in list_devices() if (d.inputs if kind == "input" else d.outputs)]
    origin = ""
    if wanted is None or wanted == "":
        wanted = os.environ.get(_VARIABLE[kind], "").strip() or None
        origin = f" ({_VARIABLE[kind]})"
    if wanted is None:
        return _usual(devices, kind)
    text = str(wanted).lower()
    fitting = [
        [d for d in devices if text == str(d.index)],
        [d for d in devices if text == d.name.lower()],
        # A number is never a part of a name: it would quietly choose "HDMI 3" for 3.
        [d for d in devices if not text.isdecimal() and text in d.name.lower()],
    ]
    for matches in fitting:
        if matches:
            return matches[0]
    raise DeviceNotFoundError(
        f"no sound device for {kind} is called {str(wanted)!r}{origin}; there are: "
        f"{_names(devices)}"
    )


def _usual(devices: list[DeviceInfo], kind: str) -> DeviceInfo:
    for device in devices:
        if any(name in device.name.lower() for name in _PREFERRED):
            return device
    for device in devices:
        if device.is_default_input if kind == "input" else device.is_default_output:
            return device
    raise DeviceNotFoundError(
        f"there is no default sound device for {kind}; plug one in or name one of: "
        f"{_names(devices)}"
    )


def _names(devices: list[DeviceInfo]) -> str:
    return ", ".join(f"{d.index} {d.name!r}" for d in devices) or "none at all"


def open_stream(kind: Literal["input", "output"], device: DeviceInfo, **settings: Any) -> Any:
    """Open, and do not start, a raw int16 stream of sounddevice's on ``device``.

    Raises:
        DeviceError: the device does not take these settings, or is in use.
        MissingExtraError: see :func:`library`.
    """
    sd = library()
    stream_type = sd.RawInputStream if kind == "input" else sd.RawOutputStream
    try:
        return stream_type(device=device.index, dtype="int16", **settings)
    except sd.PortAudioError as error:
        most = device.inputs if kind == "input" else device.outputs
        raise DeviceError(
            f"{device.name!r} cannot be opened for {kind} with {settings['channels']} channels at "
            f"{settings['samplerate']} Hz ({error}); it has up to {most} channels and prefers "
            f"{device.default_rate} Hz: ask for those, or close the program that uses it"
        ) from error


def start_stream(stream: Any, name: str) -> None:
    """Start an open stream.

    Raises:
        DeviceError: the device refuses.
    """
    try:
        stream.start()
    except library().PortAudioError as error:
        raise DeviceError(f"{name!r} does not start: {error}") from error
