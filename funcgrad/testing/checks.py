"""The laws of derivatives, each in one line on a function or rule of your own.

A check returns None where the law holds. Where it does not, it raises an `AssertionError` that
names the law, the place (key path and index) and both numbers, and says whether the rule is wrong
or the point is bad: a kink, or ill-conditioned. Tolerances come from the dtype and from the
estimated error of the numerical derivative; `atol` and `rtol` replace the former.

Complex numbers follow JAX: transposition does not conjugate, ⟨a, b⟩ = Re Σ a b.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from funcgrad import tree
from funcgrad.testing.comparison import Law, require_args, tangents_like
from funcgrad.testing.derivative_laws import (
    Function,
    adjoint_law,
    forward_law,
    reverse_law,
    superposition_law,
)
from funcgrad.testing.diagnosis import Tolerance
from funcgrad.testing.line import is_differentiable
from funcgrad.transforms.autodiff import vjp
from funcgrad.transforms.forward import jvp
from funcgrad.transforms.vmap import vmap

__all__ = [
    "check_adjoint",
    "check_custom_rule",
    "check_grads",
    "check_jvp",
    "check_linear",
    "check_vjp",
    "check_vmap",
]

Mode = Literal["fwd", "rev"]


def check_grads(
    f: Function,
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[Mode] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Derivatives of f of all orders up to a given one, against numerical ones.

    Args:
        f: a function of pytrees; differentiable at `args`.
        args: its arguments, a tuple.
        order: how many times to differentiate; every sequence of modes is checked.
        modes: forward mode ("fwd"), reverse mode ("rev") or both; with both, they are also checked
            to be adjoint.
        atol: allowed absolute difference; by default from the rounding noise of f.
        rtol: allowed relative difference; by default √ε of the result's dtype.
        eps: first step of the numerical derivatives, in units of the direction; by default from
            the size of `args`.

    Raises:
        DerivativeCheckError: if a derivative is wrong, or cannot be checked at this point.
        StructureCheckError: if one has the wrong structure, shape or dtype.

    Example:
        >>> import numpy as np
        >>> check_grads(lambda x, y: np.sin(x) * y, (np.ones(3), 2.0))
    """
    args = require_args("check_grads", args)
    check_order("check_grads", f, args, order, modes, Tolerance(atol, rtol, eps))


def check_order(
    name: str,
    f: Function,
    args: Any,
    order: int,
    modes: Sequence[Mode],
    tolerance: Tolerance,
    of: str = "",
) -> None:
    """Check f's derivatives, then those of these; `name` asks, `of` names what f is already."""
    rng = np.random.default_rng(order)
    if "fwd" in modes:
        law = Law(name, f"jvp{of} = numerical derivative")
        forward_law(law, f, partial(jvp, f), args, tolerance, rng)
    if "rev" in modes:
        law = Law(name, f"vjp{of} = transposed numerical derivative")
        reverse_law(law, f, partial(vjp, f), args, tolerance, rng)
    if "fwd" in modes and "rev" in modes:
        law = Law(name, f"⟨ct, J ẋ⟩ = ⟨Jᵀct, ẋ⟩{of}")
        adjoint_law(law, f, args, tolerance, rng)
    if order <= 1:
        return
    if "fwd" in modes:
        tangents = tangents_like(args, rng)

        def tangent_out(*primals: Any) -> Any:
            return without_integers(jvp(f, primals, tangents)[1])

        check_order(name, tangent_out, args, order - 1, modes, tolerance, f" of jvp{of}")
    if "rev" in modes:
        cotangent = tangents_like(vjp(f, *args)[0], rng)

        def cotangents_in(*primals: Any) -> Any:
            return without_integers(vjp(f, *primals)[1](cotangent))

        check_order(name, cotangents_in, args, order - 1, modes, tolerance, f" of vjp{of}")


def without_integers(derivatives: Any) -> Any:
    """A result with None for derivatives by and of integers, which have no derivative again."""
    return tree.map(lambda leaf: leaf if is_differentiable(leaf) else None, derivatives)


