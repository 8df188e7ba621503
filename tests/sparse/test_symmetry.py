"""Hessians by rules of the user's have no symmetry: each entry is computed where it stands."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import SparsityError
from funcgrad.sparse.derivatives import sparse_hessian
from tests.sparse.functions import chain

x = np.random.default_rng(0).normal(size=24)


@fg.custom_vjp
def neighbourly(x: Any) -> Any:
    return x**2


neighbourly.defvjp(lambda x: (x**2, x), lambda x, ct: (ct * np.roll(x, 1) * 3.0,))


@fg.custom_jvp
def forwards(x: Any) -> Any:
    return x**2


@forwards.defjvp
def forwards_jvp(primals: Any, tangents: Any) -> Any:
    return primals[0] ** 2, tangents[0] * np.roll(primals[0], 1)


@fg.custom_vjp
def clipped(x: Any) -> Any:
    return x


clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))


def compiled(x: Any) -> Any:
    return fg.jit(lambda x: np.sum(neighbourly(x)))(x)


def in_a_loop(x: Any) -> Any:
    return fg.scan(lambda c, u: (c + np.sum(neighbourly(u)), None), 0.0, x.reshape(8, 3))[0]


def in_a_while_loop(x: Any) -> Any:
    _, total = fg.while_loop(
        lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] + np.sum(neighbourly(x))), (0, 0.0)
    )
    return total


def in_a_branch(x: Any) -> Any:
    return fg.cond(x[0] < 9.0, lambda x: np.sum(neighbourly(x)), np.sum, x)


def replayed(x: Any) -> Any:
    return fg.checkpoint(lambda x: np.sum(neighbourly(x)))(x)


def mapped(x: Any) -> Any:
    return np.sum(fg.vmap(neighbourly)(x.reshape(6, 4)))


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: np.sum(neighbourly(x)),
        lambda x: np.sum(forwards(x)),
        lambda x: np.sum((clipped(x)[1:] - x[:-1] ** 2) ** 2),
        compiled,
        in_a_loop,
        in_a_while_loop,
        in_a_branch,
        replayed,
        mapped,
    ],
)
def test_an_unsymmetric_hessian_is_the_dense_one(fun: Any) -> None:
    dense = fg.hessian(fun)(x)
    assert not np.allclose(dense, dense.T)
    np.testing.assert_allclose(sparse_hessian(fun)(x).todense(), dense, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(fg.jit(fg.hessian(fun))(x), dense, rtol=1e-12, atol=1e-13)


def test_a_rule_that_shows_at_other_values_only_is_no_mistake() -> None:
    def fun(x: Any) -> Any:
        return np.sum((clipped(x)[1:] - x[:-1] ** 2) ** 2)

    plan = sparse_hessian(fun).prepare(x * 1e-3)
    for scale in (1e-3, 1.0, 10.0):
        np.testing.assert_allclose(
            plan(x * scale).todense(), fg.hessian(fun)(x * scale), rtol=1e-12, atol=1e-13
        )


def branching(x: Any) -> Any:
    return np.sum(neighbourly(x)) if x[0] > 0 else chain(x)


def test_a_branch_with_a_rule_is_refused_by_a_plan_for_symmetric_matrices() -> None:
    plan = sparse_hessian(branching).prepare(-np.abs(x))
    with pytest.raises(SparsityError, match=r"branch with a custom rule.*sparse_jacobian\(grad\("):
        plan(np.abs(x))


def test_a_branch_with_a_rule_makes_a_new_plan() -> None:
    hessian = sparse_hessian(branching)
    for point in (-np.abs(x), np.abs(x), -np.abs(x)):
        np.testing.assert_allclose(
            hessian(point).todense(), fg.hessian(branching)(point), rtol=1e-12, atol=1e-13
        )


def test_functions_without_such_rules_keep_their_few_colours() -> None:
    def arrow(x: Any) -> Any:
        return fg.scan(lambda c, u: (c + x[0] * u**2, None), 0.0, x[1:])[0]

    assert sparse_hessian(arrow).prepare(x).colours == 2
