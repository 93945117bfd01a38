"""What a recording says of itself: the attributes of its group, checked on reading."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar

from opuscule.errors import CorruptArchiveError, InvalidArgumentError, NotAnArchiveError
from opuscule.packets import StreamFormat

__all__ = [
    "ARCHIVE_FORMAT",
    "RECORDING_FORMAT",
    "VERSION",
    "RecordingInfo",
    "check_attributes",
    "check_name",
    "is_name",
    "suggest_name",
]

ARCHIVE_FORMAT = "opuscule-archive"
RECORDING_FORMAT = "opuscule-recording"
VERSION = 1
"""The version written. A reader takes this and every lower one; what a later release adds without
raising it can be ignored."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)
_T = TypeVar("_T")


def is_name(name: str) -> bool:
    """Tell whether a recording can be called so."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Return ``name`` if a recording can be called so.

    Raises:
        InvalidArgumentError: it cannot.
    """
    if not is_name(name):
        raise InvalidArgumentError(
            f"{name!r} cannot name a recording; expected 1 to 128 of A-Z a-z 0-9 . _ - and no dot "
            "at the beginning"
        )
    return name


def suggest_name(text: str) -> str:
    """Make a valid name from any text, such as a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".")[:128] or "recording"


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """What is known of a recording without looking at its packets."""

    channels: int
    """1 or 2."""
    pre_skip_samples: int
    """48 kHz samples at the beginning that are not audio (RFC 7845 §4.2)."""
    input_rate: int
    """Rate in Hz before encoding; for information only."""
    gain_q8: int
    """Output gain in 1/256 dB, applied when decoding (RFC 7845 §5.1)."""
    packets: int
    """How many there are."""
    payload_bytes: int
    """How long they are together."""
    payload_sha256: str
    """SHA-256 of the packets, end to end, as 64 hexadecimal digits."""
    packet_samples: int | None
    """What each of them decodes to, in 48 kHz samples, or None if they differ."""
    end_samples: int
    """Media time at which the audio ends, pre-skip included; behind it is padding."""
    total_samples: int
    """Length of the audio in 48 kHz samples: from pre-skip to end."""
    complete: bool
    """False if it was broken off: its sender never said where it ends."""
    start_epoch_ms: int | None = None
    """Wall time of its beginning, in milliseconds since 1970 UTC, where known."""
    added_epoch_ms: int | None = None
    """When it was put into the archive, in milliseconds since 1970 UTC."""
    gaps: Mapping[str, object] = field(default_factory=dict)
    """For each kind of gap that it has: ``count`` and ``samples``."""
    source: Mapping[str, object] = field(default_factory=dict)
    """Where it comes from: ``kind`` is ``import`` or ``live``; see the format's description."""
    encoder: Mapping[str, object] = field(default_factory=dict)
    """What encoded it, as far as known."""
    comments: tuple[tuple[str, str], ...] = ()
    """Tags of the source, names and values, in their order."""
    attributes: Mapping[str, object] = field(default_factory=dict)
    """The user's own, as JSON; the archive can be searched by them."""

    @property
    def format(self) -> StreamFormat:
        """What a decoder has to know."""
        return StreamFormat(self.channels, self.pre_skip_samples, self.input_rate, self.gain_q8)

    def to_own(self) -> dict[str, object]:
        """Return what is ours in the attributes of the recording's group, but for the checksum."""
        own = asdict(self)
        own["comments"] = [list(comment) for comment in self.comments]
        return {"format": RECORDING_FORMAT, "version": VERSION, **own}

    def to_attributes(self) -> dict[str, object]:
        """Return the attributes of the recording's group, but for the checksum."""
        return {"opuscule": self.to_own()}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, object], place: str) -> "RecordingInfo":
        """Read and check the attributes of a recording's group.

        Raises:
            NotAnArchiveError: they are of a later version, or of something else.
            CorruptArchiveError: one is missing, of the wrong type or contradicts another.
        """
        own = check_attributes(attributes, RECORDING_FORMAT, place)
        values: dict[str, object] = {f.name: own[f.name] for f in fields(cls) if f.name in own}

        def check(name: str, kind: type[_T], optional: bool = False) -> None:
            value = values.get(name)
            if value is None and optional:
                values.setdefault(name, None)
            elif not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
                raise CorruptArchiveError(
                    f"{place}: attribute {name!r} is {value!r}; expected {kind.__name__}"
                )

        for name in _COUNTS:
            check(name, int)
        for name in ("packet_samples", "start_epoch_ms", "added_epoch_ms"):
            check(name, int, optional=True)
        check("payload_sha256", str)
        check("complete", bool)
        for name in ("gaps", "source", "encoder", "attributes"):
            values.setdefault(name, {})
            check(name, dict)
        values["comments"] = _comments(values.get("comments", []), place)
        info = cls(**values)  # type: ignore[arg-type]  # each was checked just above
        info._check(place)
        return info

    def _check(self, place: str) -> None:
        audio = max(0, self.end_samples - self.pre_skip_samples)
        problem = None
        if self.channels not in (1, 2):
            problem = f"channels is {self.channels}; expected 1 or 2"
        elif not -(1 << 15) <= self.gain_q8 < 1 << 15:
            problem = f"gain_q8 is {self.gain_q8}; expected 16 bits"
        elif min(getattr(self, name) for name in _COUNTS if name != "gain_q8") < 0:
            problem = "a count is negative"
        elif self.packet_samples is not None and not 120 <= self.packet_samples <= 5760:
            problem = f"packet_samples is {self.packet_samples}; expected 120 to 5760"
        elif self.total_samples != audio:
            problem = (
                f"total_samples is {self.total_samples}; end and pre-skip leave {audio} samples"
            )
        if problem:
            raise CorruptArchiveError(f"{place}: {problem}")


_COUNTS = (
    "channels",
    "pre_skip_samples",
    "input_rate",
    "gain_q8",
    "packets",
    "payload_bytes",
    "end_samples",
    "total_samples",
)


def _comments(value: object, place: str) -> tuple[tuple[str, str], ...]:
    if isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in value
    ):
        return tuple((name, text) for name, text in value)
    raise CorruptArchiveError(f"{place}: attribute 'comments' is no list of pairs of text")


def check_attributes(
    attributes: Mapping[str, object], expected: str, place: str
) -> Mapping[str, object]:
    """Return what is ours in a group's attributes, if this release can read it.

    Raises:
        NotAnArchiveError: it is not of the ``expected`` format, or of a later version.
    """
    own = attributes.get("opuscule")
    if not isinstance(own, dict) or own.get("format") != expected:
        raise NotAnArchiveError(
            f"{place} is no {expected}: its Zarr attributes lack opuscule.format = {expected!r}"
        )
    version = own.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise NotAnArchiveError(
            f"{place} is {expected} version {version!r}; this release reads up to {VERSION}: "
            "install a newer opuscule"
        )
    return own
