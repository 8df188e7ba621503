"""Functions with a batching rule of their own: custom_vmap, sequential_vmap."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.errors import CustomRuleError
from funcgrad.families.shapes import shape_of
from funcgrad.interpreters.batch import Axis, Batch, BatchTracer
from funcgrad.primitives.rows import rows
from funcgrad.transforms.arguments import function_name
from funcgrad.transforms.carry import Collected, array_leaf
from funcgrad.transforms.lanes import enclose, expose

__all__ = ["CustomVmap", "custom_vmap", "sequential_vmap"]


class CustomVmap:
    """A function with a batching rule of its own; see `custom_vmap`."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        if not callable(fun):
            raise CustomRuleError(
                f"custom_vmap: was given a {type(fun).__name__}. It needs a function to give a "
                "rule to. Write custom_vmap(f), or @custom_vmap above its definition."
            )
        functools.update_wrapper(self, fun)
        self._fun = fun
        self._name = function_name(fun)
        self._rule: Callable[..., Any] | None = None

    def def_vmap(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the batching rule; can be used as a decorator.

        Args:
            rule: takes the number of examples n, a list with a pytree of booleans for each
                argument, and the arguments. Arrays whose boolean is true have the mapped axis in
                front, of shape `(n, …)`. It returns the results and a pytree of booleans (or one
                for all), which say whether a result has the mapped axis in front.

        Returns:
            `rule` itself.
        """
        self._rule = rule
        return rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function; where `vmap` maps an argument, its rule."""
        if kwargs:
            args = self._positional(args, kwargs)
        leaves, structure = tree.flatten(args)
        trace = _innermost(leaves)
        if trace is None:
            return self._fun(*args)
        if not trace.open:
            return self._fun(*args)  # raises, as any use of such values does
        if self._rule is None:
            raise CustomRuleError(
                f"{self._name}: vmap maps an argument of it, but it has no batching rule yet. "
                f"custom_vmap promised one. Give it one with {self._name}.def_vmap(rule)."
            )
        axis = Axis(trace)
        flags = [_is_batched(leaf, trace) for leaf in leaves]
        given = [
            expose(leaf, axis) if flag else _outside(leaf, trace)
            for leaf, flag in zip(leaves, flags, strict=True)
        ]
        in_batched = tree.unflatten(structure, flags)
        out = self._rule(trace.size, list(in_batched), *tree.unflatten(structure, given))
        return self._enclosed(out, axis)

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        bound = inspect.signature(self._fun).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise CustomRuleError(
                f"{self._name}: the arguments {sorted(bound.kwargs)} can be given by keyword only. "
                "The rule gets its arguments by position. Make them positional in the signature, "
                "or bind them with functools.partial first."
            )
        return bound.args

    def _enclosed(self, out: Any, axis: Axis) -> Any:
        if not isinstance(out, tuple | list) or len(out) != 2:
            raise CustomRuleError(
                f"{self._name}: its batching rule returned a {type(out).__name__}, but a pair "
                "(results, whether they are batched) is needed. Return both, e.g. (ys, True)."
            )
        leaves, structure = tree.flatten(out[0])
        flags = tree.broadcast_to_structure(
            out[1], structure, caller=self._name, name="the second result of its batching rule"
        )
        found = []
        for path, leaf, flag in zip(structure.paths(), leaves, flags, strict=True):
            if not flag:
                found.append(leaf)
                continue
            leaf = array_leaf(
                self._name, f"the result{tree.keystr(path)} of its batching rule", leaf
            )
            if shape_of(leaf)[:1] != (axis.owner.size,):
                raise CustomRuleError(
                    f"{self._name}: its batching rule returned shape {shape_of(leaf)} as "
                    f"result{tree.keystr(path)}, and says that it is batched over "
                    f"{axis.owner.size} examples. The mapped axis stands in front. Return it with "
                    "that axis, or say False in the second result."
                )
            found.append(enclose(leaf, axis))
        return tree.unflatten(structure, found)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name}>"


