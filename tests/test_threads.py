"""Codec objects and threads: one object refuses two at once, two objects run side by side."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from opuscule.codec import Decoder, Encoder, StreamEncoder
from opuscule.errors import ConcurrentUseError, InvalidPacketError
from opuscule.mixer import Mixer
from opuscule.playout import Playout

LONG_MS = 120
FRAME = random.Random(1).randbytes(16 * LONG_MS * 2)
TRIES = 400


def packets() -> list[bytes]:
    encoder = Encoder(complexity=0, dtx=False)
    return [encoder.encode(FRAME) for _ in range(3)]


def collisions(work: Callable[[], object]) -> int:
    """How often two threads met inside one object; anything but a named refusal is raised."""
    together = Barrier(2)

    def repeat() -> int:
        refused = 0
        together.wait()
        for _ in range(TRIES):
            try:
                work()
            except ConcurrentUseError:
                refused += 1
        return refused

    with ThreadPoolExecutor(2) as pool:
        return sum(task.result() for task in [pool.submit(repeat), pool.submit(repeat)])


def test_two_threads_in_one_object_are_refused() -> None:
    encoder = Encoder(complexity=10)
    decoder = Decoder(complexity=10)
    packet = packets()[0]
    mixer = Mixer(rate=48_000)
    for work in (
        lambda: mixer.pull(96_000, 0.0),
        lambda: encoder.encode(FRAME),
        lambda: decoder.decode(packet),
        lambda: decoder.conceal(5760),
        lambda: decoder.dred_samples(packet) or decoder.decode(packet),
    ):
        # It is a matter of luck which call meets another, and not that some do.
        assert any(collisions(work) for _ in range(500))
    # They came to no harm.
    assert len(decoder.decode(packet)) == 5760
    assert len(encoder.encode(FRAME)) > 2


def test_packets_are_pushed_in_one_thread_and_heard_in_another() -> None:
    stream = StreamEncoder(16_000, frame_ms=20, dtx=False)
    sent = stream.push(random.Random(2).randbytes(2 * 16_000 * 5)) + stream.finish()
    mixer = Mixer()
    playouts = [Playout(stream.format, complexity=10, restart_ms=0) for _ in range(2)]
    alone, mixed = playouts
    mixer.add(mixed)
    together, failed = Barrier(3), Event()

    def all_heard() -> bool:
        return failed.is_set() or all(playout.finished for playout in playouts)

    def push() -> None:
        for packet in sent:
            for playout in playouts:
                playout.push(packet, 0.0)
        for playout in playouts:
            playout.finish(stream.end_samples, stream.next_sequence)

    def pull() -> None:
        while not all_heard():
            alone.pull(480, 0.0)
            mixer.pull(480, 0.0)

    def look() -> None:
        while not all_heard():
            assert alone.stats.packets_received <= len(sent)
            assert alone.buffered_ms <= 10_000
            alone.take_log()

    def run(work: Callable[[], None]) -> None:
        together.wait()
        try:
            work()
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(3) as pool:
        for task in [pool.submit(run, work) for work in (push, pull, look)]:
            task.result()
    assert [playout.stats.packets_received for playout in playouts] == [len(sent)] * 2


def test_objects_of_their_own_do_not_disturb_each_other() -> None:
    def run() -> bytes:
        """Everything that keeps state in libopus, neural parts included."""
        encoder = Encoder(bitrate=32_000, fec=False, loss_percent=20, dtx=False, dred_ms=500)
        decoder = Decoder(complexity=10)
        out = b""
        for number in range(60):
            packet = encoder.encode(FRAME[number * 32 : number * 32 + 640])
            out += packet
            if number % 7:
                out += bytes(decoder.decode(packet))
            elif decoder.dred_samples(packet) >= 960:
                out += bytes(decoder.decode_dred(packet, 960, 960))
            else:
                out += bytes(decoder.conceal(960))
        return out

    alone = run()
    with ThreadPoolExecutor(4) as pool:
        together = [task.result() for task in [pool.submit(run) for _ in range(8)]]
    assert together == [alone] * 8


def test_an_object_may_move_between_threads() -> None:
    stay, move = Decoder(), Decoder()
    for packet in packets():
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(move.decode, packet).result() == stay.decode(packet)


def test_an_error_leaves_an_object_usable() -> None:
    decoder = Decoder()
    for _ in range(3):
        with pytest.raises(InvalidPacketError):
            decoder.decode(b"")
    assert len(decoder.decode(packets()[0])) == 5760
