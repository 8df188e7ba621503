"""Plans: made once, used many times, never silently wrong."""

import copy
import gc
import pickle
import threading
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import SparsityError
from funcgrad.sparse.derivatives import sparse_hessian, sparse_jacobian
from tests.sparse.functions import chain, neighbours, rosenbrock

x = np.random.default_rng(0).normal(size=8)


def equal(sparse: Any, dense: Any) -> bool:
    return bool(np.allclose(sparse.todense(), dense, rtol=1e-12, atol=1e-13))


def test_a_plan_says_what_it_found() -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)
    assert plan.colours == 3
    assert plan.mode == "forward"
    assert plan.pattern.nnz == 22
    assert plan.colouring.shape == (8,)


def test_a_plan_is_right_for_other_values() -> None:
    plan = sparse_hessian(chain).prepare(np.zeros(8))
    for point in (x, -x, 2.0 * x):
        assert equal(plan(point), fg.hessian(chain)(point))


def test_a_plan_takes_other_arguments_as_they_come() -> None:
    plan = sparse_jacobian(lambda x, scale: neighbours(x) * scale).prepare(x, 2.0)
    for scale in (3.0, -1.0, 0.0):
        assert equal(plan(x, scale), scale * fg.jacobian(neighbours)(x))


def test_the_results_of_calls_share_no_memory() -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)
    first, second = plan(x), plan(2.0 * x)
    kept = first.values.copy()
    second.values[:] = 0.0
    np.testing.assert_array_equal(first.values, kept)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((x[:3],), r"argument 0 of rosenbrock has dtype float64 and shape \(3,\), but the plan"),
        ((x.astype(np.float32),), "has dtype float32"),
        ((x, x), "a tuple of 2 at"),
        (([x],), "with other arguments than it was made for"),
    ],
)
def test_a_plan_refuses_arguments_of_another_kind(args: tuple[Any, ...], message: str) -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)
    with pytest.raises(SparsityError, match=message):
        plan(*args)


def test_a_sparse_derivative_keeps_a_plan_for_each_kind_of_arguments() -> None:
    derivative = sparse_hessian(rosenbrock)
    for size in (8, 3, 8, 5, 2):
        assert equal(derivative(x[:size]), fg.hessian(rosenbrock)(x[:size]))
    single = derivative(x.astype(np.float32))
    assert single.dtype == np.float32


# --- structure that depends on values ---------------------------------------------------------


def branching(x: Any) -> Any:
    return x * x if x[0] > 0 else np.cumsum(x * x)


ABOVE, BELOW = np.abs(x), -np.abs(x)


def test_another_branch_widens_the_structure_of_a_sparse_derivative() -> None:
    derivative = sparse_jacobian(branching)
    assert derivative(ABOVE).nnz == 8
    for point in (BELOW, ABOVE, BELOW):
        assert equal(derivative(point), fg.jacobian(branching)(point))
    assert derivative(ABOVE).nnz == 36


def test_another_branch_outside_of_its_structure_is_an_error_of_a_plan() -> None:
    plan = sparse_jacobian(branching).prepare(ABOVE)
    assert equal(plan(ABOVE), fg.jacobian(branching)(ABOVE))
    for _ in range(2):
        with pytest.raises(SparsityError, match=r"has 28 entries outside .*, such as \(1, 0\)"):
            plan(BELOW)
    assert equal(plan(ABOVE), fg.jacobian(branching)(ABOVE))


def test_another_branch_within_the_structure_is_fine() -> None:
    plan = sparse_jacobian(branching).prepare(BELOW)
    for point in (ABOVE, BELOW):
        assert equal(plan(point), fg.jacobian(branching)(point))


def test_a_function_with_too_many_branches_is_still_checked_in_each_call() -> None:
    def scaled(x: Any) -> Any:
        factor = int(fg.stop_gradient(x[0]))
        return x * factor if factor < 30 else np.cumsum(x)

    plan = sparse_jacobian(scaled).prepare(np.full(8, 1.0))
    points = [np.full(8, float(factor)) for factor in range(1, 25)]
    with pytest.warns(fg.errors.PathLimitWarning):
        found = [plan(point) for point in points]
    for sparse, point in zip(found, points, strict=True):
        assert equal(sparse, fg.jacobian(scaled)(point))
    with pytest.raises(SparsityError, match="outside of the structure"):
        plan(np.full(8, 30.0))


