"""The same without asyncio: each call blocks until it is done."""

import asyncio

from opuscule.client import TalkReport, connect
from opuscule.devices.base import Sink, Source

__all__ = ["talk"]


def talk(
    url: str, source: Source, sink: Sink, *, device: str = "device", token: str | None = None
) -> TalkReport:
    """Say all of ``source`` to the server at ``url`` and hear its answer in ``sink``.

    Raises:
        ConnectError: nobody answers there, or no opuscule server.
        AccessDeniedError: the server wants another token.
        LinkClosedError: the connection ended first.
    """

    async def run() -> TalkReport:
        async with await connect(url, device=device, token=token) as client, source, sink:
            return await client.talk(source, sink)

    return asyncio.run(run())
