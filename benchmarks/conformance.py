"""Decoders that must agree: ours, libopus from C, and ffmpeg's own (docs/conformance.md).

Every stream of the matrix is decoded in three ways by the package and by the C program of
tools/reference, which must give the same bytes; and once by ffmpeg's own decoder, whose quality by
the measure of opus_compare, with the package's output as the reference, must not be below 0 for
streams of one mode, whole. The others (switching, pauses, redundancy) are listed apart. Where the
two disagree, the system's libopus, an older one, is the judge. No time is measured, so --rounds
changes nothing.
"""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from _channels import channel_streams, encode
from _common import Result, above, below, median, options, plain, report
from _quality import opus_quality, own_bins
from _reference import (
    Layout,
    Reference,
    ReferenceMissingError,
    carry_out,
    single_frames,
    with_ffmpeg,
)
from _streams import Stream, actions, matrix, variants
from opuscule import libopus_version

# What is required.
STREAMS = 400
TOC_BYTES = 64  # 32 configurations, mono and stereo (RFC 6716 §3.1): all are to be met
DIFFERING = 0  # decodings in which the package and the C program differ
LOWEST_QUALITY = 0.0  # percent, for each of HELD; RFC 6716 §6 asks no more of any decoder
HELD = ("SILK", "hybrid", "CELT")
APART = ("switching", "dtx", "fec", "dred")
CHANNELS = ("channels", "channels, fec")  # several streams in a packet: the C program only


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stream."""

    group: str
    """Its mode if it has only one; a stream that libopus switches by itself is ``switching``."""
    name: str
    decodings: int
    differing: int
    rebuilt: int
    """Frames rebuilt from in-band FEC, in all decodings."""
    whole: float | None = None
    """ffmpeg's quality up to 20 kHz, in percent."""
    own: float | None = None
    """The same without what depends on a resampler; None for streams that switch, too."""
    single: float | None = None
    """As ``own``, with each frame in a packet of its own; only where that may help."""
    older: float | None = None
    """Of the system's libopus, up to 20 kHz."""


def kinds(packets: Sequence[bytes]) -> set[tuple[str, int, int]]:
    """Mode, bandwidth and channels of all packets (RFC 6716 §3.1, table 2)."""
    found = set()
    for packet in packets:
        configuration, stereo = packet[0] >> 3, packet[0] >> 2 & 1
        if configuration < 12:
            found.add(("SILK", configuration // 4, stereo))
        elif configuration < 16:
            found.add(("hybrid", configuration // 2, stereo))
        else:
            found.add(("CELT", configuration // 4, stereo))
    return found


def outcome(
    reference: Reference,
    stream: Stream,
    packets: Sequence[bytes],
    layout: Layout | None,
    *,
    ffmpeg: bool,
) -> Outcome:
    """Decode one stream in every way."""
    differing = rebuilt = 0
    ways = variants(stream)
    for way in ways:
        todo = list(actions(stream, packets, way.rate, layout))
        how = (way.rate, way.channels, way.sample_format, way.complexity, layout)
        rebuilt += sum(action.kind == "f" for action in todo)
        differing += reference.decode(todo, *how) != carry_out(todo, *how)
    group: str = stream.group
    if layout:
        return Outcome(group, stream.name, len(ways), differing, rebuilt)
    found = kinds(packets)
    if group in ("steady", "automatic"):
        group = next(iter(found))[0] if len(found) == 1 else "switching"
    if not ffmpeg:
        return Outcome(group, stream.name, len(ways), differing, rebuilt)
    ours, theirs = with_ffmpeg(packets, stream.channels, "opus")
    own = opus_quality(ours, theirs, own_bins(packets[0][0])) if len(found) == 1 else None
    whole = opus_quality(ours, theirs)
    single = None
    if own is not None and own < LOWEST_QUALITY and any(packet[0] & 3 for packet in packets):
        frames = [frame for packet in packets for frame in single_frames(packet)]
        single = opus_quality(
            *with_ffmpeg(frames, stream.channels, "opus"), own_bins(packets[0][0])
        )
    older = opus_quality(*with_ffmpeg(packets, stream.channels, "libopus"))
    return Outcome(group, stream.name, len(ways), differing, rebuilt, whole, own, single, older)


def qualities(group: str, outcomes: Sequence[Outcome]) -> list[Result]:
    """What the other decoders reach in one group."""
    here = [o for o in outcomes if o.group == group]
    results = [plain(f"{group}: streams", len(here), "")]
    for name, found in (
        ("ffmpeg", [o.whole for o in here if o.whole is not None]),
        ("ffmpeg, own band", [o.own for o in here if o.own is not None]),
        (
            "ffmpeg, own band, one frame a packet",
            [
                max(o.own, o.own if o.single is None else o.single)
                for o in here
                if o.own is not None
            ],
        ),
        ("system's libopus", [o.older for o in here if o.older is not None]),
    ):
        if not found:
            continue
        lowest = f"{group}, {name}: lowest"
        if group in HELD:
            results.append(above(lowest, min(found), "%", LOWEST_QUALITY))
        else:
            results.append(plain(lowest, min(found), "%"))
        results.append(plain(f"{group}, {name}: median", median(found), "%"))
        below_zero = sum(quality < LOWEST_QUALITY for quality in found)
        results.append(plain(f"{group}, {name}: below 0, of {len(found)}", below_zero, "streams"))
    return results


def main() -> None:
    chosen = options(__doc__, rounds=1)
    ffmpeg = shutil.which("ffmpeg") is not None
    if not ffmpeg:
        print("ffmpeg is not installed: only the C program is compared with")
    outcomes = []
    tocs: Counter[int] = Counter()
    sent = 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            reference = Reference.build(Path(folder))
        except ReferenceMissingError as error:
            sys.exit(f"skipped: {error}")
        if reference.version != libopus_version():
            sys.exit(f"the C program has {reference.version}, the package {libopus_version()}")
        streams = matrix()
        for stream in [*streams, *channel_streams(len(streams))]:
            packets, layout = encode(reference, stream)
            sent += len(packets)
            if layout is None:
                tocs.update(packet[0] >> 2 for packet in packets)
            outcomes.append(outcome(reference, stream, packets, layout, ffmpeg=ffmpeg))
    print(
        f"{sent} packets, {sent - tocs.total()} of them of several streams; below 0, or differing:"
    )
    for one in outcomes:
        if one.differing or (one.whole or 0) < 0:
            own = "" if one.own is None else f", in its own band {one.own:.0f} %"
            print(
                f"  {one.name}: {one.differing} differ; ffmpeg {one.whole or 0:.0f} %{own};"
                f" the system's libopus {one.older or 0:.0f} %"
            )
    results = [
        above("streams", len(outcomes), "", STREAMS),
        above("TOC bytes met, frame counts apart", len(tocs), "", TOC_BYTES),
        plain("decodings compared with the C program", sum(o.decodings for o in outcomes), ""),
        below("of these differing", sum(o.differing for o in outcomes), "", DIFFERING),
    ]
    for group in (*HELD, *APART):
        results += qualities(group, outcomes)
    for group in CHANNELS:
        here = [o for o in outcomes if o.group == group]
        results += [
            plain(f"{group}: streams", len(here), ""),
            plain(f"{group}: decodings", sum(o.decodings for o in here), ""),
            plain(f"{group}: frames rebuilt from FEC", sum(o.rebuilt for o in here), ""),
            below(f"{group}: decodings differing", sum(o.differing for o in here), "", DIFFERING),
        ]
    report(results, chosen.json)


if __name__ == "__main__":
    main()
