"""Gradient descent with momentum."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.conversion import clone
from funcgrad.compat.torch.optim.optimizer import ParamsT
from funcgrad.compat.torch.optim.stepping import Stepper, check, is_recorded, number, run
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["SGD"]


def _plain(xp: Any, p: Any, g: Any, lr: Any) -> None:
    """p ← p - lr g."""
    p -= g * lr


def _decayed(xp: Any, p: Any, g: Any, lr: Any, decay: Any, sign: int) -> None:
    """p ← p - lr (± g + λ p)."""
    p -= _gradient(p, g, decay, sign) * lr


def _gradient(p: Any, g: Any, decay: Any, sign: int) -> Any:
    if sign < 0:
        g = -g
    return g + p * decay if decay is not None else g


def _first(xp: Any, p: Any, g: Any, b: Any, lr: Any, decay: Any, sign: int, nesterov: Any) -> None:
    """b is the gradient; with Nesterov's momentum μ, p ← p - lr (1 + μ) b."""
    g = _gradient(p, g, decay, sign)
    xp.copyto(b, g)
    p -= (g if nesterov is None else g + b * nesterov) * lr


def _with_momentum(
    xp: Any, p: Any, g: Any, b: Any, lr: Any, decay: Any, sign: int, nesterov: Any,
    momentum: Any, share: Any,
) -> None:  # fmt: skip
    """b ← μ b + (1 - τ) g, p ← p - lr b; with Nesterov's momentum p ← p - lr (g + μ b)."""
    g = _gradient(p, g, decay, sign)
    b *= momentum
    b += g if share == 1 else g * share
    p -= (b if nesterov is None else g + b * nesterov) * lr


class SGD(Stepper):
    """b ← μ b + (1 - τ)(g + λ p), p ← p - lr b; b is the first gradient at first.

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        momentum: μ.
        dampening: τ.
        weight_decay: λ.
        nesterov: step along g + μ b instead (Y. Nesterov, 1983).
        maximize: climb.
        foreach: taken as it is.
        differentiable: whether the step itself is recorded, the first one with momentum too (where
            PyTorch cuts the gradient's graph).
        fused: taken as it is.
    """

    _records_each = True
    _later = (("nesterov", False), ("maximize", False), ("foreach", None),
              ("differentiable", False), ("fused", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check(lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        lr, decay = group["lr"], group["weight_decay"]
        sign = -1 if group["maximize"] else 1
        momentum = group["momentum"]
        if momentum:
            share = 1 - group["dampening"]
            nesterov = momentum if group["nesterov"] else None
        for p in group["params"]:
            grad = p._grad
            if grad is None:
                continue
            recorded = is_recorded(group, p)
            rate = lr if recorded or type(lr) is float else float(number(lr))
            weight = None
            if isinstance(decay, Tensor) or decay:
                weight = decay if recorded else float(number(decay))
            if not momentum:
                if weight is None:
                    run(_plain, (p, grad), (rate * sign,), recorded)
                else:
                    run(_decayed, (p, grad), (rate, weight, sign), recorded)
                continue
            state = self.state[p]
            buffer = state.get("momentum_buffer")
            numbers = (rate, weight, sign, nesterov)
            if buffer is None:
                state["momentum_buffer"] = buffer = clone(grad.detach())
                run(_first, (p, grad, buffer), numbers, recorded)
            else:
                run(_with_momentum, (p, grad, buffer), (*numbers, momentum, share), recorded)
