"""Steps that move each element by itself: written once, for arrays and for recorded tensors.

The update of an optimiser is a function `update(xp, p, g, *state, *numbers)` that changes the
parameter p and its state in place, given the gradient g. `xp` is NumPy; arrays are given in blocks
that stay in the cache. With `differentiable=True`, and inside functional transforms, they are
tensors, and `xp` is `RECORDED`, which has the functions that updates use.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.conversion import clone
from funcgrad.compat.torch.inplace import check_writable, overwrite
from funcgrad.compat.torch.optim.optimizer import Closure, Optimizer, ParamsT
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.tracer import Tracer

__all__ = [
    "Stepper", "advance", "check", "counter", "is_recorded", "like", "number", "put", "run",
    "square_root",
]  # fmt: skip

BLOCK = 1 << 18
"""Bytes of a parameter that are updated at a time."""

_DEVICES = "['cuda', 'xpu', 'hpu', 'privateuseone'{}]"
_FUSED = (
    "`fused=True` requires all the params to be floating point Tensors of supported devices: "
    "['mps', 'cuda', 'xpu', 'hpu', 'cpu', 'mtia', 'privateuseone'] but {} and {}"
)
_torch = MODULES["torch"]


# --- state --------------------------------------------------------------------------------------


def counter(value: float = 0.0) -> Tensor:
    """A number of the state: a tensor without axes."""
    double = SETTINGS.default_dtype.name == "float64"
    return holder(np.float64(value) if double else np.float32(value))


def like(p: Tensor, value: Any = 0) -> Tensor:
    """A tensor of the shape, type and layout of a parameter, filled with a number."""
    array = p._value if isinstance(p._value, Tracer) else p._array()
    return holder(
        np.zeros_like(array) if not value else np.full_like(array, value, dtype=array.dtype), p
    )


def put(tensor: Tensor, value: Any) -> None:
    """Write a number into a tensor of the state."""
    held = tensor._value
    if type(held) is np.ndarray:
        held[...] = value
    else:
        tensor._value = held.dtype.type(value)
    tensor._cell[0] += 1


def advance(step: Any) -> float:
    """Count a step.

    Returns:
        Steps so far, this one included.
    """
    held = step._value
    if type(held) is np.ndarray:
        held += 1
        step._cell[0] += 1
        return float(held.item())
    step._value = held = held + held.dtype.type(1)
    step._cell[0] += 1
    return float(held)


def number(value: Any) -> Any:
    """An option as a number: of a tensor its one element, in the tensor's precision."""
    if isinstance(value, Tensor):
        return value._array().reshape(())[()]
    return value


def square_root(value: Any) -> Any:
    """The square root of a number or of a tensor of one."""
    if isinstance(value, Tensor):
        return value.sqrt()  # type: ignore[attr-defined]  # entered
    return math.sqrt(value)


# --- updates ------------------------------------------------------------------------------------


class _Recorded:
    """The functions of NumPy that updates use, on tensors."""

    @staticmethod
    def sqrt(x: Tensor) -> Any:
        return x.sqrt()  # type: ignore[attr-defined]  # entered

    @staticmethod
    def abs(x: Tensor) -> Any:
        return x.abs()  # type: ignore[attr-defined]  # entered

    @staticmethod
    def sign(x: Tensor) -> Any:
        return x.sign()  # type: ignore[attr-defined]  # entered

    @staticmethod
    def where(condition: Any, x: Any, y: Any) -> Any:
        return _torch["where"](condition, x, y)

    @staticmethod
    def clip(x: Tensor, low: float, high: float) -> Any:
        return x.clamp(low, high)  # type: ignore[attr-defined]  # entered

    @staticmethod
    def maximum(x: Tensor, y: Tensor) -> Any:
        return _torch["maximum"](x, y)

    @staticmethod
    def copyto(x: Tensor, y: Tensor) -> None:
        """x becomes y; the memory it had is left to those who read it."""
        x._value, x._node, x._port, x._requires = y._value, y._node, y._port, y._requires
        x._cell = y._cell


RECORDED = _Recorded()


def is_recorded(group: dict[str, Any], p: Tensor) -> bool:
    """Whether the update of a parameter is to be made of operations on tensors."""
    return group.get("differentiable", False) or isinstance(p._value, Tracer)


def run(
    update: Callable[..., None], tensors: Sequence[Tensor], numbers: Sequence[Any], recorded: bool
) -> None:
    """Update a parameter: tensors are it, its gradient, and its state."""
    if recorded:
        _run_recorded(update, tensors, numbers)
        return
    arrays = [t._value if type(t._value) is np.ndarray else t._array() for t in tensors]
    p = arrays[0]
    if p.nbytes <= BLOCK and p.dtype.kind == "f":
        update(np, *arrays, *numbers)
    else:
        _run_blocks(update, arrays, numbers)
    for i, tensor in enumerate(tensors):
        if i != 1:
            tensor._cell[0] += 1
            if tensor._dtype is not None:
                np.copyto(tensor._value, round_to_bfloat16(tensor._value))


