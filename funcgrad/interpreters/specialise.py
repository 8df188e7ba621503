"""Fast paths of the recording tracer: source templates, filled in once for each hot primitive.

They handle what occurs almost always, with the fewest interpreter steps: operands of one trace with
equal shapes and dtypes, or one such operand beside a plain array of the same kind or a Python
number. Everything else goes to the general path (`bind`), which gives the same results. A generated
function can be stepped through in a debugger, because its source is entered into `linecache`.

Compiling them all would take half of the import's time, so each is compiled when it is first
called: it starts with the code of a stub, which gives the function its own code and calls it again.
"""

import linecache
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive, Pull
from funcgrad.interpreters.record import SMALL, RecordTracer, position_of

__all__ = ["binary_fast_path", "unary_fast_path"]

_APPEND = """\
{indent}owner = {tracer}.owner
{indent}records = owner.records
{indent}t = new(RecordTracer)
{indent}t.value = z
{indent}t.owner = owner
{indent}record = (primitive, {parents}, {pull}, {residuals})
{indent}records.append(record)
{indent}t.index = index = len(records) - 1
{indent}if records[index] is not record:
{indent}    t.index = position_of(record, records)
{indent}return t
"""

_UNARY = """\
def {name}(x, /, **options):
    if type(x) is RecordTracer and not options:
        xv = x.value
        if {plain}:
            z = ufunc(xv)
{append}    return general(x, **options)
"""

_BINARY = """\
def {name}(x, y, /{taken}):
{options}    if type(x) is RecordTracer:
        xv = x.value
        if (type(y) is float or type(y) is int){weak_x}:
            z = {expression_y}
{append_xs}        if type(y) is RecordTracer:
            if y.owner is x.owner:
                yv = y.value
                if type(xv) is ndarray is type(yv):
                    if xv.dtype is yv.dtype:
                        z = {expression}
                        if xv.shape != yv.shape:
                            pull, residuals = broadcast(z, xv, yv, BOTH)
{append_broadcast_xy}{append_same}{append_xy}                elif {numbers}:
                    z = {expression}
{append_same_2}{append_xy_2}                elif (
                    (type(xv) is ndarray and type(yv) is float64)
                    or (type(xv) is float64 and type(yv) is ndarray)
                ) and xv.dtype is yv.dtype:
                    z = {expression}
                    if xv.shape != yv.shape:
                        pull, residuals = broadcast(z, xv, yv, BOTH)
{append_broadcast_xy_2}{append_xy_2}        elif type(y) is ndarray:
            if type(xv) is ndarray and xv.dtype is y.dtype:
                z = {expression_y}
{capture_y}                if xv.shape != y.shape:
                    pull, residuals = broadcast(z, xv, {kept_y}, X)
{append_broadcast_x}{append_x}        elif type(y) is float64 and (
            type(xv) is float64 or (type(xv) is ndarray and xv.dtype is y.dtype)
        ):
            z = {expression_y}
{append_xs}    elif type(y) is RecordTracer:
        yv = y.value
        if (type(x) is float or type(x) is int){weak_y}:
            z = {expression_x}
{append_ys}        if type(x) is ndarray:
            if type(yv) is ndarray and yv.dtype is x.dtype:
                z = {expression_x}
{capture_x}                if yv.shape != x.shape:
                    pull, residuals = broadcast(z, {kept_x}, yv, Y)
{append_broadcast_y}{append_y}        elif type(x) is float64 and (
            type(yv) is float64 or (type(yv) is ndarray and yv.dtype is x.dtype)
        ):
            z = {expression_x}
{append_ys}    return general(x, y)
"""

_OPTIONS = """\
    if options:
        return general(x, y, **options)
"""


def _reflected(y: Any, x: Any, /) -> Any:
    return itself(x, y)  # type: ignore[name-defined]  # noqa: F821  # in the globals it is given


def _unary_stub(x: Any, /, **options: Any) -> Any:
    write()  # type: ignore[name-defined]  # noqa: F821  # likewise
    return itself(x, **options)  # type: ignore[name-defined]  # noqa: F821  # likewise


