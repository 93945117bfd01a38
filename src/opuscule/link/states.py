"""What may happen between two peers, and when: one table.

The table is the whole truth: :mod:`opuscule.link.peer` asks it before it does anything, and the
diagram in ``docs/protocol.md`` is printed from it. It knows nothing of streams: whether a stream
may be stopped or continued is for :mod:`opuscule.link.inbound` and :mod:`opuscule.link.outbound`.

A closed link ignores what still arrives, because it may have been under way; it refuses what its
own side still wants to say.
"""

from enum import Enum

__all__ = ["TRANSITIONS", "Happening", "Role", "State", "initial_state", "state_diagram"]


class Role(Enum):
    """Which side of the connection this is."""

    CLIENT = "client"
    """The side that connected; speaks first."""
    SERVER = "server"
    """The side that was connected to."""


class State(Enum):
    """How far the two sides have come."""

    AWAITING_WELCOME = "awaiting_welcome"
    """A client that said hello."""
    AWAITING_HELLO = "awaiting_hello"
    """A server that was not spoken to yet."""
    OPEN = "open"
    """Both sides know each other; everything else happens here."""
    CLOSED = "closed"
    """Nothing more is said or heard. What is queued is sent, then the transport closes."""


class Happening(Enum):
    """What may happen, remotely or locally; the value is how messages and the diagram say it."""

    GOT_HELLO = "got hello"
    GOT_WELCOME = "got welcome"
    GOT_START = "got start"
    GOT_AUDIO = "got audio"
    GOT_STOP = "got stop"
    GOT_RECEIPT = "got receipt"
    GOT_STORED = "got stored"
    GOT_PING = "got ping"
    GOT_PONG = "got pong"
    GOT_ERROR = "got error"
    GOT_FATAL_ERROR = "got fatal error"
    OPEN_STREAM = "open_stream"
    SEND_PACKET = "send_packet"
    END_STREAM = "end_stream"
    STOP_STREAM = "stop_stream"
    ACKNOWLEDGE_STORED = "acknowledge_stored"
    WARN = "warn"
    FAIL = "fail"
    CLOSE = "close"
    PEER_FAULT = "peer broke the protocol"
    PEER_SILENT = "peer silent"


_INITIAL = {Role.CLIENT: State.AWAITING_WELCOME, Role.SERVER: State.AWAITING_HELLO}

_WHILE_OPEN = (
    Happening.GOT_START,
    Happening.GOT_AUDIO,
    Happening.GOT_STOP,
    Happening.GOT_RECEIPT,
    Happening.GOT_STORED,
    Happening.GOT_PING,
    Happening.GOT_PONG,
    Happening.GOT_ERROR,
    Happening.OPEN_STREAM,
    Happening.SEND_PACKET,
    Happening.END_STREAM,
    Happening.STOP_STREAM,
    Happening.ACKNOWLEDGE_STORED,
    Happening.WARN,
)

_ENDINGS = (
    Happening.GOT_FATAL_ERROR,
    Happening.FAIL,
    Happening.CLOSE,
    Happening.PEER_FAULT,
    Happening.PEER_SILENT,
)

TRANSITIONS: dict[tuple[Role, State, Happening], State] = {
    (Role.CLIENT, State.AWAITING_WELCOME, Happening.GOT_WELCOME): State.OPEN,
    (Role.SERVER, State.AWAITING_HELLO, Happening.GOT_HELLO): State.OPEN,
    **{(role, State.OPEN, what): State.OPEN for role in Role for what in _WHILE_OPEN},
    **{(role, _INITIAL[role], what): State.CLOSED for role in Role for what in _ENDINGS},
    **{(role, State.OPEN, what): State.CLOSED for role in Role for what in _ENDINGS},
    # Whoever cleans up need not know whether the link was closed already.
    **{(role, State.CLOSED, Happening.CLOSE): State.CLOSED for role in Role},
}
"""(role, state, what happens) to the next state; what is not here is illegal."""


def initial_state(role: Role) -> State:
    """Return where ``role`` begins: a client has said hello by then."""
    return _INITIAL[role]


def state_diagram() -> str:
    """Return the table as a Mermaid state diagram, for the documentation."""
    steps: dict[tuple[State, State], list[str]] = {}
    for (_, state, what), after in TRANSITIONS.items():
        said = steps.setdefault((state, after), [])
        if what.value not in said:
            said.append(what.value)
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state.value}: {role.value}" for role, state in _INITIAL.items()]
    for (state, after), said in steps.items():
        lines += [f"    {state.value} --> {after.value}: {what}" for what in said]
    lines.append(f"    {State.CLOSED.value} --> [*]")
    return "\n".join(lines) + "\n"
