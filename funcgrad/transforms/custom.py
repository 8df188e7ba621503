"""Functions with derivative rules of their own: custom_vjp, custom_jvp, custom_rule.

Such a function is a primitive of its own, so that Wengert lists and programs keep its rule. Its
operands are the leaves of its arguments, its one parameter a `Call` (`funcgrad.transforms.rules`),
and what each transform does with it is in `funcgrad.transforms.dispatch`.
"""

import functools
import inspect
import operator
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.tracer import Tracer
from funcgrad.errors import CustomRuleError
from funcgrad.transforms.arguments import function_name
from funcgrad.transforms.dispatch import apply, primitive_of
from funcgrad.transforms.rules import Rules, UserCall

__all__ = ["CustomFunction", "custom_jvp", "custom_rule", "custom_vjp"]


class CustomFunction:
    """A function with derivative rules of its own; called like the function itself.

    Args:
        fun: the function.
        nondiff_argnums: positions of arguments that are passed on as they are.
    """

    def __init__(
        self, transform: str, fun: Callable[..., Any], nondiff_argnums: int | Iterable[int]
    ) -> None:
        if not callable(fun):
            raise CustomRuleError(
                f"{transform}: was given a {type(fun).__name__}. It needs a function to give rules "
                f"to. Write {transform}(f), or @{transform} above its definition."
            )
        functools.update_wrapper(self, fun)
        name = function_name(fun)
        self._rules = Rules(name, primitive_of(name), fun)
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        self._nondiff = numbers
        self._signature = _signature(fun)
        self._arity = _arity(self._signature)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function; inside a transform, with its rules."""
        name = self._rules.name
        args = self._positional(args, kwargs)
        nondiff = tuple((position, args[position]) for position in self._positions(len(args)))
        for position, value in nondiff:
            if any(isinstance(leaf, Tracer) for leaf in tree.leaves(value)):
                raise CustomRuleError(
                    f"{name}: argument {position} is in nondiff_argnums, but holds a traced value. "
                    "Such arguments are passed on by value, and have no derivative. Take it out of "
                    "nondiff_argnums (its cotangent may be None), or pass stop_gradient(x)."
                )
        skipped = {position for position, _ in nondiff}
        chosen = tuple(arg for position, arg in enumerate(args) if position not in skipped)
        leaves, structure = tree.flatten(chosen)
        if not any(isinstance(leaf, Tracer) for leaf in leaves):
            return self._rules.fun(*args)
        call = UserCall(self._rules, structure, nondiff)
        outs = apply(leaves, call)
        return tree.unflatten(call.out_structure, outs)

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments by position, defaults included, as the rules get them."""
        if not kwargs and len(args) == self._arity:
            return args
        if self._signature is None:
            if not kwargs:
                return args
            unknown = sorted(kwargs)
        else:
            bound = self._signature.bind(*args, **kwargs)
            unknown = sorted(bound.kwargs)
            bound.apply_defaults()
            if not unknown:
                return bound.args
        raise CustomRuleError(
            f"{self._rules.name}: the arguments {unknown} can be given by keyword only. The rules "
            "get their arguments by position. Make them positional in the signature of the "
            "function, or bind them with functools.partial first."
        )

    def _positions(self, count: int) -> list[int]:
        positions = []
        for number in self._nondiff:
            position = number + count if number < 0 else number
            if not 0 <= position < count:
                raise CustomRuleError(
                    f"{self._rules.name}: nondiff_argnums={self._nondiff}, but it was called with "
                    f"{count} arguments. There is no argument {number}. Choose from {-count} to "
                    f"{count - 1}."
                )
            positions.append(position)
        return sorted(set(positions))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._rules.name}>"


def _signature(fun: Callable[..., Any]) -> inspect.Signature | None:
    if isinstance(fun, np.ufunc):  # its out, dtype, where are no arguments of the mathematics
        return None
    try:
        return inspect.signature(fun)
    except (TypeError, ValueError):
        return None


def _arity(signature: inspect.Signature | None) -> int | None:
    """How many arguments there are, if they can all be given by position."""
    parameters = [] if signature is None else list(signature.parameters.values())
    simple = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(parameter.kind not in simple for parameter in parameters):
        return None
    return len(parameters)


