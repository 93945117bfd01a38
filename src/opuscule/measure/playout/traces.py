"""Traces: what a network did to packets, as tables of text.

Columns are told by their names, in any order, separated by commas, semicolons, tabs or spaces; what
stands before the heading is left out, and so are other columns:

- ``send_ms`` and ``arrival_ms``, which is empty where the packet was lost. A number of the packet
  (``seq``) is not needed.
- What WebRTC's ``rtp_analyze`` and event logs print, and Wireshark exports: a sequence number, an
  RTP time stamp, an arrival; ``SendTime`` without ``arrival_ms`` is rtp_analyze's name for when a
  packet came. Numbers that are missing were lost. SSRC and payload type choose a stream.
"""

import codecs
import io
import math
import os
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from opuscule.errors import FormatError, InvalidArgumentError, UnsupportedFormatError
from opuscule.files import check_input
from opuscule.measure.playout.rtp import (
    MAX_CALL_S,
    MAX_PACKETS,
    Heard,
    chosen_stream,
    number,
    ordered,
)

__all__ = ["Fate", "Trace", "read_trace", "trace_of_text"]

_MAX_LINE_BYTES = 4096
_HEAD_LINES = 50
_MOST_MS = 1e15
"""Beyond every clock in use (epoch milliseconds are 2e12)."""
_CLOCKS_DIFFER_MS = 60_000
"""No packet takes a minute: the ends count from different moments."""
_ROWS_APART_MS = (0.2, 2000)
"""Packets are no closer, and probes no farther apart; 20 ms in seconds or in microseconds are."""
_PACES = (2 / 3, 1.5)
"""Arriving against sending, of which networks and clocks are within; mistaken units are not."""
_LEAST_ROWS = 10

_NAMES = {
    "send": ("send_ms", "sent_ms", "send_time_ms"),
    "arrival": ("arrival_ms", "arrival_time_ms", "recv_ms", "receive_time_ms", "sendtime"),
    "arrival_s": ("arrival_s", "frame.time_epoch", "frame.time_relative"),
    "sequence": ("seq", "seqno", "sequence", "sequence_number", "rtp.seq"),
    "timestamp": ("timestamp", "rtp_timestamp", "rtp.timestamp"),
    "ssrc": ("ssrc", "rtp.ssrc"),
    "payload_type": ("pt", "payload_type", "rtp.p_type"),
}
_COLUMN_OF = {name: column for column, names in _NAMES.items() for name in names}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of what was sent at one moment."""

    sent_ms: float
    """From the first one on."""
    arrival_ms: float | None
    """On the same clock; None when lost."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A network as it was for a while."""

    fates: tuple[Fate, ...]
    """In the order of sending; the first was sent at 0."""
    notes: tuple[str, ...] = ()
    """What was done to the table to read it."""

    @property
    def duration_ms(self) -> float:
        """From the first sending to the last, and as long again as from one to the next."""
        if len(self.fates) < 2:
            return 20.0
        last_ms = self.fates[-1].sent_ms
        return last_ms * len(self.fates) / (len(self.fates) - 1)


def read_trace(
    path: str | os.PathLike[str], *, ssrc: int | None = None, payload_type: int | None = None
) -> Trace:
    """Read a table of packets.

    Raises:
        FormatError: it is no such table; the message has the line.
        UnsupportedFormatError: it is too long.
        InvalidArgumentError: there is no such stream in it.
        OSError: see :func:`opuscule.files.check_input`.
    """
    found = check_input(path, expected="a trace")
    with found.open("rb") as file:
        # What PowerShell writes with ">".
        is_utf16 = file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        encoding = "utf-16" if is_utf16 else "utf-8-sig"
        try:
            text = io.TextIOWrapper(file, encoding=encoding, errors="strict", newline=None)
            return trace_of_text(text, ssrc=ssrc, payload_type=payload_type)
        except UnicodeDecodeError as error:
            raise FormatError(
                f"{path}: it is no text and no capture; expected what a network did, as a table"
                " with columns such as send_ms and arrival_ms, or as pcap or pcapng; the"
                " sound to send comes after it"
            ) from error
        except FormatError as error:
            raise type(error)(f"{path}: {error}") from error