def _binary_stub(x: Any, y: Any, /, **options: Any) -> Any:
    write()  # type: ignore[name-defined]  # noqa: F821  # likewise
    return itself(x, y, **options)  # type: ignore[name-defined]  # noqa: F821  # likewise


def _operator_stub(x: Any, y: Any, /) -> Any:
    write()  # type: ignore[name-defined]  # noqa: F821  # likewise
    return itself(x, y)  # type: ignore[name-defined]  # noqa: F821  # likewise


def _lazy(
    name: str, title: str, stub: Any, names: dict[str, Any], source: Callable[[], str]
) -> Callable[..., Any]:
    """A function that is compiled from its source when it is first called.

    Args:
        name: of the function in its source.
        title: what debuggers show as its file.
        stub: with the signature of the function; its code asks for the real one.
        names: the function's globals.
        source: writes the source.
    """
    names["__name__"] = __name__  # error messages look for the first frame outside funcgrad
    function = FunctionType(stub.__code__, names, name)

    def write() -> None:
        text, filename = source(), f"<funcgrad fast path of {title}>"
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        (code,) = (
            constant
            for constant in compile(text, filename, "exec").co_consts
            if isinstance(constant, CodeType)
        )
        function.__code__ = code

    names["write"], names["itself"] = write, function
    return function


def _residuals(keep: str, x: str, y: str) -> str:
    """`"xz"` -> `"(xv, z)"`: what a record of this kind keeps."""
    values = [{"x": x, "y": y, "z": "z"}[letter] for letter in keep]
    return "None" if not values else values[0] if len(values) == 1 else f"({', '.join(values)})"


def _append(tracer: str, parents: str, pull: str, residuals: str, indent: int) -> str:
    return _APPEND.format(
        tracer=tracer, parents=parents, pull=pull, residuals=residuals, indent=" " * indent
    )


def unary_fast_path(
    primitive: Primitive,
    ufunc: Callable[..., Any],
    rule: tuple[str, Pull | None],
    general: Callable[..., Any],
    real_only: bool,
) -> Callable[..., Any]:
    """The function of one operand that records quickly.

    Args:
        primitive: what to record.
        ufunc: the NumPy function.
        rule: what to keep (letters of `"xz"`), and the pull that reads it.
        general: what handles every other case.
        real_only: whether the pull is wrong for complex values.

    Returns:
        A function of `x` and NumPy's options.
    """
    keep, pull = rule
    plain = "type(xv) is float64 or type(xv) is ndarray"
    if real_only:
        plain = "type(xv) is float64 or (type(xv) is ndarray and xv.dtype.kind == 'f')"
    name = primitive.name

    def source() -> str:
        append = _append("x", "x.index", "pull", _residuals(keep, "xv", ""), 12)
        return _UNARY.format(name=name, plain=plain, append=append)

    names: dict[str, Any] = {
        "RecordTracer": RecordTracer,
        "float64": np.float64,
        "general": general,
        "ndarray": np.ndarray,
        "new": object.__new__,
        "position_of": position_of,
        "primitive": primitive,
        "pull": pull,
        "ufunc": ufunc,
    }
    return _lazy(name, name, _unary_stub, names, source)


