"""Comparisons, tests and logic of one element at a time, and their operators."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import (
    binary,
    only,
    reduced,
    require_tensor,
    unary,
    wrapping,
)
from funcgrad.compat.torch.pointwise import in_place_operator, operator_of, reflected, set_methods
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import PLAIN, Tensor, holder, plain_array

__all__ = ["COMPARISONS", "allclose", "equal", "isclose"]

COMPARISONS: dict[str, Callable[..., Any]] = {}
"""Comparisons by PyTorch's name."""


# --- order ------------------------------------------------------------------------------------


def _fast(op: Op, symbol: Callable[[Any, Any], Any], general: Callable[..., Any]) -> Any:
    """A comparison: short for plain values of one type, and beside a number."""

    def compare(input: Any, other: Any, *, out: Any = None) -> Any:
        if out is None and isinstance(input, Tensor):
            x = input._value
            if type(x) in PLAIN and x.dtype.kind == "f" and input._dtype is None:
                kind = type(other)
                if kind is float or kind is int:
                    return holder(symbol(x, other))
                if isinstance(other, Tensor):
                    y = other._value
                    if (
                        type(y) in PLAIN
                        and y.dtype == x.dtype
                        and y.shape == x.shape
                        and other._dtype is None
                    ):
                        return holder(symbol(x, y))
        return general(input, other) if out is None else general(input, other, out=out)

    return compare


def _modular(function: Callable[..., Any]) -> Callable[..., Any]:
    """The comparison, of a Python integer as the type of the tensor's integers holds it."""
    return lambda x, y: function(reduced(x, y), reduced(y, x))


_ORDER: tuple[tuple[str, Callable[..., Any], Callable[[Any, Any], Any], str, str], ...] = (
    ("eq", fnp.equal, operator.eq, "bifc", ""),
    ("ne not_equal", fnp.not_equal, operator.ne, "bifc", ""),
    ("lt less", fnp.less, operator.lt, "bif", "lt_cpu"),
    ("le less_equal", fnp.less_equal, operator.le, "bif", "le_cpu"),
    ("gt greater", fnp.greater, operator.gt, "bif", "gt_cpu"),
    ("ge greater_equal", fnp.greater_equal, operator.ge, "bif", "ge_cpu"),
)
for _names, _function, _symbol, _kinds, _word in _ORDER:
    _aliases = _names.split()
    _op = Op(
        None, _modular(_function), promote="same", check=only(_kinds, _word) if _word else None
    )
    _public = _fast(_op, _symbol, binary(_aliases[0], _op, numbers="y"))
    _public.__name__ = _public.__qualname__ = _aliases[0]
    _public.__doc__ = f"Whether input {_aliases[0]} other, for each element."
    COMPARISONS.update(dict.fromkeys(_aliases, _public))
    expose(_aliases, _public, inplace=True)
    setattr(Tensor, f"__{_aliases[0]}__", _fast(_op, _symbol, operator_of(_op)))


# --- tests ------------------------------------------------------------------------------------


def _none(x: Any) -> Any:
    return fnp.zeros_like(x, dtype=bool)


def _signed_infinity(sign: int) -> Callable[[Any], Any]:
    def test(x: Any) -> Any:
        return fnp.equal(x, sign * np.inf) if x.dtype.kind == "f" else _none(x)

    return test


_TESTS: tuple[tuple[str, Callable[[Any], Any], Any], ...] = (
    ("isnan", lambda x: fnp.isnan(x) if x.dtype.kind in "fc" else _none(x), None),
    ("isinf", lambda x: fnp.isinf(x) if x.dtype.kind in "fc" else _none(x), None),
    ("isfinite", lambda x: fnp.isfinite(x) if x.dtype.kind in "fc" else ~_none(x), None),
    (
        "isposinf",
        _signed_infinity(1),
        only("bif", text="isposinf does not support complex inputs."),
    ),
    (
        "isneginf",
        _signed_infinity(-1),
        only("bif", text="isneginf does not support complex inputs."),
    ),
    ("isreal", lambda x: fnp.imag(x) == 0 if x.dtype.kind == "c" else ~_none(x), None),
    (
        "signbit",
        lambda x: (
            fnp.signbit(x) if x.dtype.kind == "f" else x < 0 if x.dtype.kind == "i" else _none(x)
        ),
        only(
            "bif",
            text="signbit is not implemented for complex tensors.",
            error=NotImplementedError,
        ),
    ),
)
for _name, _test, _check in _TESTS:
    expose(_name, unary(_name, Op(None, _test, check=_check), f"`{_name}` of each element."))


