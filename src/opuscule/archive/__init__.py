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
