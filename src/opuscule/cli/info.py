"""``opuscule info``."""

import dataclasses
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import clock_time, emit, json_option, pairs, progress_bar, raw_option
from opuscule.errors import FormatError

if TYPE_CHECKING:
    from opuscule.containers.ogg import OggStream
    from opuscule.inspection import Coding, FileReport, LinkReport
    from opuscule.packets import StreamFormat

__all__ = ["info"]

_SHOWN = 10
"""Gaps, changes, links and streams that a person is shown; --json has more."""

_PICTURE = "METADATA_BLOCK_PICTURE"
_COLUMNS = 48
_LETTERS = {
    "silk": "S",
    "hybrid": "H",
    "celt": "C",
    "narrowband": "N",
    "mediumband": "M",
    "wideband": "W",
    "superwideband": "S",
    "fullband": "F",
}


def info(
    files: Annotated[list[Path], typer.Argument(help="Files of Opus packets.", readable=False)],
    raw: str | None = raw_option,
    json: bool = json_option,
) -> None:
    """Say all about files of Opus: what is in them, what is missing, how they are coded."""
    from opuscule.cli.packets import framing_of
    from opuscule.inspection import inspect_file

    framing = framing_of(raw)
    reports = []
    for path in files:
        with progress_bar(f"reading {path.name}", json) as progress:
            report = inspect_file(path, raw=framing, progress=progress)
        if json:
            reports.append({"file": path, **_for_script(report)})
        else:
            typer.echo(str(path))
            _show(report)
    if json:
        emit(reports[0] if len(reports) == 1 else reports)


def _for_script(report: "FileReport") -> dict[str, object]:
    values = {field.name: getattr(report, field.name) for field in dataclasses.fields(report)}
    return values | {
        "coded_samples": [
            {**dataclasses.asdict(coding), "samples": samples}
            for coding, samples in report.coded_samples
        ],
        "changes": [
            {"time_samples": change.time_samples, **dataclasses.asdict(change.coding)}
            for change in report.changes
        ],
        "stream_format": {
            **dataclasses.asdict(report.stream_format),
            "mapping": list(report.stream_format.mapping),
        },
        "overhead_bytes": report.file_bytes - report.payload_bytes,
        **_tags_for_script(report),
        "links": [
            {field.name: getattr(link, field.name) for field in dataclasses.fields(link)}
            | _tags_for_script(link)
            for link in report.links
        ],
    }


def _tags_for_script(report: "FileReport | LinkReport") -> dict[str, object]:
    return {
        "comments": [_printable(f"{name}={value}") for name, value in report.comments],
        "vendor": _printable(report.vendor),
    }


def _show(report: "FileReport") -> None:
    total = report.duration_samples
    coded = sum(samples for _, samples in report.coded_samples)
    overhead = report.file_bytes - report.payload_bytes
    beside = f"{overhead} beside packets, {_share(overhead, report.file_bytes)}"
    sizes = ", ".join(f"{n} of {d / 48:g} ms" for d, n in report.packet_durations.items())
    dred = f"in {_share(report.dred_packets, report.packets)} of the packets"
    if report.dred_packets:
        mean = report.dred_samples / report.dred_packets
        dred += f", {mean / 48:.0f} ms back, at most {report.dred_longest_samples / 48:g}"
    seconds = total / 48_000
    gross = f" ({report.file_bytes * 8 / seconds / 1000:.1f} of the whole file)" if total else ""
    mean_ms = coded / 48 / max(1, report.packets)
    trims = f"{report.pre_skip_samples} samples in front (pre-skip), {report.end_trim_samples}"
    invalid = report.invalid_packets
    cut = "missing: the file is cut, or still being written"
    rows: list[tuple[str, object]] = [
        ("container", f"{report.container}, {report.file_bytes} bytes ({beside})"),
        *(("stream", _stream_words(stream)) for stream in report.ogg_streams[:_SHOWN]),
        *([("links", report.link_count)] if report.link_count > 1 else []),
        ("length", f"{clock_time(seconds)} ({total} samples at 48 kHz)"),
        ("trimmed", f"{trims} at the end"),
        ("channels", _channel_words(report.stream_format)),
        ("input rate", f"{report.input_rate} Hz"),
        ("gain", f"{report.gain_q8 / 256:+.2f} dB"),
        ("bit rate", f"{report.bitrate / 1000:.1f} kb/s{gross}"),
        ("packets", f"{report.packets}: {sizes or 'none'}; {mean_ms:.1f} ms in the mean"),
        ("packet size", f"{report.packet_bytes[0]} to {report.packet_bytes[1]} bytes"),
        *(("coded", f"{_words(c)}: {_share(n, coded)}") for c, n in report.coded_samples),
        ("changes", report.change_count),
        ("FEC", f"in {_share(report.fec_packets, report.packets)} of the packets"),
        ("DRED", dred),
        ("DTX", f"{report.dtx_packets} packets of silence, {report.dtx_samples / 48:g} ms"),
        *([("INVALID", f"{invalid} packets, which decoders refuse")] if invalid else []),
        ("missing", f"{report.gap_samples / 48:g} ms in {report.gap_count} gaps"),
        ("end", cut if report.truncated else "there"),
        ("encoder", _printable(report.vendor) or "not named"),
        *(
            ("passed over", f"{why}: {times} times, {size} bytes")
            for why, (times, size) in report.skipped.items()
        ),
    ]
    if report.problem:
        rows.append(("PROBLEM", report.problem))
    pairs(rows)
    _comments(report.comments, "  ")
    if report.link_count > 1:
        for number, link in enumerate(report.links[:_SHOWN], 1):
            typer.echo(f"  link {number}: {_link(link)}")
            if number > 1:
                _comments(link.comments, "    ")
        _rest(report.link_count, "links")
    for line in _over_time(report):
        typer.echo(f"  {line}")
    if report.change_count:
        for change in report.changes[:_SHOWN]:
            typer.echo(f"  from {change.time_samples / 48_000:.3f} s: {_words(change.coding)}")
        _rest(report.change_count + 1, "changes")
    for gap in report.gaps[:_SHOWN]:
        typer.echo(
            f"  gap at {gap.start_samples / 48_000:.3f} s: {gap.duration_samples / 48:g} ms"
            f" {gap.kind.value}"
        )
    _rest(report.gap_count, "gaps")


