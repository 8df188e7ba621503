"""AdamW: Adam whose weights decay by themselves."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.optim.adam import Adam
from funcgrad.compat.torch.optim.optimizer import ParamsT
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["AdamW"]


class AdamW(Adam):
    """p ← (1 - lr λ) p, then Adam's step (I. Loshchilov and F. Hutter, 2019).

    The arguments are Adam's.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
