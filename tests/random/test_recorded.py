"""Numbers that were drawn once and must not change.

NumPy promises the bits of Philox for ever, so those of `split`, `fold_in` and `bits` of uint64. The
ways from bits to numbers (ziggurat, rejection) may change between versions of NumPy, which its
release notes then say; these were recorded with NumPy 2.4, and 2.2 draws the same.
"""

from typing import Any

import numpy as np
import pytest

from funcgrad import random

KEY = random.key(2024)
THIRD = np.array([0.2, 0.3, 0.5])


def test_child_keys_are_those_of_the_first_release() -> None:
    np.testing.assert_array_equal(random.split(KEY), SPLIT)
    np.testing.assert_array_equal(random.fold_in(KEY, 7), FOLDED)


SPLIT = [[11663889516129456594, 13744750536210374461], [3540930704917185347, 5830581719786478507]]
FOLDED = [14719159490631808890, 12843768315911219292]

RECORDED: dict[str, tuple[Any, Any]] = {
    "random.bits(KEY, (2,))": (
        lambda: random.bits(KEY, (2,)),
        [13907982469403498057, 12057770365506843114],
    ),
    "random.bits(KEY, (3,), np.uint8)": (lambda: random.bits(KEY, (3,), np.uint8), [73, 214, 39]),
    "random.uniform(KEY, (3,))": (
        lambda: random.uniform(KEY, (3,)),
        [0.7539532404108791, 0.6536530412806927, 0.8305111850799092],
    ),
    "random.uniform(KEY, (3,), np.float32)": (
        lambda: random.uniform(KEY, (3,), np.float32),
        [0.27795159816741943, 0.753953218460083, 0.23151308298110962],
    ),
    "random.normal(KEY, (3,))": (
        lambda: random.normal(KEY, (3,)),
        [0.03674125380393216, -0.588885431018047, -1.361403659119672],
    ),
    "random.normal(KEY, (2,), np.float32)": (
        lambda: random.normal(KEY, (2,), np.float32),
        [0.32290881872177124, 0.9855141639709473],
    ),
    "random.normal(random.split(KEY)[1])": (
        lambda: random.normal(random.split(KEY)[1]),
        1.5976001885453213,
    ),
    "random.normal(KEY, (), complex)": (
        lambda: random.normal(KEY, (), complex),
        (0.025979989714056465 - 0.4164048816148239j),
    ),
    "random.exponential(KEY, (2,))": (
        lambda: random.exponential(KEY, (2,)),
        [1.4022336814820455, 1.0603142354982074],
    ),
    "random.laplace(KEY, (2,))": (
        lambda: random.laplace(KEY, (2,)),
        [0.7090865009221001, 0.367167054938262],
    ),
    "random.gumbel(KEY, (2,))": (
        lambda: random.gumbel(KEY, (2,)),
        [-0.33806645195727547, -0.05856531277499123],
    ),
    "random.logistic(KEY, (2,))": (
        lambda: random.logistic(KEY, (2,)),
        [1.119808753214645, 0.6351356492794163],
    ),
    "random.cauchy(KEY, (2,))": (
        lambda: random.cauchy(KEY, (2,)),
        [1.0251526174902446, 0.5240669377004954],
    ),
    "random.truncated_normal(KEY, -1.0, 2.0, (3,))": (
        lambda: random.truncated_normal(KEY, -1.0, 2.0, (3,)),
        [-0.35827755629052577, -0.14546212449819979, -0.5318992598427359],
    ),
    "random.multivariate_normal(KEY, THIRD, np.diag(THIRD))": (
        lambda: random.multivariate_normal(KEY, THIRD, np.diag(THIRD)),
        [0.21643118821683302, -0.022545834354736782, -0.4626577592956992],
    ),
    "random.gamma(KEY, THIRD)": (
        lambda: random.gamma(KEY, THIRD),
        [0.24362511689554453, 0.6317668342115681, 0.2665256167980821],
    ),
    "random.loggamma(KEY, 1e-5 * THIRD)": (
        lambda: random.loggamma(KEY, 1e-5 * THIRD),
        [-305364.5385777979, -140639.26408281867, -28550.119330104404],
    ),
    "random.beta(KEY, THIRD, 2.0)": (
        lambda: random.beta(KEY, THIRD, 2.0),
        [0.02387416521064517, 0.07600861148410085, 0.005029141849694912],
    ),
    "random.dirichlet(KEY, THIRD)": (
        lambda: random.dirichlet(KEY, THIRD),
        [0.03893485931665829, 0.033849535567992785, 0.9272156051153488],
    ),
    "random.t(KEY, 3.0, (2,))": (
        lambda: random.t(KEY, 3.0, (2,)),
        [-0.7648159185667913, 0.7701238413399544],
    ),
    "random.poisson(KEY, 10 * THIRD)": (lambda: random.poisson(KEY, 10 * THIRD), [5, 2, 6]),
    "random.binomial(KEY, 10, THIRD)": (lambda: random.binomial(KEY, 10, THIRD), [3, 4, 7]),
    "random.geometric(KEY, THIRD)": (lambda: random.geometric(KEY, THIRD), [7, 3, 3]),
    "random.randint(KEY, (5,), -10, 10)": (
        lambda: random.randint(KEY, (5,), -10, 10),
        [-5, 5, -6, 3, 7],
    ),
    "random.rademacher(KEY, (5,))": (lambda: random.rademacher(KEY, (5,)), [-1, 1, -1, -1, -1]),
    "random.bernoulli(KEY, 0.5, (5,))": (
        lambda: random.bernoulli(KEY, 0.5, (5,)),
        [False, False, False, False, False],
    ),
    "random.categorical(KEY, np.log(THIRD), shape=(6,))": (
        lambda: random.categorical(KEY, np.log(THIRD), shape=(6,)),
        [1, 1, 2, 1, 2, 1],
    ),
    "random.permutation(KEY, 6)": (lambda: random.permutation(KEY, 6), [4, 0, 5, 3, 2, 1]),
    "random.permutation(KEY, np.eye(3), independent=True)[0]": (
        lambda: random.permutation(KEY, np.eye(3), independent=True)[0],
        [0.0, 0.0, 1.0],
    ),
    "random.choice(KEY, 10, (4,))": (lambda: random.choice(KEY, 10, (4,)), [2, 7, 2, 6]),
    "random.choice(KEY, 10, (4,), replace=False)": (
        lambda: random.choice(KEY, 10, (4,), replace=False),
        [8, 0, 6, 4],
    ),
    "random.choice(KEY, 3, (6,), p=THIRD)": (
        lambda: random.choice(KEY, 3, (6,), p=THIRD),
        [1, 1, 0, 0, 1, 1],
    ),
    "random.choice(KEY, 3, (2,), replace=False, p=THIRD)": (
        lambda: random.choice(KEY, 3, (2,), replace=False, p=THIRD),
        [1, 2],
    ),
}


@pytest.mark.parametrize("call", RECORDED)
def test_a_draw_is_that_of_the_first_release(call: str) -> None:
    draw, expected = RECORDED[call]
    found = draw()
    if found.dtype.kind in "fc":  # functions such as log differ in the last bits between machines
        tolerance = 1e-6 if found.dtype == np.float32 else 1e-13
        np.testing.assert_allclose(found, expected, tolerance, tolerance)
    else:
        np.testing.assert_array_equal(found, expected)