def binary_fast_path(
    primitive: Primitive,
    ufunc: Callable[..., Any],
    symbol: str | None,
    rules: dict[tuple[bool, bool], tuple[str, Pull | None]],
    general: Callable[..., Any],
    weak_only_safe: bool,
    same: tuple[str, Pull] | None,
    broadcast: Callable[..., tuple[Pull | None, Any]],
    as_operator: bool = False,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The function of two operands that records quickly, and its reflection.

    Args:
        primitive: what to record.
        ufunc: the NumPy function.
        symbol: the Python operator, `None` to call the function.
        rules: for each combination of active operands, what to keep (letters of `"xyz"`), and
            the pull that reads it.
        general: what handles every other case.
        weak_only_safe: whether two Python numbers may be combined by the operator itself; not for
            `/` and `**`, which raise where NumPy gives inf.
        same: what to keep, and the pull, where both operands are one traced value.
        broadcast: `(z, x, y, active) -> (pull, residuals)` for operands of different shapes.
        as_operator: whether to leave out NumPy's options, which take time even if none is given.

    Returns:
        `f(x, y, **options)`, or `f(x, y)`, and `f_reflected(y, x)`.
    """
    name = primitive.name
    names: dict[str, Any] = {
        "BOTH": (True, True),
        "RecordTracer": RecordTracer,
        "X": (True, False),
        "Y": (False, True),
        "broadcast": broadcast,
        "float64": np.float64,
        "general": general,
        "ndarray": np.ndarray,
        "new": object.__new__,
        "position_of": position_of,
        "primitive": primitive,
        "pull_same": None if same is None else same[1],
        "pull_x": rules[True, False][1],
        "pull_xy": rules[True, True][1],
        "pull_y": rules[False, True][1],
        "ufunc": ufunc,
    }
    keeps = {active: keep for active, (keep, _) in rules.items()}

    def source() -> str:
        return _binary_source(
            name, symbol, keeps, None if same is None else same[0], weak_only_safe, as_operator
        )

    title = f"operator {symbol}" if as_operator else name
    stub = _operator_stub if as_operator else _binary_stub
    function = _lazy(name, title, stub, names, source)
    return function, FunctionType(_reflected.__code__, names, f"{name}_reflected")


def _binary_source(
    name: str,
    symbol: str | None,
    keeps: dict[tuple[bool, bool], str],
    keep_same: str | None,
    weak_only_safe: bool,
    as_operator: bool,
) -> str:
    """The template for these rules; the arguments are those of `binary_fast_path`."""

    def expression(x: str, y: str) -> str:
        return f"ufunc({x}, {y})" if symbol is None else f"{x} {symbol} {y}"

    keep_x, keep_y, keep_xy = keeps[True, False], keeps[False, True], keeps[True, True]
    captured = "{v} = {a}.copy() if {a}.nbytes <= {small} else {t}.owner.guard({a})\n"
    capture_y = captured.format(v="yv", a="y", t="x", small=SMALL) if "y" in keep_x else ""
    capture_x = captured.format(v="xv", a="x", t="y", small=SMALL) if "x" in keep_y else ""
    append_same = append_same_2 = ""
    if keep_same is not None:
        kept = _residuals(keep_same, "xv", "xv")
        append_same, append_same_2 = (
            " " * indent + "if x is y:\n" + _append("x", "x.index", "pull_same", kept, indent + 4)
            for indent in (24, 20)
        )
    both = "(x.index, y.index)"
    return _BINARY.format(
        name=name,
        taken="" if as_operator else ", **options",
        options="" if as_operator else _OPTIONS,
        weak_x="" if weak_only_safe else " and type(xv) is not float",
        weak_y="" if weak_only_safe else " and type(yv) is not float",
        expression=expression("xv", "yv"),
        expression_y=expression("xv", "y"),
        expression_x=expression("x", "yv"),
        append_xs=_append("x", "x.index", "pull_x", _residuals(keep_x, "xv", "y"), 12),
        append_xy=_append("x", both, "pull_xy", _residuals(keep_xy, "xv", "yv"), 24),
        append_xy_2=_append("x", both, "pull_xy", _residuals(keep_xy, "xv", "yv"), 20),
        append_broadcast_xy=_append("x", both, "pull", "residuals", 28),
        append_broadcast_xy_2=_append("x", both, "pull", "residuals", 24),
        numbers="type(xv) is float64 is type(yv)"
        + (" or type(xv) is float is type(yv)" if weak_only_safe or symbol is None else ""),
        append_broadcast_x=_append("x", "x.index", "pull", "residuals", 20),
        append_broadcast_y=_append("y", "y.index", "pull", "residuals", 20),
        kept_x="xv" if capture_x else "x",
        kept_y="yv" if capture_y else "y",
        append_same_2=append_same_2,
        append_same=append_same,
        capture_y=" " * 16 + capture_y if capture_y else "",
        append_x=_append("x", "x.index", "pull_x", _residuals(keep_x, "xv", "yv"), 16),
        append_ys=_append("y", "y.index", "pull_y", _residuals(keep_y, "x", "yv"), 12),
        capture_x=" " * 16 + capture_x if capture_x else "",
        append_y=_append("y", "y.index", "pull_y", _residuals(keep_y, "xv", "yv"), 16),
    )
