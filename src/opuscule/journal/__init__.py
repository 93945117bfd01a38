"""Append-only, checksummed packet log with group commit: the one owner of durability.

A packet counts as kept only once :meth:`Journal.flush` has returned it.
"""

from opuscule.journal.log import Journal
from opuscule.journal.records import JournalPacket
from opuscule.journal.segments import Damage
from opuscule.journal.state import Durable, JournalRecording

__all__ = ["Damage", "Durable", "Journal", "JournalPacket", "JournalRecording"]
