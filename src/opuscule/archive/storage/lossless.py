"""A file's own samples beside its Opus rendering: FLAC, of which any range can be decoded.

What is kept is one complete FLAC file (RFC 9639), so that it can be taken out and played, and the
length of each of its frames. Frames decode independently and hold the same number of samples, so a
range is one read of bytes.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opuscule.containers.pcm import PcmReader
from opuscule.errors import (
    CorruptArchiveError,
    InvalidArgumentError,
    MissingExtraError,
    UnsupportedFormatError,
)

if TYPE_CHECKING:
    from av import AudioFrame

__all__ = ["Fetch", "Lossless", "LosslessFile", "read_lossless", "write_lossless"]

Fetch = Callable[[int, int], bytes]
"""Gives bytes ``start`` to ``stop`` of the FLAC file."""

_BLOCK_SAMPLES = 4096
# RFC 9639 §8: "fLaC", the header of the first metadata block, and that block, STREAMINFO.
_STREAMINFO = slice(8, 42)
_MAX_BITS = 24


@dataclass(frozen=True, slots=True)
class Lossless:
    """What is known of the FLAC file: the entry ``lossless`` of a recording's source."""

    rate: int
    """Frames a second, in Hz."""
    channels: int
    """Samples in a frame; 1 or 2."""
    bits: int
    """Of a sample: 16 or 24."""
    samples: int
    """Length in its own samples."""
    block_samples: int
    """Samples of each FLAC frame but the last."""
    header_bytes: int
    """What comes before the first FLAC frame."""
    sha256: str
    """Of the FLAC file."""
    codec: str = "flac"
    """Always that."""

    @classmethod
    def from_json(cls, value: object, place: str) -> "Lossless":
        """Read and check the entry.

        Raises:
            CorruptArchiveError: something is missing or cannot be.
        """
        if isinstance(value, Mapping):
            kinds = {f.name: str if f.name in ("sha256", "codec") else int for f in fields(cls)}
            if all(type(value.get(name)) is kind for name, kind in kinds.items()):
                known = cls(**{name: value[name] for name in kinds})
                sizes = (known.rate, known.channels, known.block_samples)
                if min(sizes) > 0 and min(known.samples, known.header_bytes) >= 0:
                    return known
        raise CorruptArchiveError(f"{place}: source.lossless is {str(value)[:200]}; not understood")


@dataclass(frozen=True, slots=True)
class LosslessFile:
    """A FLAC file that was made, to be put into a recording."""

    path: Path
    known: Lossless
    lengths: "array[int]"
    """Bytes of each FLAC frame, as ``array("H")``."""


def write_lossless(reader: PcmReader, bits: int, path: Path) -> LosslessFile:
    """Write audio to a FLAC file, without losing a bit.

    Args:
        reader: at its beginning, of 1 or 2 channels; not closed.
        bits: of its samples.
        path: the file to make.

    Raises:
        UnsupportedFormatError: its samples need more than 24 bits, as floats do that were computed.
        MissingExtraError: PyAV or NumPy is not installed.
        FormatError: what the reader raises.
        OSError: there is no room.
    """
    av, np = _import_media("keeping a recording lossless")
    kept_bits = 16 if bits <= 16 else _MAX_BITS
    form = "s16" if kept_bits == 16 else "s32"
    layout = "mono" if reader.channels == 1 else "stereo"
    lengths = array("H")
    samples = 0
    with path.open("w+b") as file:
        with av.open(file, "w", format="flac") as container:
            options = {"frame_size": str(_BLOCK_SAMPLES), "compression_level": "5"}
            stream = container.add_stream("flac", rate=reader.rate, options=options)
            stream.codec_context.format = av.AudioFormat(form)
            stream.codec_context.layout = layout

            def mux(frame: "AudioFrame | None") -> None:
                for packet in stream.encode(frame):
                    if packet.size:  # the last one is empty and carries the header's checksum
                        lengths.append(packet.size)
                    container.mux(packet)

            for block in reader:
                values = _integers(np, block, reader.sample_format, kept_bits)
                frame = av.AudioFrame.from_ndarray(values.reshape(1, -1), form, layout)
                frame.sample_rate, frame.pts = reader.rate, samples
                samples += len(values) // reader.channels
                mux(frame)
            mux(None)
        file.seek(0)
        import hashlib  # for writers alone: it loads OpenSSL

        digest = hashlib.file_digest(file, "sha256").hexdigest()
        header_bytes = file.tell() - sum(lengths)
    known = Lossless(
        reader.rate,
        reader.channels,
        kept_bits,
        samples,
        _BLOCK_SAMPLES,
        header_bytes,
        digest,
    )
    return LosslessFile(path, known, lengths)


