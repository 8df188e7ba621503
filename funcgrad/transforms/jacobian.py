"""Whole derivatives: Jacobians by either mode, Hessians, and Hessian-vector products."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from funcgrad.core.modes import MODES
from funcgrad.transforms.arguments import Selection, check_callable
from funcgrad.transforms.autodiff import grad
from funcgrad.transforms.forward import jvp
from funcgrad.transforms.later import sparse
from funcgrad.transforms.unit_vectors import Problem, Selected
from funcgrad.transforms.vmap import checked_chunk

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev"]


def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Jacobian by forward mode, a column at a time: x ↦ ∂f(x).

    Cheaper than `jacrev` where the results have more elements than the arguments.

    Args:
        fun: function of arrays or pytrees of arrays.
        argnums: position or positions of the arguments to differentiate by; negative ones count
            from the end.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and results.
        chunk_size: how many columns to compute at once; by default as many as keep the unit
            vectors below 2²² elements.

    Returns:
        A function of the same arguments that returns the Jacobian, or `(jacobian, aux)`. For a
        result of shape `s` and an argument of shape `t` it has shape `s + t`, and the dtype of the
        result. For pytrees it has the structure of the result, with the structure of the argument
        in place of each leaf; for several `argnums` a tuple of those.

    Raises:
        InputDtypeError: if a selected argument is not real (complex, if `holomorphic`).
        OutputDtypeError: if `holomorphic` and a result is not complex.
        ArgumentSelectionError: if `argnums` select what is not there.

    Example:
        >>> import numpy as np
        >>> jacfwd(lambda x: x * x)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
    """
    return _jacobian("jacfwd", "forward", fun, argnums, has_aux, holomorphic, False, chunk_size)


def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Jacobian by reverse mode, a row at a time: x ↦ ∂f(x).

    Cheaper than `jacfwd` where the results have fewer elements than the arguments.

    Args:
        fun: function of arrays or pytrees of arrays.
        argnums: position or positions of the arguments to differentiate by; negative ones count
            from the end.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and results.
        allow_int: whether integer arguments may be selected; their derivative is zero, of dtype
            float0.
        chunk_size: how many rows to compute at once; by default as many as keep an argument or
            result for each of them below 2²² elements.

    Returns:
        A function of the same arguments that returns the Jacobian, or `(jacobian, aux)`, in the
        layout of `jacfwd`, and in the dtypes of the arguments. By a complex argument of a real
        function u it is ∂u/∂x - i ∂u/∂y.

    Raises:
        InputDtypeError: if a selected argument is not floating-point.
        OutputDtypeError: if a result is not real (complex, if `holomorphic`).
        ArgumentSelectionError: if `argnums` select what is not there.

    Example:
        >>> import numpy as np
        >>> jacrev(lambda x: np.array([2.0, 3.0]) * x)(1.0)
        array([2., 3.])
    """
    return _jacobian("jacrev", "reverse", fun, argnums, has_aux, holomorphic, allow_int, chunk_size)


def jacobian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Jacobian by the cheaper mode: x ↦ ∂f(x).

    Reverse mode where the results have no more elements than the selected arguments, else forward
    mode. Integer and (unless `holomorphic`) complex arguments leave reverse mode only, complex or
    integer results forward mode only. Rows or columns are computed in chunks, so that an argument
    or result for each of them stays below 2²² elements (32 MiB of float64), whatever the size of
    the Jacobian. Inside of `jit` columns or rows without a common entry are computed together,
    where that pays; `sparse_jacobian` returns nothing but the entries.

    Args:
        fun: function of arrays or pytrees of arrays.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and results.
        allow_int: whether integer arguments may be selected; their derivative is zero.
        chunk_size: how many rows or columns to compute at once.

    Returns:
        A function of the same arguments that returns the Jacobian, or `(jacobian, aux)`, in the
        layout of `jacfwd` and `jacrev`.

    Raises:
        InputDtypeError: if a selected argument is not floating-point.
        OutputDtypeError: if arguments and results leave no mode.
        ArgumentSelectionError: if `argnums` select what is not there.

    Example:
        >>> import numpy as np
        >>> jacobian(lambda x, y: x * y, argnums=(0, 1))(2.0, np.array([3.0, 4.0]))
        (array([3., 4.]), array([[2., 0.],
               [0., 2.]]))
    """
    return _jacobian("jacobian", "auto", fun, argnums, has_aux, holomorphic, allow_int, chunk_size)


