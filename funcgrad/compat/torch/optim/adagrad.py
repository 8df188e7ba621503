"""Adagrad: steps divided by the root of all squared gradients."""

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

__all__ = ["Adagrad"]


def _moved(xp: Any, p: Any, g: Any, total: Any, rate: Any, eps: Any, decay: Any, sign: int) -> None:
    """s ← s + g², p ← p - rate g / (√s + ε)."""
    if sign < 0:
        g = -g
    if decay:
        g = g + p * decay
    total += g * g
    p -= g / (xp.sqrt(total) + eps) * rate


class Adagrad(Stepper):
    """p ← p - lr / (1 + (t-1) η) g / (√Σg² + ε) (J. Duchi, E. Hazan, Y. Singer, 2011).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        lr_decay: η.
        weight_decay: λ; the gradient is g + λ p.
        initial_accumulator_value: Σg² at the beginning.
        eps: ε.
        foreach: taken as it is.
        maximize: climb.
        differentiable: whether the step itself is recorded.
        fused: taken as it is.
    """

    _later = (("foreach", None), ("maximize", False), ("differentiable", False),
              ("fused", None))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check(
            lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps,
        )  # fmt: skip
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self._begin(group, p)

    def _begin(self, group: dict[str, Any], p: Tensor) -> None:
        first: Any = group["initial_accumulator_value"]
        if p.dtype.is_complex:
            first = complex(first, first)
        self.state[p] = {"step": counter(), "sum": like(p, first)}

    def share_memory(self) -> None:
        """Nothing: all threads share the state already."""

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p._grad is None:
                continue
            if not self.state[p]:
                self._begin(group, p)
            state = self.state[p]
            recorded = is_recorded(group, p)
            lr = group["lr"] if recorded else number(group["lr"])
            rate = lr / (1 + (advance(state["step"]) - 1) * group["lr_decay"])
            numbers = (
                rate if recorded else float(rate), group["eps"], group["weight_decay"],
                -1 if group["maximize"] else 1,
            )  # fmt: skip
            run(_moved, (p, p._grad, state["sum"]), numbers, recorded)
