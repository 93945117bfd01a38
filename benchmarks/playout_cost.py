"""What playout costs: a pull against the bare decode, mending, the longest pull, memory.

What is compared is the engine: ``crates/core/examples/playout_loop.rs`` decodes a minute of
packets and plays the same packets, in one process, in turns, and its process's CPU clock is read;
48 kHz, mono, pulls of 20 ms that each hold one packet's decode. "In Python" is the same through the
package, one ``decode`` against one ``push`` and one ``pull``. Mending is played from the public
traces, and what it costs above the same packets on a perfect network is given in percent of a core
for one stream. Pulls are timed one by one on this thread's CPU clock, on all public traces. Memory
is what the process grows by, for a thousand buffers in which 400 ms wait, without what a thousand
decoders take. It needs ``../shared/neteq``.
"""

import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np

from _common import Result, below, in_turn, median, options, plain, ratio, report
from _network import PUBLIC, Trace, in_packets, load_trace
from _rust_loop import RustProgram, on_one_core, program
from _speech import NETEQ, STREAMS, Recipe, material
from opuscule.codec import Decoder, EncoderSettings
from opuscule.packets import Packet, StreamFormat
from opuscule.playout import Playout

PARTS = ("pull", "python", "mending", "longest", "memory")
ROW_MS, MS, PULL_MS = 20, 48, 20
OVERHEAD, LONGEST_MS, BUFFER_KB = 1.15, 5.0, 150.0
BUFFERS = 1000
COMPLEXITIES = (5, 10)
DRED, FAST = "dred1000", "300 ppm"
MENDED = (
    ("concealment", "plain", "ge10_b4"),
    ("FEC", "fec", "ge10_b4"),
    ("DRED of 1 s", DRED, "ge10_b4"),
    ("stretching", "plain", "exp40"),
    ("spikes", "plain", "spike500"),
    ("stalls", "plain", "stall1000"),
    ("clocks that part", "plain", FAST),
)
STREAMS[DRED] = Recipe(
    EncoderSettings(
        application="voip", complexity=10, fec=False, loss_percent=20, dtx=False, frame_ms=60,
        dred_ms=1000, bandwidth="wideband",
    ),
    rows=3,
    like_fec=False,
)  # fmt: skip

Arrived = tuple[float, Packet]


def arrived(stream: str, trace: Trace | None) -> list[Arrived]:
    """A stream's packets as they arrive, in ms; at once, when there is no network."""
    source = material(stream)
    duration = source.packet_rows * ROW_MS * MS
    packets = [
        Packet(k, k * duration, duration, data) for k, data in enumerate(source.packets) if data
    ]
    if trace is None:
        return [(float(packet.time_samples) / MS, packet) for packet in packets]
    rows = in_packets(trace, source.packet_rows).rows
    came = [
        (row.arrival_ms, packets[row.sequence])
        for row in rows
        if row.arrival_ms is not None and row.sequence < len(packets)
    ]
    return sorted(came, key=lambda one: (one[0], one[1].sequence))


@contextmanager
def loop(path: str, packets: Sequence[Arrived], complexity: int) -> Iterator[RustProgram]:
    """The program at work on these packets."""
    with tempfile.NamedTemporaryFile() as file:
        for at_ms, p in packets:
            head = round(at_ms * 1000), p.sequence, p.time_samples, len(p.data)
            file.write(struct.pack("<qqqq", *head) + p.data)
        file.flush()
        work = RustProgram(path, file.name, str(complexity))
        try:
            work.ask("bare")
            yield work
        finally:
            work.close()


def pulls(path: str, rounds: int) -> Iterator[Result]:
    """Bare decode and each mode, in turns."""
    for complexity in COMPLEXITIES:
        with loop(path, arrived("plain", None), complexity) as work:
            lines = ["bare", *(f"{mode} {PULL_MS} 60" for mode in ("whole", "fixed", "adaptive"))]
            ways = {line.split()[0]: partial(work.time, line) for line in lines}
            took = in_turn(ways, rounds)
            packets = work.ask("bare") / (ROW_MS * MS)
        name = f"complexity {complexity}, Rust"
        yield plain(f"bare decode of 20 ms, {name}", 1e6 * median(took["bare"]) / packets, "µs")
        for mode in ("whole", "fixed", "adaptive"):
            value = ratio(took[mode], took["bare"])
            yield below(f"pull / decode, {mode}, {name}", value, "x", OVERHEAD)