def _run_blocks(update: Callable[..., None], arrays: list[Any], numbers: Sequence[Any]) -> None:
    p = arrays[0]
    if p.dtype.kind not in "fc":
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {holder(p).dtype.legacy}"
        )
    if not p.flags.c_contiguous and p.flags.f_contiguous:
        arrays = [array.T for array in arrays]
    flats = [array.reshape(-1) for array in arrays]
    views = [f.view(f.real.dtype) for f in flats] if p.dtype.kind == "c" else flats
    length = BLOCK // views[0].itemsize
    for start in range(0, views[0].size, length):
        block = slice(start, start + length)
        update(np, *[view[block] for view in views], *numbers)
    for i, (array, flat) in enumerate(zip(arrays, flats, strict=True)):
        if i != 1 and not array.flags.c_contiguous:
            np.copyto(array, flat.reshape(array.shape))


def _run_recorded(
    update: Callable[..., None], tensors: Sequence[Tensor], numbers: Sequence[Any]
) -> None:
    """On copies: what other nodes have kept of the state stays as it is."""
    for i, tensor in enumerate(tensors):
        if i != 1:
            check_writable(tensor)
    parts = tensors[0].dtype.is_complex
    copies = [
        clone(_torch["view_as_real"](t) if parts else t) if i != 1 or parts else t
        for i, t in enumerate(tensors)
    ]
    update(RECORDED, *copies, *numbers)
    for i, (tensor, copy) in enumerate(zip(tensors, copies, strict=True)):
        if i != 1:
            overwrite(tensor, _torch["view_as_complex"](copy) if parts else copy)


class Stepper(Optimizer):
    """An optimiser that moves each parameter by itself, group after group."""

    _captured = "params and state_steps", ", 'xla'", ""
    """What `capturable` wants on a GPU, and further devices: alone, and with `foreach`."""

    _records_each = False
    """Whether `foreach` and `differentiable` go together."""

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        if defaults.get("fused"):
            if defaults.get("differentiable"):
                raise RuntimeError("`fused` does not support `differentiable`")
            if defaults.get("foreach"):
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for key, held in self.state.items():
            if isinstance(key, Tensor) and held:
                for name in ("step", "mu_product", "eta", "mu"):
                    if name in held and not isinstance(held[name], Tensor):
                        held[name] = counter(float(held[name]))

    @override
    def step(self, closure: Closure = None) -> Any:
        """Move each parameter that has a gradient.

        Args:
            closure: computes the loss again.

        Returns:
            What the closure returned.
        """
        loss = self._loss_of(closure)
        before = STATE.grad
        STATE.grad = bool(self.defaults.get("differentiable"))
        try:
            with np.errstate(all="ignore"):
                for group in self.param_groups:
                    if group.get("foreach") or group.get("fused") or group.get("capturable"):
                        self._check(group)
                    self._step_group(group)
        finally:
            STATE.grad = before
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _check(self, group: dict[str, Any]) -> None:
        """Refuse what there is on other devices only.

        Raises:
            AssertionError, RuntimeError: in PyTorch's words.
        """
        given = [p for p in group["params"] if p._grad is not None]
        foreach = group.get("foreach")
        if not given:
            return
        if group.get("fused"):
            for p in given:
                if not p.dtype.is_floating_point:
                    raise RuntimeError(_FUSED.format(p.dtype, p.device))
        if group.get("capturable"):
            what, alone, each = self._captured
            if foreach and what.startswith("params, "):
                what = what.replace(" and", ", and").replace(",,", ",")
            raise AssertionError(
                f"If capturable=True, {what} must be on supported devices: "
                f"{_DEVICES.format(each if foreach else alone)}."
            )
        if foreach and group.get("differentiable") and not self._records_each:
            raise AssertionError("_foreach ops don't support autograd")


def check(lr: Any, betas: Any = (), /, **values: Any) -> None:
    """Refuse options below zero, factors of running means outside of [0, 1), and several rates.

    Raises:
        ValueError: in PyTorch's words.
    """
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    for name, value in {"lr": lr, **values}.items():
        if not 0.0 <= value:  # noqa: SIM300  # NaN is refused, and texts with PyTorch's error
            raise ValueError(f"Invalid {_WORDS.get(name, f'{name} value')}: {value}")
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


_WORDS = {"lr": "learning rate", "eps": "epsilon value"}
