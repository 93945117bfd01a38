"""What is measured on the whole."""

__all__: list[str] = []
