"""Counting while a file goes by."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from opuscule.containers.detect import FileFormat, detect_file
from opuscule.containers.ogg import OggStream, list_streams
from opuscule.containers.opening import PacketReader, open_links
from opuscule.containers.raw import Framing
from opuscule.errors import FormatError
from opuscule.files import check_input
from opuscule.inspection.coding import Coding, InspectedPacket, inspect_packets
from opuscule.inspection.report import MAX_LISTED, CodingChange, FileReport, LinkReport
from opuscule.packets import Gap, StreamFormat
from opuscule.units import MEDIA_RATE

__all__ = ["inspect_file"]

_MAX_COMMENT_CHARACTERS = 1 << 24


def inspect_file(
    path: str | os.PathLike[str],
    *,
    raw: Framing | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> FileReport:
    """Read a file of Opus packets to its end, all links of a chain, and sum it up.

    Args:
        path: the file; its name's extension means nothing.
        raw: how a raw stream is framed; ``None`` for a file that says what it is.
        progress: is told the 48 kHz samples done so far.

    Raises:
        FormatError, MissingExtraError, OSError: see
            :func:`opuscule.containers.opening.open_packets`. What is wrong further on is in the
            report.
    """
    path = check_input(path)
    with open_links(path, raw=raw) as links:
        tally = _Tally()
        problem = None
        try:
            for reader in links:
                tally.begin(reader)
                for item in inspect_packets(reader):
                    tally.add(item)
                    if progress:
                        progress(tally.end_samples, None)
                tally.end(reader.end_samples)
        except FormatError as error:
            problem = str(error)
            tally.end(None)
        found = detect_file(path) if raw is None else None
        streams: tuple[OggStream, ...] = ()
        if found in (FileFormat.OGG, FileFormat.OGG_OPUS):
            with path.open("rb") as file:
                streams = list_streams(file)[:MAX_LISTED]
        container = f"raw {raw}" if found is None else str(found)
        return tally.report(container, path.stat().st_size, streams, problem)


class _Tally:
    """What was counted so far: of all links, and of the one that is read."""

    def __init__(self) -> None:
        self.end_samples = 0
        self._links: list[LinkReport] = []
        self._link_count = self._comment_characters = 0
        self._reader: PacketReader | None = None
        self._packets = self._payload_bytes = 0
        self._shortest, self._longest = 0, 0
        self._durations: Counter[int] = Counter()
        self._codings: Counter[Coding] = Counter()
        self._changes: list[CodingChange] = []
        self._change_count = -1  # the first packet is no change
        self._last: Coding | None = None
        self._format: StreamFormat | None = None
        self._fec = self._dtx = self._dtx_samples = self._invalid = 0
        self._dred = self._dred_longest = self._dred_samples = 0
        self._gaps: list[Gap] = []
        self._gap_count = self._gap_samples = 0
        self._pre_skip = self._end_trim = self._heard = 0
        self._skipped: dict[str, tuple[int, int]] = {}
        self._truncated = False

    def begin(self, reader: PacketReader) -> None:
        """Go on to the next link."""
        self._reader = reader
        self._format = self._format or reader.format
        self._start = self.end_samples
        self._before = self._packets, self._payload_bytes, self._gap_count, self._gap_samples

    def end(self, end_samples: int | None) -> None:
        """The link is over; ``None`` if it could not be read to its end."""
        reader, self._reader = self._reader, None
        if reader is None:
            return
        form, reached = reader.format, self.end_samples - self._start
        end = reached if end_samples is None else end_samples
        packets, payload_bytes, gap_count, gap_samples = self._before
        serial = getattr(reader, "serial", None)
        link = LinkReport(
            start_samples=self._start,
            serial=serial,
            channels=form.channels,
            input_rate=form.input_rate,
            pre_skip_samples=form.pre_skip_samples,
            end_trim_samples=max(0, reached - end),
            gain_q8=form.gain_q8,
            vendor=reader.vendor,
            comments=reader.comments,
            duration_samples=max(0, end - form.pre_skip_samples),
            packets=self._packets - packets,
            payload_bytes=self._payload_bytes - payload_bytes,
            gap_count=self._gap_count - gap_count,
            gap_samples=self._gap_samples - gap_samples,
            skipped=reader.skipped,
            truncated=reader.truncated,
        )
        self._link_count += 1
        self._comment_characters += sum(len(name) + len(value) for name, value in link.comments)
        listed = len(self._links) < MAX_LISTED
        if not self._links or (listed and self._comment_characters <= _MAX_COMMENT_CHARACTERS):
            self._links.append(link)
        self._pre_skip += link.pre_skip_samples
        self._end_trim += link.end_trim_samples
        self._heard += link.duration_samples
        self._truncated |= link.truncated
        for reason, (times, size) in link.skipped.items():
            had = self._skipped.get(reason, (0, 0))
            self._skipped[reason] = had[0] + times, had[1] + size

    def add(self, item: InspectedPacket | Gap) -> None:
        """Take the next packet or gap."""
        if isinstance(item, Gap):
            self.end_samples = self._start + item.end_samples
            self._gap_count += 1
            self._gap_samples += item.duration_samples
            if len(self._gaps) < MAX_LISTED:
                self._gaps.append(replace(item, start_samples=self._start + item.start_samples))
            return
        packet, size = item.packet, len(item.packet.data)
        self.end_samples = self._start + packet.end_samples
        self._shortest = min(self._shortest, size) if self._packets else size
        self._longest = max(self._longest, size)
        self._packets += 1
        self._payload_bytes += size
        self._durations[packet.duration_samples] += 1
        self._codings[item.coding] += packet.duration_samples
        self._fec += item.fec
        self._dtx += item.dtx
        self._dtx_samples += packet.duration_samples * item.dtx
        self._dred += item.dred_samples > 0
        self._dred_longest = max(self._dred_longest, item.dred_samples)
        self._dred_samples += item.dred_samples
        self._invalid += item.fault is not None
        if item.coding != self._last:
            self._last = item.coding
            self._change_count += 1
            if len(self._changes) < MAX_LISTED:
                time = self._start + packet.time_samples
                self._changes.append(CodingChange(time, item.coding))

    def report(
        self,
        container: str,
        file_bytes: int,
        streams: tuple[OggStream, ...],
        problem: str | None,
    ) -> FileReport:
        """Sum up; at least one link was begun and is over."""
        first, heard = self._links[0], self._heard
        assert self._format is not None  # noqa: S101 - a link was begun; this tells mypy
        return FileReport(
            container=container,
            file_bytes=file_bytes,
            links=tuple(self._links),
            link_count=self._link_count,
            channels=first.channels,
            input_rate=first.input_rate,
            gain_q8=first.gain_q8,
            vendor=first.vendor,
            comments=first.comments,
            stream_format=self._format,
            ogg_streams=streams,
            pre_skip_samples=self._pre_skip,
            end_trim_samples=self._end_trim,
            duration_samples=heard,
            packets=self._packets,
            payload_bytes=self._payload_bytes,
            bitrate=self._payload_bytes * 8 * MEDIA_RATE / heard if heard else 0.0,
            packet_bytes=(self._shortest, self._longest),
            packet_durations=dict(self._durations.most_common()),
            coded_samples=tuple(self._codings.most_common()),
            changes=tuple(self._changes),
            change_count=max(0, self._change_count),
            fec_packets=self._fec,
            dred_packets=self._dred,
            dred_longest_samples=self._dred_longest,
            dred_samples=self._dred_samples,
            dtx_packets=self._dtx,
            dtx_samples=self._dtx_samples,
            invalid_packets=self._invalid,
            gaps=tuple(self._gaps),
            gap_count=self._gap_count,
            gap_samples=self._gap_samples,
            skipped=self._skipped,
            truncated=self._truncated,
            problem=problem,
        )
