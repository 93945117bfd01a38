"""What a handler gives: checked, cut up, and let go of."""

import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import cast

from opuscule.codec import Buffer
from opuscule.errors import InvalidArgumentError

__all__ = ["closing", "frames"]


@contextlib.asynccontextmanager
async def closing(pieces: AsyncIterator[Buffer]) -> AsyncIterator[AsyncIterator[Buffer]]:
    """Have a handler's own clean-up done here and now, and not when the garbage is collected."""
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


def frames(pcm: Buffer, samples: int) -> Iterator[bytes]:
    """Cut what a handler gives into frames, so that encoding never holds the loop for long.

    Raises:
        InvalidArgumentError: it is no mono int16, nor bytes of it.
    """
    try:
        view = memoryview(cast("bytes", pcm))
    except TypeError:
        kind = type(pcm).__name__
        raise InvalidArgumentError(
            f"the handler gives a {kind}; expected int16 samples, or bytes of them"
        ) from None
    if math.prod((view.shape or ())[1:]) != 1:
        raise InvalidArgumentError(
            f"the handler gives samples of shape {view.shape}; expected one channel"
        )
    if view.format not in ("h", "B", "b", "c"):
        raise InvalidArgumentError(
            f"the handler gives samples of type {view.format!r}; expected int16, or bytes of them"
        )
    data = view.tobytes()
    size = 2 * samples
    for at in range(0, len(data), size):
        yield data[at : at + size]
