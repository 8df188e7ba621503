"""Where wrong arguments are explained: around public functions, and around the call of modules."""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, FunctionType, TracebackType
from typing import Any

from funcgrad.compat.torch.arguments import (
    FAILURES,
    HELD,
    Word,
    explained,
    kind_of,
    refuse,
    row_of,
)
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["asking", "guard_all", "guarded", "know", "traced_back"]

_LABELS: dict[Any, list[tuple[str, Callable[..., Any]]]] = {}
"""Names and functions by the code that runs, for errors seen from further out."""


def guarded(function: Any, label: str) -> Any:
    """The function, whose errors are explained."""
    know(function, label)
    function = asking(function, label)

    @functools.wraps(function)
    def guard(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except FAILURES as error:
            found = explained(error, label, function, args, kwargs)
            if found is None:
                raise
            raise found from None

    guard.__module__, guard.__qualname__ = __name__.rpartition(".")[0], label  # for pickle
    return guard


def know(function: Any, label: str) -> None:
    """Let `traced_back` find the function."""
    code = getattr(function, "__code__", None)
    if code is not None:
        _LABELS.setdefault(code, []).insert(0, (label, function))


def _known(frame: FrameType) -> tuple[str, Callable[..., Any]] | None:
    """The function that a frame runs; of those with the same code the one with its variables."""
    found = _LABELS.get(frame.f_code, ())
    for label, function in found:
        cells = getattr(function, "__closure__", None) or ()
        names = frame.f_code.co_freevars
        pairs = zip(names, cells, strict=True)
        if all(frame.f_locals.get(name) is cell.cell_contents for name, cell in pairs):
            return label, function
    return None


def asking(function: Any, label: str) -> Any:
    """The function; one of `SWALLOWING` asks first whether its arguments are tensors."""
    if label not in SWALLOWING:
        return function
    places = _places(row_of(label).words, label.startswith("Tensor."))

    @functools.wraps(function)
    def careful(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            refuse(label, function, *args, **kwargs)
        for at in places:
            if at < len(args) and not isinstance(args[at], Tensor):
                refuse(label, function, *args, **kwargs)
        return function(*args, **kwargs)

    return careful


def _places(words: Sequence[Word], method: bool) -> tuple[int, ...]:
    return tuple(
        int(word.key) if word.key.isdigit() else word.position - 1 + method
        for word in words
        if word.key.isdigit() or word.position
    )


_BOTH = (
    "addcdiv", "addcmul", "bucketize", "clamp_max", "clamp_min", "cov", "cumulative_trapezoid",
    "dist", "expand_as", "histogram", "isin", "ormqr", "resize_as_", "rsub", "searchsorted",
    "trapezoid", "trapz",
)  # fmt: skip
_ALONE = (
    "all", "any", "argwhere", "clone", "count_nonzero", "cumprod", "cumsum", "linalg.diagonal",
    "linalg.householder_product", "linalg.lstsq", "linalg.vecdot", "logsumexp", "native_group_norm",
    "nn.functional.binary_cross_entropy_with_logits", "nn.functional.kl_div",
    "nn.functional.pairwise_distance", "nn.functional.soft_margin_loss", "nonzero", "prod",
    "renorm", "resolve_conj", "resolve_neg", "trace",
)  # fmt: skip
SWALLOWING = frozenset({*_BOTH, *_ALONE, *(f"Tensor.{name}" for name in _BOTH)})
"""Functions that would take numbers or arrays for tensors, and are called too seldom to mind."""

_HOT = (
    "add", "div", "divide", "eq", "ge", "gt", "le", "lt", "matmul", "maximum", "minimum", "mm",
    "ne", "pow", "relu", "sub", "subtract", "true_divide",
)  # fmt: skip
_ACTIVATIONS = (
    "hardsigmoid", "hardswish", "leaky_relu", "linear", "mish", "relu", "sigmoid", "silu", "tanh",
)  # fmt: skip
_MAKERS = ("arange", "empty", "full", "ones", "rand", "randn", "tensor", "zeros")
UNGUARDED = frozenset(
    {*_HOT, *_MAKERS, *(f"Tensor.{name}" for name in _HOT),
     *(f"nn.functional.{name}" for name in _ACTIVATIONS)}
)  # fmt: skip
"""Hot functions that see to wrong arguments themselves; so do all of `fast` and `entering`."""


def guard_all(tables: Mapping[str, dict[str, Any]], functional: dict[str, Any]) -> None:
    """Put guards around the public functions, and around methods that take further tensors.

    Inside the layer the functions are called without.

    Args:
        tables: the functions of each module.
        functional: names of `torch.nn.functional`, which take those of its table.
    """
    for module in ("torch", "linalg", "special", "fft", "masked", "nn.functional"):
        table = tables[module]
        for name, function in table.items():
            label = name if module == "torch" else f"{module}.{name}"
            if label in UNGUARDED:
                know(function, label)
            elif _needs_guard(function, label):
                table[name] = guarded(function, label)
                if module == "nn.functional" and functional.get(name) is function:
                    functional[name] = table[name]
                    table[name].__module__ = functional["__name__"]
                    table[name].__qualname__ = name
    for name, function in [*vars(Tensor).items()]:
        if not name.startswith("__"):
            _guard_method(name, function)


def _needs_guard(function: Any, label: str) -> bool:
    return (
        type(function) is FunctionType
        and label not in UNGUARDED
        and not function.__module__.endswith(
            (".fast", ".entering", ".formatting", ".serialization")
        )
        and not hasattr(function, "explains")
    )


def _guard_method(name: str, function: Any) -> None:
    label = f"Tensor.{name}"
    if type(function) is FunctionType and function.__qualname__ in ("_view", "_reshape"):
        function.__name__ = function.__qualname__ = name  # which Python's messages show
    if label in UNGUARDED:
        know(function, label)
    elif row_of(label).words and _needs_guard(function, label):
        setattr(Tensor, name, guarded(function, label))


def traced_back(error: Exception) -> Exception | None:
    """What PyTorch says of the arguments of the outermost of its functions that the error passed.

    For calls that do not go through `guarded`, as those of modules.
    """
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        known = _known(frame)
        if known is not None:
            label, function = known
            code = frame.f_code
            count = code.co_argcount
            held = frame.f_locals
            args = [held[name] for name in code.co_varnames[:count] if name in held]
            last = count + code.co_kwonlyargcount
            kwargs = {name: held[name] for name in code.co_varnames[count:last] if name in held}
            found = explained(error, label, function, args, kwargs)
            if found is not None:
                return found
        trace = trace.tb_next
    if isinstance(error, AttributeError) and error.name in HELD:
        return TypeError(f"an argument must be Tensor, not {kind_of(error.obj)}")
    return None
