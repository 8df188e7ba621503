"""`torch.testing`: assertions that two results agree."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.dtypes import Size
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor, plain_array
from funcgrad.compat.torch.views import strides_of

__all__ = ["assert_close"]

TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
"""Relative and absolute tolerance by type."""


class _Rules:
    """What `assert_close` was asked to hold two values to."""

    def __init__(
        self,
        tolerances: tuple[float, float] | None,
        equal_nan: bool,
        check_dtype: bool,
        check_stride: bool,
        msg: Any,
    ) -> None:
        self.tolerances = tolerances
        self.equal_nan = equal_nan
        self.check_dtype = check_dtype
        self.check_stride = check_stride
        self.msg = msg

    def fail(self, text: str, where: str) -> None:
        """Raise the error, with the user's message if there is one.

        Raises:
            AssertionError: always.
        """
        if where:
            text += f"\n\nThe failure occurred for item {where}"
        if callable(self.msg):
            text = self.msg(text)
        elif self.msg is not None:
            text = self.msg
        raise AssertionError(text)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Any = None,
) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere.

    Args:
        actual: tensor, number, array, or sequence or mapping of them.
        expected: what it should be.
        allow_subclasses: accepted.
        rtol: relative tolerance; by the type by default, given together with `atol`.
        atol: absolute tolerance.
        equal_nan: whether NaN equals NaN.
        check_device: accepted.
        check_dtype: whether types must agree.
        check_layout: accepted.
        check_stride: whether strides must agree.
        msg: text of the error, or a function of the text it would have.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "Both 'rtol' and 'atol' must be either specified or omitted, but got no "
            f"{'rtol' if rtol is None else 'atol'}."
        )
    tolerances = None if rtol is None or atol is None else (rtol, atol)
    _compare(actual, expected, _Rules(tolerances, equal_nan, check_dtype, check_stride, msg), "")


def _compare(actual: Any, expected: Any, rules: _Rules, where: str) -> None:
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        _same_keys(actual, expected, rules, where)
        for key, value in actual.items():
            _compare(value, expected[key], rules, f"{where}[{key!r}]")
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            text = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            rules.fail(text, where)
        for place, (one, other) in enumerate(zip(actual, expected, strict=True)):
            _compare(one, other, rules, f"{where}[{place}]")
    elif actual is None and expected is None:
        return
    elif isinstance(actual, Tensor) and isinstance(expected, Tensor):
        _compare_tensors(actual, expected, rules, where)
    elif isinstance(actual, np.ndarray) and isinstance(expected, np.ndarray):
        _compare_arrays(actual, expected, str(actual.dtype), str(expected.dtype), rules, where)
    elif _is_number(actual) and _is_number(expected):
        x, y = np.asarray(actual), np.asarray(expected)
        _compare_arrays(x, y, str(x.dtype), str(y.dtype), rules, where)
    else:
        raise TypeError(
            f"No comparison pair was able to handle inputs of type {type(actual)} and "
            f"{type(expected)}."
        )


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | complex | np.generic)


def _same_keys(actual: Any, expected: Any, rules: _Rules, where: str) -> None:
    missing = [key for key in expected if key not in actual]
    extra = [key for key in actual if key not in expected]
    if missing or extra:
        lines = "The keys of the mappings do not match:"
        if missing:
            lines += f"\nMissing keys in the actual mapping: {sorted(missing)}"
        if extra:
            lines += f"\nAdditional keys in the actual mapping: {sorted(extra)}"
        rules.fail(lines, where)


def _compare_tensors(actual: Tensor, expected: Tensor, rules: _Rules, where: str) -> None:
    x, y = (np.asarray(plain_array(t, "assert_close")) for t in (actual, expected))
    if x.shape == y.shape:
        if rules.check_dtype and actual.dtype is not expected.dtype:
            _unlike("dtype", (actual.dtype, expected.dtype), rules, where)
        strides = strides_of(actual), strides_of(expected)
        if rules.check_stride and strides[0] != strides[1]:
            _unlike("stride()", strides, rules, where)
    _compare_arrays(x, y, actual.dtype.name, expected.dtype.name, rules, where)


def _unlike(what: str, pair: tuple[Any, Any], rules: _Rules, where: str) -> None:
    text = f"The values for attribute '{what}' do not match: {pair[0]} != {pair[1]}."
    rules.fail(text, where)


def _compare_arrays(
    actual: Any, expected: Any, kind: str, other: str, rules: _Rules, where: str
) -> None:
    if actual.shape != expected.shape:
        _unlike("shape", (Size(actual.shape), Size(expected.shape)), rules, where)
    tolerances = rules.tolerances
    if tolerances is None:
        pairs = [TOLERANCES.get(name, (0.0, 0.0)) for name in (kind, other)]
        tolerances = (max(pair[0] for pair in pairs), max(pair[1] for pair in pairs))
    rtol, atol = tolerances
    common = np.promote_types(actual.dtype, expected.dtype)
    x, y = (v.astype(np.int64 if common.kind == "b" else common) for v in (actual, expected))
    close = np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=rules.equal_nan)
    if not np.all(close):
        rules.fail(_difference(x, y, close, rtol, atol), where)


def _difference(x: Any, y: Any, close: Any, rtol: float, atol: float) -> str:
    with np.errstate(divide="ignore", invalid="ignore"):
        absolute = np.abs(x - y)
        relative = absolute / np.abs(y)
    exact = rtol == atol == 0
    kind = "equal" if exact else "close"
    allowed = ["" if exact else f" (up to {limit} allowed)" for limit in (atol, rtol)]
    if not x.ndim:
        return (
            f"Scalars are not {kind}!\n\nExpected {y.item()} but got {x.item()}.\n"
            f"Absolute difference: {absolute.item()}{allowed[0]}\n"
            f"Relative difference: {relative.item()}{allowed[1]}"
        )
    wrong = int(np.sum(~close))
    lines = [
        f"Tensor-likes are not {kind}!\n",
        f"Mismatched elements: {wrong} / {x.size} ({100 * wrong / x.size:.1f}%)",
    ]
    for name, values, limit in zip(
        ("absolute", "relative"), (absolute, relative), allowed, strict=True
    ):
        masked = np.where(close, 0, np.where(np.isnan(values), np.inf, values))
        place = np.unravel_index(np.argmax(masked), x.shape)
        shown = values[place].item()
        lines.append(
            f"Greatest {name} difference: {shown} at index {tuple(map(int, place))}{limit}"
        )
    return "\n".join(lines)


MODULES["testing"] = {"assert_close": assert_close}