def _stream_words(stream: "OggStream") -> str:
    least, most = (samples / 48 for samples in stream.page_samples)
    lasting = f" of {least:g} to {most:g} ms" if stream.kind == "opus" and most else ""
    end = "" if stream.finished else ", without an end"
    return (
        f"{_printable(stream.kind)}, serial {stream.serial:#010x}, {stream.pages} pages{lasting},"
        f" {stream.size_bytes} bytes{end}"
    )


def _channel_words(form: "StreamFormat") -> str:
    if form.is_single:
        return str(form.channels)
    return (
        f"{form.channels} of mapping family {form.mapping_family}, in {form.streams} streams,"
        f" {form.coupled} of them stereo"
    )


def _picture_words(value: str) -> str:
    from opuscule.containers.ogg import Picture

    try:
        picture = Picture.from_comment(value)
    except FormatError as error:
        return f"a picture that cannot be read: {error}"
    kind = picture.type.name.lower().replace("_", " ")
    size = f"{picture.width} × {picture.height}, " if picture.width else ""
    return f"{kind}, {picture.media_type}, {size}{len(picture.data)} bytes"


def _over_time(report: "FileReport") -> list[str]:
    """A line of the modes over time, and one of the bandwidths; nothing where neither changes.

    A column has what most of its time is coded as, or a dot where packets are missing at all.
    """
    end = report.pre_skip_samples + report.duration_samples + report.end_trim_samples
    listed = len(report.changes) == report.change_count + 1
    codings = {(change.coding.mode, change.coding.bandwidth) for change in report.changes}
    if not listed or not end or len(codings) < 2:
        return []
    lines = ["", ""]
    starts = [change.time_samples for change in report.changes]
    for column in range(_COLUMNS):
        low, high = end * column // _COLUMNS, end * (column + 1) // _COLUMNS
        if any(gap.start_samples < high and gap.end_samples > low for gap in report.gaps):
            lines = [line + "·" for line in lines]
            continue
        coding = report.changes[max(0, bisect_right(starts, (low + high) // 2) - 1)].coding
        lines[0] += _LETTERS[coding.mode]
        lines[1] += _LETTERS[coding.bandwidth]
    return [
        f"mode       |{lines[0]}|  S silk, H hybrid, C celt, · missing",
        f"bandwidth  |{lines[1]}|  N 4, M 6, W 8, S 12, F 20 kHz",
    ]


def _comments(comments: tuple[tuple[str, str], ...], indent: str) -> None:
    for name, value in comments:
        shown = _picture_words(value) if name.upper() == _PICTURE else _printable(value)
        shown = shown if len(shown) <= 200 else f"{shown[:60]}… ({len(value)} characters)"
        typer.echo(f"{indent}{_printable(name)}={shown}")


def _link(link: "LinkReport") -> str:
    words = [
        f"from {link.start_samples / 48_000:.3f} s",
        f"{clock_time(link.duration_samples / 48_000)} ({link.duration_samples} samples)",
        f"{link.packets} packets",
        f"{link.channels} channel{'s' * (link.channels > 1)}",
        f"{link.input_rate} Hz",
        f"serial number {link.serial}",
    ]
    if link.gap_count:
        words.append(f"{link.gap_samples / 48:g} ms missing")
    if link.truncated:
        words.append("end missing")
    return ", ".join(words)


def _rest(count: int, what: str) -> None:
    if count > _SHOWN:
        typer.echo(f"  … {count - _SHOWN} more {what}; --json lists them")


def _words(coding: "Coding") -> str:
    channels = "mono" if coding.channels == 1 else "stereo"
    mode = {"silk": "SILK", "hybrid": "hybrid", "celt": "CELT"}[coding.mode]
    return f"{mode} {coding.bandwidth} {channels}, frames of {coding.frame_samples / 48:g} ms"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def _printable(text: str) -> str:
    """Text of a file, without what would steer a terminal or cannot be encoded."""
    clean = text.encode(errors="surrogateescape").decode(errors="replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in clean)
