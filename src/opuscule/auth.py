"""Who may speak to a server.

A server without a token is for this machine alone; beyond loopback it needs one, or the word that
none is wanted.
"""

import hmac
import ipaddress

from opuscule.errors import InvalidArgumentError

__all__ = ["bearer", "check_exposure", "check_token", "is_allowed", "is_page_allowed"]


def check_token(token: str | None) -> None:
    """Refuse a token that an HTTP header cannot carry.

    Raises:
        InvalidArgumentError: there is one, and something else than visible ASCII is in it.
    """
    if token and not all("!" <= character <= "~" for character in token):
        raise InvalidArgumentError(
            "the token has a character in it that is none of ASCII's visible ones; choose another"
        )


def bearer(token: str | None) -> dict[str, str]:
    """Return the HTTP headers that carry ``token`` (RFC 6750 §2.1).

    Raises:
        InvalidArgumentError: see :func:`check_token`.
    """
    check_token(token)
    return {"Authorization": f"Bearer {token}"} if token else {}


def is_allowed(token: str | None, authorization: str | None) -> bool:
    """Whether a request with this ``Authorization`` header may pass a server with this token."""
    if token is None:
        return True
    scheme, _, given = (authorization or "").partition(" ")
    # In constant time, so that a guess learns nothing from how long it took.
    same = hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode())
    return same and (not token or scheme.lower() == "bearer")  # RFC 9110 §11.1: in any case


def is_page_allowed(token: str | None, origin: str | None) -> bool:
    """Whether a request with this ``Origin`` header may pass a server with this token.

    Browsers send the header (RFC 6454 §7) and let every page on the web open a WebSocket to this
    machine's own address: loopback keeps strangers out, and their pages not.
    """
    return bool(token) or origin is None


def check_exposure(host: str, token: str | None, insecure: bool) -> None:
    """Refuse a server that anyone on the network could use by accident.

    Raises:
        InvalidArgumentError: ``host`` is not loopback, there is no token, and ``insecure`` is not
            said.
    """
    if token or insecure or host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidArgumentError(
            f"host is {host!r} and there is no token: anyone on the network could listen and speak;"
            " set a token (OPUSCULE_TOKEN), or say --insecure if that is meant"
        )
