"""Expressions of one element at a time, and what PyTorch makes of them.

``python -m tests.compat.torch.pointwise_cases`` prints what differs between PyTorch and the layer;
with ``--record`` it writes ``tests/data/torch_pointwise.json``. Both need PyTorch.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import funcgrad.compat.torch as layer

__all__ = ["CASES", "DIFFERENT", "RECORDED", "outcome", "same", "tensors"]

RECORDED = Path(__file__).resolve().parents[2] / "data" / "torch_pointwise.json"
# name: (values, type, whether it requires grad)
OPERANDS: dict[str, tuple[Any, str, bool]] = {
    "v": ([0.5, -2.5, 1.5], "float32", True),
    "w": ([1.5, 2.0, -0.75], "float32", True),
    "p": ([0.3, 1.2, 2.6], "float32", True),
    "u": ([0.2, -0.4, 0.7], "float32", True),
    "c": ([0.25, 3.0, -1.5], "float32", False),
    "m": ([[0.4, 1.3, -0.6], [2.2, -1.7, 0.9]], "float32", True),
    "s": (0.8, "float32", True),
    "e": ([[], []], "float32", True),
    "d": ([0.45, 1.1, 2.5], "float64", True),
    "t": (0.65, "float64", True),
    "h": ([0.5, 0.25, 0.75], "float16", True),
    "bf": ([0.5, 0.25, 0.75], "bfloat16", True),
    "i": ([3, -2, 7], "int64", False),
    "j": ([2, 5, -3], "int64", False),
    "k": ([4, 1, 2], "int32", False),
    "q": ([1, 200, 7], "uint8", False),
    "b": ([True, False, True], "bool", False),
    "b2": ([True, True, False], "bool", False),
    "z": ([1 + 2j, -0.5 + 0.3j, 2 - 1j], "complex64", True),
    "y": ([0.5 - 1j, 1.5 + 0.5j, -1 + 0j], "complex128", True),
}


def _words(text: str) -> list[str]:
    return text.split()


ONE = _words(
    "abs angle asin asinh atan ceil conj cos cosh deg2rad digamma erf erfc exp exp2 expm1 fix "
    "floor "
    "frac i0 isfinite isinf isnan isneginf isposinf isreal lgamma log1p logical_not "
    "nan_to_num neg positive rad2deg real reciprocal relu round sgn sigmoid sign signbit sin sinc "
    "sinh sqrt square tan tanh trunc bitwise_not conj_physical "
    "special.entr special.erfcx special.i0e special.i1 special.i1e special.log_ndtr special.ndtr "
    "special.expit special.psi special.gammaln special.round"
)
POSITIVE = _words("log log2 log10 rsqrt acosh acos atanh logit erfinv special.ndtri")
TWO = _words(
    "add sub mul div true_divide floor_divide fmod remainder pow float_power atan2 bitwise_and "
    "bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift copysign eq ne lt le gt ge fmax "
    "fmin gcd heaviside hypot isclose lcm ldexp logaddexp logaddexp2 logical_and logical_or "
    "logical_xor maximum minimum nextafter rsub xlogy polar complex special.xlog1py"
)
PAIRS = _words(
    "v,w v,p m,v v,m v,s s,t d,t v,d v,2 v,2.5 2,v i,j i,2 i,2.5 j,True "
    "q,k b,b2 b,q v,i s,i h,bf h,2 z,w z,y e,v"
)
OPERATORS = _words("+ - * / // % ** == != < <= > >= & | ^ << >>")
OPERATOR_PAIRS = _words("v,w v,2 2,v v,2.5 i,j i,3 3,i i,2.5 b,b2 b,i q,3 p,d z,2 2j,v")
IN_PLACE = _words(
    "add_(w) sub_(w) mul_(w) div_(w) pow_(2) exp_() sin_() abs_() neg_() relu_() clamp_(-1,1) "
    "clamp_min_(0) sigmoid_() tanh_() sqrt_() reciprocal_() floor_() round_() trunc_() frac_() "
    "square_() atan2_(w) hypot_(w) lerp_(w,0.3) addcmul_(w,p) addcdiv_(w,p) copysign_(w) eq_(1.0) "
    "logical_not_() ge_(w) fmod_(2) remainder_(2) floor_divide_(2) xlogy_(p) nan_to_num_() "
    "erf_() erfinv_() lgamma_() digamma_() i0_() logit_(0.1) sign_() sgn_() mvlgamma_(1) ldexp_(w) "
    "float_power_(2) bitwise_and_(1) arccos_() subtract_(w) multiply_(w) divide_(w) "
    "negative_() absolute_() clip_(0) greater_(0) rsqrt_() polygamma_(1) igamma_(p)"
)
SINGLE = """
v+1|1+v|v-1|1-v|v*2|2*v|v/2|2/v|-v|+v|abs(v)|~b|~i|~v|v**2|v**3|v**2.5|v**0|v**1|p**0.5|p**-1|p**-2
v**w|p**v|2**v|2.5**i|i**2|i**2.5|i**-1|i**j|j**k|p**1j|2j**v|b**2|b**b2|v**c|c**v|v**i|i**v
torch.add(v,w,alpha=2)|torch.sub(v,w,alpha=2)|torch.add(i,j,alpha=2)|torch.add(i,j,alpha=0.5)
torch.rsub(v,1)|torch.rsub(v,w)|torch.rsub(v,1,alpha=2)|torch.rsub(i,2.5)|torch.rsub(b,b2)
torch.div(v,w,rounding_mode='floor')|torch.div(v,w,rounding_mode='trunc')
torch.div(v,2,rounding_mode='floor')|torch.div(i,j,rounding_mode='trunc')|torch.div(v,w,rounding_mode='x')
torch.div(i,2,rounding_mode='floor')|torch.div(i,2.5,rounding_mode='trunc')|torch.div(q,k,rounding_mode='trunc')
v//2|2//p|v%2|2%p|v%p|i%3|3%i|v//w|i//0|i%0|torch.fmod(i,0)|torch.remainder(2.0,p)|torch.fmod(2.0,p)
torch.clamp(v,0)|torch.clamp(v,min=0)|torch.clamp(v,max=1)|torch.clamp(v,0,1)|torch.clip(v,0,1)|torch.clamp(v)
torch.clamp(v,0.5,1.5)|torch.clamp(v,w,p)|torch.clamp(v,w)|torch.clamp(v,max=w)|torch.clamp(i,0.5)|torch.clamp(i,0,5)
v.clamp_min(0)|v.clamp_max(0)|v.clamp_min(w)|v.clamp_max(w)|torch.clamp(z,0)|torch.clamp(m,v,v+1)|torch.clamp(v,2,1)
torch.clamp(v,p,w)|torch.clamp(v,v,p)|torch.clamp(i,i-1,torch.tensor(4.5))|torch.clamp(v,s,None)
torch.maximum(v,v.detach())|torch.minimum(v,v.detach())|torch.max(v,w)|torch.relu(v-0.5)|torch.abs(v-0.5)
torch.where(b,v,w)|torch.where(b,v,0.)|torch.where(b,2,v)|torch.where(b,1,2)|torch.where(b,1.,2)|torch.where(i,v,w)
torch.where(b,i,2.5)|torch.where(b,m,s)|v.where(b,w)|torch.where(b,z,v)|torch.where(v>0,v,w)
torch.lerp(v,w,0.5)|torch.lerp(v,w,0.25)|torch.lerp(v,w,p)|torch.lerp(v,d,0.5)|torch.lerp(i,j,0.5)
torch.addcmul(v,w,p)|torch.addcmul(v,w,p,value=2)|torch.addcdiv(v,w,p)|torch.addcdiv(v,w,p,value=0.5)
torch.addcdiv(i,j,k)|torch.addcmul(i,j,k,value=3)|torch.addcmul(m,v,s)
torch.nan_to_num(v/0)|torch.nan_to_num(v*float('nan'),1.0)|torch.nan_to_num(v/0,posinf=1.,neginf=-1.)
torch.round(m,decimals=1)|torch.round(v*100,decimals=-1)|torch.special.round(v,decimals=2)|torch.round(i,decimals=1)
torch.frexp(v)[0]|torch.frexp(m)[1]|torch.frexp(i)|torch.logit(torch.sigmoid(v))|torch.logit(v,eps=0.1)|torch.logit(p/3,0.2)
torch.polygamma(0,p)|torch.polygamma(1,p)|p.polygamma(2)|torch.polygamma(-1,p)|torch.mvlgamma(p+3,2)|torch.mvlgamma(p,0)
torch.special.multigammaln(p+3,3)|torch.mvlgamma(b,1)
torch.complex(v,w)|torch.complex(v,d)|torch.complex(v,i)|torch.polar(p,v)|torch.view_as_real(z)|torch.view_as_real(v)
torch.view_as_complex(torch.view_as_real(z))|z.real|z.imag|v.real|v.imag|z.abs()|z.angle()|z.conj()|z*z|z/y|z**2|z.sgn()
torch.view_as_complex(v)|z.exp()|z.log()|z.sqrt()|z.reciprocal()|z.square()|z.tanh()|z-1j|torch.real(z*z)|z.sign()|z<1
torch.special.zeta(2.,p)|torch.special.zeta(p+1.,2.)|torch.special.zeta(p+1,p+2)|torch.special.zeta(i.abs()+1,2.5)
torch.igamma(c.abs(),p)|torch.igammac(c.abs(),p)|torch.special.gammainc(c.abs(),p)|torch.igamma(p,p)|torch.igamma(i,j)
torch.special.xlog1py(v,2.)|torch.special.xlog1py(2.,p)|torch.xlogy(v,2.)|torch.xlogy(2.,p)|torch.xlogy(v*0,p)
torch.isclose(v,v+1e-9)|torch.isclose(v,d)|torch.allclose(v,v)|torch.allclose(v,w)|torch.equal(v,v)|torch.equal(v,m)
torch.equal(i,i.double())|v.isclose(w,rtol=10.)|torch.isclose(i,i+1,rtol=0.,atol=1.)
v==None|v=='a'|v!=None|v<None|v+'a'|v+None|v+[1]|'a'*v|torch.mul(v,'a')|torch.sin(2.0)|torch.atan2(v,1.0)|torch.add(v,None)
torch.eq(v,1)|v.ge(0)|v.not_equal(w)|v.greater(w)|v.less_equal(0.5)|v.gt(1)|torch.greater_equal(i,3)|torch.less(i,j)
b&b2|b|b2|b^b2|b&i|i&1|1|i|i<<1|1<<k|v&w|v<<1|q&300|q+300|q-1|q*-1|q<-1
v+w[:2]|m*w[:2]|torch.atan2(m,w[:2])|torch.eq(v,w[:2])|m+m[:,:2]|torch.where(b,v,w[:2])
b-b2|b-1|1-b|-b|b+b2|b*b2|b/b2|b-i|torch.sub(b,b2)|torch.abs(b)|+b
torch.special.expit(v)|torch.special.erf(v)|torch.special.logit(p/3)|torch.special.xlogy(v,p)|torch.special.sinc(v)
torch.special.polygamma(1,p)|torch.special.log1p(p)|torch.special.exp2(v)|torch.special.expm1(v)|torch.special.erfinv(u)
torch.special.erfc(v)|torch.special.digamma(p)|torch.special.i0(v*10)|torch.special.log_ndtr(d*10)|torch.special.erfcx(d*10)
torch.square(b)|torch.sgn(b)|torch.sign(b)|torch.float_power(i,2)|torch.float_power(2,v)|torch.float_power(z,2)|d.float_power(2)
torch.pow(2,v)|torch.pow(v,2)|torch.pow(2,3)|v.pow(w)|v.pow(2.)|torch.true_divide(v,w)|torch.subtract(v,w)|torch.multiply(v,2)
torch.arccos(u)|torch.arcsin(u)|torch.arctan(u)|torch.arccosh(p+1)|torch.arcsinh(u)|torch.arctanh(u)|torch.arctan2(v,w)
torch.absolute(v)|torch.negative(v)|torch.divide(v,w)|torch.concat if 0 else v*1|torch.copysign(v,-1.)|torch.copysign(v,-0.0)
torch.add(c,c,out=torch.zeros(3))|torch.sin(c,out=torch.zeros(3))|torch.add(c,c,out=torch.zeros(3,dtype=torch.int64))
torch.add(v,w,out=torch.zeros(3))|torch.sin(v,out=torch.zeros(3))|torch.add(i,j,out=torch.zeros(3))|torch.mul(c,2,out=torch.zeros(3))
torch.clamp(c,0,out=torch.zeros(3))|torch.eq(c,c,out=torch.zeros(3,dtype=torch.bool))|torch.eq(c,c,out=torch.zeros(3))
v.sin().cos().exp()|(v*w+p)/w|((v-w)**2)|(v*v).sqrt()|torch.sigmoid(v)*torch.tanh(w)|1/(1+(-v).exp())
"""  # noqa: E501  # one row, one subject
# A "|" that is an operator is written without neighbours that are expressions of their own.
_BAR = {"b|b2": ("b", "b2"), "1|i": ("1", "i")}


def _split(row: str) -> list[str]:
    for text in _BAR:
        row = row.replace(f"|{text}|", f"|{text.replace('|', '¦')}|").replace(
            f"|{text}|", f"|{text.replace('|', '¦')}|"
        )
    return [part.replace("¦", "|") for part in row.split("|")]


def _cases() -> list[str]:
    found = [
        f"torch.{name}({x})"
        for name in ONE
        for x in ("v", "m", "s", "e", "d", "h", "bf", "i", "q", "b", "z")
    ]
    found += [f"torch.{name}({x})" for name in POSITIVE for x in ("p", "u", "d", "i", "b", "z")]
    found += [f"torch.{name}({pair})" for name in TWO for pair in PAIRS]
    for symbol in OPERATORS:
        for pair in OPERATOR_PAIRS:
            x, y = pair.split(",")
            found.append(f"{x} {symbol} {y}")
    found += [f"(v*1).{call}" for call in IN_PLACE]
    found += [f"v.{call}" for call in IN_PLACE[:3]] + [f"i.{call}" for call in IN_PLACE]
    for row in SINGLE.strip().splitlines():
        found += _split(row)
    return list(dict.fromkeys(found))


CASES = _cases()


def tensors(torch: Any, draw: Any = None) -> dict[str, Any]:
    """The operands by name; with a generator, floats are multiplied by random factors."""
    found = {}
    for name, (values, kind, active) in OPERANDS.items():
        data = values
        if draw is not None and kind in ("float32", "float64"):
            data = (np.asarray(values) * draw.uniform(0.6, 1.3, np.shape(values))).tolist()
        tensor = torch.tensor(data, dtype=getattr(torch, kind))
        found[name] = tensor.requires_grad_() if active else tensor
    return found


def _graph(node: Any, depth: int = 3) -> str:
    if node is None:
        return "None"
    name = type(node).__name__
    if name == "AccumulateGrad":
        return "Acc"
    if depth == 0:
        return name
    return f"{name}({', '.join(_graph(one, depth - 1) for one, _ in node.next_functions)})"


def _plain(tensor: Any) -> list[Any]:
    values = tensor.detach().clone().reshape(-1).tolist()  # the copy allocates zeros
    return [[x.real, x.imag] if isinstance(x, complex) else x for x in values]


def outcome(torch: Any, text: str, operands: dict[str, Any]) -> dict[str, Any]:
    """Type, shape, values, graph and gradients of an expression; or its error."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = eval(text, {"torch": torch, **operands})
        except Exception as error:  # noqa: BLE001  # the error is the outcome
            return {"error": type(error).__name__, "text": str(error).split("\n")[0]}
        if not isinstance(result, torch.Tensor):
            return {"result": repr(result)}
        found["kind"] = str(result.dtype).removeprefix("torch.")
        found["shape"] = list(result.shape)
        found["values"] = _plain(result)
        found["graph"] = _graph(result.grad_fn)
        if result.grad_fn is None:
            return found
        leaves = [name for name, x in operands.items() if x.requires_grad]
        weight = torch.ones_like(result)
        try:
            grads = torch.autograd.grad(
                result, [operands[name] for name in leaves], weight, allow_unused=True
            )
        except Exception as error:  # noqa: BLE001  # as above
            found["grad_error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            return found
        found["grads"] = {
            name: _plain(grad) for name, grad in zip(leaves, grads, strict=True) if grad is not None
        }
    return found


# float16: eight units, as PyTorch rounds at other places inside a derivative.
_HALF = "PyTorch has it in single and double precision only"
_KIND = "PyTorch has no gradient of a real operand beside a complex one here, and raises"
_FIRST = "PyTorch looks at the shapes before the types"
_BOOL = "PyTorch names the nodes of in-place comparisons, whose derivative is zero, after them"
_RIGHT = "PyTorch takes the sign of a negative modulus for part of the angle: its gradient is wrong"
_WHOLE = "PyTorch's gradient has 2 to a negative integer power as 0"
_TIE = "ties split the derivative evenly here; PyTorch gives it to one side"
_INACTIVE = "PyTorch leaves inactive tensors out of such nodes"

DIFFERENT = {
    "torch.nan_to_num(z)": "PyTorch has no derivative of complex operands, and raises",
    **dict.fromkeys(
        (
            f"torch.special.{name}({x})"
            for name in ("erfcx", "i1", "i1e", "log_ndtr")
            for x in ("h", "bf")
        ),
        _HALF,
    ),
    **dict.fromkeys(("torch.floor_divide(v,i)", "torch.floor_divide(s,i)"), _INACTIVE),
    **dict.fromkeys((f"torch.bitwise_{name}(e,v)" for name in ("and", "or", "xor")), _FIRST),
    **dict.fromkeys((f"torch.bitwise_{name}_shift(e,v)" for name in ("left", "right")), _FIRST),
    **dict.fromkeys(("torch.gcd(e,v)", "torch.lcm(e,v)"), _FIRST),
    **dict.fromkeys((f"torch.{name}(h,bf)" for name in ("fmax", "fmin", "nextafter")), _TIE),
    **dict.fromkeys(("torch.ldexp(v,i)", "torch.ldexp(s,i)"), _WHOLE),
    "torch.ldexp(h,bf)": "PyTorch rounds the power of two to bfloat16",
    **dict.fromkeys(("torch.ldexp(z,w)", "torch.logaddexp(z,w)", "torch.where(b,z,v)"), _KIND),
    **dict.fromkeys(
        (f"torch.polar({pair})" for pair in ("v,w", "v,p", "m,v", "v,m", "v,s")), _RIGHT
    ),
    **dict.fromkeys(
        ("(v*1).eq_(1.0)", "(v*1).logical_not_()", "(v*1).ge_(w)", "(v*1).greater_(0)", "i.ge_(w)"),
        _BOOL,
    ),
    "(v*1).floor_divide_(2)": "the message of its missing derivative lacks the underscore",
}
"""Where the layer differs from PyTorch, and why."""

TOLERANCES = {"float16": 4e-3, "bfloat16": 1.6e-2, "float32": 1e-5, "complex64": 1e-5}


def _close(a: Any, b: Any, rtol: float) -> bool:
    a, b = np.asarray(a, float), np.asarray(b, float)
    with np.errstate(all="ignore"):
        return a.shape == b.shape and bool(
            np.allclose(a, b, rtol=rtol, atol=rtol / 10, equal_nan=True)
        )


def same(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """What differs between two outcomes, or an empty text."""
    if "error" in expected or "error" in found:
        if expected.get("error") != found.get("error"):
            return f"error: {expected.get('error')} / {found.get('error')}: {found.get('text')}"
        return _alike(expected["text"], found["text"])
    for key in ("result", "kind", "shape", "graph", "grad_error"):
        if expected.get(key) != found.get(key):
            return f"{key}: {expected.get(key)} / {found.get(key)}"
    if "values" not in expected:
        return ""
    rtol = TOLERANCES.get(expected["kind"], 1e-9)
    if not _close(expected["values"], found["values"], rtol):
        return f"values: {expected['values']} / {found['values']}"
    left, right = expected.get("grads", {}), found.get("grads", {})
    for name in {*left, *right}:
        mine = max([rtol, *(TOLERANCES.get(OPERANDS[n][1], 1e-9) for n in {*left, *right})])
        a = left.get(name) or np.zeros_like(np.asarray(right.get(name))).tolist()
        b = right.get(name) or np.zeros_like(np.asarray(left.get(name))).tolist()
        if not _close(a, b, mine):
            return f"gradient of {name}: {a} / {b}"
    return ""


def _alike(expected: str, found: str) -> str:
    """Messages agree if most words of the first line do; lists of overloads are not compared."""
    if "invalid combination" in expected:
        return ""
    wanted, given = set(expected.split()), set(found.split())
    return "" if len(wanted & given) >= 0.6 * len(wanted) else f"text: {expected} / {found}"


def main() -> None:
    """Record, or print what differs now."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed

    if "--record" in sys.argv:
        recorded = {text: outcome(torch, text, tensors(torch)) for text in CASES}
        lines = [f"{json.dumps(text)}: {json.dumps(found)}" for text, found in recorded.items()]
        head = json.dumps({"torch": torch.__version__.split("+")[0]})[1:-1]
        RECORDED.write_text("{" + head + ',\n"cases": {\n' + ",\n".join(lines) + "\n}}\n")
        print(f"{len(recorded)} cases recorded")
        return
    count = 0
    for text in CASES:
        verdict = same(outcome(torch, text, tensors(torch)), outcome(layer, text, tensors(layer)))
        count += bool(verdict)
        if verdict:
            print(f"{text:50s} {verdict[:240]}")
    print(f"{count} of {len(CASES)} differ")


if __name__ == "__main__":
    main()
