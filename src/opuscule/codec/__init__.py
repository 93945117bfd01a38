"""Opus encoder and decoder.

PCM goes in as anything with a buffer: ``bytes`` (int16, native order), ``array.array``, NumPy, of
int16 or float32 samples, interleaved. It comes out as a read-only ``memoryview`` of shape
``(samples, channels)``, which ``numpy.asarray`` takes without a copy and ``bytes`` flattens.

An encoder or decoder may move between threads and may not be in two at once: the second gets a
:class:`~opuscule.errors.ConcurrentUseError`. The GIL is released while libopus runs, so two objects
on two threads use two cores.
"""

from opuscule._native import libopus_version, packet_duration
from opuscule.codec.concealment import Concealed, ConcealedSpan, Means
from opuscule.codec.decoder import Decoder, DecoderSettings
from opuscule.codec.encoder import Encoder
from opuscule.codec.pcm import Buffer, Pcm, as_pcm
from opuscule.codec.settings import (
    ARCHIVE,
    DEEP,
    MUSIC,
    PRESETS,
    VOICE,
    VOICE_LOSSY,
    VOICE_LOW_CPU,
    Application,
    Bandwidth,
    EncoderSettings,
    SettingsOverrides,
    Signal,
    preset_settings,
)
from opuscule.codec.stream import StreamEncoder, is_dtx
from opuscule.packets import SAMPLE_BYTES, SampleFormat

__all__ = [
    "ARCHIVE",
    "DEEP",
    "MUSIC",
    "PRESETS",
    "SAMPLE_BYTES",
    "VOICE",
    "VOICE_LOSSY",
    "VOICE_LOW_CPU",
    "Application",
    "Bandwidth",
    "Buffer",
    "Concealed",
    "ConcealedSpan",
    "Decoder",
    "DecoderSettings",
    "Encoder",
    "EncoderSettings",
    "Means",
    "Pcm",
    "SampleFormat",
    "SettingsOverrides",
    "Signal",
    "StreamEncoder",
    "as_pcm",
    "is_dtx",
    "libopus_version",
    "packet_duration",
    "preset_settings",
]
