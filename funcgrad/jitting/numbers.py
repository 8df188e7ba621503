"""Python numbers as arguments of compiled functions.

Between numbers Python's operators are Python's: a NumPy function gets a NumPy scalar, but `n * n`
stays an integer of any size. Where an answer is an integer that Python needs (`math.floor`), it
becomes a guard.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import ArrayLike
from funcgrad.core.tracer import bind
from funcgrad.interpreters.stage import StageTracer
from funcgrad.primitives.python_numbers import BINARY, UNARY
from funcgrad.primitives.structural import astype_p

__all__ = ["NUMBERS", "NumberTracer"]

NUMBERS = frozenset({float, int, bool, complex})
"""Types of Python's numbers."""


class NumberTracer(StageTracer):
    """A Python number in a compiled function."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return _strong(super().__array_ufunc__(ufunc, method, *args, **kwargs))

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if (function is np.real or function is np.imag) and len(args) == 1 and args[0] is self:
            return self.real if function is np.real else self.imag  # as NumPy has it
        return _strong(super().__array_function__(function, types, args, kwargs))

    @property
    @override
    def real(self) -> Any:
        """Real part, a number of Python."""
        return self._apply(UNARY["real"])

    @property
    @override
    def imag(self) -> Any:
        """Imaginary part, a number of Python."""
        return self._apply(UNARY["imag"])

    @override
    def conjugate(self) -> Any:
        """The conjugate, a number of Python."""
        return self._apply(UNARY["conjugate"])

    def __round__(self, digits: int | None = None) -> Any:
        if digits is None:
            return self._apply(UNARY["__round__"])
        return round(self.guarded("float", self.value), digits)

    def __floor__(self) -> int:
        return math.floor(float(self.guarded("float", self.value)))

    def __ceil__(self) -> int:
        return math.ceil(float(self.guarded("float", self.value)))

    def __trunc__(self) -> int:
        return math.trunc(float(self.guarded("float", self.value)))

    def is_integer(self) -> bool:
        """Whether a float has an integer value; recorded as a guard."""
        return bool(self.guarded("float", self.value).is_integer())

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def _apply(self, primitive: Primitive, *others: Any) -> Any:
        return bind(primitive, self, *others)


def _strong(out: Any) -> Any:
    """What a function of NumPy returns is no Python number, whose dtype gives way to others."""
    if type(out) is tuple:
        return tuple(map(_strong, out))
    if isinstance(out, StageTracer) and type(out.value) in NUMBERS:
        return bind(astype_p, out, dtype=out.dtype)
    return out


def _binary(name: str, primitive: Primitive) -> Callable[[Any, Any], Any]:
    general = getattr(ArrayLike, name)

    def operate(self: NumberTracer, other: Any) -> Any:
        if type(other) in NUMBERS or (type(other) is NumberTracer and other.owner is self.owner):
            return bind(primitive, self, other)
        return general(self, other)

    return operate


def _reflected(name: str, primitive: Primitive) -> Callable[[Any, Any], Any]:
    general = getattr(ArrayLike, name)

    def operate(self: NumberTracer, other: Any) -> Any:
        if type(other) in NUMBERS:
            return bind(primitive, other, self)
        return general(self, other)

    return operate


def _unary(primitive: Primitive) -> Callable[[Any], Any]:
    return lambda self: bind(primitive, self)


for _name, _primitive in BINARY.items():
    setattr(NumberTracer, _name, _binary(_name, _primitive))
    _mirrored = f"__r{_name[2:]}"
    if hasattr(ArrayLike, _mirrored):
        setattr(NumberTracer, _mirrored, _reflected(_mirrored, _primitive))
    _changing = f"__i{_name[2:]}"
    if hasattr(ArrayLike, _changing):
        setattr(NumberTracer, _changing, _binary(_name, _primitive))
for _name in ("__neg__", "__pos__", "__invert__", "__abs__"):
    setattr(NumberTracer, _name, _unary(UNARY[_name]))
NumberTracer.__hash__ = None  # type: ignore[assignment]  # as that of all tracers