class CustomVjp(CustomFunction):
    """See `custom_vjp`."""

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the reverse rule.

        Args:
            fwd: takes the arguments of the function, and returns `(result, residuals)`, with any
                pytree as residuals.
            bwd: takes the values of `nondiff_argnums`, the residuals, and the cotangent of the
                result (exactly of its shapes and dtypes), and returns a tuple with one cotangent
                for each other argument, or `None` where it is zero.
        """
        self._rules.fwd, self._rules.bwd = fwd, bwd


class CustomJvp(CustomFunction):
    """See `custom_jvp`."""

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Set the forward rule; can be used as a decorator.

        Args:
            jvp: takes the values of `nondiff_argnums`, a tuple with the other arguments, and a
                tuple with their tangents, and returns `(result, tangent of the result)`; it must
                be linear in the tangents.

        Returns:
            `jvp` itself.
        """
        self._rules.jvp = jvp
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Set the forward rule as a sum over the arguments.

        Args:
            *jvps: one function for each argument, `(tangent, result, *primals)` to its part of the
                tangent of the result; `None` where it is zero.
        """
        if self._nondiff:
            raise CustomRuleError(
                f"{self._rules.name}: defjvps with nondiff_argnums={self._nondiff}. It needs a "
                "rule for each argument. Use defjvp."
            )
        self._rules.jvp = functools.partial(_sum_of_jvps, weakref.ref(self._rules), jvps)


def _sum_of_jvps(
    reference: "weakref.ref[Rules]",
    jvps: tuple[Callable[..., Any] | None, ...],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
) -> tuple[Any, Any]:
    rules = reference()
    assert rules is not None  # whoever calls a rule holds the rules
    if len(jvps) != len(primals):
        raise CustomRuleError(
            f"{rules.name}: defjvps was given {len(jvps)} rules, but it was called with "
            f"{len(primals)} arguments. Each argument needs one. Pass None for one whose "
            "derivative is zero."
        )
    leaves, structure = tree.flatten(primals)
    call = UserCall(rules, structure, ())
    outs = apply(leaves, call)
    out = tree.unflatten(call.out_structure, outs)
    total: Any = None
    for jvp, dot in zip(jvps, tangents, strict=True):
        if jvp is not None:
            part = jvp(dot, out, *primals)
            total = part if total is None else tree.map(operator.add, total, part)
    return out, total


def custom_vjp(fun: Callable[..., Any], nondiff_argnums: int | Iterable[int] = ()) -> CustomVjp:
    """Give a function a reverse rule of its own: ct ↦ bwd(residuals, ct) in place of ctᵀ ∂f(x).

    The rule holds in every transform: `vmap` maps it, `make_program` keeps it, and forward mode
    uses the transpose of `bwd`, which is possible if `bwd` is made of NumPy operations on the
    cotangent. Second derivatives differentiate `fwd` and `bwd`.

    Inside a transform the rules get plain arrays read-only. Values of the same or a newer transform
    that they reach through a closure raise `CapturedTracerError`, unlike those of an older one.

    Args:
        fun: function of arrays or pytrees of arrays.
        nondiff_argnums: positions of arguments that are passed on by value, such as functions.

    Returns:
        The function, with a method `defvjp(fwd, bwd)` that sets the rule.

    Raises:
        CustomRuleError: in a derivative, if there is no rule, if what it returns does not fit
            (the message names the function and the key path), or, in forward mode, if `bwd`
            cannot be traced.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> @fg.custom_vjp
        ... def clipped(x):
        ...     return x
        >>> clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
        >>> fg.grad(lambda x: np.sum(clipped(x) ** 2))(np.array([0.25, 3.0]))
        array([0.5, 1. ])
    """
    return CustomVjp("custom_vjp", fun, nondiff_argnums)


def custom_jvp(fun: Callable[..., Any], nondiff_argnums: int | Iterable[int] = ()) -> CustomJvp:
    """Give a function a forward rule of its own: ẋ ↦ jvp(x, ẋ) in place of ∂f(x) ẋ.

    The rule holds in every transform: `vmap` maps it, `make_program` keeps it, and reverse mode
    uses its transpose. Second derivatives differentiate the rule. Closures are treated as by
    `custom_vjp`.

    Args:
        fun: function of arrays or pytrees of arrays.
        nondiff_argnums: positions of arguments that are passed on by value, such as functions.

    Returns:
        The function, with methods `defjvp(jvp)` and `defjvps(*jvps)` that set the rule.

    Raises:
        CustomRuleError: in a derivative, if there is no rule, if what it returns does not fit, or,
            in reverse mode, if it is not linear in the tangents.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> @fg.custom_jvp
        ... def softplus(x):
        ...     return np.log1p(np.exp(x))
        >>> @softplus.defjvp
        ... def softplus_jvp(primals, tangents):
        ...     return softplus(*primals), tangents[0] / (1 + np.exp(-primals[0]))
        >>> fg.grad(softplus)(0.0)
        np.float64(0.5)
    """
    return CustomJvp("custom_jvp", fun, nondiff_argnums)


def custom_rule(
    fun: Callable[..., Any],
    *,
    jvp: Callable[..., Any] | None = None,
    vjp: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    nondiff_argnums: int | Iterable[int] = (),
) -> CustomFunction:
    """Give a function rules for either mode or both: the missing one is the other's transpose.

    Args:
        fun: function of arrays or pytrees of arrays.
        jvp: forward rule, as of `custom_jvp`: `(primals, tangents) -> (result, its tangent)`.
        vjp: reverse rule, as of `custom_vjp`: the pair `(fwd, bwd)`.
        nondiff_argnums: positions of arguments that are passed on by value, such as functions.

    Returns:
        The function with its rules.

    Raises:
        CustomRuleError: if there is neither rule, or later as for `custom_vjp` and `custom_jvp`.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> cube = fg.custom_rule(
        ...     lambda x: x**3, vjp=(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))
        ... )
        >>> fg.jvp(cube, (2.0,), (1.0,))
        (np.float64(8.0), np.float64(12.0))
    """
    function = CustomFunction("custom_rule", fun, nondiff_argnums)
    rules = function._rules
    if vjp is not None and (not isinstance(vjp, tuple | list) or len(vjp) != 2):
        raise CustomRuleError(
            f"custom_rule: vjp is a {type(vjp).__name__}. A reverse rule has two parts. Pass "
            "vjp=(fwd, bwd)."
        )
    if jvp is None and vjp is None:
        raise CustomRuleError(
            f"custom_rule: {rules.name} was given neither jvp nor vjp. There is no rule to use. "
            "Pass jvp=..., vjp=(fwd, bwd), or both."
        )
    rules.jvp = jvp
    rules.fwd, rules.bwd = vjp or (None, None)
    return function
