"""A survey as a PNG file: panes, and axes with times, frequencies and levels."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

from opuscule.errors import InvalidArgumentError
from opuscule.plot import colours, font
from opuscule.plot.png import write_png
from opuscule.plot.survey import Survey, import_numpy

if TYPE_CHECKING:
    from opuscule.plot.colours import Pixels

__all__ = [
    "MIN_HEIGHT",
    "MIN_WIDTH",
    "Panes",
    "frequency_ticks",
    "frequency_word",
    "plot_width",
    "time_ticks",
    "time_word",
    "to_png",
]

Panes: TypeAlias = Literal["both", "waveform", "spectrogram"]
"""What is drawn."""

MIN_WIDTH, MIN_HEIGHT = 320, 120
"""The smallest picture that its letters fit into."""

_LEFT, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 112, 112, 12, 32, 12
_TICK = 5
_TEXT, _LINE = (205, 210, 220), (120, 128, 145)
_SCALE = 2
"""Pixels to a dot of a letter."""
_LETTER_WIDTH, _LETTER_HEIGHT = font.ADVANCE * _SCALE, font.HEIGHT * _SCALE
_BAR_WIDTH = 12


def plot_width(width: int) -> int:
    """Tell how many columns a picture has room for."""
    return width - _LEFT - _RIGHT


def to_png(survey: Survey, width: int = 1200, height: int = 600, panes: Panes = "both") -> bytes:
    """Draw a survey as a PNG file.

    Lost or damaged time is red, time that was never sent is grey-blue. The spectrogram has 80 dB
    below its brightest, which the bar beside it names in dBFS of a sine.

    Args:
        survey: best with :func:`plot_width` of ``width`` columns.
        width: of the picture in pixels, axes included; at least 320.
        height: the same; at least 120.
        panes: what to draw.

    Raises:
        InvalidArgumentError: a value is out of its range.
        MissingExtraError: NumPy is not installed.
    """
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        raise InvalidArgumentError(
            f"a picture of {width} × {height} is wanted; at least {MIN_WIDTH} × {MIN_HEIGHT}"
        )
    if panes not in ("both", "waveform", "spectrogram"):
        raise InvalidArgumentError(f"{panes!r} is wanted; expected both, waveform or spectrogram")
    np = import_numpy()
    canvas = np.full((height, width, 3), colours.BACKGROUND, np.uint8)
    room, inner = height - _TOP - _BOTTOM, plot_width(width)
    high = room // 3 if panes == "both" else room
    top = _TOP
    if panes != "spectrogram":
        canvas[top : top + high, _LEFT : _LEFT + inner] = colours.waveform(survey, inner, high)
        _level_axis(canvas, survey, top, high)
        top += high + _BETWEEN
    if panes != "waveform":
        high = _TOP + room - top
        canvas[top : top + high, _LEFT : _LEFT + inner] = colours.spectrogram(survey, inner, high)
        _frequency_axis(canvas, survey, top, high)
        _bar(canvas, survey, top, high)
    _time_axis(canvas, survey, inner, _TOP + room)
    return write_png(width, height, canvas.tobytes())


def _level_axis(canvas: "Pixels", survey: Survey, top: int, height: int) -> None:
    peak = max(float(abs(survey.minimum).max()), float(abs(survey.maximum).max()))
    word = f"{20 * math.log10(peak):.1f} dB" if peak else "0"
    for row, text in ((top, word), (top + height // 2, "0")):
        canvas[row, _LEFT - _TICK : _LEFT] = _LINE
        _write(canvas, text, row, right=_LEFT - _TICK - 3, top=top)


def _frequency_axis(canvas: "Pixels", survey: Survey, top: int, height: int) -> None:
    most = survey.rate / 2
    for hz in frequency_ticks(most, max(2, height // (2 * _LETTER_HEIGHT))):
        row = top + height - 1 - round(hz / most * (height - 1))
        canvas[row, _LEFT - _TICK : _LEFT] = _LINE
        _write(canvas, frequency_word(hz), row, right=_LEFT - _TICK - 3, top=top)


def _time_axis(canvas: "Pixels", survey: Survey, width: int, row: int) -> None:
    canvas[row, _LEFT : _LEFT + width] = _LINE
    start = survey.start_sample / survey.rate
    for seconds, word in time_ticks(start, survey.duration_s, max(1, width // 110)):
        column = _LEFT + min(width - 1, round((seconds - start) / survey.duration_s * width))
        canvas[row : row + _TICK, column] = _LINE
        half = len(word) * _LETTER_WIDTH // 2
        left = min(max(column - half, 0), canvas.shape[1] - 2 * half)
        _write(canvas, word, row + _TICK + 4 + _LETTER_HEIGHT // 2, left=left)


def _bar(canvas: "Pixels", survey: Survey, top: int, height: int) -> None:
    """Say what the colours mean."""
    np = import_numpy()
    left = canvas.shape[1] - _RIGHT + 10
    canvas[top : top + height, left : left + _BAR_WIDTH] = colours.gradient(
        np.linspace(1, 0, height)
    )[:, None]
    brightest = colours.top_db(survey)
    step = 20 if height > 5 * _LETTER_HEIGHT else 40
    for below in range(0, colours.RANGE_DB + 1, step):
        row = top + round(below / colours.RANGE_DB * (height - 1))
        word = f"{brightest - below}" + (" dB" if not below else "")
        _write(canvas, word, row, left=left + _BAR_WIDTH + 4, top=top)


def _write(
    canvas: "Pixels", text: str, row: int, *, left: int = 0, right: int | None = None, top: int = 0
) -> None:
    """Write a text with its middle at a row, from ``left`` on or up to ``right``."""
    if right is not None:
        left = right - len(text) * _LETTER_WIDTH + _SCALE
    row = max(top, row - _LETTER_HEIGHT // 2)
    for column, line in font.dots(text):
        x, y = max(0, left + column * _SCALE), row + line * _SCALE
        canvas[y : y + _SCALE, x : x + _SCALE] = _TEXT


def frequency_ticks(most_hz: float, count: int) -> Iterator[int]:
    """Choose round frequencies from 0 to the highest, about so many."""
    step = next(_round_steps(most_hz / count))
    return (round(number * step) for number in range(int(most_hz / step) + 1))


def frequency_word(hz: int) -> str:
    """Say a frequency: ``0``, ``500 Hz``, ``4 kHz``."""
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz} Hz" if hz else "0"


def time_ticks(start_s: float, duration_s: float, count: int) -> Iterator[tuple[float, str]]:
    """Choose round times within a stretch, at most about so many, and say them."""
    least = duration_s / count
    clock = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
    step: float = next(
        (step for step in clock if least <= step), 86_400 * math.ceil(least / 86_400)
    )
    if least < 1:
        step = next(_round_steps(least))
    number = math.ceil(round(start_s / step, 6))
    while number * step <= start_s + duration_s + 1e-9:
        yield number * step, time_word(number * step, step)
        number += 1


def time_word(seconds: float, step: float) -> str:
    """Say a time, as fine as the steps: ``0.25 s``, ``1:05``, ``1:00:05``."""
    digits = max(0, -math.floor(math.log10(step))) if step < 1 else 0
    whole, rest = divmod(round(seconds, digits), 60)
    tail = f"{rest:0{3 + digits if digits else 2}.{digits}f}"
    hours, minutes = divmod(int(whole), 60)
    if hours:
        return f"{hours}:{minutes:02}:{tail}"
    return f"{minutes}:{tail}" if minutes or not digits else f"{rest:.{digits}f} s"


def _round_steps(least: float) -> Iterator[float]:
    """Yield 1, 2 and 5 with zeros, not below a number."""
    power = 10 ** math.floor(math.log10(least))
    while True:
        yield from (step * power for step in (1, 2, 5) if step * power >= least * 0.999)
        power *= 10
