"""The tensor: a holder of a value, with its place in the graph and the version of its memory."""

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.dtypes import CPU, Size, device, dtype, dtype_of_numpy, layout, strided
from funcgrad.compat.torch.node import Node
from funcgrad.compat.torch.state import STATE
from funcgrad.core.tracer import Tracer

__all__ = [
    "METHODS", "PLAIN", "Tensor", "forget_view", "holder", "new_tensor", "payload_of",
    "plain_array",
]  # fmt: skip

PLAIN = frozenset((np.ndarray, np.float32, np.float64))
"""Types of values that the fast paths take."""

new = object.__new__

NON_LEAF_GRAD = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
    "attribute won't be populated during autograd.backward(). If you indeed want the .grad field "
    "to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you "
    "access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead."
)


class _TensorMeta(type):
    """Lets methods be looked up, and `Tensor` say its name as PyTorch's does."""

    @override
    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__qualname__}'>"


class Tensor(metaclass=_TensorMeta):
    """An array with PyTorch's interface.

    Its value is a NumPy array (a NumPy scalar where an operation gave one), or a traced value
    inside a functional transform. Operations are methods too; they are entered by the modules that
    define them.
    """

    __module__ = "torch"

    _value: Any
    _cell: list[Any]
    """[version, node that last wrote into the memory]; tensors that share memory share it."""

    _node: Any = None
    _port: int = 0
    _requires: bool = False
    _dtype: dtype | None = None
    """Set only for bfloat16, whose values are kept as float32."""

    _grad: Any = None
    _base: Any = None
    """The tensor this is a view of, and how: see `funcgrad.compat.torch.views`."""

    _path: tuple[Any, ...] = ()
    _views: list[Any] | None = None
    _shared: bool = False
    """Whether a detached tensor has the same traced values, where there is no memory to share."""

    _sealed: str = ""
    """Why it may not be written to while operations are recorded, if it may not."""

    _hooks: Any = None
    _retains: Any = None
    """The handle of the hook that keeps the gradient of an interior tensor."""

    _accumulator: Any = None
    _where: device | None = None
    _inference: bool = False
    _grad_dtype: Any = "own"
    _tangent: Any = None
    _given_tangent: Any = None
    """The value made by `forward_ad.make_dual`, and the tensor that was given as its tangent."""

    name: str | None = None
    __array_priority__ = 1000

    def __new__(cls, *args: Any, **kwargs: Any) -> "Tensor":
        """As `torch.Tensor(...)`: sizes give an uninitialised tensor, data a copy."""
        if cls is not Tensor and not args:
            return new(cls)
        return METHODS["legacy"](cls, *args, **kwargs)  # type: ignore[no-any-return]  # a tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    # --- what it is -----------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """Lengths of the axes."""
        return Size(self._value.shape)

    def size(self, dim: int | None = None) -> Any:
        """Lengths of the axes, or of one."""
        if dim is None:
            return Size(self._value.shape)
        if not self._value.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return self._value.shape[METHODS["check_dim"](dim, self._value.ndim)]

    @property
    def dtype(self) -> dtype:
        """Type of the elements."""
        return self._dtype or dtype_of_numpy(self._value.dtype)

    @property
    def device(self) -> device:
        """Always the CPU, or meta."""
        return self._where or CPU

    @property
    def layout(self) -> layout:
        """Always strided."""
        return strided

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return int(self._value.ndim)

    def dim(self) -> int:
        """Number of axes."""
        return int(self._value.ndim)

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return int(self._value.size)

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    def element_size(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    @property
    def is_cuda(self) -> bool:
        """Always false."""
        return False

    is_sparse = is_quantized = is_mps = is_xpu = is_mkldnn = is_nested = is_cuda

    @property
    def is_meta(self) -> bool:
        """Whether it has no values."""
        return self._where is not None and self._where.type == "meta"

    # --- its place in the graph -----------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded."""
        if self._requires:
            return True
        value = self._value
        while isinstance(value, Tracer):
            if METHODS["is_tracking"](value):
                return True
            value = value.value
        return False

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if isinstance(self._value, Tracer):
            METHODS["refuse_recorded"]("it changes requires_grad of a tensor")
        if self._node is not None:
            if flag:
                return
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if flag and self.dtype.category < 2:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients"
            )
        self._requires = bool(flag)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set `requires_grad` in place."""
        if isinstance(self._value, Tracer):
            METHODS["refuse_requires_grad"]()
        if requires_grad and self._node is None and self.dtype.category < 2:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user and not by a recorded operation."""
        return self._node is None

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made it."""
        node: Node | None = self._node
        return node

    @property
    def output_nr(self) -> int:
        """Which result of its node it is."""
        return self._port

    @property
    def _version(self) -> int:
        return int(self._cell[0])

    @property
    def grad(self) -> Any:
        """The accumulated gradient of a leaf (or after `retain_grad`)."""
        if STATE.compiling is not None:
            METHODS["refuse_recorded"]("it reads the gradient of a tensor")
        if self._grad is None and self._node is not None and not self._retains:
            warnings.warn(NON_LEAF_GRAD, UserWarning, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        METHODS["check_grad"](self, value)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def is_inference(self) -> bool:
        """Whether it was made in inference mode."""
        return self._inference

    # --- to Python ------------------------------------------------------------------------

    def __len__(self) -> int:
        shape = self._value.shape
        if not shape:
            raise TypeError("len() of a 0-d tensor")
        return int(shape[0])

    def __iter__(self) -> Iterator["Tensor"]:
        if not self._value.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(METHODS["unbind"](self))

    def __bool__(self) -> bool:
        value = self._value
        if value.size != 1:
            many = "more than one value" if value.size else "no values"
            raise RuntimeError(f"Boolean value of Tensor with {many} is ambiguous")
        return bool(METHODS["plain"](value, "bool") if isinstance(value, Tracer) else value.item())

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        value = plain_array(self, "item")
        if value.size != 1:
            raise RuntimeError(f"a Tensor with {value.size} elements cannot be converted to Scalar")
        return value.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return plain_array(self, "tolist").tolist()

    def _number(self, kind: Callable[[Any], Any]) -> Any:
        if self._value.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        if self._requires and STATE.grad:
            warnings.warn(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
                "behavior.\nConsider using tensor.detach() first.",
                UserWarning,
                stacklevel=3,
            )
        number = self.item()
        if kind is not complex and isinstance(number, complex):
            word = "double" if kind is float else "int64_t"
            if number.imag:
                raise RuntimeError(f"value cannot be converted to type {word} without overflow")
            number = number.real
        return kind(number)

    def __float__(self) -> float:
        return self._number(float)  # type: ignore[no-any-return]  # a float

    def __int__(self) -> int:
        return self._number(int)  # type: ignore[no-any-return]  # an int

    def __complex__(self) -> complex:
        return self._number(complex)  # type: ignore[no-any-return]  # a complex

    def __index__(self) -> int:
        if self.dtype.category > 1 or self._value.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __hash__(self) -> int:
        return id(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        return np.array(array, dtype=dtype, copy=copy)

    def numpy(self, *, force: bool = False) -> Any:
        """The values as an array that shares their memory."""
        if force:
            return np.array(self.detach().resolve_conj()._array())  # type: ignore[attr-defined]  # entered
        if STATE.grad and self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead."
            )
        if self._dtype is not None:
            raise TypeError("Got unsupported ScalarType BFloat16")
        if self.is_meta:
            plain_array(self, "numpy")
        if self._node is not None or self._base is not None:
            METHODS["keep_before_write"](self)
        return self._array().view()

    def _array(self) -> Any:
        """The value as an array that can be written to; a NumPy scalar becomes one for good."""
        value = self._value
        if type(value) is not np.ndarray:
            value = plain_array(self, "numpy")
            if not isinstance(self._value, Tracer):
                self._value = value = np.array(value)
        return value

    def detach(self) -> "Tensor":
        """A tensor of the same memory outside the graph."""
        if not isinstance(self._value, Tracer):
            self._array()
            if self._node is not None or self._base is not None:
                METHODS["keep_before_write"](self)
        value = self._value
        result = holder(METHODS["constant"](value) if isinstance(value, Tracer) else value, self)
        result._cell = self._cell
        if self._where is not None:
            result._where = self._where
        if STATE.compiling is not None and isinstance(value, Tracer):
            for one in (result, self, self._base):
                if one is not None:
                    one._shared = True
        return result

    @property
    def data(self) -> "Tensor":
        """The same memory outside the graph, with a version of its own."""
        result = self.detach()
        result._cell = [0, None]
        return result

    @data.setter
    def data(self, other: "Tensor") -> None:
        if not isinstance(other, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        METHODS["refuse_recorded"]("it sets the data of a tensor")
        if self._requires and other.dtype.category < 2:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex "
                "dtype"
            )
        self._value = other._value if isinstance(other._value, Tracer) else other._array()
        self._dtype = other._dtype

    @override
    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return METHODS["repr"](self)  # type: ignore[no-any-return]  # text

    @override
    def __str__(self) -> str:
        return METHODS["repr"](self)  # type: ignore[no-any-return]  # text

    @override
    def __format__(self, spec: str) -> str:
        return METHODS["format"](self, spec)  # type: ignore[no-any-return]  # text

    @override
    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in ("mro",)]


METHODS: dict[str, Callable[..., Any]] = {}
"""What the class needs of modules that are imported after it; filled once, at import."""


def holder(value: Any, like: Tensor | None = None) -> Tensor:
    """A tensor of a value that is not recorded."""
    tensor = new(Tensor)
    tensor._cell = [0, None]
    if type(value) is AmbientTracer:
        tensor._value = value.value
        tensor._requires = True
        tensor._cell = value.cell
        if isinstance(value.target, Node):
            tensor._node = value.target
            tensor._port = value.port
        else:
            tensor._node = METHODS["alias"](value.target)
    else:
        tensor._value = value
    if like is not None and like._dtype is not None:
        tensor._dtype = like._dtype
    return tensor


new_tensor = holder


def payload_of(tensor: Tensor) -> Any:
    """The value as the core sees it: traced, where the tensor requires grad."""
    value = tensor._value
    if tensor._requires and not isinstance(value, Tracer):
        node = tensor._node
        return AmbientTracer(value, tensor if node is None else node, tensor._port, tensor._cell)
    return value


_META: dict[str, tuple[type[Exception], str]] = {
    "item": (RuntimeError, "Tensor.item() cannot be called on meta tensors"),
    "numpy": (
        TypeError,
        "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
        "host memory first.",
    ),
    "tolist": (NotImplementedError, "Cannot copy out of meta tensor; no data!"),
}


def plain_array(tensor: Tensor, what: str) -> Any:
    """The values of a tensor that no open functional transform traces."""
    if tensor._where is not None and tensor.is_meta:
        kind, message = _META.get(what, _META["tolist"])
        raise kind(message)
    value = tensor._value
    while type(value) is AmbientTracer:
        value = value.value
    if isinstance(value, Tracer):
        return METHODS["plain"](value, what)
    return value


def register_view(tensor: Tensor, base: Tensor, path: tuple[Any, ...]) -> None:
    """Remember that a tensor shows part of another, for writes through either."""
    tensor._base = base
    tensor._path = path
    views = base._views
    if views is None:
        views = base._views = []
    elif len(views) > 16 and not len(views) & (len(views) - 1):  # now and then: at powers of two
        views[:] = [reference for reference in views if reference() is not None]
    views.append(weakref.ref(tensor))


def forget_view(tensor: Tensor) -> None:
    """A view that is none for its base any longer: writes there do not change its graph."""
    base = tensor._base
    if base is not None:
        base._views[:] = [reference for reference in base._views if reference() is not tensor]
        tensor._base, tensor._path = None, ()