def _tower(x: Any) -> list[Any]:
    """The tracers of a value, the outermost wrapping first."""
    found = []
    while isinstance(x, Tracer):
        found.append(x)
        x = x.value
    return found


def _innermost(leaves: Sequence[Any]) -> Batch | None:
    """The newest `vmap` that maps any of the values."""
    top: Batch | None = None
    for leaf in leaves:
        for x in _tower(leaf):
            if type(x) is BatchTracer and x.batched and (top is None or x.owner.id > top.id):
                top = x.owner
    return top


def _is_batched(leaf: Any, trace: Batch) -> bool:
    """Whether the rule is given a value for each example.

    It is given one also of what is the same for all, but is differentiated inside of the `vmap`:
    its derivative is another one for each example.
    """
    return any(
        x.owner.id > trace.id or (type(x) is BatchTracer and x.owner is trace and x.batched)
        for x in _tower(leaf)
    )


def _outside(leaf: Any, trace: Batch) -> Any:
    return leaf.value if type(leaf) is BatchTracer and leaf.owner is trace else leaf


def custom_vmap(fun: Callable[..., Any]) -> CustomVmap:
    """Give a function a batching rule of its own, which `vmap` uses in place of mapping `fun`.

    Every derivative goes through what ran: `fun` outside of `vmap`, and the rule inside. The rule
    must compute each example from that example alone; so a gradient inside of the `vmap` is right
    too.

    Args:
        fun: function of arrays or pytrees of arrays.

    Returns:
        The function, with a method `def_vmap(rule)` that sets the rule.

    Raises:
        CustomRuleError: under `vmap`, if there is no rule, or what it returns does not fit.
        CapturedTracerError: if the rule returns a batched value from a closure.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> @fg.custom_vmap
        ... def distance(x, y):
        ...     return np.sqrt(np.sum((x - y) ** 2))
        >>> @distance.def_vmap
        ... def rule(size, in_batched, x, y):
        ...     return np.sqrt(np.sum((x - y) ** 2, axis=-1)), True
        >>> fg.vmap(distance, in_axes=(0, None))(np.array([[3.0, 4.0], [0.0, 1.0]]), np.zeros(2))
        array([5., 1.])
    """
    return CustomVmap(fun)


def sequential_vmap(fun: Callable[..., Any]) -> CustomVmap:
    """Make `vmap` map a function by a loop, one example after the other.

    Such a function may branch on its values (`if x > 0`), and intermediate values take the memory
    of one example.

    Args:
        fun: function of arrays or pytrees of arrays.

    Returns:
        The function, with that batching rule.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> clip = fg.sequential_vmap(lambda x: x if x > 0 else 0.0 * x)
        >>> fg.vmap(fg.grad(clip))(np.array([-1.0, 2.0]))
        array([0., 1.])
    """
    made = CustomVmap(fun)
    made.def_vmap(functools.partial(_one_by_one, fun))
    return made


def _one_by_one(fun: Callable[..., Any], size: int, in_batched: list[Any], *args: Any) -> Any:
    leaves, structure = tree.flatten(args)
    flags = tree.leaves(tuple(in_batched))
    columns = [rows(leaf) if flag else None for leaf, flag in zip(leaves, flags, strict=True)]
    results = Collected(function_name(fun))
    for i in range(size):
        row = [
            leaf if column is None else column[i]
            for leaf, column in zip(leaves, columns, strict=True)
        ]
        results.add(fun(*tree.unflatten(structure, row)))
    if not size:
        return _empty(fun, leaves, flags, structure), True
    return results.stacked(reverse=False), True


def _empty(
    fun: Callable[..., Any], leaves: Sequence[Any], flags: Sequence[bool], structure: Any
) -> Any:
    """Results for no example at all."""
    zeros = [
        DISPATCH[np.zeros_like](leaf, shape=shape_of(leaf)[1:]) if flag else leaf
        for leaf, flag in zip(leaves, flags, strict=True)
    ]
    with np.errstate(all="ignore"):
        out = fun(*tree.unflatten(structure, zeros))
    return tree.map(lambda y: np.zeros((0, *shape_of(y)), getattr(y, "dtype", type(y))), out)
