"""``opuscule info``."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opuscule.cli.output import clock_time, emit, json_option, pairs, progress_bar, raw_option

if TYPE_CHECKING:
    from opuscule.inspection import Coding, FileReport, LinkReport

__all__ = ["info"]

_SHOWN = 10
"""Links, gaps and changes that a person is shown; --json has more."""


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
    sizes = ", ".join(f"{n} of {d / 48:g} ms" for d, n in report.packet_durations.items())
    dred = f"in {_share(report.dred_packets, report.packets)} of the packets"
    if report.dred_packets:
        dred += f", up to {report.dred_longest_samples / 48:g} ms back"
    trims = f"{report.pre_skip_samples} samples in front (pre-skip), {report.end_trim_samples}"
    invalid = report.invalid_packets
    cut = "missing: the file is cut, or still being written"
    rows: list[tuple[str, object]] = [
        ("container", f"{report.container}, {report.file_bytes} bytes ({overhead} beside packets)"),
        *([("links", report.link_count)] if report.link_count > 1 else []),
        ("length", f"{clock_time(total / 48_000)} ({total} samples at 48 kHz)"),
        ("trimmed", f"{trims} at the end"),
        ("channels", report.channels),
        ("input rate", f"{report.input_rate} Hz"),
        ("gain", f"{report.gain_q8 / 256:+.2f} dB"),
        ("bit rate", f"{report.bitrate / 1000:.1f} kb/s"),
        ("packets", f"{report.packets}: {sizes or 'none'}"),
        ("packet size", f"{report.packet_bytes[0]} to {report.packet_bytes[1]} bytes"),
        *(("coded", f"{_words(c)}: {_share(n, coded)}") for c, n in report.coded_samples),
        ("changes", report.change_count),
        ("FEC", f"in {_share(report.fec_packets, report.packets)} of the packets"),
        ("DRED", dred),
        ("DTX", f"{report.dtx_packets} packets of silence"),
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


def _comments(comments: tuple[tuple[str, str], ...], indent: str) -> None:
    for name, value in comments:
        shown = _printable(value)
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
