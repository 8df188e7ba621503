"""Linear maps as programs: linearize, and the transpose of a linear function.

A program is linear if each of its equations is linear in the operands that depend on the inputs.
Its transpose walks the equations backwards with the reverse rules of their primitives, which of
the linear operands read shapes and dtypes only; so nothing is computed forwards.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad import tree
from funcgrad.core.foreign import is_foreign, likeness_of
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Guard, Program, Variable
from funcgrad.core.tracer import Tracer, plain_value
from funcgrad.core.wengert import Aval, aval_of
from funcgrad.errors import (
    CotangentError,
    FuncgradError,
    InputDtypeError,
    NonLinearError,
    TangentError,
    user_line,
)
from funcgrad.families.shapes import as_operand, cast_like, has_own_operators, shape_of, zeros_like
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.outline import zeros_of
from funcgrad.interpreters.record import Recording
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.primitives.spectra import settled
from funcgrad.transforms.arguments import (
    check_primal,
    dtype_name,
    float0,
    is_differentiable,
    lower,
    lower_aux,
    own,
    result_dtype,
    run,
    split_aux,
)
from funcgrad.transforms.linear_map import LinearMap

__all__ = ["LinearStage", "linear_transpose", "linearize"]


class Residual(Constant):
    """A constant of a linear program: known by identity, so that its contents are not read."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = id(self)


class LinearStage(Stage):
    """The trace that writes a linear program. The values of its tracers are zeros, of no interest.

    Attributes:
        keeper: protects the arrays that the program holds against later changes.
        doubts: `{number of a variable: why the equation that made it is not linear}`.
    """

    __slots__ = ("doubts", "keeper", "residuals")
    computes = False

    def __init__(self, transform: str) -> None:
        super().__init__(transform)
        self.keeper = Recording(transform)
        self.doubts: dict[int, str] = {}
        self.residuals: dict[int, tuple[Any, Residual]] = {}

    def start(self, aval: Aval) -> StageTracer:
        """A tracer for one input."""
        plain = aval.like is None
        return self.input(zeros_of(aval.shape, aval.dtype) if plain else zeros_like(aval))

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        with np.errstate(all="ignore"):  # only zeros are computed with
            out = super().process(primitive, args, params)
        active = [type(arg) is StageTracer and arg.owner is self for arg in args]
        if not _is_linear(primitive, args, active):
            first = out[0] if isinstance(out, tuple) else out
            self.doubts[first.variable.number] = f"{primitive} at {user_line()}"
        return out

    @override
    def operand(self, arg: Any) -> Variable | Constant:
        if isinstance(arg, Tracer):
            return super().operand(arg)
        kept = self.keeper.capture(arg)  # each time, for it may have changed since its last use
        if kept is not arg:
            return Residual(kept)
        return self.residuals.setdefault(id(arg), (arg, Residual(arg)))[1]

    def finish(self, inputs: Sequence[StageTracer], outputs: Sequence[Any]) -> "LinearMap":
        """The program from the inputs to the outputs (`None` is zero).

        Raises:
            NonLinearError: if it is not linear, or depends on a plain answer (`if`, `float()`).
        """
        places = [self._output(out) for out in outputs]
        program = Program(
            self.transform,
            (*(x.variable for x in inputs), *(variable for _, variable in self.captured.values())),
            tuple(self.items),
            tuple(place for place in places if place is not None),
        ).pruned()
        self.close()
        for item in program.items:
            if isinstance(item, Guard):
                raise NonLinearError(
                    f"{self.transform}: the function asks for {item.kind}() of a value that "
                    "depends on its arguments. A linear function cannot depend on such an answer. "
                    "Leave it away, or use vjp."
                )
            if item.results[0].number in self.doubts:
                raise NonLinearError(
                    f"{self.transform}: the function is not linear because of "
                    f"{self.doubts[item.results[0].number]}. Only a linear function has a "
                    "transpose. Use vjp, which linearizes it at a point, or remove what is added "
                    "as a constant."
                )
        captured = tuple(tracer for tracer, _ in self.captured.values())
        return LinearMap(program, captured, places, self.keeper)

    def _output(self, out: Any) -> Variable | None:
        if type(out) is StageTracer and out.owner is self:
            return out.variable
        if out is None or _is_zero(out):
            return None
        raise NonLinearError(
            f"{self.transform}: a result of shape {shape_of(out)} does not depend on the arguments "
            "and is not zero. A linear function gives zero for zero. Use vjp, or leave that result "
            "away."
        )


def _is_zero(x: Any) -> bool:
    value = plain_value(x)
    dtype = getattr(value, "dtype", None)
    return dtype == float0 or (not is_foreign(value) and not np.any(value))


def _is_linear(primitive: Primitive, args: Sequence[Any], active: Sequence[bool]) -> bool:
    """Whether an operation is linear in its active operands, the others being what they are."""
    if not primitive.linear_in(active):
        return False
    for i, flag in enumerate(active):
        if not flag:
            together = [*active[:i], True, *active[i + 1 :]]
            if primitive.linear_in(together) and not _is_zero(args[i]):
                return False  # x + 1 is not linear in x, only (x, y) ↦ x + y is
    return True


