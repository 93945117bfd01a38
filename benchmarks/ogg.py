"""Reading an hour of Ogg Opus packet by packet, against PyAV (rows R5, Z4, Z10).

An hour of 20 ms packets at 24 kb/s, in the page cache. Both ways must find the same packets. Then
the same hour is brought into an archive, index included, and written as Ogg.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av

from _common import Result, below, in_turn, median, options, plain, ratio, report, speech
from opuscule import EncoderSettings, Packet, StreamEncoder, StreamFormat
from opuscule.archive import import_file
from opuscule.containers.ogg import OggReader, OggWriter

SECONDS = 3600
SETTINGS = EncoderSettings(dtx=False)


def an_hour() -> tuple[StreamFormat, list[Packet]]:
    """A minute of speech, its packets sixty times in a row."""
    encoder = StreamEncoder(16_000, preset=SETTINGS)
    minute = encoder.push(speech(16_000, 60))
    return encoder.format, [
        Packet(n, n * 960, 960, minute[n % len(minute)].data) for n in range(SECONDS * 50)
    ]


def write(path: Path, stream: StreamFormat, packets: list[Packet]) -> None:
    with path.open("wb") as file:
        writer = OggWriter(file, stream)
        for packet in packets:
            writer.write(packet)
        writer.close()


def seconds(work: Callable[[], None]) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return measure


def main() -> None:
    chosen = options(__doc__, rounds=7)
    stream, packets = an_hour()
    payload_bytes = sum(len(packet.data) for packet in packets)

    def check(found: int, size: int) -> None:
        assert (found, size) == (len(packets), payload_bytes), f"{found} packets, {size} bytes"

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "hour.opus"
        write(path, stream, packets)
        imported = iter(range(1000))

        def ours() -> None:
            found = size = 0
            with path.open("rb") as file:
                for item in OggReader(file):
                    if isinstance(item, Packet):
                        found += 1
                        size += len(item.data)
            check(found, size)

        def pyav() -> None:
            found = size = 0
            with av.open(str(path)) as container:
                for packet in container.demux(audio=0):
                    if packet.size:  # the last one is empty: PyAV's sign of the end
                        found += 1
                        size += len(bytes(packet))
            check(found, size)

        def into_archive() -> None:
            done = import_file(folder / "archive.zarr", path, name=f"hour-{next(imported)}")
            check(done.info.packets, payload_bytes)

        took = in_turn(
            {
                "ours": seconds(ours),
                "PyAV": seconds(pyav),
                "archive": seconds(into_archive),
                "write": seconds(lambda: write(folder / "again.opus", stream, packets)),
            },
            chosen.rounds,
        )
    results: list[Result] = [
        # Row Z10 gives the index of an hour half a second; reading is all of it but arithmetic.
        below("read an hour, OggReader", median(took["ours"]), "s", 0.5),
        plain("read an hour, PyAV", median(took["PyAV"]), "s"),
        below("read, OggReader by PyAV", ratio(took["ours"], took["PyAV"]), "×", 1),
        plain("import an hour into an archive", median(took["archive"]), "s"),
        plain("write an hour, OggWriter", median(took["write"]), "s"),
    ]
    print(f"{len(packets)} packets, {payload_bytes / 1e6:.1f} MB")
    report(results, chosen.json)


if __name__ == "__main__":
    main()
