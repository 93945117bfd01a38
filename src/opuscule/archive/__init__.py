"""Recordings kept as Opus packets in a Zarr v3 archive, and any stretch of them decoded.

Neither reading nor writing needs zarr or NumPy; object stores need the extra ``remote``. What is
asked for is imported when it is first asked for: reading a second does not load what imports files.
"""

import importlib
from typing import TYPE_CHECKING, Any

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
    from opuscule.archive.storage.catalogue import Entry
    from opuscule.archive.storage.info import RecordingInfo
    from opuscule.archive.storage.lossless import Lossless, read_lossless
    from opuscule.archive.upkeep.export import ExportReport, export_recordings
    from opuscule.archive.upkeep.prepare import PrepareReport, prepare
    from opuscule.archive.upkeep.reindex import ReindexReport, reindex
    from opuscule.archive.upkeep.verify import VerifyReport, verify

__all__ = [
    "Archive",
    "BulkProgress",
    "CutReport",
    "Damage",
    "Entry",
    "ExportReport",
    "FileOutcome",
    "ImportOptions",
    "ImportResult",
    "Lossless",
    "Original",
    "Positions",
    "PrepareReport",
    "Recording",
    "RecordingInfo",
    "ReindexReport",
    "Segment",
    "SegmentDataset",
    "SourceFile",
    "TreeReport",
    "VerifyReport",
    "cut",
    "export_recordings",
    "import_file",
    "import_tree",
    "open_archive",
    "prepare",
    "read_lossless",
    "reindex",
    "seal",
    "verify",
]

_LATER = {
    "Archive": "reading.archive",
    "BulkProgress": "importing.manifest",
    "CutReport": "reading.cutting",
    "Damage": "reading.damage",
    "Entry": "storage.catalogue",
    "ExportReport": "upkeep.export",
    "FileOutcome": "importing.manifest",
    "ImportOptions": "importing.manifest",
    "ImportResult": "importing.importer",
    "Lossless": "storage.lossless",
    "Original": "reading.originals",
    "Positions": "reading.positions",
    "PrepareReport": "upkeep.prepare",
    "Recording": "reading.recording",
    "RecordingInfo": "storage.info",
    "ReindexReport": "upkeep.reindex",
    "Segment": "reading.segments",
    "SegmentDataset": "reading.segments",
    "SourceFile": "importing.sources",
    "TreeReport": "importing.manifest",
    "VerifyReport": "upkeep.verify",
    "cut": "reading.cutting",
    "export_recordings": "upkeep.export",
    "import_file": "importing.importer",
    "import_tree": "importing.tree",
    "open_archive": "reading.archive",
    "prepare": "upkeep.prepare",
    "read_lossless": "storage.lossless",
    "reindex": "upkeep.reindex",
    "seal": "importing.seal",
    "verify": "upkeep.verify",
}


def __getattr__(name: str) -> Any:  # what a module's attribute is
    if name in _LATER:
        found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
