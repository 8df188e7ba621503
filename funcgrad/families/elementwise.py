"""The elementwise family: one rule for each operand, from which both modes and batching follow.

The rule of an operand, `lambda z, x, y, t: ...`, maps a tangent `t` of that operand to the tangent
of the result `z`. An elementwise Jacobian is diagonal, so the same map takes a cotangent of the
result to that of the operand (then summed over the axes along which the operand was broadcast). A
parameter that starts with `_` is not read, and not kept.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive, Pull, register
from funcgrad.core.protocols import DISPATCH, ArrayLike, is_operand
from funcgrad.core.tracer import bind
from funcgrad.families.batching import aligned, batch_rule
from funcgrad.families.shapes import as_operand, fitter, is_complex, shape_of, unbroadcast
from funcgrad.interpreters.record import RecordTracer
from funcgrad.interpreters.specialise import binary_fast_path, unary_fast_path
from funcgrad.interpreters.stage import StageTracer

__all__ = ["REAL", "Elementwise", "constant_call", "elementwise", "piecewise_constant"]

Rule = Callable[..., Any]
Mask = tuple[bool, ...]
REAL = (-3.0, 3.0)


class Elementwise:
    """Rules of one elementwise primitive, sorted by which operands are active."""

    __slots__ = ("_kept", "_pulls", "reducing", "rules")

    def __init__(
        self,
        rules: Sequence[Rule | None],
        pulls: dict[Mask, tuple[str, Pull | None]],
        reducing: dict[int, Rule],
    ) -> None:
        self.rules = rules
        names = ["z", "x", "y"][: len(rules) + 1]
        self._kept = [
            ""
            if rule is None
            else "".join(
                letter
                for letter, parameter in zip(
                    names, inspect.signature(rule).parameters, strict=False
                )
                if not parameter.startswith("_")
            )
            for rule in rules
        ]
        self._pulls = dict(pulls)
        self.reducing = reducing

    def pull(self, active: Mask) -> tuple[str, Pull | None]:
        """What to keep, as letters of `"zxy"`, and the pull that reads it."""
        if active not in self._pulls:
            self._pulls[active] = self._derive(active)
        return self._pulls[active]

    def _derive(self, active: Mask) -> tuple[str, Pull | None]:
        chosen = [i for i, flag in enumerate(active) if flag]
        keep = "".join(letter for letter in "zxy" if any(letter in self._kept[i] for i in chosen))
        rules = [self.rules[i] for i in chosen]
        if len(rules) == 1:
            return keep, _pull_of_one(rules[0], keep, len(active))
        return keep, _pull_of_all(rules, keep, len(active))

    def jvp(
        self, out: Any, args: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        """The sum of all operands' rules."""
        del params
        total = None
        for rule, dot in zip(self.rules, dots, strict=True):
            if dot is not None:
                part = dot if rule is None else rule(out, *args, dot)
                total = part if total is None else total + part
        if shape_of(total) != shape_of(out):
            total = DISPATCH["spread as"](total, out)
        return total

    def vjp(
        self, out: Any, args: Sequence[Any], active: Mask, params: dict[str, Any]
    ) -> tuple[Pull | None, Any]:
        """The pull for the active operands, with what broadcasting and casting ask for."""
        del params
        keep, pull = self.pull(active)
        values = [{"z": out, "x": args[0], "y": args[-1]}[letter] for letter in keep]
        residuals = None if not values else values[0] if len(values) == 1 else tuple(values)
        fitters = [fitter(arg, out) for arg, flag in zip(args, active, strict=True) if flag]
        if any(fitters):
            shapes = [shape_of(arg) for arg, flag in zip(args, active, strict=True) if flag]
            if self.reducing and any(shape != shape_of(out) for shape in shapes):
                pull = self._reduced(active, keep, fitters, shapes, shape_of(out))
            else:
                pull = _fitted(pull, fitters)
        return pull, residuals

    def broadcast(self, out: Any, x: Any, y: Any, active: Mask) -> tuple[Pull | None, Any]:
        """As `vjp`, for plain operands of one dtype that differ in shape."""
        keep, pull = self.pull(active)
        residuals: Any = None
        if keep:
            values = [out if letter == "z" else x if letter == "x" else y for letter in keep]
            residuals = values[0] if len(values) == 1 else tuple(values)
        full = out.shape
        shapes = [a.shape for a, flag in zip((x, y), active, strict=True) if flag]
        fitters = [None if shape == full else _Unbroadcast(shape) for shape in shapes]
        if self.reducing:
            return self._reduced(active, keep, fitters, shapes, full), residuals
        return _fitted(pull, fitters), residuals

    def _reduced(
        self,
        active: Mask,
        keep: str,
        fitters: Sequence[Callable[[Any], Any] | None],
        shapes: Sequence[tuple[int, ...]],
        full: tuple[int, ...],
    ) -> Pull:
        """The pull where an operand was broadcast, whose rule then sums while it multiplies."""
        count = len(active)
        chosen = [i for i, flag in enumerate(active) if flag]

        def part(number: int, values: Sequence[Any], ct: Any) -> Any:
            position, fix = chosen[number], fitters[number]
            summing = self.reducing.get(position)
            if summing is not None and shapes[number] != full:
                ct = summing(*values, ct, shapes[number])
            else:
                rule = self.rules[position]
                ct = ct if rule is None else rule(*values, ct)
            return ct if fix is None else fix(ct)

        def pull(ct: Any, residuals: Any) -> Any:
            values = _spread(residuals, keep, count)
            if len(chosen) == 1:
                return part(0, values, ct)
            return tuple(part(number, values, ct) for number in range(len(chosen)))

        return pull


