"""Connectionist temporal classification: labels without times."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn, stop_gradient
from funcgrad.compat.torch.constructors import zeros_like
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.nn.common import entered, reduced_tensor, reduction_of
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["ctc_loss"]

NEVER = -1e30
"""Logarithm of the probability of what cannot be."""


def _moved(paths: Any, places: int, never: Any) -> Any:
    """The rows moved to the right."""
    if places >= paths.shape[1]:
        return np.full(paths.shape, never)
    front = np.full((paths.shape[0], places), never)
    return fnp.concatenate((front, paths[:, :-places]), axis=1)


def _ctc(x: Any, *, labels: Any, steps: Any, lengths: Any, blank: int) -> Any:
    """-log of the probability of all paths that read as the labels (A. Graves et al., 2006).

    Paths run through the labels with blanks around them; the sum over paths is made step by step.
    """
    count, longest = labels.shape
    spread = np.full((count, 2 * longest + 1), blank)
    spread[:, 1::2] = labels
    places = np.arange(spread.shape[1])
    inside = places < 2 * lengths[:, None] + 1
    skips = np.zeros(spread.shape, bool)
    skips[:, 2:] = (spread[:, 2:] != blank) & (spread[:, 2:] != spread[:, :-2])
    picked = fnp.take_along_axis(x, np.broadcast_to(spread, (x.shape[0], *spread.shape)), 2)
    never = x.dtype.type(NEVER)
    paths = fnp.where((places < 2) & inside, picked[0], never)
    for t in range(1, x.shape[0]):
        one, two = _moved(paths, 1, never), _moved(paths, 2, never)
        ways = fnp.stack((paths, one, fnp.where(skips, two, never)))
        grown = fnp.where(inside, nn.logsumexp(ways, axis=0) + picked[t], never)
        paths = fnp.where((t < steps)[:, None], grown, paths)
    ends = np.stack((2 * lengths, np.maximum(2 * lengths - 1, 0)), axis=1)
    last = fnp.take_along_axis(paths, ends, 1)
    last = fnp.where(np.stack((lengths >= 0, lengths > 0), axis=1), last, never)
    losses = -nn.logsumexp(last, axis=1)
    # PyTorch's derivative is that by the logits: the sum of probabilities counts as not constant.
    active = (np.arange(x.shape[0])[:, None] < steps)[:, :, None]
    mass = fnp.sum(fnp.where(active, fnp.exp(x), 0), axis=(0, 2))
    losses = losses + (mass - stop_gradient(mass))
    return fnp.where(losses > -never / 2, x.dtype.type(np.inf), losses)


ctc_op = Op("CtcLossBackward0", _ctc)


def _whole(what: str, lengths: Any) -> Any:
    values = np.asarray(lengths.detach()._value if isinstance(lengths, Tensor) else lengths)
    if values.size and values.dtype.kind not in "iu":
        raise RuntimeError(f"{what}_lengths must be integral")
    return values.astype(np.int64).reshape(-1)


_WHILE = "(while checking arguments for ctc_loss_allocate_outputs)"


def _check_lengths(steps: Any, lengths: Any, count: int, most: int) -> None:
    for what, given in (("input", steps), ("target", lengths)):
        if given.size != count:
            raise RuntimeError(f"{what}_lengths must be of size batch_size")
    for what, given in (("input", steps), ("target", lengths)):
        if given.size and given.min() < 0:
            raise RuntimeError(
                f"Expected {what}_lengths to have value at least 0, but got value "
                f"{given[given < 0][0]} {_WHILE}"
            )
    if (steps > most).any():
        raise RuntimeError(
            f"Expected input_lengths to have value at most {most}, but got value "
            f"{steps[steps > most][0]} {_WHILE}"
        )


def _check_targets(given: Any, lengths: Any, count: int) -> None:
    """Labels stand in a row one after another, or in a row for each example."""
    wanted = int(lengths.sum()) if given.ndim == 1 else count
    if given.ndim in (1, 2) and given.shape[0] != wanted:
        raise RuntimeError(
            f"Expected tensor to have size {wanted} at dimension 0, but got size "
            f"{given.shape[0]} for argument #2 'targets' {_WHILE}"
        )
    longest = int(lengths.max()) if lengths.size else 0
    if given.ndim == 2 and given.shape[1] < longest:
        raise RuntimeError(
            f"Expected tensor to have size at least {longest} at dimension 1, but got size "
            f"{given.shape[1]} for argument #2 'targets' {_WHILE}"
        )


@entered("ctc_loss")
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """-log of the probability that a sequence reads as its labels.

    Args:
        log_probs: (T, N, C) or (T, C), as `log_softmax` gives them.
        targets: (N, S), (S), or all labels in a row.
        input_lengths: number of steps of each example.
        target_lengths: number of labels of each example.
        blank: number of the class that stands for no label.
        reduction: "mean" (of the losses per label), "sum" or "none".
        zero_infinity: whether impossible examples count 0.
    """
    reduction_of(reduction)
    single = log_probs._value.ndim == 2
    kinds = [type(x).__name__ for x in (input_lengths, target_lengths)]
    if isinstance(input_lengths, Tensor) != isinstance(target_lengths, Tensor):
        raise TypeError(
            "ctc_loss() received an invalid combination of arguments - got (Tensor, Tensor, "
            f"{', '.join(kinds)}, int, int, bool), but expected one of:"
        )
    steps, lengths = _whole("input", input_lengths), _whole("target", target_lengths)
    count = 1 if single else log_probs._value.shape[1]
    classes = log_probs._value.shape[-1]
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    given = np.asarray(targets.detach()._value)
    _check_lengths(steps, lengths, count, log_probs._value.shape[0])
    _check_targets(given, lengths, count)
    longest = int(lengths.max()) if lengths.size else 0
    labels = np.full((count, longest), blank, np.int64)
    rows = given.reshape(1, -1) if single else given
    start = 0
    for i, n in enumerate(lengths.tolist()):
        labels[i, :n] = rows[i, :n] if rows.ndim == 2 else rows[start : start + n]
        start += n
    x = log_probs.unsqueeze(1) if single else log_probs
    losses = ctc_op(x, labels=labels, steps=steps, lengths=lengths, blank=blank)
    if zero_infinity:
        losses = zeros_like(losses).where(losses == np.inf, losses)
    if reduction == "mean":
        divisor = np.maximum(lengths, 1).astype(x._value.dtype)
        losses = losses / made(divisor, x.dtype)
    elif single and reduction == "none":
        return losses.squeeze(0)
    return reduced_tensor(losses, reduction)
