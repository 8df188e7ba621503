"""Each primitive of the registry under the transforms that take its rules apart and recombine them.

Linear programs are transposed with the reverse rules of their primitives on shapes alone, batches
reach rules with one axis more than the declarations speak of: every primitive has to go along.
"""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from tests.laws.case import Case
from tests.laws.elementwise_cases import elementwise_cases
from tests.laws.laws import float_results, like
from tests.laws.structured_cases import structured_cases

CASES = [
    case
    for case in (*elementwise_cases(), *structured_cases())
    if case.primitive.vjp is not None and case.active
]
ALIKE = [case for case in CASES if not case.alike and not case.primitive.data_dependent]

TOLERANCE = {2: 1e-2, 4: 1e-4, 8: 1e-9}
"""By bytes of a real number: a thousand roundings or more, for the products of linear algebra."""


def same(found: Any, expected: Any) -> None:
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        tolerance = TOLERANCE[other.real.itemsize]
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def twice(leaves: Any) -> list[Any]:
    return [np.stack([np.asarray(leaf)] * 2) for leaf in leaves]


class Expected:
    """A case with its derivatives by plain `jvp` and `vjp`."""

    def __init__(self, case: Case) -> None:
        f, args = case.function()
        rng = np.random.default_rng(0)
        self.f = float_results(f)
        self.args = tuple(args)
        self.dots = tuple(like(rng, x) for x in args)
        self.out, self.out_dot = fg.jvp(self.f, self.args, self.dots)
        self.cts = [like(rng, out) for out in self.out]
        self.pullback = fg.vjp(self.f, *self.args)[1]
        self.grads = self.pullback(self.cts)


@pytest.fixture(autouse=True)
def _no_warnings_of_extreme_cases() -> Any:
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_linear_program_of_a_primitive_and_its_transpose(case: Case) -> None:
    it = Expected(case)
    _, f_jvp = fg.linearize(it.f, *it.args)
    same(f_jvp(*it.dots), it.out_dot)
    same(fg.linear_transpose(f_jvp, *it.args)(it.cts), it.grads)
    _, back = fg.vjp(it.pullback, it.cts)  # the transpose of the pullback is the tangent map
    same(back(it.dots)[0], it.out_dot)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_batches_of_tangents_and_cotangents(case: Case) -> None:
    it = Expected(case)
    rows = fg.vmap(lambda *dots: fg.jvp(it.f, it.args, dots)[1])(*twice(it.dots))
    same([row[1] for row in rows], it.out_dot)
    rows = fg.vmap(it.pullback)(twice(it.cts))
    same([row[1] for row in rows], it.grads)


@pytest.mark.parametrize("case", ALIKE, ids=str)
def test_derivatives_of_a_batch(case: Case) -> None:
    it = Expected(case)
    args = twice(it.args)
    rows = fg.jvp(fg.vmap(it.f), tuple(args), tuple(twice(it.dots)))[1]
    same([row[1] for row in rows], it.out_dot)
    rows = fg.vjp(fg.vmap(it.f), *args)[1](twice(it.cts))
    same([row[1] for row in rows], it.grads)
    rows = fg.vmap(lambda *xs: fg.vjp(it.f, *xs)[1](it.cts))(*args)
    same([row[1] for row in rows], it.grads)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_derivative_of_a_program_and_the_program_of_the_derivative(case: Case) -> None:
    it = Expected(case)
    program = fg.make_program(it.f)(*it.args)
    same(fg.vjp(program, *it.args)[1](it.cts), it.grads)
    program = fg.make_program(lambda *xs: fg.vjp(it.f, *xs)[1](it.cts))(*it.args)
    same(program(*it.args), it.grads)
