"""What a source file says of itself, from whatever chunks and tags it has, in one value."""

import base64
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import BinaryIO

from opuscule.containers.metadata.bext import parse_bext, parse_info
from opuscule.containers.metadata.chunks import Chunk, read_chunks
from opuscule.containers.metadata.moment import Start, parse_iso
from opuscule.containers.metadata.texts import (
    guano_start,
    ixml_start,
    opensoundscape_start,
    parse_audiomoth,
    parse_guano,
    parse_ixml,
    parse_opensoundscape,
)

__all__ = ["SourceMetadata", "read_tags", "read_wav_metadata"]

_MAX_RAW_BYTES = 65_536
_MAX_RAW_TOTAL = 262_144
# Whose word counts first. Software that cuts a recording corrects its own start only; a broadcast
# file does not know its zone.
_CLOCKS = ("cut", "guano", "opensoundscape", "audiomoth", "bext", "ixml")
_COMMENTS = ("icmt", "comment", "comm", "description")


@dataclass(frozen=True, slots=True)
class SourceMetadata:
    """What is known of a recording beside its samples; all but ``start`` is JSON."""

    tags: tuple[tuple[str, str], ...] = ()
    """Names, as written, and values."""
    fields: dict[str, dict[str, object]] = field(default_factory=dict)
    """What was understood, by its kind: ``bext``, ``ixml``, ``guano``, ``audiomoth``,
    ``opensoundscape``."""
    raw: dict[str, dict[str, str]] = field(default_factory=dict)
    """Chunks by their name, as ``text`` if they are any, else as ``base64``; one that comes again
    has its number behind its name."""
    left_out: int = 0
    """Chunks that were too long to be kept."""
    start: Start | None = None
    """When the recording began, by the best clock there is."""
    form: str | None = None
    """Of a WAV file: ``RIFF``, ``RF64`` or ``BW64``."""


def read_wav_metadata(file: BinaryIO, rate: int) -> SourceMetadata:
    """Read what a WAV file says of itself, in bounded memory.

    What cannot be understood is kept raw and is no error; what is no WAV file says nothing.

    Args:
        file: seekable, at its beginning; left anywhere.
        rate: of its samples, which its time reference counts.

    Raises:
        OSError: it cannot be read.
    """
    found = read_chunks(file)
    if found is None:
        return SourceMetadata()
    tags: list[tuple[str, str]] = []
    raw: dict[str, dict[str, str]] = {}
    left_out, kept_bytes = found.left_out, 0
    for chunk in found.chunks:
        own = parse_info(chunk.body) if chunk.name == b"LIST" else None
        if own is not None:
            tags += own
        elif len(chunk.body) > _MAX_RAW_BYTES or kept_bytes + len(chunk.body) > _MAX_RAW_TOTAL:
            left_out += 1
        else:
            kept_bytes += len(chunk.body)
            raw[_free_name(chunk, raw)] = _kept(chunk.body)
    fields, starts = _from_comments(tags)
    for chunk in found.chunks:
        _understand(chunk, rate, fields, starts)
    start = next((starts[clock] for clock in _CLOCKS if clock in starts), None)
    return SourceMetadata(tuple(tags), fields, raw, left_out, start, found.form)


def read_tags(tags: Iterable[tuple[str, str]]) -> SourceMetadata:
    """Make the same of the tags of any other file."""
    tags = tuple(tags)
    fields, starts = _from_comments(tags)
    start = next((starts[clock] for clock in _CLOCKS if clock in starts), None)
    return SourceMetadata(tags, fields, start=start)


def _from_comments(
    tags: Iterable[tuple[str, str]],
) -> tuple[dict[str, dict[str, object]], dict[str, Start]]:
    fields: dict[str, dict[str, object]] = {}
    starts: dict[str, Start] = {}
    for name, value in tags:
        if name.upper() == "CUT_STARTED" and (start := parse_iso(value, "cut")):
            # A part of a recording, cut out of an archive: the rest of its tags is of the whole.
            starts["cut"] = start
        if name.lower() not in _COMMENTS:
            continue
        if moth := parse_audiomoth(value):
            fields["audiomoth"] = moth[0]
            if moth[1]:
                starts["audiomoth"] = moth[1]
        if soundscape := parse_opensoundscape(value):
            fields["opensoundscape"] = soundscape
            if start := opensoundscape_start(soundscape):
                starts["opensoundscape"] = start
    return fields, starts


def _understand(
    chunk: Chunk, rate: int, fields: dict[str, dict[str, object]], starts: dict[str, Start]
) -> None:
    """Add what a chunk says to the fields and, if it has one, its start."""
    start: Start | None = None
    if chunk.name == b"bext" and (bext := parse_bext(chunk.body)):
        fields["bext"] = asdict(bext)
        start = bext.start(rate)
    elif chunk.name == b"iXML" and (ixml := parse_ixml(chunk.body)):
        fields["ixml"] = dict(ixml)
        start = ixml_start(ixml, rate)
    elif chunk.name == b"guan" and (guano := parse_guano(chunk.body)):
        fields["guano"] = guano
        start = guano_start(guano)
    if start:
        starts[start.clock] = start


def _free_name(chunk: Chunk, taken: dict[str, dict[str, str]]) -> str:
    name = chunk.name.decode("ascii").strip()
    number = 1
    while (free := name if number == 1 else f"{name}#{number}") in taken:
        number += 1
    return free


def _kept(body: bytes) -> dict[str, str]:
    try:
        text = body.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return {"base64": base64.b64encode(body).decode()}
    return {"text": text}