def trace_of_text(
    text: io.TextIOBase, *, ssrc: int | None = None, payload_type: int | None = None
) -> Trace:
    """As :func:`read_trace`, of an open file."""
    rows = _rows(text)
    columns = next(rows)[1]
    names = set(columns)
    if {"send", "arrival"} <= names:
        if ssrc is not None or payload_type is not None:
            raise InvalidArgumentError(
                "a table of send_ms and arrival_ms has one stream, which needs no SSRC and no"
                " payload type to be chosen by: leave them out"
            )
        return _from_times(rows)
    if {"sequence", "timestamp"} <= names and names & {"arrival", "arrival_s"}:
        for column, given in (("ssrc", ssrc), ("payload_type", payload_type)):
            if given is not None and column not in names:
                raise InvalidArgumentError(
                    f"the table has no column {column} to choose a stream by: leave it out"
                )
        return _from_numbers(rows, ssrc, payload_type)
    raise FormatError(
        "a trace has the columns send_ms and arrival_ms, or sequence number, time stamp and"
        f" arrival (SeqNo, TimeStamp, SendTime); this one has {_named(names)}"
    )


def _named(columns: Iterable[str]) -> str:
    return ", ".join(sorted(_NAMES[column][0] for column in columns))


Row = tuple[int, Mapping[str, str]]
"""The number of a line and what is in its columns; of the heading, their names."""


def _rows(text: io.TextIOBase) -> Iterator[Row]:
    """The heading, then each row."""
    columns: list[str | None] = []
    separator: str | None = None
    first_line = ""
    needed = count = 0
    for n, line in _lines(text):
        first_line = first_line or line.strip()
        if not columns:
            separator = next((mark for mark in ",;\t" if mark in line), None)
            columns = [_COLUMN_OF.get(_cell(name).lower()) for name in line.split(separator)]
            known = [name for name in columns if name]
            if len(known) < 2:
                columns = []
                if n >= _HEAD_LINES:
                    break
                continue
            if twice := [name for name, times in Counter(known).items() if times > 1]:
                raise FormatError(f"line {n}: two columns say the same: {_named(twice)}")
            # "AuLvl (V)" is one column in two words, and what is empty between spaces is not there.
            needed = len(columns) - 2 if separator is None else columns.index(known[-1]) + 1
            yield n, dict.fromkeys(known, "")
        elif line.strip() and not line.startswith("*"):  # rtp_analyze's mark of redundant copies
            count += 1
            if count > MAX_PACKETS:
                raise UnsupportedFormatError(f"it has more than {MAX_PACKETS} rows; cut it")
            cells = line.split(separator)
            if len(cells) < needed:
                raise FormatError(
                    f"line {n} has {len(cells)} columns of {len(columns)}; expected all, empty ones"
                    " too: complete the line, or take it out"
                )
            yield n, {c: _cell(v) for c, v in zip(columns, cells, strict=False) if c}
    if not columns:
        raise FormatError(
            "it is no trace: none of its first lines names columns such as send_ms and arrival_ms;"
            f" its first line is {first_line[:60]!r}: name its columns so, in a line above the rest"
        )


def _lines(text: io.TextIOBase) -> Iterator[tuple[int, str]]:
    n = 0
    while line := text.readline(_MAX_LINE_BYTES):
        n += 1
        if len(line) == _MAX_LINE_BYTES:
            raise FormatError(f"line {n} is longer than {_MAX_LINE_BYTES} letters")
        yield n, line


def _cell(text: str) -> str:
    return text.strip().strip('"').strip()


def _milliseconds(row: Row, column: str) -> float | None:
    n, cells = row
    text = cells.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= _MOST_MS:
        lost = ", or nothing where the packet was lost" if column.startswith("arrival") else ""
        raise FormatError(
            f"line {n}: {_NAMES[column][0]} is {text[:40]!r}; expected a number such as 1.5{lost}"
        )
    return value


