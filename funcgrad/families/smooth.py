"""The smooth family: declare a jvp; the vjp is its transpose.

`jvp(out, *args, *dots, **params)` is linear in the tangents `dots`, so recording it and sweeping
backwards over its records gives the vjp. Nothing else needs to be written.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from funcgrad.core.primitive import BatchRule, Primitive, Pull, VjpRule, register
from funcgrad.core.wengert import Partials, aval_of
from funcgrad.families.batching import batch_rule
from funcgrad.families.shapes import cast_like, zeros_like
from funcgrad.interpreters.record import Recording, RecordTracer
from funcgrad.interpreters.sweep import sweep

__all__ = ["smooth", "transposed_jvp"]

Mask = tuple[bool, ...]


def smooth(
    name: str,
    value: Callable[..., Any],
    jvp: Callable[..., Any],
    batch: BatchRule,
    vjp: VjpRule | None = None,
    domain: tuple[tuple[float, float], ...] = (),
    analytic: bool = True,
    linear: tuple[Mask, ...] = (),
    apply: Callable[[Sequence[Any], dict[str, Any]], Any] | None = None,
) -> Primitive:
    """Declare a primitive by its jvp.

    Args:
        name: NumPy's name of the operation.
        value: the plain computation; a tuple for several results.
        jvp: `(out, *args, *dots, **params) -> tangent` (a tuple for several results), in plain
            NumPy, linear in the tangents. A parameter that starts with `_` is not kept.
        batch: batching rule.
        vjp: a reverse rule written out, where a profile asks for it.
        domain: where it is smooth (for the law tests).
        analytic: whether the rule holds for complex operands too.
        linear: combinations of active operands in which it is linear.
        apply: what a program calls in place of `bind`.

    Returns:
        The primitive, registered.
    """

    def forward(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
        filled = [zeros_like(a) if dot is None else dot for a, dot in zip(args, dots, strict=True)]
        return jvp(out, *args, *filled, **params)

    primitive = register(
        Primitive(
            name=name,
            value=value,
            family="smooth",
            jvp=forward,
            vjp=vjp or transposed_jvp(jvp),
            batch=batch_rule(batch, lambda: primitive),
            linear_in=lambda active: tuple(active) in linear,
            domain=domain,
            analytic=analytic,
            apply=apply,
        )
    )
    return primitive


def transposed_jvp(jvp: Callable[..., Any]) -> VjpRule:
    """The vjp rule that records `dots -> jvp(out, *args, *dots)` and sweeps over it."""
    unread = [name.startswith("_") for name in inspect.signature(jvp).parameters]

    def vjp(
        out: Any, args: Sequence[Any], active: Mask, params: dict[str, Any]
    ) -> tuple[Pull | None, Any]:
        avals = [aval_of(arg) for arg in args]
        kept = [not skip for skip in unread[: len(args) + 1]]
        residuals = tuple(v if keep else None for v, keep in zip((out, *args), kept, strict=True))

        def pull(ct: Any, residuals: Any) -> Any:
            primals = [
                aval if value is None else value
                for value, aval in zip(residuals[1:], avals, strict=True)
            ]
            trace = Recording("vjp")
            dots = [
                trace.input(zeros_like(aval)) if flag else zeros_like(aval)
                for aval, flag in zip(avals, active, strict=True)
            ]
            out_dot = jvp(residuals[0], *primals, *dots, **params)
            records = trace.close()
            cts: list[Any] = [None] * len(records)
            _seed(trace, cts, out_dot, ct)
            count = sum(active)
            sweep(reversed(records[count:]), cts)  # type: ignore[arg-type]  # no inputs in there
            found = iter(cts)
            parts = [
                _or_zeros(next(found), aval)
                for aval, flag in zip(avals, active, strict=True)
                if flag
            ]
            return parts[0] if count == 1 else tuple(parts)

        return pull, residuals

    return vjp


def _seed(trace: Recording, cts: list[Any], out_dot: Any, ct: Any) -> None:
    pairs = (
        [(out_dot[position], part) for position, part in ct.items()]
        if isinstance(ct, Partials)
        else [(out_dot, ct)]
    )
    for dot, part in pairs:
        if isinstance(dot, RecordTracer) and dot.owner is trace and part is not None:
            fitted = cast_like(part, dot.dtype)
            before = cts[dot.index]
            cts[dot.index] = fitted if before is None else before + fitted


def _or_zeros(ct: Any, aval: Any) -> Any:
    return zeros_like(aval) if ct is None else cast_like(ct, aval.dtype)
