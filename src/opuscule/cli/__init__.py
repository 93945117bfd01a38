"""The command ``opuscule``."""

from opuscule.cli.app import main

__all__ = ["main"]
