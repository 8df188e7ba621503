"""`torch.special`, and its functions that `torch` itself offers too."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad import special_values
from funcgrad.compat.torch.elementary import UNARY
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import binary, only, unary, with_out
from funcgrad.compat.torch.pointwise_more import (
    logit,
    mvlgamma,
    polygamma,
    without_rule,
    xlog1py,
    xlogy,
)
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.primitives import special_functions as core
from funcgrad.primitives.signal import bessel_i
from funcgrad.transforms.stop_gradient import stop_gradient

__all__ = ["ndtr", "zeta"]


def _real_op(node: str, function: Callable[[Any], Any], word: str) -> Op:
    return Op(node, function, promote="float", check=only("bif", word))


# --- one operand ------------------------------------------------------------------------------


def _bessel(order: int) -> Callable[[Any], Any]:
    """Iₙ, computed in double precision whatever the type; I₀(±∞) is ∞, unlike NumPy's."""

    def value(x: Any) -> Any:
        end = np.isinf(x)
        inside = bessel_i(np.where(end, 0, x).astype(np.float64), order).astype(x.dtype)
        return np.where(end, x if order % 2 else np.absolute(x), inside)[()]

    return value


def _scaled_bessel(order: int) -> Callable[[Any], Any]:
    return lambda x: core.scaled_bessel_i(x, order)


_ONE = (
    ("erfinv", "ErfinvBackward0", core.erfinv, "erfinv_vml_cpu"),
    ("i0", "I0Backward0", _bessel(0), "i0_vml_cpu"),
    ("i0e", "SpecialI0EBackward0", _scaled_bessel(0), "i0e_cpu"),
    ("i1", "SpecialI1Backward0", _bessel(1), "i1_cpu"),
    ("i1e", "SpecialI1EBackward0", _scaled_bessel(1), "i1e_cpu"),
    ("erfcx", "SpecialErfcxBackward0", core.erfcx, "erfcx_cpu"),
    ("entr", "SpecialEntrBackward0", core.entr, "entr_cpu"),
    ("log_ndtr", "SpecialLogNdtrBackward0", core.log_ndtr, "log_ndtr_cpu"),
    ("ndtri", "SpecialNdtriBackward0", core.ndtri, "ndtri_cpu"),
)
for _name, _node, _function, _word in _ONE:
    _public = unary(_name, _real_op(_node, _function, _word))
    expose(_name, _public, module="special", method=False)
    if _name in ("erfinv", "i0"):
        expose(_name, _public, inplace=True)
        UNARY[_name] = _public
# PyTorch has values of these and no derivatives: a result never requires grad.
_VALUES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("modified_bessel_i0", functools.partial(special_values.bessel_i, 0)),
    ("modified_bessel_i1", functools.partial(special_values.bessel_i, 1)),
    ("airy_ai", special_values.airy_ai),
    ("bessel_j0", special_values.j0),
    ("bessel_j1", special_values.j1),
    ("bessel_y0", special_values.y0),
    ("bessel_y1", special_values.y1),
    ("modified_bessel_k0", special_values.k0),
    ("modified_bessel_k1", special_values.k1),
    ("scaled_modified_bessel_k0", special_values.k0e),
    ("scaled_modified_bessel_k1", special_values.k1e),
)
for _name, _value in _VALUES:
    _op = Op(None, _value, promote="float", check=only("bif", f"{_name}_cpu"), name=_name)
    expose(_name, unary(_name, _op), module="special", method=False)

_scaled_op = Op("MulBackward1", lambda x, *, factor: x * factor, promote="float", linear=True)
_raised_op = Op("AddBackward1", lambda x: x + 1)


def ndtr(input: Any, *, out: Any = None) -> Any:
    """The distribution function of the normal distribution, (1 + erf(input / √2)) / 2."""
    scaled = _scaled_op(input, factor=1 / math.sqrt(2))
    return _halved(_raised_op(UNARY["erf"](scaled)), out=out)


_halved = with_out(lambda x: _scaled_op(x, factor=0.5), "special_ndtr")

for _names, _function in (
    ("expit", UNARY["sigmoid"]),
    ("erf", UNARY["erf"]),
    ("erfc", UNARY["erfc"]),
    ("expm1", UNARY["expm1"]),
    ("exp2", UNARY["exp2"]),
    ("log1p", UNARY["log1p"]),
    ("sinc", UNARY["sinc"]),
    ("gammaln", UNARY["lgamma"]),
    ("digamma psi", UNARY["digamma"]),
    ("logit", with_out(logit)),
    ("polygamma", with_out(polygamma)),
    ("multigammaln", with_out(mvlgamma)),
    ("xlogy", xlogy),
    ("xlog1py", xlog1py),
    ("ndtr", ndtr),
):
    expose(_names.split(), _function, module="special", method=False)


# --- two operands -----------------------------------------------------------------------------


def _constant(a: Any, message: str) -> tuple[Any, Any]:
    """An operand without its derivative, and zeros whose derivative by it raises."""
    zeros = without_rule(np.zeros_like, message, NotImplementedError)
    return stop_gradient(a), zeros(a)


def _zeta_value(s: Any, q: Any) -> Any:
    s, zeros = _constant(s, "the derivative for 'zeta' is not implemented.")
    return core.zeta(s, q) + zeros


def _zeta_op(node: str, function: Callable[..., Any]) -> Op:
    return Op(node, function, promote="float", check=only("bif", "zeta_cpu"))


_zeta_ops = (
    _zeta_op("SpecialZetaBackward0", _zeta_value),
    _zeta_op("SpecialZetaBackward1", lambda q, *, number: core.zeta(q.dtype.type(number), q)),
    _zeta_op("SpecialZetaBackward2", lambda s, *, number: _zeta_value(s, s.dtype.type(number))),
)


def _zeta(s: Any, q: Any) -> Any:
    if not isinstance(s, Tensor):
        return _zeta_ops[1](q, number=s)
    return _zeta_ops[0](s, q) if isinstance(q, Tensor) else _zeta_ops[2](s, number=q)


zeta = binary("zeta", _zeta, numbers="xy", doc="Hurwitz's ζ: the sum of (other + k)^-input.")
expose("zeta", zeta, module="special", method=False)


def _incomplete(name: str, node: str, function: Callable[[Any, Any], Any], alias: str) -> None:
    message = f"the derivative for '{name}: input' is not implemented."

    def value(a: Any, x: Any) -> Any:
        a, zeros = _constant(a, message)
        return function(a, x) + zeros

    op = Op(node, value, promote="same", check=only("f", f"{name}_cpu"))
    public = binary(name, op)
    expose(name, public, inplace=True)
    expose(alias, public, module="special", method=False)


_incomplete("igamma", "IgammaBackward0", core.gammainc, "gammainc")
_incomplete("igammac", "IgammacBackward0", core.gammaincc, "gammaincc")
