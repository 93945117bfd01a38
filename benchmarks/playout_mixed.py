"""How far adaptive streams of one clock are apart in the mixer, each over its own network.

The same minute of speech twice, ``adaptive`` and at least 30 ms, mixed in pulls of 10 ms: one on a
perfect network, or as named, one on a recorded one. After the first 15 s, in which delays settle,
:meth:`MixedStream.offset_samples` after every pull. Nothing is timed. It needs ``../shared/neteq``.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from _common import Result, options, plain, report
from _network import load_trace
from _speech import NETEQ
from opuscule.mixer import Mixer
from opuscule.packets import StreamFormat
from opuscule.playout import Playout
from playout_cost import arrived

PULL_MS, SECONDS, SETTLED_S = 10, 60, 15
MS = 48
PAIRS = (
    (None, "ge10_b4"),
    (None, "exp10"),
    (None, "exp40"),
    (None, "wifi40"),
    ("exp40", "wifi40"),
    (None, "spike500"),
    (None, "stall1000"),
)


def apart_ms(*networks: str | None) -> NDArray[np.float64]:
    """How far the streams are apart after each pull."""
    mixer, coming = Mixer(), []
    for name in networks:
        playout = Playout(StreamFormat(1, 0, 48_000), mode="adaptive", target_delay_ms=30)
        trace = None if name is None else load_trace(name)
        coming.append((mixer.add(playout, clock="one"), arrived("plain", trace)))
    found = []
    for now_ms in range(PULL_MS // 2, SECONDS * 1000, PULL_MS):
        for stream, packets in coming:
            while packets and packets[0][0] <= now_ms:
                at_ms, packet = packets.pop(0)
                stream.playout.push(packet, at_ms / 1000)
        mixer.pull(PULL_MS * MS, now_ms / 1000)
        streams = [stream for stream, _ in coming]
        offsets = [b.offset_samples(a) for a, b in pairwise(streams)]
        if now_ms > SETTLED_S * 1000:
            found += [abs(offset) / MS for offset in offsets if offset is not None]
    return np.array(found)


def measured() -> Iterator[Result]:
    for networks in PAIRS:
        about = " and ".join(name or "perfect" for name in networks)
        apart = apart_ms(*networks)
        for share in (50, 90, 99):
            value = float(np.percentile(apart, share))
            yield plain(f"{about}: {share} % of the time at most", value, "ms")


def main() -> None:
    wanted = options(__doc__, rounds=1)
    if not NETEQ.is_dir():
        print(f"skipped: {NETEQ}")
        return
    report(list(measured()), wanted.json)


if __name__ == "__main__":
    main()
