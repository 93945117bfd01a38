"""What a played call leaves behind: the sound, the log, and a report for scripts."""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from opuscule.containers.wav import WavWriter
from opuscule.errors import InvalidArgumentError
from opuscule.files import atomic_output
from opuscule.measure.playout.account import DATA, timed
from opuscule.measure.playout.report import PlayedCall

__all__ = [
    "LOG_COLUMNS",
    "as_dict",
    "check_log_name",
    "check_sound_name",
    "write_log",
    "write_sound",
]

LOG_COLUMNS = (
    "played_ms",
    "origin",
    "stretched",
    "missing",
    "time_samples",
    "samples",
    "media_samples",
    "delay_ms",
)
"""When a span began to be heard; from what and why; its media time, its length, the media time that
it stands for (48 kHz samples); played minus sent, where it is from data."""


def check_sound_name(path: str | os.PathLike[str]) -> None:
    """Refuse a name of another format.

    Raises:
        InvalidArgumentError: it does not end in .wav.
    """
    if Path(path).suffix.lower() != ".wav":
        raise InvalidArgumentError(f"the sound is {path}; expected a name that ends in .wav")


def write_sound(played: PlayedCall, path: str | os.PathLike[str]) -> None:
    """Write what was heard as a WAV file of int16 at 48 kHz, from the sending of the first packet.

    Raises:
        InvalidArgumentError: see :func:`check_sound_name`.
        OSError: it cannot be written.
    """
    check_sound_name(path)
    with atomic_output(path) as file:
        writer = WavWriter(file, 48_000, played.simulated.channels)
        writer.write(played.simulated.pcm)
        writer.close()


def check_log_name(path: str | os.PathLike[str]) -> None:
    """Refuse a name that says no format.

    Raises:
        InvalidArgumentError: it ends neither in .csv nor in .jsonl.
    """
    if Path(path).suffix.lower() not in (".csv", ".jsonl"):
        raise InvalidArgumentError(
            f"the log is {path}; expected a name that ends in .csv or .jsonl"
        )


def write_log(played: PlayedCall, path: str | os.PathLike[str]) -> None:
    """Write the playout log, a line for each span, as CSV or as JSON lines by the name's ending.

    Raises:
        InvalidArgumentError: see :func:`check_log_name`.
        OSError: it cannot be written.
    """
    check_log_name(path)
    with atomic_output(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        if Path(path).suffix.lower() == ".jsonl":
            text.writelines(json.dumps(row) + "\n" for row in _rows(played))
        else:
            lines = csv.DictWriter(text, LOG_COLUMNS)
            lines.writeheader()
            lines.writerows(_rows(played))
        text.detach()  # flushes; the file is not its to close


def _rows(played: PlayedCall) -> Iterator[dict[str, object]]:
    for at, span in timed(played.simulated.spans):
        is_data = span.origin in DATA and span.time_samples is not None
        delay = round((at - (span.time_samples or 0)) / 48, 3) if is_data else None
        stretched = int(span.media_samples is not None)
        values = (
            *(round(at / 48, 3), span.origin, stretched, span.missing, span.time_samples),
            *(span.samples, span.media_samples, delay),
        )
        yield dict(zip(LOG_COLUMNS, values, strict=True))


def as_dict(played: PlayedCall) -> dict[str, object]:
    """All but the sound and the log, for scripts."""
    call = played.call
    return {
        "packets_ms": call.packet_ms,
        "bitrate": call.bitrate,
        "duration_ms": call.duration_ms,
        "channels": call.format.channels,
        "notes": call.notes,
        "network": asdict(played.network),
        "delay": played.delays and asdict(played.delays),
        "shares": played.shares,
        "interruptions": asdict(played.interruptions),
        "speech": {**asdict(played.heard), "unheard_share": played.heard.unheard_share},
        "stats": asdict(played.stats),
        "webrtc": played.stats.webrtc(),
        "drift_ppm": played.simulated.drift_ppm,
        "refused_packets": played.simulated.refused,
        "cpu_share": played.cpu_share,
        "quality": played.quality and asdict(played.quality),
        "hurt": played.hurt,
    }
