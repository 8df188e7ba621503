"""Adadelta: steps as long as the last ones were, in units of the gradient."""

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

__all__ = ["Adadelta"]


def _moved(
    xp: Any, p: Any, g: Any, v: Any, d: Any, rho: Any, rate: Any, eps: Any, decay: Any, sign: int
) -> None:
    """v ← ρ v + (1-ρ) g², Δ = √(d+ε) / √(v+ε) g, d ← ρ d + (1-ρ) Δ², p ← p - rate Δ."""
    if sign < 0:
        g = -g
    if decay:
        g = g + p * decay
    v *= rho
    v += g * g * (1 - rho)
    delta = xp.sqrt((d + eps) / (v + eps)) * g
    d *= rho
    d += delta * delta * (1 - rho)
    p -= delta * rate


class Adadelta(Stepper):
    """p ← p - lr √(d+ε) / √(v+ε) g, with means v of g² and d of squared steps (M. Zeiler, 2012).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: a factor of all steps.
        rho: how much of the means is kept in a step.
        eps: ε.
        weight_decay: λ; the gradient is g + λ p.
        foreach: taken as it is.
        capturable: for other devices only.
        maximize: climb.
        differentiable: whether the step itself is recorded.
    """

    _captured = "params and state_steps", "", ""
    _later = (("foreach", None), ("maximize", False), ("differentiable", False),
              ("capturable", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check(lr, eps=eps, weight_decay=weight_decay)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p]
            if not state:
                state["step"] = counter()
                state["square_avg"] = like(p)
                state["acc_delta"] = like(p)
            advance(state["step"])
            recorded = is_recorded(group, p)
            numbers = (
                group["rho"], group["lr"] if recorded else float(number(group["lr"])),
                group["eps"], group["weight_decay"], -1 if group["maximize"] else 1,
            )  # fmt: skip
            run(_moved, (p, p._grad, state["square_avg"], state["acc_delta"]), numbers, recorded)
