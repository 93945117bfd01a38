"""Files made recordings: Opus packet by packet as it is, all else encoded once.

What a file is, its first bytes say, not its name.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Unpack

from opuscule.archive.importing.origin import (
    Told,
    check_own,
    file_facts,
    plain_text,
    told_by,
    told_in,
)
from opuscule.archive.importing.parallel import LongEncoding
from opuscule.archive.importing.rendering import (
    DEFAULT_EXPANSION,
    Rendering,
    RenderingChoice,
    open_picked,
    open_rendering,
)
from opuscule.archive.importing.sources import SourceFile, look_at
from opuscule.archive.importing.ultrasonic import Ultrasonic
from opuscule.archive.storage.info import RecordingInfo, suggest_name
from opuscule.archive.storage.lossless import write_lossless
from opuscule.archive.storage.writer import RecordingWriter
from opuscule.codec import EncoderSettings, SettingsOverrides, StreamEncoder, libopus_version
from opuscule.containers.detect import FileFormat, detect_file
from opuscule.containers.metadata import parse_zone, read_tags
from opuscule.containers.ogg import OggReader, PacketColumns
from opuscule.containers.opening import PacketReader, open_packets
from opuscule.errors import UnsupportedFormatError
from opuscule.files import check_input
from opuscule.packets import Gap, GapKind
from opuscule.transcode import Progress

__all__ = ["ImportResult", "import_file"]


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
    attributes: Mapping[str, object] | None = None,
    zone: str | None = None,
    channels: Sequence[int] | None = None,
    ultrasonic: Ultrasonic | None = None,
    time_expansion: int = DEFAULT_EXPANSION,
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
            next higher one, and those above to 48 kHz. Does not apply to Opus.
        frame_ms: audio per packet, where it is encoded here.
        preset: how it is encoded, as for :class:`opuscule.codec.Encoder`.
        salvage: take a damaged or cut file as far as it goes, and note in the recording's source
            that this was allowed. Opus is always taken so.
        attributes: your own, kept with the recording: JSON values by their names.
        zone: where the clock hung that says when the recording began, if the file does not say it:
            ``UTC``, an offset such as ``+02:00``, or a name such as ``Europe/Berlin``. None leaves
            such a beginning as the file has it, and ``start_epoch_ms`` unknown.
        channels: which to take, counted from 1; None takes all, of which there may be two. Does not
            apply to Opus.
        ultrasonic: what to do with a file of more than 48 kHz, because Opus ends at 20 kHz. None
            looks whether there is anything above (the module ``ultrasonic``) and refuses it then;
            ``downsample`` loses it; ``expand`` slows the recording down, so that what was high is
            lower; ``lossless`` keeps the file's own samples beside, as FLAC.
        time_expansion: by how much ``expand`` slows down; it divides the rate.
        threads: how many encode what is longer than twenty minutes; None for one a core. The
            packets are the same whatever their number.
        seen: the file, if it was looked at already.
        progress: called again and again on the way.
        overrides: settings that replace the preset's.

    Raises:
        RecordingExistsError: there is a recording of that name.
        UnsupportedFormatError: it has no audio, more than two channels of which none were chosen,
            content above 20 kHz and no policy was chosen, or samples that FLAC cannot keep.
        FormatError: it is not audio, or damaged.
        InvalidArgumentError: a name, a setting, a channel, an attribute, the zone or the time
            expansion is not valid.
        NotAnArchiveError: something else is where the archive should be.
        MissingExtraError: a part that is not installed is needed.
        OSError: a file cannot be read or written.
    """
    path = check_input(path)
    name = suggest_name(path.stem) if name is None else name
    own = check_own(attributes or {})
    if zone is not None:
        parse_zone(zone)
    choice = RenderingChoice(rate, channels, ultrasonic, time_expansion, salvage)
    found = detect_file(path)
    seen = look_at(path, now_ns=time.time_ns()) if seen is None else seen
    source = file_facts(path, found, seen)
    with contextlib.ExitStack() as stack:
        reader: PacketReader | None = None
        if found.may_hold_opus:
            try:
                reader = stack.enter_context(open_packets(path))
            except UnsupportedFormatError:  # Vorbis, say, which is decoded below
                if found is FileFormat.OGG_OPUS:
                    raise
        if reader is not None:
            info = _copy(archive, name, reader, source, own, zone, progress)
            return ImportResult(name, info, transcoded=False)
    if salvage:
        source["salvage"] = True
    with contextlib.ExitStack() as stack:
        rendering = open_rendering(path, choice, stack)
        source.update(rendering.facts)
        told = told_by(path, rendering.opened, zone)
        source.update(told.facts)
        encoder = StreamEncoder(
            rendering.pcm.rate,
            rendering.pcm.channels,
            frame_ms=frame_ms,
            sample_format=rendering.pcm.sample_format,
            preset=preset,
            **overrides,
        )
        form = replace(encoder.format, input_rate=rendering.original.rate)
        with RecordingWriter(archive, name, form) as writer:
            if rendering.keep_lossless:
                kept = write_lossless(
                    open_picked(path, choice, stack), rendering.bits, writer.scratch / "flac"
                )
                writer.keep_lossless(kept)
                source["lossless"] = asdict(kept.known)
            encoding = LongEncoding(
                rendering.pcm, encoder, writer.scratch, threads=threads, progress=progress
            )
            info = _encode(writer, rendering, encoder, encoding, source, own, told)
    return ImportResult(name, info, transcoded=True)


def _copy(
    archive: str | os.PathLike[str],
    name: str,
    reader: PacketReader,
    source: dict[str, object],
    own: Mapping[str, object],
    zone: str | None,
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
        source["original_codec"] = "opus"
        told = told_in(read_tags(reader.comments), zone)
        source.update(told.facts)
        if isinstance(reader, OggReader):
            source["start_granule"] = reader.start_granule
        skipped = reader.skipped.items()
        source["skipped_bytes"] = sum(n for why, (_, n) in skipped if why != "other_stream")
        return writer.finish(
            end,
            complete=not reader.truncated,
            start_epoch_ms=told.start_epoch_ms,
            source=source,
            encoder={"vendor": plain_text(reader.vendor)},
            comments=told.comments,
            attributes=own,
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


def _encode(
    writer: RecordingWriter,
    rendering: Rendering,
    encoder: StreamEncoder,
    encoding: LongEncoding,
    source: dict[str, object],
    own: Mapping[str, object],
    told: Told,
) -> RecordingInfo:
    with contextlib.closing(encoding.packets()) as batches:
        for packets in batches:
            lengths = list(map(len, packets))
            durations = [encoding.packet_samples] * len(packets)
            writer.add_packets(b"".join(packets), lengths, durations, writer.time_samples)
    source["original_samples"] = rendering.original.read_samples
    source["encoded_rate"] = rendering.pcm.rate
    source["encoded_samples"] = encoding.input_samples
    settings = asdict(encoder.encoder.settings)
    return writer.finish(
        encoding.end_samples,
        complete=not rendering.opened.cut_short,
        start_epoch_ms=told.start_epoch_ms,
        source=source,
        encoder={"libopus": libopus_version(), "settings": settings},
        comments=told.comments,
        attributes=own,
    )
