"""Adamax: Adam with the largest gradient in the place of the mean square."""

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

__all__ = ["Adamax"]


def _moved(
    xp: Any, p: Any, g: Any, m: Any, u: Any, beta1: Any, beta2: Any, rate: Any, eps: Any,
    decay: Any, sign: int,
) -> None:  # fmt: skip
    """m ← β₁ m + (1-β₁) g, u ← max(β₂ u, |g| + ε), p ← p - rate m / u."""
    if sign < 0:
        g = -g
    if decay:
        g = g + p * decay
    m *= beta1
    m += g * (1 - beta1)
    u *= beta2
    xp.copyto(u, xp.maximum(u, xp.abs(g) + eps))
    p -= m / u * rate


class Adamax(Stepper):
    """p ← p - lr m̂ / u, where u is the largest |g|, fading (D. P. Kingma and J. Ba, 2015).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        betas: how much of m and u is kept in a step.
        eps: ε.
        weight_decay: λ; the gradient is g + λ p.
        foreach: taken as it is.
        maximize: climb.
        differentiable: whether the step itself is recorded.
        capturable: for other devices only.
    """

    _later = (("foreach", None), ("maximize", False), ("differentiable", False),
              ("capturable", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check(lr, betas, eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p]
            if not state:
                state["step"] = counter()
                state["exp_avg"] = like(p)
                state["exp_inf"] = like(p)
            recorded = is_recorded(group, p)
            lr = group["lr"] if recorded else number(group["lr"])
            rate = lr / (1 - beta1 ** advance(state["step"]))
            numbers = (
                beta1, beta2, rate if recorded else float(rate), group["eps"],
                group["weight_decay"], -1 if group["maximize"] else 1,
            )  # fmt: skip
            tensors = (p, p._grad, state["exp_avg"], state["exp_inf"])
            run(_moved, tensors, numbers, recorded)
