"""Shapes changed in place: the tensor shows its memory otherwise from now on."""

from typing import Any

import numpy as np

from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.inplace import check_writable
from funcgrad.compat.torch.shapes import squeezed_shape
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.compat.torch.views import Step, View, native

__all__ = ["squeeze_", "t_", "transpose_", "unsqueeze_"]


def _reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    return np.reshape(x, shape)


t_op = View("TBackward1", lambda x: np.transpose(x))
transpose_op = View("TransposeBackward1", lambda x, *, a, b: np.swapaxes(x, a, b))
unsqueeze_op = View("UnsqueezeBackward1", lambda x, *, dim: np.expand_dims(x, dim))
squeeze_ops = tuple(View(f"SqueezeBackward{i}", _reshape) for i in (3, 4, 5))
back_op = View("ViewBackward0", _reshape)


def _changed(self: Tensor, step: Step, back: Step) -> Tensor:
    """Show the memory through one more step; views of this tensor find their way by its inverse."""
    check_writable(self)
    old = holder(native(self), self)
    old._cell, old._node, old._port = self._cell, self._node, self._port
    old._requires = self._requires
    result = step(old)
    if self._base is not None:
        self._path = (*self._path, (step, (), None))
    for reference in self._views or ():
        view = reference()
        if view is not None:
            view._path = ((back, (), None), *view._path)
    self._value, self._node, self._port = result._value, result._node, result._port
    self._requires = result._requires
    self._cell[0] += 1
    return self


def t_(self: Tensor) -> Tensor:
    """The transpose of a matrix, in place."""
    if self.dim() > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self.dim()}D")
    step = Step(t_op, {})
    return _changed(self, step, step)


def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes interchanged, in place."""
    a, b = check_dim(dim0, self.dim()), check_dim(dim1, self.dim())
    if a == b:
        return self
    step = Step(transpose_op, {"a": a, "b": b})
    return _changed(self, step, step)


def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """With one more axis of length 1, in place."""
    step = Step(unsqueeze_op, {"dim": check_dim(dim, self.dim() + 1)})
    return _changed(self, step, _back(self))


def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """Without axes of length 1, in place."""
    which, shape = squeezed_shape(self, dim)
    return _changed(self, Step(squeeze_ops[which], {"shape": shape}), _back(self))


def _back(tensor: Tensor) -> Step:
    return Step(back_op, {"shape": tuple(tensor._value.shape)})


for _name, _function in (
    ("t_", t_),
    ("transpose_", transpose_),
    ("swapaxes_", transpose_),
    ("swapdims_", transpose_),
    ("unsqueeze_", unsqueeze_),
    ("squeeze_", squeeze_),
):
    setattr(Tensor, _name, _function)
