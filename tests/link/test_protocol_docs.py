"""docs/protocol.md says what the code does."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from opuscule.clock import ClockEstimate
from opuscule.errors import RemoteProtocolError
from opuscule.link import ErrorCode, Link, PacketReceived, StreamEnded, state_diagram
from opuscule.link.inbound import MAX_OPEN_STREAMS
from opuscule.packets import MAX_PACKET_BYTES
from opuscule.wire import messages as m
from opuscule.wire.frame import (
    MAX_SEQUENCE_JUMP,
    MAX_TIME_JUMP_SAMPLES,
    Flag,
    Unwrapper,
    decode_frame,
    encode_frame,
)

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```([\w ]+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
)


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCKS if found == kind]


def table(header: str) -> list[list[str]]:
    """The cells of the table whose first row is ``header``."""
    lines = PAGE[PAGE.index(header + "\n") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_block_is_of_a_kind_that_is_tested_here() -> None:
    assert {kind for kind, _ in BLOCKS} == {
        "mermaid",
        "frame",
        "frame refused",
        "json",
        "json skipped",
        "json refused",
    }
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_the_diagram_is_the_table() -> None:
    assert blocks("mermaid") == [state_diagram()]


@pytest.mark.parametrize("text", blocks("frame"))
def test_frames(text: str) -> None:
    header, said = text.splitlines()
    frame = decode_frame(bytes.fromhex(header))
    assert encode_frame(frame) == bytes.fromhex(header)
    flags = ",".join(flag.name or "" for flag in Flag if flag in frame.flags)
    assert said == (
        f"stream={frame.stream} sequence={frame.sequence} time_samples={frame.time_samples} "
        f"payload={frame.payload.hex()} flags={flags}"
    )


@pytest.mark.parametrize("text", blocks("frame refused"))
def test_refused_frames(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_frame(bytes.fromhex(text))


def test_the_worked_stream_holds_together(
    pair: Callable[[], tuple[Link, Link]],
) -> None:
    _, server = pair()
    start = next(text for text in blocks("json") if '"start"' in text)
    server.receive_text(start.encode(), 1.0)
    live, _, end = (bytes.fromhex(text.splitlines()[0]) for text in blocks("frame"))
    # 0xf8 is CELT, full band, 20 ms, mono, one frame (RFC 6716 §3.1).
    (received,) = server.receive_binary(live, 1.0)
    assert isinstance(received, PacketReceived)
    assert received.packet.duration_samples == 960
    (ended,) = server.receive_binary(end, 1.0)
    assert ended == StreamEnded(3, 2_800, 3)


@pytest.mark.parametrize("text", blocks("json"))
def test_messages(text: str) -> None:
    message = m.decode_message(text.encode())
    assert message is not None
    assert json.loads(m.encode_message(message)) == json.loads(text)


def test_every_message_has_an_example() -> None:
    shown = {json.loads(text)["type"] for text in blocks("json")}
    assert shown == {
        "hello",
        "welcome",
        "start",
        "stop",
        "receipt",
        "stored",
        "ping",
        "pong",
        "error",
    }


def test_skipped_and_refused_messages() -> None:
    for text in blocks("json skipped"):
        assert m.decode_message(text.encode()) is None
    for text in blocks("json refused"):
        with pytest.raises(RemoteProtocolError):
            m.decode_message(text.encode())


def test_start_fields() -> None:
    said = [row[0].strip("`") for row in table("| field | meaning | default |")]
    assert said == list(m.Start.__struct_fields__)


def test_error_codes() -> None:
    rows = table("| code | close code | meaning |")
    assert {row[0].strip("`"): int(row[1]) for row in rows} == m.CLOSE_CODES
    assert [row[0].strip("`") for row in rows] == [code.value for code in ErrorCode]


def test_limits() -> None:
    rows = {name: int(value) for name, value in table("| limit | value |")}
    assert rows == {
        "text message, bytes": m.MAX_TEXT_BYTES,
        "packet, bytes": MAX_PACKET_BYTES,
        "agent, device, session, name, reason, characters": m.MAX_NAME_CHARACTERS,
        "capabilities": m.MAX_CAPABILITIES,
        "capability and error code, characters": m.MAX_CODE_CHARACTERS,
        "error message, characters": m.MAX_ERROR_CHARACTERS,
        "open streams in one direction": MAX_OPEN_STREAMS,
        "ranges in a stored message": m.MAX_RANGES,
        "sequence jump": MAX_SEQUENCE_JUMP,
        "media time jump, samples": MAX_TIME_JUMP_SAMPLES,
    }


def test_worked_arithmetic() -> None:
    unwrapper = Unwrapper(16, 65_534)
    assert [unwrapper.extend(v) for v in (65_535, 1, 0)] == [65_535, 65_537, 65_536]
    assert "With `h` = 65534, the values 65535, 1, 0 extend to 65535, 65537, 65536." in PAGE
    pong = m.decode_message(next(text for text in blocks("json") if '"pong"' in text).encode())
    assert isinstance(pong, m.Pong)
    clock = ClockEstimate()
    clock.add(pong.sent_us, pong.received_us, pong.replied_us, 81_264_617)
    said = f"the offset is {clock.offset_us} µs, the round trip {clock.rtt_us} µs."
    assert f"`t4` = 81264617: {said}" in PAGE
