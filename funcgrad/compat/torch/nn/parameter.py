"""`torch.nn.parameter`: tensors that a module knows as its parameters and buffers."""

import sys
from typing import Any, NoReturn

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.dtypes import dtype, dtype_of_numpy
from funcgrad.compat.torch.tensor import METHODS, Tensor

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class _Marked(type(Tensor)):  # type: ignore[misc]  # the class of a class
    """Counts every tensor with the mark of the class as an instance of it."""

    @override
    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (
            "_mark" in vars(cls)
            and isinstance(instance, Tensor)
            and getattr(instance, cls._mark, False)
        )


def alias(data: Tensor, cls: type[Tensor]) -> Any:
    """A leaf of a class that shares the memory of a tensor, outside its graph."""
    source = data.detach()
    made = object.__new__(cls)
    made.__dict__.update(vars(source))
    return made


class Parameter(Tensor, metaclass=_Marked):
    """A tensor that requires grad and, set as an attribute of a module, is one of its parameters.

    Args:
        data: its values, whose memory it shares; without them it is empty.
        requires_grad: whether operations on it are recorded.

    Example:
        >>> import funcgrad.compat.torch as torch
        >>> torch.nn.Parameter(torch.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    __module__ = "torch.nn.parameter"
    _mark = "_is_param"

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        """A parameter; of a tensor subclass with that class, marked as a parameter."""
        source = empty(0) if data is None else data
        if not hasattr(source, "detach"):
            raise AttributeError(f"'{type(source).__name__}' object has no attribute 'detach'")
        if not isinstance(source, Tensor):
            raise TypeError(
                f"Creating a Parameter from an instance of type {type(source).__name__} requires "
                "that detach() returns an instance of the same type, but return type "
                "None was found instead. To use the type as a Parameter, please correct the "
                "detach() semantics defined by its __torch_dispatch__() implementation."
            )
        plain = type(source) is Tensor or isinstance(source, Parameter)
        if requires_grad and source.dtype.category < 2:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        made = alias(source, cls if plain else type(source))
        made.requires_grad = requires_grad
        if not plain:
            made._is_param = True
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A parameter with memory of its own, without the gradient."""
        if id(self) not in memo:
            copied = type(self)(self.detach().clone(), self.requires_grad)  # type: ignore[attr-defined]  # entered
            memo[id(self)] = copied
        return memo[id(self)]

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]  # the class has metaclass magic
        return "Parameter containing:\n" + super().__repr__()

    __str__ = __repr__

    @override
    def __reduce_ex__(self, _protocol: Any) -> Any:
        return METHODS["reduce_parameter"](self)


class Buffer(Tensor, metaclass=_Marked):
    """A tensor that, set as an attribute of a module, is one of its buffers.

    Args:
        data: its values, whose memory it shares; without them it is empty.
        persistent: whether it belongs to the module's `state_dict`.
    """

    __module__ = "torch.nn.parameter"
    _mark = "_is_buffer"

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        """An ordinary tensor with a mark."""
        source = empty(0) if data is None else data
        made = alias(source, type(source))
        made.requires_grad = source.requires_grad
        made.persistent = persistent
        made._is_buffer = True
        return made


# --- without a shape --------------------------------------------------------------------------

NO_SHAPE = (
    "Can't access the shape of an uninitialized parameter or buffer. This error usually happens "
    "in `load_state_dict` when trying to load an uninitialized parameter into an initialized one. "
    "Call `forward` to initialize the parameters before accessing their attributes."
)
NOT_SHARED = (
    "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the "
    "parameters before calling `module.share_memory()`."
)


def is_lazy(param: Any) -> bool:
    """Whether it is a parameter or buffer without a shape."""
    return isinstance(param, UninitializedTensorMixin)


def _refuse_use() -> NoReturn:
    """Say which function was called on a tensor without a shape.

    Raises:
        ValueError: always.
    """
    frame: Any = sys._getframe(2)
    name = ""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("funcgrad."):
        name, frame = frame.f_code.co_name, frame.f_back
    raise ValueError(
        f"Attempted to use an uninitialized parameter in <function {name or '_value'}>. This error "
        "happens when you are using a `LazyModule` or explicitly manipulating "
        "`torch.nn.parameter.UninitializedParameter` objects. When using LazyModules Call "
        "`forward` with a dummy batch to initialize the parameters before calling torch functions"
    )


