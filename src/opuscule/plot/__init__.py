"""Recordings to be seen: waveform and spectrogram, as PNG or in a terminal."""

from opuscule.plot.picture import Panes, to_png
from opuscule.plot.survey import Survey, survey
from opuscule.plot.terminal import to_ascii, to_blocks

__all__ = ["Panes", "Survey", "survey", "to_ascii", "to_blocks", "to_png"]
