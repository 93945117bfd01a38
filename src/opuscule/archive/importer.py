"""Files made recordings: Opus packet by packet as it is, all else encoded once.

What a file is, its first bytes say, not its name.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Unpack

from opuscule.archive.info import RecordingInfo, suggest_name
from opuscule.archive.origin import (
    Told,
    check_own,
    file_facts,
    plain_text,
    sound_facts,
    told_by,
    told_in,
)
from opuscule.archive.writer import RecordingWriter
from opuscule.codec import EncoderSettings, SettingsOverrides, StreamEncoder, libopus_version
from opuscule.containers.detect import FileFormat, detect_file
from opuscule.containers.media import Resampler, open_native, opus_rate
from opuscule.containers.metadata import parse_zone, read_tags
from opuscule.containers.ogg import OggReader, PacketColumns
from opuscule.containers.opening import PacketReader, open_packets
from opuscule.containers.pcm import SAMPLE_BYTES, PcmReader
from opuscule.containers.reshape import Counted
from opuscule.errors import UnsupportedFormatError
from opuscule.files import check_input
from opuscule.packets import Gap, GapKind
from opuscule.transcode import Progress
from opuscule.units import to_media_samples

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
        attributes: your own, kept with the recording: JSON values by their names.
        zone: where the clock hung that says when the recording began, if the file does not say it:
            ``UTC``, an offset such as ``+02:00``, or a name such as ``Europe/Berlin``. None leaves
            such a beginning as the file has it, and ``start_epoch_ms`` unknown.
        progress: called again and again on the way.
        overrides: settings that replace the preset's.

    Raises:
        RecordingExistsError: there is a recording of that name.
        UnsupportedFormatError: it has more than two channels, no audio, or a rate above 48 kHz.
        FormatError: it is not audio, or damaged.
        InvalidArgumentError: a name, a setting, an attribute or the zone is not valid.
        NotAnArchiveError: something else is where the archive should be.
        MissingExtraError: a part that is not installed is needed.
        OSError: a file cannot be read or written.
    """
    path = check_input(path)
    name = suggest_name(path.stem) if name is None else name
    own = check_own(attributes or {})
    if zone is not None:
        parse_zone(zone)
    found = detect_file(path)
    source = file_facts(path, found)
    if own:
        source["attributes"] = own
    with contextlib.ExitStack() as stack:
        reader: PacketReader | None = None
        if found.may_hold_opus:
            try:
                reader = stack.enter_context(open_packets(path))
            except UnsupportedFormatError:  # Vorbis, say, which is decoded below
                if found is FileFormat.OGG_OPUS:
                    raise
        if reader is not None:
            info = _copy(archive, name, reader, source, zone, progress)
            return ImportResult(name, info, transcoded=False)
    if salvage:
        source["salvage"] = True
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(open_native(path, salvage=salvage))
        source.update(sound_facts(opened))
        told = told_by(path, opened, zone)
        source.update(told.facts)
        original = Counted(opened)
        wanted = opus_rate(opened.rate, path) if rate is None else rate
        pcm = original if wanted == opened.rate else Resampler(original, wanted)
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
        info = _encode(archive, name, pcm, encoder, source, told, original, progress)
    return ImportResult(name, info, transcoded=True)


def _copy(
    archive: str | os.PathLike[str],
    name: str,
    reader: PacketReader,
    source: dict[str, object],
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
    archive: str | os.PathLike[str],
    name: str,
    pcm: PcmReader,
    encoder: StreamEncoder,
    source: dict[str, object],
    told: Told,
    original: Counted,
    progress: Progress | None,
) -> RecordingInfo:
    form = replace(encoder.format, input_rate=original.rate)
    total = None if pcm.total_samples is None else to_media_samples(pcm.total_samples, pcm.rate)
    frame_bytes = SAMPLE_BYTES[pcm.sample_format] * pcm.channels
    samples = 0
    with RecordingWriter(archive, name, form) as writer:
        for block in pcm:
            samples += len(block) // frame_bytes
            for packet in encoder.push(block):
                writer.add(packet)
            if progress:
                progress(to_media_samples(samples, pcm.rate), total)
        for packet in encoder.finish():
            writer.add(packet)
        source["original_samples"] = original.read_samples
        source["encoded_rate"] = pcm.rate
        source["encoded_samples"] = samples
        settings = asdict(encoder.encoder.settings)
        return writer.finish(
            encoder.end_samples,
            start_epoch_ms=told.start_epoch_ms,
            source=source,
            encoder={"libopus": libopus_version(), "settings": settings},
            comments=told.comments,
        )
