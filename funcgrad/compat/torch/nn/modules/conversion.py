"""All tensors of a module at once in another type: `to`, `double`, `half`, ..."""

import warnings
from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.constructors import empty_like
from funcgrad.compat.torch.dtypes import DTYPES, check_device, dtype
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["Converting", "take_values"]

NO_DATA = (
    "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
    "torch.nn.Module.to() when moving module from meta to a different device."
)


class Converting:
    """The part of `Module` that converts its tensors."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Any:
        """Replace the values of all parameters, their gradients, and the buffers by `fn` of them.

        Parameters stay the same objects, so that an optimiser keeps hold of them.
        """
        if recurse:
            for module in self.children():  # type: ignore[attr-defined]  # of the tree
                module._apply(fn)
        for name, parameter in self._parameters.items():
            if parameter is None:
                continue
            with no_grad():
                applied = fn(parameter)
            gradient = parameter._grad
            if SETTINGS.overwrite_parameters or (
                parameter.is_meta is not applied.is_meta and not SETTINGS.swap_parameters
            ):
                parameter = self._parameters[name] = Parameter(applied, parameter.requires_grad)
            else:
                take_values(parameter, applied)
            if gradient is not None:
                with no_grad():
                    applied = fn(gradient)
                take_values(gradient, applied)
                parameter._grad = gradient
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Convert in place: `to(dtype)`, `to(device, dtype)`, `to(tensor)`; integers stay."""
        kind, where = _asked(args, kwargs)
        if kind is not None and kind.category < 2:
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={kind}"
            )
        if kind is not None and kind.category > 2:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may "
                "change, and some modules might not work as expected when using complex tensors as "
                "parameters or buffers. Please file an issue at https://github.com/pytorch/pytorch/"
                "issues/new?template=bug-report.yml if a complex module does not work as expected.",
                stacklevel=2,
            )

        def convert(tensor: Any) -> Any:
            if tensor.is_meta and where is not None and where.type != "meta":
                raise NotImplementedError(NO_DATA)
            wanted = kind if tensor.dtype.category >= 2 else None
            return tensor.to(where, wanted)

        return self._apply(convert)

    def _cast(self, kind: dtype) -> Any:
        return self._apply(lambda t: t.to(kind) if t.dtype.category == 2 else t)

    def float(self) -> Any:
        """All floating tensors as float32."""
        return self._cast(DTYPES["float32"])

    def double(self) -> Any:
        """All floating tensors as float64."""
        return self._cast(DTYPES["float64"])

    def half(self) -> Any:
        """All floating tensors as float16."""
        return self._cast(DTYPES["float16"])

    def bfloat16(self) -> Any:
        """All floating tensors as bfloat16."""
        return self._cast(DTYPES["bfloat16"])

    def type(self, dst_type: Any) -> Any:
        """All parameters and buffers in one type."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Any:
        """On the CPU, where they are."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Any:
        """Refused: there is no GPU here."""
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device: Any = None) -> Any:
        """Refused: there is no GPU here."""
        check_device("xpu" if device is None else device)
        return self

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """New memory without values, on a device."""
        return self._apply(lambda t: empty_like(t, device=device), recurse)

    def share_memory(self) -> Any:
        """The module itself: tensors of this layer are shared by forking a process."""
        return self


def take_values(tensor: Any, source: Any) -> None:
    """Let a tensor hold the memory and the type of another one."""
    if source is not tensor:
        tensor._value = source._value
        tensor._dtype = source._dtype
        tensor._where = source._where
        tensor._cell = [0, None]
        tensor._base, tensor._path = None, ()


def _asked(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dtype | None, Any]:
    """Type and device that the arguments of `to` ask for."""
    kind: Any = kwargs.get("dtype")
    where: Any = kwargs.get("device")
    if "tensor" in kwargs:
        args = (kwargs["tensor"], *args)
    for number, arg in enumerate(args):
        if isinstance(arg, dtype):
            kind = arg
        elif isinstance(arg, Tensor) and not number:
            kind, where = arg.dtype, arg.device
        elif isinstance(arg, bool) or arg is None:
            continue
        elif number or isinstance(arg, list | tuple | float):
            named = ", ".join(type(one).__name__ for one in args)
            raise TypeError(f"to() received an invalid combination of arguments - got ({named})")
        else:
            where = arg
    return kind, None if where is None else check_device(where)
