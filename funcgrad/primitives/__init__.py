"""Importing this package fills the registry of primitives and the dispatch table."""

from funcgrad.primitives import (
    contraction,
    elementwise,
    hot,
    indexing,
    inspecting,
    joining,
    likeness,
    reduction,
    slicing,
    structural,
)

__all__ = [
    "contraction",
    "elementwise",
    "hot",
    "indexing",
    "inspecting",
    "joining",
    "likeness",
    "reduction",
    "slicing",
    "structural",
]
