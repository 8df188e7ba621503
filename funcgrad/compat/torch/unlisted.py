"""Primitives of this layer alone: declared by value and jvp, outside the core's registry."""

from collections.abc import Callable, Sequence
from typing import Any

from funcgrad.core.primitive import Primitive, Pull, VjpRule
from funcgrad.core.tracer import bind
from funcgrad.families.batching import aligned, batch_rule, same_call
from funcgrad.families.shapes import zeros_like
from funcgrad.families.smooth import transposed_jvp

__all__ = ["unlisted"]


def unlisted(
    name: str,
    value: Callable[..., Any],
    jvp: Callable[..., Any],
    *,
    transpose: Callable[[Any], tuple[Any, ...]] | None = None,
    leading: bool = False,
) -> Callable[..., Any]:
    """A differentiable function of arrays, as `funcgrad.families.smooth` declares one.

    Args:
        name: of the primitive.
        value: the computation on plain arrays, which broadcasts.
        jvp: `(out, *args, *dots, **params) -> tangent`; a parameter that starts with `_` is not
            kept.
        transpose: of one that is linear in all operands together: from the cotangent to those
            of the operands.
        leading: whether it leaves leading axes alone, in place of working element by element.
    """

    def forward(out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
        filled = [zeros_like(a) if dot is None else dot for a, dot in zip(args, dots, strict=True)]
        return jvp(out, *args, *filled, **params)

    primitive = Primitive(
        name=name,
        value=value,
        family="smooth",
        jvp=forward,
        vjp=transposed_jvp(jvp) if transpose is None else _by_transpose(transpose),
        batch=batch_rule(same_call if leading else aligned, lambda: primitive),
        linear_in=lambda _active: transpose is not None,
        analytic=transpose is not None,
    )

    def function(*operands: Any, **params: Any) -> Any:
        return bind(primitive, *operands, **params)

    function.__name__ = name
    function.__doc__ = value.__doc__
    return function


def _by_transpose(transpose: Callable[[Any], tuple[Any, ...]]) -> VjpRule:
    def vjp(
        _out: Any, _args: Sequence[Any], active: Sequence[bool], _params: dict[str, Any]
    ) -> tuple[Pull, Any]:
        def pull(ct: Any, _residuals: Any) -> Any:
            parts = tuple(part for part, flag in zip(transpose(ct), active, strict=True) if flag)
            return parts if len(parts) > 1 else parts[0]

        return pull, None

    return vjp
