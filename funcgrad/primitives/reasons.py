"""Why some functions of NumPy have no derivative, by name; their refusals say it.

`funcgrad.coverage` makes one table of it, together with the functions that have one.
"""

from typing import Any

import numpy as np

from funcgrad.core.protocols import REPLACEMENTS

__all__ = ["REASONS", "ZERO", "function_of"]


def _words(text: str) -> list[str]:
    return text.split()


ZERO = frozenset(
    _words("""
    all allclose any argmax argmin argpartition argsort argwhere around array_equal array_equiv
    bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or
    bitwise_right_shift bitwise_xor ceil count_nonzero digitize empty_like equal fix flatnonzero
    floor floor_divide gcd greater greater_equal heaviside invert isclose iscomplex isfinite isin
    isinf isnan isneginf isposinf isreal lcm left_shift less less_equal lexsort linalg.matrix_rank
    logical_and logical_not logical_or logical_xor nanargmax nanargmin nonzero not_equal ones_like
    packbits ravel_multi_index right_shift rint round searchsorted sign signbit spacing trunc
    unpackbits unravel_index zeros_like
    """)
)
"""Functions whose derivative is zero wherever there is one; usable anywhere on traced values."""

_NO_ARRAY = "It makes an array of numbers that are no arrays, or of a text or file."
_TEXT = "Its result is text."
_FILE = "It reads or writes a file or memory outside of NumPy."
_DTYPE = "Its result tells about dtypes, shapes or memory, not about values."
_DATE = "It is about dates, which are no numbers."
_SETTING = "It reads or sets how NumPy works."
_INTEGERS = "Its operands are integers or shapes."
_CODE = "It makes a function or an iterator."

_WHY: dict[str, str] = {
    _NO_ARRAY: """
        arange bartlett blackman empty eye fft.fftfreq fft.rfftfreq hamming hanning identity ones
        tri zeros
        """,
    _TEXT: """
        array2string array_repr array_str base_repr binary_repr datetime_as_string
        format_float_positional format_float_scientific typename
        """,
    _FILE: """
        from_dlpack frombuffer fromfile fromiter fromregex fromstring genfromtxt load loadtxt save
        savetxt savez savez_compressed
        """,
    _DTYPE: """
        broadcast_shapes can_cast common_type einsum_path iscomplexobj isdtype isfortran isrealobj
        isscalar issubdtype iterable may_share_memory min_scalar_type mintypecode ndim promote_types
        result_type shape shares_memory size
        """,
    _DATE: "busday_count busday_offset datetime_data is_busday isnat",
    _SETTING: """
        fft.test get_include get_printoptions getbufsize geterr geterrcall info linalg.test
        printoptions set_printoptions setbufsize seterr seterrcall show_config show_runtime test
        """,
    _INTEGERS: """
        diag_indices diag_indices_from indices ix_ mask_indices tril_indices tril_indices_from
        triu_indices triu_indices_from
        """,
    _CODE: "frompyfunc nested_iters",
}
REASONS: dict[str, str] = {name: why for why, names in _WHY.items() for name in names.split()}
"""Why a function has no derivative, by its name without `numpy.`."""

_INSTEAD = {
    "asmatrix": "np.matrix is no array as others are. Use a 2-d array and @.",
    "bmat": "np.matrix is no array as others are. Use np.block.",
    "require": "Traced values have no memory layout. Use the value itself, or .astype(dtype).",
}
"""What to use in place of functions that could have a derivative but do not know traced values."""


def function_of(name: str) -> Any:
    """The function of NumPy with this name (`"sin"`, `"linalg.inv"`), or None."""
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


for _name, _why in (*REASONS.items(), *_INSTEAD.items()):
    _function = function_of(_name)
    if _function is not None:
        REPLACEMENTS.setdefault(
            _function,
            _why if _name in _INSTEAD else f"{_why} Use stop_gradient(x) for its arguments.",
        )

_OF_SCIPY = {
    "digamma": "funcgrad.nn.digamma(x)",
    "erf": "funcgrad.nn.erf(x)",
    "erfc": "funcgrad.nn.erfc(x)",
    "erfcinv": "funcgrad.nn.erfinv(1 - x)",
    "erfcx": "funcgrad.nn.erfcx(x)",
    "erfinv": "funcgrad.nn.erfinv(x)",
    "exp10": "10.0**x",
    "exp2": "np.exp2(x)",
    "expit": "funcgrad.nn.expit(x)",
    "expm1": "np.expm1(x)",
    "cbrt": "np.cbrt(x)",
    "gamma": "np.exp(funcgrad.nn.lgamma(x)) for positive x",
    "gammaln": "funcgrad.nn.lgamma(x)",
    "beta": "np.exp(lgamma(a) + lgamma(b) - lgamma(a + b)) for positive a and b, with "
    "funcgrad.nn.lgamma",
    "betaln": "lgamma(a) + lgamma(b) - lgamma(a + b), with funcgrad.nn.lgamma",
    "i0": "np.i0(x)",
    "log1p": "np.log1p(x)",
    "log_expit": "funcgrad.nn.log_sigmoid(x)",
    "log_ndtr": "funcgrad.nn.log_ndtr(x)",
    "logit": "np.log(x) - np.log1p(-x)",
    "loggamma": "funcgrad.nn.lgamma(x) for positive x",
    "ndtr": "0.5 * funcgrad.nn.erfc(-x / np.sqrt(2))",
    "ndtri": "funcgrad.nn.ndtri(x)",
    "psi": "funcgrad.nn.digamma(x)",
    "xlog1py": "np.where(x == 0, 0, x * np.log1p(y)), where 1 + y is positive",
    "xlogy": "np.where(x == 0, 0, x * np.log(y)), where y is positive",
}
"""What to write in place of ufuncs of `scipy.special`; the others need a rule of the user's."""
REPLACEMENTS.update(
    {f"scipy.special.{name}": f"Use {instead}." for name, instead in _OF_SCIPY.items()}
)