def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Second derivative, forward over reverse mode: x ↦ ∂²f(x).

    Inside of `jit` columns without a common entry are computed together, where that pays;
    `sparse_hessian` returns nothing but the entries.

    Args:
        fun: function of arrays or pytrees of arrays; its result is usually a scalar.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and results.
        chunk_size: how many columns to compute at once; by default as in `jacfwd`.

    Returns:
        A function of the same arguments that returns the Hessian, or `(hessian, aux)`. For a
        result of shape `s` and an argument of shape `t` it has shape `s + t + t`. For pytrees it
        is nested: the structure of the result, at its leaves that of the argument, at its leaves
        that of the argument again.

    Raises:
        InputDtypeError: if a selected argument is not real (complex, if `holomorphic`).
        OutputDtypeError: if a result is not real (complex, if `holomorphic`).

    Example:
        >>> import numpy as np
        >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
        array([[6., 2.],
               [2., 0.]])
    """
    gradient = _columns("hessian", "reverse", fun, argnums, has_aux, holomorphic, False, chunk_size)
    columns = _columns(
        "hessian", "forward", gradient, argnums, has_aux, holomorphic, False, chunk_size
    )
    return _structured("hessian", "forward", fun, argnums, has_aux, holomorphic, columns)


def hvp(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: bool = False,
) -> Any:
    """Hessian-vector product, forward over reverse mode: (x, v) ↦ ∂²f(x) v.

    It costs a small multiple of `fun`, and never forms the Hessian.

    Args:
        fun: function of arrays or pytrees of arrays with a scalar result.
        primals: the arguments x, a tuple or list.
        tangents: the vector v, with the structure, shapes and dtypes of the primals.
        has_aux: whether `fun` returns `(value, aux)`, of which only `value` is differentiated.

    Returns:
        The product, with the structure, shapes and dtypes of the one primal; a tuple of such if
        there are several primals. With `has_aux`, `(product, aux)`.

    Raises:
        NonScalarOutputError: if the result of `fun` has axes.
        TangentError: if a tangent does not fit its primal.

    Example:
        >>> import numpy as np
        >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
        array([  6., 120.])
    """
    count = len(primals) if isinstance(primals, tuple | list) else 1
    gradient = grad(fun, argnums=tuple(range(count)), has_aux=has_aux)
    _, product, *aux = jvp(gradient, primals, tangents, has_aux)
    product = product[0] if count == 1 else product
    return (product, aux[0]) if has_aux else product


def _jacobian(
    transform: str,
    mode: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    chunk_size: int | None,
) -> Callable[..., Any]:
    whole = _columns(transform, mode, fun, argnums, has_aux, holomorphic, allow_int, chunk_size)
    return _structured(transform, mode, fun, argnums, has_aux, holomorphic, whole)


def _structured(
    transform: str,
    mode: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    whole: Callable[..., Any],
) -> Callable[..., Any]:
    """The derivative by fewer products where it is being compiled and has few entries."""

    @functools.wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        if MODES.staging:
            attempt = sparse("scattered").scattered
            found = attempt(transform, mode, fun, argnums, has_aux, holomorphic, args, kwargs)
            if found is not None:
                return found[0]
        return whole(*args, **kwargs)

    return derivative


def _columns(
    transform: str,
    mode: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    chunk_size: int | None,
) -> Callable[..., Any]:
    check_callable(transform, fun)
    selection = Selection.of(transform, argnums, None)
    chunk_size = checked_chunk(transform, chunk_size)

    @functools.wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        positions, _ = selection.positions(fun, args, kwargs)
        problem = Problem(
            transform,
            Selected(fun, args, kwargs, positions),
            [args[position] for position in positions],
            selection.single_number,
            has_aux,
            holomorphic,
            allow_int,
            chunk_size,
        )
        result, aux = problem.solve(mode)
        return (result, aux) if has_aux else result

    return derivative
