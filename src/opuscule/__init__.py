"""Opus audio from a microphone to an ear and to an archive.

Importing this module loads nothing heavy: no NumPy, no zarr, no network. What is asked for is
imported when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING

from opuscule import errors
from opuscule._native import __version__
from opuscule.errors import OpusculeError

if TYPE_CHECKING:
    from opuscule.archive import open_archive
    from opuscule.client import connect
    from opuscule.codec import Decoder, Encoder, EncoderSettings, StreamEncoder, libopus_version
    from opuscule.handlers import Utterance
    from opuscule.packets import Gap, GapKind, Packet, StreamFormat
    from opuscule.playout import Playout
    from opuscule.server import Server, serve
    from opuscule.sync import talk

__all__ = [
    "Decoder",
    "Encoder",
    "EncoderSettings",
    "Gap",
    "GapKind",
    "OpusculeError",
    "Packet",
    "Playout",
    "Server",
    "StreamEncoder",
    "StreamFormat",
    "Utterance",
    "__version__",
    "connect",
    "errors",
    "libopus_version",
    "open_archive",
    "serve",
    "talk",
]

_LATER = {
    "Decoder": "opuscule.codec",
    "Encoder": "opuscule.codec",
    "EncoderSettings": "opuscule.codec",
    "Gap": "opuscule.packets",
    "GapKind": "opuscule.packets",
    "Packet": "opuscule.packets",
    "Playout": "opuscule.playout",
    "Server": "opuscule.server",
    "StreamEncoder": "opuscule.codec",
    "StreamFormat": "opuscule.packets",
    "Utterance": "opuscule.handlers",
    "connect": "opuscule.client",
    "libopus_version": "opuscule.codec",
    "open_archive": "opuscule.archive",
    "serve": "opuscule.server",
    "talk": "opuscule.sync",
}


if not TYPE_CHECKING:  # to whom any name would be one of ours, of type Any

    def __getattr__(name: str) -> object:
        if name in _LATER:
            return getattr(importlib.import_module(_LATER[name]), name)
        raise AttributeError(f"module 'opuscule' has no attribute {name!r}")
