"""PCM of any length into packets, on several cores: the same packets on any number of them.

Theory of operation. All packets lie on one grid that begins with the first sample, so media time,
pre-skip and length are those of encoding in one piece. What is longer than :data:`LONG_SECONDS`, or
of unknown length, is cut on that grid into chunks of ten minutes, each with an encoder of its own.
That one first encodes the last seconds before its chunk, and what comes of it is thrown away: the
encoder arrives at the seam in about the state that one encoder for all would have. Where the chunks
begin does not depend on the number of threads, and so neither do the packets.

One thread encodes as it reads. Several are fed through unnamed files: the reader goes through the
source once, from beginning to end, which any source allows, and neither a resampler nor a decoder
has seams then. Memory holds some seconds of audio a thread, and packets; the disk at most two
chunks more than there are threads, in the page cache mostly.
"""

import contextlib
import os
import tempfile
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import IO

from opuscule.codec import Encoder, StreamEncoder
from opuscule.codec.pcm import TYPE_CODES
from opuscule.containers.pcm import SAMPLE_BYTES, PcmReader
from opuscule.transcode import Progress
from opuscule.units import to_media_samples

__all__ = ["CHUNK_MS", "LONG_SECONDS", "WARM_UP_MS", "LongEncoding", "usable_cores"]

CHUNK_MS = 600_000
"""A chunk, in milliseconds: every length of a packet divides it. Shorter ones cost quality, because
an encoder that has just begun knows less of the signal."""

WARM_UP_MS = 9_600
"""What an encoder hears before its chunk, in milliseconds, a multiple of every length of a packet.
160 is the least that leaves no audible seam; behind 9.6 seconds a tenth of a decibel is lost at
seams and behind 4.8 a quarter, for eight thousandths of the time more."""

LONG_SECONDS = 1_200
"""Up to this length one encoder does it all."""

