"""Dense derivatives by compressed ones, where a function is being compiled and structure pays.

What counts here is the structure whatever the values are, so nothing of it has to be guarded. Where
it leaves few enough products, the dense result is zeros with the entries put where they belong.
"""

from collections.abc import Callable, Sequence
from typing import Any

from funcgrad import tree
from funcgrad.core.tracer import Tracer
from funcgrad.families.shapes import shape_of
from funcgrad.jitting.staging import JitStage
from funcgrad.sparse.finding import find_for_all
from funcgrad.sparse.matrix import SparseMatrix
from funcgrad.sparse.planning import Plan, layout_of
from funcgrad.sparse.problem import Call, Problem, size_of
from funcgrad.transforms.arguments import result_dtype

__all__ = ["scattered"]

SMALLEST = 16
"""Arguments of fewer elements are not worth the effort."""

LARGEST = 2**24
"""Matrices of more elements are not looked at: they take longer to compute than to compile."""

GAIN = 3
"""So many times fewer products have to be enough."""


def scattered(
    transform: str,
    method: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any] | None:
    """The dense derivative as a tuple of one, or `None` where structure does not pay.

    Args:
        transform: "jacobian", "hessian", ...
        method: "auto", "forward" or "reverse".
        fun: the user's function.
        argnums: which arguments.
        has_aux: whether it returns a pair.
        holomorphic: whether it is complex differentiable.
        args: of the call.
        kwargs: of the call.
    """
    problem = Problem(transform, fun, argnums, has_aux, holomorphic)
    if not _is_compiled((args, kwargs)):
        return None
    try:
        call = problem.call(args, kwargs)
        plan = _plan(problem, call, method)
    except Exception:  # noqa: BLE001  # mistakes are named by the derivative that needs no structure
        return None
    if plan is None:
        return None
    result = plan.evaluate(call.leaves)
    result, aux = result if has_aux else (result, None)
    dense = _dense(plan, call, result, method)
    return ((dense, aux) if has_aux else dense,)


def _is_compiled(arguments: Any) -> bool:
    """Whether a program is written that may differ in its last bits."""
    for leaf in tree.leaves(arguments):
        x = leaf
        while isinstance(x, Tracer):
            if isinstance(x.owner, JitStage):
                return not x.owner.exact
            x = x.value
    return False


def _plan(problem: Problem, call: Call, method: str) -> Plan | None:
    width = sum(map(size_of, call.primals))
    if not SMALLEST <= width <= LARGEST:
        return None
    found = find_for_all(problem, call)
    height = sum(map(size_of, found.outs))
    pattern = found.pattern
    assert pattern is not None  # it is asked for
    if height * width > LARGEST or pattern.nnz * GAIN > height * width:
        return None
    layout = layout_of(problem, call, pattern, method)
    products = {"forward": width, "reverse": height, "auto": min(height, width)}[method]
    if layout.count * GAIN >= products:
        return None
    return Plan(problem, call.plain(), found, pattern, layout, is_given=True)


def _dense(plan: Plan, call: Call, result: Any, method: str) -> Any:
    """Matrices as arrays, in the shapes and dtypes that they have without structure."""
    height, width = sum(map(size_of, plan.outs)), sum(map(size_of, call.primals))
    backwards = method == "reverse" or (method == "auto" and height <= width)
    blocks = iter([(out, x) for out in plan.outs for x in call.primals])

    def whole(matrix: SparseMatrix) -> Any:
        out, x = next(blocks)
        dense = matrix.todense().reshape(shape_of(out) + shape_of(x))
        dtype = result_dtype(x if backwards else out)
        return dense if dense.dtype == dtype else dense.astype(dtype)

    return tree.map(whole, result, is_leaf=lambda x: isinstance(x, SparseMatrix))