class UninitializedTensorMixin:
    """The part of a tensor that has a type and a device, but no shape and no values yet.

    Reading its value is an error, so every function refuses it, but for conversions.
    """

    __module__ = "torch.nn.parameter"
    is_lazy = True
    cls_to_become: Any = None

    _empty: Any
    """An array without elements; it knows the type."""

    _dtype: Any
    _where: Any
    _requires: bool

    def _start(self, requires_grad: bool, where: Any, kind: Any) -> None:
        vars(self).update(vars(empty(0, device=where, dtype=kind)))
        self._empty = vars(self).pop("_value")
        self._requires = requires_grad

    @property
    def _value(self) -> Any:
        """Refused."""
        _refuse_use()

    @_value.setter
    def _value(self, value: Any) -> None:
        self._empty = value

    @property
    def shape(self) -> Any:
        """Refused."""
        raise RuntimeError(NO_SHAPE)

    def share_memory_(self) -> Any:
        """Refused."""
        raise RuntimeError(NOT_SHARED)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or tensor of a shape, with values that are not set.

        Args:
            shape: lengths of the axes.
            device: where it is; by default where it was to be.
            dtype: type of the elements; by default the one it was to have.
        """
        kind = self.dtype if dtype is None else dtype
        source = empty(shape, device=device or self.device, dtype=kind)
        self.__class__ = self.cls_to_become
        del self._empty
        vars(self).update(_value=source._value, _dtype=source._dtype, _where=source._where)

    @property
    def data(self) -> Any:
        """An empty tensor of its type."""
        plain = object.__new__(Tensor)
        vars(plain).update(vars(self), _value=self._empty, _requires=False, _cell=[0, None])
        del vars(plain)["_empty"]
        return plain

    @property
    def dtype(self) -> dtype:
        """Type that its elements will have."""
        return self._dtype or dtype_of_numpy(self._empty.dtype)

    @property
    def device(self) -> Any:
        """Where it will be."""
        return self.data.device

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it will be recorded."""
        return self._requires

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self._requires = bool(flag)

    def copy_(self, other: Any, non_blocking: bool = False) -> Any:
        """Itself: there is nothing to copy."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Another one of the same type."""
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)  # type: ignore[call-arg]  # of the subclasses
        return memo[id(self)]

    @override
    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    @override
    def __reduce_ex__(self, _protocol: Any) -> Any:
        return type(self), (self.requires_grad,)


def _of_the_data(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.data, name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = "The same of a tensor without elements."
    return method


for _name in (
    "bfloat16", "char", "cpu", "cuda", "double", "float", "get_device", "half", "int",
    "is_complex", "is_floating_point", "long", "short", "size", "to",
):  # fmt: skip
    setattr(UninitializedTensorMixin, _name, _of_the_data(_name))


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc, override, metaclass]  # no value
    """A parameter whose shape is not known yet.

    Args:
        requires_grad: whether operations on it will be recorded.
        device: where it will be.
        dtype: type that its elements will have.
    """

    __module__ = "torch.nn.parameter"
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        """One without a shape."""
        made = object.__new__(cls)
        made._start(requires_grad, device, dtype)
        return made


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc, override]  # no value
    """A buffer whose shape is not known yet.

    Args:
        requires_grad: whether operations on it will be recorded.
        device: where it will be.
        dtype: type that its elements will have.
        persistent: whether it belongs to the module's `state_dict`.
    """

    __module__ = "torch.nn.parameter"
    cls_to_become = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        """One without a shape."""
        made = object.__new__(cls)
        made._start(requires_grad, device, dtype)
        made.persistent = persistent  # type: ignore[attr-defined]  # a mark, as the next
        made._is_buffer = True  # type: ignore[attr-defined]  # a mark
        return made
