"""Other types and devices of a tensor."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import refuse
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import ALIASES, DTYPES, as_dtype, check_device, device, dtype
from funcgrad.compat.torch.inplace import CAST
from funcgrad.compat.torch.op import BFLOAT16, Op, rounded
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.tensor import METHODS, Tensor
from funcgrad.core.tracer import Tracer

__all__ = ["cast", "clone", "to"]


def _astype(x: Any, *, kept_in: Any) -> Any:
    if isinstance(x, Tracer):
        return x.astype(kept_in)
    with np.errstate(invalid="ignore", over="ignore"):
        if np.dtype(kept_in).kind != "c" and x.dtype.kind == "c":
            x = np.real(x)
        return np.array(x, kept_in)[()] if not np.shape(x) else np.asarray(x).astype(kept_in)


_to_copy = Op("ToCopyBackward0", _astype, linear=True)
_clone = Op("CloneBackward0", np.copy, linear=True)
COMPLEX_TO_REAL = "Casting complex values to real discards the imaginary part"


def cast(tensor: Tensor, kind: dtype) -> Tensor:
    """The tensor in another type; itself if it has it already."""
    if tensor.dtype is kind:
        return tensor
    if tensor.dtype.category == 3 and 0 < kind.category < 3:
        warnings.warn(COMPLEX_TO_REAL, UserWarning, stacklevel=3)
    result: Tensor = _to_copy(tensor, kept_in=kind.numpy)
    if kind is BFLOAT16:
        refuse("it computes with bfloat16")
        result._dtype = kind
        if not isinstance(result._value, Tracer):
            result._value = rounded(result._value)
    elif result._dtype is not None:
        result._dtype = None
    return result


CAST["to"] = cast
METHODS["to"] = cast


@expose("clone")
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with memory of its own, recorded."""
    return _clone(input)  # type: ignore[no-any-return]  # a tensor


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another type or device: `to(dtype)`, `to(device, dtype)`, `to(other)`."""
    kind = as_dtype(kwargs.get("dtype"), "to")
    where: Any = kwargs.get("device")
    again = bool(kwargs.get("copy", False))
    for number, arg in enumerate(args):
        if isinstance(arg, dtype | type):
            kind = as_dtype(arg, "to")
        elif isinstance(arg, str | device) or (isinstance(arg, int) and type(arg) is not bool):
            where = arg
        elif isinstance(arg, Tensor):
            kind, where = arg.dtype, arg.device
        elif type(arg) is bool and number == len(args) - 1 and number >= 2:
            again = arg
        elif arg is not None and type(arg) is not bool:
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({type(arg).__name__})"
            )
    if where is not None:
        found = check_device(where)
        if found.type == "meta":
            return made(np.zeros(self._value.shape, self._value.dtype), kind, where=found)
        if self.is_meta:
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    result = self if kind is None else cast(self, kind)
    if again and result is self:
        copied: Tensor = _to_copy(self, kept_in=self.dtype.numpy)
        copied._dtype = self._dtype
        return copied
    return result


Tensor.to = to  # type: ignore[attr-defined]  # a method, entered here


def _casting(kind: dtype) -> Callable[..., Tensor]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        """The tensor in this type."""
        return cast(self, kind)

    return method


for _name in ("bool", "bfloat16"):
    setattr(Tensor, _name, _casting(DTYPES[_name]))
for _name, _kind in ALIASES.items():
    setattr(Tensor, _name, _casting(_kind))
for _name, _target in (("byte", "uint8"), ("char", "int8")):
    setattr(Tensor, _name, _casting(DTYPES[_target]))


def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of its type, or the tensor in another type."""
    if dtype is None:
        return f"torch.{self.dtype.legacy}Tensor"
    if isinstance(dtype, str):
        word = dtype.removeprefix("torch.").removesuffix("Tensor")
        for kind in DTYPES.values():
            if kind.legacy == word:
                return cast(self, kind)
        raise ValueError(f"invalid type: '{dtype}'")
    if isinstance(dtype, LegacyType):
        return cast(self, dtype.kind)
    if isinstance(dtype, type):
        raise ValueError(f"invalid type: '{dtype.__name__}'")
    return cast(self, dtype)


class LegacyType(type):
    """`torch.FloatTensor` and its like: call them to make a tensor of that type."""

    kind: Any

    def __call__(cls, *args: Any) -> Tensor:
        """A tensor of data, or of sizes."""
        if args and all(isinstance(arg, int) for arg in args):
            return made(np.zeros(args, cls.kind.numpy), cls.kind)
        if not args:
            return made(np.zeros(0, cls.kind.numpy), cls.kind)
        return made(METHODS["tensor"](args[0])._array(), cls.kind)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.kind


