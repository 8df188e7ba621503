"""Random draws inside `vmap`: refused, one for each example, or one for all."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from funcgrad.compat.torch.levels import LEVELS, MapLevel
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import METHODS, Tensor
from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.batch import BatchTracer

__all__ = ["PerExample", "as_values", "weights_of"]

REFUSED = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)
SAME = (
    "vmap: Vmap does not currently support same randomness with a batched tensor input. Please use "
    "the 'different' randomness flag, or give an input that is the same for all examples"
)


def weights_of(tensor: Tensor) -> Any:
    """Values that a draw depends on: an array, or one for each example."""
    value = METHODS["constant"](tensor._value)
    return value if isinstance(value, Tracer) else np.asarray(value)


def as_values(drawn: Any) -> Any:
    """What was drawn, as an array where it is one."""
    return drawn if isinstance(drawn, Tracer) else np.asarray(drawn)


class PerExample:
    """The functions of a module of draws, `(generator, shape or values, ...)`, as vmap wants them.

    Args:
        module: whose functions these are.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        function = _for_levels(getattr(self._module, name))
        setattr(self, name, function)
        return function


def _for_levels(draw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(draw)
    def drawn(generator: Any, what: Any, *rest: Any, **options: Any) -> Any:
        if STATE.compiling is not None:
            return STATE.compiling.drawn(draw, generator, what, rest, options)
        levels = LEVELS.maps
        if not levels:
            return draw(generator, what, *rest, **options)
        if any(level.randomness == "error" for level in levels):
            raise RuntimeError(REFUSED)
        own = [level for level in levels if level.randomness == "different"]
        if isinstance(what, Tracer):
            value = _by_example(what, own)
        elif isinstance(what, tuple):
            value = (*(level.trace.size for level in own), *what)
        else:
            return _repeated(draw, generator, what, rest, options, own)
        return _lifted(draw(generator, value, *rest, **options), own)

    return drawn


def _by_example(value: Any, own: list[MapLevel]) -> Any:
    """The values of a traced argument with an axis for each level that draws differently."""
    axes: list[MapLevel] = []
    while isinstance(value, BatchTracer):
        level = next((level for level in own if level.trace is value.owner), None)
        if value.batched:
            if level is None:
                raise RuntimeError(SAME)
            axes.append(level)
        value = value.value
    array = np.asarray(value)
    if axes != own[::-1]:
        lengths = tuple(level.trace.size if level in axes else 1 for level in own)
        inner = array.shape[len(axes) :]
        array = array.reshape(lengths + inner)
        array = np.broadcast_to(array, tuple(level.trace.size for level in own) + inner)
    return np.ascontiguousarray(array)


def _repeated(
    draw: Callable[..., Any],
    generator: Any,
    what: Any,
    rest: tuple[Any, ...],
    options: dict[str, Any],
    own: list[MapLevel],
) -> Any:
    """One draw after another, for those that draw no single numbers."""
    sizes = tuple(level.trace.size for level in own)
    count = int(np.prod(sizes, dtype=int))
    draws = [np.asarray(draw(generator, what, *rest, **options)) for _ in range(count)]
    whole = np.stack(draws)
    return _lifted(whole.reshape(sizes + whole.shape[1:]), own)


def _lifted(array: Any, own: list[MapLevel]) -> Any:
    for level in own:
        array = BatchTracer(array, True, level.trace)
    return array
