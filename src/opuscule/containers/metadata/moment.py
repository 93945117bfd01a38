"""When a recording began, as well as its file says it: a local time, and its zone if that is known.

Recorders differ: some write UTC, some their offset from it, and broadcast files only what the clock
on the wall showed. A time without a zone is kept as it is and never taken for UTC: it becomes a
moment only when somebody says in which zone the clock was.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from opuscule.errors import InvalidArgumentError

__all__ = ["Start", "parse_iso", "parse_zone"]

_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d{2}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Start:
    """When a recording began, by one clock."""

    local: datetime
    """What the clock showed; of its zone if that is known, else naive."""
    zone: str | None
    """``UTC``, an offset such as ``+02:00``, a name such as ``Europe/Berlin``; None: unknown."""
    clock: str
    """Where it stands: ``guano``, ``audiomoth``, ``opensoundscape``, ``bext``, ``ixml``; or ``cut``
    for the tag of a part that was cut out of an archive."""

    @property
    def epoch_ms(self) -> int | None:
        """Milliseconds since 1970 UTC, rounded down; None without a zone."""
        if self.local.tzinfo is None:
            return None
        return (self.local - _EPOCH) // timedelta(milliseconds=1)

    def within(self, zone: str | None) -> "Start":
        """Read a clock of an unknown zone as one of ``zone``; one that says its own stays.

        Raises:
            InvalidArgumentError: there is no such zone.
        """
        if zone is None or self.local.tzinfo is not None:
            return self
        return replace(self, local=self.local.replace(tzinfo=parse_zone(zone)), zone=zone)

    def to_json(self) -> Mapping[str, object]:
        """As it is kept: ``local`` in ISO 8601 as far as known, ``zone`` and ``clock``."""
        return {"local": self.local.isoformat(), "zone": self.zone, "clock": self.clock}


def parse_zone(text: str) -> tzinfo:
    """Return the zone that is called so.

    Raises:
        InvalidArgumentError: it is no offset such as ``+02:00``, ``UTC``, or a name that this
            system knows.
    """
    if text in ("UTC", "Z"):
        return UTC
    if found := _OFFSET.fullmatch(text):
        sign = -1 if found[1] == "-" else 1
        offset = sign * timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if abs(offset) < timedelta(days=1):
            return timezone(offset)
    else:
        try:
            return ZoneInfo(text)
        except (KeyError, OSError, ValueError):  # not known, a folder, a path out of it
            pass
    raise InvalidArgumentError(
        f"zone is {text!r}; expected UTC, an offset such as +02:00, or a name such as Europe/Berlin"
    )


def parse_iso(text: str, clock: str) -> Start | None:
    """Read a date and time of ISO 8601, with or without an offset; None if it is none."""
    try:
        local = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    name = local.tzname()  # UTC, UTC+02:00
    return Start(local, name and (name.removeprefix("UTC") or "UTC"), clock)
