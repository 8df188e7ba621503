"""Making tensors by size, like another, and of evenly spaced numbers."""

import operator
import warnings
from typing import Any

import numpy as np

from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.creation import filled, made, tensor
from funcgrad.compat.torch.dtypes import DTYPES, as_dtype, category_of, dtype
from funcgrad.compat.torch.entering import write_out
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["delivered", "empty_like", "ones_like", "zeros_like"]


def delivered(function: str, out: Any, result: Tensor) -> Tensor:
    """The result, or `out` with its values."""
    found: Tensor = result if out is None else write_out(function, out, result)
    return found


def _by_size(name: str, value: int) -> Any:
    def function(
        *args: Any,
        size: Any = None,
        out: Any = None,
        dtype: dtype | None = None,
        layout: Any = None,
        device: Any = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
        memory_format: Any = None,
        names: Any = None,
    ) -> Tensor:
        """A tensor of one value; `empty` gives zeros."""
        if not args:
            if size is None:
                raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
            args = (size,)
        kind = as_dtype(dtype, name) or SETTINGS.default_dtype
        return delivered(name, out, filled(name, value, args, kind, requires_grad, device))

    function.__name__ = function.__qualname__ = name
    return function


zeros, ones, empty = _by_size("zeros", 0), _by_size("ones", 1), _by_size("empty", 0)


def full(
    size: Any,
    fill_value: Any,
    *,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    names: Any = None,
) -> Tensor:
    """A tensor of one value; its type follows the value's."""
    if not isinstance(size, tuple | list):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    kind = (
        as_dtype(dtype, "full")
        or (
            DTYPES["bool"],
            DTYPES["int64"],
            SETTINGS.default_dtype,
            SETTINGS.default_dtype.to_complex(),
        )[category_of(fill_value)]
    )
    return delivered("full", out, filled("full", fill_value, (size,), kind, requires_grad, device))


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """The identity matrix."""
    for number, (name, length) in enumerate((("n", n), ("m", m)), 1):
        if length is None:
            continue
        if not hasattr(length, "__index__"):
            raise TypeError(
                f"eye(): argument '{name}' (position {number}) must be int, not "
                f"{type(length).__name__}"
            )
        if operator.index(length) < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {length}")
    kind = as_dtype(dtype, "eye") or SETTINGS.default_dtype
    result = made(np.eye(n, m, dtype=kind.numpy), kind, requires_grad, device)
    return delivered("eye", out, result)


# --- like another -----------------------------------------------------------------------------


