"""Muon: steps that are made orthogonal."""

import math
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.optim.optimizer import ParamsT
from funcgrad.compat.torch.optim.stepping import Stepper, like, number
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["Muon"]

_RATES = (None, "original", "match_rms_adamw")


def _orthogonal(g: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """The nearest orthogonal matrix, roughly: x ← a x + (b A + c A²) x with A = x xᵀ.

    It is computed with the precision of bfloat16, as PyTorch does.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    low = round_to_bfloat16
    x: Any = low(g)
    flip = x.shape[0] > x.shape[1]
    if flip:
        x = x.T
    x = low(x / max(float(low(np.linalg.norm(x))), eps))
    for _ in range(steps):
        gram = low(x @ x.T)
        mixed = low(b * gram + c * (gram @ gram))
        x = low(a * x + mixed @ x)
    return x.T if flip else x


class Muon(Stepper):
    """p ← (1 - lr λ) p - lr' O, where O is the momentum made orthogonal (K. Jordan, 2024).

    Args:
        params: matrices, pairs of names and matrices, or dicts of a group each.
        lr: the rate.
        weight_decay: λ.
        momentum: how much of the mean gradient is kept in a step.
        nesterov: whether the gradient is mixed in once more.
        ns_coefficients: (a, b, c) of the iteration x ← a x + b A x + c A² x.
        eps: below which the norm is not divided by.
        ns_steps: steps of the iteration.
        adjust_lr_fn: "original": lr' = lr √max(1, rows / columns); "match_rms_adamw":
            lr' = 0.2 lr √max(rows, columns).
    """

    __module__ = "funcgrad.compat.torch.optim"

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for name, value in (
            ("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay),
        ):  # fmt: skip
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in _RATES:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.size()}"
                    )

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        for p in group["params"]:
            if p._grad is None:
                continue
            if p.dtype.is_complex:
                raise RuntimeError("Muon does not support complex parameters")
            state = self.state[p]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = like(p)
            array, g = p._array(), p._grad._array()
            mean = state["momentum_buffer"]._array()
            mean += (g - mean) * (1 - momentum)
            update = g + (mean - g) * momentum if group["nesterov"] else mean
            update = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
            lr = float(number(group["lr"]))
            array *= 1 - lr * group["weight_decay"]
            array -= update.astype(array.dtype) * (lr * _factor(group["adjust_lr_fn"], p.shape))
            for tensor in (p, state["momentum_buffer"]):
                tensor._cell[0] += 1
                if tensor._dtype is not None:
                    np.copyto(tensor._value, round_to_bfloat16(tensor._value))


def _factor(kind: str | None, shape: Any) -> float:
    rows, columns = shape
    if kind == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
