"""Audio files of any kind: what is in them decides how they are read, not what they are called.

WAV is read here without anything installed; all else is decoded by PyAV and other rates are
converted by soxr, both from the extra ``media`` and imported only when needed.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from opuscule.containers.bare import BarePcm, BareReader
from opuscule.containers.pcm import BLOCK_BYTES, Coding, PcmReader, SampleFormat
from opuscule.containers.pipe import Pipe
from opuscule.containers.resample import MAX_RATE, Resampler
from opuscule.containers.riff import is_wav
from opuscule.containers.wav import WavReader
from opuscule.errors import (
    FormatError,
    InvalidArgumentError,
    MissingExtraError,
    TruncatedError,
    UnsupportedFormatError,
)
from opuscule.files import check_input
from opuscule.units import OPUS_RATES

if TYPE_CHECKING:
    from av import AudioCodecContext, AudioFrame
    from av.container import InputContainer

__all__ = ["MediaReader", "Resampler", "open_native", "open_pcm", "opus_rate"]

_Stand: TypeAlias = tuple[int, int]
"""A frame's own time, and by how much that is more than what was read before it, in samples."""

# Containers that say how many samples they hold. Others only estimate it, and may be wrong.
_EXACT_CONTAINERS = ("flac", "aiff", "w64")
_LOSSLESS = ("flac", "alac", "wavpack", "tta", "ape", "shorten", "mlp", "truehd")
# Their frames have checksums, at which FFmpeg looks only when it is told to.
_CHECKSUMMED = ("flac", "wavpack", "tta")
# 24 bits are decoded to 32 with zeros below: which of the two it was, this does not say.
_BITS = {"u8": 8, "s16": 16, "flt": 32, "dbl": 64}
_INT16_FORMATS = ("u8", "u8p", "s16", "s16p")


def open_pcm(
    path: str | os.PathLike[str] | Pipe,
    *,
    rate: int | None = None,
    salvage: bool = False,
    bare: BarePcm | None = None,
) -> PcmReader:
    """Open any audio file at a rate that Opus takes.

    Args:
        path: the file, or a pipe; its name's extension means nothing.
        rate: the rate in Hz to convert to; None keeps an Opus rate and takes others to the next
            higher one (11.025 to 12 kHz, 22.05 to 24, 32 and 44.1 to 48), which loses nothing.
        salvage: read a damaged or cut file as far as it goes, instead of raising there.
        bare: what samples without a header are; None for a file that says what it holds.

    Raises:
        UnsupportedFormatError: it is the name of a pipe, has no audio, or no ``rate`` is given and
            its own is above 48 kHz (Opus ends at 20 kHz, and what is above would be destroyed).
        TruncatedError: it is shorter than it says; from some formats only at the end of reading.
        FormatError: it is nothing that can be decoded.
        MissingExtraError: it is not WAV, or of another rate, and ``media`` is not installed.
        InvalidArgumentError: ``rate`` is not between 1 Hz and 768 kHz.
        FileNotFoundError, IsADirectoryError, PermissionError: see
            :func:`opuscule.files.check_input`.
    """
    if rate is not None and not 0 < rate <= MAX_RATE:
        raise InvalidArgumentError(f"rate is {rate} Hz; expected 1 to {MAX_RATE} Hz")
    source = open_native(path, salvage=salvage, bare=bare)
    try:
        wanted = opus_rate(source.rate, path) if rate is None else rate
        return source if wanted == source.rate else Resampler(source, wanted)
    except BaseException:
        source.close()
        raise


def open_native(
    path: str | os.PathLike[str] | Pipe, *, salvage: bool = False, bare: BarePcm | None = None
) -> PcmReader:
    """Open any audio file at its own rate; arguments and errors as of :func:`open_pcm`."""
    if bare is not None:
        return BareReader(path, bare)
    if isinstance(path, Pipe):
        if is_wav(path.head()[:12]):
            return WavReader(path, salvage=salvage)
        return MediaReader(path, salvage=salvage)
    path = check_input(path)
    with open(path, "rb") as file:  # noqa: PTH123 - PathLike has no open()
        if not file.seekable():
            # Looking at the beginning would take it out of the pipe.
            raise UnsupportedFormatError(f"{path} is a pipe; write it into a file first")
        wav = is_wav(file.read(12))
    if wav:
        # A telephone's WAV holds A-law, a camera's ADPCM: those are left to PyAV.
        with contextlib.suppress(UnsupportedFormatError):
            return WavReader(path, salvage=salvage)
    return MediaReader(path, salvage=salvage)