def in_python(rounds: int) -> Iterator[Result]:
    """The same through the package."""
    packets = [packet for _, packet in arrived("plain", None)]

    def bare() -> float:
        decoder = Decoder(48_000)
        began = time.thread_time()
        for packet in packets:
            decoder.decode(packet.data)
        return time.thread_time() - began

    def played() -> float:
        playout = Playout(StreamFormat(1, 0, 48_000), mode="adaptive")
        began = time.thread_time()
        for packet in packets:
            now = packet.time_samples / 48_000
            playout.push(packet, now)
            playout.pull(PULL_MS * MS, now + 0.01)
        return time.thread_time() - began

    took = in_turn({"bare": bare, "played": played}, rounds)
    each = 1e6 / len(packets)
    yield plain("decode of 20 ms, complexity 5, Python", each * median(took["bare"]), "µs")
    yield plain("push and pull of 20 ms, Python", each * median(took["played"]), "µs")
    yield plain("pull / decode, Python", ratio(took["played"], took["bare"]), "x")


def mending(path: str, rounds: int) -> Iterator[Result]:
    """What is paid for what a network does."""
    for complexity in COMPLEXITIES:
        for what, stream, name in MENDED:
            wait = 460 if stream == DRED else 60
            line = f"adaptive {PULL_MS} {wait}"
            good = arrived(stream, None)
            if name == FAST:
                bad = [(at_ms * (1 - 300e-6), packet) for at_ms, packet in good]
            else:
                bad = arrived(stream, load_trace(name))
            with loop(path, good, complexity) as calm, loop(path, bad, complexity) as rough:
                ways = {"calm": partial(calm.time, line), "rough": partial(rough.time, line)}
                took = in_turn(ways, rounds)
                seconds = rough.ask(line) / 48_000
            extra = median([b - a for a, b in zip(took["calm"], took["rough"], strict=True)])
            about = f"{what} ({name}), complexity {complexity}"
            yield plain(
                f"all of it with {about}", 100 * median(took["rough"]) / seconds, "% of core"
            )
            yield plain(f"of that {about}", 100 * extra / seconds, "% of core")


def each_pull(stream: str, trace: Trace) -> tuple[list[float], list[float]]:
    """Milliseconds of CPU of each pull, and each push, which decodes what is just too late."""
    wait = 460 if stream == DRED else 60
    playout = Playout(
        StreamFormat(1, 0, 48_000), mode="adaptive", complexity=10, target_delay_ms=wait
    )
    pulled, pushed = list[float](), list[float]()
    coming = iter(arrived(stream, trace))
    following = next(coming, None)
    for now_ms in range(5, len(trace.rows) * ROW_MS, PULL_MS):
        while following and following[0] <= now_ms:
            began = time.thread_time_ns()
            playout.push(following[1], following[0] / 1000)
            pushed.append((time.thread_time_ns() - began) / 1e6)
            following = next(coming, None)
        began = time.thread_time_ns()
        playout.pull(PULL_MS * MS, now_ms / 1000)
        pulled.append((time.thread_time_ns() - began) / 1e6)
    return pulled, pushed


def longest() -> Iterator[Result]:
    """The longest pulls, over all public traces."""
    for stream in ("plain", "fec", DRED):
        both = [each_pull(stream, load_trace(name)) for name in PUBLIC]
        pulled = [t for one, _ in both for t in one]
        about = f"pull of 20 ms, complexity 10, {stream}"
        yield plain(f"{about}, median", median(pulled), "ms")
        yield below(f"{about}, p99.9", float(np.percentile(pulled, 99.9)), "ms", LONGEST_MS)
        yield plain(f"{about}, most of {len(pulled)}", max(pulled), "ms")
        yield plain(f"push, {stream}, most", max(t for _, one in both for t in one), "ms")


def memory(path: str) -> Iterator[Result]:
    """A thousand decoders, and a thousand buffers with theirs, each in a process of its own."""
    for name, trace in (("calm", None), ("jitter", load_trace("exp40"))):
        packets = arrived("plain", trace)[:1500]
        taken = {}
        for what in ("decoders", "buffers"):
            with loop(path, packets, 5) as work:
                taken[what] = work.ask(f"memory {what} {BUFFERS}") / BUFFERS / 1e3
        yield plain(f"a decoder's memory, {name}", taken["decoders"], "kB")
        above = taken["buffers"] - taken["decoders"]
        yield below(f"a buffer's with 400 ms waiting, besides it, {name}", above, "kB", BUFFER_KB)


def main() -> None:
    wanted = options(__doc__, rounds=7, parts=PARTS)
    path = program("playout_loop")
    if path is None or not NETEQ.is_dir():
        print(f"skipped: {'no cargo or no Linux' if path is None else NETEQ}")
        return
    parts = [wanted.only] if wanted.only else PARTS
    ways: dict[str, Callable[[], Iterator[Result]]] = {
        "pull": partial(pulls, path, wanted.rounds),
        "python": partial(in_python, wanted.rounds),
        "mending": partial(mending, path, wanted.rounds),
        "longest": longest,
        "memory": partial(memory, path),
    }
    with on_one_core():
        results = [result for part in parts for result in ways[part]()]
    report(results, wanted.json)


if __name__ == "__main__":
    main()
