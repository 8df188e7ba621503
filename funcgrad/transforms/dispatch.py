"""What becomes of a call with derivative rules of its own: its primitive, and a way for each trace.

`apply` is the table. Of the two modes one may be missing, and is the transpose of the other: the
rule is run on staged cotangents (or tangents), which gives a linear program, and that is walked
backwards.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Trace, Tracer, leaked
from funcgrad.core.wengert import Aval, Partials, aval_of
from funcgrad.errors import (
    CapturedTracerError,
    CustomRuleError,
    DroppedDerivativeError,
    NonLinearError,
    ObjectArrayError,
    TracerArrayConversionError,
    TracerAssignmentError,
    UnsupportedFunctionError,
)
from funcgrad.families.shapes import cast_like, shape_of, zeros_like
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.record import Recording, RecordTracer
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.transforms.arguments import float0, is_differentiable, result_dtype
from funcgrad.transforms.linear import LinearStage
from funcgrad.transforms.rules import BatchedCall, Call, Rules, input_avals

__all__ = ["apply", "primitive_of"]

OPAQUE = (
    DroppedDerivativeError,
    NonLinearError,
    ObjectArrayError,
    TracerArrayConversionError,
    TracerAssignmentError,
    UnsupportedFunctionError,
)
"""What a rule raises, or what is found, if its operations cannot be followed."""


# --- the primitive ----------------------------------------------------------------------------


def primitive_of(name: str) -> Primitive:
    """The primitive of one custom function; its rules find everything in the parameter `call`."""
    return Primitive(
        name=name,
        value=lambda *leaves, call: tuple(call.run(leaves)),
        family="custom",
        jvp=_jvp_rule,
        vjp=_vjp_rule,
        batch=_batch_rule,
        analytic=False,
        apply=_apply_rule,
    )


def _apply_rule(leaves: Sequence[Any], params: dict[str, Any]) -> Any:
    return tuple(apply(leaves, params["call"]))


def _jvp_rule(_out: Any, values: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
    return tuple(_push(params["call"], values, dots)[1])


def _vjp_rule(
    _out: Any, values: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Any, Any]:
    _, pull, residuals = _pull(params["call"], values, active)
    return pull, residuals


def _batch_rule(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    return tuple(apply(values, BatchedCall(params["call"], size, tuple(batched))))


def apply(leaves: Sequence[Any], call: Call) -> list[Any]:
    """Results of a call, by the rules of the highest trace among its leaves."""
    top: Any = None
    for leaf in leaves:
        if isinstance(leaf, Tracer) and (top is None or leaf.owner.id > top.id):
            top = leaf.owner
    if top is None:
        return call.run(leaves)
    if not top.open:
        raise leaked(top.transform)
    match top:
        case Recording():
            return _record(top, leaves, call)
        case Dual():
            return _dual(top, leaves, call)
        case Batch():
            return _batch(top, leaves, call)
        case _:
            return _other(top, leaves, call)


def _record(trace: Recording, leaves: Sequence[Any], call: Call) -> list[Any]:
    active = tuple(type(leaf) is RecordTracer and leaf.owner is trace for leaf in leaves)
    values = _values(leaves, active)
    outs, pull, residuals = _pull(call, values, active)
    outs = [np.complex128(out) if type(out) is complex else out for out in outs]
    _check_captured(call, trace, outs)
    if isinstance(residuals, tuple):
        _check_captured(call, trace, residuals)
        residuals = tuple(map(trace.capture, residuals))
    parents = [leaf.index for leaf, flag in zip(leaves, active, strict=True) if flag]
    return list(trace.push(call.rules.primitive, parents, pull, residuals, tuple(outs)))


def _dual(trace: Dual, leaves: Sequence[Any], call: Call) -> list[Any]:
    mine = [type(leaf) is DualTracer and leaf.owner is trace for leaf in leaves]
    dots = [leaf.tangent if flag else None for leaf, flag in zip(leaves, mine, strict=True)]
    outs, moved = _push(call, _values(leaves, mine), dots)
    _check_captured(call, trace, outs)
    return [
        out if dot is None else DualTracer(out, dot, trace, call.rules.primitive)
        for out, dot in zip(outs, moved, strict=True)
    ]


def _batch(trace: Batch, leaves: Sequence[Any], call: Call) -> list[Any]:
    mine = [type(leaf) is BatchTracer and leaf.owner is trace for leaf in leaves]
    flags = tuple(flag and leaf.batched for leaf, flag in zip(leaves, mine, strict=True))
    values = _values(leaves, mine)
    batched = any(flags)
    called = BatchedCall(call, trace.size, flags, trace) if batched else call
    outs = apply(values, called)
    _check_captured(call, trace, outs)
    return [BatchTracer(out, batched, trace, call.rules.primitive) for out in outs]


def _other(trace: Trace, leaves: Sequence[Any], call: Call) -> list[Any]:
    """As one operation of whatever trace it is: staging writes it down."""
    outs = list(trace.process(call.rules.primitive, leaves, {"call": call}))
    if isinstance(trace, Stage):  # the program would hide what the function captured
        known = _owners(leaf.value if _is_of(leaf, trace) else leaf for leaf in leaves)
        for out in outs:
            value = out.value if _is_of(out, trace) else out
            if not known.issuperset(_owners([value])):
                _refuse_captured(call, value)
    return outs


def _is_of(x: Any, trace: Trace) -> bool:
    return isinstance(x, Tracer) and x.owner is trace


def _values(leaves: Sequence[Any], mine: Sequence[bool]) -> list[Any]:
    return [leaf.value if flag else leaf for leaf, flag in zip(leaves, mine, strict=True)]


def _owners(leaves: Iterable[Any]) -> set[int]:
    """Identities of the traces in the towers of tracers."""
    found = set()
    for leaf in leaves:
        x = leaf
        while isinstance(x, Tracer):
            found.add(x.owner.id)
            x = x.value
    return found


def _check_captured(call: Call, trace: Trace, values: Iterable[Any]) -> None:
    """Refuse traced values of this trace, or a newer one, that no argument brought in."""
    for value in values:
        if isinstance(value, Tracer):
            if not value.owner.open:
                raise leaked(value.owner.transform)
            if value.owner.id >= trace.id:
                _refuse_captured(call, value)


def _refuse_captured(call: Call, value: Tracer) -> NoReturn:
    raise CapturedTracerError(
        f"{call.rules.name}: it, or a rule of it, uses a traced value of {value.owner.transform} "
        "that is not among its arguments. Its rules say nothing of the derivative by that value, "
        "which would be lost. Pass it as an argument, and return its cotangent or use its tangent "
        "in the rules."
    )


# --- both modes, given or derived -------------------------------------------------------------


def _pull(
    call: Call, values: Sequence[Any], active: tuple[bool, ...]
) -> tuple[list[Any], Any, Any]:
    """Results, pull and residuals for reverse mode."""
    rules = call.rules
    if rules.fwd is not None:
        outs, residuals, static = call.forward(values)
        pull = _Pull(call, static, active, input_avals(values), outs)
        return outs, pull, tuple(residuals)
    if rules.jvp is None:
        _refuse_missing(rules)
    stage = LinearStage(rules.name)
    dots = [
        stage.start(aval_of(value)) if flag else None
        for value, flag in zip(values, active, strict=True)
    ]
    try:
        outs, moved = call.push(values, dots)
        linear = stage.finish([dot for dot in dots if dot is not None], moved)
    except OPAQUE as error:
        raise CustomRuleError(
            f"{rules.name}: reverse mode transposes its jvp, which cannot be transposed "
            f"({_reason(error)}). A jvp is linear in the tangents, and made of NumPy operations on "
            "them. Mend it, or give the function a vjp as well: custom_rule(fun, jvp=jvp, "
            "vjp=(fwd, bwd))."
        ) from error
    finally:
        stage.close()
    avals = [aval_of(x) for x in values]
    return outs, _TransposedPull([a for a, f in zip(avals, active, strict=True) if f], outs), linear


def _push(call: Call, values: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Results and their tangents for forward mode; a tangent is `None` for integers only."""
    rules = call.rules
    if rules.jvp is not None:
        outs, moved = call.push(values, dots)
    elif rules.fwd is not None:
        outs, moved = _transposed_push(call, values, dots)
    else:
        _refuse_missing(rules)
    return outs, [
        None if not is_differentiable(out) else _zeros(out) if dot is None else dot
        for out, dot in zip(outs, moved, strict=True)
    ]


