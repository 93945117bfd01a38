"""What a server spends on each packet it receives (rows P1, G3).

Fifty devices send speech over loopback WebSockets, a packet of 20 ms each in its own time, to a
server in a process of its own on asyncio's event loop. Counted is all CPU time of that process, its
threads and the kernel's share included, while the packets come; connecting and the sealing of
recordings at their end are not. Five servers take turns: one of picows alone that looks at nothing;
one that answers every fifth message, as our receipts do, which is the floor; ours with a handler
that leaves packets unread; one whose handler has them decoded; and that one keeping everything,
flushed every 200 ms. Over loopback, a message's way to its receiver is on the sender's account.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import picows

from _common import in_turn, median, options, plain, ratio, report, speech
from opuscule import Server, StreamEncoder
from opuscule.codec import Buffer
from opuscule.handlers import Utterance, nothing
from opuscule.transports.websocket import PATH
from opuscule.wire.frame import pack
from opuscule.wire.messages import Hello, Receipt, Start, decode_message, encode_message

DEVICES = 50
SECONDS = 10
PACKETS = SECONDS * 50
FRAME_S = 0.02
SILENT, FLOOR = "picows alone", "picows alone, answering"
RECEIVED, DECODED, KEPT = "received", "received, decoded", "received, decoded, kept"
RECEIPT = encode_message(Receipt(stream=0, highest=500, received=500, at_us=10**10))


class Sink(picows.WSListener):
    """A server's side that does nothing with messages but, at most, answer every fifth."""

    def __init__(self, answers: bool) -> None:
        self.answers = answers
        self.count = 0

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        frame.get_payload_as_bytes()
        self.count += 1
        if self.answers and not self.count % 5:
            transport.send(picows.WSMsgType.TEXT, RECEIPT)


async def unread(_: Utterance) -> AsyncIterator[Buffer]:
    return
    yield b""


async def serve(way: str, folder: Path) -> None:
    """The server's process: tells its address, serves until it is stopped."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if way in (SILENT, FLOOR):
        listener = await picows.ws_create_server(lambda _: Sink(way == FLOOR), "127.0.0.1", 0)
        print(f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}", flush=True)
        await stop.wait()
        return
    handler = unread if way == RECEIVED else nothing
    async with Server(handler, port=0, keep=folder if way == KEPT else None) as server:
        print(server.url, flush=True)
        await stop.wait()


class Device(picows.WSListener):
    """Sends what it is given, each packet in its time; remembers what it was told has arrived."""

    def __init__(self) -> None:
        self.highest = -1

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, _transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.TEXT:
            message = decode_message(frame.get_payload_as_bytes())
            if isinstance(message, Receipt):
                self.highest = message.highest

    async def send(self, frames: list[bytes], begin: float) -> None:
        loop = asyncio.get_running_loop()
        for n, data in enumerate(frames):
            await asyncio.sleep(begin + n * FRAME_S - loop.time())
            self.transport.send(picows.WSMsgType.BINARY, data)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(url: str, pid: int, start: bytes, frames: list[bytes]) -> tuple[float, list[Device]]:
    """Send everything; the CPU seconds that the server took for it."""
    devices = []
    for n in range(DEVICES):
        transport, device = await picows.ws_connect(Device, url + PATH)
        assert isinstance(device, Device)
        transport.send(picows.WSMsgType.TEXT, encode_message(Hello(1, device=f"device-{n}")))
        transport.send(picows.WSMsgType.TEXT, start)
        devices.append(device)
    await asyncio.sleep(0.5)
    before = cpu_seconds(pid)
    begin = asyncio.get_running_loop().time()
    await asyncio.gather(
        *(d.send(frames, begin + n * FRAME_S / DEVICES) for n, d in enumerate(devices))
    )
    await asyncio.sleep(0.5)  # the last receipts and the last flush
    spent = cpu_seconds(pid) - before
    for device in devices:
        device.transport.disconnect()
    return spent, devices


def measuring(way: str, start: bytes, frames: list[bytes]) -> Callable[[], float]:
    """Measure µs a packet with a new server."""

    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            server = subprocess.Popen(
                [sys.executable, __file__, "--serve", way, folder],
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                assert server.stdout is not None
                url = server.stdout.readline().strip()
                spent, devices = asyncio.run(load(url, server.pid, start, frames))
            finally:
                server.terminate()
                server.wait(60)
        if way not in (SILENT, FLOOR):
            assert [d.highest for d in devices] == [PACKETS - 1] * DEVICES, "packets are missing"
        return spent / (DEVICES * PACKETS) * 1e6

    return measure


def main() -> None:
    chosen = options(__doc__, rounds=3)
    if not Path("/proc/self/stat").exists():
        sys.exit("server: CPU time is read from /proc, which only Linux has")
    encoder = StreamEncoder(16_000, dtx=False)
    packets = encoder.push(speech(16_000, SECONDS))
    frames = [pack(0, 0, p.sequence, p.time_samples, p.data) for p in packets]
    start = encode_message(
        Start(
            stream=0,
            channels=1,
            pre_skip_samples=encoder.format.pre_skip_samples,
            input_rate=16_000,
            frame_ms=20,
            clock_us=0,
            epoch_ms=round(time.time() * 1000),
        )
    )
    assert len(frames) == PACKETS
    took = in_turn(
        {way: measuring(way, start, frames) for way in (SILENT, FLOOR, RECEIVED, DECODED, KEPT)},
        chosen.rounds,
    )
    results = [plain(f"{way}: CPU", median(times), "µs/packet") for way, times in took.items()]
    for way in (RECEIVED, DECODED, KEPT):
        # A live device sends 50 packets a second.
        voices = 1e6 / (median(took[way]) * 50)
        results.append(plain(f"{way}: voices to fill one core", voices, "voices"))
    results += [
        plain("received by picows alone, answering", ratio(took[RECEIVED], took[FLOOR]), "×"),
    ]
    report(results, chosen.json)


def serve_from_command_line() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", nargs=2, required=True)
    way, folder = parser.parse_args().serve
    asyncio.run(serve(way, Path(folder)))


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve_from_command_line()
    else:
        main()
