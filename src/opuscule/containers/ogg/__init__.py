"""Ogg Opus files (RFC 7845): packets with their media time, gaps where audio is missing.

:class:`OggReader` reads a file with one stream, :func:`read_links` one with several chained;
:class:`OggWriter` writes. The work is done by the native module; this is its typed face over binary
files, which are read and written in pieces, whatever their size.
"""

from opuscule.containers.ogg.columns import PacketColumns
from opuscule.containers.ogg.pictures import Picture, PictureType, find_comments, find_pictures
from opuscule.containers.ogg.reader import OggLink, OggReader, read_links
from opuscule.containers.ogg.repair import LinkRepair, Repair, repair
from opuscule.containers.ogg.streams import OggStream, list_streams
from opuscule.containers.ogg.writer import OggWriter

__all__ = [
    "LinkRepair",
    "OggLink",
    "OggReader",
    "OggStream",
    "OggWriter",
    "PacketColumns",
    "Picture",
    "PictureType",
    "Repair",
    "find_comments",
    "find_pictures",
    "list_streams",
    "read_links",
    "repair",
]
