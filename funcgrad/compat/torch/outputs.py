"""How functions of one element at a time take their operands, and where results go.

PyTorch's functions take tensors, and some of them Python numbers too; arrays and NumPy's scalars
stand for both. Here they become what an operation takes, or the TypeError that PyTorch raises.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.arguments import kind_of, refuse
from funcgrad.compat.torch.dtypes import dtype_of_numpy
from funcgrad.compat.torch.entering import write_out
from funcgrad.compat.torch.fast import fast_binary
from funcgrad.compat.torch.op import Op, torch_type_of
from funcgrad.compat.torch.tensor import METHODS, Tensor, holder

__all__ = [
    "binary",
    "both",
    "given",
    "of_two",
    "only",
    "operand_of",
    "reduced",
    "require_tensor",
    "unary",
    "with_out",
    "wrapping",
]

_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
_NAMES = "bifc"


def require_tensor(name: str, value: Any, what: str = "input", position: int = 1) -> None:
    """Refuse what is no tensor.

    Raises:
        TypeError: in PyTorch's words.
    """
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}(): argument '{what}' (position {position}) must be Tensor, not "
            f"{kind_of(value)}"
        )


def operand_of(value: Any) -> Any:
    """A tensor or Python number that stands for the value; `NotImplemented` if there is none."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, int | float | complex):
        return value
    if isinstance(value, np.ndarray):
        return holder(value)
    return NotImplemented


def given(value: Any) -> Any:
    """The same for a function of PyTorch, which takes no arrays."""
    return NotImplemented if isinstance(value, np.ndarray) else operand_of(value)


def with_out(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """The function with a parameter `out=`: the tensors that take the results."""

    @functools.wraps(function)
    def writing(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out is None else write_out(name or function.__name__, out, result)

    return writing


def unary(name: str, op: Callable[[Any], Any], doc: str = "") -> Callable[..., Any]:
    """The public function of one tensor."""

    def function(input: Any, *, out: Any = None) -> Any:
        require_tensor(name, input)
        result = op(input)
        return result if out is None else write_out(name, out, result)

    return _called(function, name, doc)


def binary(
    name: str, op: Callable[[Any, Any], Any], *, numbers: str = "", doc: str = ""
) -> Callable[..., Any]:
    """The public function of two operands.

    Args:
        name: of the function.
        op: what computes it.
        numbers: where a number may stand: "x", "y", both or (by default) nowhere.
        doc: the first line of its documentation.
    """
    left, right = "x" in numbers, "y" in numbers

    def function(input: Any, other: Any, *, out: Any = None) -> Any:
        x, y = given(input), given(other)
        if x is NotImplemented or y is NotImplemented:
            refuse(name, function, input, other)
        if not left or x is NotImplemented:
            require_tensor(name, x if x is not NotImplemented else input)
        if not right or y is NotImplemented:
            require_tensor(name, y if y is not NotImplemented else other, "other", 2)
        if left and right and not isinstance(x, Tensor) and not isinstance(y, Tensor):
            x = METHODS["tensor"](x)
        result = op(x, y)
        return result if out is None else write_out(name, out, result)

    return _called(function, name, doc)


def of_two(name: str, op: Op) -> Callable[..., Any]:
    """The public function of two tensors, where it is one primitive of the core."""
    general = binary(name, op)
    function: Any = op.function
    fast = fast_binary(op, function.__name__, function, general)

    def public(input: Any, other: Any, *, out: Any = None) -> Any:
        if out is None and isinstance(input, Tensor) and isinstance(other, Tensor):
            return fast(input, other)
        return general(input, other, out=out)

    return _called(public, name, "")


def _called(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc or f"`torch.{name}` of each element."
    return function


def only(kinds: str, word: str = "", text: str = "", error: Any = None) -> Callable[..., None]:
    """A check for an `Op`: the operands' common category is one of those given.

    Args:
        kinds: the categories that are taken: of b(ool), i(nt), f(loat), c(omplex).
        word: of the message `"word" not implemented for 'Float'`.
        text: the whole message in its place.
        error: its type.
    """

    def check(*values: Any, **_params: Any) -> None:
        highest, found = -1, None
        for value in values:
            if value is None:
                continue
            dtype = getattr(value, "dtype", None)
            kind = (torch_type_of(value).numpy if dtype is None else dtype).kind
            if _CATEGORY[kind] > highest:
                highest, found = _CATEGORY[kind], value
        if found is None or _NAMES[highest] in kinds:
            return
        if text:
            raise (error or RuntimeError)(text)
        dtype = getattr(found, "dtype", None)
        legacy = (torch_type_of(found) if dtype is None else dtype_of_numpy(dtype)).legacy
        raise (error or NotImplementedError)(f"\"{word}\" not implemented for '{legacy}'")

    return check


def both(first: Callable[..., None], second: Callable[..., None]) -> Callable[..., None]:
    """Two checks, one after the other."""

    def check(*values: Any, **params: Any) -> None:
        first(*values, **params)
        second(*values, **params)

    return check


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, where a Python integer beyond the range of a tensor's type wraps around."""

    def wrapped(x: Any, y: Any) -> Any:
        try:
            return function(x, y)
        except OverflowError:
            return function(reduced(x, y), reduced(y, x))

    return wrapped


def reduced(value: Any, beside: Any) -> Any:
    """A Python integer as the type of the integers beside it holds it."""
    dtype = getattr(beside, "dtype", None)
    if type(value) is not int or dtype is None or dtype.kind not in "iu":
        return value
    return np.array(value % (1 << (8 * dtype.itemsize)), np.uint64).astype(dtype)[()]
