"""What PyTorch keeps for old programs and for other kinds of tensors, and numbers by symbols."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import Size, as_dtype
from funcgrad.compat.torch.op import rounded
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.shapes import alias_op
from funcgrad.compat.torch.storage import STORAGE_TYPES
from funcgrad.compat.torch.tensor import METHODS, Tensor, holder
from funcgrad.compat.torch.views import strides_of

__all__: list[str] = []

# --- new tensors of the same type ---------------------------------------------------------------


def _new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """A tensor of the same type: of sizes, of data, or empty."""
    if args and isinstance(args[0], Tensor):
        if args[0].dtype is not self.dtype:
            raise TypeError(
                f"expected {self.type()} (got {args[0].type()})"  # type: ignore[attr-defined]  # entered by conversion
            )
        return alias_op(args[0])  # type: ignore[no-any-return]  # a tensor
    if not args:
        return made(np.zeros(0, self._value.dtype), self.dtype)
    if isinstance(args[0], int) or type(args[0]) is Size:
        return METHODS["filled"]("new", 0, args, self.dtype, False, device)  # type: ignore[no-any-return]  # a tensor
    result = METHODS["legacy"](Tensor, *args, device=device)
    return result.to(self.dtype)  # type: ignore[no-any-return]  # as above


# --- kinds of tensors that there are none of ----------------------------------------------------

_COO = "sparse coordinate tensor layout"
_LAYOUTS = {
    "values": "sparse tensor layout", "indices": _COO, "coalesce": _COO, "is_coalesced": _COO,
    "crow_indices": "sparse row compressed tensor layout",
    "col_indices": "sparse row compressed tensor layout",
    "ccol_indices": "sparse column compressed tensor layout",
    "row_indices": "sparse column compressed tensor layout",
}  # fmt: skip


def _refused(name: str, message: str, kind: type[Exception] = RuntimeError) -> Callable[..., Any]:
    def method(*_args: Any, **_options: Any) -> Any:
        raise kind(message)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = message
    return method


for _name, _layout in _LAYOUTS.items():
    setattr(Tensor, _name, _refused(_name, f"{_name} expected {_layout} but got Strided"))
Tensor.is_cpu = property(lambda self: not self.is_meta)  # type: ignore[attr-defined]  # entered here
for _name in ("is_xla", "is_vulkan", "is_ipu", "is_maia", "is_mtia", "is_sparse_csr", "volatile"):
    setattr(Tensor, _name, property(lambda self: False))
Tensor.dense_dim = Tensor.dim  # type: ignore[attr-defined]  # as above
Tensor.sparse_dim = lambda self: 0  # type: ignore[attr-defined]  # as above
Tensor.is_distributed = lambda self: False  # type: ignore[attr-defined]  # as above
Tensor.to_dense = lambda self, dtype=None, *, masked_grad=None: (  # type: ignore[attr-defined]  # as above
    self if dtype is None else self.to(as_dtype(dtype, "to_dense"))
)
Tensor.new = _new  # type: ignore[attr-defined]  # as above
Tensor.const_data_ptr = lambda self: self.data_ptr()  # type: ignore[attr-defined]  # as above
Tensor.storage_type = lambda self: STORAGE_TYPES[f"{self.dtype.legacy}Storage"]  # type: ignore[attr-defined]  # as above


def _reinforce(self: Tensor, reward: Any) -> None:
    """Removed."""
    raise RuntimeError("reinforce() was removed.\nUse torch.distributions instead.")


Tensor.reinforce = _reinforce  # type: ignore[attr-defined]  # as above
Tensor.xpu = _refused("xpu", "Torch not compiled with XPU enabled", AssertionError)  # type: ignore[attr-defined]  # as above
Tensor.ipu = _refused("ipu", "PyTorch is not linked with support for ipu devices")  # type: ignore[attr-defined]  # as above


@expose("dim_order")
def _dim_order(self: Tensor, *, ambiguity_check: bool | list[Any] = False) -> tuple[int, ...]:
    """The axes from the one whose steps in memory are the longest to that of the shortest."""
    del ambiguity_check
    steps = strides_of(self)
    return tuple(sorted(range(len(steps)), key=lambda axis: -steps[axis]))


def _resized(self: Tensor, *sizes: Any) -> Tensor:
    """The same elements in another shape, as `reshape`; other numbers of elements are refused."""
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    if math.prod(shape) != self.numel():
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, shape))} ({math.prod(shape)} elements in "
            f"total), but the given tensor has a size of {'x'.join(map(str, self.shape))} "
            f"({self.numel()} elements). autograd's resize can only change the shape of a given "
            "tensor, while preserving the number of elements. "
        )
    return self.contiguous().view(shape)  # type: ignore[attr-defined,no-any-return]  # entered


Tensor.resize = _resized  # type: ignore[attr-defined]  # as above
Tensor.resize_as = lambda self, tensor: _resized(self, tuple(tensor.shape))  # type: ignore[attr-defined]  # as above


def _mapped_with_two(self: Tensor, x: Tensor, y: Tensor, callable: Any) -> Tensor:
    """Replace each element by a Python function of it and of the elements beside it."""
    if self.requires_grad:
        raise RuntimeError(
            "Can't call map2_() on Variable that requires grad. Use var.detach().map2_() instead."
        )
    array = self._array()
    rows = [array, *(np.broadcast_to(other._array(), array.shape) for other in (x, y))]
    columns = [row.ravel().tolist() for row in rows]
    found = [callable(*items) for items in zip(*columns, strict=True)]
    values = np.array(found, array.dtype).reshape(array.shape)
    return self.copy_(holder(values if self._dtype is None else rounded(values), self))  # type: ignore[attr-defined,no-any-return]  # as above


Tensor.map2_ = _mapped_with_two  # type: ignore[attr-defined]  # as above


def _as_subclass(self: Tensor, cls: type) -> Any:
    """A view of the tensor as an object of a subclass."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(
            "Creating a Tensor subclass from a class that does not inherit from Tensor is not "
            "possible. Make sure your class inherits from Tensor."
        )
    seen = alias_op(self)
    typed = object.__new__(cls)
    typed.__dict__.update(seen.__dict__)
    return typed


