"""What is known of a file and of its links once they have been read."""

from dataclasses import dataclass

from opuscule.containers.ogg import OggStream
from opuscule.inspection.coding import Coding
from opuscule.packets import Gap, StreamFormat

__all__ = ["MAX_LISTED", "CodingChange", "FileReport", "LinkReport"]

MAX_LISTED = 1000
"""How many links, gaps and changes a report lists at most; all are counted."""


@dataclass(frozen=True, slots=True)
class CodingChange:
    """From here on packets are coded so."""

    time_samples: int
    """Media time of the first such packet, 48 kHz samples, pre-skip included."""
    coding: Coding
    """How it and those after it are coded."""


@dataclass(frozen=True, slots=True)
class LinkReport:
    """One of the streams that are chained in an Ogg file; other files have one."""

    start_samples: int
    """Where it begins if links are laid end to end, in 48 kHz samples."""
    serial: int | None
    """Its serial number; ``None`` where the container has none."""
    channels: int
    """Of the audio."""
    input_rate: int
    """In Hz, before encoding; for information only."""
    pre_skip_samples: int
    """Cut off at the beginning."""
    end_trim_samples: int
    """Cut off at the end."""
    gain_q8: int
    """What a player applies, in 1/256 dB."""
    vendor: str
    """The encoder's name; empty if the file has none."""
    comments: tuple[tuple[str, str], ...]
    """Tags: names and values."""
    duration_samples: int
    """What is heard: gaps in, pre-skip and end trim out; exact."""
    packets: int
    """How many there are."""
    payload_bytes: int
    """Of the packets alone."""
    gap_count: int
    """How many there are."""
    gap_samples: int
    """All gaps together."""
    skipped: dict[str, tuple[int, int]]
    """What was passed over: for each reason how often and how many bytes."""
    truncated: bool
    """Its end is missing, as far as that can be told."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """A file of Opus packets, summed up over all its links.

    Samples are 48 kHz ones. Time counts from the first link's beginning, pre-skips included, with
    the links laid end to end.
    """

    container: str
    """What the file is, or how a raw stream is framed."""
    file_bytes: int
    """Size of the file."""
    links: tuple[LinkReport, ...]
    """One by one, at most :data:`MAX_LISTED` and while their comments stay below 16 MiB; the first
    is always there."""
    link_count: int
    """How many there are; more than one only in a chained Ogg file."""
    channels: int
    """This and the next four are the first link's."""
    input_rate: int
    """In Hz, before encoding; for information only."""
    gain_q8: int
    """What a player applies, in 1/256 dB."""
    vendor: str
    """The encoder's name; empty if the file has none."""
    comments: tuple[tuple[str, str], ...]
    """Tags: names and values."""
    stream_format: StreamFormat
    """What a decoder of the first link has to know, how channels are mapped among it."""
    ogg_streams: tuple[OggStream, ...]
    """Of an Ogg file every logical stream, other codecs' too; at most :data:`MAX_LISTED`."""
    pre_skip_samples: int
    """Cut off at the links' beginnings, all together."""
    end_trim_samples: int
    """Cut off at the links' ends, all together."""
    duration_samples: int
    """What is heard: gaps in, pre-skips and end trims out; exact."""
    packets: int
    """How many there are."""
    payload_bytes: int
    """Of the packets alone."""
    bitrate: float
    """Of the packets over what is heard, bits a second; 0 without audio."""
    packet_bytes: tuple[int, int]
    """The shortest packet and the longest; 0 and 0 without packets."""
    packet_durations: dict[int, int]
    """How many packets there are of each duration in samples."""
    coded_samples: tuple[tuple[Coding, int], ...]
    """How much is coded in which way, in samples; the most first."""
    changes: tuple[CodingChange, ...]
    """When the coding changed, the first packet's included; at most :data:`MAX_LISTED`."""
    change_count: int
    """How often it changed after the first packet."""
    fec_packets: int
    """Packets with in-band FEC."""
    dred_packets: int
    """Packets with deep redundancy."""
    dred_longest_samples: int
    """How far the furthest reaches back."""
    dred_samples: int
    """How far all of them together reach back; by ``dred_packets`` it is the mean."""
    dtx_packets: int
    """Packets that say no more than that silence goes on."""
    dtx_samples: int
    """How long they last together."""
    invalid_packets: int
    """Packets that a decoder refuses, though their time can be told."""
    gaps: tuple[Gap, ...]
    """Where packets are missing; at most :data:`MAX_LISTED`."""
    gap_count: int
    """How many there are."""
    gap_samples: int
    """All gaps together."""
    skipped: dict[str, tuple[int, int]]
    """What was passed over: for each reason how often and how many bytes."""
    truncated: bool
    """The end of a link is missing, as far as that can be told."""
    problem: str | None
    """Why reading ended before the file did; ``None`` if it did not."""
