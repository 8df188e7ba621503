"""Losses as `torch.` has them: the reduction is a number, 0 for none, 1 for mean, 2 for sum."""

from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.nn.common import ENUM
from funcgrad.compat.torch.nn.ctc import ctc_loss
from funcgrad.compat.torch.nn.logit_losses import binary_cross_entropy_with_logits
from funcgrad.compat.torch.nn.losses import kl_div, poisson_nll_loss
from funcgrad.compat.torch.nn.margin_losses import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    triplet_margin_loss,
)
from funcgrad.compat.torch.registry import MODULES

__all__ = ["by_number"]

_TABLE: tuple[tuple[Callable[..., Any], str], ...] = (
    (binary_cross_entropy_with_logits, "input target weight pos_weight reduction"),
    (cosine_embedding_loss, "input1 input2 target margin reduction"),
    (ctc_loss, "log_probs targets input_lengths target_lengths blank reduction zero_infinity"),
    (hinge_embedding_loss, "input target margin reduction"),
    (kl_div, "input target reduction"),
    (margin_ranking_loss, "input1 input2 target margin reduction"),
    (poisson_nll_loss, "input target log_input full eps reduction"),
    (triplet_margin_loss, "anchor positive negative margin p eps swap reduction"),
)
"""Functions, and the order of their positional arguments."""


def by_number(function: Callable[..., Any], order: str) -> Callable[..., Any]:
    """The function with its reduction as a number, and its arguments in another order."""
    names = order.split()

    def loss(*args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        reduction = given.get("reduction", 0)  # unlike the functions of nn.functional
        given["reduction"] = ENUM[reduction] if isinstance(reduction, int) else reduction
        return function(**given)

    loss.__name__ = loss.__qualname__ = function.__name__
    loss.__doc__ = function.__doc__
    return loss


for _function, _order in _TABLE:
    MODULES["torch"].setdefault(_function.__name__, by_number(_function, _order))
