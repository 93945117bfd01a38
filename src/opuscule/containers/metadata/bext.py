"""The ``bext`` chunk of a broadcast WAV file (EBU Tech 3285, version 2) and LIST/INFO tags."""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as time_of_day

from opuscule.containers.metadata.moment import Start

__all__ = ["Bext", "clock_start", "parse_bext", "parse_info", "text_of"]

_BEXT_BYTES = 602  # §2.3, without the coding history, which is as long as it is
_LEAST_BYTES = 346  # up to the version: what follows was reserved once
_UNUSED = 0x7FFF
_MAX_TAGS = 256
_DATE = re.compile(r"(\d{4})[-_: .](\d{2})[-_: .](\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2})[-_: .](\d{2})[-_: .](\d{2})", re.ASCII)
# How far the time reference may be from the origination time and still be the same clock, which is
# written in whole seconds and perhaps just before or after.
_SAME_CLOCK = timedelta(seconds=2)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bext:
    """What a ``bext`` chunk says; texts are empty where it says nothing."""

    description: str
    originator: str
    originator_reference: str
    origination_date: str
    """``yyyy-mm-dd`` by the clock on the wall; the separators are the writer's."""
    origination_time: str
    """``hh-mm-ss``, the same."""
    time_reference_samples: int
    """First sample, counted from midnight at the file's rate."""
    version: int
    umid: str
    """SMPTE UMID in hexadecimal digits."""
    loudness: Mapping[str, float]
    """Those that it has of ``value_lufs``, ``range_lu``, ``max_true_peak_dbtp``,
    ``max_momentary_lufs``, ``max_short_term_lufs``."""
    coding_history: str

    def start(self, rate: int) -> Start | None:
        """When the recording began, as far as it says; see :func:`clock_start`."""
        return clock_start(
            self.origination_date,
            self.origination_time,
            self.time_reference_samples,
            rate,
            "bext",
        )


def parse_bext(body: bytes) -> Bext | None:
    """Read a ``bext`` chunk; None if it is too short to be one."""
    if len(body) < _LEAST_BYTES + 2:
        return None
    head = body[:_BEXT_BYTES].ljust(_BEXT_BYTES, b"\0")
    texts = struct.unpack_from("<256s32s32s10s8s", head)
    reference, version = struct.unpack_from("<QH", head, 338)
    names = (
        "value_lufs",
        "range_lu",
        "max_true_peak_dbtp",
        "max_momentary_lufs",
        "max_short_term_lufs",
    )
    loudness = {
        name: value / 100
        for name, value in zip(names, struct.unpack_from("<5h", head, 412), strict=True)
        if version >= 2 and value != _UNUSED
    }
    umid = head[348:412].rstrip(b"\0").hex() if version >= 1 else ""
    description, originator, originator_reference, date, time = map(text_of, texts)
    return Bext(
        description=description,
        originator=originator,
        originator_reference=originator_reference,
        origination_date=date,
        origination_time=time,
        time_reference_samples=reference,
        version=version,
        umid=umid,
        loudness=loudness,
        coding_history=text_of(body[_BEXT_BYTES:]),
    )


def clock_start(date: str, time: str, reference: int, rate: int, clock: str) -> Start | None:
    """When a recording began by its origination date and time, and its time reference.

    The reference is exact to the sample, but counts from midnight of a clock that may have been set
    to anything: it is taken where it agrees with the origination time within two seconds, or where
    there is no such time; else the origination time is.

    Args:
        date: as in ``bext``.
        time: the same.
        reference: samples since midnight; 0 if unknown.
        rate: of the reference, in Hz.
        clock: what the result is to be named for.
    """
    day, hour = _DATE.match(date), _TIME.match(time)
    if not day:
        return None
    try:
        midnight = datetime.fromisoformat("-".join(day.groups()))
        shown = midnight
        if hour:
            shown = datetime.combine(midnight, time_of_day.fromisoformat(":".join(hour.groups())))
    except ValueError:
        return None
    if not reference and not hour:
        return None
    if reference and rate > 0 and reference < rate * 86_400:
        exact = midnight + timedelta(microseconds=reference * 1_000_000 // rate)
        if not hour or abs(exact - shown) <= _SAME_CLOCK:
            return Start(exact, None, clock)
    return Start(shown, None, clock) if hour else None


def parse_info(body: bytes) -> list[tuple[str, str]] | None:
    """Read the tags of a ``LIST`` chunk of type ``INFO``; None if it is of another type.

    At most 256, in their order, names as written; where one reaches beyond the chunk, it is cut.
    """
    if body[:4] != b"INFO":
        return None
    place, tags = 4, list[tuple[str, str]]()
    while place + 8 <= len(body) and len(tags) < _MAX_TAGS:
        size = int.from_bytes(body[place + 4 : place + 8], "little")
        name, value = text_of(body[place : place + 4]), text_of(body[place + 8 : place + 8 + size])
        if name.strip() and value:
            tags.append((name.strip(), value))
        place += 8 + size + size % 2
    return tags


def text_of(data: bytes) -> str:
    """Text up to a NUL: UTF-8, or what is not is taken for Latin-1; without blanks around."""
    data = data.partition(b"\0")[0]
    try:
        return data.decode().strip()
    except UnicodeDecodeError:
        return data.decode("latin-1").strip()
