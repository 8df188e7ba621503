"""How traced values answer to NumPy: operators, NEP 13, NEP 18, attributes and methods.

One table, `DISPATCH`, maps a NumPy callable to the function that does the same on traced values.
The families and `funcgrad.primitives` fill it while they are imported, so this module knows no
primitive.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from funcgrad.errors import (
    DroppedDerivativeError,
    TracerArrayConversionError,
    TracerAssignmentError,
    UnsupportedFunctionError,
    user_line,
)

__all__ = ["DISPATCH", "UFUNC_METHODS", "ArrayLike", "dispatch", "implements", "is_operand"]

_STANDARDS = ("2021.12", "2022.12", "2023.12", "2024.12")
DISPATCH: dict[Any, Callable[..., Any]] = {}
"""`{NumPy callable: the same on traced values}`; filled once, at import."""

UFUNC_METHODS: dict[tuple[Any, str], Callable[..., Any]] = {}
"""`{(ufunc, "reduce" | "accumulate" | ...): the same on traced values}`; filled once, at import."""

REPLACEMENTS: dict[Any, str] = {}
"""`{NumPy callable: what to use instead}` for the refusals of `UnsupportedFunctionError`.

Ufuncs of SciPy, which need not be installed, stand here by their names.
"""


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: enter a function into `DISPATCH` for each of the given NumPy callables."""

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            DISPATCH[function] = implementation
        return implementation

    return enter


def dispatch(function: Any) -> Callable[..., Any]:
    """The implementation of a NumPy callable on traced values, or `UnsupportedFunctionError`."""
    implementation = DISPATCH.get(function)
    if implementation is None:
        raise unsupported(function)
    return implementation


def unsupported(function: Any, what: str = "") -> UnsupportedFunctionError:
    """The error for a NumPy callable (or an option of one) that traced values do not know."""
    name = getattr(function, "__name__", str(function))
    label = f"{getattr(function, '__module__', None) or 'numpy'}.{name}"
    fix = REPLACEMENTS.get(function)
    if fix is None and isinstance(function, np.ufunc) and getattr(np, name, None) is not function:
        label = _foreign_label(function, name)
        fix = REPLACEMENTS.get(
            label,
            "Give it a rule with funcgrad.custom_jvp, which calls it through "
            "funcgrad.pure_callback, or use stop_gradient(x) if its derivative is not wanted.",
        )
    if fix is None:
        fix = (
            "Write it with functions that funcgrad.numpy has, or use stop_gradient(x) "
            "if its derivative is not wanted."
        )
    return UnsupportedFunctionError(
        f"{label}{what}: called with a traced value at {user_line()}. funcgrad has no "
        f"derivative rule for it. {fix}"
    )


def _foreign_label(ufunc: Any, name: str) -> str:
    """What a ufunc that is not NumPy's own is called in messages."""
    of_scipy = getattr(sys.modules.get("scipy.special"), name, None) is ufunc
    return f"scipy.special.{name}" if of_scipy else f"{name}, a ufunc of another library"


def _refuse_number(kind: str) -> Callable[["ArrayLike"], NoReturn]:
    def refuse(self: "ArrayLike") -> NoReturn:
        self._check_plain(kind)
        raise DroppedDerivativeError(
            f"{kind} of a traced value of shape {self.shape} at {user_line()}. The result would be "
            "a plain number without a derivative, which gives silently wrong gradients. Use the "
            "np.* function in place of math.*, build arrays with np.stack([...]), write "
            "y = funcgrad.numpy.at(y)[i].set(x) in place of the assignment y[i] = x into a plain "
            "array y, or convert stop_gradient(x) if no derivative is wanted."
        )

    return refuse