def test_positions_among_the_arguments_may_change() -> None:
    def picked(x: Any, positions: Any) -> Any:
        return x[positions] ** 2

    derivative = sparse_jacobian(picked)
    plan = derivative.prepare(x, np.array([0, 1]))
    assert plan.pattern.nnz == 2
    for positions in (np.array([0, 1]), np.array([5, 5]), np.array([0, 1])):
        assert equal(derivative(x, positions), fg.jacobian(picked)(x, positions))
    with pytest.raises(SparsityError, match="outside of the structure"):
        plan(x, np.array([1, 1]))
    assert equal(plan(x, np.array([0, 1])), fg.jacobian(picked)(x, np.array([0, 1])))


def test_numbers_that_decide_about_no_zero_may_change_freely() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2, 1, 1])
    plan = sparse_jacobian(lambda x, labels: x ** (labels + 1.0)).prepare(x, labels)
    assert not plan._known
    assert plan(x, labels[::-1].copy()).nnz == 8


def test_zeros_of_a_matrix_of_the_closure_are_looked_at_in_each_call() -> None:
    matrix = np.diag(np.arange(1.0, 9.0))

    def product(x: Any) -> Any:
        return matrix @ x

    derivative = sparse_jacobian(product)
    plan = derivative.prepare(x)
    assert plan.pattern.nnz == 8
    matrix[2, 2] = 7.0
    assert equal(plan(x), matrix)
    matrix[0, 5] = 3.0
    assert equal(derivative(x), matrix)
    with pytest.raises(SparsityError, match=r"has 1 entry outside .*\(0, 5\)"):
        plan(x)


def test_positions_in_the_closure_are_looked_at_in_each_call() -> None:
    positions = np.array([3, 2, 1])
    derivative = sparse_jacobian(lambda x: x[positions])
    assert derivative(x).columns.tolist() == [3, 2, 1]
    positions[0] = 7
    expected = np.eye(8)[positions]
    assert equal(derivative(x), expected)


class Holder:
    """Holds a matrix that no closure shows."""

    def __init__(self) -> None:
        self.matrix = np.eye(8)


HOLDER = Holder()


def held(x: Any) -> Any:
    return HOLDER.matrix @ x


def test_zeros_of_a_matrix_that_a_helper_reads_are_looked_at_in_each_call() -> None:
    derivative = sparse_jacobian(lambda x: held(x))
    for column in (0, 3, 5):
        HOLDER.matrix[0, column] = 2.0
        assert equal(derivative(x), HOLDER.matrix)


def test_another_array_in_the_closure_is_seen() -> None:
    weights = np.ones(7)

    def weighted(x: Any) -> Any:
        return neighbours(x) * weights

    derivative = sparse_jacobian(weighted)
    before = derivative(x).todense()
    weights = np.full(7, 3.0)
    assert equal(derivative(x), 3.0 * before)


# --- other transforms around ------------------------------------------------------------------


def test_vmap_gives_a_batch_of_matrices() -> None:
    points = np.stack([x, -x, 2.0 * x])
    batch = fg.vmap(sparse_hessian(rosenbrock))(points)
    assert batch.values.shape == (3, 22)
    np.testing.assert_allclose(batch.todense(), fg.vmap(fg.hessian(rosenbrock))(points))


@pytest.mark.parametrize("derive", [fg.grad, fg.jacfwd, fg.jacrev])
def test_derivatives_of_sparse_derivatives_are_those_of_dense_ones(derive: Any) -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)

    def total(hessian: Any) -> Any:
        return lambda x: np.sum(np.sin(hessian(x).todense()))

    expected = derive(lambda x: np.sum(np.sin(fg.hessian(rosenbrock)(x))))(x)
    for hessian in (sparse_hessian(rosenbrock), plan):
        np.testing.assert_allclose(derive(total(hessian))(x), expected, rtol=1e-12)


def test_jit_of_a_sparse_derivative_is_the_sparse_derivative() -> None:
    compiled = fg.jit(sparse_hessian(rosenbrock))
    for point in (x, -x, x):
        assert equal(compiled(point), fg.hessian(rosenbrock)(point))
    assert compiled.cache_info().recordings == 1


def test_jit_takes_the_branches_of_a_sparse_derivative() -> None:
    compiled = fg.jit(sparse_jacobian(branching))
    for point in (ABOVE, BELOW, ABOVE, BELOW):
        assert equal(compiled(point), fg.jacobian(branching)(point))