def _whole(row: Row, column: str, bits: int) -> int:
    n, cells = row
    text = cells.get(column, "")
    try:
        value = int(text, 0 if re.match("0[xX]", text) else 10)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << bits:
        raise FormatError(
            f"line {n}: {_NAMES[column][0]} is {text[:40]!r}; expected a whole number of {bits}"
            " bits"
        )
    return value


def _from_times(rows: Iterator[Row]) -> Trace:
    found: list[tuple[float, float | None]] = []
    for row in rows:
        sent_ms = _milliseconds(row, "send")
        if sent_ms is None:
            raise FormatError(f"line {row[0]}: send_ms is empty; each row was sent at some time")
        found.append((sent_ms, _milliseconds(row, "arrival")))
    return _trace(found, [], is_one_clock=True)


def _from_numbers(rows: Iterator[Row], ssrc: int | None, payload_type: int | None) -> Trace:
    streams: dict[tuple[int, int], list[Heard]] = {}
    for row in rows:
        key = tuple(
            _whole(row, column, bits) if row[1].get(column) else 0
            for column, bits in (("ssrc", 32), ("payload_type", 7))
        )
        arrival_ms = _milliseconds(row, "arrival")
        if arrival_ms is None and (seconds := _milliseconds(row, "arrival_s")) is not None:
            arrival_ms = seconds * 1000
        if arrival_ms is None:
            continue  # its number will be missing
        heard = Heard(_whole(row, "sequence", 16), _whole(row, "timestamp", 32), arrival_ms, b"")
        streams.setdefault((key[0], key[1]), []).append(heard)
    notes, chosen = chosen_stream(streams, ssrc, payload_type)
    numbered, more = ordered(number(chosen))
    found = [(packet.time_samples / 48, packet.arrival_ms) for packet in numbered]
    return _trace(found, [*notes, *more], is_one_clock=False)


def _trace(
    found: list[tuple[float, float | None]], notes: list[str], *, is_one_clock: bool
) -> Trace:
    transits = [arrival - sent for sent, arrival in found if arrival is not None]
    if not transits:
        raise FormatError(
            f"there is no packet in it that arrived: got {len(found)} rows of lost ones"
        )
    found.sort(key=lambda row: row[0])
    first_ms, least_ms = found[0][0], min(transits)
    shift_ms = 0.0
    if not is_one_clock or not 0 <= least_ms <= _CLOCKS_DIFFER_MS:
        shift_ms = least_ms
        notes = [*notes, "the clocks of sending and arrival differ: the fastest packet counts as 0"]
    fates = tuple(
        Fate(sent - first_ms, None if at is None else at - first_ms - shift_ms)
        for sent, at in found
    )
    last_ms = max(fates[-1].sent_ms, *(f.arrival_ms or 0.0 for f in fates))
    if last_ms > MAX_CALL_S * 1000:
        raise UnsupportedFormatError(
            f"it goes on for {last_ms / 1000:.0f} s; at most {MAX_CALL_S} are played: cut it"
        )
    return Trace(fates, (*notes, *_doubts(fates)))


def _doubts(fates: Sequence[Fate]) -> Iterator[str]:
    """What is possible, but looks like times in other units than they should be."""
    if len(fates) < _LEAST_ROWS:
        return
    apart_ms = fates[-1].sent_ms / (len(fates) - 1)
    if not _ROWS_APART_MS[0] <= apart_ms <= _ROWS_APART_MS[1]:
        yield f"its rows are {apart_ms:g} ms apart in the mean: are its times in ms?"
    came = [(f.sent_ms, f.arrival_ms) for f in fates if f.arrival_ms is not None]
    halves = zip(came, came[len(came) // 2 :], strict=False)  # a stall moves few of these slopes
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in halves if b[0] > a[0]]
    pace = statistics.median(slopes) if slopes else 1.0
    if not _PACES[0] < pace < _PACES[1]:
        yield (
            f"it came in {pace:.3g} of the time in which it was sent: are both in ms, and RTP time"
            " stamps of 48 kHz, or was it sent all at once?"
        )
