"""Checkpoints in compiled functions: the body is written out, and computed again in the sweep."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import funcgrad as fg
from tests.jitting.alike import exact_jit

X = np.array([1.0, 2.0])


def layer(x: Any) -> Any:
    return np.tanh(np.sin(x) * x)


def alike(f: Any, *xs: Any, paths: int = 1, rtol: float = 1e-15) -> Any:
    """Check that the compiled function does the same in so many paths; that function."""
    compiled = exact_jit(f)
    for x in xs:
        for _ in range(2):
            assert_allclose(compiled(x), f(x), rtol=rtol, atol=rtol)
    assert compiled.cache_info().paths == paths
    return compiled


def _code(source: str) -> str:
    """The source without comments."""
    return "\n".join(line.split("  #")[0] for line in source.splitlines())


def test_without_a_derivative_the_body_stands_where_it_is_called() -> None:
    compiled = alike(lambda x: fg.checkpoint(layer)(x) + 1, X, -X, rtol=0)
    source = _code(compiled.source(X))
    assert source.count("np.sin") == source.count("np.tanh") == 1
    assert "again" not in source


def test_a_gradient_computes_the_body_again() -> None:
    kept = exact_jit(fg.value_and_grad(lambda x: np.sum(layer(x))))
    twice = fg.checkpoint(layer)
    again = exact_jit(fg.value_and_grad(lambda x: np.sum(twice(x))))
    assert _code(kept.source(X)).count("np.sin") == 1
    assert _code(again.source(X)).count("np.sin") == 2
    for one, other in zip(again(X), kept(X), strict=True):
        assert_array_equal(one, other)


FUNCTIONS: dict[str, Any] = {
    "two in a row": lambda x: fg.checkpoint(layer)(fg.checkpoint(layer)(x)),
    "one in another": fg.checkpoint(lambda x: fg.checkpoint(layer)(x) * x),
    "a policy": fg.checkpoint(layer, policy=fg.checkpoint_policies.dots_saveable),
    "saved names": fg.checkpoint(
        lambda x: np.sin(fg.checkpoint_name(np.cos(np.sin(x)), "a")),
        policy=fg.checkpoint_policies.save_only_these_names("a"),
    ),
    "a budget": fg.checkpoint(lambda x: np.sin(np.cos(np.sin(np.cos(x)))), budget="1KB"),
    "a choice inside": fg.checkpoint(lambda x: fg.cond(x[0] > 0, np.sqrt, np.sin, x)),
    "a waiting loop inside": fg.checkpoint(
        lambda x: fg.while_loop(lambda v: np.sum(v) < 10, lambda v: v * v + 1, x)
    ),
    "a scan inside": fg.checkpoint(
        lambda x: fg.scan(lambda c, _: (np.sin(c) * x, c), x, length=3)[0]
    ),
    "in a scan": lambda x: fg.scan(fg.checkpoint(lambda c, _: (np.sin(c) * x, c)), x, length=3)[0],
    "in a waiting loop": lambda x: fg.while_loop(
        lambda v: np.sum(v) < 10, fg.checkpoint(lambda v: v * v + 1), x
    ),
    "in a branch": lambda x: fg.cond(x[0] > 0, fg.checkpoint(layer), np.cos, x),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_derivatives_through_a_checkpoint_are_those_of_eager_mode(f: Any) -> None:
    total = lambda x: np.sum(f(x) ** 2)
    alike(f, X, -X)
    alike(fg.grad(total), X, -X, rtol=1e-13)
    alike(lambda x: fg.jvp(f, (x,), (np.cos(x),))[1], X, -X, rtol=1e-13)
    alike(fg.hessian(total), X, -X, rtol=1e-12)
    alike(fg.vmap(fg.grad(total)), np.stack([X, -X]), np.stack([-X, -X]), rtol=1e-13)


def test_a_branch_on_a_value_inside_takes_another_path() -> None:
    f = fg.checkpoint(lambda x: x * x if x > 0 else np.sin(x))
    alike(fg.grad(f), np.float64(2.0), np.float64(-2.0), paths=2)


def test_a_scratch_array_of_the_body_is_read_as_it_was() -> None:
    def scratched(x: Any) -> Any:
        weights = np.ones(2)
        y = x * weights
        weights[0] = 5.0
        return np.sin(y) * weights

    f = lambda x: np.sum(fg.checkpoint(scratched)(x))
    assert_array_equal(exact_jit(fg.grad(f))(X), fg.grad(f)(X))


def test_a_function_with_a_rule_of_its_own_is_written_out() -> None:
    @fg.custom_jvp
    def double(x: Any) -> Any:
        return np.exp(x) * 2

    double.defjvp(lambda primals, dots: (double(*primals), dots[0] * 7.0))
    f = fg.checkpoint(lambda x: double(x) * x)
    compiled = alike(fg.grad(lambda x: np.sum(f(x))), X, -X)
    assert "again" not in compiled.source(X)
