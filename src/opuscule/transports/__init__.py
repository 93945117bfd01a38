"""Thin shells that move bytes between a link and a network."""

__all__: list[str] = []
