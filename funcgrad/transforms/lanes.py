"""Operations between the examples of a `vmap`, on which collectives and custom batching stand.

Each takes a value and the `Axis` of the mapped axis. They come in two pairs of transposes:

- `all_gather`: the values of all examples, for all of them; its transpose `sum_scatter` gives each
  example its part of the sum over all of them.
- `expose`: the batch as one array, with the axis in front, to something that computes all examples
  at once; `enclose` is the way back. Examples stay independent of each other, so they are each
  other's transpose.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.core.wengert import aval_of
from funcgrad.errors import CapturedTracerError
from funcgrad.families.linear import cast
from funcgrad.families.shapes import in_front
from funcgrad.interpreters.batch import MINE, Axis
from funcgrad.primitives.structural import moveaxis

__all__ = ["OUT_OF_BATCH", "all_gather_p", "enclose", "expose", "gather_examples"]

Own = Callable[..., tuple[Any, bool | None]]
"""`(size, batched, value, **params) -> (result, whether it is batched)`; `None`: it is outside."""


def _between(
    name: str,
    own: Own,
    transpose: Callable[[], Primitive],
    swap: Callable[[Any, Callable[[Any], Any]], Any] | None = None,
) -> Primitive:
    """A linear primitive of a value and an axis.

    Args:
        name: of the primitive.
        own: what the trace of the axis does.
        transpose: gives the primitive that is its transpose.
        swap: what another `vmap` does, `(x, apply) -> result`, where its own axis would not
            stay in front.
    """

    def jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
        del out
        return bind(primitive, dots[0], args[1], **params)

    def vjp(
        out: Any, args: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
    ) -> tuple[Any, Any]:
        del out, active
        aval = aval_of(args[0])
        return lambda ct, axis: cast(bind(transpose(), ct, axis, **params), aval), args[1]

    def batch(
        size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        x, axis = values
        if axis is MINE:
            return own(size, batched[0], x, **params)
        if swap is not None:
            return swap(x, lambda x: bind(primitive, x, axis, **params))
        return bind(primitive, x, axis, **params)

    primitive = Primitive(
        name=name,
        value=_without_axis,
        family="between examples",
        jvp=jvp,
        vjp=vjp,
        batch=batch,
        linear_in=lambda active: not active[1],
    )
    return primitive


def _without_axis(*_args: Any, **_params: Any) -> NoReturn:
    raise AssertionError("the axis among the operands belongs to a trace, which applies it")


def _gather(size: int, batched: bool, x: Any, *, at: int) -> tuple[Any, bool]:
    return moveaxis(in_front(size, x, batched), 0, at), False


def _scatter(size: int, batched: bool, x: Any, *, at: int) -> tuple[Any, bool]:
    total = np.sum(x, axis=0) if batched else x * size
    return moveaxis(total, at, 0), True


def _expose(size: int, batched: bool, x: Any) -> tuple[Any, None]:
    return in_front(size, x, batched), None


def _enclose(_size: int, batched: bool, x: Any) -> tuple[Any, bool]:
    if batched:
        raise CapturedTracerError(
            "vmap: a function that computes all examples at once returned a value that differs "
            "between the examples already, from its closure. Which example it belongs to is lost. "
            "Pass that value as an argument of the function with the batching rule."
        )
    return x, True


all_gather_p: Primitive = _between("all_gather", _gather, lambda: sum_scatter_p)
sum_scatter_p: Primitive = _between("sum_scatter", _scatter, lambda: all_gather_p)
expose_p: Primitive = _between(
    "expose", _expose, lambda: enclose_p, lambda x, apply: moveaxis(apply(x), 1, 0)
)
enclose_p: Primitive = _between(
    "enclose", _enclose, lambda: expose_p, lambda x, apply: apply(moveaxis(x, 1, 0))
)


OUT_OF_BATCH = frozenset({all_gather_p, expose_p})
"""Operations along an axis whose results are the same for all of its examples."""


def gather_examples(x: Any, axis: Axis, at: int) -> Any:
    """The values of all examples, along a new axis at the (negative) place `at`."""
    return bind(all_gather_p, x, axis, at=at)


def expose(x: Any, axis: Axis) -> Any:
    """The batch of a value as one value outside of its `vmap`, with the mapped axis in front."""
    return bind(expose_p, x, axis)


def enclose(x: Any, axis: Axis) -> Any:
    """A value with the mapped axis in front as a batch inside of its `vmap`."""
    return bind(enclose_p, x, axis)
