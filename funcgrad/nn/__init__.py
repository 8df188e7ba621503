"""Functions of neural networks."""

__all__: list[str] = []
