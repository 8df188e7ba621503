"""What is said of parameters that nothing can be drawn with."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad import random
from funcgrad.errors import DrawError

KEY = random.key(0)

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "negative shape": (
        lambda: random.normal(KEY, (2, -1)),
        "normal: the shape is (2, -1). No axis has a negative length. Pass lengths of 0 or more.",
    ),
    "shape of floats": (
        lambda: random.normal(KEY, (2.0,)),
        "normal: the shape is (2.0,). A shape is a tuple of plain integers. Write (n, m), n, or ()",
    ),
    "negative number of keys": (lambda: random.split(KEY, -1), "split: the shape is (-1,)."),
    "dtype of integers": (
        lambda: random.normal(KEY, (), int),
        "normal: dtype int64. The numbers are real, of double precision at most. Pass "
        "dtype=np.float64 or np.float32, or round and cast what is drawn.",
    ),
    "complex uniform": (lambda: random.uniform(KEY, (), complex), "uniform: dtype complex128."),
    "dtype of floats": (
        lambda: random.randint(KEY, (), 0, 3, float),
        "randint: dtype float64. What is drawn are integers. Pass dtype=np.int64, or cast",
    ),
    "signed bits": (
        lambda: random.bits(KEY, (), np.int32),
        "bits: dtype int32. What is drawn are integers without a sign. Pass dtype=np.uint32",
    ),
    "unsigned signs": (lambda: random.rademacher(KEY, (), np.uint8), "dtype uint8. It has no -1."),
    "p above 1": (
        lambda: random.bernoulli(KEY, 1.5),
        "bernoulli: p is 1.5. A probability lies between 0 and 1. Pass such ones",
    ),
    "p below 0": (
        lambda: random.bernoulli(KEY, np.array([0.5, -0.25])),
        "bernoulli: p is -0.25 in a place. A probability",
    ),
    "p not a number": (lambda: random.bernoulli(KEY, np.nan), "bernoulli: p is nan."),
    "p of zero": (lambda: random.geometric(KEY, 0.0), "geometric: p is 0.0. There is never"),
    "trials": (lambda: random.binomial(KEY, 2.5, 0.5), "binomial: n is 2.5. It is a number of"),
    "complex parameter": (lambda: random.gamma(KEY, 1j), "gamma: a parameter has dtype complex128"),
    "gamma": (
        lambda: random.gamma(KEY, -1.0),
        "gamma: a is -1.0. The distribution is defined for positive parameters. Pass positive",
    ),
    "beta": (lambda: random.beta(KEY, 1.0, np.zeros(2)), "beta: b is 0.0 in a place."),
    "dirichlet": (lambda: random.dirichlet(KEY, [1.0, -1.0]), "dirichlet: alpha is -1.0 in a"),
    "dirichlet of a number": (lambda: random.dirichlet(KEY, 2.0), "dirichlet: alpha is one number"),
    "t": (lambda: random.t(KEY, 0.0), "t: df is 0.0."),
    "poisson": (
        lambda: random.poisson(KEY, -2.0),
        "poisson: lam is -2.0. A mean number of events is not negative",
    ),
    "poisson, huge": (lambda: random.poisson(KEY, 1e19), "poisson: lam is 1e+19."),
    "bounds": (
        lambda: random.truncated_normal(KEY, 1.0, 0.0),
        "truncated_normal: a lower bound is above its upper bound. No number lies between them.",
    ),
    "no integers": (
        lambda: random.randint(KEY, (3,), 5, 5),
        "randint: minval is 5, maxval 5. No integer is at least minval and below maxval.",
    ),
    "integers beyond the dtype": (
        lambda: random.randint(KEY, (3,), 0, 1000, np.uint8),
        "randint: minval is 0, maxval 1000, dtype uint8. Not all of these integers",
    ),
    "bounds that are no integers": (
        lambda: random.randint(KEY, (3,), 0, 5.0),
        "randint: maxval is 5.0. It bounds integers. Pass integers, or use",
    ),
    "parameter beyond the shape": (
        lambda: random.uniform(KEY, (), minval=np.zeros(3)),
        "uniform: minval of shape (3,), for numbers of shape (). They do not broadcast to it.",
    ),
    "parameters of two shapes": (
        lambda: random.beta(KEY, np.ones(3), np.ones(2)),
        "beta: a of shape (3,) and b of shape (2,). They do not broadcast.",
    ),
    "too few elements": (
        lambda: random.choice(KEY, 3, (2, 2), replace=False),
        "choice: 4 of 3 elements without repetition. There are too few. Pass a smaller shape, or "
        "replace=True.",
    ),
    "no elements": (lambda: random.choice(KEY, np.zeros(0), (2,)), "choice: 2 of 0 elements."),
    "p of another length": (
        lambda: random.choice(KEY, 3, p=np.array([0.5, 0.5])),
        "choice: p has shape (2,), for 3 elements. There is one probability for each.",
    ),
    "p of another sum": (
        lambda: random.choice(KEY, 2, p=np.array([0.5, 0.25])),
        "choice: p has the sum 0.75. Probabilities have the sum 1. Pass p / np.sum(p), or use",
    ),
    "p with a negative one": (lambda: random.choice(KEY, 2, p=[1.5, -0.5]), "choice: p is 1.5"),
    "too few with a probability": (
        lambda: random.choice(KEY, 3, (2,), replace=False, p=[1.0, 0.0, 0.0]),
        "choice: 2 of 1 elements with a probability above 0.",
    ),
    "population": (lambda: random.choice(KEY, 2.5), "choice: the population is 2.5."),
    "negative population": (
        lambda: random.permutation(KEY, -3),
        "permutation: the population has -3 elements.",
    ),
    "shape of classes": (
        lambda: random.categorical(KEY, np.zeros((4, 3)), shape=(5,)),
        "categorical: logits of shape (4, 3) with axis=-1, for a result of shape (5,). The shape "
        "must end with that of the other axes, (4,).",
    ),
    "no class": (lambda: random.categorical(KEY, np.zeros((3, 0))), "There is no class."),
    "too few classes": (
        lambda: random.categorical(KEY, np.zeros(3), shape=(4,), replace=False),
        "categorical: 4 different ones of 3 classes.",
    ),
    "covariance": (
        lambda: random.multivariate_normal(KEY, np.zeros(2), np.ones(2)),
        "multivariate_normal: the mean has shape (2,), the covariance (2,).",
    ),
    "method": (
        lambda: random.multivariate_normal(KEY, np.zeros(1), np.eye(1), method="qr"),
        "multivariate_normal: method='qr'. There is no such one.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_fix(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(DrawError, match=re.escape(message)):
        call()


def test_a_traced_parameter_out_of_range_is_found_by_numpy() -> None:
    with pytest.raises(ValueError, match="shape < 0"):
        fg.grad(lambda a: random.gamma(KEY, a))(-1.0)


def test_an_axis_out_of_range_is_named_as_numpy_does() -> None:
    with pytest.raises(np.exceptions.AxisError):
        random.permutation(KEY, np.ones(3), axis=1)