class _Unbroadcast:
    """`ct -> unbroadcast(ct, shape)`."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __call__(self, ct: Any) -> Any:
        return unbroadcast(ct, self.shape)


def _pull_of_one(rule: Rule | None, keep: str, count: int) -> Pull | None:
    """The pull of one operand; the usual cases are spelled out to save calls."""
    if rule is None:
        return None
    if count == 1:
        if keep == "x":
            return lambda ct, x: rule(None, x, ct)
        if keep == "z":
            return lambda ct, z: rule(z, None, ct)
    elif keep == "x":
        return lambda ct, x: rule(None, x, None, ct)
    elif keep == "y":
        return lambda ct, y: rule(None, None, y, ct)
    elif keep == "xy":
        return lambda ct, xy: rule(None, xy[0], xy[1], ct)
    return lambda ct, residuals: rule(*_spread(residuals, keep, count), ct)


def _pull_of_all(rules: Sequence[Rule | None], keep: str, count: int) -> Pull:
    def pull(ct: Any, residuals: Any) -> tuple[Any, ...]:
        values = _spread(residuals, keep, count)
        return tuple(ct if rule is None else rule(*values, ct) for rule in rules)

    return pull


def _spread(residuals: Any, keep: str, count: int) -> list[Any]:
    values: list[Any] = [None] * (count + 1)
    if len(keep) == 1:
        values["zxy".index(keep)] = residuals
    else:
        for letter, value in zip(keep, residuals or (), strict=True):
            values["zxy".index(letter)] = value
    return values


def _fitted(pull: Pull | None, fitters: Sequence[Callable[[Any], Any] | None]) -> Pull | None:
    if len(fitters) == 1:
        fix = fitters[0]
        if fix is None:
            return pull
        if pull is None:
            return lambda ct, _residuals: fix(ct)
        return lambda ct, residuals: fix(pull(ct, residuals))

    first, second = fitters

    def fitted(ct: Any, residuals: Any) -> tuple[Any, Any]:
        by_x, by_y = pull(ct, residuals)  # type: ignore[misc]  # two operands always have a pull
        return by_x if first is None else first(by_x), by_y if second is None else second(by_y)

    return fitted


def _value(ufunc: Callable[..., Any], weak: bool) -> Callable[..., Any]:
    """The ufunc; of Python numbers alone, operators give Python numbers, so that they stay weak."""
    if not weak:
        return ufunc

    def value(*args: Any) -> Any:
        out = ufunc(*args)
        if type(out) is np.float64 and all(type(arg) in (float, int, complex) for arg in args):
            return float(out)
        return out

    return value


def elementwise(
    ufunc: Any,
    *rules: Rule | None,
    operator: str | None = None,
    pulls: dict[Mask, tuple[str, Pull | None]] | None = None,
    domain: tuple[float, float] | tuple[tuple[float, float], ...] = REAL,
    analytic: bool = True,
    linear: tuple[Mask, ...] = (),
    name: str | None = None,
    value: Callable[..., Any] | None = None,
    fast: bool = True,
    reducing: dict[int, Rule] | None = None,
    same: tuple[str, Pull] | None = None,
    complex_form: Primitive | None = None,
) -> Callable[..., Any]:
    """Declare an elementwise primitive of one or two operands.

    Args:
        ufunc: the NumPy function, which the result implements on traced values.
        *rules: one for each operand; `None` is the identity.
        operator: Python symbol (`"*"`), or special method of one operand (`"__neg__"`).
        pulls: reverse rules written out for speed: `{active operands: (kept letters, pull)}`.
        domain: where it is smooth; one interval, or one an operand (for the law tests).
        analytic: whether the rules hold for complex operands too.
        linear: combinations of active operands in which it is linear.
        name: in place of the ufunc's.
        value: the plain computation, in place of the ufunc.
        fast: whether the recording tracer gets a fast path.
        reducing: by operand, `(z, x, y, ct, shape) -> cotangent` of an operand of that shape that
            was broadcast; by default the rule, then a sum.
        same: for two operands that are one traced value: kept letters, and the pull of it.
        complex_form: what is bound for a complex operand, where `analytic` is false.

    Returns:
        The function, on plain and traced values.
    """
    table = Elementwise(rules, pulls or {}, reducing or {})
    domains = domain if isinstance(domain[0], tuple) else (domain,) * len(rules)
    primitive = register(
        Primitive(
            name=name or ufunc.__name__,
            value=value or _value(ufunc, weak=operator is not None),
            family="elementwise",
            jvp=table.jvp,
            vjp=table.vjp,
            batch=batch_rule(aligned, lambda: primitive),
            linear_in=lambda active: tuple(active) in linear,
            domain=domains,
            analytic=analytic,
        )
    )
    general = _general(ufunc, primitive, complex_form, same)
    if not fast:
        function = general
    elif len(rules) == 1:
        function = unary_fast_path(
            primitive, value or ufunc, table.pull((True,)), general, real_only=not analytic
        )
        if operator is not None:
            setattr(RecordTracer, operator, lambda x: function(x))
    else:
        function = _binary(ufunc, primitive, operator, table, general, same)
    function.__doc__ = f"`numpy.{ufunc.__name__}` on plain and traced values."
    DISPATCH[ufunc] = function
    return function


_SPECIAL = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "**": "pow"}


def _binary(
    ufunc: Any,
    primitive: Primitive,
    operator: str | None,
    table: Elementwise,
    general: Any,
    same: tuple[str, Pull] | None,
) -> Callable[..., Any]:
    """The fast path of two operands; the recording tracer gets it as its operator, too.

    The operator is NotImplemented for foreign types where it is not fast.
    """
    masks = ((True, False), (False, True), (True, True))
    path = functools.partial(
        binary_fast_path,
        primitive,
        ufunc,
        operator,
        {mask: table.pull(mask) for mask in masks},
        weak_only_safe=operator in ("+", "-", "*"),
        same=same,
        broadcast=table.broadcast,
    )
    if operator is not None:

        def usual_operator(x: Any, y: Any) -> Any:
            return general(x, y) if is_operand(x) and is_operand(y) else NotImplemented

        general_operator: Callable[[Any, Any], Any] = usual_operator
        if operator == "**":
            general_operator = _power_operator(primitive, general_operator, table)
            setattr(ArrayLike, "__pow__", general_operator)  # noqa: B010  # a special method, set on the class
        quick, reflected = path(general=general_operator, as_operator=True)
        stem = _SPECIAL[operator]
        setattr(RecordTracer, f"__{stem}__", quick)
        setattr(RecordTracer, f"__r{stem}__", reflected)
    return path(general=general)[0]


_SHORT_POWERS = MappingProxyType(
    {(int, 2): np.square, (int, -1): np.reciprocal, (float, 0.5): np.sqrt}
)
"""What arrays compute for these exponents; of complex numbers it is rounded in another way."""


def _power_operator(
    primitive: Primitive, general: Callable[[Any, Any], Any], table: Elementwise
) -> Callable[[Any, Any], Any]:
    """`x ** y`, with the values that arrays of complex numbers have for it."""

    def operate(x: Any, y: Any) -> Any:
        kind = type(y)
        short = _SHORT_POWERS.get((kind, y)) if kind is int or kind is float else None
        if short is None or not isinstance(x, ArrayLike) or not x.shape:
            return general(x, y)
        if x.dtype.kind == "b" and y == 2:
            return DISPATCH[short](x)  # of int8, as that of an array
        if x.dtype.kind != "c":
            return general(x, y)
        if type(x) is not RecordTracer:
            return DISPATCH[short](x)
        pull = table.pull((True, False))[1]  # as where the value is plain
        return x.owner.push(primitive, (x.index,), pull, (x.value, y), x.value**y)

    return operate


def _general(
    ufunc: Any,
    primitive: Primitive,
    complex_form: Primitive | None = None,
    same: tuple[str, Pull] | None = None,
) -> Callable[..., Any]:
    def function(*args: Any, **options: Any) -> Any:
        if options or len(args) > len(primitive.domain):
            return _with_options(ufunc, function, args, options)
        if same is not None and MODES.staging and args[0] is args[-1]:
            x = args[0]
            if type(x) is RecordTracer and type(x.value) is StageTracer:  # as the fast path does
                out = bind(primitive, x.value, x.value)
                kept = x.value if same[0] == "x" else out
                return x.owner.push(primitive, (x.index,), same[1], kept, out)
        operands = [as_operand(arg) for arg in args]
        if complex_form is not None and any(map(is_complex, operands)):
            return bind(complex_form, *operands)
        return bind(primitive, *operands)

    function.__name__ = primitive.name
    return function


def _with_options(ufunc: Any, function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return DISPATCH["ufunc options"](ufunc, function, args, options)


def piecewise_constant(
    ufunc: Any,
    name: str | None = None,
    value: Any = None,
    complex_form: Primitive | None = None,
) -> Callable[..., Any]:
    """Declare an elementwise primitive with derivative zero wherever there is one.

    Its results carry no derivative: `np.floor(x)` is a value of the transform around this one.
    Of a complex operand it may have one; then `complex_form` is bound.
    """
    primitive = register(
        Primitive(
            name=name or ufunc.__name__,
            value=value or ufunc,
            family="piecewise constant",
            jvp=None,
            vjp=None,
            batch=batch_rule(aligned, lambda: primitive),
            domain=(REAL,) * getattr(ufunc, "nin", 1),
            analytic=False,
        )
    )
    function = _general(ufunc, primitive, complex_form)
    function.__doc__ = (
        f"`numpy.{primitive.name}` on plain and traced values; its derivative is zero."
    )
    DISPATCH[ufunc] = function
    return function


def constant_call(
    name: str, value: Callable[..., Any], batch: Any, data_dependent: bool = False
) -> Primitive:
    """Declare a primitive with parameters and derivative zero (`argsort`, a cast to int, ...)."""
    primitive = register(
        Primitive(
            name=name,
            value=value,
            family="piecewise constant",
            jvp=None,
            vjp=None,
            batch=batch_rule(batch, lambda: primitive),
            data_dependent=data_dependent,
        )
    )
    return primitive
