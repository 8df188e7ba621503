"""Sparse Jacobians and Hessians as transforms of functions, and their structure."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from funcgrad import tree
from funcgrad.core.tracer import Tracer
from funcgrad.errors import ArgumentSelectionError, SparsityError
from funcgrad.families.shapes import shape_of
from funcgrad.sparse.compressed import is_array
from funcgrad.sparse.finding import find
from funcgrad.sparse.pattern import Pattern
from funcgrad.sparse.planning import Plan, check_leaves, make_plan
from funcgrad.sparse.problem import Problem
from funcgrad.transforms.arguments import check_callable, result_dtype
from funcgrad.transforms.shapes import ShapeDtypeStruct

__all__ = [
    "SparseDerivative",
    "hessian_sparsity",
    "jacobian_sparsity",
    "sparse_hessian",
    "sparse_jacobian",
]

PLANS = 8
"""So many plans of one function are kept, for arguments of different kinds."""

METHODS = ("auto", "forward", "reverse")


class SparseDerivative(Protocol):
    """What `sparse_jacobian` and `sparse_hessian` return: call it, or make a plan first."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The derivative at these arguments."""

    def prepare(self, *args: Any, **kwargs: Any) -> Plan:
        """A plan for arguments like these: structure found and coloured, and tried once.

        Its structure is fixed: where it does not hold, the plan raises `SparsityError`.
        """


def sparse_jacobian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    structure: Any = None,
    method: str = "auto",
    check: bool = True,
) -> SparseDerivative:
    """Jacobian by its entries that may be other than zero: x ↦ {(i, j, ∂f_i/∂x_j)}.

    Which they are is read off the recorded operations, once for each kind of arguments. Columns
    without a common row (or rows without a common column) then share a product with the Jacobian,
    so that their number does not depend on the size of a banded or block-diagonal matrix. The
    products are compiled as by `jit`.

    Args:
        fun: function of arrays or pytrees of arrays.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and results.
        structure: the entries that may be other than zero, if they are known: a `Pattern`, a dense
            matrix or one of scipy.sparse, with a row for each element of the results and a column
            for each element of the selected arguments. It may have more entries than needed.
        method: "forward" (products of columns), "reverse" (of rows), or the one of fewer products.
        check: whether a new plan is tried with one product that needs no structure.

    Returns:
        A function of the same arguments that returns a `SparseMatrix` (m, n), or `(matrix, aux)`;
        for pytrees and several `argnums` one for each pair of leaves, nested as by `jacobian`, with
        the axes of a result or argument as one. `prepare(*args)` of it returns a `Plan`, which can
        be called likewise.

    Raises:
        InputDtypeError: if a selected argument is not floating-point.
        OutputDtypeError: if a result is not; if one or the other is complex without `holomorphic`.
        SparsityError: if `structure` has another shape, or lacks entries.
        ArgumentSelectionError: if `argnums` select what is not there, or `method` is no method.

    Example:
        >>> import numpy as np
        >>> jacobian = sparse_jacobian(np.diff)(np.arange(4.0))
        >>> jacobian.values, jacobian.columns
        (array([-1.,  1., -1.,  1., -1.,  1.]), array([0, 1, 1, 2, 2, 3]))
    """
    if method not in METHODS:
        raise ArgumentSelectionError(
            f"sparse_jacobian: method={method!r}. Products are of columns or of rows. Choose from "
            f"{', '.join(METHODS)}, or leave it away."
        )
    return _derivative(
        "sparse_jacobian", fun, argnums, has_aux, holomorphic, structure, method, check
    )


def sparse_hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    structure: Any = None,
    check: bool = True,
) -> SparseDerivative:
    """Hessian by its entries that may be other than zero: x ↦ {(i, j, ∂²f/∂x_i ∂x_j)}.

    As `sparse_jacobian` of the gradient, with fewer products, because the matrix is symmetric
    (star colouring). Both (i, j) and (j, i) are in the result.

    Args:
        fun: function of arrays or pytrees of arrays with a scalar result.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `fun` returns `(value, aux)`, of which only `value` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and result.
        structure: the entries that may be other than zero, if they are known, as for
            `sparse_jacobian`; of (i, j) and (j, i) one is enough.
        check: whether a new plan is tried with one product that needs no structure.

    Returns:
        A function of the same arguments that returns a symmetric `SparseMatrix` (n, n), or
        `(matrix, aux)`; for pytrees and several `argnums` one for each pair of leaves, nested as by
        `hessian`. `prepare(*args)` of it returns a `Plan`.

    Raises:
        InputDtypeError: if a selected argument is not floating-point.
        OutputDtypeError: if one is complex without `holomorphic`, or real with it.
        NonScalarOutputError: if the result of `fun` has axes.
        SparsityError: if `structure` has another shape, or lacks entries.

    Example:
        >>> import numpy as np
        >>> hessian = sparse_hessian(lambda x: np.sum(np.diff(x) ** 2))
        >>> plan = hessian.prepare(np.zeros(1000))
        >>> plan.colours, plan.pattern.nnz
        (3, 2998)
        >>> plan(np.ones(1000)).values[:5]
        array([ 2., -2., -2.,  4., -2.])
    """
    return _derivative(
        "sparse_hessian", fun, argnums, has_aux, holomorphic, structure, "forward", check
    )


