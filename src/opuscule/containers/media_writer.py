"""PCM into lossless audio files other than WAV, by PyAV (the extra ``media``)."""

from typing import BinaryIO, Literal, get_args

from opuscule.errors import InvalidArgumentError, MissingExtraError, UnsupportedFormatError

__all__ = ["LOSSLESS", "Lossless", "MediaWriter"]

Lossless = Literal["flac", "aiff"]
"""What is written here, by FFmpeg's names."""

LOSSLESS: tuple[Lossless, ...] = get_args(Lossless)
"""All of them."""

_CODECS = {"flac": "flac", "aiff": "pcm_s16be"}


class MediaWriter:
    """Writes int16 samples of one or two channels.

    Args:
        file: a writable binary file that can seek, because the length stands at the beginning; it
            is not closed.
        container: which.
        rate: frames a second, in Hz.
        channels: 1 or 2.

    Raises:
        InvalidArgumentError: there is no such container here, or of the channels.
        UnsupportedFormatError: the file is a pipe.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, file: BinaryIO, container: Lossless, rate: int, channels: int) -> None:
        if container not in LOSSLESS or channels not in (1, 2):
            raise InvalidArgumentError(
                f"{container} of {channels} channels; expected {', '.join(LOSSLESS)}, 1 or 2"
            )
        if not file.seekable():
            raise UnsupportedFormatError(
                f"{container.upper()} cannot be written into a pipe, because its length stands at "
                "its beginning; take WAV or bare PCM"
            )
        try:
            import av
        except ImportError as error:
            raise MissingExtraError(f"writing {container} files", "media") from error
        self._av = av
        self._rate = rate
        self._layout = "mono" if channels == 1 else "stereo"
        self._frame_bytes = 2 * channels
        self.total_samples = 0
        self._output = av.open(file, mode="w", format=container)
        stream = self._output.add_stream(_CODECS[container], rate=rate, layout=self._layout)
        assert isinstance(stream, av.AudioStream)  # noqa: S101 - for mypy
        self._stream = stream
        # Encoders want frames of their own length, all but the last.
        self._fifo = av.AudioFifo()

    def write(self, pcm: bytes) -> None:
        """Append whole frames: int16, interleaved, native byte order."""
        frame = self._av.AudioFrame("s16", self._layout, len(pcm) // self._frame_bytes)
        frame.planes[0].update(pcm.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = self._rate
        self.total_samples += frame.samples
        self._fifo.write(frame)
        self._encode(partial=False)

    def close(self) -> None:
        """Write the end, and the length at the beginning."""
        self._encode(partial=True)
        self._output.mux(self._stream.encode(None))
        self._output.close()

    def _encode(self, *, partial: bool) -> None:
        wanted = self._stream.codec_context.frame_size or 4096
        while frame := self._fifo.read(wanted, partial):
            frame.pts = None
            self._output.mux(self._stream.encode(frame))
