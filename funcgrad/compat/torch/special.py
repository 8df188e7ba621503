"""`torch.special`, and its functions that `torch` itself offers too."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch import special_rules as rules
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
from funcgrad.compat.torch.unlisted import unlisted

__all__ = ["entr", "ndtr", "zeta"]


def _real_op(node: str, function: Callable[[Any], Any], word: str) -> Op:
    return Op(node, function, promote="float", check=only("bif", word))


# --- one operand ------------------------------------------------------------------------------


def _entr(x: Any) -> Any:
    """-x log x, 0 at 0, and -inf below."""
    with np.errstate(all="ignore"):
        out = np.where(x == 0, 0, np.where(x < 0, -np.inf, -x * np.log(x)))
    return out.astype(x.dtype)[()]


entr = unlisted("entr", _entr, lambda _y, x, t: t * (-np.log(x) - 1))


def _bessel(function: Callable[..., Any], order: int) -> Callable[[Any], Any]:
    return lambda x: function(x, order=order)


_ONE = (
    ("erfinv", "ErfinvBackward0", rules.erfinv, "erfinv_vml_cpu"),
    ("i0", "I0Backward0", _bessel(rules.bessel_i, 0), "i0_vml_cpu"),
    ("i0e", "SpecialI0EBackward0", _bessel(rules.scaled_bessel_i, 0), "i0e_cpu"),
    ("i1", "SpecialI1Backward0", _bessel(rules.bessel_i, 1), "i1_cpu"),
    ("i1e", "SpecialI1EBackward0", _bessel(rules.scaled_bessel_i, 1), "i1e_cpu"),
    ("erfcx", "SpecialErfcxBackward0", rules.erfcx, "erfcx_cpu"),
    ("entr", "SpecialEntrBackward0", entr, "entr_cpu"),
    ("log_ndtr", "SpecialLogNdtrBackward0", rules.log_ndtr, "log_ndtr_cpu"),
    ("ndtri", "SpecialNdtriBackward0", rules.ndtri, "ndtri_cpu"),
)
for _name, _node, _function, _word in _ONE:
    _public = unary(_name, _real_op(_node, _function, _word))
    expose(_name, _public, module="special", method=False)
    if _name in ("erfinv", "i0"):
        expose(_name, _public, inplace=True)
        UNARY[_name] = _public
for _name, _order in (("modified_bessel_i0", 0), ("modified_bessel_i1", 1)):
    _plain = without_rule(
        _bessel(rules.bessel_i, _order), f"the derivative for '{_name}' is not implemented.",
        NotImplementedError,
    )  # fmt: skip
    expose(
        _name,
        unary(_name, _real_op("NotImplemented", _plain, f"{_name}_cpu")),
        module="special",
        method=False,
    )

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


def _refused(message: str) -> Callable[[Any], Any]:
    """The identity, whose derivative raises."""
    return without_rule(lambda x: x * 1, message, NotImplementedError)


_fixed = _refused("the derivative for 'zeta' is not implemented.")
_zeta_ops = (
    Op(
        "SpecialZetaBackward0",
        lambda s, q: rules.zeta(_fixed(s), q),
        promote="float",
        check=only("bif", "zeta_cpu"),
    ),
    Op(
        "SpecialZetaBackward1",
        lambda q, *, number: rules.zeta(q.dtype.type(number), q),
        promote="float",
        check=only("bif", "zeta_cpu"),
    ),
    Op(
        "SpecialZetaBackward2",
        lambda s, *, number: rules.zeta(_fixed(s), s.dtype.type(number)),
        promote="float",
        check=only("bif", "zeta_cpu"),
    ),
)


def _zeta(s: Any, q: Any) -> Any:
    if not isinstance(s, Tensor):
        return _zeta_ops[1](q, number=s)
    return _zeta_ops[0](s, q) if isinstance(q, Tensor) else _zeta_ops[2](s, number=q)


zeta = binary("zeta", _zeta, numbers="xy", doc="Hurwitz's ζ: the sum of (other + k)^-input.")
expose("zeta", zeta, module="special", method=False)


def _incomplete(name: str, node: str, function: Callable[[Any, Any], Any], alias: str) -> None:
    fixed = _refused(f"the derivative for '{name}: input' is not implemented.")
    op = Op(
        node,
        lambda a, x: function(fixed(a), x),
        promote="same",
        check=only("f", f"{name}_cpu"),
    )
    public = binary(name, op)
    expose(name, public, inplace=True)
    expose(alias, public, module="special", method=False)


_incomplete("igamma", "IgammaBackward0", rules.lower_gamma, "gammainc")
_incomplete("igammac", "IgammacBackward0", rules.upper_gamma, "gammaincc")