def test_jit_guards_positions_that_decide_about_structure() -> None:
    positions = np.array([3, 2, 1])
    inner = sparse_jacobian(lambda x, p: x[p] ** 2)
    by_argument = fg.jit(lambda x, p: inner(x, p))
    by_closure = fg.jit(lambda x: sparse_jacobian(lambda x: x[positions] ** 2)(x))
    for first in (3, 7, 3):
        positions[0] = first
        expected = fg.jacobian(lambda x: x[positions] ** 2)(x)
        for found in (by_argument(x, positions), by_closure(x)):
            assert equal(found, expected)
    assert by_closure(x).nnz == 3


def test_a_plan_works_inside_of_jit_and_scan() -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)

    @fg.jit
    def descend(x: Any) -> Any:
        def step(x: Any, _: Any) -> Any:
            return x - 1e-4 * (plan(x) @ x), None

        return fg.scan(step, x, None, length=3)[0]

    expected = x
    for _ in range(3):
        expected = expected - 1e-4 * (fg.hessian(rosenbrock)(expected) @ expected)
    np.testing.assert_allclose(descend(x), expected, rtol=1e-12)


def test_shapes_of_sparse_derivatives_are_known_without_values() -> None:
    found = fg.eval_shape(sparse_hessian(rosenbrock), x)
    assert found.values.shape == (22,)


# --- size -------------------------------------------------------------------------------------

LARGE = np.random.default_rng(1).normal(size=100_000)