def jacobian_sparsity(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Pattern]:
    """Where the Jacobian may be other than zero: x ↦ {(i, j)}.

    Args:
        fun: function of arrays or pytrees of arrays.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and results.

    Returns:
        A function of the same arguments that returns the `Pattern` of the whole matrix: a row for
        each element of the results, a column for each element of the selected arguments.

    Example:
        >>> import numpy as np
        >>> print(jacobian_sparsity(lambda x: x[1:] * x[:-1])(np.ones(4)))
        Pattern of 3 x 4, 6 entries
        **..
        .**.
        ..**
    """
    return _sparsity("jacobian_sparsity", fun, argnums, has_aux, holomorphic)


def hessian_sparsity(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Pattern]:
    """Where the Hessian may be other than zero: x ↦ {(i, j)}, symmetric.

    Args:
        fun: function of arrays or pytrees of arrays with a scalar result.
        argnums: position or positions of the arguments to differentiate by.
        has_aux: whether `fun` returns `(value, aux)`, of which only `value` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and result.

    Returns:
        A function of the same arguments that returns the `Pattern`.

    Example:
        >>> import numpy as np
        >>> print(hessian_sparsity(lambda x: x[0] * x[1] + np.exp(x[2]))(np.ones(3)))
        Pattern of 3 x 3, 3 entries
        .*.
        *..
        ..*
    """
    return _sparsity("hessian_sparsity", fun, argnums, has_aux, holomorphic)


def _sparsity(
    transform: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
) -> Callable[..., Pattern]:
    check_callable(transform, fun)
    problem = Problem(transform, fun, argnums, has_aux, holomorphic)

    @functools.wraps(fun)
    def sparsity(*args: Any, **kwargs: Any) -> Pattern:
        check_leaves(problem, args, kwargs)
        pattern = find(problem, problem.call(args, kwargs)).pattern
        assert pattern is not None  # it is asked for
        return pattern

    return sparsity


class _Keeper:
    """The plans of one function."""

    __slots__ = ("check", "method", "plans", "problem", "structure")

    def __init__(self, problem: Problem, structure: Any, method: str, check: bool) -> None:
        self.problem = problem
        self.structure = structure
        self.method = method
        self.check = check
        self.plans: dict[Any, Plan] = {}

    def make(
        self,
        fun: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        besides: Pattern | None = None,
    ) -> Plan:
        """A new plan, with the entries of another pattern besides those that are found."""
        problem = self.problem.of(fun)
        return make_plan(problem, args, kwargs, self.structure, self.method, self.check, besides)

    def evaluate(
        self, fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The derivative by a plan for such arguments, which is made where there is none."""
        leaves, structure = tree.flatten((args, kwargs))
        if fun is not self.problem.fun:  # a copy that reads traced values: its plan goes with them
            return self.make(fun, args, kwargs).evaluate(leaves)
        key = structure, *map(_kind, leaves)
        try:
            plan = self.plans.get(key)
        except TypeError:  # an argument without a hash, that is no array: it is no key
            return self.make(fun, args, kwargs).evaluate(leaves)
        if plan is None:
            plan = self.keep(key, self.make(fun, args, kwargs))
        try:
            return plan.evaluate(leaves)
        except SparsityError:
            if self.structure is not None:
                raise
            wider = self.make(fun, args, kwargs, plan.pattern)
            if wider.pattern == plan.pattern and wider.is_star == plan.is_star:
                raise
        return self.keep(key, wider).evaluate(leaves)

    def keep(self, key: Any, plan: Plan) -> Plan:
        """Keep a plan, and forget the oldest one if there are too many."""
        others = {k: v for k, v in self.plans.items() if k != key}
        newest = list(others.items())[1 - PLANS :]
        self.plans = {**dict(newest), key: plan}
        return plan


def _kind(leaf: Any) -> Any:
    """What a plan depends on of a leaf."""
    if not is_array(leaf):
        return type(leaf), leaf
    has_values = not isinstance(leaf, ShapeDtypeStruct)
    return has_values, isinstance(leaf, Tracer), shape_of(leaf), result_dtype(leaf)


def _derivative(
    transform: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    structure: Any,
    method: str,
    check: bool,
) -> SparseDerivative:
    check_callable(transform, fun)
    keeper = _Keeper(
        Problem(transform, fun, argnums, has_aux, holomorphic), structure, method, check
    )

    @functools.wraps(fun)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        return keeper.evaluate(fun, args, kwargs)

    @functools.wraps(fun)
    def prepare(*args: Any, **kwargs: Any) -> Plan:
        return keeper.make(fun, args, kwargs)

    derivative.prepare = prepare  # type: ignore[attr-defined]  # as SparseDerivative has it
    return cast(SparseDerivative, derivative)
