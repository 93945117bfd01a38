"""Opus audio from a microphone to an ear and to an archive.

Importing this module loads the codec and nothing heavy: no NumPy, no zarr, no network. What needs
more is imported when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from opuscule import errors
from opuscule._native import __version__
from opuscule.codec import Decoder, Encoder, EncoderSettings, StreamEncoder, libopus_version
from opuscule.errors import OpusculeError
from opuscule.packets import Gap, GapKind, Packet, StreamFormat
from opuscule.playout import Playout

if TYPE_CHECKING:
    from opuscule.archive import open_archive
    from opuscule.client import connect
    from opuscule.handlers import Utterance
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
    "Server": "opuscule.server",
    "Utterance": "opuscule.handlers",
    "connect": "opuscule.client",
    "open_archive": "opuscule.archive",
    "serve": "opuscule.server",
    "talk": "opuscule.sync",
}


def __getattr__(name: str) -> Any:  # what a module's attribute is
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'opuscule' has no attribute {name!r}")
