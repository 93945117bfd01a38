"""Durations of Opus packets through the native module (RFC 6716 §3)."""

import pytest

from opuscule._native import packet_duration
from opuscule.errors import InvalidPacketError

SILK_20_MS = 9 << 3
CELT_2_5_MS = 28 << 3


@pytest.mark.row("C3")
@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (bytes([SILK_20_MS]), 960),
        (bytes([SILK_20_MS | 1]), 1920),
        (bytes([SILK_20_MS | 2, 3]) + b"anything", 1920),
        (bytes([SILK_20_MS | 3, 6]), 5760),
        (bytes([CELT_2_5_MS]), 120),
        # The frame count has six bits: 48 read as five bits would be 16.
        (bytes([CELT_2_5_MS | 3, 48]), 5760),
        (bytes([CELT_2_5_MS | 3, 0x80 | 48]) + bytes(47), 5760),
        (bytes([CELT_2_5_MS | 3, 0xC0 | 48, 5]) + bytes(47 + 5), 5760),
        (bytes([11 << 3 | 1]), 5760),
    ],
)
def test_durations(packet: bytes, samples: int) -> None:
    assert packet_duration(packet) == samples


@pytest.mark.parametrize(
    ("packet", "rule", "offset"),
    [
        (b"", "R1", 0),
        (bytes([SILK_20_MS | 3]), "R6", 1),
        (bytes([SILK_20_MS | 3, 0]), "R5", 1),
        (bytes([SILK_20_MS | 3, 7]), "R5", 1),
        (bytes([CELT_2_5_MS | 3, 49]), "R5", 1),
        # Broken inside: it must not get into a journal or an archive from which it never decodes.
        (bytes([SILK_20_MS | 1]) + b"odd", "R3", 1),
        (bytes([SILK_20_MS | 2]) + b"anything", "R4", 2),
    ],
)
def test_what_is_no_packet_names_the_rule(packet: bytes, rule: str, offset: int) -> None:
    with pytest.raises(InvalidPacketError, match=f"byte {offset} breaks rule {rule}"):
        packet_duration(packet)
