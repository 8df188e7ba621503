"""Importing this package fills the registry of primitives and the dispatch table."""

from funcgrad.primitives import contraction, elementwise, hot, indexing, reduction, structural

__all__ = ["contraction", "elementwise", "hot", "indexing", "reduction", "structural"]
