"""Where the functions of the layer enter themselves: `torch.<name>`, methods, in-place variants."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from funcgrad.compat.torch.tensor import Tensor

__all__ = ["MODULES", "expose"]

_F = TypeVar("_F", bound=Callable[..., Any])

MODULES: dict[str, dict[str, Any]] = {"torch": {}}
"""`{module: {name: object}}`: what `torch`, `torch.linalg`, `torch.special` ... offer."""

IN_PLACE: dict[str, Callable[..., Any]] = {}
"""`{"make": function of a function}`; entered by `funcgrad.compat.torch.inplace`."""


@overload
def expose(
    name: str | Iterable[str],
    function: None = None,
    *,
    method: bool = ...,
    inplace: bool = ...,
    module: str = ...,
) -> Callable[[_F], _F]: ...
@overload
def expose(
    name: str | Iterable[str],
    function: Any,
    *,
    method: bool = ...,
    inplace: bool = ...,
    module: str = ...,
) -> Any: ...
def expose(
    name: str | Iterable[str],
    function: Any = None,
    *,
    method: bool = True,
    inplace: bool = False,
    module: str = "torch",
) -> Any:
    """Enter a function under one or several names; without a function, a decorator.

    Args:
        name: PyTorch's name, or several names of the same function.
        function: what is called; its first parameter is the tensor where it is a method.
        method: whether `Tensor` has it too.
        inplace: whether there is a variant with `_`, of the method and of `torch.`.
        module: `"torch"`, `"linalg"`, `"special"`, `"fft"`, ...
    """
    if function is None:

        def decorate(function: _F) -> _F:
            expose(name, function, method=method, inplace=inplace, module=module)
            return function

        return decorate
    table = MODULES.setdefault(module, {})
    for alias in (name,) if isinstance(name, str) else name:
        table[alias] = function
        if method and module == "torch":
            setattr(Tensor, alias, function)
        if inplace:
            changing = IN_PLACE["make"](function, alias)
            setattr(Tensor, f"{alias}_", changing)
            if module == "torch":
                table[f"{alias}_"] = changing
    return function
