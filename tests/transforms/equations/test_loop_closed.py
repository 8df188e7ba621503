"""Closed programs and what is derived from them: forward, backward, for all examples."""

from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.program import Program
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.derivation import NeedsValues
from tests.jitting.alike import exact_jit

RNG = np.random.default_rng(7)
X, Y = RNG.normal(size=(2, 3))
X_DOT, Y_DOT = RNG.normal(size=(2, 3))
XS = RNG.normal(size=(4, 3))


def several(x: Any, y: Any) -> Any:
    """Two results, of which one has an operand that is read twice."""
    z = np.sin(x) * y
    return z * z + x, np.sum(np.exp(-z))


def sorting(x: Any, y: Any) -> Any:
    """An integer in between."""
    return np.sort(x)[::-1] * y, np.argmax(y)


def constant(x: Any, y: Any) -> Any:
    """A result that is no variable, one that is an operand, one that is computed once more."""
    return 2.0, y, np.tanh(x), np.tanh(x)


FUNCTIONS = [several, sorting, constant]


def closed(fun: Any) -> Closed:
    return Closed(fg.make_program(fun)(X, Y))


@pytest.mark.parametrize("fun", FUNCTIONS)
def test_it_is_the_function(fun: Any) -> None:
    for a, b in zip(closed(fun).run([X, Y]), fun(X, Y), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("fun", FUNCTIONS)
def test_programs_with_other_numbers_of_variables_are_equal(fun: Any) -> None:
    program = fg.make_program(fun)(X, Y)
    again = fg.make_program(lambda x, y: fun(x, y))(X, Y)
    one, other = Closed(program), Closed(Program(program.name, *_parts(again)))
    assert one == other
    assert hash(one) == hash(other)


def _parts(program: Program) -> Any:
    return program.inputs, program.items, program.outputs


@pytest.mark.parametrize("fun", FUNCTIONS)
def test_pushed_is_forward_mode(fun: Any) -> None:
    function, moved = closed(fun).pushed((True, True))
    found = function.run([X, Y, X_DOT, Y_DOT])
    outs, dots = fg.jvp(fun, (X, Y), (X_DOT, Y_DOT))
    taken = iter(found[len(outs) :])
    for out, dot, value, flag in zip(outs, dots, found, moved, strict=False):
        np.testing.assert_array_equal(out, value)
        if flag:
            np.testing.assert_array_equal(dot, next(taken))
        elif np.asarray(dot).dtype != fg.float0:
            assert not np.any(dot)


@pytest.mark.parametrize("flags", [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("fun", FUNCTIONS)
def test_mapped_is_the_function_of_all_examples(fun: Any, flags: tuple[bool, bool]) -> None:
    args = [XS if flag else x for flag, x in zip(flags, (X, Y), strict=True)]
    function, batched = closed(fun).mapped(4, flags)
    axes = tuple(0 if flag else None for flag in flags)
    expected = fg.vmap(fun, in_axes=axes)(*args)
    for a, b, flag in zip(function.run(args), expected, batched, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(a, b.shape) if not flag else a, b)


def test_mapped_gives_results_the_axis_if_they_need_it() -> None:
    function, batched = closed(constant).mapped(4, (True, False), (True, True, False, False))
    assert batched == (True, True, True, True)
    assert [np.shape(x) for x in function.run([XS, Y])] == [(4,), (4, 3), (4, 3), (4, 3)]


def swept(fun: Any, active: Any, given: Any, cts: Any, seeds: Any) -> Any:
    """Results, cotangents and flags by the two programs."""
    pair = closed(fun).linearised(active)
    results = pair.forward.run([X, Y])
    everything = [X, Y]
    kept = [everything[i] if i >= 0 else results[~i] for i in pair.residuals]
    function, found = pair.backward(given, tuple(seed is not None for seed in seeds))
    parts = function.run([*kept, *cts, *(seed for seed in seeds if seed is not None)])
    return results, parts, found


@pytest.mark.parametrize("fun", FUNCTIONS)
def test_forward_and_backward_are_the_pullback(fun: Any) -> None:
    outs, pullback = fg.vjp(fun, X, Y)
    cts = [np.ones_like(out) if np.asarray(out).dtype.kind == "f" else None for out in outs]
    moved = closed(fun).linearised((True, True)).moved
    given = [ct for ct, flag in zip(cts, moved, strict=False) if flag]
    results, parts, found = swept(fun, (True, True), moved, given, [None, None])
    for out, result in zip(outs, results, strict=False):
        np.testing.assert_array_equal(out, result)
    zero = [
        np.zeros(np.shape(out), fg.float0) if ct is None else ct
        for out, ct in zip(outs, cts, strict=True)
    ]
    expected = pullback(tuple(zero))
    taken = iter(parts)
    for grad, flag in zip(expected, found, strict=True):
        np.testing.assert_array_equal(grad, next(taken) if flag else np.zeros(3))


def test_a_seed_is_what_parts_are_added_to_in_turn() -> None:
    ct, seed = RNG.normal(size=(2, 3))
    _, (total,), _ = swept(several, (True, False), (True, False), [ct], [seed])
    z, slope = np.sin(X) * Y, np.cos(X)
    part = ct * (z + z)  # the result was z * z + x, and its last operation comes first
    np.testing.assert_allclose(total, (seed + ct) + part * Y * slope, rtol=1e-13)


def test_operands_are_no_residuals_of_their_own() -> None:
    pair = closed(lambda x, y: x * y).linearised((True, True))
    assert sorted(pair.residuals) == [0, 1]
    assert len(pair.forward.program.outputs) == 1


def test_results_are_no_residuals_of_their_own() -> None:
    pair = closed(lambda x, y: np.exp(x)).linearised((True, False))
    assert pair.residuals == (~0,)


def test_what_backward_does_not_read_is_no_residual() -> None:
    pair = closed(lambda x, y: np.sum(x + np.cos(y))).linearised((True, False))
    assert pair.residuals == ()
    assert len(pair.forward.program.equations) == 3


def test_derived_programs_are_made_once() -> None:
    function = closed(several)
    assert function.pushed((True, False)) is function.pushed((True, False))
    assert function.linearised((True, True)) is function.linearised((True, True))


def test_a_rule_that_asks_for_values_has_no_derived_program() -> None:
    @fg.custom_jvp
    def doubled(x: Any) -> Any:
        return x * 2.0

    @doubled.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (dot,) = primals, tangents
        return doubled(x), dot * 2.0 if np.sum(x) > 0 else dot * 3.0

    function = closed(lambda x, y: doubled(x))
    for _ in range(2):
        with pytest.raises(NeedsValues):
            function.pushed((True, False))
    f = lambda x: fg.scan(lambda c, a: (doubled(c) + a, None), x, XS * 0.0)[0]
    tangent = lambda x: fg.jvp(f, (x,), (X_DOT,))[1]
    jitted = exact_jit(tangent, max_traces=64)
    for x in (np.abs(X), -np.abs(X)):
        np.testing.assert_array_equal(jitted(x), tangent(x))


def test_which_results_may_differ_between_examples() -> None:
    function = closed(lambda x, y: (np.sin(x), y * 2.0, x + y))
    assert function.varying((True, False)) == (True, False, True)
    assert function.varying((False, False)) == (False, False, False)


def test_which_operands_a_derivative_leads_to() -> None:
    function = closed(lambda x, y: (np.sin(x), np.floor(y) * x, y * x))
    assert function.sources([0]) == {0}
    assert function.sources([1]) == {0}
    assert function.sources([2]) == {0, 1}
    assert function.active((False, True)) == (False, False, True)
