"""What a workload is: input, a loss, and the derivative of that loss written out by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Loss: TypeAlias = Callable[..., Any]
"""``loss(xp, *params, *constants)`` where ``xp`` is NumPy or a namespace with its names."""

Run: TypeAlias = Callable[[], Any]
"""Computes one workload's result with one contender."""

Task: TypeAlias = Literal["value and gradient", "hessian", "hvp", "jacobian"]


@dataclass(frozen=True, slots=True)
class Data:
    """Input of a workload.

    Attributes:
        params: What the loss is differentiated by.
        constants: The loss's other arguments; for the task ``"hvp"``, the vector alone.
    """

    params: tuple[Any, ...]
    constants: tuple[Any, ...] = ()

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Parameters, then constants."""
        return self.params + self.constants

    @property
    def argnums(self) -> tuple[int, ...]:
        """Positions of the parameters among the arguments."""
        return tuple(range(len(self.params)))


@dataclass(frozen=True, slots=True)
class Workload:
    """One derivative to be computed by every contender.

    Attributes:
        name: As in ``--only``.
        title: What it is, in a few words.
        data: Input in the size that is timed.
        small: The same in a size that takes milliseconds with any contender.
        loss: The same text for every library with NumPy's names.
        hand: ``hand(*params, *constants)``, what the contenders have to return: value and
            gradients, or one array for the other tasks.
        task: Which derivative of the loss.
        tolerance: Largest difference from ``hand``, relative to each array's largest entry.
        torch_loss: The same mathematics as PyTorch's users write it, where that differs.
        nn_loss: The same through ``funcgrad.nn``, where that has the loss as one function.
        scan_loss: ``scan_loss(scan, xp, …)``, the same by JAX's `scan` in place of a Python loop.
    """

    name: str
    title: str
    data: Callable[[], Data]
    small: Callable[[], Data]
    loss: Loss
    hand: Callable[..., Any]
    task: Task = "value and gradient"
    tolerance: float = 1e-8
    torch_loss: Loss | None = None
    nn_loss: Loss | None = None
    scan_loss: Loss | None = None


def as_arrays(result: Any) -> list[NDArray[np.float64]]:
    """The arrays of a contender's result, in order, whatever library they come from."""
    if isinstance(result, list | tuple):
        return [array for item in result for array in as_arrays(item)]
    if hasattr(result, "nnz") and hasattr(result, "todense"):  # a sparse matrix of funcgrad
        result = result.todense()
    plain = result.detach().numpy() if hasattr(result, "detach") else result
    return [np.asarray(plain, dtype=np.float64)]


def relative_error(result: Any, reference: Any) -> float:
    """max over arrays of max|a - r| / max|r|; infinite if the arrays or their shapes differ."""
    arrays, expected = as_arrays(result), as_arrays(reference)
    if [a.shape for a in arrays] != [r.shape for r in expected]:
        return float("inf")
    errors = [
        float(np.max(np.abs(a - r)) / max(float(np.max(np.abs(r))), np.finfo(np.float64).tiny))
        for a, r in zip(arrays, expected, strict=True)
    ]
    return max(errors) if not any(np.isnan(errors)) else float("inf")
