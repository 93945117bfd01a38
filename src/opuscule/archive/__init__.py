"""Recordings kept as Opus packets in a Zarr v3 archive, and any stretch of them decoded.

Neither reading nor writing needs zarr or NumPy; object stores need the extra ``remote``.
"""

from opuscule.archive.archive import Archive, open_archive
from opuscule.archive.catalogue import Entry
from opuscule.archive.contents import Damage
from opuscule.archive.cutting import CutReport, cut
from opuscule.archive.export import ExportReport, export_recordings
from opuscule.archive.importer import ImportResult, import_file
from opuscule.archive.info import RecordingInfo
from opuscule.archive.lossless import Lossless, read_lossless
from opuscule.archive.manifest import BulkProgress, FileOutcome, ImportOptions, TreeReport
from opuscule.archive.positions import Positions
from opuscule.archive.prepare import PrepareReport, prepare
from opuscule.archive.recording import Recording
from opuscule.archive.reindex import ReindexReport, reindex
from opuscule.archive.seal import seal
from opuscule.archive.segments import Segment, SegmentDataset
from opuscule.archive.sources import SourceFile
from opuscule.archive.tree import import_tree
from opuscule.archive.verify import VerifyReport, verify

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
