"""WebSockets opened and accepted; what then speaks through them is the shell."""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus

import picows

from opuscule.auth import bearer, is_allowed, is_page_allowed
from opuscule.errors import (
    AccessDeniedError,
    ConnectError,
    InvalidArgumentError,
    ListenError,
)
from opuscule.transports.shell import MAX_MESSAGE_BYTES, WebSocketShell

__all__ = ["PATH", "connect", "listen"]

PATH = "/opuscule/v1"
"""Where a server answers; the number is the protocol's major version."""

_CONNECT_TIMEOUT_S = 5.0


def _reason(error: OSError) -> str:
    """Say in the system's words why, where asyncio wraps its own around them."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or "no answer"


async def connect(url: str, make_shell: Callable[[], WebSocketShell], token: str | None) -> None:
    """Open a WebSocket to a server, at its protocol's path; the shell is then running.

    Raises:
        InvalidArgumentError: ``url`` is no WebSocket address.
        AccessDeniedError: the server wants another token.
        ConnectError: nobody answers there, or somebody else.
    """
    try:
        # The handshake's own limit begins only when the connection stands.
        async with asyncio.timeout(2 * _CONNECT_TIMEOUT_S):
            _, listener = await picows.ws_connect(
                make_shell,
                url.rstrip("/") + PATH,
                extra_headers=bearer(token),
                websocket_handshake_timeout=_CONNECT_TIMEOUT_S,
                max_frame_size=MAX_MESSAGE_BYTES,
                max_redirects=0,
            )
    except picows.WSInvalidURL as error:
        raise InvalidArgumentError(
            f"{url!r} is no WebSocket address; expected something like ws://127.0.0.1:8750"
        ) from error
    except picows.WSHandshakeError as error:
        status = error.response.status if error.response else None
        if status == HTTPStatus.UNAUTHORIZED:
            raise AccessDeniedError(
                f"the server at {url} wants another token; set OPUSCULE_TOKEN or --token"
            ) from error
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise ConnectError(
                f"the server at {url} has no room for another device; try again later"
            ) from error
        raise ConnectError(f"what answers at {url} is no opuscule server ({error})") from error
    except ssl.SSLError as error:  # an OSError whose number is not the system's
        reason = error.reason or str(error)
        raise ConnectError(
            f"no secure connection to {url} ({reason.lower().replace('_', ' ')}); a server without"
            " TLS is at ws://, and its certificate must be one that this machine trusts"
        ) from error
    except OSError as error:  # a TimeoutError is one, too
        raise ConnectError(
            f"no server answers at {url} ({_reason(error).lower()}); start one with: opuscule serve"
        ) from error
    if listener is None:  # picows takes an end instead of an answer for an answer
        raise ConnectError(f"what answers at {url} is no opuscule server (it closed at once)")


async def listen(
    host: str, port: int, token: str | None, make_shell: Callable[[], WebSocketShell | None]
) -> asyncio.Server:
    """Bind a port and give each device that connects a shell; None turns it away as busy.

    Nobody is let in before the caller's ``start_serving``.

    Raises:
        ListenError: the port is in use or not allowed.
    """

    def refuse(status: HTTPStatus, why: str) -> picows.WSUpgradeResponseWithListener:
        response = picows.WSUpgradeResponse.create_error_response(status, f"{why}\n".encode())
        return picows.WSUpgradeResponseWithListener(response, None)

    def admit(
        request: picows.WSUpgradeRequest,
    ) -> WebSocketShell | picows.WSUpgradeResponseWithListener:
        if request.path.split(b"?")[0].decode("latin-1") != PATH:
            return refuse(HTTPStatus.NOT_FOUND, f"opuscule answers at {PATH}")
        if not is_allowed(token, request.headers.get("Authorization")):
            return refuse(HTTPStatus.UNAUTHORIZED, "another token is wanted")
        if not is_page_allowed(token, request.headers.get("Origin")):
            return refuse(HTTPStatus.FORBIDDEN, "a web page needs a server with a token")
        shell = make_shell()
        if shell is None:
            return refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many devices are connected")
        return shell

    try:
        return await picows.ws_create_server(
            admit,
            host,
            port,
            max_frame_size=MAX_MESSAGE_BYTES,
            websocket_handshake_timeout=5.0,
            start_serving=False,
        )
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host}:{port} ({_reason(error)}); choose another --host or --port,"
            " or stop what uses it"
        ) from error
