"""A tensor as text: NumPy arrays laid out line for line as PyTorch prints its tensors.

Only arrays come in, with the facts of a tensor that show in its text (dtype, device, gradient):
nothing here knows of tensors or of gradients.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "PrintOptions",
    "format_scalar",
    "get_printoptions",
    "level_text",
    "printoptions",
    "return_type_text",
    "set_printoptions",
    "tensor_text",
]

Array = npt.NDArray[Any]
Words = Callable[[Any], str]  # from one element to its text, padded to the column's width


# ---------------------------------------------------------------------------------------------
# Print options


@dataclass(frozen=True, slots=True)
class PrintOptions:
    """How numbers are printed.

    Attributes:
        precision: digits behind the decimal point.
        threshold: the number of elements above which an array is summarised.
        edgeitems: how many elements a summary shows at either end of an axis.
        linewidth: the number of characters at which a line is broken.
        sci_mode: whether to use scientific notation; None decides from the values.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES: dict[str, PrintOptions] = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

OPTIONS = PrintOptions()  # the process's own, as in torch: replaced, never changed


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors are printed from now on, in every thread.

    What is None stays as it is, except `sci_mode`, which every call sets anew.

    Args:
        precision: digits behind the decimal point.
        threshold: the number of elements above which a tensor is summarised.
        edgeitems: how many elements a summary shows at either end of an axis.
        linewidth: the number of characters at which a line is broken.
        profile: "default", "short" or "full", the values to start from.
        sci_mode: whether to use scientific notation; None decides from the values.

    >>> with printoptions(precision=2):
    ...     tensor_text(np.array([0.5, 1.25]), "float64", default_dtype="float64")
    'tensor([0.50, 1.25])'
    """
    global OPTIONS  # one setting for the whole process is what torch promises
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    start = PROFILES.get(profile, OPTIONS) if profile is not None else OPTIONS
    OPTIONS = replace(start, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The current print options by their names.

    >>> get_printoptions()["linewidth"]
    80
    """
    return asdict(OPTIONS)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print options for the length of a `with` block; takes what `set_printoptions` takes."""
    global OPTIONS  # restored when the block is left
    before = OPTIONS
    set_printoptions(**options)
    try:
        yield
    finally:
        OPTIONS = before


# ---------------------------------------------------------------------------------------------
# Numbers


def _float_words(shown: Array, options: PrintOptions) -> tuple[Words, int]:
    """The common format of a column of floats, and its width.

    Scientific if max|x| / min|x| > 1000, max|x| > 1e8 or min|x| < 1e-4 over the values x shown that
    are finite and not zero; no decimals if all of these are whole. The others do not widen.
    """
    telling = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
    if not telling.size:
        word = _float_word(scientific=False, whole=True, precision=options.precision)
        return word, 1
    sizes = np.abs(telling)
    least, largest = float(sizes.min()), float(sizes.max())
    whole = bool((telling == np.ceil(telling)).all())
    scientific = options.sci_mode
    if scientific is None:
        scientific = largest / least > 1000 or largest > 1e8 or least < 1e-4
    word = _float_word(scientific=scientific, whole=whole, precision=options.precision)
    width = max(map(len, map(word, telling.tolist())))
    return lambda value: word(value).rjust(width), width


def _float_word(*, scientific: bool, whole: bool, precision: int) -> Words:
    if scientific:
        return f"{{:.{precision}e}}".format
    if whole:
        return lambda value: f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
    return f"{{:.{precision}f}}".format


def _complex_words(shown: Array, options: PrintOptions) -> tuple[Words, int]:
    """Real and imaginary parts have formats of their own: `1.5000+2.j`."""
    real_word, real_width = _float_words(shown.real, options)
    imaginary_word, imaginary_width = _float_words(shown.imag, options)

    def word(value: complex) -> str:
        imaginary = imaginary_word(value.imag).lstrip()
        sign = "" if imaginary.startswith("-") else "+"
        return f"{real_word(value.real)}{sign}{imaginary}j"

    return word, real_width + imaginary_width + 1


def _plain_words(shown: Array, options: PrintOptions) -> tuple[Words, int]:
    """Integers and booleans: as Python writes them."""
    width = max(map(len, map(str, shown.tolist())), default=1)
    return lambda value: str(value).rjust(width), width


def _words(shown: Array, options: PrintOptions) -> tuple[Words, int]:
    """The format of an array's elements and its width, from the elements shown."""
    make = {"f": _float_words, "c": _complex_words}.get(shown.dtype.kind, _plain_words)
    return make(shown.ravel(), options)


def format_scalar(value: Any, spec: str) -> str:
    """f"{t:spec}" of a tensor without axes: the number itself.

    Args:
        value: a number, or an array of one element.
        spec: a format specification of Python's.

    >>> format_scalar(np.float32(2.5), ".3f"), format_scalar(np.array(3), "")
    ('2.500', '3')
    """
    return format(value.item() if isinstance(value, np.ndarray | np.generic) else value, spec)


# ---------------------------------------------------------------------------------------------
# Layout


def _corners(values: Array, edge: int) -> Array:
    """What a summary shows: the first and last `edge` places of every axis longer than both."""
    places = [
        np.r_[:edge, size - edge : size] if size > 2 * edge else np.arange(size)
        for size in values.shape
    ]
    found: Array = values[np.ix_(*places)]
    return found


