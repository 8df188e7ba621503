"""The linear and multilinear families: say the kind of linearity, and write transposes only.

A linear primitive is its own jvp; its vjp is its transpose, written `lambda ct, *args, **params`.
Where only the shape and dtype of an operand matter, the operand is an `Aval`: the linear operands
always are, so that a record of the linear family keeps none of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from funcgrad.core.primitive import BatchRule, Primitive, Pull, register
from funcgrad.core.tracer import bind
from funcgrad.core.wengert import aval_of
from funcgrad.families.batching import batch_rule
from funcgrad.families.shapes import cast_like, dtype_of, zeros_like

__all__ = ["Transpose", "linear", "multilinear"]

Transpose = Callable[..., Any]
Mask = tuple[bool, ...]


def linear(
    name: str,
    value: Callable[..., Any],
    *transposes: Transpose | None,
    batch: BatchRule,
    variadic: Transpose | None = None,
    view: bool = False,
    data_dependent: bool = False,
) -> Primitive:
    """Declare a primitive that is linear in some of its operands together.

    Args:
        name: NumPy's name of the operation.
        value: the plain computation, `value(*arrays, **params)`.
        *transposes: one an operand, `(ct, *args, **params) -> cotangent of that operand`; `None`
            for operands it is not linear in (indices, masks), which must come as plain values.
        batch: batching rule; `same_call` or `aligned` for the usual ones.
        variadic: in place of `transposes`, for any number of operands, all linear:
            `(ct, position, *args, **params)`.
        view: whether the result may share memory with an operand.
        data_dependent: whether the shape of the result depends on values.

    Returns:
        The primitive, registered.
    """

    def has_transpose(position: int) -> bool:
        return variadic is not None or transposes[position] is not None

    def jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
        del out
        operands = [
            arg if not has_transpose(i) else _zeros(arg) if dot is None else dot
            for i, (arg, dot) in enumerate(zip(args, dots, strict=True))
        ]
        return bind(primitive, *operands, **params)

    def vjp(
        out: Any, args: Sequence[Any], active: Mask, params: dict[str, Any]
    ) -> tuple[Pull | None, Any]:
        del out
        avals = [aval_of(arg) if has_transpose(i) else None for i, arg in enumerate(args)]
        residuals = tuple(arg for i, arg in enumerate(args) if not has_transpose(i))
        chosen = [i for i, flag in enumerate(active) if flag]

        def pull_at(position: int, ct: Any, operands: Sequence[Any]) -> Any:
            if variadic is not None:
                return cast(variadic(ct, position, *operands, **params), avals[position])
            rule = transposes[position]
            return None if rule is None else cast(rule(ct, *operands, **params), avals[position])

        def pull(ct: Any, residuals: Any) -> Any:
            kept = iter(residuals)
            operands = [next(kept) if aval is None else aval for aval in avals]
            if len(chosen) == 1:
                return pull_at(chosen[0], ct, operands)
            return tuple(pull_at(position, ct, operands) for position in chosen)

        return pull, residuals

    primitive = register(
        Primitive(
            name=name,
            value=value,
            family="linear",
            jvp=jvp,
            vjp=vjp,
            batch=batch_rule(batch, lambda: primitive),
            linear_in=lambda active: all(has_transpose(i) for i, flag in enumerate(active) if flag),
            returns_view=view,
            data_dependent=data_dependent,
        )
    )
    return primitive


def _zeros(x: Any) -> Any:
    """Zeros like an operand; of a Python number a weak one, which leaves float32 alone."""
    return zeros_like(x) if hasattr(x, "dtype") else type(x)(0)


def cast(ct: Any, aval: Any) -> Any:
    """The cotangent in its operand's dtype (operands of several dtypes may be joined)."""
    return ct if ct.dtype is aval.dtype else cast_like(ct, aval.dtype)


def multilinear(
    name: str,
    value: Callable[..., Any],
    transpose: Transpose,
    batch: BatchRule,
) -> Primitive:
    """Declare a primitive that is linear in each operand by itself.

    Args:
        name: NumPy's name of the operation.
        value: the plain computation.
        transpose: `(ct, position, *args, **params) -> cotangent of that operand`; the operand at
            `position` is an `Aval`.
        batch: batching rule.

    Returns:
        The primitive, registered.
    """

    def jvp(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
        del out
        total = None
        for i, dot in enumerate(dots):
            if dot is not None:
                part = bind(primitive, *args[:i], dot, *args[i + 1 :], **params)
                total = part if total is None else total + part
        return total

    def is_read(position: int, active: Mask) -> bool:
        return any(flag for i, flag in enumerate(active) if i != position)

    def vjp(
        out: Any, args: Sequence[Any], active: Mask, params: dict[str, Any]
    ) -> tuple[Pull | None, Any]:
        del out
        avals = [aval_of(arg) for arg in args]
        dtypes = [dtype_of(arg) for arg in args]
        kept = [is_read(i, active) for i in range(len(args))]
        residuals = tuple(arg for arg, keep in zip(args, kept, strict=True) if keep)
        chosen = [i for i, flag in enumerate(active) if flag]

        def pull_at(position: int, ct: Any, operands: list[Any]) -> Any:
            operands[position] = avals[position]
            part = transpose(ct, position, *operands, **params)
            dtype = dtypes[position]
            return part if dtype is None or part.dtype is dtype else cast_like(part, dtype)

        def pull(ct: Any, residuals: Any) -> Any:
            values = iter(residuals)
            operands = [
                next(values) if keep else aval for keep, aval in zip(kept, avals, strict=True)
            ]
            if len(chosen) == 1:
                return pull_at(chosen[0], ct, operands)
            return tuple(pull_at(position, ct, list(operands)) for position in chosen)

        return pull, residuals

    primitive = register(
        Primitive(
            name=name,
            value=value,
            family="multilinear",
            jvp=jvp,
            vjp=vjp,
            batch=batch_rule(batch, lambda: primitive),
            linear_in=lambda active: sum(active) == 1,
        )
    )
    return primitive