# --- linearize --------------------------------------------------------------------------------


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The tangent map at a point: f(x), and ẋ ↦ ∂f(x) ẋ as a function to be called many times.

    The function runs once; what its derivative needs is kept, so that each call of the tangent map
    does the linear operations only.

    Args:
        fun: function of arrays or pytrees of arrays.
        *primals: where to linearize it.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.

    Returns:
        `(out, f_jvp)`, or `(out, f_jvp, aux)`. `f_jvp(*tangents)` takes one tangent for each
        primal, with its structure, shapes and dtypes (float0 for integers), and returns the
        tangent of `out`. It can be transformed itself; `f_jvp.program` shows its operations.

    Raises:
        InputDtypeError: if a leaf of the primals is no number or array.
        TangentError: from `f_jvp`, if a tangent does not fit its primal.
        MutatedArrayError: from `f_jvp`, if an array that it needs was changed in the meantime.

    Example:
        >>> import numpy as np
        >>> out, f_jvp = linearize(lambda x: x * x, np.array([1.0, 3.0]))
        >>> out, f_jvp(np.array([1.0, 1.0]))
        (array([1., 9.]), array([2., 6.]))
    """
    stage = LinearStage("linearize")
    trace = Dual("linearize")
    leaves, structure = tree.flatten(primals)
    inputs: list[StageTracer] = []
    traced = []
    for number, leaf in enumerate(leaves):
        check_primal("linearize", leaf, _place(primals, number), allow_int=True)
        if is_differentiable(leaf):
            inputs.append(stage.start(aval_of(leaf)))
            leaf = DualTracer(as_operand(leaf), inputs[-1], trace)
        traced.append(leaf)
    try:
        try:
            out = run(fun, tree.unflatten(structure, traced), {})
        finally:
            trace.close()
        aux = None
        if has_aux:
            out, aux = split_aux("linearize", fun, out)
            aux = lower_aux("linearize", trace, aux)
        outs, out_structure = tree.flatten(out)
        forbidden = set(map(id, leaves))
        values = [own(lower("linearize", trace, x), forbidden) for x in outs]
        dots = [_dot(trace, x, value) for x, value in zip(outs, values, strict=True)]
        linear = stage.finish(inputs, dots)
    finally:
        stage.close()
    f_jvp = Linearized(
        linear,
        (structure, _avals(leaves)),
        (out_structure, _avals(values)),
        tuple(map(type, values)),
    )
    result = tree.unflatten(out_structure, values)
    return (result, f_jvp, aux) if has_aux else (result, f_jvp)


def _dot(trace: Dual, x: Any, value: Any) -> Any:
    if type(x) is not DualTracer or x.owner is not trace:
        return None
    dtype = result_dtype(value)
    return x.tangent if x.tangent.dtype == dtype else cast_like(x.tangent, dtype)


def _place(primals: Sequence[Any], number: int) -> str:
    path, _ = tree.leaves_with_path(primals)[number]
    return f"primal {path[0].idx}{tree.keystr(path[1:])}"


def _avals(leaves: Sequence[Any]) -> tuple[Aval, ...]:
    return tuple(Aval(shape_of(leaf), result_dtype(leaf)) for leaf in leaves)


class Linearized:
    """`ẋ ↦ ∂f(x) ẋ`, which keeps what it needs of x.

    Attributes:
        program: its operations.
    """

    __slots__ = ("_inputs", "_kinds", "_linear", "_outputs")

    def __init__(
        self,
        linear: LinearMap,
        inputs: tuple[Any, tuple[Aval, ...]],
        outputs: tuple[Any, tuple[Aval, ...]],
        kinds: tuple[type, ...],
    ) -> None:
        self._linear = linear
        self._inputs = inputs
        self._outputs = outputs
        self._kinds = kinds

    @property
    def program(self) -> Program:
        """The operations, from the tangents (and captured traced values) to the results."""
        return self._linear.program

    def __call__(self, *tangents: Any) -> Any:
        """Tangent of the result for tangents of the primals."""
        leaves = _matching("linearize", "tangents", tangents, self._inputs, TangentError)
        dots = [leaf for leaf in leaves if leaf is not None]
        found = self._linear.apply(dots)
        structure, avals = self._outputs
        forbidden = set(map(id, dots))
        outs = [
            _finished(dot, aval, forbidden, array=kind is np.ndarray)
            for dot, aval, kind in zip(found, avals, self._kinds, strict=True)
        ]
        return tree.unflatten(structure, outs)

    def __repr__(self) -> str:
        return f"<tangent map of {len(self.program.equations)} equations>"


def _matching(
    transform: str,
    what: str,
    given: Any,
    expected: tuple[Any, tuple[Aval, ...]],
    error: type[FuncgradError],
) -> list[Any]:
    """Leaves of tangents or cotangents in the dtypes they need; `None` for integers."""
    structure, avals = expected
    leaves, found = tree.flatten(given)
    if found != structure:
        raise error(
            f"{transform}: another structure of {what} than needed: "
            f"{tree.difference(structure, found)}. Each array needs one. Pass zeros for the others."
        )
    return [
        _fitting(f"{transform}: {what}{tree.keystr(path)}", leaf, aval, error)
        for path, leaf, aval in zip(structure.paths(), leaves, avals, strict=True)
    ]


def _fitting(place: str, leaf: Any, aval: Aval, error: type[FuncgradError]) -> Any:
    if shape_of(leaf) != aval.shape:
        raise error(
            f"{place} has shape {shape_of(leaf)}, but {aval.shape} is needed. They must be the "
            f"same. Pass an array of shape {aval.shape}."
        )
    dtype = result_dtype(leaf)
    if aval.dtype.kind not in "fc":
        return None
    if dtype.kind not in "biufc" or (dtype.kind == "c" and aval.dtype.kind != "c"):
        raise error(
            f"{place} has {dtype_name(leaf)}, but {aval.dtype} is needed. The one cannot be "
            f"converted to the other without loss. Pass it as {aval.dtype}."
        )
    if not hasattr(leaf, "dtype"):
        return aval.dtype.type(leaf)
    leaf = as_operand(leaf)
    return leaf if dtype == aval.dtype else cast_like(leaf, aval.dtype)


def _finished(found: Any, aval: Aval, forbidden: set[int], array: bool) -> Any:
    """A result of a linear map as the user gets it: dtype of its own, memory of its own."""
    if aval.dtype.kind not in "fc":
        return np.zeros(aval.shape, float0)
    if found is None:
        zeros = zeros_like(aval)
        return np.asarray(zeros) if array and not is_foreign(zeros) else zeros
    if found.dtype != aval.dtype:
        found = cast_like(found, aval.dtype)
    found = settled(found)
    if isinstance(found, Tracer):
        return found
    if array and type(found) is not np.ndarray and not is_foreign(found):
        return np.array(found)
    return own(found, forbidden)


# --- linear_transpose -------------------------------------------------------------------------


def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function: from x ↦ Ax the function ct ↦ Aᵀct.

    Nothing is conjugated: ⟨ct, Ax⟩ = ⟨Aᵀct, x⟩ with ⟨a, b⟩ = Σ aᵢ bᵢ.

    Args:
        fun: function that is linear in all its arguments together.
        *primals: what its arguments are like: arrays, numbers, or anything with a `shape` and a
            `dtype`, in pytrees. Their values are not used.

    Returns:
        A function of a cotangent, with the structure, shapes and dtypes of the result of `fun`,
        that returns a tuple with one cotangent for each primal.

    Raises:
        NonLinearError: if the function is not linear; it names the operation.
        InputDtypeError: if a primal is not floating-point.
        ObjectArrayError: if a primal is a masked array or a matrix.
        CotangentError: from the returned function, if the cotangent does not fit.

    Example:
        >>> import numpy as np
        >>> transposed = linear_transpose(lambda x: 3.0 * np.sum(x), np.zeros(2))
        >>> transposed(1.0)
        (array([3., 3.]),)
    """
    stage = LinearStage("linear_transpose")
    leaves, structure = tree.flatten(primals)
    inputs = []
    for number, leaf in enumerate(leaves):
        if not hasattr(leaf, "shape") or _is_special(leaf):
            check_primal("linear_transpose", leaf, _place(primals, number))
        dtype = np.dtype(leaf.dtype) if hasattr(leaf, "dtype") else result_dtype(leaf)
        if dtype.kind not in "fc":
            raise InputDtypeError(
                f"linear_transpose: {_place(primals, number)} has dtype {dtype}. A linear function "
                "is one of real or complex numbers. Pass it as float, or bind that argument with "
                "functools.partial."
            )
        like = likeness_of(plain_value(leaf))
        inputs.append(stage.start(Aval(tuple(shape_of(leaf)), dtype, like)))
    try:
        outs, out_structure = tree.flatten(run(fun, tree.unflatten(structure, inputs), {}))
        for out in outs:
            if isinstance(out, Tracer) and out.owner is not stage:
                lower("linear_transpose", stage, out)
        linear = stage.finish(inputs, outs)
    finally:
        stage.close()
    avals = tuple(map(aval_of, inputs))
    arrays = [isinstance(leaf, np.ndarray) or bool(shape_of(leaf)) for leaf in leaves]
    expected = (out_structure, _avals(outs))

    def transposed(ct: Any) -> tuple[Any, ...]:
        cts = _matching("linear_transpose", "cotangent", ct, expected, CotangentError)
        forbidden = set(map(id, cts))
        found = [
            _finished(part, aval, forbidden, array)
            for part, aval, array in zip(linear.transpose(cts), avals, arrays, strict=True)
        ]
        result: tuple[Any, ...] = tree.unflatten(structure, found)
        return result

    return transposed


def _is_special(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and has_own_operators(leaf)
