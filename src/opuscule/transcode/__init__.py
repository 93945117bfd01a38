"""Audio files into Opus and back.

``open_audio`` reads whatever holds audio, Opus included, as PCM; ``encode_file`` and
``decode_file`` are what the commands of these names do.
"""

from opuscule.transcode.decoding import Decoded, decode_file
from opuscule.transcode.encoding import MAX_CHANNELS, Encoded, encode_file
from opuscule.transcode.reading import OpusReader, Progress, open_audio
from opuscule.transcode.targets import (
    PACKET_ENDINGS,
    PACKET_FORMATS,
    SOUND_ENDINGS,
    SOUND_FORMATS,
)

__all__ = [
    "MAX_CHANNELS",
    "PACKET_ENDINGS",
    "PACKET_FORMATS",
    "SOUND_ENDINGS",
    "SOUND_FORMATS",
    "Decoded",
    "Encoded",
    "OpusReader",
    "Progress",
    "decode_file",
    "encode_file",
    "open_audio",
]
