"""PCM on its way into the codec and out of it."""

from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from opuscule.errors import InvalidArgumentError
from opuscule.packets import SAMPLE_BYTES, SampleFormat

if TYPE_CHECKING:
    from opuscule import _native

    Buffer: TypeAlias = _native.PcmBuffer
else:
    Buffer = object  # collections.abc has it from Python 3.12 on
    """Anything that holds PCM: ``bytes``, ``bytearray``, ``memoryview``, ``array.array``, NumPy.

    Interleaved, or of shape ``(samples, channels)``."""

__all__ = ["TYPE_CODES", "Buffer", "Pcm", "as_pcm", "check_sample_format", "view_pcm"]

Pcm: TypeAlias = "memoryview[int] | memoryview[float]"
"""Decoded samples: a view of shape ``(samples, channels)``, which ``numpy.asarray`` takes."""

TYPE_CODES: dict[str, Literal["h", "f"]] = {"int16": "h", "float32": "f"}
"""The ``struct`` letter of each sample format."""


def as_pcm(data: bytes, channels: int, sample_format: SampleFormat) -> Pcm:
    """View interleaved samples as ``(samples, channels)``; no samples at all are ``(0,)``."""
    view = memoryview(data)
    if not data:
        return view.cast(TYPE_CODES[sample_format])
    samples = len(data) // (SAMPLE_BYTES[sample_format] * channels)
    return view.cast(TYPE_CODES[sample_format], (samples, channels))


def check_sample_format(sample_format: str) -> None:
    """Refuse what is no sample format.

    Raises:
        InvalidArgumentError: it is none.
    """
    if sample_format not in TYPE_CODES:
        raise InvalidArgumentError(
            f"sample_format is {sample_format!r}; expected 'int16' or 'float32'"
        )


def view_pcm(chunk: Buffer, channels: int) -> memoryview:
    """View PCM as what it is.

    Raises:
        InvalidArgumentError: it has a row for each channel, or another number of channels.
    """
    view = memoryview(cast("bytes", chunk))
    # One row may be what it likes: PyAV gives interleaved samples so.
    shape = view.shape or ()
    if len(shape) == 2 and shape[0] != 1 and shape[1] != channels:
        raise InvalidArgumentError(
            f"PCM has the shape {shape}; expected (samples, {channels}), or one dimension of"
            " interleaved samples: transpose what has a row for each channel"
        )
    return view
