"""The command ``opuscule``."""

from opuscule.cli.stopping import stopped

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    try:
        # Here, for Ctrl-C while it loads.
        from opuscule.cli.app import app

        app()
    except KeyboardInterrupt:
        stopped()
