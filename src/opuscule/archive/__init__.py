"""Recordings kept as Opus packets in a Zarr v3 archive, and any stretch of them decoded.

Neither reading nor writing needs zarr or NumPy; object stores need the extra ``remote``.
"""

from opuscule.archive.importing.importer import ImportResult, import_file
from opuscule.archive.importing.manifest import BulkProgress, FileOutcome, ImportOptions, TreeReport
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
