"""Where audio comes from and where it goes: sound devices, files, computed signals, nothing."""

from opuscule.devices.base import Block, Sink, Source
from opuscule.devices.files import FileSink, FileSource, NullSink
from opuscule.devices.microphone import MicrophoneSource
from opuscule.devices.portaudio import DeviceInfo, find_device, list_devices
from opuscule.devices.speaker import SpeakerSink
from opuscule.devices.synthetic import Signal, SignalSource, parse_signal

__all__ = [
    "Block",
    "DeviceInfo",
    "FileSink",
    "FileSource",
    "MicrophoneSource",
    "NullSink",
    "Signal",
    "SignalSource",
    "Sink",
    "Source",
    "SpeakerSink",
    "find_device",
    "list_devices",
    "open_sink",
    "open_source",
    "parse_signal",
]


def open_source(
    spec: str,
    *,
    rate: int = 16_000,
    channels: int = 1,
    block_ms: float = 20,
    paced: bool = True,
) -> Source:
    """Open what a person named.

    Args:
        spec: ``mic``, ``mic:NAME`` (a part of a device's name, or its number), a signal such as
            ``tone:440:2s`` (:func:`parse_signal`), or else the path of an audio file. A file with
            such a name is meant by ``./mic``.
        rate: frames a second to hand out, in Hz.
        channels: samples in a frame.
        block_ms: how long a block is, 1 to 1000 ms.
        paced: False hands out files and signals as fast as they are taken.

    Raises:
        DeviceError, FormatError, InvalidArgumentError, MissingExtraError, OSError: as the source
            that it names.
    """
    kind, _, name = spec.partition(":")
    if kind == "mic":
        return MicrophoneSource(name or None, rate=rate, channels=channels, block_ms=block_ms)
    signal = parse_signal(spec)
    if signal is not None:
        return SignalSource(signal, rate=rate, channels=channels, block_ms=block_ms, paced=paced)
    return FileSource(spec, rate=rate, channels=channels, block_ms=block_ms, paced=paced)


def open_sink(
    spec: str, *, rate: int = 16_000, channels: int = 1, paced: bool | None = None
) -> Sink:
    """Open what a person named.

    Args:
        spec: ``speaker``, ``speaker:NAME``, ``null``, or else the path of a WAV file to write.
        rate: frames a second that will be written, in Hz.
        channels: samples in a frame.
        paced: whether ``null`` and files take audio no faster than it would be heard; None paces
            ``null`` and not files.

    Raises:
        DeviceError, InvalidArgumentError, MissingExtraError, OSError: as the sink that it names.
    """
    kind, _, name = spec.partition(":")
    if kind == "speaker":
        return SpeakerSink(name or None, rate=rate, channels=channels)
    if spec == "null":
        return NullSink(rate, channels, paced=paced is not False)
    return FileSink(spec, rate, channels, paced=bool(paced))
