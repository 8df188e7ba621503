"""What the programs of distributions show: every method of one, with its gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["walk", "walk_draws"]

NUMBERS = ("mean", "mode", "variance", "stddev")


def walk(torch: Any, show: Any, make: Callable[..., Any], params: Any, *values: Any) -> Any:
    """Show a distribution, its moments, and what its functions give at values, with gradients.

    Args:
        torch: the layer or PyTorch.
        show: of the program.
        make: the distribution, given its parameters.
        params: numbers or tensors; tensors of floats become leaves that require grad.
        *values: where `log_prob` and `cdf` are asked for.

    Returns:
        The distribution.
    """
    leaves = [_leaf(torch, one) for one in params]
    made = make(*leaves)
    wanted = [one for one in leaves if isinstance(one, torch.Tensor) and one.requires_grad]
    show(repr(made), str(made.batch_shape), str(made.event_shape))
    show(made.has_rsample, made.has_enumerate_support, str(made.arg_constraints))
    _attempt(torch, show, "support", lambda: repr(made.support), ())
    for name in NUMBERS:
        _attempt(torch, show, name, lambda name=name: getattr(made, name), wanted)
    for name in ("entropy", "perplexity"):
        _attempt(torch, show, name, getattr(made, name), wanted)
    for value in values:
        at = _leaf(torch, value)
        inputs = [*wanted, at] if at.requires_grad else wanted
        _attempt(torch, show, "log_prob", lambda at=at: made.log_prob(at), inputs)
        _attempt(torch, show, "cdf", lambda at=at: made.cdf(at), inputs)
    quantiles = torch.tensor([0.05, 0.3, 0.5, 0.8, 0.99], dtype=torch.float64)
    quantiles = quantiles.reshape((-1,) + (1,) * len(made.batch_shape)).requires_grad_()
    _attempt(torch, show, "icdf", lambda: made.icdf(quantiles), [*wanted, quantiles])
    for expand in (True, False):
        _attempt(torch, show, "enumerate_support", lambda e=expand: made.enumerate_support(e), ())
    wide = _expanded(torch, show, made)
    if wide is not None:
        _attempt(torch, show, "wide log_prob", lambda: wide.log_prob(values[0]), wanted)
        _attempt(torch, show, "wide mean", lambda: wide.mean, ())
    show(repr(made))
    return made


def walk_draws(torch: Any, show: Any, make: Callable[..., Any], params: Any) -> None:
    """Show samples after `manual_seed`, and how they move with the parameters."""
    for seed, kind in ((0, torch.float32), (1, torch.float64)):
        leaves = [_leaf(torch, one, kind) for one in params]
        made = make(*leaves)
        wanted = [one for one in leaves if isinstance(one, torch.Tensor) and one.requires_grad]
        torch.manual_seed(seed)
        show(made.sample(), made.sample((3,)), made.sample(torch.Size([2, 9])))
        _attempt(torch, show, "rsample", made.rsample, wanted)
        _attempt(torch, show, "rsample", lambda made=made: made.rsample((2,)), wanted)
        wide = made.expand((2, *made.batch_shape))
        show(wide.sample(), wide.sample((2,)).shape, torch.rand(2))


def _leaf(torch: Any, given: Any, kind: Any = None) -> Any:
    if not isinstance(given, torch.Tensor) or not given.dtype.is_floating_point:
        return given
    given = given.detach().clone()
    return (given if kind is None else given.to(kind)).requires_grad_()


def _expanded(torch: Any, show: Any, made: Any) -> Any:
    try:
        wide = made.expand((2, *made.batch_shape))
    except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
        show("expand", type(error).__name__, str(error).split("\n", maxsplit=1)[0])
        return None
    show(repr(wide), type(wide).__name__, str(wide.batch_shape), str(wide.event_shape))
    return wide


def _attempt(
    torch: Any, show: Any, name: str, compute: Callable[[], Any], wanted: Sequence[Any]
) -> None:
    try:
        out = compute()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
        text = str(error).replace("funcgrad.compat.torch", "torch")
        show(name, type(error).__name__, text.split("\n", maxsplit=1)[0])
        return
    show(name, out)
    if isinstance(out, torch.Tensor) and out.requires_grad and wanted:
        weights = torch.tensor(np.cos(np.arange(out.numel())).tolist(), dtype=out.dtype)
        total = (out * weights.reshape(out.shape)).sum()
        show(*torch.autograd.grad(total, list(wanted), allow_unused=True, retain_graph=True))