def _applied(self: Tensor, callable: Any) -> Tensor:
    """Replace each element by a Python function of it."""
    return _mapped(self, callable)


def _mapped_with(self: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """Replace each element by a Python function of it and of the element beside it."""
    return _mapped(self, callable, tensor)


def _mapped(self: Tensor, function: Any, *others: Tensor) -> Tensor:
    if self._requires:
        name = "map_" if others else "apply_"
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use "
                           f"var.detach().{name}() instead.")  # fmt: skip
    array = self._array()
    rows = [array, *(np.broadcast_to(other._array(), array.shape) for other in others)]
    columns = [row.ravel().tolist() for row in rows]
    found = [function(*items) for items in zip(*columns, strict=True)]
    values = np.array(found, array.dtype).reshape(array.shape)
    np.copyto(array, rounded(values) if self._dtype is BFLOAT16 else values)
    self._cell[0] += 1
    return self


Tensor.apply_, Tensor.map_ = _applied, _mapped_with  # type: ignore[attr-defined]  # as above


def _reversed(self: Tensor) -> Tensor:
    """The tensor with the order of its first axis turned round."""
    flip: Any = MODULES["torch"]["flip"]
    return flip(self, (0,)) if self._value.ndim else self


Tensor.get_device = lambda self: -1  # type: ignore[attr-defined]  # as above
Tensor.__reversed__ = _reversed  # type: ignore[attr-defined]  # as above

LEGACY_TYPES: dict[str, Any] = {
    f"{kind.legacy}Tensor": LegacyType(
        f"{kind.legacy}Tensor", (), {"kind": kind, "__module__": "torch"}
    )
    for kind in DTYPES.values()
    if not kind.legacy.startswith(("Complex", "UInt"))
}
"""torch.FloatTensor, torch.LongTensor, ..."""
MODULES["torch"].update(LEGACY_TYPES)

Tensor.type = _type  # type: ignore[attr-defined]  # as above
Tensor.type_as = lambda self, other: cast(self, other.dtype)  # type: ignore[attr-defined]  # as above
Tensor.cpu = lambda self, memory_format=None: self  # type: ignore[attr-defined]  # as above
Tensor.cuda = lambda self, device=None, non_blocking=False, memory_format=None: (  # type: ignore[attr-defined]  # as above
    check_device("cuda") and self
)
Tensor.resolve_conj = Tensor.resolve_neg = lambda self: self  # type: ignore[attr-defined]  # as above
Tensor.is_conj = Tensor.is_neg = lambda self: False  # type: ignore[attr-defined]  # as above
Tensor.is_shared = Tensor.is_pinned = lambda self: False  # type: ignore[attr-defined]  # as above
Tensor.pin_memory = Tensor.share_memory_ = lambda self: self  # type: ignore[attr-defined]  # as above


@expose("is_floating_point")
def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are real floating-point numbers."""
    return input.dtype.is_floating_point


@expose("is_complex")
def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex."""
    return input.dtype.is_complex


@expose("is_signed")
def is_signed(input: Tensor) -> bool:
    """Whether elements may be negative."""
    return input.dtype.is_signed


@expose("is_nonzero")
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not zero."""
    return bool(input)


expose("detach", Tensor.detach, method=False)


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor from the graph, in place."""
    if self._base is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using "
            "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
            "True, gradients are views of DDP buckets, and hence detach_() cannot be called on "
            "these gradients. To fix this error, please refer to the Optimizer.zero_grad() "
            "function in torch/optim/optimizer.py as the solution."
        )
    self._node, self._port, self._requires = None, 0, False
    return self


Tensor.detach_ = detach_  # type: ignore[attr-defined]  # as above


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """This tensor with the values of another one, or that one: what `load_state_dict` takes."""
    if assign:
        return other.detach()
    return self.copy_(other).detach()  # type: ignore[attr-defined,no-any-return]  # entered


Tensor.module_load = module_load  # type: ignore[attr-defined]  # as above


def _array_wrap(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """What NumPy's functions give for a tensor: a tensor."""
    del self, context, return_scalar
    return made(np.asarray(array)) if isinstance(array, np.ndarray | np.generic) else array


Tensor.__array_wrap__ = _array_wrap  # type: ignore[attr-defined]  # as above
