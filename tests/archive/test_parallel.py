"""Long audio in chunks: the same packets on any number of threads, on the grid of one piece."""

import math
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opuscule.archive.importing.importer import import_file
from opuscule.archive.importing.parallel import LongEncoding
from opuscule.codec import Decoder, StreamEncoder
from opuscule.containers.pcm import PcmReader, SampleFormat

from .conftest import voice_like
from .test_importer import write_wav

VOICE = voice_like(10 * 16_000, 16_000)


class Samples(PcmReader):
    """PCM at 16 kHz in blocks of any length."""

    def __init__(self, pcm: bytes, block_bytes: int) -> None:
        self._pcm, self._block_bytes = pcm, block_bytes

    @property
    def rate(self) -> int:
        return 16_000

    @property
    def channels(self) -> int:
        return 1

    @property
    def sample_format(self) -> SampleFormat:
        return "int16"

    @property
    def total_samples(self) -> int | None:
        return None

    def close(self) -> None:
        pass

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._pcm), self._block_bytes):
            yield self._pcm[start : start + self._block_bytes]


def encode(
    pcm: PcmReader,
    folder: Path,
    threads: int,
    chunk_ms: int = 2_400,
    warm_up_ms: int = 1_200,
    frame_ms: float = 20,
) -> list[bytes]:
    like = StreamEncoder(pcm.rate, pcm.channels, frame_ms=frame_ms, complexity=2)
    encoding = LongEncoding(
        pcm, like, folder, threads=threads, chunk_ms=chunk_ms, warm_up_ms=warm_up_ms
    )
    packets = [packet for batch in encoding.packets() for packet in batch]
    one = StreamEncoder(pcm.rate, pcm.channels, frame_ms=frame_ms, complexity=2)
    made = [packet for block in pcm for packet in one.push(block)] + one.finish()
    # The grid is that of one piece: as many packets, the same end.
    assert (len(packets), encoding.end_samples) == (len(made), one.end_samples)
    assert encoding.packet_samples * len(packets) == (made[-1].end_samples if made else 0)
    return packets


@settings(deadline=None, max_examples=25)
@given(
    samples=st.one_of(
        st.integers(0, len(VOICE) // 2), st.sampled_from([0, 1, 38_400, 38_399, 76_800, 38_088])
    ),
    block=st.integers(500, 40_000),
    frame_ms=st.sampled_from([2.5, 20, 60, 100, 120]),
    warm_up_ms=st.sampled_from([0, 1_200]),
)
def test_any_number_of_threads_makes_the_same_packets(
    tmp_path_factory: pytest.TempPathFactory,
    samples: int,
    block: int,
    frame_ms: float,
    warm_up_ms: int,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    made = [
        encode(
            Samples(VOICE[: 2 * samples], 2 * block),
            folder,
            threads,
            warm_up_ms=warm_up_ms,
            frame_ms=frame_ms,
        )
        for threads in (1, 2, 5)
    ]
    assert made[0] == made[1] == made[2]


def test_seams_are_warm(tmp_path: Path) -> None:
    """Against one piece, noise behind the seams does not rise; without warm-up it does."""

    def noise(packets: list[bytes]) -> float:
        decoder = Decoder(16_000, 1)
        out = array("h", b"".join(bytes(decoder.decode(packet)) for packet in packets))[104:]
        original = array("h", VOICE)
        places = [n for seam in (38_400, 76_800, 115_200) for n in range(seam - 320, seam + 3_200)]
        return sum((out[n] - original[n]) ** 2 for n in places)

    pcm = Samples(VOICE, 64_000)
    one, warm, cold = (
        noise(encode(pcm, tmp_path, 2, chunk_ms=2_400 * apart, warm_up_ms=warm_up_ms))
        for apart, warm_up_ms in ((100, 0), (1, 1_200), (1, 0))
    )
    assert 10 * math.log10(warm / one) < 1.5
    assert cold > warm


def test_a_long_file_on_two_threads(tmp_path: Path) -> None:
    # A second of voice around each seam, and nothing elsewhere, which is encoded quickly.
    minutes = voice_like(8_000, 8_000) + bytes(16_000 * 598) + voice_like(8_000, 8_000)
    tone = write_wav(tmp_path / "tone.wav", minutes * 2 + bytes(16_000), 8_000)
    seen: list[tuple[int, int | None]] = []
    one, two = (
        import_file(
            tmp_path / "a.zarr",
            tone,
            name=f"on{threads}",
            threads=threads,
            complexity=0,
            progress=lambda done, total: seen.append((done, total)),
        ).info
        for threads in (1, 2)
    )
    assert one.payload_sha256 == two.payload_sha256
    assert one.total_samples == two.total_samples == 1_201 * 48_000
    assert seen[-1] == (1_201 * 48_000,) * 2


def test_what_fails_on_the_way_stops_the_threads(tmp_path: Path) -> None:
    class Breaking(Samples):
        def __iter__(self) -> Iterator[bytes]:
            yield VOICE[:200_000]
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        encode(Breaking(VOICE, 100), tmp_path, 2)
    names = {thread.name for thread in threading.enumerate()}
    assert not any(name.startswith("opuscule-encode") for name in names)
    assert list(tmp_path.iterdir()) == []
