"""What every transform does with arguments and results: select, flatten, check, protect, finish."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.foreign import cut_as, is_foreign, snapshot
from funcgrad.core.tracer import Trace, Tracer, leaked
from funcgrad.errors import (
    ArgumentSelectionError,
    CallableError,
    FuncgradError,
    InputDtypeError,
    ObjectArrayError,
    OutputDtypeError,
    PytreeError,
)
from funcgrad.families.shapes import cast_like, has_own_operators, zeros_like
from funcgrad.primitives.spectra import settled

__all__ = [
    "Selection",
    "check_callable",
    "check_output",
    "check_primal",
    "dtype_name",
    "float0",
    "fresh",
    "function_name",
    "is_differentiable",
    "lower",
    "lower_aux",
    "own",
    "result_dtype",
    "run",
    "split_aux",
    "zero_cotangent",
]

float0 = np.dtype([("float0", np.void, 0)])
"""Dtype of the derivatives of integers: it has no bytes, so it can hold nothing but zero."""


def function_name(fun: Callable[..., Any]) -> str:
    """How messages name the user's function."""
    return getattr(fun, "__name__", None) or type(fun).__name__


def dtype_name(x: Any) -> str:
    """Type and dtype of a leaf, for messages."""
    dtype = getattr(x, "dtype", None)
    return f"dtype {dtype}" if dtype is not None else f"type {type(x).__name__}"


def is_differentiable(x: Any) -> bool:
    """Whether a leaf is a real or complex floating-point value."""
    dtype = getattr(x, "dtype", None)
    return type(x) in (float, complex) if dtype is None else dtype.kind in "fc"


def check_primal(transform: str, x: Any, path: str, *, allow_int: bool = False) -> None:
    """Refuse a leaf that cannot be traced; `path` names it in the message.

    Raises:
        InputDtypeError: if it is neither floating-point nor (with `allow_int`) an integer.
        ObjectArrayError: if it is an array of dtype object, a masked array or a matrix.
    """
    if isinstance(x, np.ndarray) and type(x) is not np.ndarray and has_own_operators(x):
        raise ObjectArrayError(
            f"{transform}: {path} is a {type(x).__name__}. Its operators do not mean what those of "
            "arrays mean, so the derivative would be wrong. Pass np.asarray(x), and a mask as an "
            "argument of its own, for np.where."
        )
    if is_differentiable(x):
        return
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind == "O":
        raise ObjectArrayError(
            f"{transform}: {path} is an array of dtype object. funcgrad cannot follow Python "
            "objects inside arrays. Use a floating-point array, or a list (a pytree) of arrays."
        )
    if isinstance(x, bool | int | np.bool_ | np.integer) or (kind is not None and kind in "biu"):
        if allow_int:
            return
        raise InputDtypeError(
            f"{transform}: {path} has {dtype_name(x)}. The derivative by an integer or boolean is "
            "not defined. Pass it as a float (3.0, x.astype(float)), or select other arguments "
            "with argnums; allow_int=True (of grad and jacrev) gives it a derivative of dtype "
            "float0."
        )
    raise InputDtypeError(
        f"{transform}: {path} has {dtype_name(x)}, which is neither a number nor an array. Only "
        "floating-point values can be differentiated. Leave it out (argnums, functools.partial), "
        "or register its type as a pytree with funcgrad.tree.register_dataclass (meta_fields for "
        "what is not differentiated) or register_node."
    )


def check_callable(transform: str, fun: Any, name: str = "") -> None:
    """Refuse a value where a function is expected: `grad(f(x))` in place of `grad(f)(x)`.

    Args:
        transform: name of the transform.
        fun: what was given.
        name: of the parameter, where the transform calls the function and gives its result.
    """
    if not callable(fun) and name:
        raise CallableError(
            f"{transform}: {name} is {type(fun).__name__}, not a function. {transform} calls it "
            f"when it is needed. Pass the function itself, without calling it, or write "
            f"lambda *_: value for a constant."
        )
    if not callable(fun):
        raise CallableError(
            f"{transform}: the first argument is {type(fun).__name__}, not a function. A transform "
            f"takes a function and gives one back. Write {transform}(f)(x) in place of "
            f"{transform}(f(x))."
        )


