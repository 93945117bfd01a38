"""Files, folders and journals made recordings."""

__all__: list[str] = []
