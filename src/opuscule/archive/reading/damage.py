"""Damage: packets that cannot be decoded, and which of them were met."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from opuscule.errors import InvalidArgumentError

__all__ = ["Damage", "DamageLog", "OnDamage", "check_on_damage"]

OnDamage: TypeAlias = Literal["raise", "conceal"]
"""What to do about damaged packets: raise an error, or treat them as lost and report it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Damage:
    """Packets that could not be decoded, in one piece."""

    first_packet: int
    """Number of the first."""
    stop_packet: int
    """One past the last."""
    start_sample: int
    """Where they begin in the audio, at 48 kHz; negative within the pre-skip."""
    stop_sample: int
    """One past their end."""


class DamageLog:
    """What was concealed so far; may be told from several threads.

    Args:
        where: what to call the recording in the log.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._found: tuple[Damage, ...] = ()
        self._lock = threading.Lock()

    @property
    def found(self) -> tuple[Damage, ...]:
        """All of it, in order; what adjoins is one."""
        with self._lock:
            return self._found

    def before(self, stop_sample: int) -> Callable[[Damage], None]:
        """Return what notes damage that begins before a sample, and none behind it."""

        def note(damage: Damage) -> None:
            if damage.start_sample < stop_sample:
                self.note(damage)

        return note

    def note(self, damage: Damage) -> None:
        """Take one, and say so if it is new."""
        with self._lock:
            every = sorted([*self._found, damage], key=lambda one: one.first_packet)
            before, self._found = self._found, tuple(_joined(every))
            if self._found == before:
                return
        _log.warning(
            "%s: packets %d to %d are damaged; samples %d to %d are concealed",
            self._where,
            damage.first_packet,
            damage.stop_packet,
            damage.start_sample,
            damage.stop_sample,
        )


def check_on_damage(on_damage: str) -> None:
    """Refuse what is no way to treat damage.

    Raises:
        InvalidArgumentError: it is none.
    """
    if on_damage not in ("raise", "conceal"):
        raise InvalidArgumentError(f"on_damage is {on_damage!r}; expected 'raise' or 'conceal'")


def _joined(damages: Iterable[Damage]) -> Iterator[Damage]:
    """Make those that adjoin or overlap one."""
    held: Damage | None = None
    for one in damages:
        if held is None or one.first_packet > held.stop_packet:
            if held is not None:
                yield held
            held = one
        elif one.stop_packet > held.stop_packet:
            held = Damage(held.first_packet, one.stop_packet, held.start_sample, one.stop_sample)
    if held is not None:
        yield held
