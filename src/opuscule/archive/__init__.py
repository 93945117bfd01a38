"""Recordings kept as Opus packets in a Zarr v3 archive, and any stretch of them decoded.

Neither reading nor writing needs zarr or NumPy; object stores need the extra ``remote``. What is
asked for is imported when it is first asked for: reading a second does not load what imports files.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opuscule.archive.importing.importer import ImportResult, import_file
    from opuscule.archive.importing.manifest import (
        BulkProgress,
        FileOutcome,
        ImportOptions,
        TreeReport,
    )
    from opuscule.archive.importing.seal import seal
    from opuscule.archive.importing.sources import SourceFile
    from opuscule.archive.importing.tree import import_tree
    from opuscule.archive.reading.archive import Archive, open_archive
    from opuscule.archive.reading.cutting import CutReport, cut
    from opuscule.archive.reading.damage import Damage
    from opuscule.archive.reading.originals import Original
    from opuscule.archive.reading.positions import Positions
    from opuscule.archive.reading.recording import Recording
    from opuscule.archive.reading.segments import Segment, SegmentDataset
    from opuscule.archive.storage.entries import Entry
    from opuscule.archive.storage.incoming import Leftover
    from opuscule.archive.storage.info import RecordingInfo
    from opuscule.archive.storage.lossless import Lossless, read_lossless
    from opuscule.archive.storage.writer import RecordingWriter
    from opuscule.archive.upkeep.export import ExportReport, export_recordings
    from opuscule.archive.upkeep.garbage import GarbageReport, collect_garbage
    from opuscule.archive.upkeep.prepare import PrepareReport, prepare
    from opuscule.archive.upkeep.reindex import ReindexReport, reindex
    from opuscule.archive.upkeep.removal import (
        Expired,
        ExpireReport,
        RemoveReport,
        expire_recordings,
        remove_recordings,
    )
    from opuscule.archive.upkeep.stats import ArchiveStats, archive_stats
    from opuscule.archive.upkeep.verify import VerifyReport, verify

__all__ = [
    "Archive",
    "ArchiveStats",
    "BulkProgress",
    "CutReport",
    "Damage",
    "Entry",
    "ExpireReport",
    "Expired",
    "ExportReport",
    "FileOutcome",
    "GarbageReport",
    "ImportOptions",
    "ImportResult",
    "Leftover",
    "Lossless",
    "Original",
    "Positions",
    "PrepareReport",
    "Recording",
    "RecordingInfo",
    "RecordingWriter",
    "ReindexReport",
    "RemoveReport",
    "Segment",
    "SegmentDataset",
    "SourceFile",
    "TreeReport",
    "VerifyReport",
    "archive_stats",
    "collect_garbage",
    "cut",
    "expire_recordings",
    "export_recordings",
    "import_file",
    "import_tree",
    "open_archive",
    "prepare",
    "read_lossless",
    "reindex",
    "remove_recordings",
    "seal",
    "verify",
]

_LATER = {
    "Archive": "reading.archive",
    "ArchiveStats": "upkeep.stats",
    "BulkProgress": "importing.manifest",
    "CutReport": "reading.cutting",
    "Damage": "reading.damage",
    "Entry": "storage.entries",
    "ExpireReport": "upkeep.removal",
    "Expired": "upkeep.removal",
    "ExportReport": "upkeep.export",
    "FileOutcome": "importing.manifest",
    "GarbageReport": "upkeep.garbage",
    "ImportOptions": "importing.manifest",
    "ImportResult": "importing.importer",
    "Leftover": "storage.incoming",
    "Lossless": "storage.lossless",
    "Original": "reading.originals",
    "Positions": "reading.positions",
    "PrepareReport": "upkeep.prepare",
    "Recording": "reading.recording",
    "RecordingInfo": "storage.info",
    "RecordingWriter": "storage.writer",
    "ReindexReport": "upkeep.reindex",
    "RemoveReport": "upkeep.removal",
    "Segment": "reading.segments",
    "SegmentDataset": "reading.segments",
    "SourceFile": "importing.sources",
    "TreeReport": "importing.manifest",
    "VerifyReport": "upkeep.verify",
    "archive_stats": "upkeep.stats",
    "collect_garbage": "upkeep.garbage",
    "cut": "reading.cutting",
    "expire_recordings": "upkeep.removal",
    "export_recordings": "upkeep.export",
    "import_file": "importing.importer",
    "import_tree": "importing.tree",
    "open_archive": "reading.archive",
    "prepare": "upkeep.prepare",
    "read_lossless": "storage.lossless",
    "reindex": "upkeep.reindex",
    "remove_recordings": "upkeep.removal",
    "seal": "importing.seal",
    "verify": "upkeep.verify",
}


if not TYPE_CHECKING:  # to whom any name would be one of ours, of type Any

    def __getattr__(name: str) -> object:
        if name in _LATER:
            found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
            globals()[name] = found
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
