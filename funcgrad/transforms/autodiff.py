"""Reverse mode as functions of functions: grad and vjp."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad import tree
from funcgrad.core.foreign import is_foreign, snapshot
from funcgrad.core.tracer import Tracer
from funcgrad.errors import NonScalarOutputError, OutputDtypeError
from funcgrad.families.shapes import one_like, shape_of
from funcgrad.interpreters.notes import follow
from funcgrad.interpreters.record import SMALL, Recording, RecordTracer
from funcgrad.interpreters.sweep import expanded, sweep
from funcgrad.transforms.arguments import (
    Selection,
    check_callable,
    check_output,
    check_primal,
    dtype_name,
    fresh,
    function_name,
    is_differentiable,
    lower,
    lower_aux,
    own,
    result_dtype,
    run,
    split_aux,
)
from funcgrad.transforms.connection import (
    ZERO,
    WatchfulRecording,
    check_connected,
    check_mode,
)
from funcgrad.transforms.pullback import Pullback

__all__ = ["grad", "value_and_grad", "vjp"]


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    disconnected: str = ZERO,
) -> Callable[..., Any]:
    """Value and gradient of a scalar function: x ↦ (f(x), ∇f(x)).

    Args:
        fun: function of arrays (or pytrees of arrays) with a scalar result.
        argnums: position or positions of the arguments to differentiate by; negative ones count
            from the end. The first, unless `argnames` are given.
        has_aux: whether `fun` returns `(value, aux)`, of which only `value` is differentiated.
        holomorphic: whether `fun` is complex differentiable, with complex arguments and result.
        allow_int: whether integer arguments may be selected; their derivative is zero, of dtype
            float0.
        argnames: name or names of arguments to differentiate by.
        disconnected: what to do where a selected argument (or a leaf of it) does not influence the
            result, or a value was cast to integers on the way: `"zero"` returns zeros, `"warn"`
            warns and returns them, `"error"` raises. The message names the arguments and lines.

    Returns:
        A function of the same arguments that returns `(value, gradient)`, or
        `((value, aux), gradient)`. The gradient has the structure, shapes and dtypes of the
        selected argument; it is a tuple for several `argnums`, a dict for several `argnames`.
        For complex arguments of a real function u it is ∂u/∂x - i ∂u/∂y.

    Raises:
        NonScalarOutputError: if the result has axes.
        InputDtypeError: if a selected argument is not floating-point.
        ArgumentSelectionError: if `argnums` or `argnames` select what is not there.
        DisconnectedError: with `disconnected="error"`.

    Example:
        >>> import numpy as np
        >>> value_and_grad(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
        (np.float64(5.0), array([2., 4.]))
    """
    return _value_and_grad(
        "value_and_grad", fun, argnums, has_aux, holomorphic, allow_int, argnames, disconnected
    )


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    disconnected: str = ZERO,
) -> Callable[..., Any]:
    """Gradient of a scalar function: x ↦ ∇f(x).

    Args:
        fun: function of arrays (or pytrees of arrays) with a scalar result.
        argnums: as in `value_and_grad`, and so are the others and the conventions.
        has_aux: whether `fun` returns `(value, aux)`.
        holomorphic: whether `fun` is complex differentiable.
        allow_int: whether integer arguments may be selected.
        argnames: name or names of arguments to differentiate by.
        disconnected: `"error"`, `"warn"` or `"zero"`, about arguments without influence.

    Returns:
        A function of the same arguments that returns the gradient, or `(gradient, aux)`.

    Example:
        >>> import numpy as np
        >>> grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
        array([ 3., 12.])
    """
    both = _value_and_grad(
        "grad", fun, argnums, has_aux, holomorphic, allow_int, argnames, disconnected
    )

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def _value_and_grad(
    transform: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    argnames: str | Sequence[str] | None,
    disconnected: str,
) -> Callable[..., Any]:
    check_callable(transform, fun)
    check_mode(transform, disconnected)
    watchful = disconnected != ZERO
    recording, inputs_of = (WatchfulRecording, _NamedInputs) if watchful else (Recording, _Inputs)
    selection = Selection.of(transform, argnums, argnames)
    plain = not selection.names
    single = selection.single_number
    numbers: Sequence[int] = selection.numbers
    simple = plain and min(numbers, default=-1) >= 0 and len(set(numbers)) == len(numbers)
    highest = max(numbers, default=0)

    @functools.wraps(fun)
    def both(*args: Any, **kwargs: Any) -> Any:
        trace = recording(transform)
        inputs = inputs_of(trace, holomorphic, allow_int)
        call_args = list(args)
        call_kwargs = kwargs
        if simple and highest < len(args):
            for number in numbers:
                call_args[number] = inputs.trace_argument(args[number], "argument", number)
        else:
            call_kwargs = inputs.trace_selected(selection, fun, call_args, kwargs)
        try:
            out = run(fun, call_args, call_kwargs)
        finally:
            records = trace.close()
        aux = None
        if has_aux:
            out, aux = split_aux(transform, fun, out)
            aux = lower_aux(transform, trace, aux)
        value = _scalar(transform, fun, trace, out, holomorphic)
        if watchful:
            check_connected(trace, disconnected, records, out, inputs.names)  # type: ignore[arg-type, attr-defined]  # a watchful one, with names
        if type(out) is RecordTracer and out.owner is trace:
            if trace.guarded:
                trace.check_unchanged()
            cts: list[Any] = [None] * len(records)
            cts[out.index] = ONE if type(value) is np.float64 else one_like(value)
            del out
            latest_first = iter(records.pop, None)
            sweep(expanded(trace, latest_first, cts) if trace.expands else latest_first, cts)
        else:
            cts = [None] * inputs.count
        gradients = inputs.results(cts)
        if type(value) is not np.float64:
            value = np.array(value) if isinstance(value, np.ndarray) else own(value, set())
        if plain:
            result = gradients[0] if single else tuple(gradients)
        else:
            result = _named_result(selection, gradients)
        return ((value, aux), result) if has_aux else (value, result)

    return both


def _named_result(selection: Selection, gradients: list[Any]) -> Any:
    count = len(selection.numbers)
    by_name = gradients[count:]
    named = (
        by_name[0] if selection.single_name else dict(zip(selection.names, by_name, strict=True))
    )
    if not count:
        return named
    return (gradients[0] if selection.single_number else tuple(gradients[:count])), named


ONE = np.float64(1)
_ARRAY: tuple[Any, int] = (None, 1)
"""Stands for the structure of an argument that is one array."""


class _Inputs:
    """The differentiated arguments of a call: tracers on the way in, derivatives on the way out."""

    __slots__ = (
        "allow_int",
        "count",
        "holomorphic",
        "leaves",
        "only_arrays",
        "structures",
        "trace",
        "traced",
    )

    def __init__(self, trace: Recording, holomorphic: bool, allow_int: bool) -> None:
        self.trace = trace
        self.holomorphic = holomorphic
        self.allow_int = allow_int
        self.leaves: list[Any] = []
        self.traced: list[int | None] = []
        self.structures: list[tuple[Any, int]] = []
        self.count = 0
        self.only_arrays = True

    def trace_argument(self, argument: Any, what: str, place: int | str) -> Any:
        """The argument with tracers for its leaves; `what` and `place` name it in messages."""
        if type(argument) is np.ndarray and argument.dtype.kind == "f" and not self.holomorphic:
            self.structures.append(_ARRAY)
            self.leaves.append(argument)
            self.traced.append(self.count)
            self.count += 1
            trace = self.trace
            return trace.input(
                argument.copy("K") if argument.nbytes <= SMALL else trace.guard(argument)
            )
        self.only_arrays = False
        path = f"{what} {place!r}"
        leaves, structure = tree.flatten(argument)
        self.structures.append((structure, len(leaves)))
        tracers = []
        for i, leaf in enumerate(leaves):
            where = path if structure == tree.LEAF else f"{path}, leaf {_leaf_path(argument, i)},"
            check_primal(self.trace.transform, leaf, where, allow_int=self.allow_int)
            if not is_differentiable(leaf):
                self.leaves.append(leaf)
                self.traced.append(None)
                tracers.append(leaf)
                continue
            if self.holomorphic and np.result_type(getattr(leaf, "dtype", type(leaf))).kind != "c":
                raise OutputDtypeError(
                    f"{self.trace.transform}: holomorphic=True, but {where} has "
                    f"{dtype_name(leaf)}. "
                    "A holomorphic derivative is by a complex argument. Pass it as complex, or "
                    "leave holomorphic away."
                )
            tracers.append(self._input(leaf))
        return tree.unflatten(structure, tracers)

    def trace_selected(
        self,
        selection: Selection,
        fun: Callable[..., Any],
        call_args: list[Any],
        kwargs: dict[str, Any],
    ) -> dict[str, Any]:
        """Put tracers for the selected arguments into `call_args`, and into the result."""
        positions, named = selection.positions(fun, call_args, kwargs)
        call_kwargs = dict(kwargs)
        for place in (*positions, *named):
            if isinstance(place, int):
                call_args[place] = self.trace_argument(call_args[place], "argument", place)
            else:
                call_kwargs[place] = self.trace_argument(kwargs[place], "argument", place)
        return call_kwargs

    def _input(self, leaf: Any) -> RecordTracer:
        self.leaves.append(leaf)
        self.traced.append(self.count)
        self.count += 1
        if isinstance(leaf, np.ndarray):
            if type(leaf) is not np.ndarray:
                leaf = leaf.view(np.ndarray)
            leaf = leaf.copy("K") if leaf.nbytes <= SMALL else self.trace.guard(leaf)
        elif isinstance(leaf, Tracer):
            follow(self.trace, leaf)
        return self.trace.input(snapshot(leaf))

    def results(self, cts: list[Any], others: Sequence[Any] = ()) -> list[Any]:
        """The derivatives in the structures of the arguments."""
        forbidden = set(map(id, self.leaves))
        if others:
            forbidden.update(map(id, others))
        found = [
            fresh(None if position is None else cts[position], leaf, forbidden)
            for leaf, position in zip(self.leaves, self.traced, strict=True)
        ]
        if self.only_arrays:
            return found
        results = []
        start = 0
        for structure, length in self.structures:
            part = found[start : start + length]
            results.append(part[0] if structure is None else tree.unflatten(structure, part))
            start += length
        return results


class _NamedInputs(_Inputs):
    """Inputs that keep the names of their leaves, in the order of the tracers."""

    __slots__ = ("names",)

    def __init__(self, trace: Recording, holomorphic: bool, allow_int: bool) -> None:
        super().__init__(trace, holomorphic, allow_int)
        self.names: list[str] = []

    @override
    def trace_argument(self, argument: Any, what: str, place: int | str) -> Any:
        traced = super().trace_argument(argument, what, place)
        for path, leaf in tree.flatten_with_path(argument)[0]:
            if is_differentiable(leaf):
                where = tree.keystr(path)
                self.names.append(f"{what} {place!r}" + (f", leaf {where}" if where else ""))
        return traced


def _leaf_path(argument: Any, number: int) -> str:
    return tree.keystr(tree.flatten_with_path(argument)[0][number][0])


def _scalar(
    transform: str, fun: Callable[..., Any], trace: Recording, out: Any, holomorphic: bool
) -> Any:
    """The scalar value of a result, or the error that says what to do."""
    mine = type(out) is RecordTracer and out.owner is trace
    if not mine:
        check_output(transform, trace, out)
    value = out.value if mine else out
    if type(value) is np.float64 and not holomorphic:
        return value
    known = Tracer | np.ndarray | np.generic | int | float | complex
    if not isinstance(value, known) and not is_foreign(value):
        raise NonScalarOutputError(
            f"{transform}: {function_name(fun)} returned {type(value).__name__}, but a gradient "
            "needs one scalar. Return a number; pass further results on with has_aux=True."
        )
    shape = shape_of(value)
    if shape != ():
        raise NonScalarOutputError(
            f"{transform}: {function_name(fun)} returned shape {shape}, but a gradient needs a "
            "scalar. Reduce it, e.g. f(x).sum(), or use jacrev."
        )
    kind = value.dtype.kind if hasattr(value, "dtype") else np.result_type(type(value)).kind
    if holomorphic and kind != "c":
        raise OutputDtypeError(
            f"{transform}: holomorphic=True, but {function_name(fun)} returned "
            f"{dtype_name(value)}. A holomorphic function has a complex result. "
            "Leave holomorphic away."
        )
    if not holomorphic and kind == "c":
        raise OutputDtypeError(
            f"{transform}: {function_name(fun)} returned {dtype_name(value)}. The gradient of a "
            "complex result is ambiguous. Differentiate its real or imaginary part, or pass "
            "holomorphic=True if it is complex differentiable."
        )
    return value


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Vector-Jacobian product: f(x), and the pullback ct ↦ ctᵀ ∂f(x).

    Args:
        fun: function of arrays or pytrees of arrays.
        *primals: where to differentiate it; the pullback returns one cotangent for each.
        has_aux: whether `fun` returns `(out, aux)`, of which only `out` is differentiated.

    Returns:
        `(out, pullback)`, or `(out, pullback, aux)`. `pullback(ct)` takes a cotangent with the
        structure and shapes of `out`, and returns a tuple with the structures, shapes and dtypes
        of the primals. It can be called any number of times, also inside other transforms.

    Raises:
        CotangentError: if a cotangent does not fit `out`.
        MutatedArrayError: if an array that it needs was changed in place in the meantime.

    Example:
        >>> import numpy as np
        >>> out, pullback = vjp(np.sin, np.zeros(2))
        >>> pullback(np.array([1.0, 2.0]))
        (array([1., 2.]),)
    """
    trace = Recording("vjp")
    inputs = _Inputs(trace, holomorphic=False, allow_int=True)
    traced = [inputs.trace_argument(primal, "primal", i) for i, primal in enumerate(primals)]
    try:
        out = run(fun, traced, {})
    finally:
        records = trace.close()
    aux = None
    if has_aux:
        out, aux = split_aux("vjp", fun, out)
        aux = lower_aux("vjp", trace, aux)
    leaves, structure = tree.flatten(out)
    values = [lower("vjp", trace, leaf) for leaf in leaves]
    places = [
        leaf.index if type(leaf) is RecordTracer and leaf.owner is trace else None
        for leaf in leaves
    ]
    avals = [(shape_of(value), result_dtype(value)) for value in values]
    pullback = Pullback(trace, records, inputs, places, avals, structure)
    result = tree.unflatten(structure, values)
    return (result, pullback, aux) if has_aux else (result, pullback)
