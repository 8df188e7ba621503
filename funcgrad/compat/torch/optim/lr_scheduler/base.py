"""A schedule of rates: what all of them share."""

import functools
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from funcgrad.compat.torch.optim.optimizer import Optimizer
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "EPOCH_DEPRECATION_WARNING", "LRScheduler", "Schedule", "checked_optimizer", "initial_mode",
    "one_each", "optimizers_agree", "rates_of", "set_option",
]  # fmt: skip

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
_SEE = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
_OVERRIDDEN = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
    "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`. "
    f"{_SEE}"
)
_TOO_EARLY = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, "
    "you should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  "
    "Failure to do this will result in PyTorch skipping the first value of the learning rate "
    f"schedule. {_SEE}"
)
_GET_LAST = "To get the last learning rate computed by the scheduler, please use `get_last_lr()`."
_NO_INITIAL = (
    "param '{name}' is not specified in param_groups[{number}] when resuming scheduler with "
    "last_epoch >= 0.\nThis typically happens when:\n1. You're trying to resume training from a "
    "checkpoint but haven't properly loaded the optimizer state\n2. You're using last_epoch >= 0 "
    "for a fresh training run (not recommended)"
)


def copied(value: Any) -> Any:
    """The value; of a tensor, a copy."""
    return value.clone() if isinstance(value, Tensor) else value  # type: ignore[attr-defined]  # entered


def rates_of(optimizer: Optimizer, name: str = "lr") -> list[Any]:
    """An option of every group, copied."""
    return [copied(group[name]) for group in optimizer.param_groups]


def set_option(group: dict[str, Any], name: str, value: Any) -> None:
    """Set an option of a group: if it is a tensor, in place."""
    held = group[name]
    if isinstance(held, Tensor):
        held.fill_(value.item() if isinstance(value, Tensor) else value)  # type: ignore[attr-defined]  # entered
    else:
        group[name] = value


def one_each(name: str, optimizer: Optimizer, given: Any) -> list[Any]:
    """A value for every group: the one given, or those of a list.

    Raises:
        ValueError: if the list has another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(given, list | tuple):
        return [given] * groups
    if len(given) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(given)} "
            f"values, param_groups has {groups}."
        )
    return list(given)


def checked_optimizer(optimizer: Any) -> Any:
    """The optimiser itself.

    Raises:
        TypeError: if it is none.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def optimizers_agree(name: str, optimizer: Any, schedulers: Sequence[Any], plateau: type) -> None:
    """Refuse schedules of other things than this optimiser, and those that need more than a step.

    Raises:
        TypeError: if one is no schedule.
        ValueError: in PyTorch's words.
    """
    for i, one in enumerate(schedulers):
        if not hasattr(one, "optimizer"):
            raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
        if isinstance(one, plateau):
            raise ValueError(
                f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional "
                "kwargs to be specified when calling `step`, but got one at index "
                f"{i} in the given schedulers sequence."
            )
        if one.optimizer is not optimizer:
            raise ValueError(
                f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                f"{type(one).__name__} at index {i} has {one.optimizer}, which is different from "
                f"{type(optimizer).__name__}."
            )


@contextmanager
def initial_mode(scheduler: "LRScheduler") -> Iterator[None]:
    """While the first rates are set."""
    scheduler._is_initial = True
    try:
        yield
    finally:
        scheduler._is_initial = False


def _watched(optimizer: Any) -> None:
    """Let the optimiser remember that it has stepped."""
    step = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched"):
        return
    function, reference = step.__func__, weakref.ref(optimizer)

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        owner: Any = reference()
        owner._opt_called = True
        return function.__get__(owner, type(owner))(*args, **kwargs)

    watched._wrapped_by_lr_sched = True  # type: ignore[attr-defined]  # a mark
    optimizer.step = watched


class LRScheduler:
    """Gives the groups of an optimiser new rates at each `step`; a subclass says which in `get_lr`.

    Attributes:
        optimizer: whose rates it sets.
        base_lrs: the rates it began with.
        last_epoch: steps so far.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False
    optimizer: Any
    _last_lr: list[Any]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(_NO_INITIAL.format(name="initial_lr", number=i))
        self.base_lrs = rates_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watched(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the first rates."""
        self._step_count = 0
        with initial_mode(self):
            self.step()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates it has set last."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The next rates."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Set the next rates.

        Args:
            epoch: a number of steps, to set the rates after these.
        """
        if self._step_count == 1:
            self._warn_of_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _warn_of_order(self) -> None:
        optimizer = self.optimizer
        if not hasattr(optimizer.step, "_wrapped_by_lr_sched"):
            warnings.warn(_OVERRIDDEN, UserWarning, stacklevel=3)
        elif not getattr(optimizer, "_opt_called", False):
            warnings.warn(_TOO_EARLY, UserWarning, stacklevel=3)

    def _update_lr(self, epoch: int | None = None) -> None:
        closed: Callable[[], list[Any]] | None = getattr(self, "_get_closed_form_lr", None)
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                values = self.get_lr() if closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_option(group, "lr", value)
        self._last_lr = rates_of(self.optimizer)


class Schedule(LRScheduler):
    """A schedule whose next rates follow from the present ones."""

    def _current(self) -> list[Any]:
        """The rates now; tensors are copied, so that they can be given as the next ones."""
        if not self._get_lr_called_within_step:
            warnings.warn(_GET_LAST, UserWarning, stacklevel=3)
        return rates_of(self.optimizer)
