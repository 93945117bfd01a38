"""A played call in a terminal: its delay over time, and what the sound was made from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opuscule.measure.playout.account import name_of, of_the_stream, timed, track_of
from opuscule.measure.playout.report import PlayedCall
from opuscule.playout import PlayedSpan

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["COLOURS", "LETTERS", "to_text"]

COLOURS = {
    "received": "#4caf72",
    "fec": "#2aa5c9",
    "dred": "#4466dd",
    "stretched": "#d9b326",
    "plc": "#e2542d",
    "comfort_noise": "#b08fc7",
    "silence": "#7a7a7a",
}
"""Of what sound is made from."""

LETTERS = {
    "received": ".",
    "fec": "f",
    "dred": "d",
    "stretched": "s",
    "plc": "x",
    "comfort_noise": "n",
    "silence": "_",
}
"""The same where there is no colour."""

_ROWS = 4
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_LEAST_SHARE = 0.02
"""What is less of a column is not shown."""


def to_text(played: PlayedCall, width: int, *, is_plain: bool) -> "Text":
    """Draw it, for rich to print.

    Two charts over the same time: the greatest delay in each column, and below it how much of the
    column is not as it was received, in the colour of what most of that is made from.

    Args:
        played: the call.
        width: in letters, the words at the left included.
        is_plain: in ASCII and without colour.
    """
    from rich.text import Text

    room = max(8, width - 10)
    spans = played.simulated.spans
    end_ms = sum(span.samples for _, span in _in_stream(played)) / 48 + _begin_ms(played)
    text = Text(no_wrap=True)
    if end_ms <= 0:
        return text.append("nothing was heard\n")
    column_ms = end_ms / room
    delays = [0.0] * room
    for at_ms, delay_ms, samples in track_of(spans):
        for column in _columns(at_ms, at_ms + samples / 48, column_ms, room):
            delays[column] = max(delays[column], delay_ms)
    top = max(delays) or 1.0
    for row in reversed(range(_ROWS)):
        word = {_ROWS - 1: f"{top:.0f} ms", 0: "delay"}.get(row, "")
        text.append(f"{word:>8} ")
        text.append(
            "".join(_bar(delay / top * _ROWS - row, is_plain) for delay in delays) + "\n",
            "" if is_plain else "cyan",
        )
    shares = _shares(played, column_ms, room)
    text.append(f"{'made of':>8} ")
    for share in shares:
        text.append(*_cell(share, is_plain))
    text.append("\n" + _time_line(end_ms / 1000, room) + "\n" + " " * 9)
    seen = (name for share in shares for name, of in share.items() if of >= _LEAST_SHARE)
    for name in dict.fromkeys(seen):
        text.append(LETTERS[name] if is_plain else "█", COLOURS[name])
        text.append(f" {name.replace('_', ' ')}  ")
    return text


def _begin_ms(played: PlayedCall) -> float:
    return next((at for at, _ in _in_stream(played)), 0) / 48


def _in_stream(played: PlayedCall) -> list[tuple[int, PlayedSpan]]:
    spans = played.simulated.spans
    first, stop = of_the_stream(spans)
    return list(timed(spans))[first:stop]


def _columns(begin_ms: float, end_ms: float, column_ms: float, room: int) -> Iterator[int]:
    first = int(begin_ms / column_ms)
    yield from range(min(first, room - 1), min(room, int(end_ms / column_ms - 1e-9) + 1))


def _bar(eights: float, is_plain: bool) -> str:
    if is_plain:
        return "#" if eights >= 0.5 else " "
    return _EIGHTHS[max(0, min(8, round(8 * eights)))]


def _shares(played: PlayedCall, column_ms: float, room: int) -> list[dict[str, float]]:
    found: list[dict[str, float]] = [{} for _ in range(room)]
    for at, span in _in_stream(played):
        begin_ms, end_ms = at / 48, (at + span.samples) / 48
        for column in _columns(begin_ms, end_ms, column_ms, room):
            inside = min(end_ms, (column + 1) * column_ms) - max(begin_ms, column * column_ms)
            share = found[column]
            share[name_of(span)] = share.get(name_of(span), 0.0) + inside / column_ms
    return found


def _cell(share: dict[str, float], is_plain: bool) -> tuple[str, str]:
    """The letter and the style of a column."""
    if not share:
        return " ", ""
    others = {name: of for name, of in share.items() if name != "received" and of >= _LEAST_SHARE}
    if not others:
        return ("." if is_plain else "▁"), "" if is_plain else COLOURS["received"]
    most = max(others, key=lambda name: others[name])
    if is_plain:
        return LETTERS[most], ""
    height = max(2, min(8, round(8 * sum(others.values()))))
    return _EIGHTHS[height], COLOURS[most]


def _time_line(end_s: float, room: int) -> str:
    every = next(
        (s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if end_s / s * 8 <= room), 1200
    )
    line = [" "] * (room + 10)
    for n in range(int(end_s / every) + 1):
        word = f"{n * every:g} s"
        place = 9 + int(n * every / end_s * (room - 1))
        line[place : place + len(word)] = word
    return "".join(line).rstrip()
