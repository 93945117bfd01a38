"""What reaches the ear: packets pushed as they arrive, samples pulled as they play."""

from opuscule.playout.account import Missing, Origin, Pace, PlayedSpan, PlayoutStats
from opuscule.playout.decoding import DecodedPiece, StreamDecoder
from opuscule.playout.engine import Mode, Playout, Pushed

__all__ = [
    "DecodedPiece",
    "Missing",
    "Mode",
    "Origin",
    "Pace",
    "PlayedSpan",
    "Playout",
    "PlayoutStats",
    "Pushed",
    "StreamDecoder",
]
