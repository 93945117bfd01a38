"""A survey in a terminal: half blocks in 24-bit colour, or plain ASCII."""

from typing import TYPE_CHECKING

from opuscule.plot import colours
from opuscule.plot.picture import Panes, frequency_ticks, frequency_word, time_ticks
from opuscule.plot.survey import Survey, import_numpy

if TYPE_CHECKING:
    from rich.text import Text

    from opuscule.plot.colours import Pixels

__all__ = ["AXIS_LETTERS", "to_ascii", "to_blocks"]

AXIS_LETTERS = 9
"""Room for the words left of the panes."""

_RAMP = " .:-=+*#%@"


def to_blocks(survey: Survey, width: int, height: int, panes: Panes = "both") -> "Text":
    """Draw in half blocks, two pixels to a letter, for rich to print.

    Args:
        survey: best with ``width - AXIS_LETTERS`` columns.
        width: in letters, axes included.
        height: the same.
        panes: what to draw.

    Raises:
        MissingExtraError: NumPy is not installed.
    """
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    inner, text = width - AXIS_LETTERS, Text(no_wrap=True)
    for rows, words, is_wave in _layout(survey, height, panes):
        draw = colours.waveform if is_wave else colours.spectrogram
        pixels: Pixels = draw(survey, inner, 2 * rows)
        for row in range(rows):
            text.append(_left(words.get(row, "")))
            for above, below in zip(
                pixels[2 * row].tolist(), pixels[2 * row + 1].tolist(), strict=True
            ):
                style = Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below))
                text.append("▀", style)
            text.append("\n")
    return text.append(_time_line(survey, inner))


def to_ascii(survey: Survey, width: int, height: int, panes: Panes = "both") -> str:
    """Draw in plain letters: the louder the denser; ``x`` is lost, ``~`` was never sent.

    Arguments as :func:`to_blocks`.

    Raises:
        MissingExtraError: NumPy is not installed.
    """
    np = import_numpy()
    inner, lines = width - AXIS_LETTERS, list[str]()
    columns = np.arange(inner) * survey.columns // inner
    lost, unsent = survey.lost[columns] > 0, survey.unsent[columns] >= 0.5
    for rows, words, is_wave in _layout(survey, height, panes):
        if is_wave:
            letters = _wave_letters(survey, columns, rows)
        else:
            values = colours.loudness(survey, inner, rows)
            letters = np.array(list(_RAMP))[(values * (len(_RAMP) - 1)).round().astype(int)]
        letters[:, unsent] = "~"
        letters[:, survey.lost[columns] >= 0.5] = "x"
        letters[-1, lost] = "x"
        lines += [_left(words.get(row, "")) + "".join(line) for row, line in enumerate(letters)]
    return "\n".join([*lines, _time_line(survey, inner)])


def _wave_letters(survey: Survey, columns: "Pixels", rows: int) -> "Pixels":
    np = import_numpy()
    peak = max(np.abs(survey.minimum).max(), np.abs(survey.maximum).max()) or 1
    # A row stands for what is nearest to its middle.
    levels = 1 - 2 * (np.arange(rows)[:, None] + 0.5) / rows
    half = 1 / rows
    low, high = survey.minimum[columns] / peak, survey.maximum[columns] / peak
    rms = survey.rms[columns] / peak
    letters = np.full((rows, len(columns)), " ")
    letters[rows // 2] = "-"
    letters[(levels - half < high) & (levels + half > low) & (np.maximum(high, -low) > half)] = ":"
    letters[(np.abs(levels) < rms) & (rms > half)] = "#"
    found: Pixels = letters
    return found


def _layout(survey: Survey, height: int, panes: Panes) -> list[tuple[int, dict[int, str], bool]]:
    """Give each pane its rows, the words beside them, and whether it is the waveform."""
    room = max(2, height - 1)
    wave = {"both": max(1, room // 3), "waveform": room, "spectrogram": 0}[panes]
    found = []
    if wave:
        found.append((wave, {wave // 2: "0"}, True))
    if rows := room - wave:
        most = survey.rate / 2
        words = {
            rows - 1 - round(hz / most * (rows - 1)): frequency_word(hz)
            for hz in frequency_ticks(most, max(2, rows // 4))
        }
        found.append((rows, words, False))
    return found


def _left(word: str) -> str:
    return f"{word:>{AXIS_LETTERS - 1}} "


def _time_line(survey: Survey, width: int) -> str:
    start = survey.start_sample / survey.rate
    line = [" "] * (AXIS_LETTERS + width)
    free = 0
    for seconds, word in time_ticks(start, survey.duration_s, max(1, width // 12)):
        place = AXIS_LETTERS + round((seconds - start) / survey.duration_s * (width - 1))
        place = min(place, len(line) - len(word))
        if place >= free:
            line[place : place + len(word)] = word
            free = place + len(word) + 1
    return "".join(line).rstrip()
