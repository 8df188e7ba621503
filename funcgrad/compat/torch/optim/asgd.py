"""Averaged gradient descent."""

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
    put,
    run,
)
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["ASGD"]


def _moved(
    xp: Any, p: Any, g: Any, mean: Any, keep: Any, rate: Any, share: Any, decay: Any, sign: int
) -> None:
    """p ← keep p - rate g, a ← a + share (p - a)."""
    if sign < 0:
        g = -g
    if decay:
        g = g + p * decay
    p *= keep
    p -= g * rate
    if share == 1:
        xp.copyto(mean, p * 1)
    else:
        mean += (p - mean) * share


class ASGD(Stepper):
    """p ← (1 - λ η) p - η g with η = lr / (1 + λ lr t)^α, and the mean of p since step t₀.

    B. T. Polyak and A. B. Juditsky (1992).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate at the beginning.
        lambd: λ.
        alpha: α.
        t0: t₀.
        weight_decay: of the gradient, g + weight_decay p.
        foreach: taken as it is.
        maximize: climb.
        differentiable: whether the step itself is recorded.
        capturable: for other devices only.
    """

    _captured = "params, mus, etas, and state_steps", ", 'xla'", ""
    _later = (("foreach", None), ("maximize", False), ("differentiable", False),
              ("capturable", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check(lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p._grad is None:
                continue
            lr = float(number(group["lr"]))
            state = self.state[p]
            if not state:
                state["step"] = counter()
                state["eta"] = counter(lr)
                state["mu"] = counter(1.0)
                state["ax"] = like(p)
            count = advance(state["step"])
            eta, mu = float(number(state["eta"])), float(number(state["mu"]))
            numbers = (
                1 - group["lambd"] * eta, eta, mu, group["weight_decay"],
                -1 if group["maximize"] else 1,
            )  # fmt: skip
            run(_moved, (p, p._grad, state["ax"]), numbers, is_recorded(group, p))
            put(state["eta"], lr / (1 + group["lambd"] * lr * count) ** group["alpha"])
            put(state["mu"], 1 / max(1, count - group["t0"]))
