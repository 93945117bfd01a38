"""Metadata that is text: iXML, GUANO, and what AudioMoths and opensoundscape write as a comment."""

import io
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from xml.etree import ElementTree as ET

from opuscule.containers.metadata.bext import clock_start, text_of
from opuscule.containers.metadata.moment import Start, parse_iso, parse_zone
from opuscule.errors import InvalidArgumentError

__all__ = [
    "guano_start",
    "ixml_start",
    "opensoundscape_start",
    "parse_audiomoth",
    "parse_guano",
    "parse_ixml",
    "parse_opensoundscape",
]

_MAX_FIELDS = 512
_MAX_LENGTH = 8192
_MAX_NAME = 256
_MAX_DEPTH = 32


def parse_ixml(body: bytes) -> dict[str, str] | None:
    """Read an ``iXML`` chunk: the texts of its elements by their path, such as ``SPEED/NOTE``.

    An element that comes again at the same path has its number behind it: ``TRACK[2]``. None if it
    is no XML, or has a document type: that is where XML's bombs are, and iXML has none.
    """
    body = body.rstrip(b"\0 \r\n\t").lstrip()
    # A NUL: UTF-16, which would hide the document type. iXML is UTF-8.
    if not body or b"\0" in body or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return None
    fields: dict[str, str] = {}
    path: list[tuple[str, dict[str, int]]] = []
    try:
        elements = ET.iterparse(io.BytesIO(body), ("start", "end"))  # noqa: S314 - no entities: above
        for event, element in elements:
            if event == "start":
                tag = element.tag
                if path:
                    seen = path[-1][1]
                    seen[tag] = seen.get(tag, 0) + 1
                    tag += f"[{seen[tag]}]" if seen[tag] > 1 else ""
                path.append((tag, {}))
                continue
            text = (element.text or "").strip()[:_MAX_LENGTH]
            element.clear()
            if text and 1 < len(path) <= _MAX_DEPTH and len(fields) < _MAX_FIELDS:
                name = "/".join(name for name, _ in path[1:])
                if len(name) <= _MAX_NAME:
                    fields[name] = text
            path.pop()
    except (ET.ParseError, ValueError, LookupError):  # the last two: its encoding
        return None
    return fields


def ixml_start(fields: Mapping[str, str], rate: int) -> Start | None:
    """When the recording began, by the copy of ``bext`` and the time stamp in iXML."""
    high = _number(fields.get("SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI"))
    low = _number(fields.get("SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO"))
    own_rate = _number(fields.get("SPEED/TIMESTAMP_SAMPLE_RATE"))
    if not high and not low:
        high = _number(fields.get("BEXT/BWF_TIME_REFERENCE_HIGH"))
        low = _number(fields.get("BEXT/BWF_TIME_REFERENCE_LOW"))
        own_rate = 0
    return clock_start(
        fields.get("BEXT/BWF_ORIGINATION_DATE", ""),
        fields.get("BEXT/BWF_ORIGINATION_TIME", ""),
        (high << 32) + low,
        own_rate or rate,
        "ixml",
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 10 else 0


# Numbers in the GUANO specification, version 1.0; two in "Loc Position".
_GUANO_NUMBERS = frozenset(
    (
        "Filter HP",
        "Filter LP",
        "Humidity",
        "Length",
        "Loc Accuracy",
        "Loc Elevation",
        "Samplerate",
        "TE",
        "Temperature Ext",
        "Temperature Int",
        "OAD|Battery Voltage",
    )
)


def parse_guano(body: bytes) -> dict[str, object] | None:
    r"""Read a ``guan`` chunk (GUANO 1.0): values by their names, namespaces included.

    Those that the specification has as numbers are floats (``Loc Position``: a list of latitude and
    longitude in degrees), if they are any; the rest is text, ``\n`` made a new line. None if no
    line has a name and a value.
    """
    fields: dict[str, object] = {}
    for line in text_of(body).splitlines()[: 2 * _MAX_FIELDS]:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()[:_MAX_LENGTH]
        if not colon or not name or len(name) > _MAX_NAME or len(fields) >= _MAX_FIELDS:
            continue
        fields[name] = value.replace("\\n", "\n")
        if name in _GUANO_NUMBERS and _is_number(value):
            fields[name] = float(value)
        elif name == "Loc Position":
            parts = value.replace(",", " ").split()
            if len(parts) == 2 and all(map(_is_number, parts)):
                fields[name] = [float(part) for part in parts]
    return fields or None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,15})?", text, re.ASCII) is not None