def _row(values: Array, indent: int, word: Words, width: int, options: PrintOptions) -> str:
    """The last axis, broken into lines."""
    if _is_cut(values, options):
        edge = options.edgeitems
        first, last = values[:edge], values[len(values) - edge :]
        items = [*map(word, first.tolist()), " ...", *map(word, last.tolist())]
    else:
        items = list(map(word, values.tolist()))
    step = max(1, (options.linewidth - indent) // (width + 2))
    lines = [", ".join(items[start : start + step]) for start in range(0, len(items), step)]
    return "[" + f",\n{' ' * (indent + 1)}".join(lines) + "]"


def _is_cut(values: Array, options: PrintOptions) -> bool:
    return len(values) > 2 * options.edgeitems


def _block(values: Array, indent: int, word: Words, width: int, options: PrintOptions) -> str:
    """All axes: an axis more is an indent more, and an empty line more between its places."""
    if values.ndim == 0:
        return word(values.item())
    if values.ndim == 1:
        return _row(values, indent, word, width, options)
    edge = options.edgeitems
    cut = _is_cut(values, options)
    first, last = (values[:edge], values[len(values) - edge :]) if cut else (values, values[:0])
    blocks = [
        *(_block(part, indent + 1, word, width, options) for part in first),
        *(["..."] if cut else []),
        *(_block(part, indent + 1, word, width, options) for part in last),
    ]
    between = "," + "\n" * (values.ndim - 1) + " " * (indent + 1)
    return "[" + between.join(blocks) + "]"


def _body(values: Array, indent: int, options: PrintOptions) -> str:
    """The numbers of an array that has some, between their brackets."""
    if values.size > options.threshold:
        if not options.edgeitems and values.ndim:
            return "[...]"
        word, width = _words(_corners(values, options.edgeitems), options)
        return _block(values, indent, word, width, options)
    word, width = _words(values, options)
    return _block(values, indent, word, width, replace(options, edgeitems=values.size))


# ---------------------------------------------------------------------------------------------
# The whole text


def tensor_text(
    values: Array,
    dtype: str,
    *,
    default_dtype: str = "float32",
    device: str = "cpu",
    requires_grad: bool = False,
    grad_fn: str | None = None,
    tangent: str | None = None,
    suffixes: Sequence[str] = (),
    name: str = "tensor",
) -> str:
    """The text `tensor(...)` of an array, under the current print options.

    Args:
        values: the numbers, of any shape: booleans, integers, floats or complex numbers. bfloat16
            comes as float32. On the device "meta" only the shape counts.
        dtype: torch's name of the dtype, without "torch.".
        default_dtype: the default floating dtype, whose tensors do not name theirs.
        device: where the tensor lives; shown unless it is the CPU.
        requires_grad: whether it is a leaf that asks for a gradient.
        grad_fn: the class name of its node in the graph, if it has one.
        tangent: the text of its tangent in forward mode, if it has one.
        suffixes: further remarks, which follow all others.
        name: what stands before the bracket.

    >>> print(tensor_text(np.float32([[0.5, 1], [2, 3]]), "float32", requires_grad=True))
    tensor([[0.5000, 1.0000],
            [2.0000, 3.0000]], requires_grad=True)
    >>> tensor_text(np.zeros((0, 3), np.int64), "int64", grad_fn="MulBackward0")
    'tensor([], size=(0, 3), dtype=torch.int64, grad_fn=<MulBackward0>)'
    """
    options = OPTIONS
    indent = len(name) + 1
    remarks = [] if device == "cpu" else [f"device='{device}'"]
    has_numbers = values.size > 0 and device != "meta"
    shows_size = values.ndim != 1 or device == "meta" if not has_numbers else not options.edgeitems
    if shows_size:
        remarks.append(f"size={values.shape}")
    unnamed = {default_dtype}
    if has_numbers:
        default_complex = "complex128" if default_dtype == "float64" else "complex64"
        unnamed |= {default_complex, "int64", "bool"}
    if dtype not in unnamed:
        remarks.append(f"dtype=torch.{dtype}")
    if grad_fn is not None:
        remarks.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        remarks.append("requires_grad=True")
    if tangent is not None:
        remarks.append(f"tangent={tangent}")
    body = _body(values, indent, options) if has_numbers else "..." if device == "meta" else "[]"
    return _with_remarks(f"{name}({body}", [*remarks, *suffixes], indent, options.linewidth)


def _with_remarks(text: str, remarks: Sequence[str], indent: int, linewidth: int) -> str:
    """Append remarks to the last line while they fit, and else on lines of their own."""
    used = len(text) - text.rfind("\n") + 1
    for remark in remarks:
        if used + len(remark) + 2 > linewidth:
            text += f",\n{' ' * indent}{remark}"
            used = indent + len(remark)
        else:
            text += f", {remark}"
            used += len(remark) + 2
    return f"{text})"


def return_type_text(name: str, fields: Mapping[str, object]) -> str:
    r"""The text of a function's named results, `torch.return_types.<name>`.

    Args:
        name: the function, e.g. "max" or "linalg_qr".
        fields: the results by their names, in order.

    >>> print(return_type_text("max", {"values": "tensor(2.)", "indices": "tensor(1)"}))
    torch.return_types.max(
    values=tensor(2.),
    indices=tensor(1))
    """
    results = ",\n".join(f"{field}={value}" for field, value in fields.items())
    return f"torch.return_types.{name}(\n{results})"


def level_text(kind: str, value: str, **facts: int) -> str:
    """The text of a tensor inside a transform of torch.func: `GradTrackingTensor(lvl=1, value=…)`.

    Args:
        kind: the name before the bracket.
        value: the text of what is wrapped.
        **facts: the level and what else is told of it, in order.

    >>> print(level_text("BatchedTensor", "tensor([1., 1.])", lvl=1, bdim=0))
    BatchedTensor(lvl=1, bdim=0, value=
        tensor([1., 1.])
    )
    """
    told = "".join(f"{fact}={number}, " for fact, number in facts.items())
    inner = "".join(f"    {line}" for line in value.splitlines(keepends=True))
    return f"{kind}({told}value=\n{inner}\n)"