def _integers(np: Any, block: bytes, sample_format: str, bits: int) -> Any:
    """Return samples as the encoder takes them: 16 bits, or 24 in the upper ones of 32."""
    if sample_format == "int16":
        values = np.frombuffer(block, np.int16)
        return values if bits == 16 else values.astype(np.int32) << 16
    scaled = np.frombuffer(block, np.float32).astype(np.float64) * (1 << (bits - 1))
    if (scaled != np.rint(scaled)).any() or (np.abs(scaled + 0.5) > 1 << (bits - 1)).any():
        raise UnsupportedFormatError(
            f"its samples need more than {_MAX_BITS} bits, which FLAC does not keep here; convert "
            f"it to {_MAX_BITS} bits first, or choose to downsample or expand it"
        )
    return scaled.astype(np.int16) if bits == 16 else scaled.astype(np.int32) << 8


def read_lossless(
    fetch: Fetch,
    known: Lossless,
    lengths: "array[int]",
    start: int,
    stop: int,
    dtype: Literal["int16", "float32"] = "float32",
) -> memoryview:
    """Decode exactly a range of the file's own samples.

    Args:
        fetch: reads bytes of the FLAC file; called twice, once for its header.
        known: what it is.
        lengths: bytes of each of its FLAC frames.
        start: first sample, at the file's own rate.
        stop: one past the last.
        dtype: ``float32`` at ±1, which holds 24 bits exactly; or ``int16``, which more than 16 bits
            are rounded to.

    Returns:
        Of shape ``(samples, channels)``.

    Raises:
        InvalidArgumentError: the range is empty, turned round, or not within the file.
        CorruptArchiveError: the bytes are not what they should be.
        MissingExtraError: PyAV or NumPy is not installed.
    """
    if not 0 <= start < stop <= known.samples:
        raise InvalidArgumentError(
            f"own samples {start} to {stop} are wanted; give a range that is not empty within 0 to "
            f"{known.samples} ({known.rate} Hz)"
        )
    if dtype not in ("int16", "float32"):
        raise InvalidArgumentError(f"dtype is {dtype!r}; expected 'int16' or 'float32'")
    av, np = _import_media("reading what was kept lossless")
    if len(lengths) != -(-known.samples // known.block_samples):
        raise CorruptArchiveError(
            f"{len(lengths)} FLAC frames of {known.block_samples} samples are listed for "
            f"{known.samples} samples"
        )
    first, last = start // known.block_samples, (stop - 1) // known.block_samples + 1
    offset = known.header_bytes + sum(lengths[:first])
    data = fetch(offset, offset + sum(lengths[first:last]))
    parts = list(_decode(av, fetch(0, _STREAMINFO.stop), data, lengths[first:last], known))
    values = np.concatenate(parts)[start - first * known.block_samples :][: stop - start]
    if values.shape != (stop - start, known.channels):
        raise CorruptArchiveError(
            f"FLAC frames {first} to {last} decode to {len(values)} samples of {stop - start}"
        )
    return memoryview(_as(np, values, dtype))


def _decode(
    av: Any, header: bytes, data: bytes, lengths: "array[int]", known: Lossless
) -> Iterator[Any]:
    try:
        decoder = av.CodecContext.create("flac", "r")
        decoder.extradata = header[_STREAMINFO]
        decoder.options = {"err_detect": "crccheck+explode"}
        for end, length in zip(accumulate(lengths), lengths, strict=True):
            for frame in decoder.decode(av.Packet(data[end - length : end])):
                if frame.layout.nb_channels != known.channels:
                    raise CorruptArchiveError(
                        f"a FLAC frame has {frame.layout.nb_channels} channels; expected "
                        f"{known.channels}"
                    )
                values = frame.to_ndarray()
                yield values.T if frame.format.is_planar else values.reshape(-1, known.channels)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, CorruptArchiveError):
            raise
        raise CorruptArchiveError(f"what was kept lossless is damaged: {error}") from error


def _as(np: Any, values: Any, dtype: str) -> Any:
    wide = values.dtype == np.int32
    if dtype == "float32":
        # Exact: 24 bits are in the upper ones of 32.
        return (values / (1 << (31 if wide else 15))).astype(np.float32)
    if wide:
        values = np.clip((values.astype(np.int64) + (1 << 15)) >> 16, -32768, 32767)
    return np.ascontiguousarray(values.astype(np.int16))


def _import_media(what: str) -> tuple[Any, Any]:
    try:
        import av
        import numpy as np
    except ImportError as error:
        raise MissingExtraError(what, "media") from error
    return av, np