def guano_start(fields: Mapping[str, object]) -> Start | None:
    """When the recording began, by GUANO's ``Timestamp``."""
    timestamp = fields.get("Timestamp")
    return parse_iso(timestamp, "guano") if isinstance(timestamp, str) else None


_MOTH = re.compile(
    r"Recorded at (?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,6})? (?P<date>\d\d/\d\d/\d{4})"
    r"(?: \(UTC(?P<offset>[+-]\d{1,2}(?::[ \d]\d)?)?\))? (?=by AudioMoth|during deployment)",
    re.ASCII,
)
_MOTH_TEXTS = {
    "serial": r"by AudioMoth ([0-9A-Fa-f]{16})",
    "deployment": r"during deployment ([0-9A-Fa-f]{16})",
    "gain": r"at (?:gain setting (\d)|((?:low|medium|high)(?:-(?:medium|high))?) gain)",
    "battery": r"battery(?: state)? was ((?:less than |greater than |[<>] )?\d+\.\d+ ?V)",
    "filter": r"((?:Low-pass|Band-pass|High-pass) filter [^.]*(?:\.\d[^.]*)*)\.(?: |$|\")",
    "trigger": r"((?:Amplitude|Frequency) (?:threshold|trigger) [^.]*(?:\.\d[^.]*)*)\.(?: |$|\")",
    "stopped": r"Recording (?:stopped|cancelled before completion) ((?:due to|by) [^.]*)\.",
}
_MOTH_TEMPERATURE = re.compile(r"temperature was (-?\d+\.\d+)C", re.ASCII)


def parse_audiomoth(comment: str) -> tuple[dict[str, object], Start | None] | None:
    """Read the comment of an AudioMoth, of any of its firmwares (1.0 to 1.11); None if it is none.

    Gives what it has of ``serial``, ``deployment``, ``gain`` (``0`` to ``4`` or ``low`` to
    ``high``), ``battery``, ``battery_v`` (where it is known exactly), ``temperature_c``,
    ``external_microphone``, ``filter``, ``trigger``, ``stopped`` (why, if before its time); and
    when the recording began.
    """
    comment = comment[:_MAX_LENGTH]
    found = _MOTH.search(comment)
    if not found:
        return None
    text = comment[found.start() :]
    fields: dict[str, object] = {}
    for name, pattern in _MOTH_TEXTS.items():
        if match := re.search(pattern, text):
            fields[name] = next(filter(None, match.groups()))
    battery = str(fields.get("battery", ""))
    if battery[:1].isdigit():
        fields["battery_v"] = float(battery.rstrip(" V"))
    if temperature := _MOTH_TEMPERATURE.search(text):
        fields["temperature_c"] = float(temperature[1])
    if "using external microphone" in text:
        fields["external_microphone"] = True
    # Its clock is UTC; the first firmware did not say so.
    zone = (found["offset"] or "UTC").replace(": ", ":0")
    try:
        local = datetime.strptime(f"{found['date']} {found['time']}", "%d/%m/%Y %H:%M:%S")  # noqa: DTZ007 - the zone comes next
        fraction = (found["fraction"] or ".0")[1:].ljust(6, "0")
        local = local.replace(microsecond=int(fraction), tzinfo=parse_zone(zone))
    except (ValueError, InvalidArgumentError):
        return fields, None
    return fields, parse_iso(local.isoformat(), "audiomoth")


_SOUNDSCAPE = "opso_metadata"


def parse_opensoundscape(comment: str) -> dict[str, object] | None:
    """Read what opensoundscape writes as a comment: a JSON object; None if it is none.

    Texts, numbers and truth values are taken; it writes nothing else.
    """
    if not comment.startswith(_SOUNDSCAPE):
        return None
    try:
        fields = json.loads(comment[len(_SOUNDSCAPE) :], parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    plain = {_whole(name): _plain(value) for name, value in fields.items()}
    return {name: value for name, value in plain.items() if value is not None}


def _plain(value: object) -> object:
    """Return what every reader of JSON takes, or None."""
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if -(1 << 53) < value < 1 << 53 else None
    return None


def _whole(text: str) -> str:
    """Replace halves of characters, which JSON's escapes can make and UTF-8 cannot hold."""
    return text[:_MAX_LENGTH].encode("utf-8", "replace").decode()


def opensoundscape_start(fields: Mapping[str, object]) -> Start | None:
    """When the recording began, after what may have been cut off its beginning."""
    start = fields.get("recording_start_time")
    return parse_iso(start, "opensoundscape") if isinstance(start, str) else None