_BATCH_MS = 1_200  # encoded in one call, without the GIL; a multiple of every packet's length
_POLL_S = 0.2


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LongEncoding:
    """Encodes all that a reader has; its :meth:`packets` come in order.

    Args:
        pcm: what to encode; stays open.
        like: an encoder that has not encoded anything, for its settings and the length of packets.
        scratch: a folder on the disk, for unnamed files of PCM.
        threads: how many encode; None for one a core.
        progress: is told the audio that is encoded, at least a few times a second.
        chunk_ms: chunks of another length, or for audio of any length; a multiple of the length of
            packets.
        warm_up_ms: what each encoder hears before its chunk, another multiple.
    """

    def __init__(
        self,
        pcm: PcmReader,
        like: StreamEncoder,
        scratch: str | os.PathLike[str],
        *,
        threads: int | None = None,
        progress: Progress | None = None,
        chunk_ms: int | None = None,
        warm_up_ms: int = WARM_UP_MS,
    ) -> None:
        self._pcm, self._like, self._scratch = pcm, like, scratch
        self._progress = progress
        self._sample_bytes = SAMPLE_BYTES[like.sample_format] * pcm.channels
        self._frame_bytes = self._sample_bytes * like.frame_samples
        ms_bytes = pcm.rate // 1000 * self._sample_bytes
        self._warm_bytes = warm_up_ms * ms_bytes
        total = pcm.total_samples
        self._total_samples = None if total is None else to_media_samples(total, pcm.rate)
        if chunk_ms is None and (total is None or total > LONG_SECONDS * pcm.rate):
            chunk_ms = CHUNK_MS
        self._chunk_bytes = None if chunk_ms is None else chunk_ms * ms_bytes
        self._threads = usable_cores() if threads is None else threads
        # Two of them hold all of the warm-up.
        self._batch_bytes = max(_BATCH_MS, warm_up_ms) * ms_bytes
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._encoded_bytes = 0
        self._input_bytes = 0

    @property
    def input_samples(self) -> int:
        """Samples per channel read so far, at the reader's rate."""
        return self._input_bytes // self._sample_bytes

    @property
    def packet_samples(self) -> int:
        """What each packet decodes to, in 48 kHz samples."""
        return to_media_samples(self._like.frame_samples, self._pcm.rate)

    @property
    def end_samples(self) -> int:
        """Media time, pre-skip included, at which what was read so far ends; 0 without any."""
        if not self._input_bytes:
            return 0
        audio = to_media_samples(self.input_samples, self._pcm.rate)
        return self._like.format.pre_skip_samples + audio

    def packets(self) -> Generator[Sequence[bytes]]:
        """Encode; give the packets in order, many at once. Close it to stop the threads.

        Raises:
            Exception: what the reader or ``progress`` raise.
            OSError: there is no room for a chunk.
        """
        if self._threads == 1 or self._chunk_bytes is None:
            return self._encode_here()
        return self._encode_beside()

    def _parts(self) -> Iterator[tuple[bytes, bool]]:
        """Cut what is read at the ends of chunks; give the parts, and whether each ends one.

        The very last part is the silence that takes the last sample out of the encoder.
        """
        filled, limit = 0, self._chunk_bytes
        for block in self._pcm:
            at = 0
            while limit and filled + len(block) - at >= limit:
                stop = at + limit - filled
                self._input_bytes += stop - at
                yield block[at:stop], True
                filled, at = 0, stop
            if at < len(block):
                self._input_bytes += len(block) - at
                filled += len(block) - at
                yield block[at:], False
        packets = -(-self.end_samples // self.packet_samples)
        yield bytes(packets * self._frame_bytes - self._input_bytes), True

    def _encode_here(self) -> Generator[Sequence[bytes]]:
        encoder, pending, size = self._new_encoder(), list[bytes](), 0
        before = frames = memoryview(b"")
        begins = False
        for part, ends in self._parts():
            pending.append(part)
            size += len(part)
            if size < self._batch_bytes and not ends:
                continue
            data = b"".join(pending)
            size %= self._frame_bytes
            pending = [data[len(data) - size :]]
            if len(data) == size:
                continue
            if begins:
                encoder = self._new_encoder()
                self._encode(encoder, self._last(b"".join((before, frames))))
            before, frames = frames, memoryview(data)[: len(data) - size]  # no copy
            yield self._count(self._encode(encoder, frames), len(frames))
            self._tell()
            begins = ends

    def _encode_beside(self) -> Generator[Sequence[bytes]]:
        running: deque[Future[Sequence[bytes]]] = deque()
        # The threads end before the files that they read.
        with contextlib.ExitStack() as files, contextlib.ExitStack() as stack:
            free: list[IO[bytes]] = []
            pool = ThreadPoolExecutor(self._threads, "opuscule-encode")
            stack.callback(pool.shutdown, cancel_futures=True)
            stack.callback(self._stop.set)
            file: IO[bytes] | None = None
            tail = b""
            for part, ends in self._parts():
                if file is None:
                    file = free.pop() if free else files.enter_context(self._file())
                    file.seek(0)
                    file.write(tail)
                    warm = len(tail)
                file.write(part)
                if not ends:
                    continue
                end = file.tell()
                kept = min(end, self._warm_bytes)
                file.seek(end - kept)
                tail = file.read(kept)
                running.append(pool.submit(self._encode_file, file, warm, end, free))
                file = None
                # One more than there are threads, so that none has to wait for the reader.
                while len(running) > self._threads:
                    yield self._result(running.popleft())
            while running:
                yield self._result(running.popleft())

    def _result(self, future: "Future[Sequence[bytes]]") -> Sequence[bytes]:
        while wait([future], _POLL_S).not_done:
            self._tell()
        self._tell()
        return future.result()

    def _encode_file(
        self, file: IO[bytes], warm: int, end: int, free: list[IO[bytes]]
    ) -> Sequence[bytes]:
        """Encode a chunk, in a thread; its file is free again then."""
        encoder, packets = self._new_encoder(), list[bytes]()
        file.seek(0)
        if warm:
            self._encode(encoder, file.read(warm))
        for start in range(warm, end, self._batch_bytes):
            if self._stop.is_set():
                break
            frames = file.read(min(self._batch_bytes, end - start))
            packets += self._count(self._encode(encoder, frames), len(frames))
        free.append(file)
        return packets

    def _new_encoder(self) -> Encoder:
        like = self._like.encoder
        return Encoder(like.rate, like.channels, preset=like.settings)

    def _encode(self, encoder: Encoder, frames: bytes | memoryview) -> Sequence[bytes]:
        pcm = memoryview(frames).cast(TYPE_CODES[self._like.sample_format])
        return encoder.encode_frames(pcm, self._like.frame_samples)

    def _count(self, packets: Sequence[bytes], encoded_bytes: int) -> Sequence[bytes]:
        with self._lock:
            self._encoded_bytes += encoded_bytes
        return packets

    def _last(self, frames: bytes) -> bytes:
        return frames[max(0, len(frames) - self._warm_bytes) :]

    def _tell(self) -> None:
        if self._progress:
            # The silence behind the end is encoded, too.
            done = min(self._encoded_bytes, self._input_bytes) // self._sample_bytes
            self._progress(to_media_samples(done, self._pcm.rate), self._total_samples)

    def _file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._scratch)
