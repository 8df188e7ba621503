"""Adam: steps by running means of the gradient and of its square."""

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
    square_root,
)
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["Adam"]


def _moved(
    xp: Any, p: Any, g: Any, m: Any, v: Any, beta1: Any, rest1: Any, beta2: Any, rest2: Any,
    rate: Any, eps: Any, keep: Any, decay: Any, sign: int,
) -> None:  # fmt: skip
    """m ← β₁ m + (1-β₁) g, v ← β₂ v + (1-β₂) g², p ← keep p - rate m / (√v + ε)."""
    _means(p, g, m, v, beta1, rest1, beta2, rest2, keep, decay, sign)
    p -= m / (xp.sqrt(v) + eps) * rate


def _moved_by_largest(
    xp: Any, p: Any, g: Any, m: Any, v: Any, largest: Any, beta1: Any, rest1: Any, beta2: Any,
    rest2: Any, rate: Any, eps: Any, keep: Any, decay: Any, sign: int,
) -> None:  # fmt: skip
    """The same with the largest v so far (S. J. Reddi, S. Kale, S. Kumar, 2018)."""
    _means(p, g, m, v, beta1, rest1, beta2, rest2, keep, decay, sign)
    xp.copyto(largest, xp.maximum(largest, v))
    p -= m / (xp.sqrt(largest) + eps) * rate


def _means(
    p: Any, g: Any, m: Any, v: Any, beta1: Any, rest1: Any, beta2: Any, rest2: Any,
    keep: Any, decay: Any, sign: int,
) -> None:  # fmt: skip
    if keep is not None:
        p *= keep
    if sign < 0:
        g = -g
    if decay is not None:
        g = g + p * decay
    m *= beta1
    m += g * rest1
    v *= beta2
    g = g * g
    g *= rest2
    v += g


class Adam(Stepper):
    """p ← p - lr m̂ / (√v̂ + ε) with the means m of g and v of g², both freed of their zero start.

    D. P. Kingma and J. Ba (2015).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        betas: how much of the means is kept in a step.
        eps: ε.
        weight_decay: λ; the gradient is g + λ p.
        amsgrad: divide by the largest v so far.
        foreach: taken as it is.
        maximize: climb.
        capturable: for other devices only.
        differentiable: whether the step itself is recorded.
        fused: taken as it is.
        decoupled_weight_decay: p ← (1 - lr λ) p instead, as AdamW does.
    """

    _later = (("amsgrad", False), ("maximize", False), ("foreach", None), ("capturable", False),
              ("differentiable", False), ("decoupled_weight_decay", False),
              ("fused", None))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if foreach and not capturable:
            for name, value in (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1])):
                if isinstance(value, Tensor):
                    raise ValueError(
                        f"{name} as a Tensor is not supported for capturable=False and foreach=True"
                    )
        check(lr, betas, eps=eps, weight_decay=weight_decay)
        if isinstance(betas[0], Tensor) is not isinstance(betas[1], Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            if isinstance(beta, Tensor) and beta.numel() != 1:
                raise ValueError(f"Tensor betas[{i}] must be 1-element")
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
        decay, amsgrad = group["weight_decay"], group["amsgrad"]
        sign = -1 if group["maximize"] else 1
        plain = type(lr) is float and type(beta1) is float and type(beta2) is float
        for p in group["params"]:
            grad = p._grad
            if grad is None:
                continue
            state = self.state[p]
            if not state:
                state["step"] = counter()
                state["exp_avg"] = like(p)
                state["exp_avg_sq"] = like(p)
                if amsgrad:
                    state["max_exp_avg_sq"] = like(p)
            count = advance(state["step"])
            recorded = is_recorded(group, p)
            rate, b1, b2 = lr, beta1, beta2
            if not (recorded or plain):
                rate, b1, b2 = number(lr), number(beta1), number(beta2)
                if group["fused"]:
                    rate = float(rate)
            keep = 1 - rate * decay if decay and group["decoupled_weight_decay"] else None
            # √(v / c₂) + ε is the c₂⁻½ part of √v + ε √c₂
            correction = square_root(1 - b2**count)
            step = rate / (1 - b1**count)
            step = (step if recorded or plain else float(step)) * correction
            numbers: Any = (b1, 1 - b1, b2, 1 - b2, step, eps * correction, keep)
            if not (recorded or plain):
                numbers = [None if x is None else float(x) for x in numbers]
            numbers = (*numbers, decay if decay and keep is None else None, sign)
            tensors = (p, grad, state["exp_avg"], state["exp_avg_sq"])
            if amsgrad:
                run(_moved_by_largest, (*tensors, state["max_exp_avg_sq"]), numbers, recorded)
            else:
                run(_moved, tensors, numbers, recorded)
