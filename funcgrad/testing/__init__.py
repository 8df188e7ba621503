"""The testing kit: numerical derivatives, laws in one line, strategies that draw what to test.

`check_grads(f, args)` and its relatives raise an `AssertionError` that says which law failed, where
and why. `funcgrad.testing.strategies` holds Hypothesis strategies; Hypothesis is not needed for the
rest.
"""

import importlib
from typing import TYPE_CHECKING, Any

from funcgrad.testing.checks import (
    check_adjoint,
    check_custom_rule,
    check_grads,
    check_jvp,
    check_linear,
    check_vjp,
    check_vmap,
)
from funcgrad.testing.errors import DerivativeCheckError, LawError, StructureCheckError
from funcgrad.testing.numerical import NumericalDerivative, numerical_jvp, numerical_vjp

if TYPE_CHECKING:
    from funcgrad.testing import strategies

__all__ = [
    "DerivativeCheckError",
    "LawError",
    "NumericalDerivative",
    "StructureCheckError",
    "check_adjoint",
    "check_custom_rule",
    "check_grads",
    "check_jvp",
    "check_linear",
    "check_vjp",
    "check_vmap",
    "numerical_jvp",
    "numerical_vjp",
    "strategies",
]


def __getattr__(name: str) -> Any:
    # Strategies are imported on first use: they need Hypothesis, which users of checks may lack.
    if name == "strategies":
        return importlib.import_module("funcgrad.testing.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
