"""What a source file says of the recording beside its samples: tags, recorders, start time."""

from opuscule.containers.metadata.bext import Bext, parse_bext, parse_info
from opuscule.containers.metadata.chunks import Chunk, WavChunks, read_chunks
from opuscule.containers.metadata.moment import Start, parse_zone
from opuscule.containers.metadata.source import SourceMetadata, read_tags, read_wav_metadata
from opuscule.containers.metadata.texts import parse_audiomoth, parse_guano, parse_ixml

__all__ = [
    "Bext",
    "Chunk",
    "SourceMetadata",
    "Start",
    "WavChunks",
    "parse_audiomoth",
    "parse_bext",
    "parse_guano",
    "parse_info",
    "parse_ixml",
    "parse_zone",
    "read_chunks",
    "read_tags",
    "read_wav_metadata",
]
