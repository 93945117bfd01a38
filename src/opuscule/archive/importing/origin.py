"""What a recording keeps of the file that it comes from: the entries of its ``source``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opuscule.archive.importing.sources import SourceFile
from opuscule.containers.detect import FileFormat
from opuscule.containers.media import MediaReader
from opuscule.containers.metadata import SourceMetadata, read_tags, read_wav_metadata
from opuscule.containers.pcm import PcmReader
from opuscule.containers.wav import WavReader
from opuscule.errors import InvalidArgumentError

__all__ = ["Told", "check_own", "file_facts", "plain_text", "sound_facts", "told_by", "told_in"]

MAX_COMMENTS, MAX_COMMENT_LENGTH = 256, 16_384
"""More comments, and longer ones such as pictures, are left out and counted."""
MAX_OWN_BYTES = 65_536
"""The longest attributes of a user's own, as JSON."""
MAX_OWN_DEPTH = 16
"""The most levels of objects and lists in them."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a file tells of its recording."""

    facts: Mapping[str, object]
    """Entries of ``source``."""
    comments: Sequence[tuple[str, str]]
    """Its tags."""
    start_epoch_ms: int | None
    """When it began, if its zone is known."""


def file_facts(path: Path, found: FileFormat, seen: SourceFile) -> dict[str, object]:
    """Say which file it is: ``kind``, ``name``, ``path``, ``sha256``, ``bytes``, ``container``."""
    return {
        "kind": "import",
        "name": plain_text(path.name),
        **seen.facts(),
        "container": FileFormat.OGG if found is FileFormat.OGG_OPUS else found,
    }


def sound_facts(reader: PcmReader) -> dict[str, object]:
    """Say how the samples of a file are written: the entries that begin with ``original_``."""
    facts: dict[str, object] = {
        "original_rate": reader.rate,
        "original_channels": reader.channels,
    }
    if isinstance(reader, WavReader | MediaReader):
        coding = reader.coding
        facts["original_codec"] = coding.codec
        if coding.bits is not None:
            facts["original_bits"] = coding.bits
            facts["original_sample_format"] = "float" if coding.is_float else "integer"
    return facts


def told_by(path: Path, reader: PcmReader, zone: str | None) -> Told:
    """Read what an audio file tells.

    Args:
        path: the file.
        reader: the same, opened.
        zone: where a clock hung that does not say its zone.

    Raises:
        InvalidArgumentError: there is no such zone.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        metadata = read_wav_metadata(file, reader.rate)
    if metadata.form is None and isinstance(reader, MediaReader):
        metadata = read_tags(reader.tags)
    return told_in(metadata, zone)


def told_in(metadata: SourceMetadata, zone: str | None) -> Told:
    """Make entries of ``source`` of metadata; arguments and errors as of :func:`told_by`."""
    facts: dict[str, object] = {}
    comments = [(plain_text(name), plain_text(value)) for name, value in metadata.tags]
    kept = [c for c in comments if len(c[0]) + len(c[1]) <= MAX_COMMENT_LENGTH][:MAX_COMMENTS]
    facts["comments_left_out"] = len(comments) - len(kept)
    if metadata.form:
        facts["form"] = metadata.form
        facts["chunks_left_out"] = metadata.left_out
    if metadata.fields:
        facts["metadata"] = metadata.fields
    if metadata.raw:
        facts["raw"] = metadata.raw
    if metadata.start is None:
        return Told(facts, kept, None)
    start = metadata.start.within(zone)
    facts["start"] = start.to_json()
    return Told(facts, kept, start.epoch_ms)


def check_own(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return a user's own attributes as they will be read again.

    Raises:
        InvalidArgumentError: they are no JSON object, over 64 KiB of JSON, or nested too deeply.
    """
    if _is_deep(attributes, MAX_OWN_DEPTH):
        raise InvalidArgumentError(
            f"attributes are nested in more than {MAX_OWN_DEPTH} levels; expected fewer"
        )
    try:
        text = json.dumps(dict(attributes), allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"attributes are no JSON: {error}") from error
    if size > MAX_OWN_BYTES:
        raise InvalidArgumentError(
            f"attributes are {size} bytes of JSON; at most {MAX_OWN_BYTES} are kept"
        )
    if not all(isinstance(name, str) for name in attributes):
        raise InvalidArgumentError("attributes have a name that is no text; expected text")
    kept: dict[str, object] = json.loads(text)
    return kept


def _is_deep(value: object, levels: int) -> bool:
    if not isinstance(value, Mapping | list | tuple):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return levels == 0 or any(_is_deep(one, levels - 1) for one in inner)


def plain_text(value: str) -> str:
    """Make text that can be written as UTF-8: what was none in the file is taken for Latin-1."""
    data = value.encode(errors="surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
