"""What goes over a wire: frames and messages of the native link."""

from opuscule.wire.frame import Flag, Frame, Unwrapper, decode_frame, encode_frame
from opuscule.wire.messages import ErrorCode, Message, Side, decode_message, encode_message

__all__ = [
    "ErrorCode",
    "Flag",
    "Frame",
    "Message",
    "Side",
    "Unwrapper",
    "decode_frame",
    "decode_message",
    "encode_frame",
    "encode_message",
]