def _refuse_change(method: str, fix: str) -> Callable[..., NoReturn]:
    def refuse(self: "ArrayLike", *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TracerAssignmentError(
            f"{method} of a traced value at {user_line()}. Traced values are immutable. {fix}"
        )

    refuse.__name__ = method
    return refuse


def _binary(ufunc: Any) -> Callable[[Any, Any], Any]:
    def operator(self: "ArrayLike", other: Any) -> Any:
        if not is_operand(other):
            return NotImplemented
        return DISPATCH[ufunc](self, other)

    return operator


def _reflected(ufunc: Any) -> Callable[[Any, Any], Any]:
    def operator(self: "ArrayLike", other: Any) -> Any:
        if not is_operand(other):
            return NotImplemented
        return DISPATCH[ufunc](other, self)

    return operator


def _in_place(ufunc: Any, symbol: str) -> Callable[[Any, Any], Any]:
    def operator(self: "ArrayLike", other: Any) -> Any:
        self._check_not_view(symbol)
        if not is_operand(other):
            return NotImplemented
        return DISPATCH[ufunc](self, other)

    return operator


def _unary(ufunc: Any) -> Callable[[Any], Any]:
    def operator(self: "ArrayLike") -> Any:
        return DISPATCH[ufunc](self)

    return operator


def is_operand(other: Any) -> bool:
    """Whether an operator takes this beside a traced value; other types may have their own."""
    return isinstance(
        other, ArrayLike | np.ndarray | np.generic | int | float | complex | list | tuple | range
    ) or (hasattr(other, "__array_ufunc__") or hasattr(other, "__array__"))


def _method(function: Any) -> Callable[..., Any]:
    def method(self: "ArrayLike", *args: Any, **kwargs: Any) -> Any:
        return dispatch(function)(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"See `numpy.{function.__name__}`."
    return method


class ArrayLike:
    """What a tracer has in common with `numpy.ndarray`; everything goes through `DISPATCH`."""

    __slots__ = ("__weakref__",)
    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]  # as ndarray: == is elementwise

    value: Any

    # what the kinds of tracers define ---------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return getattr(self.value, "shape", ())

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype; that of a Python scalar is its default one."""
        value = self.value
        return value.dtype if hasattr(value, "dtype") else np.result_type(type(value))

    def _check_plain(self, kind: str) -> None:
        """Raise if the tracer cannot be asked for a plain value at all."""

    def _check_not_view(self, symbol: str) -> None:
        """Raise if an in-place operator (`"+="`) would change another traced value too."""

    # attributes -------------------------------------------------------------------------------
    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.dtype.itemsize * self.size

    @property
    def T(self) -> Any:  # ndarray's name
        """The transpose: axes in reverse order."""
        return DISPATCH[np.transpose](self)

    @property
    def mT(self) -> Any:  # ndarray's name
        """The matrix transpose: the last two axes swapped."""
        return DISPATCH[np.matrix_transpose](self)

    @property
    def real(self) -> Any:
        """Real part."""
        return DISPATCH[np.real](self)

    @property
    def imag(self) -> Any:
        """Imaginary part."""
        return DISPATCH[np.imag](self)

    @property
    def device(self) -> str:
        """Always `"cpu"`, as for ndarray."""
        return "cpu"

    @property
    def at(self) -> Any:
        """Functional updates: `x.at[idx].set(v)`; see `funcgrad.numpy.at`."""
        return DISPATCH["at"](self)

    @property
    def flat(self) -> Any:
        """The elements in C order, as a one-dimensional traced value."""
        return DISPATCH[np.ravel](self)

    # protocols --------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") is not None and method != "at":
            raise TracerAssignmentError(
                f"{ufunc.__name__}: out= (or an in-place operator on a plain array) with a traced "
                f"operand at {user_line()}. The result cannot be written into a plain array "
                "without losing its derivative. Write a = a + x in place of a += x, and leave "
                "out= away."
            )
        if method == "__call__":
            implementation = DISPATCH.get(ufunc)
            if implementation is None:
                raise unsupported(ufunc)
            if not kwargs:
                return implementation(*args)
            return DISPATCH["ufunc options"](ufunc, implementation, args, kwargs)
        if method == "at":
            raise TracerAssignmentError(
                f"{ufunc.__name__}.at with a traced value at {user_line()}. It changes its first "
                "operand in place. Use funcgrad.numpy.at(x)[indices].add(values) (or set, "
                "subtract, multiply, divide, min, max, power), which returns the result."
            )
        chosen = UFUNC_METHODS.get((ufunc, method))
        if chosen is not None:
            return chosen(*args, **kwargs)
        if method == "outer":
            return DISPATCH["ufunc outer"](ufunc, *args, **kwargs)
        raise unsupported(ufunc, f".{method}")

    def __array_function__(
        self, function: Any, _types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        implementation = DISPATCH.get(function)
        if implementation is None:
            raise unsupported(function)
        return implementation(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise TracerArrayConversionError(
            f"a traced value of shape {self.shape} was to become a plain array at {user_line()}. "
            "Its derivative would be lost. Build arrays of traced values with np.stack([...]) or "
            "np.concatenate([...]) in place of np.array([...]), convert with "
            "funcgrad.numpy.asarray(x) (array, full, arange, select and vectorize of "
            "funcgrad.numpy take traced values too), write a = funcgrad.numpy.at(a)[i].set(x) in "
            "place of a[i] = x, index a plain table with funcgrad.numpy.asarray(table)[i], or use "
            "stop_gradient(x)."
        )

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        if api_version is not None and api_version not in _STANDARDS:
            raise ValueError(
                f"__array_namespace__: api_version={api_version!r}. funcgrad.numpy follows the "
                f"array API standard of {', '.join(_STANDARDS)}. Ask for one of them, or leave "
                "api_version away."
            )
        return DISPATCH["namespace"]()

    def to_device(self, device: str, /, *, stream: Any = None) -> Any:
        """The value itself: the only device is `"cpu"`, as for ndarray."""
        if device != "cpu" or stream is not None:
            raise ValueError(
                f"to_device: device={device!r}, stream={stream!r}. Traced values are on the cpu. "
                "Leave it away."
            )
        return self

    def __dlpack__(self, **_options: Any) -> NoReturn:
        self.__array__()

    def __dlpack_device__(self) -> NoReturn:
        self.__array__()

    # Python's questions -----------------------------------------------------------------------
    __float__ = _refuse_number("float()")
    __complex__ = _refuse_number("complex()")
    __int__ = _refuse_number("int()")
    __index__ = _refuse_number("use as an integer index")
    item = _refuse_number(".item()")
    tolist = _refuse_number(".tolist()")
    tobytes = _refuse_number(".tobytes()")
    __round__ = _method(np.round)

    def __bool__(self) -> bool:
        self._check_plain("bool()")
        return bool(self.value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a traced value without axes. It has no length. Use .size.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError(
                "iteration over a traced value without axes. It has no parts. Use np.atleast_1d(x)."
            )
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, element: Any) -> bool:
        return bool(DISPATCH[np.any](self == element))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else str(self)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: Any) -> Any:
        return self

    def __reduce__(self) -> NoReturn:
        raise DroppedDerivativeError(
            f"pickling a traced value of shape {self.shape} at {user_line()}. It lives only inside "
            "its transform, so its derivative would be lost. Pickle stop_gradient(x), or what the "
            "transform returns."
        )

    def __getitem__(self, key: Any) -> Any:
        return DISPATCH["getitem"](self, key)

    # operators --------------------------------------------------------------------------------
    __add__, __radd__ = _binary(np.add), _reflected(np.add)
    __sub__, __rsub__ = _binary(np.subtract), _reflected(np.subtract)
    __mul__, __rmul__ = _binary(np.multiply), _reflected(np.multiply)
    __truediv__, __rtruediv__ = _binary(np.true_divide), _reflected(np.true_divide)
    __pow__, __rpow__ = _binary(np.power), _reflected(np.power)
    __mod__, __rmod__ = _binary(np.remainder), _reflected(np.remainder)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _reflected(np.floor_divide)
    __divmod__, __rdivmod__ = _binary(np.divmod), _reflected(np.divmod)
    __matmul__, __rmatmul__ = _binary(np.matmul), _reflected(np.matmul)
    __and__, __rand__ = _binary(np.bitwise_and), _reflected(np.bitwise_and)
    __or__, __ror__ = _binary(np.bitwise_or), _reflected(np.bitwise_or)
    __xor__, __rxor__ = _binary(np.bitwise_xor), _reflected(np.bitwise_xor)
    __lshift__, __rlshift__ = _binary(np.left_shift), _reflected(np.left_shift)
    __rshift__, __rrshift__ = _binary(np.right_shift), _reflected(np.right_shift)
    __lt__, __le__ = _binary(np.less), _binary(np.less_equal)
    __gt__, __ge__ = _binary(np.greater), _binary(np.greater_equal)
    __eq__ = _binary(np.equal)
    __ne__ = _binary(np.not_equal)
    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)
    __iadd__, __isub__ = _in_place(np.add, "+="), _in_place(np.subtract, "-=")
    __imul__, __itruediv__ = _in_place(np.multiply, "*="), _in_place(np.true_divide, "/=")
    __ipow__, __imod__ = _in_place(np.power, "**="), _in_place(np.remainder, "%=")
    __ifloordiv__ = _in_place(np.floor_divide, "//=")
    __imatmul__ = _in_place(np.matmul, "@=")
    __iand__, __ior__ = _in_place(np.bitwise_and, "&="), _in_place(np.bitwise_or, "|=")
    __ixor__ = _in_place(np.bitwise_xor, "^=")

    # methods ----------------------------------------------------------------------------------
    all, any = _method(np.all), _method(np.any)
    argmax, argmin, argsort = _method(np.argmax), _method(np.argmin), _method(np.argsort)
    argpartition, choose = _method(np.argpartition), _method(np.choose)
    clip, cumsum, cumprod = _method(np.clip), _method(np.cumsum), _method(np.cumprod)
    diagonal, dot = _method(np.diagonal), _method(np.dot)
    max, min, mean = _method(np.max), _method(np.min), _method(np.mean)
    nonzero, prod, ravel = _method(np.nonzero), _method(np.prod), _method(np.ravel)
    repeat, round, searchsorted = _method(np.repeat), _method(np.round), _method(np.searchsorted)
    squeeze, std, sum = _method(np.squeeze), _method(np.std), _method(np.sum)
    swapaxes, take, trace = _method(np.swapaxes), _method(np.take), _method(np.trace)
    var = _method(np.var)

    def astype(
        self,
        dtype: Any,
        order: str = "K",
        casting: Any = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> Any:
        """See `numpy.ndarray.astype`."""
        del subok
        if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(
                f"Cannot cast array data from {self.dtype!r} to {np.dtype(dtype)!r} according to "
                f"the rule {casting!r}"
            )
        x = DISPATCH[np.astype](self, dtype, copy=copy)
        return x if order == "K" else DISPATCH[np.copy](x, order=order)

    def conj(self) -> Any:
        """See `numpy.ndarray.conj`; booleans stay, of which the ufunc makes an int8."""
        return self if self.dtype.kind == "b" else DISPATCH[np.conjugate](self)

    conjugate = conj

    def copy(self, order: str = "C") -> Any:
        """A copy, by default with its elements in C order; see `numpy.copy`."""
        return DISPATCH[np.copy](self, order=order)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """See `numpy.reshape`."""
        del copy
        target = shape[0] if len(shape) == 1 else shape
        return DISPATCH[np.reshape](self, target, order=order)

    def flatten(self, order: str = "C") -> Any:
        """A copy with one axis; see `numpy.ravel`."""
        return DISPATCH[np.copy](DISPATCH[np.ravel](self, order=order))

    def transpose(self, *axes: Any) -> Any:
        """See `numpy.transpose`."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return DISPATCH[np.transpose](self, order)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """See `numpy.compress`."""
        return dispatch(np.compress)(condition, self, axis)

    __setitem__ = _refuse_change(
        "x[i] = v (or x[i] += v)",
        "Use x = x.at[i].set(v), which returns a new value; x = x.at[i].add(v) in place of "
        "x[i] += v, and likewise subtract, multiply, divide and power.",
    )
    __delitem__ = _refuse_change("del x[i]", "Use np.delete(x, i), which returns a new value.")
    fill = _refuse_change("fill", "Use np.full_like(x, v), which returns a new value.")
    put = _refuse_change("put", "Use x.at[i].set(v), which returns a new value.")
    itemset = _refuse_change("itemset", "Use x.at[i].set(v), which returns a new value.")
    sort = _refuse_change("sort", "Use np.sort(x), which returns a new value.")
    partition = _refuse_change("partition", "Use np.partition(x, k), which returns a new value.")
    resize = _refuse_change("resize", "Use np.resize(x, shape), which returns a new value.")
    byteswap = _refuse_change("byteswap", "Use stop_gradient(x).byteswap().")
    view = _refuse_change("view", "Use x.astype(dtype) or x.reshape(shape).")
    setfield = _refuse_change("setfield", "Use x.at[i].set(v), which returns a new value.")
    setflags = _refuse_change("setflags", "They are never writable.")

    def __init_subclass__(cls) -> None:
        _refuse_setting(cls)


_SETTABLE = {
    "shape": "Use x = x.reshape(shape), which returns a new value.",
    "dtype": "Use x = x.astype(dtype), which returns a new value.",
    "real": "Use x = v + 1j * x.imag, which returns a new value.",
    "imag": "Use x = x.real + 1j * v, which returns a new value.",
    "flat": "Use x = funcgrad.numpy.full_like(x, v), which returns a new value.",
}


def _refuse_setting(cls: type) -> None:
    """Give the attributes that an ndarray can be assigned to a setter that says what to write."""
    for name, fix in _SETTABLE.items():
        found = vars(cls).get(name)
        if isinstance(found, property):
            setattr(cls, name, found.setter(_refuse_change(f"x.{name} = v", fix)))


_refuse_setting(ArrayLike)
