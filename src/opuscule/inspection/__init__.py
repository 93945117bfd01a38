"""What is in a file of Opus packets, found by reading all of it once, without decoding.

:func:`inspect_file` sums a file up; :func:`inspect_packets` says what each packet is. Both work in
pieces and keep a bounded part of what they find, so a file of a day costs no more memory than one
of a second.
"""

from opuscule.inspection.coding import Coding, InspectedPacket, inspect_packets
from opuscule.inspection.report import (
    MAX_LISTED,
    CodingChange,
    FileReport,
    LinkReport,
)
from opuscule.inspection.tally import inspect_file

__all__ = [
    "MAX_LISTED",
    "Coding",
    "CodingChange",
    "FileReport",
    "InspectedPacket",
    "LinkReport",
    "inspect_file",
    "inspect_packets",
]
