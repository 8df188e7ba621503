"""Forward mode as a function of functions: jvp."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.foreign import is_foreign
from funcgrad.core.tracer import Tracer
from funcgrad.errors import TangentError
from funcgrad.families.shapes import as_operand, cast_like, shape_of, zeros_like
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.transforms.arguments import (
    check_primal,
    float0,
    is_differentiable,
    lower,
    lower_aux,
    own,
    result_dtype,
    run,
    split_aux,
)

__all__ = ["jvp"]


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Jacobian-vector product in forward mode: f(x), and ∂f(x) ẋ.

    Args:
        fun: function of arrays or pytrees of arrays.
        primals: the arguments x, a tuple or list.
        tangents: the direction ẋ, with the structure, shapes and dtypes of the primals; that of
            an integer primal has dtype float0.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.

    Returns:
        `(out, out_dot)`, or `(out, out_dot, aux)`; `out_dot` has the structure, shapes and dtypes
        of `out`.

    Raises:
        TangentError: if a tangent does not fit its primal.

    Example:
        >>> import numpy as np
        >>> jvp(np.sin, (np.zeros(2),), (np.array([1.0, 2.0]),))
        (array([0., 0.]), array([1., 2.]))
    """
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise TangentError(
            f"jvp: primals of type {type(primals).__name__} and tangents of type "
            f"{type(tangents).__name__}. They are the lists of arguments and their tangents. "
            "Write jvp(f, (x,), (x_dot,))."
        )
    leaves, structure = tree.flatten(tuple(primals))
    dots, dots_structure = tree.flatten(tuple(tangents))
    if structure != dots_structure:
        raise TangentError(
            "jvp: another structure of tangents than of primals: "
            f"{tree.difference(structure, dots_structure)}. Each array needs one tangent. Pass "
            "zeros for those that do not move."
        )
    trace = Dual("jvp")
    traced = [
        _dual(trace, tree.keystr(path), x, x_dot)
        for path, x, x_dot in zip(structure.paths(), leaves, dots, strict=True)
    ]
    try:
        out = run(fun, tree.unflatten(structure, traced), {})
    finally:
        trace.close()
    aux = None
    if has_aux:
        out, aux = split_aux("jvp", fun, out)
        aux = lower_aux("jvp", trace, aux)
    outs, out_structure = tree.flatten(out)
    forbidden = {id(x) for x in (*leaves, *dots)}
    values = [own(lower("jvp", trace, x), forbidden) for x in outs]
    moved = [_tangent(trace, x, value, forbidden) for x, value in zip(outs, values, strict=True)]
    result = tree.unflatten(out_structure, values), tree.unflatten(out_structure, moved)
    return (*result, aux) if has_aux else result


def _dual(trace: Dual, path: str, x: Any, x_dot: Any) -> Any:
    check_primal("jvp", x, f"primals{path}", allow_int=True)
    x = as_operand(x)
    shape = shape_of(x)
    found = x_dot.shape if isinstance(x_dot, Tracer) else np.shape(x_dot)
    if found != shape:
        raise TangentError(
            f"jvp: tangents{path} has shape {found}, but its primal has shape {shape}. They must "
            f"be the same. Pass an array of shape {shape}."
        )
    dtype, dot_dtype = result_dtype(x), result_dtype(x_dot)
    if not is_differentiable(x):
        if dot_dtype != float0 and not (dot_dtype.kind in "biu" and not np.any(x_dot)):
            raise TangentError(
                f"jvp: primals{path} has dtype {dtype}, and its tangent {dot_dtype}. The "
                "derivative by an integer is zero. Pass the primal as float, or "
                "np.zeros(shape, funcgrad.float0) as its tangent."
            )
        return x
    if dot_dtype.kind not in "biufc" or (dot_dtype.kind == "c" and dtype.kind != "c"):
        raise TangentError(
            f"jvp: tangents{path} has dtype {dot_dtype}, but its primal has dtype {dtype}. The "
            "one cannot be converted to the other without loss. Pass it with the primal's dtype."
        )
    if isinstance(x_dot, np.ndarray):
        x_dot = as_operand(x_dot)
    if type(x) is float and dot_dtype == np.float64:
        x_dot = np.float64(x_dot) if not isinstance(x_dot, Tracer) else x_dot
    elif dot_dtype != dtype or not isinstance(x_dot, Tracer | np.ndarray | np.generic):
        x_dot = cast_like(x_dot if hasattr(x_dot, "dtype") else np.asarray(x_dot)[()], dtype)
    return DualTracer(x, x_dot, trace)


def _tangent(trace: Dual, x: Any, value: Any, forbidden: set[int]) -> Any:
    if type(x) is DualTracer and x.owner is trace:
        dtype = result_dtype(value)
        dot = x.tangent if x.tangent.dtype == dtype else cast_like(x.tangent, dtype)
        if (
            type(value) is np.ndarray
            and type(dot) is not np.ndarray
            and not isinstance(dot, Tracer)
            and not is_foreign(dot)
        ):
            return np.array(dot)
        return own(dot, forbidden)
    if not is_differentiable(value):
        return np.zeros(np.shape(value), float0)
    return zeros_like(value, dtype=result_dtype(value))
