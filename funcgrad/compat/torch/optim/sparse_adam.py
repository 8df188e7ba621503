"""SparseAdam: Adam for gradients of which most are absent."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.optim.optimizer import ParamsT
from funcgrad.compat.torch.optim.stepping import Stepper, check
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["SparseAdam"]


class SparseAdam(Stepper):
    """Adam for sparse gradients. There are none in this layer, and it refuses dense ones.

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        betas: how much of the means is kept in a step.
        eps: ε.
        maximize: climb.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check(lr, betas, eps=eps)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        if any(p._grad is not None for p in group["params"]):
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
