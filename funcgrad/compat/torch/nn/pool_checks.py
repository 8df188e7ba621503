"""Numbers of windows of pools, and what does not fit in them, refused in PyTorch's words."""

from functools import lru_cache
from typing import Any

from funcgrad.compat.torch.nn.window_checks import sizes_given

__all__ = ["check_pool_type", "pool_options", "pooled_counts"]

Ints = tuple[int, ...]

LETTERS = {1: "HW", 2: "HW", 3: "THW"}
NUMBERS = {2: "two", 3: "three"}


def _length(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """How many windows fit; with `ceil` also one that starts inside and ends outside."""
    rest = n + 2 * p - d * (k - 1) - 1
    count = rest // s + 1
    if ceil:
        count = -(-rest // s) + 1
        if (count - 1) * s >= n + p:
            count -= 1
    return count


# --- options ----------------------------------------------------------------------------------


def _wrong_count(name: str, word: str, found: int) -> RuntimeError:
    """Why so many numbers are not what a pool takes."""
    axes = int(name[-2])
    maxima = name.startswith("max")
    if axes == 1 and not maxima:
        return RuntimeError(f"{name}() argument '{word}' should contain one int (got {found})")
    if axes == 1:
        first = "None, " if word == "stride" else ""
        comma = "," if word in ("stride", "padding") else ""
        return RuntimeError(
            f"{name}() {word} must be {first}an int, list of ints{comma} or tuple of ints of size "
            f"1 but got size {found}"
        )
    either = "either " if maxima or axes == 2 else ""
    verb = f"be {either}" if word == "dilation" else f"{either}be "
    if word == "stride":
        verb += "omitted, "
    return RuntimeError(
        f"{name}: {word} must {verb}a single int, or a tuple of {NUMBERS[axes]} ints"
    )


def pool_options(
    name: str, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[Ints, ...]:
    """Kernel, stride (by default the kernel), padding and dilation, a number for each axis.

    Raises:
        RuntimeError: for other numbers of them than axes.
        TypeError: for other types.
    """
    axes = int(name[-2])
    found: list[Ints] = []
    rows = (("kernel_size", kernel), ("stride", stride), ("padding", padding))
    for place, (word, value) in enumerate((*rows, ("dilation", dilation)), 2):
        if word == "stride" and (value is None or (type(value) in (tuple, list) and not value)):
            found.append(found[0])
            continue
        sizes = sizes_given(name, word, place, value, axes)
        if len(sizes) != axes:
            raise _wrong_count(name, word, len(sizes))
        found.append(sizes)
    return tuple(found)


def check_pool_type(name: str, kind: str, places: bool = True) -> None:
    """Refuse truth values, and whole numbers where PyTorch has no pool of them.

    Raises:
        NotImplementedError: in PyTorch's words.
    """
    line = name == "max_pool1d" and not places
    if kind in "fc" or (kind != "b" and not line):
        return
    kernels = {"avg_pool1d": "avg_pool2d", "avg_pool3d": "avg_pool3d_out_frame"}
    shown = "max_pool1d_impl" if line else kernels.get(name, name)
    raise NotImplementedError(
        f"\"{shown}\" not implemented for '{'Bool' if kind == 'b' else 'Long'}'"
    )


# --- counts -----------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def pooled_counts(
    name: str, shape: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil: bool
) -> Ints:
    """Numbers of windows along the last axes.

    Args:
        name: of the function.
        shape: of its input.
        kernel: of the windows.
        stride: between them.
        padding: on both sides.
        dilation: distance of the elements of a window.
        ceil: whether a window may end outside.

    Raises:
        RuntimeError: for sizes that fit no window.
    """
    axes = int(name[-2])
    if name == "max_pool1d":
        return _counts_of_line(shape, kernel[0], stride[0], padding[0], dilation[0], ceil)
    _check_axes(name, shape)
    if axes == 1:  # as the windows of a plane
        shape = (*shape[:-1], 1, shape[-1])
        kernel, stride, padding, dilation = (
            (1, *kernel),
            (1, *stride),
            (0, *padding),
            (1, *dilation),
        )
    sizes = shape[-len(kernel) :]
    rows = list(zip(sizes, kernel, stride, padding, dilation, strict=True))
    for _, k, s, p, d in rows:
        if s == 0:
            raise RuntimeError("stride should not be zero")
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > int(((k - 1) * d + 1) / 2):
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and dilation={d}"
            )
    for what, letter, given in (
        ("kernel size", "k", kernel), ("stride", "d", stride), ("dilation", "dilation", dilation)
    ):  # fmt: skip
        if min(given) <= 0:
            shown = _lettered(letter, given)
            raise RuntimeError(f"{what} should be greater than zero, but got {shown}")
    _check_elements(name, shape, len(kernel), kernel)
    if any(k // 2 < p for k, p in zip(kernel, padding, strict=True)):
        raise _too_wide(kernel, padding)
    out = tuple(_length(*row, ceil) for row in rows)
    if min(out) < 1:
        found = shape[-len(kernel) - 1 :]
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, found))}). Calculated output size: "
            f"({'x'.join(map(str, (found[0], *out)))}). Output size is too small"
        )
    return out[-axes:]