def _like(name: str, value: Any) -> Any:
    def function(
        input: Tensor,
        *,
        dtype: dtype | None = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        """A tensor of the size (and, by default, the type) of another."""
        return _filled_like(name, input, value, dtype, device, requires_grad)

    function.__name__ = function.__qualname__ = name
    return function


def _filled_like(
    name: str, input: Any, value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    if not isinstance(input, Tensor):
        kind: Any = type(input)
        word = kind.__name__ if kind.__module__ == "builtins" else f"numpy.{kind.__name__}"
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {word}")
    result = filled(
        name,
        value,
        (tuple(input._value.shape),),
        as_dtype(dtype, name) or input.dtype,
        requires_grad,
        device or input.device,
    )
    source = input._value
    if type(source) is np.ndarray and not (source.flags.c_contiguous or 0 in source.strides):
        result._value = np.full_like(source, value, result._value.dtype)  # laid out likewise
    return result


zeros_like, ones_like = _like("zeros_like", 0), _like("ones_like", 1)
empty_like = _like("empty_like", 0)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of one value with the size and type of another."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    return _filled_like("full_like", input, fill_value, dtype, device, requires_grad)


def _new(make: Any) -> Any:
    def method(self: Tensor, *args: Any, dtype: dtype | None = None, **options: Any) -> Tensor:
        """A new tensor of this one's type."""
        return make(*args, dtype=dtype or self.dtype, **options)  # type: ignore[no-any-return]  # a tensor

    return method


for _name, _make in (("zeros", zeros), ("ones", ones), ("empty", empty), ("full", full)):
    setattr(Tensor, f"new_{_name}", _new(_make))


def _new_tensor(self: Tensor, data: Any, *, dtype: dtype | None = None, **options: Any) -> Tensor:
    return tensor(data, dtype=dtype or self.dtype, **options)


Tensor.new_tensor = _new_tensor  # type: ignore[attr-defined]  # a method, entered here


# --- evenly spaced ----------------------------------------------------------------------------


def _number(function: str, name: str, position: int, value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item()
    if isinstance(value, int | float | complex):
        return value
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(
        f"{function}(): argument '{name}' (position {position}) must be Number, not "
        f"{type(value).__name__}"
    )


def arange(
    *args: Any,
    start: Any = None,
    end: Any = None,
    step: Any = None,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to but not including end: `arange([start,] end[, step])`."""
    if len(args) == 1 and start is None and end is None:
        end = args[0]
    else:
        places = dict(zip(("start", "end", "step"), args, strict=False))
        start = places.get("start", start)
        end = places.get("end", end)
        step = places.get("step", step)
    if end is None:
        raise TypeError("arange() received an invalid combination of arguments - got ()")
    start = 0 if start is None else _number("arange", "start", 1, start)
    end = _number("arange", "end", 1 if not args[1:] else 2, end)
    step = 1 if step is None else _number("arange", "step", 3, step)
    kind = as_dtype(dtype, "arange")
    if kind is None:
        whole = all(category_of(x) <= 1 for x in (start, end, step))
        kind = DTYPES["int64"] if whole else SETTINGS.default_dtype
    values = _arranged(start, end, step, kind)
    return delivered("arange", out, made(values, kind, requires_grad, device))


def _check_range(start: Any, end: Any, step: Any) -> None:
    if not (np.isfinite(start) and np.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def _arranged(start: Any, end: Any, step: Any, kind: dtype) -> Any:
    if kind.category == 0:
        raise NotImplementedError("\"arange_cpu\" not implemented for 'Bool'")
    _check_range(start, end, step)
    if kind.name == "int64":
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ValueError("step must be nonzero")
    count = int(np.ceil((end - start) / step))
    if count >= 2**48:
        raise RuntimeError("invalid size, possible overflow?")
    if kind.category == 1:
        return np.arange(count, dtype=np.int64) * int(step) + int(start)
    return _by_vectors(float(start), float(step), count, kind)


def _by_vectors(start: float, step: float, count: int, kind: dtype) -> Any:
    """start + i * step, rounded as PyTorch's vectors of 32 bytes round it.

    Pairs of vectors get base + k * step with the base rounded to the type of the result; what is
    left over gets start + i * step. Products and sums are fused.
    """
    double = kind.name == "float64"
    width = 4 if double else 8
    i = np.arange(count)
    if kind.name not in ("float32", "float64"):
        return start + i * step
    wide: Any = np.longdouble if double else np.float64
    k = i % width
    base = (wide(start) + wide(step) * (i - k)).astype(kind.numpy).astype(wide)
    vectors = base + wide(step) * k
    single = wide(start) + wide(step) * i
    return np.where(i < count - count % (2 * width), vectors, single).astype(kind.numpy)


def range(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to and including end; deprecated in favour of `arange`."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in [start, end).",
        UserWarning,
        stacklevel=outside(),
    )
    if end is None:
        start, end = 0, start
    start, end, step = (_number("range", "start", 1, x) for x in (start, end, step))
    _check_range(start, end, step)
    kind = as_dtype(dtype, "range") or SETTINGS.default_dtype
    values = start + np.arange(int((end - start) / step) + 1) * step
    return delivered("range", out, made(np.asarray(values), kind, requires_grad, device))


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` values from start to end, both included; the second half counts back from the end."""
    start, end = _number("linspace", "start", 1, start), _number("linspace", "end", 2, end)
    kind = as_dtype(dtype, "linspace") or _spaced_type(start, end)
    values = _spaced(start, end, operator.index(steps), kind)
    return delivered("linspace", out, made(values, kind, requires_grad, device))


def _spaced_type(start: Any, end: Any) -> dtype:
    kind = SETTINGS.default_dtype
    return kind.to_complex() if isinstance(start, complex) or isinstance(end, complex) else kind


def _spaced(start: Any, end: Any, steps: int, kind: dtype) -> Any:
    """start + i * step in the first half, end - (steps - 1 - i) * step in the second.

    Product and sum are fused, except for the types of 16 bits, which round each operation; integers
    are spaced in double precision and cut off.
    """
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if kind.category == 1:
        start, end = int(start), int(end)
    narrow = kind.itemsize == 2 and kind.category == 2
    own: Any = kind.numpy.type if kind.category >= 2 else np.float64
    if steps == 1:
        return np.array([start], own)
    i = np.arange(steps)
    first, left = i < steps // 2, steps - 1 - i
    rounded = _ROUND[kind.name] if narrow else own
    a, b = rounded(start), rounded(end)
    step = rounded(rounded(b - a) / rounded(max(steps - 1, 1)))
    if narrow:
        up, down = (rounded(step * rounded(count)) for count in (i, left))
        return rounded(np.where(first, a + up, b - down))
    wide: Any = _WIDE[kind.name] if kind.category >= 2 else np.longdouble
    return np.where(first, a + wide(step) * i, b - wide(step) * left).astype(own)


_WIDE: dict[str, Any] = {
    "float32": np.float64,
    "float64": np.longdouble,
    "complex64": np.complex128,
    "complex128": np.clongdouble,
}
"""Types that hold the product of two numbers exactly, or nearly so."""
_ROUND: dict[str, Any] = {
    "float16": lambda x: np.float32(np.float16(x)),
    "bfloat16": lambda x: np.asarray(round_to_bfloat16(np.asarray(x, np.float32))),
}
"""Numbers of 16 bits, kept as float32."""


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """base ** linspace(start, end, steps)."""
    start, end = _number("logspace", "start", 1, start), _number("logspace", "end", 2, end)
    kind = as_dtype(dtype, "logspace") or _spaced_type(start, end)
    spaced = kind
    if kind.name == "float32":  # between ends of that type, but in double precision
        start, end, spaced = float(np.float32(start)), float(np.float32(end)), DTYPES["float64"]
    exponents = _spaced(start, end, operator.index(steps), spaced)
    wide = np.complex128 if exponents.dtype.kind == "c" else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.power(wide(base), exponents.astype(wide))
    return delivered("logspace", out, made(values, kind, requires_grad, device))


for _function in (
    zeros, ones, empty, full, eye, zeros_like, ones_like, empty_like, full_like, arange, range,
    linspace, logspace,
):  # fmt: skip
    expose(_function.__name__, _function, method=False)