def _transposed_push(
    call: Call, values: Sequence[Any], dots: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    rules = call.rules
    outs, residuals, static = call.forward(values)
    stage = LinearStage(rules.name)
    cts = [stage.start(aval_of(out)) if is_differentiable(out) else _float0(out) for out in outs]
    inputs = [ct for ct in cts if isinstance(ct, StageTracer)]
    try:
        parts = call.backward(residuals, static, cts, input_avals(values))
        linear = stage.finish(
            inputs, [part for part, dot in zip(parts, dots, strict=True) if dot is not None]
        )
    except OPAQUE as error:
        raise CustomRuleError(
            f"{rules.name}: forward mode transposes its bwd, which cannot be transposed "
            f"({_reason(error)}). A bwd is linear in the cotangents, and can be transposed if "
            "it is made of NumPy operations on them. Write it so, use reverse mode, or give the "
            "function a jvp as well: custom_rule(fun, jvp=jvp, vjp=(fwd, bwd))."
        ) from error
    finally:
        stage.close()
    found = iter(linear.transpose([dot for dot in dots if dot is not None]))
    moved = [next(found) if isinstance(ct, StageTracer) else None for ct in cts]
    return outs, [
        dot if dot is None or dot.dtype == result_dtype(out) else cast_like(dot, result_dtype(out))
        for dot, out in zip(moved, outs, strict=True)
    ]


def _reason(error: Exception) -> str:
    text = str(error)
    parts = text.split(": ", 1)
    return (parts[1] if len(parts) == 2 else text).split(". ", 1)[0]


def _refuse_missing(rules: Rules) -> NoReturn:
    raise CustomRuleError(
        f"{rules.name}: it has no derivative rule yet. Its derivative cannot be computed. Give it "
        f"one with {rules.name}.defvjp(fwd, bwd) or {rules.name}.defjvp(jvp)."
    )


def _float0(x: Any) -> Any:
    return np.zeros(shape_of(x), float0)


def _zeros(x: Any) -> Any:
    return zeros_like(x, dtype=result_dtype(x))


class _CotangentsOf:
    """Brings what the sweep found to the shapes and dtypes of the results."""

    __slots__ = ("avals",)

    def __init__(self, outs: Sequence[Any]) -> None:
        self.avals = [aval_of(out) if is_differentiable(out) else shape_of(out) for out in outs]

    def __call__(self, found: Partials) -> list[Any]:
        return [self._one(found.get(i), aval) for i, aval in enumerate(self.avals)]

    def _one(self, ct: Any, aval: Any) -> Any:
        if not isinstance(aval, Aval):
            return np.zeros(aval, float0)
        if ct is None:
            return zeros_like(aval)
        if ct.dtype != aval.dtype:
            ct = cast_like(ct, aval.dtype)
        return ct if shape_of(ct) == aval.shape else DISPATCH["spread as"](ct, aval)


class _Pull:
    """Reverse mode by the user's bwd."""

    __slots__ = ("active", "call", "cotangents", "inputs", "static")

    def __init__(
        self,
        call: Call,
        static: Any,
        active: tuple[bool, ...],
        inputs: list[Any],
        outs: Sequence[Any],
    ) -> None:
        self.call = call
        self.static = static
        self.active = active
        self.inputs = inputs
        self.cotangents = _CotangentsOf(outs)

    def __call__(self, ct: Any, residuals: Any) -> Any:
        parts = self.call.backward(residuals, self.static, self.cotangents(ct), self.inputs)
        chosen = [
            _zeros_for(aval) if part is None else part
            for part, aval, flag in zip(parts, self.inputs, self.active, strict=True)
            if flag
        ]
        return chosen[0] if len(chosen) == 1 else tuple(chosen)


class _TransposedPull:
    """Reverse mode by the transpose of the user's jvp, which is the record's residual."""

    __slots__ = ("cotangents", "inputs")

    def __init__(self, inputs: list[Aval], outs: Sequence[Any]) -> None:
        self.inputs = inputs
        self.cotangents = _CotangentsOf(outs)

    def __call__(self, ct: Any, linear: Any) -> Any:
        parts = [
            _zeros_for(aval) if part is None else part
            for part, aval in zip(linear.transpose(self.cotangents(ct)), self.inputs, strict=True)
        ]
        return parts[0] if len(parts) == 1 else tuple(parts)


def _zeros_for(aval: Aval) -> Any:
    return zeros_like(aval)
