"""`numpy.vectorize` for traced values: one call of the function for all elements."""

import functools
import inspect
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH
from funcgrad.errors import DroppedDerivativeError, TracerArrayConversionError
from funcgrad.families.shapes import as_operand, shape_of
from funcgrad.primitives.mapping import over_rows
from funcgrad.primitives.plain import is_traced

__all__ = ["vectorize"]

_ABSENT = object()
_NAME = r"[^\W\d]\w*"
_CORE = rf"\((?:{_NAME}|\d+)?(?:,(?:{_NAME}|\d+))*\)"
_SIGNATURE = re.compile(rf"({_CORE}(?:,{_CORE})*)?->{_CORE}(?:,{_CORE})*")

Core = list[tuple[str, ...]]
"""Names of the core axes of each argument or result."""


class vectorize:  # noqa: N801  # NumPy's name
    """`numpy.vectorize`: a function of scalars as a function of arrays, also of traced ones.

    Plain arguments go through NumPy itself. With traced ones the function is called once, on values
    that stand for all elements, as by `funcgrad.vmap`; where it branches on them (`if x > 0`), it
    is called once for each element, as NumPy does.

    Args:
        pyfunc: function of scalars, or of arrays with the core axes that `signature` names.
        otypes: dtypes of the results, as a string or a list; found from the results by default.
        doc: docstring of the new function; that of `pyfunc` by default.
        excluded: positions and names of arguments that are passed as they are.
        cache: whether NumPy may keep the first result instead of computing it twice.
        signature: core axes as in `"(n),(n)->()"`; none by default.

    Returns:
        A function of arrays, whose loop axes broadcast.

    Example:
        >>> import funcgrad as fg
        >>> f = vectorize(lambda x, y: x * y if x > 0 else y)
        >>> fg.grad(lambda x: f(x, [3.0, 5.0]).sum())(np.array([2.0, -1.0]))
        array([3., 0.])
    """

    def __init__(
        self,
        pyfunc: Any = _ABSENT,
        otypes: Any = None,
        doc: str | None = None,
        excluded: Any = None,
        cache: bool = False,
        signature: str | None = None,
    ) -> None:
        self._options = {
            "otypes": otypes, "doc": doc, "excluded": excluded, "cache": cache,
            "signature": signature,
        }  # fmt: skip
        self._plain: Any = None
        if pyfunc is not _ABSENT:
            self._decorate(pyfunc)

    def _decorate(self, pyfunc: Callable[..., Any]) -> None:
        self._plain = np.vectorize(pyfunc, **self._options)
        functools.update_wrapper(self, pyfunc, assigned=("__name__", "__module__"), updated=())
        self.__doc__ = self._plain.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function of the arrays."""
        if self._plain is None:  # used as a decorator with options
            self._decorate(args[0])
            return self
        if not is_traced([*args, *kwargs.values()]):
            try:
                return self._plain(*args, **kwargs)
            except (DroppedDerivativeError, TracerArrayConversionError):
                pass  # the function reaches a traced value by another way
        return self._traced(args, kwargs)

    def _traced(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        function = self._plain.pyfunc
        excluded = self._plain.excluded
        places = [i for i in range(len(args)) if i not in excluded]
        names = [name for name in kwargs if name not in excluded]
        mapped = [_as_array(args[i]) for i in places] + [_as_array(kwargs[n]) for n in names]
        inner, outer = _cores(self._options["signature"], len(mapped))
        loop = _loop_shape(mapped, inner)
        size = math.prod(loop)

        def of_row(*row: Any) -> Any:
            positional, named = list(args), dict(kwargs)
            for i, value in zip(places, row, strict=False):
                positional[i] = value
            named.update(zip(names, row[len(places) :], strict=True))
            return function(*positional, **named)

        rows = [_flat_rows(x, loop, len(core)) for x, core in zip(mapped, inner, strict=True)]
        out = over_rows("vectorize", of_row, size, rows)
        results = out if isinstance(out, tuple) else (out,)
        if outer is not None and len(outer) != len(results):
            raise ValueError(
                f"wrong number of outputs from pyfunc: expected {len(outer)}, got {len(results)}"
            )
        shaped = [DISPATCH[np.reshape](r, (*loop, *shape_of(r)[1:])) for r in results]
        dtypes = self._plain.otypes
        if dtypes is not None:
            shaped = [
                r if r.dtype == np.dtype(kind) else DISPATCH[np.astype](r, np.dtype(kind))
                for r, kind in zip(shaped, dtypes, strict=True)
            ]
        return tuple(shaped) if isinstance(out, tuple) else shaped[0]

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._plain.pyfunc)


def _as_array(x: Any) -> Any:
    if isinstance(x, list | tuple) and is_traced(x):
        return DISPATCH[np.stack]([_as_array(item) for item in x])
    x = as_operand(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def _cores(signature: str | None, count: int) -> tuple[Core, Core | None]:
    """Core axes of the arguments and of the results; `None` where nothing is known of them."""
    if signature is None:
        return [()] * count, None
    text = re.sub(r"\s+", "", signature)
    if not _SIGNATURE.fullmatch(text):
        raise ValueError(f"not a valid gufunc signature: {signature}")
    inner, outer = (
        [tuple(filter(None, core[1:-1].split(","))) for core in re.findall(_CORE, side)]
        for side in text.split("->")
    )
    if len(inner) != count:
        raise TypeError(f"wrong number of positional arguments: expected {len(inner)}, got {count}")
    return inner, outer


def _loop_shape(arrays: Sequence[Any], cores: Core) -> tuple[int, ...]:
    """The broadcast axes in front of the core ones, whose lengths must agree."""
    lengths: dict[str, int] = {}
    loops = []
    for x, core in zip(arrays, cores, strict=True):
        shape = shape_of(x)
        if len(shape) < len(core):
            raise ValueError(
                f"{len(shape)}-dimensional argument does not have enough dimensions for all core "
                f"dimensions {core}"
            )
        own = shape[len(shape) - len(core) :]
        for name, length in zip(core, own, strict=True):
            known = lengths.setdefault(name, int(name) if name.isdigit() else length)
            if known != length:
                raise ValueError(
                    f"inconsistent size for core dimension {name!r}: {length} vs {known}"
                )
        loops.append(shape[: len(shape) - len(core)])
    return np.broadcast_shapes(*loops)


def _flat_rows(x: Any, loop: tuple[int, ...], rank: int) -> Any:
    """An array with its loop axes as one, of all elements of the loop."""
    shape = shape_of(x)
    own = shape[len(shape) - rank :]
    whole = DISPATCH[np.broadcast_to](x, (*loop, *own))
    return DISPATCH[np.reshape](whole, (math.prod(loop), *own))
