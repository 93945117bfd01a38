"""Opus packets into WebM, Matroska and MP4 as they are, by PyAV (the extra ``media``).

Nothing is encoded. Pre-skip and end trim go where each container has room for them, the places that
:mod:`opuscule.containers.av_packets` reads them from; missing audio is left out of the time stamps.
CAF and MPEG-TS are not written: FFmpeg cannot put Opus into the one, nor packets of one byte, which
DTX makes, into the other.
"""

import io
import struct
from collections.abc import Iterable
from fractions import Fraction
from typing import BinaryIO, Literal, get_args

from opuscule.containers.ogg import OggWriter
from opuscule.errors import InvalidArgumentError, MissingExtraError, UnsupportedFormatError
from opuscule.packets import Packet, StreamFormat
from opuscule.units import MEDIA_RATE

__all__ = ["AV_CONTAINERS", "AvContainer", "AvWriter"]

AvContainer = Literal["webm", "matroska", "mp4"]
"""What is written here, by FFmpeg's names."""

AV_CONTAINERS: tuple[AvContainer, ...] = get_args(AvContainer)
"""All of them."""

# A live file is played while it grows: a second is the most that is held back, as in Ogg.
_OPTIONS = {"flush_packets": "1"}
_CLUSTERS = {"cluster_time_limit": "1000"}
_SKIP = struct.Struct("<IIBB")  # AV_PKT_DATA_SKIP_SAMPLES: from the start, from the end, reasons
_SKIP_TYPE = 11


class AvWriter:
    """Writes packets into a container of FFmpeg's.

    Args:
        file: a writable binary file; it is not closed. MP4 has to be able to seek in it.
        container: which.
        stream_format: what a decoder has to know; one stream of one or two channels.
        tags: names and values; pictures are left out.

    Raises:
        InvalidArgumentError: there is no such container here.
        UnsupportedFormatError: the stream has more channels, or MP4 is to go into a pipe.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(
        self,
        file: BinaryIO,
        container: AvContainer,
        stream_format: StreamFormat,
        *,
        tags: Iterable[tuple[str, str]] = (),
    ) -> None:
        if container not in AV_CONTAINERS:
            raise InvalidArgumentError(
                f"container is {container!r}; expected {', '.join(AV_CONTAINERS)}"
            )
        if not stream_format.is_single:
            raise UnsupportedFormatError(
                f"{stream_format.channels} channels in {stream_format.streams} streams are written "
                "into Ogg only"
            )
        if container == "mp4" and not file.seekable():
            raise UnsupportedFormatError(
                "MP4 cannot be written into a pipe; write it into a file, or another container"
            )
        try:
            import av
        except ImportError as error:
            raise MissingExtraError(f"writing {container} files", "media") from error
        self._av = av
        self._container_name = container
        self._pre_skip_samples = stream_format.pre_skip_samples
        options = _OPTIONS | (_CLUSTERS if container in ("webm", "matroska") else {})
        # FFmpeg takes what a stream is from another one, which an encoder need not be opened for.
        self._pattern = av.open(io.BytesIO(_headers(stream_format)), format="ogg")
        self._output = av.open(file, mode="w", format=container, options=options)
        self._stream = self._output.add_stream_from_template(self._pattern.streams.audio[0])
        for name, value in tags:
            if name.upper() != "METADATA_BLOCK_PICTURE":
                self._output.metadata[name] = value.encode(errors="replace").decode()
        self._held: Packet | None = None

    def write(self, packet: Packet) -> None:
        """Add a packet at its media time."""
        if self._held is not None:
            self._mux(self._held, 0)
        self._held = packet  # the last one is written with what is trimmed from it

    def close(self, end_samples: int | None = None) -> None:
        """Write the end.

        Args:
            end_samples: media time at which the audio ends, which at most trims the last packet;
                None for its end.
        """
        if self._held is not None:
            end = self._held.end_samples if end_samples is None else end_samples
            trim = max(0, self._held.end_samples - end)
            self._mux(self._held, min(trim, self._held.duration_samples))
        self._held = None
        self._output.close()
        self._pattern.close()

    def _mux(self, packet: Packet, trim_samples: int) -> None:
        block = self._av.Packet(packet.data)
        block.stream = self._stream
        block.time_base = Fraction(1, MEDIA_RATE)
        block.pts = block.dts = packet.time_samples - self._pre_skip_samples
        block.duration = packet.duration_samples
        if trim_samples and self._container_name == "mp4":
            block.duration -= trim_samples
        elif trim_samples:
            side = self._av.packet.PacketSideData(_SKIP_TYPE, _SKIP.size)  # type: ignore[call-arg]  # the stub lacks it
            side.update(_SKIP.pack(0, trim_samples, 0, 0))
            block.set_sidedata(side)
        self._output.mux(block)


def _headers(stream_format: StreamFormat) -> bytes:
    """An Ogg Opus file of no audio."""
    file = io.BytesIO()
    OggWriter(file, stream_format).close()
    return file.getvalue()