def opus_rate(rate: int, path: str | os.PathLike[str] | Pipe) -> int:
    """Return the lowest Opus rate that holds all of the audio at ``rate``.

    Raises:
        UnsupportedFormatError: there is none; the message names ``path``.
    """
    for opus_rate in OPUS_RATES:
        if opus_rate >= rate:
            return opus_rate
    raise UnsupportedFormatError(
        f"{path} has {rate} Hz; Opus ends at 20 kHz and would destroy what is above: "
        "give rate=48000 (--rate 48000) to accept that, or keep the recording lossless"
    )


class MediaReader(PcmReader):
    """The audio of any file that PyAV decodes, as a :class:`~opuscule.containers.pcm.PcmReader`.

    The first audio stream, at its own rate and channels; int16 if it is coded so, else float32.
    Only this file is opened, whatever others a playlist in it may name.

    Args:
        path: the file, or a pipe.
        salvage: end where decoding fails, instead of raising.

    Raises:
        UnsupportedFormatError: it is media without audio, or of more than 255 channels.
        FormatError: it is not media that can be decoded.
        MissingExtraError: PyAV is not installed.
        FileNotFoundError, IsADirectoryError, PermissionError: see
            :func:`opuscule.files.check_input`.
    """

    def __init__(self, path: str | os.PathLike[str] | Pipe, *, salvage: bool = False) -> None:
        self._path = path if isinstance(path, Pipe) else check_input(path)
        name = self._path.name if isinstance(self._path, Path) else str(path)
        try:
            import av
        except ImportError as error:
            raise MissingExtraError(f"reading {name}", "media") from error
        self._av = av
        self._salvage = salvage
        self._read_samples = 0
        self.cut_short = False
        """With ``salvage``: it ended before its header said; known when all of it is read."""
        self._file = self._path if isinstance(self._path, Pipe) else self._path.open("rb")
        self._container: InputContainer | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        try:
            # An open file and no protocol: a playlist cannot make us read what it names.
            self._container = self._av.open(
                self._file,
                mode="r",
                options={"protocol_whitelist": "none"},
                metadata_errors="replace",  # tags are often Latin-1
            )
        except self._av.FFmpegError as error:
            raise FormatError(
                f"{self._path} is not audio that can be decoded: {error.strerror}"
            ) from error
        if not self._container.streams.audio:
            raise UnsupportedFormatError(f"{self._path} has no audio in it that can be decoded")
        stream = self._container.streams.audio[0]
        context = stream.codec_context
        if not context.sample_rate or not 0 < context.channels <= 255:
            raise UnsupportedFormatError(
                f"{self._path} has {context.channels} channels at {context.sample_rate} Hz; "
                "expected 1 to 255 and a rate"
            )
        self._rate, self._channels = context.sample_rate, context.channels
        self._checked = context.name in _CHECKSUMMED and not self._salvage
        if self._checked:
            context.options = {"err_detect": "crccheck+explode"}
        self._sample_format: SampleFormat = (
            "int16" if context.format.name in _INT16_FORMATS else "float32"
        )
        self._coding = self._find_coding(context)
        self._tags = (*self._container.metadata.items(), *stream.metadata.items())
        exact = self._container.format.name in _EXACT_CONTAINERS
        self._promised: int | None = None
        if exact and stream.duration is not None and stream.time_base is not None:
            self._promised = round(stream.duration * stream.time_base * self._rate)
        self._frames = self._decode()

    @property
    def rate(self) -> int:
        """Frames a second of the file, in Hz."""
        return self._rate

    @property
    def channels(self) -> int:
        """Samples in a frame; 1 to 255."""
        return self._channels

    @property
    def sample_format(self) -> SampleFormat:
        """``int16`` for codecs of at most 16 bits, else ``float32``."""
        return self._sample_format

    @property
    def coding(self) -> Coding:
        """How its samples are written."""
        return self._coding

    def _find_coding(self, context: "AudioCodecContext") -> Coding:
        name = context.codec.canonical_name
        digits = re.fullmatch(r"pcm_[suf](\d\d?)[lb]?e?", name)
        if name not in _LOSSLESS and not digits:  # A-law is pcm_alaw
            return Coding(name, None, False)
        form = context.format.name.removesuffix("p")
        bits = _BITS.get(form)
        if name == "flac" and len(info := context.extradata or b"") >= 14:
            bits = ((info[12] & 1) << 4 | info[13] >> 4) + 1  # STREAMINFO (RFC 9639 §8.2)
        elif digits:
            bits = int(digits[1])
        return Coding(name, bits, form in ("flt", "dbl"))

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """Tags of the file and then of the stream, names as written."""
        return self._tags

    @property
    def total_samples(self) -> int | None:
        """Frames in the file where its container says so (FLAC, AIFF, Wave64), else None.

        None too with ``salvage``, which makes no promise of it.
        """
        return None if self._salvage else self._promised

    def __iter__(self) -> Iterator[bytes]:
        """Blocks of whole frames, native byte order.

        Raises:
            TruncatedError: there is less than the container says.
            FormatError: the file is damaged here.
        """
        return self._frames

    def _decode(self) -> Iterator[bytes]:
        container = self._container
        if container is None:
            return
        code = "s16" if self._sample_format == "int16" else "flt"
        convert = self._av.AudioResampler(format=code, rate=self._rate)
        last: _Stand | None = None
        try:
            for frame in container.decode(container.streams.audio[0]):
                self._check_same(frame)
                if self._checked:
                    last = self._check_adjoins(frame, last)
                for packed in convert.resample(frame):
                    yield from self._blocks(packed)
            for packed in convert.resample(None):
                yield from self._blocks(packed)
        except self._av.FFmpegError as error:
            self.cut_short = True
            if self._salvage:
                return
            raise self._damaged(error.strerror) from error
        self.cut_short = self._promised is not None and self._read_samples < self._promised
        if self.cut_short and not self._salvage:
            raise TruncatedError(
                f"{self._path} is damaged or cut short: got {self._read_samples} samples, its "
                f"header promises {self._promised}; read it with salvage to keep what is there"
            )

    def _check_adjoins(self, frame: "AudioFrame", last: _Stand | None) -> _Stand | None:
        """Notice what PyAV passes over: frames that fail behind a sound one of the same packet.

        Time that goes back is no damage: there another file begins that was joined on.
        """
        if frame.pts is None or frame.time_base != Fraction(1, self._rate):
            return last
        here = (frame.pts, frame.pts - self._read_samples)
        if last and here[0] > last[0] and here[1] != last[1]:
            raise self._damaged("samples are missing, as where a checksum is wrong")
        return here

    def _damaged(self, how: str | None) -> FormatError:
        return FormatError(
            f"{self._path} is damaged after {self._read_samples} samples: {how}; read it with "
            "salvage to take it as far as it goes"
        )

    def _check_same(self, frame: "AudioFrame") -> None:
        if frame.layout.nb_channels != self._channels or frame.sample_rate != self._rate:
            raise UnsupportedFormatError(
                f"{self._path} changes after {self._read_samples} samples from {self._channels} "
                f"channels at {self._rate} Hz to {frame.layout.nb_channels} at "
                f"{frame.sample_rate} Hz; split it there"
            )

    def _blocks(self, frame: "AudioFrame") -> Iterator[bytes]:
        frame_bytes = self._channels * (2 if self._sample_format == "int16" else 4)
        self._read_samples += frame.samples
        # The plane is padded to the CPU's liking beyond the last sample.
        data = memoryview(frame.planes[0])[: frame.samples * frame_bytes]
        step = max(1, BLOCK_BYTES // frame_bytes) * frame_bytes
        for start in range(0, len(data), step):
            yield bytes(data[start : start + step])

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        if self._container is not None:
            self._container.close()
        self._file.close()
