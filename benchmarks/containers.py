"""Demuxing and writing an hour of Ogg Opus, against PyAV and libogg in C (rows R5, Z4, Z10).

An hour of 20 ms packets at 24 kb/s, in the page cache, checksums included. All ways must find the
same packets. In columns: payload, lengths and times, as the importer takes them; as objects: one
``Packet`` each. libogg is measured by a small C program, compiled here; without a C compiler or
libogg that line is left out. Then: writing the hour from a list and from an iterator, against PyAV;
100 seeks in it; and bringing it into an archive, index included.
"""

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import av

from _common import Result, above, below, in_turn, median, options, plain, ratio, report, speech
from opuscule import EncoderSettings, Packet, StreamEncoder, StreamFormat
from opuscule.archive import import_file
from opuscule.containers.ogg import OggReader, OggWriter

SECONDS = 3600
SEEKS = 100
SETTINGS = EncoderSettings(dtx=False)
HERE = Path(__file__).parent


def an_hour() -> tuple[StreamFormat, list[Packet]]:
    """A minute of speech, its packets sixty times in a row."""
    encoder = StreamEncoder(16_000, preset=SETTINGS)
    minute = encoder.push(speech(16_000, 60))
    return encoder.format, [
        Packet(n, n * 960, 960, minute[n % len(minute)].data) for n in range(SECONDS * 50)
    ]


def write(path: Path, stream: StreamFormat, packets: Iterable[Packet]) -> None:
    with path.open("wb") as file:
        writer = OggWriter(file, stream)
        writer.write_all(packets)
        writer.close()


def compiled(folder: Path) -> Path | None:
    """The C program, or None where it cannot be made."""
    compiler = shutil.which("cc")
    if compiler is None:
        print("no C compiler: libogg is left out")
        return None
    program = folder / "libogg_demux"
    for library in ("-logg", "-l:libogg.so.0"):
        command = [compiler, "-O2", str(HERE / "libogg_demux.c"), "-o", str(program), library]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return program
    print("libogg is not installed: left out")
    return None


def main() -> None:
    chosen = options(__doc__, rounds=15)
    stream, packets = an_hour()
    payload_bytes = sum(len(packet.data) for packet in packets)

    def check(found: int, size: int) -> None:
        assert (found, size) == (len(packets), payload_bytes), f"{found} packets, {size} bytes"

    def seconds(work: Callable[[], None]) -> Callable[[], float]:
        def measure() -> float:
            began = time.perf_counter()
            work()
            return time.perf_counter() - began

        return measure

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "hour.opus"
        write(path, stream, packets)
        program = compiled(folder)

        def columns() -> None:
            with path.open("rb", buffering=0) as file:
                found = size = 0
                for batch in OggReader(file).columns():
                    found += len(batch.lengths)
                    size += len(batch.payload)
            check(found, size)

        def objects() -> None:
            with path.open("rb", buffering=0) as file:
                found = size = 0
                for item in OggReader(file):
                    if isinstance(item, Packet):
                        found += 1
                        size += len(item.data)
            check(found, size)

        def pyav() -> None:
            with av.open(str(path)) as container:
                found = size = 0
                for packet in container.demux(audio=0):
                    if packet.size:  # the last one is empty: PyAV's sign of the end
                        found += 1
                        size += len(bytes(packet))
            check(found, size)

        def libogg() -> float:
            # The second round finds its memory warm.
            said = subprocess.run([str(program), str(path), "2"], capture_output=True, check=True)
            found, size, _, took = said.stdout.split()
            check(int(found), int(size))
            return float(took)

        def mux() -> None:
            # PyAV writes the packets that it has read; reading them is not measured.
            with av.open(str(folder / "theirs.opus"), "w", format="ogg") as output:
                stream = output.add_stream_from_template(template)
                for packet in demuxed:
                    packet.stream = stream
                    output.mux(packet)

        imported = iter(range(1000))

        def into_archive() -> None:
            done = import_file(folder / "archive.zarr", path, name=f"hour-{next(imported)}")
            check(done.info.packets, payload_bytes)

        def seeks() -> None:
            draw = random.Random(1)
            with path.open("rb", buffering=0) as file:
                reader = OggReader(file)
                for _ in range(SEEKS):
                    wanted = draw.randrange(SECONDS * 48_000)
                    reader.seek(wanted)
                    first = next(iter(reader))
                    assert isinstance(first, Packet)
                    assert first.time_samples <= max(0, wanted - 3840) < first.end_samples

        ways = {
            "columns": seconds(columns),
            "PyAV": seconds(pyav),
            "objects": seconds(objects),
            "write": seconds(lambda: write(folder / "again.opus", stream, packets)),
            "live": seconds(lambda: write(folder / "again.opus", stream, iter(packets))),
            "seek": seconds(seeks),
            "import": seconds(into_archive),
        }
        if program:
            ways["libogg"] = libogg
        with av.open(str(path)) as container:
            template = container.streams.audio[0]
            demuxed = [packet for packet in container.demux(audio=0) if packet.size]
            ways["mux"] = seconds(mux)
            took = in_turn(ways, chosen.rounds)
    results: list[Result] = [
        plain("demux into columns", median(took["columns"]) * 1000, "ms"),
        plain("demux by PyAV", median(took["PyAV"]) * 1000, "ms"),
        above("PyAV by columns", ratio(took["PyAV"], took["columns"]), "×", 20),
        plain("demux into objects", median(took["objects"]) * 1000, "ms"),
        above("PyAV by objects", ratio(took["PyAV"], took["objects"]), "×", 3),
        plain("write a list", median(took["write"]) * 1000, "ms"),
        plain("write from an iterator", median(took["live"]) * 1000, "ms"),
        plain("write by PyAV", median(took["mux"]) * 1000, "ms"),
        above("PyAV by a list", ratio(took["mux"], took["write"]), "×", 3),
        above("PyAV by an iterator", ratio(took["mux"], took["live"]), "×", 3),
        plain("seek", median(took["seek"]) * 1000 / SEEKS, "ms"),
        # Row Z10 gives the index of an hour half a second; this is more than that.
        below("import into an archive", median(took["import"]) * 1000, "ms", 500),
    ]
    if program:
        results.insert(2, plain("demux by libogg in C", median(took["libogg"]) * 1000, "ms"))
        result = below("columns by libogg in C", ratio(took["columns"], took["libogg"]), "×", 1.5)
        results.insert(3, result)
    print(f"{len(packets)} packets, {payload_bytes / 1e6:.1f} MB")
    report(results, chosen.json)


if __name__ == "__main__":
    main()
