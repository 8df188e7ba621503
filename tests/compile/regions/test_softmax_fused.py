"""Losses together with their slopes: one exponential for both, the same values but for rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.softmax_fused import KIND as LOSS
from funcgrad.compile.regions.softmax_fused import losses_with_slopes
from funcgrad.compile.regions.table import Region, over_program
from tests.compile.regions.test_softmax import ULPS, array, grads, recorded
from tests.jitting.alike import require_same

FUSED = Region("losses with slopes", losses_with_slopes)


def probabilities(*shape: int) -> Any:
    y = np.abs(array(*shape, seed=5))
    y[::3] = 0.0
    y[::3, 0] = 1.0
    return y


def soft(reduction: str, axis: int = -1) -> Callable[..., Any]:
    def loss(z: Any, y: Any) -> Any:
        return fnp.sum(nn.softmax_cross_entropy(z, y, axis=axis, reduction=reduction) * 0.7)

    return loss


def binary(reduction: str) -> Callable[..., Any]:
    def loss(z: Any, y: Any) -> Any:
        return fnp.sum(nn.bce_with_logits(z, y, reduction=reduction) ** 2)

    return loss


Z, P = array(30, 20), probabilities(30, 20)
LOSSES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{f"soft {r}": (grads(soft(r)), (Z, P)) for r in ("mean", "sum", "none")},
    "soft, first axis": (grads(soft("mean", 0)), (Z, P)),
    "soft by both": (grads(soft("mean"), 0, 1), (Z, P)),
    "soft, fixed targets": (grads(lambda z: soft("mean")(z, P)), (Z,)),
    **{f"binary {r}": (grads(binary(r)), (Z, P)) for r in ("mean", "sum", "none")},
    "binary by both": (grads(binary("mean"), 0, 1), (Z, P)),
    "logsumexp": (grads(lambda z: fnp.sum(nn.logsumexp(z, axis=1) ** 2)), (Z,)),
    "logsumexp kept": (grads(lambda z: fnp.sum(nn.logsumexp(z, axis=0, keepdims=True))), (Z,)),
    "logsumexp of all": (grads(lambda z: nn.logsumexp(z)), (Z,)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_computed_with_their_slopes(name: str, dtype: Any) -> None:
    f, args = LOSSES[name]
    args = tuple(a.astype(dtype) for a in args)
    program = recorded(f, args)
    after = over_program(program, Context(), [FUSED])
    assert "fixed" in name or LOSS in [e.primitive for e in after.equations]
    require_same(after.evaluate(*args), program.evaluate(*args), name, ULPS)
    compiled, wanted = fg.jit(f), f(*args)
    for own in (args, args, tuple(np.asfortranarray(a) for a in args)):
        require_same(compiled(*own), wanted, name, ULPS)
    assert over_program(program, Context(exact=True), [FUSED]).items == program.items


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, 0.0, 800.0, -1e300])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_special_values(name: str, special: float) -> None:
    f, args = LOSSES[name]
    z = args[0].copy()
    z[1, 3] = z[5] = z[:, 7] = special
    with np.errstate(all="ignore"):
        wanted = f(z, *args[1:])
        compiled = fg.jit(f)
        compiled(z, *args[1:])
        found = compiled(z, *args[1:])
    for a, b in zip(fg.tree.leaves(found), fg.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
