"""Names of the leaves of arguments: those of parameters, and the keys that lead to a leaf."""

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

from funcgrad import tree

__all__ = ["described_leaves", "named_leaves", "parameter_names"]


def parameter_names(fun: Callable[..., Any]) -> list[str]:
    """Names of the parameters of a function, as far as they are known."""
    try:
        return list(inspect.signature(fun).parameters)
    except (TypeError, ValueError):
        return []


def named_leaves(
    parameters: Sequence[str], dynamic: tuple[Any, Any], left_out: Collection[int | str] = ()
) -> list[str]:
    """A name for each leaf of `(args, kwargs)`, such as `params_w_0`.

    Args:
        parameters: of the function.
        dynamic: positional arguments and keyword arguments.
        left_out: positions and names of parameters that are not among them.
    """
    found = []
    for name, path in _places(parameters, dynamic, left_out):
        letters = "".join(c if c.isalnum() else " " for c in tree.keystr(path))
        found.append("_".join([name, *letters.split()]))
    return found


def described_leaves(
    parameters: Sequence[str], dynamic: tuple[Any, Any], left_out: Collection[int | str] = ()
) -> list[str]:
    """For messages a description of each leaf, such as `'params'['w'][0]`."""
    places = _places(parameters, dynamic, left_out)
    return [f"{name!r}{tree.keystr(path)}" for name, path in places]


def _places(
    parameters: Sequence[str], dynamic: tuple[Any, Any], left_out: Collection[int | str]
) -> list[tuple[str, tree.KeyPath]]:
    names = [p for i, p in enumerate(parameters) if i not in left_out and p not in left_out]
    found = []
    for path, _ in tree.flatten_with_path(dynamic)[0]:
        place: Any = path[1]
        if path[0].idx == 1:
            name = str(place.key)
        else:
            name = names[place.idx] if place.idx < len(names) else f"arg{place.idx}"
        found.append((name, path[2:]))
    return found
