"""What is done to an archive once it is there: prepared, verified, mended, copied, tidied."""

__all__: list[str] = []
