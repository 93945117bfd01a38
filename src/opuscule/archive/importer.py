"""Files made recordings: Opus packet by packet as it is, all else encoded once.

What a file is, its first bytes say, not its name.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Unpack

from opuscule.archive.info import RecordingInfo, suggest_name
from opuscule.archive.parallel import LongEncoding
from opuscule.archive.sources import SourceFile, look_at
from opuscule.archive.writer import RecordingWriter
from opuscule.codec import EncoderSettings, SettingsOverrides, StreamEncoder, libopus_version
from opuscule.containers.detect import FileFormat, detect_file
from opuscule.containers.media import Resampler, open_pcm
from opuscule.containers.ogg import OggReader, PacketColumns
from opuscule.containers.opening import PacketReader, open_packets
from opuscule.containers.pcm import PcmReader
from opuscule.errors import UnsupportedFormatError
from opuscule.files import check_input
from opuscule.packets import Gap, GapKind
from opuscule.transcode import Progress

__all__ = ["ImportResult", "import_file"]

MAX_COMMENTS, MAX_COMMENT_LENGTH = 256, 16_384
"""More comments, and longer ones such as pictures, are left out and counted."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What was imported."""

    name: str
    """The recording's name in the archive."""
    info: RecordingInfo
    """What it is now."""
    transcoded: bool
    """It was encoded here. Otherwise its packets are those of the file, bit by bit."""


def import_file(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    rate: int | None = None,
    frame_ms: float = 20,
    preset: str | EncoderSettings = "archive",
    salvage: bool = False,
    threads: int | None = None,
    seen: SourceFile | None = None,
    progress: Progress | None = None,
    **overrides: Unpack[SettingsOverrides],
) -> ImportResult:
    """Add a file to an archive as one recording. If anything fails, nothing is left of it.

    Args:
        archive: the archive; made when it is not there.
        path: the file.
        name: of the recording; None makes one of the file's name.
        rate: rate in Hz to convert to before encoding. None keeps Opus's rates, takes others to the
            next higher one, and refuses those above 48 kHz. Does not apply to Opus.
        frame_ms: audio per packet, where it is encoded here.
        preset: how it is encoded, as for :class:`opuscule.codec.Encoder`.
        salvage: take a damaged or cut file as far as it goes, and note in the recording's source
            that this was allowed. Opus is always taken so.
        threads: how many encode what is longer than twenty minutes; None for one a core. The
            packets are the same whatever their number.
        seen: the file, if it was looked at already.
        progress: called again and again on the way.
        overrides: settings that replace the preset's.

    Raises:
        RecordingExistsError: there is a recording of that name.
        UnsupportedFormatError: it has more than two channels, no audio, or a rate above 48 kHz.
        FormatError: it is not audio, or damaged.
        InvalidArgumentError: a name or setting is not valid.
        NotAnArchiveError: something else is where the archive should be.
        MissingExtraError: a part that is not installed is needed.
        OSError: a file cannot be read or written.
    """
    path = check_input(path)
    name = suggest_name(path.stem) if name is None else name
    found = detect_file(path)
    seen = look_at(path, now_ns=time.time_ns()) if seen is None else seen
    source: dict[str, object] = {
        "kind": "import",
        "name": _text(path.name),
        **seen.facts(),
        "container": FileFormat.OGG if found is FileFormat.OGG_OPUS else found,
    }
    with contextlib.ExitStack() as stack:
        reader: PacketReader | None = None
        if found.may_hold_opus:
            try:
                reader = stack.enter_context(open_packets(path))
            except UnsupportedFormatError:  # Vorbis, say, which is decoded below
                if found is FileFormat.OGG_OPUS:
                    raise
        if reader is not None:
            info = _copy(archive, name, reader, source, progress)
            return ImportResult(name, info, transcoded=False)
    if salvage:
        source["salvage"] = True
    with open_pcm(path, rate=rate, salvage=salvage) as pcm:
        if pcm.channels > 2:
            raise UnsupportedFormatError(
                f"{path} has {pcm.channels} channels; 1 or 2 can be archived: mix it down or split "
                "it first"
            )
        encoder = StreamEncoder(
            pcm.rate,
            pcm.channels,
            frame_ms=frame_ms,
            sample_format=pcm.sample_format,
            preset=preset,
            **overrides,
        )
        info = _encode(archive, name, pcm, encoder, source, threads, progress)
    return ImportResult(name, info, transcoded=True)


