"""What the journal keeps in memory: its recordings, and what waits to be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from opuscule.packets import StreamFormat

__all__ = ["Batch", "Durable", "JournalRecording", "State"]


@dataclass(frozen=True, slots=True)
class Durable:
    """What one flush made durable of one recording."""

    ranges: tuple[tuple[int, int], ...]
    """Half-open ranges of sequence numbers, in the order in which they were appended."""
    ended: bool
    """Its end is durable as well."""


@dataclass(frozen=True, slots=True)
class JournalRecording:
    """What the journal knows of a recording besides its packets."""

    key: str
    format: StreamFormat
    metadata: Mapping[str, object]
    end_samples: int | None
    """Where the sender says that it ends, in media samples; None as long as it has not."""


@dataclass(slots=True)
class State:
    """A recording that the journal still holds something of."""

    id: int
    key: str
    format: StreamFormat
    metadata: Mapping[str, object]
    begin_frame: bytes
    end_samples: int | None = None
    sealed: bool = False


@dataclass(slots=True)
class Batch:
    """Encoded records that wait for a flush, and what they are."""

    data: bytearray = field(default_factory=bytearray)
    ids: set[int] = field(default_factory=set)
    ranges: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    sealed: set[int] = field(default_factory=set)

    def then(self, later: "Batch") -> "Batch":
        """Append a later batch to this one, and return it."""
        self.data += later.data
        self.ids |= later.ids
        for key, ranges in later.ranges.items():
            self.ranges.setdefault(key, []).extend(ranges)
        self.ended |= later.ended
        self.sealed |= later.sealed
        return self
