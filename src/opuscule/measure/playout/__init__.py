"""Why a call sounded bad: a network's trace or a capture played, and explained."""

from opuscule.measure.playout.account import Delays, MadeUp, SpeechGap, SpeechHeard
from opuscule.measure.playout.calls import Call, Sent, read_reference
from opuscule.measure.playout.calls_of_audio import call_of_audio
from opuscule.measure.playout.calls_of_capture import call_of_capture, has_capture
from opuscule.measure.playout.files import as_dict, write_log, write_sound
from opuscule.measure.playout.network import Network
from opuscule.measure.playout.picture import write_picture
from opuscule.measure.playout.quality import Piece, Quality
from opuscule.measure.playout.report import Interruptions, PlayedCall, play_call
from opuscule.measure.playout.simulation import PlayoutArguments, Simulated
from opuscule.measure.playout.terminal import to_text
from opuscule.measure.playout.traces import Fate, Trace, read_trace

__all__ = [
    "Call",
    "Delays",
    "Fate",
    "Interruptions",
    "MadeUp",
    "Network",
    "Piece",
    "PlayedCall",
    "PlayoutArguments",
    "Quality",
    "Sent",
    "Simulated",
    "SpeechGap",
    "SpeechHeard",
    "Trace",
    "as_dict",
    "call_of_audio",
    "call_of_capture",
    "has_capture",
    "play_call",
    "read_reference",
    "read_trace",
    "to_text",
    "write_log",
    "write_picture",
    "write_sound",
]
