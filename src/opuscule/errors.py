"""Every error that opuscule raises, in one tree.

Each class is also the builtin that a caller would expect, so that ``except ValueError`` around a
parser does what one thinks. Messages say what was got, what was expected and what to do.
"""

__all__ = [
    "AccessDeniedError",
    "ArchiveError",
    "CodecError",
    "ConcurrentUseError",
    "ConnectError",
    "CorruptArchiveError",
    "DeviceError",
    "DeviceNotFoundError",
    "FormatError",
    "InvalidArgumentError",
    "InvalidPacketError",
    "JournalError",
    "LinkClosedError",
    "LinkError",
    "ListenError",
    "LocalProtocolError",
    "MissingExtraError",
    "NotAnArchiveError",
    "OpusculeError",
    "RecordingExistsError",
    "RecordingNotFoundError",
    "RemoteProtocolError",
    "TruncatedError",
    "UnsupportedFormatError",
]


class OpusculeError(Exception):
    """The root of the tree: catches whatever opuscule raises on purpose."""


class InvalidArgumentError(OpusculeError, ValueError):
    """An argument is out of its range or does not fit the others."""


class ConcurrentUseError(OpusculeError, RuntimeError):
    """A codec object was called while another thread was inside it."""


class CodecError(OpusculeError, RuntimeError):
    """libopus refused a call; the message carries its own words."""


class InvalidPacketError(OpusculeError, ValueError):
    """Bytes are not an Opus packet; the message names the rule of RFC 6716 §3.4 and the offset."""

    def __init__(self, text: str, rule: str | None = None, offset: int | None = None) -> None:
        super().__init__(text)
        self.rule = rule
        """``R1`` to ``R7``, or ``B`` for appendix B; ``None`` where no single rule is broken."""
        self.offset = offset
        """The byte at which it shows, from 0."""


class MissingExtraError(OpusculeError, ImportError):
    """A part that is not installed is needed; the message is the line that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs a part that is not installed; run: pip install 'opuscule[{extra}]'"
        )
        self.extra = extra
        """The extra to install, such as ``media``."""


class FormatError(OpusculeError, ValueError):
    """A file or stream is not what it should be; the message has the place and what is wrong."""


class TruncatedError(FormatError, EOFError):
    """A file or stream ends before its own headers say that it does."""


class UnsupportedFormatError(FormatError):
    """A file is sound, as far as one can tell, but of a kind that is not read here."""


class DeviceError(OpusculeError, OSError):
    """A microphone or loudspeaker could not be opened or failed while running."""


class DeviceNotFoundError(DeviceError, LookupError):
    """No sound device has the name or number that was asked for."""


class LinkError(OpusculeError):
    """The root of what goes wrong between two peers."""


class ConnectError(LinkError, ConnectionError):
    """The other side could not be reached, or is no opuscule server."""


class AccessDeniedError(ConnectError, PermissionError):
    """The server wants a token, or another one."""


class ListenError(LinkError, OSError):
    """A server could not take its port: in use, or not allowed."""


class LinkClosedError(LinkError, ConnectionError):
    """The connection ended before what was asked for was done."""


class LocalProtocolError(LinkError, RuntimeError):
    """Our side broke the link's contract; names event, role and state."""


class RemoteProtocolError(LinkError, ValueError):
    """The other side sent what the protocol does not allow."""


class JournalError(OpusculeError, OSError):
    """The journal could not be written or read; nothing was acknowledged that it does not hold."""


class ArchiveError(OpusculeError):
    """The root of what goes wrong with archives."""


class NotAnArchiveError(ArchiveError, ValueError):
    """A path holds no opuscule archive, or one of a version that this release cannot read."""


class RecordingNotFoundError(ArchiveError, KeyError):
    """The archive has no recording of that name."""

    __str__ = Exception.__str__  # KeyError's own would put the sentence in quotes


class RecordingExistsError(ArchiveError, FileExistsError):
    """The archive has a recording of that name already."""


class CorruptArchiveError(ArchiveError, ValueError):
    """Bytes in the archive contradict its own description; the message names the recording."""
