"""What NumPy-signature functions share: plain arguments go to NumPy itself, `out=` is refused."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.foreign import cast, is_foreign
from funcgrad.core.protocols import DISPATCH, implements
from funcgrad.core.tracer import Tracer
from funcgrad.errors import TracerAssignmentError, user_line
from funcgrad.families.shapes import joined

__all__ = [
    "as_scalar",
    "implements_traced",
    "is_traced",
    "refuse_out",
    "static_axis",
    "unshared",
]

COPIES = frozenset(
    {
        np.average, np.choose, np.copy, np.cov, np.cross, np.diag, np.diagflat, np.full_like,
        np.geomspace, np.histogram, np.histogram2d, np.histogramdd, np.inner, np.kron,
        np.linalg.cross, np.linalg.solve, np.linalg.tensordot, np.linspace, np.logspace,
        np.median, np.meshgrid, np.nanmedian, np.nanpercentile, np.nanquantile, np.percentile,
        np.quantile, np.repeat, np.resize, np.roll, np.take, np.tensordot, np.tile,
    }
)  # fmt: skip
"""Functions that return memory of their own, though the last operation here may be a view."""

OF_SEQUENCES = frozenset(
    {
        np.block, np.choose, np.column_stack, np.concatenate, np.dstack, np.histogram2d,
        np.histogramdd, np.hstack, np.lexsort, np.linalg.multi_dot, np.pad, np.piecewise,
        np.ravel_multi_index, np.select, np.stack, np.vstack,
    }
)  # fmt: skip
"""Functions that take a list of arrays, which need not be of one shape; elsewhere a list that
holds traced values is an array."""


def _astype(x: Any, dtype: Any, /, **options: Any) -> Any:
    by_method = isinstance(x, np.generic) or is_foreign(x)  # np.astype of NumPy 2.0 takes arrays
    return cast(x, dtype) if by_method else np.astype(x, dtype, **options)


OF_PLAIN: dict[Any, Callable[..., Any]] = {np.astype: _astype}
"""What is called with plain arguments, where it is not NumPy's function (dask lacks it)."""


def is_traced(x: Any) -> bool:
    """Whether a value, or one in a list of values, is traced."""
    if isinstance(x, list | tuple):
        return any(is_traced(item) for item in x)
    return isinstance(x, Tracer)


def as_scalar(x: Any) -> Any:
    """An array without axes as a NumPy scalar, which is what reductions return."""
    return x if getattr(x, "shape", None) != () or isinstance(x, np.generic) else x[()]


def unshared(x: Any) -> Any:
    """A result, or a list of them, that `x += y` may rebind: a copy where it is a view."""
    if isinstance(x, list | tuple):
        return type(x)(map(unshared, x))
    if isinstance(x, Tracer) and x.made_by is not None and x.made_by.returns_view and x.shape:
        return DISPATCH[np.copy](x)
    return x


def implements_traced(
    function: Any, *aliases: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: as `implements`, for a function that is called with a traced value only.

    Called with plain arguments, the result is that of the NumPy function itself, bit for bit.
    """

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        def copying(*args: Any, **kwargs: Any) -> Any:
            return unshared(implementation(*args, **kwargs))

        traced = copying if function in COPIES else implementation
        of_plain = OF_PLAIN.get(function, function)

        def of_lists(*args: Any, **kwargs: Any) -> Any:
            return traced(*map(joined, args), **{name: joined(kwargs[name]) for name in kwargs})

        nested = traced if function in OF_SEQUENCES else of_lists

        @functools.wraps(implementation)
        def either(*args: Any, **kwargs: Any) -> Any:
            for arg in args:
                if isinstance(arg, Tracer):
                    return traced(*args, **kwargs)
                if is_traced(arg):
                    return nested(*args, **kwargs)
            if kwargs:
                if any(is_traced(arg) for arg in kwargs.values()):
                    return nested(*args, **kwargs)
                refuse_out(function.__name__, kwargs.get("out"))
            return of_plain(*args, **kwargs)

        implements(function, *aliases)(either)
        return either

    return enter


def refuse_out(name: str, out: Any) -> None:
    """Raise `TracerAssignmentError` if there is an `out=` array."""
    if out is not None and not (isinstance(out, tuple) and all(one is None for one in out)):
        raise TracerAssignmentError(
            f"{name}: out= at {user_line()}. A result that is written into an array loses its "
            "derivative. Leave out= away and use the result, or write "
            "a = funcgrad.numpy.at(a)[...].set(result)."
        )


def static_axis(axis: Any) -> Any:
    """An axis argument with NumPy integers as Python's."""
    if axis is None:
        return None
    if np.ndim(axis):
        return tuple(one.__index__() for one in axis)
    return axis.__index__()
