"""RAdam: Adam whose first steps, of uncertain mean squares, are steps of the mean gradient."""

import math
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.optim.optimizer import ParamsT
from funcgrad.compat.torch.optim.stepping import (
    Stepper,
    advance,
    check,
    counter,
    is_recorded,
    like,
    number,
    run,
)
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["RAdam"]


def _moved(
    xp: Any, p: Any, g: Any, m: Any, v: Any, beta1: Any, beta2: Any, rate: Any, eps: Any,
    keep: Any, decay: Any, sign: int,
) -> None:  # fmt: skip
    """p ← p - rate m / (√v + ε); without ε, p ← p - rate m."""
    if sign < 0:
        g = -g
    if keep is not None:
        p *= keep
    elif decay:
        g = g + p * decay
    m *= beta1
    m += g * (1 - beta1)
    v *= beta2
    v += g * g * (1 - beta2)
    p -= (m if eps is None else m / (xp.sqrt(v) + eps)) * rate


def _rectified(beta2: float, count: float) -> float | None:
    """How much the variance of the step is to shrink; `None` where it cannot be told.

    With ρ∞ = 2 / (1-β₂) - 1 and ρ = ρ∞ - 2 t β₂ᵗ / (1-β₂ᵗ), it is
    √((ρ-4)(ρ-2) ρ∞ / ((ρ∞-4)(ρ∞-2) ρ)) where ρ > 5.
    """
    limit = 2 / (1 - beta2) - 1
    power = beta2**count
    rho = limit - 2 * count * power / (1 - power)
    if rho <= 5.0:
        return None
    return math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))


class RAdam(Stepper):
    """Adam's step times the rectification of its variance (L. Liu et al., 2020).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        betas: how much of the means is kept in a step.
        eps: ε.
        weight_decay: λ; the gradient is g + λ p.
        decoupled_weight_decay: p ← (1 - lr λ) p instead.
        foreach: taken as it is.
        maximize: climb.
        capturable: for other devices only.
        differentiable: whether the step itself is recorded.
    """

    _later = (("foreach", None), ("maximize", False), ("differentiable", False),
              ("decoupled_weight_decay", False), ("capturable", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check(lr, betas, eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        (beta1, beta2), decay, eps = group["betas"], group["weight_decay"], group["eps"]
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p]
            if not state:
                state["step"] = counter()
                state["exp_avg"] = like(p)
                state["exp_avg_sq"] = like(p)
            count = advance(state["step"])
            recorded = is_recorded(group, p)
            lr = group["lr"] if recorded else float(number(group["lr"]))
            rate = lr / (1 - beta1**count)
            factor = _rectified(beta2, count)
            if factor is not None:
                rate = rate * (factor * math.sqrt(1 - beta2**count))
            keep = 1 - lr * decay if decay and group["decoupled_weight_decay"] else None
            numbers = (
                beta1, beta2, rate, None if factor is None else eps, keep, decay,
                -1 if group["maximize"] else 1,
            )  # fmt: skip
            run(_moved, (p, p._grad, state["exp_avg"], state["exp_avg_sq"]), numbers, recorded)