# --- logic ------------------------------------------------------------------------------------

expose("logical_not", unary("logical_not", Op(None, fnp.logical_not)), inplace=True)
for _name, _function in (
    ("logical_and", fnp.logical_and),
    ("logical_or", fnp.logical_or),
    ("logical_xor", fnp.logical_xor),
):
    expose(_name, binary(_name, Op(None, _function)), inplace=True)


def _bits(names: str, function: Callable[..., Any], word: str, kinds: str = "bi") -> None:
    """Enter an operation on bits: function, in-place variant, three operators."""
    name, syntax = names.split()
    op = Op(None, wrapping(function), promote="same", check=only(kinds, f"{word}_cpu"))
    expose(name, binary(name, op, numbers="xy"), inplace=True)
    plain = operator_of(op)
    for prefix, method in (
        ("", plain),
        ("r", reflected(plain)),
        ("i", in_place_operator(plain)),
    ):
        setattr(Tensor, f"__{prefix}{syntax}__", method)


_bits("bitwise_and and", fnp.bitwise_and, "bitwise_and")
_bits("bitwise_or or", fnp.bitwise_or, "bitwise_or")
_bits("bitwise_xor xor", fnp.bitwise_xor, "bitwise_xor")
_bits("bitwise_left_shift lshift", fnp.left_shift, "lshift", "i")
_bits("bitwise_right_shift rshift", fnp.right_shift, "rshift", "i")
_not_op = Op(None, fnp.invert, check=only("bi", "bitwise_not_cpu"))
_invert_op = Op(
    None,
    fnp.invert,
    check=only(
        "bi",
        text="~ (operator.invert) is only implemented on integer and Boolean-type tensors",
        error=TypeError,
    ),
)
expose("bitwise_not", unary("bitwise_not", _not_op), inplace=True)
set_methods(__invert__=lambda self: _invert_op(self))


# --- closeness --------------------------------------------------------------------------------


def _same_type(input: Any, other: Any) -> None:
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype.legacy} did not match {other.dtype.legacy}")


@expose("isclose")
def isclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """|input - other| <= atol + rtol |other|, or both the same infinity, for each element."""
    require_tensor("isclose", input)
    require_tensor("isclose", other, "other", 2)
    _same_type(input, other)
    return _isclose_op(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _isclose(x: Any, y: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    close = fnp.equal(x, y)
    if x.dtype.kind not in "fc":
        near = fnp.abs(x * 1.0 - y * 1.0) <= atol + rtol * fnp.abs(y * 1.0)
        return close | near
    if equal_nan:
        close = close | (fnp.isnan(x) & fnp.isnan(y))
    gap = fnp.abs(x - y)
    return close | (fnp.isfinite(gap) & (gap <= atol + rtol * fnp.abs(y)))


_isclose_op = Op(None, _isclose)


@expose("allclose")
def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`."""
    require_tensor("allclose", input)
    require_tensor("allclose", other, "other", 2)
    _same_type(input, other)
    close = isclose(input, other, rtol, atol, equal_nan)
    return bool(np.all(plain_array(close, "allclose")))


@expose("equal")
def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have one shape and the same elements."""
    require_tensor("equal", input)
    require_tensor("equal", other, "other", 2)
    if input._value.shape != other._value.shape:
        return False
    return bool(np.all(plain_array(COMPARISONS["eq"](input, other), "equal")))
