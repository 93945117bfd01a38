"""The server: devices in, answers out, everything kept."""

from opuscule.server.keeper import Keeper
from opuscule.server.server import DEFAULT_PORT, Server, serve

__all__ = ["DEFAULT_PORT", "Keeper", "Server", "serve"]
