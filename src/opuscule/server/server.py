"""The server itself: a port, its sessions, and what they share."""

import asyncio
import inspect
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from opuscule.auth import check_exposure, check_token
from opuscule.errors import InvalidArgumentError
from opuscule.handlers import AnswerHandler, echo
from opuscule.journal import Durable
from opuscule.server.keeper import Keeper
from opuscule.server.session import Session
from opuscule.transports.shell import WebSocketShell
from opuscule.transports.websocket import listen
from opuscule.units import check_rate

__all__ = ["DEFAULT_PORT", "Server", "serve"]

DEFAULT_PORT = 8750
"""Where a server listens when nothing else is said."""

_CLEAN_UP_S = 5.0


class Server:
    """Accepts devices, keeps what they say, and answers.

    Use it in an ``async with`` block.

    Args:
        handler: the application: an async generator function, see :mod:`opuscule.handlers`.
        host: the address to listen on.
        port: the port; 0 takes a free one, see :attr:`url`.
        keep: the folder for journal and archive, or None to keep nothing.
        token: what devices have to show; without one the server is for this machine alone.
        insecure: whether others may come without a token.
        answer_rate: of the handler's samples, in Hz, an Opus rate.
        max_devices: how many may be connected at a time.

    Raises:
        InvalidArgumentError: a value is out of its range, the server would be open to all, or
            ``handler`` is no async generator function.
    """

    def __init__(
        self,
        handler: AnswerHandler = echo,
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        keep: str | Path | None = None,
        token: str | None = None,
        insecure: bool = False,
        answer_rate: int = 16_000,
        max_devices: int = 256,
    ) -> None:
        check_exposure(host, token, insecure)
        check_token(token)
        if inspect.iscoroutinefunction(handler) or inspect.isgeneratorfunction(handler):
            name = getattr(handler, "__name__", repr(handler))
            raise InvalidArgumentError(
                f"{name} is no async generator function; expected async def, with "
                "yield for each piece of the answer"
            )
        if not 0 <= port <= 65_535:
            raise InvalidArgumentError(f"port is {port}; expected 0 to 65535")
        self._handler = handler
        self._host = host
        self._port = port
        self._keep = Path(keep) if keep is not None else None
        self._token = token
        self._answer_rate = check_rate(answer_rate)
        self._max_devices = max_devices
        self._sessions: set[Session] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._closing = False
        self._listener: asyncio.Server | None = None
        self.keeper: Keeper | None = None
        """Where it keeps what it hears, once it has started; None if it keeps nothing."""

    @property
    def url(self) -> str:
        """The address for devices on this machine, once it has started."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104  # read, not bound
        return f"ws://[{host}]:{self._port}" if ":" in host else f"ws://{host}:{self._port}"

    async def start(self) -> None:
        """Open the port and, when there is something to keep, the journal.

        Raises:
            ListenError: the port is in use or not allowed.
            JournalError: the folder cannot be used, or another server uses it.
        """
        self._closing, self.keeper = False, None
        # The port first: a server that cannot have it leaves no folder behind.
        self._listener = await listen(self._host, self._port, self._token, self._new_shell)
        self._port = self._listener.sockets[0].getsockname()[1]  # known when it is closed, too
        try:
            if self._keep is not None:
                self.keeper = Keeper(self._keep, self._on_stored)
                await self.keeper.start()
            await self._listener.start_serving()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Say goodbye to every device, and bring to safety what they said.

        Handlers that are cancelled have 5 s to clean up.
        """
        self._closing = True
        if self._listener:
            self._listener.close()
        await asyncio.gather(*(session.close() for session in list(self._sessions)))
        if tasks := self._answering - {asyncio.current_task()}:
            await asyncio.wait(tasks, timeout=_CLEAN_UP_S)
        if self.keeper:
            await self.keeper.close()

    async def serve_forever(self) -> None:
        """Serve until cancelled."""
        await asyncio.Event().wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _new_shell(self) -> WebSocketShell | None:
        if self._closing or len(self._sessions) >= self._max_devices:
            return None
        name = secrets.token_hex(4)
        session = Session(
            name,
            self._handler,
            self.keeper,
            self._answer_rate,
            self._sessions,
            self._answering,
        )
        return session.shell

    def _on_stored(self, recording: str, durable: Durable) -> None:
        for session in list(self._sessions):
            session.on_stored(recording, durable)


async def serve(
    handler: AnswerHandler = echo,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    keep: str | Path | None = None,
    token: str | None = None,
    insecure: bool = False,
    answer_rate: int = 16_000,
    max_devices: int = 256,
) -> None:
    """Serve until cancelled; the arguments are those of :class:`Server`."""
    server = Server(
        handler,
        host=host,
        port=port,
        keep=keep,
        token=token,
        insecure=insecure,
        answer_rate=answer_rate,
        max_devices=max_devices,
    )
    async with server:
        await server.serve_forever()