def run(fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call the user's function.

    Where NumPy hides an error of funcgrad behind one of its own (`a[i] = x` for a traced x becomes
    "setting an array element with a sequence"), funcgrad's is raised from it. An attribute that
    traced values lack is explained here too: a `__getattr__` of theirs would make CPython look up
    all their attributes the slow way (a tenth of the time of a scalar chain).
    """
    try:
        return fun(*args, **kwargs)
    except ValueError as error:
        cause = error.__cause__
        if isinstance(cause, FuncgradError):
            raise type(cause)(*cause.args) from error
        raise
    except AttributeError as error:
        if not isinstance(error.obj, Tracer) or error.__cause__ is not None:
            raise
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        place = "an unknown line"
        if at is not None:
            code = at.tb_frame.f_code
            place = f"{code.co_filename}:{at.tb_lineno}, in {code.co_name}"
        raise AttributeError(
            f"a traced value has no attribute {error.name!r}, asked for at {place}. It has those "
            "of numpy.ndarray that do not lead to memory. Use a function of NumPy, or "
            f"stop_gradient(x).{error.name} if its derivative is not wanted.",
            name=error.name,
            obj=error.obj,
        ) from error


@dataclass(frozen=True, slots=True)
class Selection:
    """Which arguments of a call are differentiated.

    Attributes:
        numbers: positions, as given (they may be negative).
        names: of keyword arguments.
        single_number: whether `argnums` was one int.
        single_name: whether `argnames` was one string.
    """

    transform: str
    numbers: tuple[int, ...]
    names: tuple[str, ...]
    single_number: bool
    single_name: bool

    @classmethod
    def of(
        cls,
        transform: str,
        argnums: int | Sequence[int] | None,
        argnames: str | Sequence[str] | None,
    ) -> "Selection":
        """From `argnums` and `argnames` as users write them; by default the first argument."""
        if argnums is None:
            argnums = () if argnames is not None else 0
        single = hasattr(argnums, "__index__")
        numbers = tuple(argnums) if isinstance(argnums, Iterable) else (argnums,)
        for number in numbers:
            if not hasattr(number, "__index__"):
                raise ArgumentSelectionError(
                    f"{transform}: argnums={argnums!r}. Positions are integers. Write argnums=0 "
                    "or argnums=(0, 1), or use argnames."
                )
        single_name = isinstance(argnames, str)
        names = (argnames,) if single_name else tuple(argnames or ())
        return cls(transform, tuple(int(n) for n in numbers), names, single, single_name)  # type: ignore[arg-type]  # ints by now

    def positions(
        self, fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[list[int], list[int | str]]:
        """Positions among `args`; then for each name its position or keyword in this call."""
        count = len(args)
        positions = []
        for number in self.numbers:
            position = number + count if number < 0 else number
            if not 0 <= position < count:
                fix = f"Choose from {-count} to {count - 1}" if count else "Pass one by position"
                raise ArgumentSelectionError(
                    f"{self.transform}: argnums={number}, but {function_name(fun)} was called with "
                    f"{count} positional argument{'s' * (count != 1)}. There is no such argument. "
                    f"{fix}, or select a keyword argument with argnames."
                )
            positions.append(position)
        named = [self._find(fun, name, count, kwargs) for name in self.names]
        if len({*positions, *named}) != len(positions) + len(named):
            names = f" and argnames={self.names}" if self.names else ""
            raise ArgumentSelectionError(
                f"{self.transform}: argnums={self.numbers}{names} select an argument twice. Each "
                "has one derivative. Name each once."
            )
        return positions, named

    def _find(
        self, fun: Callable[..., Any], name: str, count: int, kwargs: dict[str, Any]
    ) -> int | str:
        if name in kwargs:
            return name
        try:
            parameters = list(inspect.signature(fun).parameters)
        except (TypeError, ValueError):
            parameters = []
        if name in parameters and parameters.index(name) < count:
            return parameters.index(name)
        raise ArgumentSelectionError(
            f"{self.transform}: argnames={name!r}, but {function_name(fun)} was called without it. "
            f"There is nothing to differentiate by. Pass {name}=... in the call, or choose from "
            f"{parameters or sorted(kwargs)}."
        )


def own(value: Any, forbidden: set[int]) -> Any:
    """A plain result that shares no memory with anything: a copy if it might."""
    if type(value) is np.ndarray:
        if value.base is not None or id(value) in forbidden or not value.flags.writeable:
            return value.copy()
        forbidden.add(id(value))
        return value
    if isinstance(value, np.ndarray):  # a subclass, such as the tables of funcgrad.numpy.asarray
        return np.array(value)
    if type(value) is float:
        return np.float64(value)
    if type(value) is complex:
        return np.complex128(value)
    return settled(value) if isinstance(value, Tracer) else snapshot(value)


def fresh(ct: Any, primal: Any, forbidden: set[int]) -> Any:
    """A derivative as the user gets it: dtype and kind of its primal, memory of its own.

    Args:
        ct: what the sweep found; `None` is zero.
        primal: the argument as the user passed it.
        forbidden: identities of arrays that the result must not be.
    """
    if type(ct) is np.ndarray and type(primal) is np.ndarray and ct.dtype is primal.dtype:
        return own(ct, forbidden)  # nearly always
    if ct is None:
        return zero_cotangent(primal)
    if isinstance(ct, Tracer):
        ct = settled(ct)
    if type(primal) is np.ndarray:
        if type(ct) is np.ndarray:
            if ct.dtype is not primal.dtype and ct.dtype != primal.dtype:
                ct = cast_like(ct, primal.dtype)
            return own(ct, forbidden)
        if not isinstance(ct, Tracer) and not is_foreign(ct):
            return np.array(cast_like(ct, primal.dtype), primal.dtype)
    dtype = getattr(primal, "dtype", None)
    if dtype is None:
        dtype = np.dtype(type(primal))
    if ct.dtype != dtype:
        ct = cast_like(ct, dtype)
    if type(ct) is np.ndarray and ct.ndim == 0 and not isinstance(primal, Tracer):
        return ct[()]
    return ct if isinstance(ct, Tracer) else own(cut_as(ct, primal), forbidden)


def zero_cotangent(primal: Any) -> Any:
    """Zeros of the kind of a primal; of dtype `float0` for an integer."""
    if not is_differentiable(primal):
        return np.zeros(np.shape(primal), float0)
    if isinstance(primal, Tracer):
        return zeros_like(primal, dtype=primal.dtype)
    return np.zeros_like(primal) if isinstance(primal, np.ndarray) else zeros_like(primal)


def check_output(transform: str, trace: Trace, x: Any) -> None:
    """Refuse a result that is a tracer of a closed transform, or of one that was inside this."""
    if isinstance(x, Tracer) and (not x.owner.open or x.owner.id > trace.id):
        raise leaked(x.owner.transform)
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind is not None and kind in "OSUV" and not isinstance(x, Tracer):
        raise OutputDtypeError(
            f"{transform}: the function returned an array of dtype {x.dtype}. It cannot carry a "
            "derivative. Return numeric arrays; join traced values with np.stack([...])."
        )


def split_aux(transform: str, fun: Callable[..., Any], out: Any) -> tuple[Any, Any]:
    """The two parts of what a function with `has_aux` returned."""
    if not isinstance(out, tuple) or len(out) != 2:  # a pair
        raise PytreeError(
            f"{transform}: has_aux=True, but {function_name(fun)} returned "
            f"{'one traced value' if isinstance(out, Tracer) else type(out).__name__}, "
            "not a pair. The first part is differentiated, the second is passed on. Return "
            "(value, aux), or leave has_aux away."
        )
    return out


def lower(transform: str, trace: Trace, x: Any) -> Any:
    """A result of a (closed) trace as a value of the transform around it, in memory of its own."""
    if isinstance(x, Tracer) and x.owner is trace:
        return _copied(x.value)
    check_output(transform, trace, x)
    return _copied(x)


def lower_aux(transform: str, trace: Trace, aux: Any) -> Any:
    """As `lower`, for all leaves of what a function passes on beside its result."""

    def lowered(leaf: Any) -> Any:
        return lower(transform, trace, leaf) if isinstance(leaf, Tracer) else _copied(leaf)

    return tree.map(lowered, aux)


def _copied(value: Any) -> Any:
    """An array may be one of the function's closure: the result is a copy, and a plain ndarray."""
    return np.array(value) if isinstance(value, np.ndarray) else own(value, set())


def result_dtype(value: Any) -> np.dtype[Any]:
    """Dtype of an array, a traced value or a Python number."""
    return value.dtype if hasattr(value, "dtype") else np.result_type(type(value))
