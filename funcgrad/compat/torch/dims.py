"""Numbers of axes and sizes as users give them: negative, as a sequence, one by one."""

import operator
from collections.abc import Sequence
from typing import Any

from funcgrad.compat.torch.tensor import METHODS, Tensor

__all__ = ["check_dim", "integers", "shape_after", "wrap_dims"]


def check_dim(dim: Any, ndim: int, *, scalar: bool = True) -> int:
    """The number of an axis as one of 0, ..., ndim - 1.

    Args:
        dim: what the user gave.
        ndim: how many axes there are.
        scalar: whether a tensor without axes counts as having one.

    Raises:
        IndexError: if there is no such axis.
    """
    try:
        found = operator.index(dim)
    except TypeError:
        raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}") from None
    count = ndim or 1
    if not ndim and not scalar:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if not -count <= found < count:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got "
            f"{found})"
        )
    return found + count if found < 0 else found


def wrap_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """One or several axes as a tuple of non-negative numbers, each once.

    Raises:
        RuntimeError: if one is given twice.
    """
    given = dim if isinstance(dim, tuple | list) else (dim,)
    found = tuple([check_dim(one, ndim) for one in given])
    if len(set(found)) < len(found):
        twice = next(one for one in found if found.count(one) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return found


METHODS["check_dim"] = check_dim


def integers(args: Sequence[Any]) -> tuple[int, ...]:
    """Integers given one by one, or as one sequence (tensors of one element count as integers)."""
    if len(args) == 1 and not isinstance(args[0], int):
        only = args[0]
        if isinstance(only, tuple | list):
            args = only
        elif isinstance(only, Tensor) and only._value.ndim:
            args = only.tolist()
    return tuple([operator.index(one) for one in args])


def shape_after(sizes: Sequence[int], count: int) -> tuple[int, ...]:
    """Sizes with -1 replaced by what `count` elements leave for it.

    Raises:
        RuntimeError: if the sizes do not hold that many elements.
    """
    unknown = None
    known = 1
    for i, size in enumerate(sizes):
        if size == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif size < 0:
            raise RuntimeError(f"invalid shape dimension {size}")
        else:
            known *= size
    if unknown is None:
        if known != count:
            raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {count}")
        return tuple(sizes)
    if not known:
        if not count:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(sizes)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {count}")
    if count % known:
        raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {count}")
    return (*sizes[:unknown], count // known, *sizes[unknown + 1 :])
