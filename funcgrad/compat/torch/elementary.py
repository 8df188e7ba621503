"""Elementary functions of one element at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.fast import fast_unary
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import both, only, unary
from funcgrad.compat.torch.recorded_relu import relu_of
from funcgrad.compat.torch.registry import expose

__all__ = ["UNARY", "absolute", "enter_unary", "negative", "reciprocal"]

UNARY: dict[str, Callable[..., Any]] = {}
"""Functions of one operand by PyTorch's name; each is a method, and in place with `_`, too."""


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + fnp.exp(-x)) if x.dtype.kind == "c" else nn.sigmoid(x)


def _whole(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Rounding, which leaves integers as they are."""

    def rounding(x: Any) -> Any:
        return function(x) if x.dtype.kind == "f" else fnp.copy(x)

    return rounding


def _sign(x: Any) -> Any:
    """The sign; 0 for a real NaN."""
    if x.dtype == np.bool_:
        return fnp.copy(x)
    if x.dtype.kind != "f":
        return fnp.sign(x)
    return fnp.where(x == x, fnp.sign(x), x.dtype.type(0))  # noqa: PLR0124  # false for NaN


def _real(word: str) -> Callable[..., None]:
    return only("bif", f"{word}_cpu")


_FLOATS: tuple[tuple[str, str, Callable[[Any], Any], str, Any], ...] = (
    ("sin", "SinBackward0", fnp.sin, "sin", None),
    ("cos", "CosBackward0", fnp.cos, "cos", None),
    ("tan", "TanBackward0", fnp.tan, "tan", None),
    ("asin arcsin", "AsinBackward0", fnp.arcsin, "arcsin", None),
    ("acos arccos", "AcosBackward0", fnp.arccos, "arccos", None),
    ("atan arctan", "AtanBackward0", fnp.arctan, "arctan", None),
    ("sinh", "SinhBackward0", fnp.sinh, "sinh", None),
    ("cosh", "CoshBackward0", fnp.cosh, "cosh", None),
    ("tanh", "TanhBackward0", fnp.tanh, "tanh", None),
    ("asinh arcsinh", "AsinhBackward0", fnp.arcsinh, "arcsinh", None),
    ("acosh arccosh", "AcoshBackward0", fnp.arccosh, "arccosh", None),
    ("atanh arctanh", "AtanhBackward0", fnp.arctanh, "arctanh", None),
    ("exp", "ExpBackward0", fnp.exp, "exp", None),
    ("exp2", "Exp2Backward0", fnp.exp2, "exp2", None),
    ("expm1", "Expm1Backward0", fnp.expm1, "expm1", None),
    ("log", "LogBackward0", fnp.log, "log", None),
    ("log2", "Log2Backward0", fnp.log2, "log2", None),
    ("log10", "Log10Backward0", fnp.log10, "log10", None),
    ("log1p", "Log1PBackward0", fnp.log1p, "log1p", None),
    ("sqrt", "SqrtBackward0", fnp.sqrt, "sqrt", None),
    ("rsqrt", "RsqrtBackward0", lambda x: fnp.reciprocal(fnp.sqrt(x)), "", None),
    ("reciprocal", "ReciprocalBackward0", fnp.reciprocal, "reciprocal", None),
    ("sigmoid", "SigmoidBackward0", _sigmoid, "expit", None),
    ("erf", "ErfBackward0", nn.erf, "erf", _real("erf_vml")),
    ("erfc", "ErfcBackward0", nn.erfc, "erfc", _real("erfc_vml")),
    ("lgamma", "LgammaBackward0", nn.lgamma, "lgamma", _real("lgamma_vml")),
    ("digamma", "DigammaBackward0", nn.digamma, "digamma", only("bif", "digamma")),
    ("sinc", "SincBackward0", fnp.sinc, "", None),
    ("deg2rad", "Deg2RadBackward0", fnp.deg2rad, "deg2rad",
     only("bif", text="deg2rad is not supported for complex tensors.")),
    ("rad2deg", "Rad2DegBackward0", fnp.rad2deg, "rad2deg",
     only("bif", text="rad2deg is not supported for complex tensors.")),
)  # fmt: skip
"""Names, node, function, the core's primitive if it is one, check; integers become floats."""

NO_BOOL_NEGATION = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a "
    "mask, use the `~` or `logical_not()` operator instead."
)
NO_COMPLEX_CLAMP = "clamp is not supported for complex types"
SGN_INSTEAD = (
    "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn "
    "instead."
)


def _rounding_check(name: str) -> Callable[..., None]:
    text = f"{name} is not supported for complex inputs"
    return both(only("ifc", f"{name}_vml_cpu"), only("bif", text=text, error=NotImplementedError))


_OTHERS: tuple[tuple[str, str, Callable[[Any], Any], str, Any], ...] = (
    ("abs absolute", "AbsBackward0", fnp.abs, "absolute", only("ifc", "abs_cpu")),
    ("neg negative", "NegBackward0", fnp.negative, "negative", only("ifc", text=NO_BOOL_NEGATION)),
    ("relu", "ReluBackward0", relu_of, "relu",
     both(only("ifc", text="Boolean inputs not supported for relu"),
          only("bif", text=NO_COMPLEX_CLAMP, error=NotImplementedError))),
    ("floor", "FloorBackward0", _whole(fnp.floor), "", _rounding_check("floor")),
    ("ceil", "CeilBackward0", _whole(fnp.ceil), "", _rounding_check("ceil")),
    ("trunc fix", "TruncBackward0", _whole(fnp.trunc), "", _rounding_check("trunc")),
    ("frac", "FracBackward0", lambda x: x - fnp.trunc(x), "", only("f", "frac_cpu")),
    ("sign", "SignBackward0", _sign, "",
     only("bif", text=SGN_INSTEAD, error=NotImplementedError)),
    ("sgn", "SgnBackward0", _sign, "", None),
)  # fmt: skip
"""The same, where the type stays."""


def enter_unary(
    row: tuple[str, str, Callable[[Any], Any], str, Any], promote: str, linear: bool = False
) -> None:
    """Enter the functions of a row of the tables."""
    names, node, function, primitive, check = row
    aliases = names.split()
    op = Op(node, function, promote=promote, check=check, linear=linear)
    general = unary(aliases[0], op)
    public = fast_unary(op, primitive, general) if primitive else general
    public.__name__ = public.__qualname__ = aliases[0]
    public.__doc__ = general.__doc__
    for alias in aliases:
        UNARY[alias] = public
    expose(aliases, public, inplace=True)


for _row in _FLOATS:
    enter_unary(_row, "float", _row[0] in ("deg2rad", "rad2deg"))
for _row in _OTHERS:
    enter_unary(_row, "", _row[0] == "neg negative")
absolute, negative, reciprocal = (UNARY[_name] for _name in ("abs", "neg", "reciprocal"))
