"""How reductions and matrix functions are entered: with `out=`, and NumPy's names of arguments."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

import numpy as np

from funcgrad.compat.torch.arguments import FAILURES, explained
from funcgrad.compat.torch.guarding import asking, know
from funcgrad.compat.torch.inplace import overwrite
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.tracer import Tracer

__all__ = ["enter", "write_out"]

_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input",
            "x2": "other"}  # fmt: skip
"""NumPy's names of arguments, which PyTorch takes too."""


def write_out(name: str, out: Any, result: Any) -> Any:
    """Write a result, or several, into the tensors given as `out=`, and return those.

    Raises:
        RuntimeError: if a derivative would be lost.
    """
    if isinstance(result, tuple):
        written = [write_out(name, one, item) for one, item in zip(out, result, strict=True)]
        if type(result) is tuple:
            return tuple(written)
        kind: Any = type(result)
        return return_type(f"{kind.__name__}_out", kind._fields)(*written)
    if out._requires or result._requires:
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if out._value.shape != result._value.shape and not isinstance(out._value, Tracer):
        out._value = np.empty(result._value.shape, out._value.dtype)
    return overwrite(out, result)


F = TypeVar("F", bound=Callable[..., Any])


@overload
def enter(
    names: str | Iterable[str],
    function: None = None,
    *,
    method: bool = ...,
    inplace: bool = ...,
    module: str = ...,
) -> Callable[[F], F]: ...


@overload
def enter(
    names: str | Iterable[str],
    function: F,
    *,
    method: bool = ...,
    inplace: bool = ...,
    module: str = ...,
) -> F: ...


def enter(
    names: str | Iterable[str],
    function: Any = None,
    *,
    method: bool = True,
    inplace: bool = False,
    module: str = "torch",
) -> Any:
    """`expose`, for a function that needs to know nothing of `out=` and of NumPy's names."""
    if function is None:
        return functools.partial(enter, names, method=method, inplace=inplace, module=module)
    every = (names,) if isinstance(names, str) else tuple(names)
    label = every[0] if module == "torch" else f"{module}.{every[0]}"
    know(function, label)
    public = _entrance(every[0], asking(function, label), label)
    expose(every, public, method=method, inplace=inplace, module=module)
    if method and module == "torch":
        label = f"Tensor.{every[0]}"
        own = _entrance(every[0], asking(function, label), label)
        for alias in every:
            setattr(Tensor, alias, own)
    return function


def _entrance(name: str, function: Callable[..., Any], label: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def entrance(*args: Any, **kwargs: Any) -> Any:
        try:
            if not kwargs:
                return function(*args)
            out = kwargs.pop("out", None)
            for alias in _ALIASES.keys() & kwargs.keys():
                if _ALIASES[alias] in parameters and alias not in parameters:
                    kwargs[_ALIASES[alias]] = kwargs.pop(alias)
            result = function(*args, **kwargs)
        except FAILURES as error:
            found = explained(error, label, function, args, kwargs)
            if found is None:
                raise
            raise found from None
        return result if out is None else write_out(name, out, result)

    code: Any = getattr(function, "__code__", None)
    parameters = frozenset() if code is None else frozenset(code.co_varnames[: code.co_argcount])
    entrance.__name__ = name
    entrance.explains = True  # type: ignore[attr-defined]  # for `guard_all`
    return entrance
