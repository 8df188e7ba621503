"""NAdam: Adam with Nesterov's momentum."""

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

__all__ = ["NAdam"]


def _moved(
    xp: Any, p: Any, g: Any, m: Any, v: Any, beta1: Any, beta2: Any, share: Any, rate_g: Any,
    rate_m: Any, eps: Any, keep: Any, decay: Any, sign: int,
) -> None:  # fmt: skip
    """p ← p - (rate_g g + rate_m m) / (√(v share) + ε)."""
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
    root = xp.sqrt(v * share) + eps
    p -= (g * rate_g + m * rate_m) / root


class NAdam(Stepper):
    """Adam's step along a mean that looks a step ahead; its weights μₜ grow (T. Dozat, 2016).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        betas: how much of the means is kept in a step.
        eps: ε.
        weight_decay: λ; the gradient is g + λ p.
        momentum_decay: ψ of μₜ = β₁ (1 - ½ 0.96^(t ψ)).
        decoupled_weight_decay: p ← (1 - lr λ) p instead.
        foreach: taken as it is.
        maximize: climb.
        capturable: for other devices only.
        differentiable: whether the step itself is recorded.
    """

    _captured = "params, mu_products and state_steps", ", 'xla'", ""
    _later = (("maximize", False), ("foreach", None), ("capturable", False),
              ("differentiable", False), ("decoupled_weight_decay", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check(lr, betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        (beta1, beta2), fade = group["betas"], group["momentum_decay"]
        decay = group["weight_decay"]
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p]
            if not state:
                state["step"] = counter()
                state["mu_product"] = counter(1.0)
                state["exp_avg"] = like(p)
                state["exp_avg_sq"] = like(p)
            count = advance(state["step"])
            recorded = is_recorded(group, p)
            lr = group["lr"] if recorded else float(number(group["lr"]))
            mu = beta1 * (1.0 - 0.5 * 0.96 ** (count * fade))
            mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((count + 1) * fade))
            before = state["mu_product"]
            put(before, number(before) * before._value.dtype.type(mu))
            product = float(number(before))
            numbers = (
                beta1, beta2, 1 / (1 - beta2**count), lr * ((1 - mu) / (1 - product)),
                lr * (mu_next / (1 - product * mu_next)), group["eps"],
                1 - lr * decay if decay and group["decoupled_weight_decay"] else None, decay,
                -1 if group["maximize"] else 1,
            )  # fmt: skip
            run(_moved, (p, p._grad, state["exp_avg"], state["exp_avg_sq"]), numbers, recorded)
