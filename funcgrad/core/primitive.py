"""A primitive: what one NumPy operation is, and all of its rules.

The families (`funcgrad.families`) build primitives from one short declaration; the interpreters
(`funcgrad.interpreters`) read the rules. Arguments come in one order everywhere: result, primals,
then tangent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["PRIMITIVES", "BatchRule", "JvpRule", "Primitive", "Pull", "VjpRule", "register"]

Pull: TypeAlias = Callable[[Any, Any], Any]
"""`(ct, residuals) -> cotangent` of the one active operand, or a tuple, one per active operand."""

JvpRule: TypeAlias = Callable[[Any, Sequence[Any], Sequence[Any], dict[str, Any]], Any]
"""`(out, primals, tangents, params) -> tangent of out`; a tangent that is zero is `None`."""

VjpRule: TypeAlias = Callable[
    [Any, Sequence[Any], tuple[bool, ...], dict[str, Any]], tuple[Pull | None, Any]
]
"""`(out, primals, active, params) -> (pull, residuals)`; a pull of `None` is the identity."""

BatchRule: TypeAlias = Callable[[int, Sequence[bool], Sequence[Any], dict[str, Any]], Any]
"""`(size, batched, values, params) -> value with the batch axis in front`."""


def _never_linear(_active: Sequence[bool]) -> bool:
    return False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Primitive:
    """One NumPy operation and its rules; immutable, compared by identity.

    Attributes:
        name: NumPy's name of the operation.
        value: the operation on plain arrays: `value(*arrays, **params)`.
        family: which constructor made it (`"elementwise"`, `"linear"`, ...).
        jvp: forward-mode rule; `None` for a piecewise constant operation.
        vjp: reverse-mode rule; `None` for a piecewise constant operation.
        batch: batching rule.
        linear_in: whether the operation is linear in the active operands together.
        returns_view: whether the result may share memory with an operand.
        data_dependent: whether the shape of the result depends on values.
        domain: intervals, one an operand, where the operation is smooth (for the law tests).
        analytic: whether complex operands are allowed and the operation is holomorphic in them.
        apply: `(args, params) -> value` in a program, in place of `bind`, which computes the value
            first and asks for the rule then; for rules that compute the value themselves.
    """

    name: str
    value: Callable[..., Any]
    family: str
    jvp: JvpRule | None
    vjp: VjpRule | None
    batch: BatchRule
    linear_in: Callable[[Sequence[bool]], bool] = _never_linear
    returns_view: bool = False
    data_dependent: bool = False
    domain: tuple[tuple[float, float], ...] = ()
    analytic: bool = True
    apply: Callable[[Sequence[Any], dict[str, Any]], Any] | None = None

    def __repr__(self) -> str:
        return self.name


PRIMITIVES: dict[str, Primitive] = {}
"""Every primitive by name; filled once, while the modules of `funcgrad.primitives` are imported."""


def register(primitive: Primitive) -> Primitive:
    """Enter a primitive into `PRIMITIVES`, where the law tests find it."""
    if primitive.name in PRIMITIVES:
        raise ValueError(f"register: there is a primitive {primitive.name!r} already")
    PRIMITIVES[primitive.name] = primitive
    return primitive
