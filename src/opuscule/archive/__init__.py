"""Recordings kept as Opus packets in a Zarr v3 archive, and any stretch of them decoded."""

__all__: list[str] = []