def test_a_banded_hessian_of_a_hundred_thousand_variables_takes_memory_for_its_entries() -> None:
    plan = sparse_hessian(rosenbrock).prepare(LARGE)
    assert plan.colours == 3
    plan(LARGE)
    tracemalloc.start()
    try:
        found = plan(LARGE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.nnz == 299_998
    assert peak < 20 * found.values.nbytes  # a dense one would take 80 GB
    head, tail = LARGE[:-1], LARGE[1:]
    diagonal = np.full(LARGE.size, 200.0)
    diagonal[0] = 0.0
    diagonal[:-1] += 1200.0 * head * head - 400.0 * tail + 2.0
    on = found.rows == found.columns
    np.testing.assert_allclose(found.values[on], diagonal, rtol=1e-9)


@pytest.mark.parametrize("elements", [1, 100, 500])
def test_products_are_made_a_chunk_at_a_time(
    elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funcgrad.sparse.compressed.CHUNK_ELEMENTS", elements)

    def full(x: Any, y: Any) -> Any:
        return x * np.sum(x) + y[0], {"aux": x[0]}

    point, other = np.linspace(1.0, 2.0, 23), np.ones(2)
    derivative = sparse_jacobian(full, argnums=(0, 1), has_aux=True)
    plan = derivative.prepare(point, other)
    assert plan.colours == 23
    (by_point, by_other), aux = plan(point, other)
    expected = np.diag(np.full(23, point.sum())) + point[:, None]
    assert equal(by_point, expected)
    assert equal(by_other, np.stack([np.ones(23), np.zeros(23)], axis=1))
    assert aux == {"aux": 1.0}

    def total(point: Any) -> Any:
        return np.sum(np.sin(plan(point, other)[0][0].values))

    np.testing.assert_allclose(
        fg.grad(total)(point),
        fg.grad(lambda p: np.sum(np.sin(fg.jacobian(lambda x: full(x, other)[0])(p))))(point),
    )


def test_a_plan_does_not_keep_the_arguments_it_was_made_with() -> None:
    data = np.ones(8)
    kept = weakref.ref(data)
    plan = sparse_jacobian(lambda x, data: neighbours(x) * data[1:]).prepare(x, data)
    del data
    gc.collect()
    assert kept() is None
    assert plan(x, np.full(8, 2.0)).nnz == 14


def test_threads_share_a_plan() -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)
    points = [x * scale for scale in np.linspace(0.5, 2.0, 8)]
    found: list[Any] = [None] * 8

    def work(number: int) -> None:
        for _ in range(20):
            found[number] = plan(points[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(equal(f, fg.hessian(rosenbrock)(p)) for f, p in zip(found, points, strict=True))


def test_a_plan_can_be_checked_at_other_points() -> None:
    plan = sparse_jacobian(np.cumsum, structure=np.eye(8), check=False).prepare(x)
    with pytest.raises(SparsityError, match="along a random vector"):
        plan.check(x)
    sparse_hessian(rosenbrock).prepare(x).check(-x)


def test_a_plan_refuses_another_argument_that_is_no_array() -> None:
    def fun(x: Any, kind: str) -> Any:
        return x * 2.0 if kind == "own" else x * x.sum()

    derivative = sparse_jacobian(fun)
    plan = derivative.prepare(x, "own")
    assert plan(x, "own").nnz == 8
    with pytest.raises(SparsityError, match="argument 1 of fun is 'all', but the plan was made"):
        plan(x, "all")
    assert derivative(x, "all").nnz == 64


def test_an_argument_without_a_hash_is_taken_as_it_is() -> None:
    derivative = sparse_jacobian(lambda x, names: neighbours(x) * len(names))
    for names in ({"a"}, {"a", "b"}):
        expected = fg.jacobian(neighbours)(x) * len(names)
        assert equal(derivative(x, names), expected)


def test_rounding_to_shorter_numbers_on_the_way_is_no_missing_entry() -> None:
    point = np.random.default_rng(1).normal(size=40)

    def fun(x: Any) -> Any:
        return (np.sin(x.astype(np.float16)) * x[0].astype(np.float16)).astype(np.float64)

    found = sparse_jacobian(fun)(point).todense()
    np.testing.assert_allclose(found, fg.jacobian(fun)(point), rtol=1e-2, atol=1e-3)
    with pytest.raises(SparsityError, match="along a random vector"):
        sparse_jacobian(fun, structure=np.eye(40))(point)


def test_a_plan_shows_its_size_colours_and_mode() -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)
    assert repr(plan) == "<Plan of 8 x 8, 22 entries, 3 colours, forward mode>"


def test_a_plan_takes_parameters_by_position_and_by_name() -> None:
    def fun(x: Any, scale: Any, shift: Any) -> Any:
        return neighbours(x) * scale + shift

    plan = sparse_jacobian(fun).prepare(x, 2.0, shift=1.0)
    expected = plan(x, 3.0, shift=1.0).values
    for found in (
        plan(x, 3.0, 1.0),
        plan(x, shift=1.0, scale=3.0),
        plan(shift=1.0, scale=3.0, x=x),
    ):
        np.testing.assert_array_equal(found.values, expected)
    with pytest.raises(SparsityError, match="with other arguments than it was made for"):
        plan(x, x=x, scale=3.0)


@pytest.mark.parametrize(
    "given", ["x", 3, object(), {}, [[1], [1, 2]], [["a"] * 8] * 8, np.ones((2, 8, 8))]
)
def test_a_structure_that_is_no_matrix_is_named(given: Any) -> None:
    with pytest.raises(SparsityError, match=r"sparse_hessian: structure=.* is no matrix"):
        sparse_hessian(rosenbrock, structure=given)(x)


def test_the_structure_of_another_derivative_can_be_passed() -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)
    for given in (plan, plan(x), plan.pattern):
        assert sparse_hessian(rosenbrock, structure=given)(x).pattern == plan.pattern


def test_a_plan_needs_values() -> None:
    shape = fg.ShapeDtypeStruct((8,), np.float64)
    derivative = sparse_hessian(rosenbrock)
    derivative(x)  # keeps a plan for such arguments
    for call in (derivative, derivative.prepare, derivative.prepare(x)):
        with pytest.raises(SparsityError, match=r"argument 0 of rosenbrock is ShapeDtypeStruct\("):
            call(shape)


def test_an_array_of_strings_is_refused_by_name() -> None:
    derivative = sparse_jacobian(lambda x, names: neighbours(x) * len(names))
    for call in (derivative, derivative.prepare, derivative.prepare(x, np.ones(1))):
        with pytest.raises(SparsityError, match="argument 1 of <lambda> is an array of dtype <U1"):
            call(x, np.array(["a"]))
    assert derivative(x, ["a"]).nnz == 14


def test_a_plan_can_be_copied_and_says_that_it_cannot_be_pickled() -> None:
    plan = sparse_hessian(rosenbrock).prepare(x)
    for other in (copy.copy(plan), copy.deepcopy(plan)):
        assert equal(other(x), fg.hessian(rosenbrock)(x))
    with pytest.raises(SparsityError, match=r"pickle of a plan of rosenbrock.* plan.pattern"):
        pickle.dumps(plan)
    assert pickle.loads(pickle.dumps(plan.pattern)) == plan.pattern
