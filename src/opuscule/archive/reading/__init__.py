"""Recordings opened, and any part of them decoded, cut or given to other libraries."""

__all__: list[str] = []
