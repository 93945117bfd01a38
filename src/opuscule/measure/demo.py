"""The whole way once: a sentence to a server over loopback, the answer back, all of it kept.

Everything is real but for the loss: a WebSocket loses nothing, so packets are dropped between the
encoder and the socket, as a sender does that drops what is stale.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from opuscule.archive import open_archive
from opuscule.client import TalkReport, connect
from opuscule.codec import Buffer, EncoderSettings
from opuscule.devices import FileSink, FileSource, SpeakerSink
from opuscule.devices.base import Sink
from opuscule.errors import OpusculeError
from opuscule.handlers import Utterance, echo
from opuscule.packets import Gap
from opuscule.playout import PlayoutStats
from opuscule.server import Server
from opuscule.testing import BurstLoss

__all__ = ["SENTENCE", "Demo", "run_demo"]

SENTENCE = "Opuscule carries this sentence to a server and back, and keeps every packet of it."
"""What is said; tools/make-sentence.sh spoke it."""

_SETTINGS = EncoderSettings(bitrate=32_000, fec=False, loss_percent=20, dred_ms=400)
_LOSS = 0.10
_SEED = 11


@dataclass(frozen=True, slots=True)
class Demo:
    """What happened."""

    report: TalkReport
    """The device's side."""
    heard: PlayoutStats
    """What the server's copy of the sentence was made from, at 16 kHz."""
    loss_percent: float
    """Of the packets encoded."""
    recording: str
    archive: Path
    answer: Path
    gaps: tuple[Gap, ...]
    """Of the kept recording."""
    kept_samples: int
    """Its length, at 48 kHz."""
    middle_ms: float
    """How long it took to get a second from its middle, decoded from the beginning."""
    middle_equal: bool
    """Whether that second equals the sequential decode, sample by sample."""


async def run_demo(folder: Path, *, play: bool) -> Demo:
    """Go the whole way; leaves answer.wav and archive.zarr in ``folder``.

    Raises:
        OpusculeError: something on the way did not work.
    """
    heard: list[Utterance] = []

    async def answer(utterance: Utterance) -> AsyncIterator[Buffer]:
        heard.append(utterance)
        async for pcm in echo(utterance):
            yield pcm

    loss = BurstLoss(_LOSS, mean_burst=3, seed=_SEED)
    path = folder / "answer.wav"
    sentence = files("opuscule") / "data" / "sentence.opus"
    async with Server(answer, port=0, keep=folder) as server:
        with as_file(sentence) as spoken:
            source = FileSource(spoken, rate=16_000)
        async with (
            await connect(server.url, device="demo") as client,
            source,
            _sink(path, play) as sink,
        ):
            report = await client.talk(source, sink, preset=_SETTINGS, withhold=loss)
        if server.keeper is None:
            raise OpusculeError("the demo's server keeps nothing")
        recording = heard[0].name
        await server.keeper.sealed(recording)
        archive = server.keeper.archive
    kept = open_archive(archive)[recording]
    middle = max(0, kept.info.total_samples // 2 - 24_000)
    stop = min(kept.info.total_samples, middle + 48_000)
    began = time.perf_counter()
    second = bytes(kept.extract(middle, stop))
    took_ms = (time.perf_counter() - began) * 1000
    whole = b"".join(bytes(block) for block in kept.sequential())
    return Demo(
        report=report,
        heard=heard[0].stats,
        loss_percent=100 * len(loss.lost) / report.packets_encoded,
        recording=recording,
        archive=archive,
        answer=path,
        gaps=kept.gaps,
        kept_samples=kept.info.total_samples,
        middle_ms=took_ms,
        middle_equal=second == whole[middle * 2 : stop * 2],
    )


def _sink(path: Path, play: bool) -> Sink:
    file = FileSink(path, rate=48_000, paced=not play)
    return _Both(file, SpeakerSink(rate=48_000)) if play else file


class _Both(Sink):
    """A file and the loudspeaker, which sets the pace."""

    def __init__(self, file: FileSink, speaker: SpeakerSink) -> None:
        self._file, self._speaker = file, speaker

    @property
    def rate(self) -> int:
        return self._speaker.rate

    @property
    def channels(self) -> int:
        return self._speaker.channels

    @property
    def underruns(self) -> int:
        return self._speaker.underruns

    @property
    def latency_ms(self) -> float:
        return self._speaker.latency_ms

    async def write(self, pcm: bytes) -> None:
        await self._file.write(pcm)
        await self._speaker.write(pcm)

    async def drain(self) -> None:
        await self._speaker.drain()

    async def discard(self) -> None:
        await self._speaker.discard()

    async def close(self) -> None:
        await self._file.close()
        await self._speaker.close()