def check_jvp(
    f: Function,
    f_jvp: Function,
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """A jvp rule against the numerical derivative: f_jvp(x, ẋ) = (f(x), ∂f(x) ẋ).

    Args:
        f: a function of pytrees; it is only called with arrays.
        f_jvp: the rule: `f_jvp(primals, tangents)` returns `(out, out_dot)`. For funcgrad's own,
            `partial(funcgrad.jvp, f)`.
        args: the arguments of f, a tuple.
        atol: as in `check_grads`.
        rtol: as in `check_grads`.
        eps: as in `check_grads`.

    Raises:
        DerivativeCheckError: if value or tangent is wrong, or cannot be checked at this point.
        StructureCheckError: if one has the wrong structure, shape or dtype.

    Example:
        >>> import numpy as np
        >>> def rule(primals, tangents):
        ...     return np.sin(*primals), np.cos(*primals) * tangents[0]
        >>> check_jvp(np.sin, rule, (np.ones(3),))
    """
    args = require_args("check_jvp", args)
    law = Law("check_jvp", "jvp = numerical derivative")
    forward_law(law, f, f_jvp, args, Tolerance(atol, rtol, eps), np.random.default_rng(0))


def check_vjp(
    f: Function,
    f_vjp: Function,
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """A vjp rule against the numerical derivative: f_vjp(x) = (f(x), ct ↦ ∂f(x)ᵀ ct).

    Args:
        f: a function of pytrees; it is only called with arrays.
        f_vjp: the rule: `f_vjp(*args)` returns `(out, pullback)`, and `pullback(ct)` a tuple with
            one cotangent for each argument. For funcgrad's own, `partial(funcgrad.vjp, f)`.
        args: the arguments of f, a tuple.
        atol: as in `check_grads`.
        rtol: as in `check_grads`.
        eps: as in `check_grads`.

    Raises:
        DerivativeCheckError: if value or cotangent is wrong, or cannot be checked at this point.
        StructureCheckError: if one has the wrong structure, shape or dtype.

    Example:
        >>> import numpy as np
        >>> def rule(x):
        ...     return np.sin(x), lambda ct: (ct * np.cos(x),)
        >>> check_vjp(np.sin, rule, (np.ones(3),))
    """
    args = require_args("check_vjp", args)
    law = Law("check_vjp", "vjp = transposed numerical derivative")
    reverse_law(law, f, f_vjp, args, Tolerance(atol, rtol, eps), np.random.default_rng(0))


def check_adjoint(
    f: Function, args: Sequence[Any], atol: float | None = None, rtol: float | None = None
) -> None:
    """Forward and reverse mode against each other: ⟨ct, J ẋ⟩ = ⟨Jᵀct, ẋ⟩.

    Nothing is estimated, so this is much sharper than a numerical derivative; but what both modes
    have wrong, it cannot see.

    Args:
        f: a function of pytrees.
        args: its arguments, a tuple.
        atol: allowed absolute difference of the two numbers; by default none but rounding.
        rtol: allowed difference relative to their largest terms; by default ε^(3/4).

    Raises:
        DerivativeCheckError: if the numbers differ.

    Example:
        >>> import numpy as np
        >>> check_adjoint(np.linalg.inv, (np.array([[2.0, 1.0], [0.5, 3.0]]),))
    """
    args = require_args("check_adjoint", args)
    law = Law("check_adjoint", "⟨ct, J ẋ⟩ = ⟨Jᵀct, ẋ⟩")
    adjoint_law(law, f, args, Tolerance(atol, rtol), np.random.default_rng(0))


def check_linear(
    f: Function, args: Sequence[Any], atol: float | None = None, rtol: float | None = None
) -> None:
    """Linearity: f(α x + β y) = α f(x) + β f(y) for real α, β; and f is its own derivative.

    Args:
        f: a function of pytrees, linear in all of them jointly.
        args: x, a tuple; y is drawn.
        atol: allowed absolute difference; by default none but rounding.
        rtol: allowed difference relative to the largest terms; by default ε^(3/4).

    Raises:
        DerivativeCheckError: if f is not linear.
        StructureCheckError: if the structure of f's result depends on the values.

    Example:
        >>> import numpy as np
        >>> check_linear(np.cumsum, (np.array([1.0, 2.0, 4.0]),))
    """
    args = require_args("check_linear", args)
    rng = np.random.default_rng(0)
    superposition_law(
        Law("check_linear", "f(αx + βy) = α f(x) + β f(y)"), lambda x: f(*x), args, rng, atol, rtol
    )
    tangents = tangents_like(args, rng)
    law = Law("check_linear", "jvp of f = f")
    out_dot = jvp(f, args, tangents)[1]
    law.require_equal_trees(out_dot, f(*tangents), "output", atol=atol, rtol=rtol)


def check_vmap(
    f: Function,
    args: Sequence[Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    atol: float | None = None,
    rtol: float | None = None,
) -> None:
    """Batching: vmap(f)(xs) = the results f(x) of a loop, stacked.

    Args:
        f: a function of pytrees, for one example.
        args: its arguments with a batch axis, a tuple.
        in_axes: as in `vmap`.
        out_axes: as in `vmap`.
        atol: allowed absolute difference; by default none but rounding.
        rtol: allowed difference relative to a result's largest entries; by default ε^(3/4).

    Raises:
        DerivativeCheckError: if an entry differs.
        StructureCheckError: if the structure, a shape or a dtype differs.

    Example:
        >>> import numpy as np
        >>> check_vmap(np.dot, (np.eye(3), np.arange(3.0)), in_axes=(0, None))
    """
    if not isinstance(args, tuple | list):
        require_args("check_vmap", args)
    args = tuple(args)
    leaves, structure = tree.flatten(args)
    prefix = tuple(in_axes) if isinstance(in_axes, list) else in_axes
    axes = tree.broadcast(prefix, args, is_leaf=lambda axis: axis is None)
    batched = vmap(f, in_axes, out_axes)(*args)
    size = next(np.shape(x)[axis] for x, axis in zip(leaves, axes, strict=True) if axis is not None)
    outs = []
    for i in range(size):
        example = [
            x if axis is None else np.take(x, i, axis=axis)
            for x, axis in zip(leaves, axes, strict=True)
        ]
        outs.append(f(*tree.unflatten(structure, example)))
    if not outs:
        return
    out_places = iter(tree.broadcast(out_axes, outs[0], is_leaf=lambda axis: axis is None))

    def stacked(first: Any, *rest: Any) -> Any:
        axis = next(out_places)
        return np.asarray(first) if axis is None else np.stack([first, *rest], axis=axis)

    law = Law("check_vmap", "vmap(f) = stacked f")
    law.require_equal_trees(batched, tree.map(stacked, *outs), "output", atol=atol, rtol=rtol)


def check_custom_rule(
    f: Function,
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[Mode] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Everything that a function with a custom_vjp, custom_jvp or custom_rule has to obey.

    The values under differentiation are those of f; structure, shapes and dtypes fit; both modes
    agree with the numerical derivative and with each other; the jvp is linear in the tangents and
    the pullback in the cotangent; the rules do not modify what they are given.

    Args:
        f: the decorated function.
        args: its arguments, a tuple.
        order: how many times to differentiate.
        modes: `("rev",)` for a custom_vjp whose backward function cannot be differentiated.
        atol: as in `check_grads`.
        rtol: as in `check_grads`.
        eps: as in `check_grads`.

    Raises:
        DerivativeCheckError: if a law fails.
        StructureCheckError: if something has the wrong structure, shape or dtype.

    Example:
        >>> import numpy as np
        >>> check_custom_rule(np.tanh, (np.array([0.5, -1.0]),))
    """
    args = require_args("check_custom_rule", args)
    rng = np.random.default_rng(0)
    before = tree.map(np.array, args)
    check_order("check_custom_rule", f, args, order, modes, Tolerance(atol, rtol, eps))
    if "fwd" in modes:
        superposition_law(
            Law("check_custom_rule", "jvp(α ẋ + β ẏ) = α jvp(ẋ) + β jvp(ẏ)"),
            lambda tangents: jvp(f, args, tangents)[1],
            tangents_like(args, rng),
            rng,
            atol,
            rtol,
        )
    if "rev" in modes:
        out, pullback = vjp(f, *args)
        superposition_law(
            Law("check_custom_rule", "Jᵀ(α a + β b) = α Jᵀa + β Jᵀb"),
            pullback,
            tangents_like(out, rng),
            rng,
            atol,
            rtol,
        )
    law = Law("check_custom_rule", "rules leave their inputs as they are")
    law.require_equal_trees(tree.map(np.asarray, args), before, "args", atol=0.0, rtol=0.0)
