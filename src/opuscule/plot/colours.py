"""Surveys as pixels: the panes of a picture, without axes."""

from typing import TYPE_CHECKING, Any

from opuscule.plot.survey import Survey, import_numpy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

__all__ = [
    "BACKGROUND",
    "LOST",
    "RANGE_DB",
    "UNSENT",
    "gradient",
    "loudness",
    "mark_missing",
    "spectrogram",
    "top_db",
    "waveform",
]

BACKGROUND = (16, 18, 24)
_PEAK, _RMS, _AXIS = (70, 130, 180), (150, 205, 235), (60, 66, 80)
LOST = (230, 30, 90)
"""Lost or damaged media time."""
UNSENT = (70, 80, 105)
"""Media time that was never sent."""
RANGE_DB = 80
"""From the darkest to the brightest of a spectrogram."""
_FLOOR = 1e-14
# From dark to bright, evenly spaced.
_GRADIENT = (
    (4, 4, 16),
    (40, 14, 84),
    (112, 24, 110),
    (190, 54, 82),
    (240, 110, 40),
    (250, 190, 50),
    (252, 252, 200),
)


def top_db(survey: Survey) -> int:
    """Tell what is brightest: the strongest bin, in dBFS of a sine, rounded up to ten."""
    np = import_numpy()
    strongest = 10 * np.log10(max(survey.power.max(initial=0), _FLOOR))
    return min(0, int(np.ceil(strongest / 10)) * 10)


def gradient(values: Any) -> "Pixels":
    """Colours for values from 0 to 1; their shape and three."""
    np = import_numpy()
    places = np.linspace(0, 1, len(_GRADIENT))
    channels = [np.interp(values, places, part) for part in zip(*_GRADIENT, strict=True)]
    found: Pixels = np.stack(channels, axis=-1).astype(np.uint8)
    return found


def loudness(survey: Survey, width: int, height: int) -> Any:
    """Give each pixel of a spectrogram 0 to 1, high frequencies at the top.

    Where several bins or columns fall on a pixel it has the strongest.
    """
    np = import_numpy()
    power = survey.power[_columns(survey, width)]
    bins = power.shape[1]
    edges = np.minimum(np.arange(height) * bins // height, bins - 1)
    rows = np.maximum.reduceat(power, edges, axis=1) if height <= bins else power[:, edges]
    decibels = 10 * np.log10(np.maximum(rows.T[::-1], _FLOOR))
    return np.clip((decibels - top_db(survey)) / RANGE_DB + 1, 0, 1)


def spectrogram(survey: Survey, width: int, height: int) -> "Pixels":
    """Draw the spectrogram: shape ``(height, width, 3)``."""
    return mark_missing(survey, gradient(loudness(survey, width, height)))


def waveform(survey: Survey, width: int, height: int) -> "Pixels":
    """Draw the waveform, its peak at the edge: from lowest to highest, and within ±RMS brighter."""
    np = import_numpy()
    columns = _columns(survey, width)
    peak = max(np.abs(survey.minimum).max(), np.abs(survey.maximum).max()) or 1
    middle = (height - 1) / 2
    rows = np.arange(height)[:, None]

    def row_of(values: Any) -> Any:
        return middle * (1 - values[columns] / peak)

    pixels = np.full((height, width, 3), BACKGROUND, np.uint8)
    pixels[height // 2] = _AXIS
    # Each column reaches to the one before it; half a dot more, so that silence is a line.
    top, foot = row_of(survey.maximum), row_of(survey.minimum)
    top[1:], foot[1:] = np.minimum(top[1:], foot[:-1]), np.maximum(foot[1:], top[:-1])
    inside = (rows >= top - 0.5) & (rows <= foot + 0.5)
    pixels[inside] = _PEAK
    loud = (rows >= row_of(survey.rms)) & (rows <= row_of(-survey.rms))
    pixels[inside & loud] = _RMS
    return mark_missing(survey, pixels)


def mark_missing(survey: Survey, pixels: "Pixels") -> "Pixels":
    """Colour what is missing: a column if half of it is, else as much of its foot."""
    np = import_numpy()
    height, width = pixels.shape[:2]
    columns = _columns(survey, width)
    for part, colour in ((survey.unsent, UNSENT), (survey.lost, LOST)):
        pixels[:, part[columns] >= 0.5] = colour
        foot = pixels[-max(1, height // 40) :]
        foot[:, np.flatnonzero(part[columns] > 0)] = colour
    return pixels


def _columns(survey: Survey, width: int) -> Any:
    np = import_numpy()
    return np.arange(width) * survey.columns // width
