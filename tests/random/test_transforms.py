"""Draws under transforms: a key is an ordinary operand."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad import random
from tests.jitting.alike import exact_jit

KEY = random.key(8)
KEYS = random.split(KEY, 4)
A = np.array([0.4, 1.0, 2.5, 9.0])
P = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2], [0.0, 0.5, 0.5]])
WEIGHTS = P + 0.1
ROOTS = np.random.default_rng(3).normal(size=(4, 2, 2))
COVARIANCES = ROOTS @ ROOTS.mT + np.eye(2)
COUNTS = np.array([1, 2, 5, 100])

# name: (draw with one parameter, a parameter for each of four examples)
DRAWS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "split": (lambda key, _: random.split(key, 3), A),
    "fold_in": (random.fold_in, COUNTS),
    "bits": (lambda key, _: random.bits(key, (3,), np.uint32), A),
    "uniform": (lambda key, a: random.uniform(key, (2, 3), maxval=a), A),
    "uniform float32": (lambda key, a: random.uniform(key, (3,), np.float32, maxval=a), A),
    "normal": (lambda key, a: a * random.normal(key), A),
    "normal float16": (lambda key, _: random.normal(key, (3,), np.float16), A),
    "normal complex": (lambda key, a: a * random.normal(key, (3,), complex), A),
    "exponential": (lambda key, a: a * random.exponential(key, (0, 3)), A),
    "laplace": (lambda key, _: random.laplace(key, (3,)), A),
    "gumbel": (lambda key, _: random.gumbel(key, (3,)), A),
    "logistic": (lambda key, _: random.logistic(key, (3,)), A),
    "cauchy": (lambda key, _: random.cauchy(key, (3,)), A),
    "lognormal": (lambda key, a: random.lognormal(key, a, (3,)), A),
    "rayleigh": (lambda key, a: random.rayleigh(key, a), A),
    "pareto": (lambda key, a: random.pareto(key, a, (3,)), A),
    "weibull": (lambda key, a: random.weibull_min(key, a, a), A),
    "truncated normal": (lambda key, a: random.truncated_normal(key, a - 8, 2.0, (2, 3)), A),
    "gamma": (lambda key, a: random.gamma(key, a, (2, 3)), A),
    "gamma of a number": (lambda key, _: random.gamma(key, 2.0), A),
    "gamma of parameters": (lambda key, a: random.gamma(key, a, (2, 3)), WEIGHTS),
    "loggamma": (lambda key, a: random.loggamma(key, a), A),
    "chisquare": (lambda key, a: random.chisquare(key, a, (3,)), A),
    "beta": (lambda key, a: random.beta(key, a, 2.0, (3,)), A),
    "dirichlet": (lambda key, a: random.dirichlet(key, a, (2,)), WEIGHTS),
    "t": (lambda key, a: random.t(key, a), A),
    "poisson": (lambda key, a: random.poisson(key, a, (3,)), A),
    "binomial": (lambda key, n: random.binomial(key, n, 0.3, (3,)), COUNTS),
    "geometric": (lambda key, a: random.geometric(key, a), A / 9),
    "bernoulli": (lambda key, a: random.bernoulli(key, a, (3,)), A / 9),
    "randint": (lambda key, n: random.randint(key, (3,), -n, n, np.int32), COUNTS),
    "rademacher": (lambda key, a: a * random.rademacher(key, (3,)), A),
    "categorical": (lambda key, p: random.categorical(key, np.log(p), shape=(5,)), WEIGHTS),
    "categorical, different": (
        lambda key, p: random.categorical(key, np.log(p), shape=(2,), replace=False),
        WEIGHTS,
    ),
    "permutation of numbers": (lambda key, _: random.permutation(key, 5), A),
    "permutation": (random.permutation, P),
    "permutation of lines": (
        lambda key, x: random.permutation(key, x, axis=1, independent=True),
        COVARIANCES,
    ),
    "choice": (lambda key, x: random.choice(key, x, (2, 2)), P),
    "choice without repetition": (lambda key, x: random.choice(key, x, (2,), replace=False), P),
    "choice by p": (lambda key, p: random.choice(key, 3, (5,), p=p), P),
    "choice by p without repetition": (
        lambda key, p: random.choice(key, 3, (2,), replace=False, p=p),
        P,
    ),
    "normal vectors": (
        lambda key, cov: random.multivariate_normal(key, np.ones(2), cov, (3,)),
        COVARIANCES,
    ),
}
ROUNDED = frozenset({"normal vectors"})
"""Products of matrices, which are rounded in another way for a stack of them."""


def same(name: str, x: Any, y: Any) -> None:
    assert x.dtype == y.dtype
    if name in ROUNDED:
        np.testing.assert_allclose(x, y, rtol=1e-14, atol=1e-14)
    else:
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", DRAWS)
def test_each_key_of_a_batch_draws_what_it_draws_alone(name: str) -> None:
    draw, parameters = DRAWS[name]
    found = fg.vmap(lambda key: draw(key, parameters[1]))(KEYS)
    same(name, found, np.stack([draw(key, parameters[1]) for key in KEYS]))


@pytest.mark.parametrize("name", DRAWS)
def test_each_example_draws_with_its_own_key_and_parameter(name: str) -> None:
    draw, parameters = DRAWS[name]
    found = fg.vmap(draw)(KEYS, parameters)
    same(name, found, np.stack([draw(*pair) for pair in zip(KEYS, parameters, strict=True)]))


@pytest.mark.parametrize("name", DRAWS)
def test_one_key_draws_the_same_for_all_examples(name: str) -> None:
    draw, parameters = DRAWS[name]
    found = fg.vmap(draw, in_axes=(None, 0))(KEY, parameters)
    same(name, found, np.stack([draw(KEY, parameter) for parameter in parameters]))


@pytest.mark.parametrize("name", DRAWS)
def test_nested_batches_draw_for_each_pair(name: str) -> None:
    draw, parameters = DRAWS[name]
    keys = random.split(KEY, (2, 4))
    found = fg.vmap(fg.vmap(draw), in_axes=(0, None))(keys, parameters)
    each = [[draw(*pair) for pair in zip(row, parameters, strict=True)] for row in keys]
    same(name, found, np.stack([np.stack(row) for row in each]))


@pytest.mark.parametrize("name", DRAWS)
def test_shapes_are_known_without_drawing(name: str) -> None:
    draw, parameters = DRAWS[name]
    expected = draw(KEY, parameters[1])
    found = fg.eval_shape(draw, KEY, parameters[1])
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("name", DRAWS)
def test_a_program_draws_anew_for_each_key(name: str) -> None:
    draw, parameters = DRAWS[name]
    program = fg.make_program(draw)(KEY, parameters[1])
    for key in (KEY, *KEYS):
        (found,) = program.evaluate(key, parameters[1])
        same(name, found, draw(key, parameters[1]))


def test_programs_of_other_keys_differ_in_their_numbers_only() -> None:
    draw = lambda key: random.normal(key, (3,)) + random.uniform(key)
    program = fg.make_program(draw)(KEY)
    assert str(program) == str(fg.make_program(draw)(KEYS[0]))
    assert not np.array_equal(program.evaluate(KEY)[0], program.evaluate(KEYS[0])[0])


def test_nothing_is_drawn_for_shapes_of_huge_arrays() -> None:
    draw = lambda key: np.sum(random.normal(key, (10**6, 10**6)) * random.uniform(key, (10**6,)))
    assert fg.eval_shape(draw, KEY).shape == ()


def test_a_batch_of_no_keys_draws_nothing() -> None:
    assert fg.vmap(lambda key: random.gamma(key, 2.0, (3,)))(KEYS[:0]).shape == (0, 3)


def test_a_loop_takes_a_key_for_each_step() -> None:
    def step(x: Any, key: Any) -> tuple[Any, Any]:
        x = x + random.normal(key)
        return x, x

    expected = np.cumsum(np.stack([random.normal(key) for key in KEYS]))
    np.testing.assert_array_equal(fg.scan(step, 0.0, KEYS)[1], expected)


def test_a_loop_carries_a_key() -> None:
    def step(_i: Any, carry: Any) -> Any:
        key, total = carry
        key, now = random.split(key)
        return key, total + random.normal(now)

    key, total = KEY, 0.0
    for _ in range(3):
        key, now = random.split(key)
        total = total + random.normal(now)
    found = fg.fori_loop(0, 3, step, (KEY, 0.0))
    np.testing.assert_array_equal(found[0], key)
    assert found[1] == total


def test_keys_are_leaves_of_arguments_that_are_differentiated() -> None:
    def loss(w: Any, key: Any) -> Any:
        return np.sum((w * random.normal(key, (3,))) ** 2)

    z = random.normal(KEY, (3,))
    np.testing.assert_allclose(fg.grad(loss)(2.0, KEY), 4 * np.sum(z**2))
    found = fg.vmap(fg.grad(loss), in_axes=(None, 0))(2.0, KEYS)
    each = [4 * np.sum(random.normal(key, (3,)) ** 2) for key in KEYS]
    np.testing.assert_allclose(found, each)


def test_gradients_of_implicit_draws_are_batched_like_their_loop() -> None:
    slope = fg.grad(lambda a, key: np.sum(np.log(random.gamma(key, a, (3,)))))
    found = fg.vmap(slope)(A, KEYS)
    each = [slope(*pair) for pair in zip(A, KEYS, strict=True)]
    np.testing.assert_allclose(found, each, rtol=1e-13)


def test_a_checkpoint_draws_again_what_it_drew() -> None:
    f = lambda w, key: np.sum(np.tanh(w * random.normal(key, (5,))))
    np.testing.assert_array_equal(
        fg.grad(fg.checkpoint(f))(A[0], KEY), fg.grad(f)(np.float64(A[0]), KEY)
    )


FLOATING: dict[str, Callable[[Any, Any], Any]] = {
    "uniform": lambda key, d: random.uniform(key, (3,), d, minval=-1.0),
    "normal": lambda key, d: random.normal(key, (3,), d),
    "exponential": lambda key, d: random.exponential(key, (3,), d),
    "laplace": lambda key, d: random.laplace(key, (3,), d),
    "gumbel": lambda key, d: random.gumbel(key, (3,), d),
    "logistic": lambda key, d: random.logistic(key, (3,), d),
    "cauchy": lambda key, d: random.cauchy(key, (3,), d),
    "lognormal": lambda key, d: random.lognormal(key, 1.0, (3,), d),
    "rayleigh": lambda key, d: random.rayleigh(key, np.ones(3), dtype=d),
    "pareto": lambda key, d: random.pareto(key, 2.0, (3,), d),
    "weibull": lambda key, d: random.weibull_min(key, np.ones(3), 2, dtype=d),
    "truncated normal": lambda key, d: random.truncated_normal(key, -1, np.ones(3), dtype=d),
    "gamma": lambda key, d: random.gamma(key, np.ones(3), dtype=d),
    "loggamma": lambda key, d: random.loggamma(key, np.ones(3), dtype=d),
    "chisquare": lambda key, d: random.chisquare(key, 3, (3,), d),
    "t": lambda key, d: random.t(key, 3, (3,), d),
    "beta": lambda key, d: random.beta(key, np.ones(3), 2.0, dtype=d),
    "dirichlet": lambda key, d: random.dirichlet(key, np.ones(3), dtype=d),
}


@pytest.mark.parametrize("name", FLOATING)
@pytest.mark.parametrize("dtype", [None, np.float64, np.float32, np.float16])
def test_numbers_have_the_dtype_that_was_asked_for(name: str, dtype: Any) -> None:
    found = FLOATING[name](KEY, dtype)
    assert type(found) is np.ndarray
    assert found.shape == (3,)
    assert found.dtype == (np.float64 if dtype is None else dtype)
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_normal_numbers_have_their_dtype(dtype: Any) -> None:
    assert random.normal(KEY, (3,), dtype).dtype == dtype
    assert isinstance(random.normal(KEY, (), dtype), dtype)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_integers_have_the_dtype_that_was_asked_for(dtype: Any) -> None:
    assert random.randint(KEY, (3,), 0, 10, dtype).dtype == dtype
    assert random.poisson(KEY, np.ones(3), dtype=dtype).dtype == dtype
    limits = np.iinfo(dtype)
    everything = random.randint(KEY, (3,), int(limits.min), int(limits.max) + 1, dtype)
    assert everything.dtype == dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_bits_fill_their_dtype(dtype: Any) -> None:
    found = random.bits(KEY, (100,), dtype)
    assert found.dtype == dtype
    assert np.bitwise_or.reduce(found) == np.iinfo(dtype).max
    assert np.bitwise_and.reduce(found) == 0


ONE: dict[str, Callable[[Any], Any]] = {
    "uniform": random.uniform,
    "normal": random.normal,
    "laplace": random.laplace,
    "gumbel": random.gumbel,
    "gamma": lambda key: random.gamma(key, 2),
    "beta": lambda key: random.beta(key, 1, 2),
    "t": lambda key: random.t(key, 2.0),
    "truncated normal": lambda key: random.truncated_normal(key, 0, 1),
    "poisson": lambda key: random.poisson(key, 2.0),
    "bernoulli": random.bernoulli,
    "randint": lambda key: random.randint(key, (), 0, 5),
    "categorical": lambda key: random.categorical(key, np.zeros(3)),
    "choice": lambda key: random.choice(key, np.arange(3.0)),
    "choice of numbers": lambda key: random.choice(key, 5),
    "bits": random.bits,
    "rademacher": random.rademacher,
    "geometric": lambda key: random.geometric(key, 0.5),
    "binomial": lambda key: random.binomial(key, 5, 0.5),
}


@pytest.mark.parametrize("name", ONE)
def test_one_number_is_a_numpy_scalar(name: str) -> None:
    assert isinstance(ONE[name](KEY), np.generic)


def test_shapes_may_be_lengths_lists_and_empty() -> None:
    assert random.normal(KEY, 3).shape == (3,)
    assert random.normal(KEY, [2, np.int64(3)]).shape == (2, 3)
    assert random.normal(KEY, (2, 0, 3)).shape == (2, 0, 3)
    assert random.permutation(KEY, 0).shape == (0,)
    assert random.choice(KEY, 0, (0,)).shape == (0,)
    assert random.gamma(KEY, np.ones((0, 2))).shape == (0, 2)
    assert random.uniform(KEY, None, minval=np.zeros((3, 1)), maxval=np.ones(2)).shape == (3, 2)


def test_choices_stand_in_the_place_of_their_axis() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    found = random.choice(KEY, x, (5, 6), axis=1)
    assert found.shape == (2, 5, 6, 4)
    whole = random.choice(KEY, x, (3,), replace=False, axis=-2)
    np.testing.assert_array_equal(np.sort(whole, axis=1), x)
    np.testing.assert_array_equal(np.sort(random.permutation(KEY, x, axis=2), axis=2), x)


def test_different_classes_are_different() -> None:
    logits = np.zeros((4, 5))
    found = random.categorical(KEY, logits, shape=(5, 4), replace=False)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.tile(np.arange(5)[:, None], (1, 4)))
    along = random.categorical(KEY, logits, axis=0, shape=(2, 5))
    assert along.shape == (2, 5)
    assert along.max() < 4


def test_uniform_numbers_are_above_zero_where_a_logarithm_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The uniform 0 comes once in 2⁵³ numbers, so it is made here."""
    zeros = lambda _p, _key, shape, dtype: np.zeros(shape, dtype)
    monkeypatch.setattr("funcgrad.random.standard.bind", zeros)
    for draw in (random.laplace, random.gumbel, random.logistic, random.cauchy):
        for dtype in (np.float16, np.float32, np.float64):
            assert np.all(np.isfinite(draw(KEY, (2,), dtype)))


