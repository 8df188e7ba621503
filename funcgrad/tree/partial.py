"""A function with some arguments bound, as a pytree."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from funcgrad.tree.keys import GetAttrKey
from funcgrad.tree.nodes import NodeKind, show_fields
from funcgrad.tree.registry import add_kind

__all__ = ["Partial"]

R = TypeVar("R")


class Partial(Generic[R]):
    """`functools.partial` as a pytree: the bound arguments are children, the function meta data.

    So a function with arrays inside can be an argument of a transformed function, or its result.
    A `Partial` of a `Partial` binds both their arguments; a `functools.partial` inside one is a
    plain function, whose arguments are no leaves.

    Args:
        func: The function; two structures are equal only if their functions are.
        *args: Positional arguments, pytrees.
        **keywords: Keyword arguments, pytrees.

    Example:
        >>> import funcgrad
        >>> scale = Partial(pow, 3.0)
        >>> scale(2)
        9.0
        >>> funcgrad.tree.leaves(scale)
        [3.0]
    """

    __slots__ = ("args", "func", "keywords")

    func: Callable[..., R]
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    def __init__(self, func: Callable[..., R], /, *args: Any, **keywords: Any) -> None:
        if isinstance(func, Partial):
            args = (*func.args, *args)
            keywords = {**func.keywords, **keywords}
            func = func.func
        for name, value in (("func", func), ("args", args), ("keywords", keywords)):
            object.__setattr__(self, name, value)

    def __call__(self, /, *args: Any, **keywords: Any) -> R:
        """Call the function with the bound arguments and then these."""
        return self.func(*self.args, *args, **{**self.keywords, **keywords})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Partial: cannot set {name!r}. It is immutable. Make a new Partial.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Partial: cannot delete {name!r}. It is immutable.")

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(functools.partial(self.func, *self.args, **self.keywords))

    def __repr__(self) -> str:
        bound = [repr(value) for value in (self.func, *self.args)]
        bound += [f"{name}={value!r}" for name, value in self.keywords.items()]
        return f"Partial({', '.join(bound)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unflatten, (self.func, (self.args, self.keywords))


def _unflatten(func: Callable[..., Any], children: tuple[Any, ...]) -> Partial[Any]:
    args, keywords = children
    return Partial(func, *args, **keywords)


add_kind(
    NodeKind(
        Partial,
        flatten=lambda tree: ((tree.args, tree.keywords), tree.func),
        unflatten=_unflatten,
        keys=lambda _func, _arity: [GetAttrKey("args"), GetAttrKey("keywords")],
        show=lambda func, children: show_fields(
            "Partial", ("func", "args", "keywords"), (repr(func), *children)
        ),
    ),
    "Partial",
)
