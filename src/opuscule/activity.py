"""Whether somebody is speaking: by loudness, by libopus's own analysis, or from a packet's header.

:class:`EnergyGate` opens where the level passes a threshold, whatever the sound; it costs next to
nothing and needs a quiet background. :class:`VoiceDetector` runs a small Opus encoder and reads
from its packets where it found the pitch of a voice, which noise has not. They are compared by
``benchmarks/activity.py``. Where audio is Opus already, :func:`packet_activity` and
:func:`packet_voiced` read what its encoder decided, without decoding.

Both detectors stay active for a hangover after the last active frame, so that the quiet ends of
words and the gaps between them are kept. They take chunks of any size and decide frame by frame.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from opuscule import _native
from opuscule.codec import Buffer, Encoder, EncoderSettings
from opuscule.codec.pcm import view_pcm
from opuscule.errors import InvalidArgumentError
from opuscule.levels import as_samples, to_dbfs, window_rms
from opuscule.packets import SAMPLE_BYTES, SampleFormat

__all__ = [
    "ActiveSpan",
    "ActivityDetector",
    "EnergyGate",
    "VoiceDetector",
    "active_spans",
    "packet_activity",
    "packet_voiced",
]

_ANALYSIS = EncoderSettings(
    # So low that only SILK is used, in one channel, and its packets say what was found in them.
    bitrate=12_000,
    # More did not find more voices (benchmarks/activity.py), and costs more.
    complexity=2,
    # It would stand before what is to be read.
    fec=False,
    loss_percent=0,
    dtx=False,
)


@dataclass(frozen=True, slots=True)
class ActiveSpan:
    """A stretch in which somebody speaks, hangover included."""

    start_samples: int
    """The first sample, per channel, at the rate of the audio."""
    end_samples: int
    """One past the last."""


class ActivityDetector(ABC):
    """Cuts a stream into frames and decides on each; one of its own overrides :meth:`_detect`.

    Args:
        rate: of the audio in Hz.
        channels: 1 to 255, interleaved.
        sample_format: what chunks of plain bytes hold.
        hangover_ms: how long it stays active after the last active frame; 0 or more.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    FRAME_MS = 20
    """What one decision is about, in milliseconds."""

    def __init__(
        self, rate: int, channels: int, sample_format: SampleFormat, hangover_ms: float
    ) -> None:
        if rate < 1000 // self.FRAME_MS:
            raise InvalidArgumentError(f"rate is {rate} Hz; expected at least 50")
        if not 1 <= channels <= 255:
            raise InvalidArgumentError(f"channels is {channels}; expected 1 to 255")
        if not 0 <= hangover_ms < float("inf"):
            raise InvalidArgumentError(f"hangover_ms is {hangover_ms}; expected 0 or more")
        as_samples(b"", sample_format)
        self.rate = rate
        self.channels = channels
        self.sample_format: SampleFormat = sample_format
        self.frame_samples = rate * self.FRAME_MS // 1000
        """Samples per channel that each decision stands for: 20 ms, rounded down."""
        self._value_bytes = channels * SAMPLE_BYTES[sample_format]
        self._frame_bytes = self.frame_samples * self._value_bytes
        self._hangover_frames = -int(-hangover_ms // self.FRAME_MS)
        self._hanging = 0
        self._rest = b""

    @property
    def active(self) -> bool:
        """Whether the last whole frame was active, or is still in the hangover of one."""
        return self._hanging > 0

    def push(self, chunk: Buffer) -> list[bool]:
        """Take a chunk of any size; return whether each frame that became whole is active.

        Raises:
            InvalidArgumentError: the chunk's own sample type is not ``sample_format``, or a float32
                sample is not finite; the chunk is left out then.
        """
        view = view_pcm(chunk, self.channels)
        if view.format not in ("h" if self.sample_format == "int16" else "f", "B", "b", "c"):
            raise InvalidArgumentError(
                f"the chunk holds samples of type {view.format!r}; this detector was made for"
                f" {self.sample_format}"
            )
        data = self._rest + view.tobytes()
        # What is not finite is refused before any of it is kept.
        whole = data[: len(data) - len(data) % self._value_bytes]
        window_rms(as_samples(whole, self.sample_format), self.channels, self.frame_samples)
        used = len(data) - len(data) % self._frame_bytes
        decided = self._decide(data[:used])
        self._rest = data[used:]
        return decided

    def finish(self) -> list[bool]:
        """Decide on the frame that was begun, as if silence followed; nothing without one.

        Raises:
            InvalidArgumentError: the last sample is not whole.
        """
        if len(self._rest) % self._value_bytes:
            raise InvalidArgumentError(
                f"the stream ends {len(self._rest) % self._value_bytes} bytes into a sample of"
                f" {self._value_bytes} (all channels)"
            )
        decided = self._decide(self._rest.ljust(self._frame_bytes, b"\0")) if self._rest else []
        self._rest = b""
        return decided

    def _decide(self, frames: bytes) -> list[bool]:
        decided = []
        for loud in self._detect(frames) if frames else ():
            self._hanging = self._hangover_frames + 1 if loud else max(0, self._hanging - 1)
            decided.append(self.active)
        return decided

    @abstractmethod
    def _detect(self, frames: bytes) -> Iterable[bool]:
        """Decide on whole frames of samples, one after the other, without hangover."""


class EnergyGate(ActivityDetector):
    """Is active where the RMS of a frame, of its loudest channel, reaches a threshold (row C8).

    Args:
        rate: of the audio, any.
        channels: 1 to 255, interleaved.
        sample_format: what chunks of plain bytes hold.
        threshold_dbfs: 20·log10 of the RMS, 0 for a full-scale square wave.
        hangover_ms: how long it stays active after the last frame that did.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(
        self,
        rate: int = 16_000,
        channels: int = 1,
        *,
        sample_format: SampleFormat = "int16",
        threshold_dbfs: float = -40.0,
        hangover_ms: float = 200,
    ) -> None:
        super().__init__(rate, channels, sample_format, hangover_ms)
        if not threshold_dbfs <= 0:
            raise InvalidArgumentError(f"threshold_dbfs is {threshold_dbfs}; expected 0 or below")
        self.threshold_dbfs = threshold_dbfs

    def _detect(self, frames: bytes) -> Iterable[bool]:
        samples = as_samples(frames, self.sample_format)
        levels = window_rms(samples, self.channels, self.frame_samples)
        return [to_dbfs(level) >= self.threshold_dbfs for level in levels]


class VoiceDetector(ActivityDetector):
    """Is active where libopus's encoder finds a voice: sound with a pitch, above the noise floor.

    Noise, however loud, does not open it; music with a melody does. A voice is found with its first
    vowel, mostly 20 to 40 ms after a sentence begins and 150 ms at times: keep as much of what came
    before. The hangover bridges the consonants between vowels. In noise almost as loud as the voice
    it misses much. A frame costs as much as encoding it.

    Args:
        rate: of the audio, an Opus rate.
        channels: 1 or 2, interleaved; they are listened to together.
        sample_format: what chunks of plain bytes hold.
        hangover_ms: how long it stays active after the last voiced frame.

    Raises:
        InvalidArgumentError: a value is out of its range.
    """

    def __init__(
        self,
        rate: int = 16_000,
        channels: int = 1,
        *,
        sample_format: SampleFormat = "int16",
        hangover_ms: float = 300,
    ) -> None:
        super().__init__(rate, channels, sample_format, hangover_ms)
        if channels not in (1, 2):
            # An encoder takes more, but its packets do not say together what was found in them.
            raise InvalidArgumentError(f"channels is {channels}; expected 1 or 2")
        self._encoder = Encoder(rate, channels, preset=_ANALYSIS)

    def _detect(self, frames: bytes) -> Iterable[bool]:
        for at in range(0, len(frames), self._frame_bytes):
            frame = as_samples(frames[at : at + self._frame_bytes], self.sample_format)
            yield packet_voiced(self._encoder.encode(frame)) is True


def packet_activity(packet: bytes) -> bool | None:
    """Whether a packet's encoder took what is in it for active sound, without decoding it.

    Returns:
        True or False from SILK's activity flags (RFC 6716 §4.2.3), or False for a pause (DTX); None
        for CELT, which does not say.

    Raises:
        InvalidPacketError: it is no Opus packet.
    """
    return _native.packet_activity(packet)


def packet_voiced(packet: bytes) -> bool | None:
    """Whether a packet's encoder found a pitch in what is in it, without decoding it.

    Returns:
        True or False from SILK's frame type (RFC 6716 §4.2.7.3), or False for what is inactive;
        None where only decoding would tell: in CELT, behind in-band FEC, in stereo and in frames of
        40 and 60 ms.

    Raises:
        InvalidPacketError: it is no Opus packet.
    """
    return _native.packet_voiced(packet)


def active_spans(decisions: Iterable[bool], frame_samples: int) -> list[ActiveSpan]:
    """Join a detector's decisions, from its first on, to stretches of activity."""
    spans: list[ActiveSpan] = []
    start = None
    end = 0
    for active in decisions:
        if active and start is None:
            start = end
        elif not active and start is not None:
            spans.append(ActiveSpan(start, end))
            start = None
        end += frame_samples
    if start is not None:
        spans.append(ActiveSpan(start, end))
    return spans
