"""Averages of a model along its way: stochastic weight averaging, and exponential means."""

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Literal

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.creation import tensor
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.modules.batchnorm import _BatchNorm
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.optim.lr_scheduler.base import Schedule, one_each
from funcgrad.compat.torch.optim.optimizer import Optimizer
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip

PARAM_LIST = tuple[Tensor, ...] | list[Tensor]


def _checked(decay: float) -> float:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )
    return decay


def _towards(mean: Tensor, value: Tensor, share: float) -> None:
    """mean ← mean + share (value - mean), in place."""
    array, new = mean._array(), value._array()
    if array.dtype.kind in "fc":
        array += (new - array) * share
    else:
        array[...] = (array * (1 - share) + new * share).astype(array.dtype)
    if mean._dtype is not None:
        np.copyto(array, round_to_bfloat16(array))
    mean._cell[0] += 1


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """A function that moves means towards values: m ← decay m + (1 - decay) x."""
    share = 1 - _checked(decay)

    @no_grad()  # type: ignore[untyped-decorator]  # as PyTorch's
    def ema_update(ema_param_list: PARAM_LIST, current_param_list: PARAM_LIST, _: Any) -> None:
        for mean, value in zip(ema_param_list, current_param_list, strict=True):
            _towards(mean, value, share)

    return ema_update  # type: ignore[no-any-return]  # decorated


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """A function that moves means of n values towards further ones: m ← m + (x - m) / (n + 1)."""

    @no_grad()  # type: ignore[untyped-decorator]  # as PyTorch's
    def swa_update(
        averaged_param_list: PARAM_LIST, current_param_list: PARAM_LIST, num_averaged: Any
    ) -> None:
        share = 1 / (float(num_averaged) + 1)
        for mean, value in zip(averaged_param_list, current_param_list, strict=True):
            _towards(mean, value, share)

    return swa_update  # type: ignore[no-any-return]  # decorated


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Any]:
    """A function of a mean and a value: decay m + (1 - decay) x."""
    keep = _checked(decay)

    @no_grad()  # type: ignore[untyped-decorator]  # as PyTorch's
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return keep * ema_param + (1 - keep) * current_param

    return ema_update  # type: ignore[no-any-return]  # decorated


def get_swa_avg_fn() -> Callable[..., Any]:
    """A function of a mean of n values and a further one: m + (x - m) / (n + 1)."""

    @no_grad()  # type: ignore[untyped-decorator]  # as PyTorch's
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update  # type: ignore[no-any-return]  # decorated


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those the model has had.

    Args:
        model: the model.
        device: always the CPU.
        avg_fn: `(mean, value, n) -> mean` of one parameter; the mean of all by default.
        multi_avg_fn: the same of all parameters at once, in place.
        use_buffers: whether buffers are averaged too, instead of copied.
    """

    n_averaged: Any

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Callable[..., Any] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=DTYPES["int64"], device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    @override
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's result."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Any) -> None:
        """Take the present parameters of the model into the averages."""
        means, values = self._averaged(self.module), self._averaged(model)
        pairs = [(mean.detach(), value.detach()) for mean, value in zip(means, values, strict=True)]
        count = self.n_averaged
        if not count.item():
            for mean, value in pairs:
                mean.copy_(value)  # type: ignore[attr-defined]  # entered
        elif self.multi_avg_fn is not None or self.avg_fn is None:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            update([mean for mean, _ in pairs], [value for _, value in pairs], count)
        else:
            for mean, value in pairs:
                mean.copy_(self.avg_fn(mean, value, count))  # type: ignore[attr-defined]  # entered
        if not self.use_buffers:
            for mean, value in zip(self.module.buffers(), model.buffers(), strict=True):
                mean.detach().copy_(value.detach())
        count += 1

    def _averaged(self, model: Any) -> Iterable[Tensor]:
        if self.use_buffers:
            return itertools.chain(model.parameters(), model.buffers())
        return model.parameters()  # type: ignore[no-any-return]  # an iterator


@no_grad()  # type: ignore[untyped-decorator]  # as PyTorch's
def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Compute the means and variances of all batch normalisations anew.

    Args:
        loader: batches; of lists and tuples the first item is taken.
        model: the model.
        device: always the CPU.
    """
    momenta: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None
    for batch in loader:
        given = batch[0] if isinstance(batch, list | tuple) else batch
        model(given if device is None else given.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(Schedule):
    """The rates go to fixed ones, along a cosine or a line, and stay there.

    Args:
        optimizer: whose rates are set.
        swa_lr: the last rate, or one for each group.
        anneal_epochs: steps until then.
        anneal_strategy: "cos" or "linear".
        last_epoch: steps that were made before.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(
            one_each("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True
        ):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the last rate a rate has after a number of steps."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    @override
    def get_lr(self) -> list[Any]:
        """The next rates: from the present ones, so that other schedules may act too."""
        rates = self._current()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        found = []
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            last = group["swa_lr"]
            first = last if before == 1 else (lr - before * last) / (1 - before)
            found.append(last * now + first * (1 - now))
        return found