Tensor.as_subclass = _as_subclass  # type: ignore[attr-defined]  # as above

# --- functions that PyTorch has removed ---------------------------------------------------------

_REMOVED = {
    "eig": "Use torch.linalg.eig.",
    "lstsq": "Use torch.linalg.lstsq, which takes its arguments the other way round.",
    "solve": "Use torch.linalg.solve, which takes its arguments the other way round.",
    "symeig": "Use torch.linalg.eigh, which reads the lower triangle.",
    "matrix_rank": "Use torch.linalg.matrix_rank.",
}

for _name, _advice in _REMOVED.items():
    _message = f"This function was deprecated since version 1.9 and is now removed. {_advice}"
    expose(_name, _refused(_name, _message), method=_name != "matrix_rank")

# --- functions of what may be a symbol elsewhere ------------------------------------------------


def _sym_max(a: Any, b: Any) -> Any:
    """The larger of two numbers, of the wider of their types."""
    kind = float if isinstance(a, float) or isinstance(b, float) else int
    return kind(max(a, b))


def _sym_min(a: Any, b: Any) -> Any:
    """The smaller of two numbers, of the wider of their types."""
    kind = float if isinstance(a, float) or isinstance(b, float) else int
    return kind(min(a, b))


def _sym_ite(b: bool, t: Any, f: Any) -> Any:
    """One of two values."""
    return t if b else f


for _name, _function in {
    "sym_int": int, "sym_float": float, "sym_max": _sym_max, "sym_min": _sym_min,
    "sym_not": lambda a: not a, "sym_sqrt": math.sqrt, "sym_sum": sum, "sym_ite": _sym_ite,
}.items():  # fmt: skip
    expose(_name, _function, method=False)

# --- methods that are functions too -------------------------------------------------------------


def _by_method(name: str) -> Callable[..., Any]:
    def function(input: Tensor, *args: Any, **options: Any) -> Any:
        return getattr(input, name)(*args, **options)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As the method `{name}` of the tensor."
    return function


for _name in ("is_inference", "get_device", "detach_", "resize_as_", "is_distributed"):
    expose(_name, _by_method(_name), method=False)
