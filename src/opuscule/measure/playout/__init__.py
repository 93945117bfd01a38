"""Why a call sounded bad: a network's trace or a capture played, and explained."""

from opuscule.measure.playout.calls import (
    Call,
    Sent,
    call_of_audio,
    call_of_capture,
    has_capture,
    read_reference,
)
from opuscule.measure.playout.files import as_dict, write_log, write_sound
from opuscule.measure.playout.report import PlayedCall, play_call
from opuscule.measure.playout.traces import Fate, Trace, read_trace

__all__ = [
    "Call",
    "Fate",
    "PlayedCall",
    "Sent",
    "Trace",
    "as_dict",
    "call_of_audio",
    "call_of_capture",
    "has_capture",
    "play_call",
    "read_reference",
    "read_trace",
    "write_log",
    "write_sound",
]
