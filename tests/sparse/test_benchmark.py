"""The benchmark of sparse derivatives computes what it says: no times are looked at here."""

import numpy as np
import pytest

import funcgrad as fg
from tests.benchmarks.sparse import PROBLEMS, phases, products


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_plan_gives_the_dense_derivative(name: str) -> None:
    problem = PROBLEMS[name]
    x = np.random.default_rng(0).normal(size=25)
    derive = fg.hessian if problem.is_hessian else fg.jacobian
    found = problem.prepare(x)(x)
    np.testing.assert_allclose(
        found.todense(), derive(problem.total(np))(x), rtol=1e-12, atol=1e-13
    )
    assert problem.sparsity(x) == found.pattern


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch, where it is imported
@pytest.mark.parametrize("name", PROBLEMS)
def test_other_libraries_compute_the_same_products(name: str) -> None:
    problem = PROBLEMS[name]
    x = np.random.default_rng(0).normal(size=25)
    seeds = np.random.default_rng(1).normal(size=(3, 25))
    matrix = problem.prepare(x)(x)
    expected = np.stack([matrix @ seed for seed in seeds])
    for library, run in products(problem, x, seeds).items():
        # JAX computes in float32 unless it was told otherwise before it was imported
        rtol = 1e-3 if library.startswith("jax") else 1e-10
        np.testing.assert_allclose(np.asarray(run()), expected, rtol=rtol, atol=rtol)


def test_every_phase_of_a_plan_is_timed() -> None:
    found = phases(PROBLEMS["chain"], np.ones(30))
    assert list(found) == ["structure", "colours", "plan", "first call", "call"]
    assert all(seconds > 0 for seconds in found.values())