def _copy(
    archive: str | os.PathLike[str],
    name: str,
    reader: PacketReader,
    source: dict[str, object],
    progress: Progress | None,
) -> RecordingInfo:
    with RecordingWriter(archive, name, reader.format) as writer:
        for added in _add_all(writer, reader):
            if progress:
                progress(added, None)
        end = reader.end_samples
        if end > writer.time_samples:
            missing = Gap(writer.time_samples, end - writer.time_samples, GapKind.LOST)
            writer.add(missing)
        source["original_rate"] = reader.format.input_rate
        source["original_channels"] = reader.format.channels
        comments = [(_text(key), _text(value)) for key, value in reader.comments]
        kept = [c for c in comments if len(c[0]) + len(c[1]) <= MAX_COMMENT_LENGTH]
        source["comments_left_out"] = len(comments) - len(kept[:MAX_COMMENTS])
        if isinstance(reader, OggReader):
            source["start_granule"] = reader.start_granule
        skipped = reader.skipped.items()
        source["skipped_bytes"] = sum(n for why, (_, n) in skipped if why != "other_stream")
        return writer.finish(
            end,
            complete=not reader.truncated,
            source=source,
            encoder={"vendor": _text(reader.vendor)},
            comments=kept[:MAX_COMMENTS],
        )


def _add_all(writer: RecordingWriter, reader: PacketReader) -> Iterator[int]:
    """Add everything; give the media time reached, now and then."""
    if isinstance(reader, OggReader):
        for batch in reader.columns():
            _add(writer, batch)
            yield writer.time_samples
    else:
        for item in reader:
            writer.add(item)
            yield writer.time_samples


def _add(writer: RecordingWriter, batch: PacketColumns) -> None:
    """Add a batch, in runs between its gaps."""
    first = at = 0
    for before, gap in (*batch.gaps, (len(batch.lengths), None)):
        if before > first:
            stop = at + sum(batch.lengths[first:before])
            writer.add_packets(
                batch.payload[at:stop],
                batch.lengths[first:before],
                batch.durations_samples[first:before],
                batch.times_samples[first],
            )
            first, at = before, stop
        if gap:
            writer.add(gap)


def _text(value: str) -> str:
    """Make text that can be written as UTF-8: what was none in the file is taken for Latin-1."""
    data = value.encode(errors="surrogateescape")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _encode(
    archive: str | os.PathLike[str],
    name: str,
    pcm: PcmReader,
    encoder: StreamEncoder,
    source: dict[str, object],
    threads: int | None,
    progress: Progress | None,
) -> RecordingInfo:
    original_rate = pcm.source_rate if isinstance(pcm, Resampler) else pcm.rate
    form = replace(encoder.format, input_rate=original_rate)
    with RecordingWriter(archive, name, form) as writer:
        encoding = LongEncoding(pcm, encoder, archive, threads=threads, progress=progress)
        with contextlib.closing(encoding.packets()) as batches:
            for packets in batches:
                lengths = list(map(len, packets))
                durations = [encoding.packet_samples] * len(packets)
                writer.add_packets(b"".join(packets), lengths, durations, writer.time_samples)
        source["original_rate"] = original_rate
        source["original_channels"] = pcm.channels
        source["encoded_rate"] = pcm.rate
        source["encoded_samples"] = encoding.input_samples
        settings = asdict(encoder.encoder.settings)
        return writer.finish(
            encoding.end_samples,
            source=source,
            encoder={"libopus": libopus_version(), "settings": settings},
        )