def test_the_largest_uniform_number_gives_finite_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}
    largest = lambda _p, _key, shape, dtype: np.full(shape, 1 - steps[dtype], dtype)
    monkeypatch.setattr("funcgrad.random.standard.bind", largest)
    for draw in (random.laplace, random.gumbel, random.logistic, random.exponential):
        for dtype in (np.float16, np.float32, np.float64):
            assert np.all(np.isfinite(draw(KEY, (2,), dtype)))


@pytest.mark.parametrize("name", DRAWS)
def test_a_compiled_function_draws_anew_for_each_key(name: str) -> None:
    draw, parameters = DRAWS[name]
    compiled = exact_jit(draw)
    for key in (KEY, *KEYS, KEY):
        same(name, compiled(key, parameters[1]), draw(key, parameters[1]))
    assert compiled.cache_info().recordings == 1


def test_a_compiled_function_takes_keys_from_its_closure_as_they_are() -> None:
    key = KEY.copy()
    compiled = exact_jit(lambda x: x + random.normal(key))
    assert compiled(1.0) == 1 + random.normal(KEY)
    key[:] = KEYS[0]
    assert compiled(1.0) == 1 + random.normal(KEYS[0])


def test_compiled_gradients_and_batches_draw_anew_for_each_key() -> None:
    def loss(a: Any, key: Any) -> Any:
        first, second = random.split(key)
        return np.sum(random.gamma(first, a, (3,)) * random.normal(second, (3,)))

    for f in (exact_jit(fg.grad(loss)), fg.grad(exact_jit(loss))):
        np.testing.assert_allclose(
            [f(2.5, key) for key in KEYS], [fg.grad(loss)(2.5, key) for key in KEYS], rtol=1e-13
        )
    expected = np.stack([loss(2.5, key) for key in KEYS])
    for f in (exact_jit(fg.vmap(loss, (None, 0))), fg.vmap(exact_jit(loss), (None, 0))):
        np.testing.assert_allclose(f(2.5, KEYS), expected, rtol=1e-13)


def test_the_source_of_a_gradient_through_a_gamma_number_needs_numpy_only(tmp_path: Any) -> None:
    slope = fg.grad(lambda a, key: np.sum(random.gamma(key, a, (3,))))
    module = tmp_path / "slope.py"
    module.write_text(fg.to_source(slope, 2.5, KEY), encoding="utf-8")
    command = [sys.executable, "-I", str(module)]  # its self-check; funcgrad is not on the path
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "funcgrad" not in re.sub(
        r"#.*|\"\"\".*?\"\"\"", "", module.read_text("utf-8"), flags=re.S
    )
