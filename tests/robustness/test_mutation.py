"""An array that changes after it was recorded changes no derivative: it was copied, or raises."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.errors import MutatedArrayError

fnp = fg.numpy


def positive(*shape: int) -> Any:
    return np.random.default_rng(1).uniform(0.5, 1.5, shape)


def changed(c: Any) -> None:
    """Change an array in place, keeping indices and masks valid."""
    if c.dtype.kind == "b":
        np.logical_not(c, out=c)
    elif c.dtype.kind in "iu":
        c[...] = np.roll(c, 1)
    else:
        c += 1


def permutation(n: int) -> Any:
    return np.random.default_rng(2).permutation(n)


def half(n: int) -> Any:
    return np.arange(n) % 2 == 0


CASES: dict[str, tuple[Callable[..., Any], Callable[[int], tuple[Any, Any]]]] = {
    # what a function of (x, c) keeps of c; how to make x and c of about n elements
    "product": (lambda x, c: x * c, lambda n: (positive(n), positive(n))),
    "reflected product": (lambda x, c: c * x, lambda n: (positive(n), positive(n))),
    "broadcast product": (lambda x, c: x * c, lambda n: (positive(n), positive(2, n))),
    "float32": (lambda x, c: x * c, lambda n: (positive(n), positive(n).astype("f4"))),
    "complex": (lambda x, c: np.real(x * c), lambda n: (positive(n), positive(n) * 1j)),
    "quotient": (lambda x, c: c / x, lambda n: (positive(n), positive(n))),
    "power": (lambda x, c: x**c, lambda n: (positive(n), positive(n))),
    "exponent": (lambda x, c: c**x, lambda n: (positive(n), positive(n))),
    "maximum": (np.maximum, lambda n: (positive(n), positive(n)[::-1].copy())),
    "hypot": (np.hypot, lambda n: (positive(n), positive(n))),
    "remainder": (lambda x, c: c % x, lambda n: (positive(n), 3 * positive(n))),
    "clip": (lambda x, c: np.clip(x, c, 2.0), lambda n: (positive(n), positive(n)[::-1].copy())),
    "view of c": (lambda x, c: x * c[::-1], lambda n: (positive(n), positive(n))),
    "broadcast view": (
        lambda x, c: x * np.broadcast_to(c, (3, c.size)),
        lambda n: (positive(n), positive(n)),
    ),
    "subclass": (
        lambda x, c: x * c.view(type("Subclass", (np.ndarray,), {})),
        lambda n: (positive(n), positive(n)),
    ),
    "table": (lambda x, c: x * fnp.asarray(c), lambda n: (positive(n), positive(n))),
    "matmul": (lambda x, c: x @ c, lambda n: (positive(3, n), positive(n, 3))),
    "reflected matmul": (lambda x, c: c @ x, lambda n: (positive(n), positive(3, n))),
    "transposed matmul": (lambda x, c: x @ c.T, lambda n: (positive(3, n), positive(3, n))),
    "dot": (np.dot, lambda n: (positive(n), positive(n))),
    "outer": (np.outer, lambda n: (positive(3), positive(n))),
    "einsum": (
        lambda x, c: np.einsum("ij,ij,ij->i", x, c, x),
        lambda n: (positive(3, n), positive(3, n)),
    ),
    "tensordot": (np.tensordot, lambda n: (positive(3, n), positive(3, n))),
    "solve": (
        lambda x, c: np.linalg.solve(c, x),
        lambda n: (positive(30), positive(30, 30) + 30 * np.eye(30)),
    ),
    "where": (lambda x, c: np.where(c, x, 0.0), lambda n: (positive(n), half(n))),
    "mask": (lambda x, c: x[c] ** 2, lambda n: (positive(n), half(n))),
    "index": (lambda x, c: x[c] * np.arange(c.size), lambda n: (positive(n), permutation(n))),
    "subclass index": (
        lambda x, c: x[c.view(type("Subclass", (np.ndarray,), {}))] * np.arange(c.size),
        lambda n: (positive(n), permutation(n)),
    ),
    "take": (
        lambda x, c: np.take(x, c) * np.arange(c.size),
        lambda n: (positive(n), permutation(n)),
    ),
    "take along axis": (
        lambda x, c: np.take_along_axis(x, c, 0) * np.arange(c.size),
        lambda n: (positive(n), permutation(n)),
    ),
    "select": (lambda x, c: np.select([c], [x], 0.0), lambda n: (positive(n), half(n))),
    "sum where": (lambda x, c: np.sum(x**2, where=c), lambda n: (positive(n), half(n))),
    "ufunc where": (lambda x, c: np.sin(x, where=c), lambda n: (positive(n), half(n))),
    "average": (lambda x, c: np.average(x, weights=c), lambda n: (positive(n), positive(n))),
    "update": (lambda x, c: fnp.at(x)[:].multiply(c), lambda n: (positive(n), positive(n))),
    "update at": (
        lambda x, c: fnp.at(x)[c].multiply(np.arange(c.size) * 1.0),
        lambda n: (positive(n), permutation(n)),
    ),
    "update of c": (lambda x, c: fnp.at(c)[:].multiply(x), lambda n: (positive(n), positive(n))),
    "loss": (fg.nn.bce_with_logits, lambda n: (positive(n), half(n) * 0.5)),
}


def sizes(case: str) -> list[int]:
    return [4, 600, 6000] if case != "solve" else [30]


ALL = [(case, n) for case in CASES for n in sizes(case)]
cases = pytest.mark.parametrize(("case", "n"), ALL, ids=[f"{case} {n}" for case, n in ALL])


def ones(tree: Any) -> Any:
    return fg.tree.map(np.ones_like, tree)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@cases
def test_between_vjp_and_pullback(case: str, n: int) -> None:
    f, make = CASES[case]
    x, c = make(n)
    out, pull = fg.vjp(lambda x: f(x, c), x)
    expected = pull(ones(out))[0].copy()
    changed(c)
    try:
        found = pull(ones(out))[0]
    except MutatedArrayError:
        return
    close(found, expected)


@cases
def test_between_linearize_and_its_map(case: str, n: int) -> None:
    f, make = CASES[case]
    x, c = make(n)
    _, push = fg.linearize(lambda x: f(x, c), x)
    expected = push(x).copy()
    changed(c)
    try:
        found = push(x)
    except MutatedArrayError:
        return
    close(found, expected)


@cases
def test_between_two_uses_in_one_function(case: str, n: int) -> None:
    f, make = CASES[case]
    x, _ = make(n)

    def twice(x: Any) -> Any:
        c = make(n)[1]
        first = np.sum(f(x, c))
        changed(c)
        return first * 2 + np.sum(f(x, c))

    _, expected = fg.jvp(twice, (x,), (np.ones_like(x),))
    for derivative in (
        lambda: np.sum(fg.grad(twice)(x)),
        lambda: fg.linearize(twice, x)[1](np.ones_like(x)),
    ):
        try:
            found = derivative()
        except MutatedArrayError:
            continue
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@cases
def test_a_program_keeps_its_own_copies(case: str, n: int) -> None:
    f, make = CASES[case]
    x, c = make(n)
    program = fg.make_program(lambda x: f(x, c))(x)
    expected = program(x)
    changed(c)
    close(program(x), expected)


@pytest.mark.parametrize("n", [4, 600, 6000])
def test_of_an_argument_between_vjp_and_pullback(n: int) -> None:
    x = positive(n)
    _, pull = fg.vjp(lambda x: np.sum(x**3), x)
    expected = 3 * x**2
    x += 1.0
    if n <= 512:
        close(pull(1.0)[0], expected)
    else:
        with pytest.raises(MutatedArrayError, match=rf"shape \({n},\) and dtype float64"):
            pull(1.0)


@pytest.mark.parametrize("n", [4, 600, 6000])
def test_of_an_argument_inside_the_function(n: int) -> None:
    x = positive(n)

    def f(y: Any) -> Any:
        out = np.sum(y * y)
        x[...] = 0.0
        return out

    expected = 2 * x
    if n <= 512:
        close(fg.grad(f)(x), expected)
    else:
        with pytest.raises(MutatedArrayError):
            fg.grad(f)(x)


def test_small_arrays_may_change_between_uses() -> None:
    buffer = np.ones(3)

    def f(x: Any) -> Any:
        total = 0.0
        for i in range(4):
            buffer[...] = i
            total = total + np.sum(x * buffer)
        return total

    x = np.ones(3)
    close(fg.grad(f)(x), np.full(3, 6.0))
    close(fg.linearize(f, x)[1](x), 18.0)


def test_a_large_buffer_that_is_changed_back_raises() -> None:
    def f(x: Any) -> Any:
        buffer = np.ones(10_000)
        y = x * buffer
        buffer[...] = 2.0
        y = y * buffer
        buffer[...] = 1.0
        return np.sum(y)

    x = np.ones(10_000)
    with pytest.raises(MutatedArrayError):
        fg.grad(f)(x)
    with pytest.raises(MutatedArrayError):
        fg.linearize(f, x)


def test_the_message_names_the_array_and_two_ways_out() -> None:
    c = np.ones((100, 60))
    _, pull = fg.vjp(lambda x: x * c, c.copy())
    c[...] = 0.0
    with pytest.raises(MutatedArrayError) as caught:
        pull(np.ones((100, 60)))
    for part in (
        "vjp: an array of shape (100, 60) and dtype float64 was changed in place",
        "a = a + b in place of a += b",
        "a.copy()",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("n", [600, 4096, 20_000])
@pytest.mark.parametrize("place", [0, 1, -1, 301])
def test_debug_mutation_finds_one_element(n: int, place: int) -> None:
    c = np.ones(n)
    with fg.debug_mutation():
        _, pull = fg.vjp(lambda x: x * c, np.ones(n))
    c[place] = 5.0
    with pytest.raises(MutatedArrayError):
        pull(np.ones(n))


@pytest.mark.parametrize("n", [600, 4096])
@pytest.mark.parametrize("place", [0, 1, -1, 301])
def test_one_element_of_an_array_of_medium_size_is_found_anyway(n: int, place: int) -> None:
    c = np.ones(n)
    _, pull = fg.vjp(lambda x: x * c, np.ones(n))
    c[place] = 5.0
    with pytest.raises(MutatedArrayError):
        pull(np.ones(n))


@pytest.mark.parametrize("inside", [True, False])
def test_debug_mutation_may_be_on_at_either_end_only(inside: bool) -> None:
    c = np.full(20_000, 3.0)
    if inside:
        with fg.debug_mutation():
            _, pull = fg.vjp(lambda x: x * c, np.ones(20_000))
        found = pull(np.ones(20_000))[0]
    else:
        _, pull = fg.vjp(lambda x: x * c, np.ones(20_000))
        with fg.debug_mutation():
            found = pull(np.ones(20_000))[0]
    np.testing.assert_array_equal(found, c)


def test_debug_mutation_ends_with_its_block_also_after_an_exception() -> None:
    c = np.ones(20_000)
    with pytest.raises(KeyError), fg.debug_mutation():
        raise KeyError
    _, pull = fg.vjp(lambda x: x * c, np.ones(20_000))
    c[1] = 5.0  # between two samples
    assert pull(np.ones(20_000))[0][0] == 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.ones((100, 60), order="F"),
        lambda: np.ones((200, 60))[::2],
        lambda: np.ones((60, 100)).T,
        lambda: np.ones((100, 60))[::-1],
        lambda: np.full((100, 60), np.nan),
    ],
    ids=["fortran", "strided", "transposed", "reversed", "nan"],
)
def test_arrays_of_any_layout_are_compared(make: Any) -> None:
    c = make()
    _, pull = fg.vjp(lambda x: x * c, np.ones((100, 60)))
    pull(np.ones((100, 60)))
    c[...] = 7.0
    with pytest.raises(MutatedArrayError):
        pull(np.ones((100, 60)))


def test_a_linear_operation_keeps_nothing_that_could_change() -> None:
    c = np.ones(10_000)
    _, pull = fg.vjp(lambda x: np.sum(x + c) + np.sum(np.concatenate([x, c])), np.ones(10_000))
    c[...] = 0.0
    np.testing.assert_array_equal(pull(1.0)[0], np.full(10_000, 2.0))


@pytest.mark.parametrize("n", [4, 10_000])
@pytest.mark.parametrize("writeable", [True, False])
@pytest.mark.parametrize("run", [fg.grad, fg.make_program, fg.vmap], ids=lambda run: run.__name__)
def test_the_flags_of_captured_arrays_stay_as_they_are(n: int, writeable: bool, run: Any) -> None:
    c, index, mask = given = positive(n), permutation(n), half(n)
    for array in given:
        array.flags.writeable = writeable
    x = positive(2, n) if run is fg.vmap else positive(n)
    run(lambda x: np.sum(np.where(mask, x * c, 0.0)[index]))(x)
    for array in given:
        assert array.flags.writeable is writeable


def test_every_primitive_with_a_view_as_result_is_known() -> None:
    """`x += y` on such a result raises, because NumPy would change the array that is viewed."""
    views = {name for name, primitive in PRIMITIVES.items() if primitive.returns_view}
    assert {"index", "reshape", "transpose", "broadcast_to", "real", "imag"} <= views
