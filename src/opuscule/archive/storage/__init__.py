"""How an archive lies in a store: groups, arrays, indexes and the catalogue, read and written."""

__all__: list[str] = []
