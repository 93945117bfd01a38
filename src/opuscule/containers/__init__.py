"""Files that hold Opus packets: one module a container."""

__all__: list[str] = []