def _lettered(letter: str, given: Ints) -> str:
    """As "kH: 1 kW: 2"."""
    names = LETTERS[len(given)]
    return " ".join(f"{letter}{name}: {n}" for name, n in zip(names, given, strict=True))


def _too_wide(kernel: Ints, padding: Ints) -> RuntimeError:
    if len(kernel) == 2:
        (kh, kw), (ph, pw) = kernel, padding
        shown = f"padW = {pw}, padH = {ph}, kW = {kw}, kH = {kh}"
    else:
        (kt, kh, kw), (pt, ph, pw) = kernel, padding
        shown = f"kT: {kt} kW: {kw} kH: {kh} padT: {pt} padW: {pw} padH: {ph}"
    return RuntimeError(
        f"pad should be smaller than or equal to half of kernel size, but got {shown}"
    )


def _check_axes(name: str, shape: Ints) -> None:
    """Refuse other numbers of axes than those of one image and of several."""
    axes = int(name[-2])
    rank = len(shape)
    if rank in (axes + 1, axes + 2):
        return
    if axes == 1:
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {rank}-dimensional tensor for argument #1 "
            f"'self' (while checking arguments for {name})"
        )
    if name == "avg_pool2d":
        if rank < 3:
            low, high = (-rank, rank - 1) if rank else (-1, 0)
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{low}, {high}], but got -3)"
            )
        raise _few_elements(shape)
    raise RuntimeError(
        f"non-empty {axes + 1}D or {axes + 2}D (batch mode) tensor expected for input"
    )


def _few_elements(shape: Ints) -> RuntimeError:
    return RuntimeError(
        "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:"
        f"{list(shape)}"
    )


def _check_elements(name: str, shape: Ints, axes: int, kernel: Ints) -> None:
    """Refuse images without elements."""
    single = len(shape) == axes + 1
    if axes == 2:
        if 0 in (shape if single else shape[1:]):
            raise _few_elements(shape)
        return
    if 0 in (shape if single else shape[1:]):
        known = {"max_pool3d": "max_pool3d_with_indices_out_cpu_template"}
        raise RuntimeError(
            f"{known.get(name, name)}(): Expected input's non-batch dimensions to have positive "
            f"length, but input has a shape of {list(shape)} and non-batch dimension 0 has length "
            "zero!"
        )
    sizes = shape[-3:]
    if name == "avg_pool3d" and any(n < k for n, k in zip(sizes, kernel, strict=True)):
        raise RuntimeError(
            f"input image ({_lettered('', sizes)}) smaller than kernel size "
            f"({_lettered('k', kernel)})"
        )


def _counts_of_line(shape: Ints, k: int, s: int, p: int, d: int, ceil: bool) -> Ints:
    """Numbers of windows of `max_pool1d`, which has words of its own."""
    rank = len(shape)
    if rank not in (2, 3) or 0 in shape[rank - 2 :]:
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(shape)}"
        )
    for word, given in (("kernel_size", k), ("stride", s)):
        if given <= 0:
            raise RuntimeError(f"max_pool1d() {word} must be greater than zero, but got {given}")
    if p < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {p}")
    if p > k // 2:
        raise RuntimeError(
            f"max_pool1d() padding should be at most half of kernel size, but got padding={p} and "
            f"kernel_size={k}"
        )
    if d <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {d}")
    count = _length(shape[-1], k, s, p, d, ceil)
    if count < 1:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {count}")
    return (count,)
