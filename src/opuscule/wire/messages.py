"""Text messages of the native link: JSON objects told apart by their field ``type``.

Unknown fields are ignored and unknown types are skipped, so that a later version can add both. A
known type with a missing, mistyped or out-of-range field is the peer's fault. Every string, list
and number has a bound here, and a whole message has :data:`MAX_TEXT_BYTES`.

Times of a link clock are microseconds of a clock that only goes forward and whose zero means
nothing to the other side. ``docs/protocol.md`` is the specification.
"""

from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from opuscule.errors import InvalidArgumentError, RemoteProtocolError

__all__ = [
    "CLOSE_CODES",
    "MAX_CAPABILITIES",
    "MAX_CODE_CHARACTERS",
    "MAX_ERROR_CHARACTERS",
    "MAX_NAME_CHARACTERS",
    "MAX_RANGES",
    "MAX_TEXT_BYTES",
    "MIN_VERSION",
    "VERSION",
    "ErrorCode",
    "ErrorMessage",
    "Hello",
    "Message",
    "Ping",
    "Pong",
    "Receipt",
    "Side",
    "Start",
    "Stop",
    "Stored",
    "Welcome",
    "check_ranges",
    "decode_message",
    "encode_message",
]

VERSION = 1
"""The highest version of the protocol that is spoken here."""

MIN_VERSION = 1
"""The lowest."""

MAX_TEXT_BYTES = 16 * 1024
"""Longest text message."""

MAX_CAPABILITIES = 32
"""Most entries in a list of capabilities."""

MAX_NAME_CHARACTERS = 200
"""Longest agent, device, session or stream name and reason, in Unicode code points."""

MAX_CODE_CHARACTERS = 32
"""Longest capability and error code."""

MAX_ERROR_CHARACTERS = 1000
"""Longest message of an error."""

MAX_RANGES = 256
"""Most ranges in one ``stored`` message; more are told in several."""

# JSON readers of other languages hold numbers as doubles: beyond this they would round them.
_MAX_EXACT = 2**53 - 1

_Name: TypeAlias = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS)]
_Code: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_CODE_CHARACTERS)]
_Capabilities: TypeAlias = Annotated[tuple[_Code, ...], Meta(max_length=MAX_CAPABILITIES)]
_StreamNumber: TypeAlias = Annotated[int, Meta(ge=0, le=255)]
_Version: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=_MAX_EXACT)]
# Leaves room for the stream to go on: what it reaches must still fit a receipt.
_Beginning: TypeAlias = Annotated[int, Meta(ge=0, le=2**48)]
_Clock: TypeAlias = Annotated[int, Meta(ge=-_MAX_EXACT, le=_MAX_EXACT)]
_Ranges: TypeAlias = Annotated[tuple[tuple[_Count, _Count], ...], Meta(max_length=MAX_RANGES)]


class Side(StrEnum):
    """Whose stream is meant, as seen by the side that says it."""

    MINE = "mine"
    """The stream that the speaker sends under the number."""
    YOURS = "yours"
    """The stream that the other side sends under the number."""


class ErrorCode(StrEnum):
    """The codes that version 1 gives in an error message; others may come and are no fault."""

    VERSION = "version"
    """The two sides have no protocol version in common."""
    PROTOCOL = "protocol"
    """The other side sent what the protocol does not allow."""
    SILENT = "silent"
    """The other side was not heard for too long."""
    DENIED = "denied"
    """The token does not allow what was asked for."""
    BUSY = "busy"
    """There is no room now; try again later."""
    SHUTDOWN = "shutdown"
    """This side is going away."""
    INTERNAL = "internal"
    """This side failed; the other is not at fault."""


CLOSE_CODES: dict[str, int] = {
    ErrorCode.VERSION.value: 1002,
    ErrorCode.PROTOCOL.value: 1002,
    ErrorCode.SILENT.value: 1001,
    ErrorCode.DENIED.value: 1008,
    ErrorCode.BUSY.value: 1013,
    ErrorCode.SHUTDOWN.value: 1001,
    ErrorCode.INTERNAL.value: 1011,
}
"""The WebSocket close code (RFC 6455 §7.4.1 and its registry) that follows a fatal error."""


def check_ranges(ranges: tuple[tuple[int, int], ...]) -> None:
    """Raise unless each range begins where the one before ended or later, and is not empty.

    Raises:
        InvalidArgumentError: one does not; the message has it.
    """
    previous = 0
    for first, end in ranges:
        if not previous <= first < end <= _MAX_EXACT:
            raise InvalidArgumentError(
                f"range [{first}, {end}) is empty, out of bounds, or begins before {previous}"
            )
        previous = end


class _Base(msgspec.Struct, frozen=True, tag_field="type"):
    pass


class Hello(_Base, frozen=True, tag="hello"):
    """The client's first message."""

    version: _Version
    """The highest version that the client speaks."""
    agent: _Name = ""
    """Software and its version, for people to read."""
    device: _Name = ""
    """The device's own stable name; may be empty."""
    capabilities: _Capabilities = ()
    """What the client does beyond the version's minimum; unknown words are ignored."""


class Welcome(_Base, frozen=True, tag="welcome"):
    """The server's first message, the answer to :class:`Hello`."""

    version: _Version
    """The version that the server chose: at most the client's."""
    agent: _Name = ""
    """Software and its version, for people to read."""
    session: _Name = ""
    """The server's name for this connection; for logs."""
    capabilities: _Capabilities = ()
    """What the server does beyond the version's minimum."""


