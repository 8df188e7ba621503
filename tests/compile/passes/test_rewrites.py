"""Each rewrite: what it makes of a program, at zeros of both signs, infinities and nan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.passes import forward, optimised
from funcgrad.core.program import Constant
from tests.compile.passes.sameness import everything, names, points, recorded, require_same


@dataclass(frozen=True)
class Rewrite:
    """A function that begins with some array h = √x, and how many operations it needs.

    Attributes:
        name: what is rewritten.
        f: of h and numpy.
        before: equations, without the square root.
        after: the same after all passes, for an array of more than one element.
        dtypes: at which it holds.
    """

    name: str
    f: Callable[..., Any]
    before: int
    after: int
    dtypes: tuple[Any, ...] = (np.float64, np.float32)


F, C = (np.float64, np.float32), (np.complex128, np.complex64)
REWRITES = [
    Rewrite("x * 1", lambda h: h * 1.0, 1, 0),
    Rewrite("1 * x", lambda h: 1 * h, 1, 0),
    Rewrite("x / 1", lambda h: h / 1.0, 1, 0),
    Rewrite("x ** 1", lambda h: np.power(h, 1.0), 1, 0),
    Rewrite("x ** 2 beside square", lambda h: np.power(h, 2) - np.square(h), 3, 2),
    Rewrite("x - 0", lambda h: h - 0, 1, 0),
    Rewrite("x - 0.0", lambda h: h - 0.0, 1, 0),
    Rewrite("x + -0.0", lambda h: h + -0.0, 1, 0),
    Rewrite("+x", lambda h: np.positive(h), 1, 0, F + C),
    Rewrite("conjugate of real numbers", lambda h: np.conjugate(h), 1, 0),
    Rewrite("x / 4 beside x * 0.25", lambda h: (h / 4) * (h * 0.25), 3, 2),
    Rewrite("-(-x)", lambda h: np.negative(-h), 2, 0, F + C),
    Rewrite("a + -b", lambda h: np.sin(h) + -h, 3, 2, F + C),
    Rewrite("-b + a", lambda h: -h + np.sin(h), 3, 2, F + C),
    Rewrite("a - -b", lambda h: np.sin(h) - -h, 3, 2, F + C),
    Rewrite("-a * -b", lambda h: -h * -np.sin(h), 4, 2),
    Rewrite("-a / -b", lambda h: -h / -np.sin(h), 4, 2),
    Rewrite("-a * 3", lambda h: -h * 3.0, 2, 1),
    Rewrite("-a * 0", lambda h: -h * 0, 2, 1),
    Rewrite("-a / 3", lambda h: -h / 3, 2, 1),
    Rewrite("3 / -a", lambda h: 3.0 / -h, 2, 1),
    Rewrite("-(a * 3)", lambda h: -(h * 3.0), 2, 1),
    Rewrite("-(a * -1)", lambda h: -(h * -1.0), 2, 0),
    Rewrite("|-a|", lambda h: np.abs(-h), 2, 1),
    Rewrite("(-a)²", lambda h: np.square(-h), 2, 1),
    Rewrite("m and true", lambda h: (h > 0) & True, 2, 1),
    Rewrite("m or false", lambda h: (h > 0) | False, 2, 1),
    Rewrite("m or (n and false)", lambda h: (h > 0) | (np.isnan(h) & False), 4, 1),
    Rewrite("m or m", lambda h: (h > 0) | (h > 0), 3, 1),
    Rewrite("not not m", lambda h: ~~(h > 0), 3, 1),
    Rewrite("x != x beside isnan", lambda h: np.not_equal(h, h) & np.isnan(h), 3, 1, F + C),
    Rewrite("where(m, x, x)", lambda h: np.where(h > 0, h, h) * h, 3, 1),
    Rewrite(
        "where(m, a, where(m, b, c))",
        lambda h: np.where(h > 0, np.sin(h), np.where(h > 0, np.cos(h), h)),
        6,
        3,
    ),
    Rewrite("broadcast_to(x) * y", lambda h: np.broadcast_to(h.sum(), h.shape) * h, 3, 2, F + C),
    Rewrite("x[None] * y", lambda h: h[None] * np.stack([h, h]), 3, 2, F + C),
    Rewrite(
        "reshape of reshape", lambda h: h.reshape(-1, 1).reshape(h.shape or 1) * 3, 3, 1, F + C
    ),
    Rewrite("transpose of transpose", lambda h: np.atleast_1d(h)[:, None].T.T * 2.0, 4, 2, F + C),
    Rewrite("x[None][0]", lambda h: h[None][0] * h, 3, 1, F + C),
    Rewrite("x[0:1] of one", lambda h: h[None][0:1] * np.stack([h, h]), 4, 2, F + C),
    Rewrite("stack(x, y)[1]", lambda h: np.stack([np.sin(h), h])[1] * 3, 4, 1, F + C),
    Rewrite("concatenate one", lambda h: np.concatenate([np.atleast_1d(h)]) * 3, 2, 1, F + C),
    Rewrite("astype to its own", lambda h: h.astype(h.dtype) * 3, 2, 1, F + C),
    Rewrite("copy", lambda h: np.copy(h) * 3, 2, 1, F + C),
    Rewrite("sin x twice", lambda h: np.sin(h) * np.sin(h), 3, 2, F + C),
    Rewrite("x y and y x", lambda h: (h * np.sin(h)) / (np.sin(h) * h), 5, 3, F),
    Rewrite("dead code", lambda h: (np.sin(h), h)[1] * 2, 2, 1, F + C),
]


def is_plain(x: Any) -> bool:
    """Whether passes know where the array lies, and that it is one."""
    return isinstance(x, np.ndarray) and x.size > 1 and x.ndim == 1 and x.strides[0] > 0


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.name)
def test_a_rewrite_saves_what_it_says_and_changes_no_bit(rewrite: Rewrite):
    saved = False
    for dtype in rewrite.dtypes:
        for x in points(dtype):
            program = recorded(lambda x: rewrite.f(np.sqrt(x)), x)
            after, _ = optimised(program, exact=True)
            require_same(program, after, [x])
            whole = everything(program)
            require_same(whole, optimised(whole, exact=True)[0], [x])
            if is_plain(x):
                assert names(program).count("sqrt") == 1
                assert (len(program.equations), len(after.equations)) == (
                    rewrite.before + 1,
                    rewrite.after + 1,
                ), f"{program}\n{after}"
                saved = True
    assert saved


KEPT = [
    ("x + 0.0 is not -0.0", lambda h: h + 0.0, np.float64),
    ("x - -0.0 is not -0.0", lambda h: h - -0.0, np.float64),
    ("a complex number times 1", lambda h: h * 1.0, np.complex128),
    ("a complex number by 2", lambda h: h / 2.0, np.complex128),
    ("-(a - b) of equal numbers", lambda h: -(h - np.sin(h)), np.float64),
    ("x * 0 of inf", lambda h: h * 0.0, np.float64),
    ("x by a number that is no power of 2", lambda h: h / 3.0, np.float64),
    ("a sum of one number, which is never -0.0", lambda h: np.sum(h[:, None], axis=1), np.float64),
    ("products of constants", lambda h: (h * 0.1) * 0.3, np.float64),
    ("1.0 and 1 of float32", lambda h: h * np.float64(1.0), np.float32),
    ("log of exp", lambda h: np.log(np.exp(h)), np.float64),
    ("cubes", lambda h: np.power(h, 3), np.float64),
]


@pytest.mark.parametrize(("what", "f", "dtype"), KEPT, ids=[what for what, _, _ in KEPT])
def test_what_would_change_a_bit_is_left_alone(what: str, f: Callable[..., Any], dtype: Any):
    x = next(points(dtype))
    program = recorded(lambda x: f(np.sqrt(x)), x)
    after, _ = optimised(program, exact=True)
    kept = [name for name in names(program) if name != "index"]
    assert [name for name in names(after) if name not in ("reshape", "index")] == kept, what
    require_same(program, after, [x])


def test_an_input_that_may_have_gaps_in_memory_is_not_taken_for_its_product_with_one():
    """NumPy adds up an array along its strides, so a sum may differ in the last bits."""
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(40, 80))
    program = recorded(lambda x: np.sum(x * 1.0), wide[:, ::2])
    require_same(program, optimised(program, exact=True)[0], [wide[:, ::2]])
    assert "multiply" in names(optimised(program, exact=True)[0])


def test_a_full_array_decides_on_the_order_in_memory_and_stays_where_it_does():
    rng = np.random.default_rng(0)
    ones = np.ones((30, 40))
    program = recorded(lambda x: np.sum(np.sin(ones * x)), rng.normal(size=(40, 30)).T)
    require_same(program, optimised(program, exact=True)[0], [rng.normal(size=(40, 30)).T])


def test_a_full_array_of_ones_decides_on_the_order_in_memory_too():
    rng = np.random.default_rng(0)
    ones = np.ones((30, 40))
    program = recorded(lambda x: np.sum(ones * np.sin(x)), rng.normal(size=(40, 30)).T)
    require_same(
        everything(program), forward(everything(program), exact=True)[0], [program_point(rng)]
    )


def program_point(rng: np.random.Generator) -> Any:
    return rng.normal(size=(40, 30)).T


def test_a_sign_stays_where_its_array_decides_on_the_order_in_memory():
    rng = np.random.default_rng(0)
    row = rng.normal(size=40)
    args = [program_point(rng), row]
    program = everything(recorded(lambda x, v: np.sin(x) + -np.broadcast_to(v, x.shape), *args))
    require_same(program, forward(program, exact=True)[0], args)
    assert "subtract" not in names(forward(program, exact=True)[0])


def test_a_full_array_beside_a_product_of_matrices_becomes_a_number():
    a = np.linspace(-1, 1, 12).reshape(3, 4)
    program = recorded(lambda x: np.full((3, 3), 2.0) * (x @ x.T), a)
    after, _ = optimised(program, exact=True)
    (product,) = (e for e in after.equations if e.primitive.name == "multiply")
    assert Constant(np.float64(2.0)) in product.operands
    require_same(program, after, [a])


def test_cotangents_of_parts_of_one_array_are_laid_into_the_same_zeros():
    def f(x: Any) -> Any:
        return np.sum(np.sin(x[1:]) * x[:-1]) + np.sum(np.cos(x[2:-1]))

    x = np.linspace(-1, 1, 9)
    program = recorded(fg.grad(f), x)
    second = recorded(lambda x, v: fg.jvp(fg.grad(f), (x,), (v,))[1], x, x)
    for one, args in ((program, [x]), (second, [x, x])):
        after, _ = optimised(one, exact=True)
        assert names(after).count("unindex") == 1
        require_same(one, after, args)


def test_two_lists_of_parts_are_not_one():
    """(a + b) + (c + d) is not ((a + b) + c) + d."""
    rng = np.random.default_rng(0)

    def parts(x: Any, i: int) -> Any:
        return np.sum(x[:-1] * np.sin(x[1:]) * i) + np.sum(np.exp(x[i:]))

    def f(x: Any) -> Any:
        first, first_pull = fg.vjp(lambda x: parts(x, 1), x)
        second, second_pull = fg.vjp(lambda x: parts(x, 2), x)
        return first_pull(first)[0] + second_pull(second)[0]

    x = rng.normal(size=50)
    program = recorded(f, x)
    after, _ = optimised(program, exact=True)
    require_same(program, after, [x])
    assert names(program).count("unindex") == names(after).count("unindex") + 2 == 4


def test_there_and_back_between_precisions_is_left_out():
    x = next(points(np.float32))
    program = recorded(lambda x: np.sqrt(x).astype(np.float64).astype(np.float32) * 2, x)
    after, _ = optimised(program, exact=True)
    assert names(after) == ["sqrt", "multiply"]
    require_same(program, after, [x])


def test_a_loss_of_precision_stays():
    x = next(points(np.float64))
    program = recorded(lambda x: np.sqrt(x).astype(np.float32).astype(np.float64) * 2, x)
    assert names(optimised(program, exact=True)[0]).count("astype") == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.s_[1:], np.s_[2:]),
        (np.s_[::-1], np.s_[1:4]),
        (np.s_[::2], np.s_[::-1]),
        (np.s_[:, 1], np.s_[1:]),
        (np.s_[2], np.s_[1:]),
        (np.s_[None, 1:], np.s_[0]),
        (np.s_[1:, None], np.s_[:, 0, ::-2]),
        (np.s_[..., 1:], np.s_[None, ..., 2]),
        (np.s_[5:2:-1], np.s_[::2, None]),
        (np.s_[:, ::3], np.s_[-1:]),
        (np.s_[1:1], np.s_[None]),
    ],
)
def test_a_part_of_a_part_is_one_part(first: Any, second: Any):
    x = np.arange(42.0).reshape(6, 7)
    program = recorded(lambda x: x[first][second], x)
    after, _ = optimised(program, exact=True)
    require_same(program, after, [x])
    if x[first].size:
        assert len(after.equations) < len(program.equations)


@pytest.mark.parametrize("order", ["C", "F", "gaps", "fresh"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((24,), (4, 6)),
        ((2, 3, 2, 2), (6, 4)),
        ((2, 12), (2, 3, 4)),
        ((2, 3, 4), (3, 8)),
        ((1, 6, 4), (6, 2, 2)),
        ((6, 1, 4, 1), (6, 4)),
        ((6, 4, 1), (24,)),
    ],
)
def test_reshapes_in_a_row_keep_values_and_memory(
    order: str, first: tuple[int, ...], second: tuple[int, ...]
):
    x = np.arange(24.0).reshape(6, 4)
    x = {"F": np.asfortranarray(x), "gaps": np.repeat(x, 2, axis=1)[:, ::2]}.get(order, x)
    f = (lambda x: -x) if order == "fresh" else (lambda x: x)
    program = everything(recorded(lambda x: f(x).reshape(first).reshape(second), x))
    require_same(program, forward(program, exact=True)[0], [x])


def test_a_reshape_that_straightens_a_flipped_axis_of_one_stays():
    x = np.linspace(1.0, 2.0, 3).reshape(3, 1)
    program = everything(recorded(lambda x: x[:, ::-1].reshape(1, 3, 1).reshape(3, 1), x))
    require_same(program, forward(program, exact=True)[0], [x])


@pytest.mark.parametrize("x", [2.0, 3, True, -0.0, float("nan"), 2 + 1j], ids=repr)
def test_python_numbers_stay_weak(x: Any):
    half = np.float32(0.5)

    def f(x: Any) -> Any:
        return (x * 1.0) * half, x - 0, x + x, x / 2, x * 2 * half

    def g(x: Any) -> Any:
        return np.negative(-x) * half, -x + x, +x

    program = recorded(f if x is True else lambda x: (f(x), g(x)), x)
    require_same(program, optimised(program, exact=True)[0], [x])
    require_same(everything(program), optimised(everything(program), exact=True)[0], [x])


def test_equal_numbers_of_different_types_and_signs_are_told_apart():
    def f(x: Any) -> Any:
        one, zero = np.float32(1), np.float32(0)
        return x * 1, x * 1.0, x * True, x * one, x * 0.0, x * -0.0, x * 0, x * zero

    for x in (np.arange(3), np.arange(3, dtype=np.float32), np.array([True, False, True])):
        program = recorded(f, x)
        require_same(program, optimised(program, exact=True)[0], [x])


def test_fast_math_takes_identities_of_real_numbers():
    x = np.linspace(0.5, 2.0, 7)
    for f, before, after in [
        (lambda h: h + 0.0, 1, 0),
        (lambda h: h + (np.sin(h) * 0.0), 3, 0),
        (lambda h: h / 3.0, 1, 1),
        (lambda h: (h * 3.0) * 0.1, 2, 1),
        (lambda h: (h + 3.0) + 0.1, 2, 1),
        (lambda h: np.log(np.exp(h)), 2, 0),
        (lambda h: np.exp(np.log(h)), 2, 0),
        (lambda h: np.power(h, 3), 1, 2),
        (lambda h: np.power(h, 8), 1, 3),
        (lambda h: np.power(h, -1), 1, 1),
        (lambda h: np.power(h, 0.5), 1, 1),
        (lambda h: np.sum(np.broadcast_to(h, (5, 7)), axis=0), 2, 1),
    ]:
        program = recorded(lambda x, f=f: f(np.sqrt(x)), x)
        exact, _ = optimised(program, exact=True, fast_math=True)
        require_same(program, exact, [x])
        fast, _ = optimised(program, fast_math=True)
        assert (len(program.equations) - 1, len(fast.equations) - 1) == (before, after), fast
        np.testing.assert_allclose(fast.evaluate(x)[0], program.evaluate(x)[0], rtol=1e-14)
        assert len({v.number for e in fast.equations for v in e.results}) == len(fast.equations)


def test_sums_with_zeros_are_left_out_unless_results_are_to_be_exact():
    held = fg.custom_vjp(lambda x, y: (x, y))
    held.defvjp(lambda x, y: ((x, y), None), lambda _, cts: cts)  # a zero for each unused result
    program = recorded(fg.grad(lambda x: np.sum(held(np.sin(x), x)[0] ** 2)), np.ones(3))
    after, exact = optimised(program)[0], optimised(program, exact=True)[0]
    assert names(after).count("add") < names(exact).count("add")
    require_same(program, exact, [np.linspace(-1, 1, 3)])
    (found,), (wanted,) = after.evaluate(np.ones(3)), program.evaluate(np.ones(3))
    np.testing.assert_array_equal(found, wanted)
    plus = recorded(lambda x: np.sqrt(x) + 0.0, np.ones(3))
    assert names(optimised(plus)[0]) == ["sqrt"]
    assert names(optimised(plus, exact=True)[0]) == ["sqrt", "add"]


def test_zeros_laid_beside_other_parts_are_no_zero():
    """Several parts are laid into zeros; the first one being zero says nothing of the others."""
    f = lambda x: np.sum(x @ np.roll(x, 1)) + x[0]
    x, v = np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 3.0])
    program = recorded(lambda x, v: fg.hvp(f, (x,), (v,)), x, v)
    assert "unindex" in names(program)
    for fast_math in (False, True):
        (found,) = optimised(program, fast_math=fast_math)[0].evaluate(x, v)
        np.testing.assert_array_equal(found, [5.0, 3.5, 2.5])
