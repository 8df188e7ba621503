"""`torch.utils.swap_tensors`: two tensors change places, for everyone who holds them."""

import weakref
from typing import Any

from funcgrad.compat.torch.tensor import Tensor

__all__ = ["swap_tensors"]


def swap_tensors(t1: Tensor, t2: Tensor) -> None:
    """Exchange all of two tensors but their identities: values, graphs, types, attributes.

    Raises:
        TypeError: one of them is no tensor.
        RuntimeError: somebody holds a weak reference to one of them.
    """
    for name, one in (("t1", t1), ("t2", t2)):
        if not isinstance(one, Tensor):
            raise TypeError(f"swap_tensors: {name} is of type {type(one).__name__}, not a tensor.")
        if weakref.getweakrefcount(one) > _own_references(one):
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
    other = {id(t1): t2, id(t2): t1}
    for one in (t1, t2):
        base: Any = one._base
        if base is not None and base._views:
            base._views[:] = [
                ref if (view := ref()) is None or id(view) not in other
                else weakref.ref(other[id(view)])
                for ref in base._views
            ]  # fmt: skip
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__


def _own_references(tensor: Tensor) -> int:
    """How many weak references to a view its base holds."""
    views: Any = None if tensor._base is None else tensor._base._views
    return sum(reference() is tensor for reference in views or ()) and 1