class Start(_Base, frozen=True, tag="start"):
    """Opens a stream of the side that says it, before the first frame of that stream."""

    stream: _StreamNumber
    """Number of the stream among the sender's."""
    channels: Annotated[int, Meta(ge=1, le=2)]
    """1 or 2."""
    pre_skip_samples: Annotated[int, Meta(ge=0, le=65535)]
    """48 kHz samples at media time 0 that are not audio (RFC 7845 §4.2)."""
    input_rate: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    """Rate in Hz before encoding, for information; 0 is unknown (RFC 7845 §5.1)."""
    frame_ms: Annotated[float, Meta(ge=2.5, le=120)]
    """What most packets last, in milliseconds, for information."""
    clock_us: _Clock
    """The sender's link clock at media time 0, in microseconds."""
    epoch_ms: _Clock
    """Wall time at media time 0, in milliseconds since 1970, as far as the sender knows it."""
    name: _Name = ""
    """Name of the recording or answer; streams of one name are parts of one recording."""
    reply_to: _StreamNumber | None = None
    """The other side's stream that this one answers."""
    first_sequence: _Beginning = 0
    """Where the sequence is expected to begin: not 0 where a recording is continued."""
    first_samples: _Beginning = 0
    """Where the media time is expected to begin, in 48 kHz samples."""
    gain_q8: Annotated[int, Meta(ge=-32768, le=32767)] = 0
    """Gain that a player applies, in 1/256 dB (RFC 7845 §5.1)."""


class Stop(_Base, frozen=True, tag="stop"):
    """Abandons a stream: no more of it is sent, or wanted."""

    stream: _StreamNumber
    """Number of the stream."""
    side: Side
    """Whose number it is."""
    reason: _Name = ""
    """For people to read."""


class Receipt(_Base, frozen=True, tag="receipt"):
    """What has arrived; says nothing about what is kept."""

    stream: _StreamNumber
    """Number of a stream that the other side sends."""
    highest: _Count
    """Highest extended sequence that arrived, the end marker's included."""
    received: _Count
    """How many packets arrived, duplicates and backfill counted, the end marker not."""
    at_us: _Clock
    """The receiver's link clock when ``highest`` arrived, in microseconds."""


class Stored(_Base, frozen=True, tag="stored"):
    """What is durable with the receiver, and need not be kept by the sender."""

    stream: _StreamNumber
    """Number of a stream that the other side sends."""
    ranges: _Ranges = ()
    """Half-open ranges of extended sequence numbers, rising and not overlapping. They
    add to those of earlier messages and never take one back."""
    end: bool = False
    """The end marker and every packet that had come are stored; no more are waited for."""

    def __post_init__(self) -> None:
        """Refuse ranges that are empty, overlap or fall back."""
        check_ranges(self.ranges)


class Ping(_Base, frozen=True, tag="ping"):
    """Asks for a :class:`Pong`."""

    id: _Count
    """Rises with every ping of the side that sends it."""
    sent_us: _Clock
    """That side's link clock when it was sent, in microseconds."""


class Pong(_Base, frozen=True, tag="pong"):
    """Answers a :class:`Ping` at once."""

    id: _Count
    """The ping's."""
    sent_us: _Clock
    """The ping's."""
    received_us: _Clock
    """The answering side's link clock when the ping arrived, in microseconds."""
    replied_us: _Clock
    """The answering side's link clock when the pong was sent, in microseconds."""


class ErrorMessage(_Base, frozen=True, tag="error"):
    """Tells the other side what is wrong."""

    code: _Code
    """One of :class:`ErrorCode`, or one that is not known here."""
    message: Annotated[str, Meta(max_length=MAX_ERROR_CHARACTERS)] = ""
    """For people to read."""
    fatal: bool = True
    """The speaker closes the connection after this."""


Message: TypeAlias = Hello | Welcome | Start | Stop | Receipt | Stored | Ping | Pong | ErrorMessage
"""Every text message of version 1."""


class _Envelope(msgspec.Struct, frozen=True):
    type: str


_TYPES: frozenset[str] = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (Hello, Welcome, Start, Stop, Receipt, Stored, Ping, Pong, ErrorMessage)
)
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_envelope_decoder = msgspec.json.Decoder(_Envelope)
# A message that nests deeper than the interpreter's stack is a RecursionError; one whose strings
# are not UTF-8 is a UnicodeError.
_FAULTS = (msgspec.MsgspecError, UnicodeError, RecursionError)


def encode_message(message: Message) -> bytes:
    """Return ``message`` as JSON in UTF-8.

    Raises:
        InvalidArgumentError: a field is out of the bounds that the peer holds it to.
    """
    # Constructing a Struct checks nothing; these messages are few, so each is read back.
    try:
        data = _encoder.encode(message)
        _decoder.decode(data)
    except _FAULTS as error:
        raise InvalidArgumentError(f"{type(message).__name__.lower()}: {error}") from error
    return data


def decode_message(data: bytes) -> Message | None:
    """Return the message in ``data``, or None if its type is of a later version.

    Raises:
        RemoteProtocolError: it is longer than :data:`MAX_TEXT_BYTES`, no JSON object with a string
            ``type``, or of a known type and malformed.
    """
    if len(data) > MAX_TEXT_BYTES:
        raise RemoteProtocolError(
            f"text message of {len(data)} bytes; at most {MAX_TEXT_BYTES} are allowed"
        )
    try:
        return _decoder.decode(data)
    except _FAULTS as error:
        if _type_of(data) in _TYPES | {None}:
            raise RemoteProtocolError(f"malformed text message: {error}") from error
        return None


def _type_of(data: bytes) -> str | None:
    try:
        return _envelope_decoder.decode(data).type
    except _FAULTS:
        return None
