"""Equal equations, constants, guards, dead code; what all passes have in common."""

import dataclasses
import functools
import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.passes import PASSES, Savings, forward, optimised, without_dead_code
from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.program import Constant, Equation, Guard, Program, Reference, Variable
from tests.compile.passes.sameness import (
    everything,
    names,
    recorded,
    require_same,
    with_errors,
)

DOUBLE = np.dtype(np.float64)


def variable(number: int, shape: tuple[int, ...] = (3,)) -> Variable:
    return Variable(number, shape, DOUBLE)


def equation(name: str, number: int, *operands: Any, **params: Any) -> Equation:
    return Equation(PRIMITIVES[name], operands, tuple(params.items()), (variable(number),))


def program(*equations: Equation, inputs: int = 1, outputs: Any = None) -> Program:
    last = equations[-1].results
    return Program("f", tuple(map(variable, range(inputs))), equations, outputs or last)


X = variable(0)


# --- constants ----------------------------------------------------------------------------------


def test_what_is_computed_from_literals_is_computed_once():
    table = Constant(np.arange(3.0))
    before = program(
        equation("sin", 1, table),
        equation("multiply", 2, variable(1), Constant(2.0)),
        equation("add", 3, X, variable(2)),
    )
    after, _ = optimised(before)
    assert names(after) == ["add"]
    require_same(before, after, [np.ones(3)])


def test_an_array_of_the_users_is_read_at_each_call():
    own = np.arange(3.0)
    before = program(equation("sin", 1, Reference(own)), equation("add", 2, X, variable(1)))
    after, _ = optimised(before)
    own += 1.0
    require_same(before, after, [np.ones(3)])
    assert names(after) == ["sin", "add"]


def test_an_array_of_ones_of_the_users_is_no_one():
    own = np.ones(3)
    before = program(equation("exp", 1, X), equation("multiply", 2, variable(1), Reference(own)))
    after, _ = optimised(before)
    own += 1.0
    require_same(before, after, [np.ones(3)])


def test_a_computation_that_warns_warns_at_each_call():
    before = program(
        equation("log", 1, Constant(np.array([0.0, 1.0, 2.0]))), equation("add", 2, X, variable(1))
    )
    after, _ = optimised(before)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        after.evaluate(np.ones(3))


def test_a_computation_that_raises_raises_at_each_call():
    before = program(
        equation("reshape", 1, Constant(np.ones(4)), shape=(2, 3)),
        equation("add", 2, X, variable(1)),
    )
    after, _ = optimised(before)
    with pytest.raises(ValueError, match="reshape"):
        after.evaluate(np.ones(3))


def test_a_constant_does_not_grow():
    wide = (4000, 3)
    spread = Equation(
        PRIMITIVES["broadcast_to"],
        (Constant(np.arange(3.0)),),
        (("shape", wide),),
        (variable(1, wide),),
    )
    sines = Equation(PRIMITIVES["sin"], (variable(1, wide),), (), (variable(2, wide),))
    assert names(optimised(program(spread, sines))[0]) == ["broadcast_to", "sin"]


def test_a_constant_output_keeps_its_kind():
    items = (
        Equation(
            PRIMITIVES["add"],
            (Constant(1.5), Constant(2)),
            (),
            (dataclasses.replace(variable(1, ()), weak=True),),
        ),
        Equation(PRIMITIVES["sin"], (Constant(1.5),), (), (variable(2, ()),)),
    )
    before = Program("f", (X,), items, tuple(item.results[0] for item in items))
    after, _ = optimised(before)
    assert after.items == ()
    require_same(before, after, [np.ones(3)])
    assert [type(value) for value in after.evaluate(np.ones(3))] == [float, np.float64]


# --- equal equations ----------------------------------------------------------------------------


def test_constants_of_other_sign_type_or_dtype_are_other_constants():
    numbers = [0.0, -0.0, 0, False, np.float32(0), np.float64(0), np.int64(0), 0j]
    arrays = [np.zeros(3), -np.zeros(3), np.zeros(3, np.float32), np.zeros((3, 1)).T]
    operands = [Constant(c) for c in (*numbers, *arrays)]
    before = program(*(equation("arctan2", n + 1, X, c) for n, c in enumerate(operands)))
    assert len(forward(before)[0].items) == len(operands)


def test_equal_constants_make_equal_equations():
    pairs = [(1.5, 1.5), (np.float32(2), np.float32(2)), (np.arange(3.0), np.arange(3.0))]
    for a, b in pairs:
        before = program(
            equation("arctan2", 1, X, Constant(a)), equation("arctan2", 2, X, Constant(b))
        )
        assert len(forward(before)[0].items) == 1


def test_arrays_of_the_users_are_equal_by_identity():
    a, b = np.arange(3.0), np.arange(3.0)
    for other, count in ((a, 1), (b, 2)):
        before = program(
            equation("arctan2", 1, X, Reference(a)), equation("arctan2", 2, X, Reference(other))
        )
        assert len(forward(before)[0].items) == count


def test_a_constant_in_another_order_in_memory_is_another_one():
    a = np.arange(12.0).reshape(3, 4)
    x = Variable(0, (3, 4), DOUBLE)
    items = tuple(
        Equation(PRIMITIVES["arctan2"], (x, Constant(c)), (), (variable(n + 1, (3, 4)),))
        for n, c in enumerate((a, np.asfortranarray(a)))
    )
    before = Program("f", (x,), items, tuple(item.results[0] for item in items))
    after, _ = forward(before)
    assert len(after.items) == 2
    require_same(before, after, [np.asfortranarray(a)])


def test_equations_that_treat_errors_otherwise_are_not_equal():
    quiet = dataclasses.replace(equation("sin", 1, X), errors=(("divide", "ignore"),))
    before = program(quiet, equation("sin", 2, X), outputs=(variable(1), variable(2)))
    assert len(forward(before)[0].items) == 2


def test_parameters_of_other_types_or_signs_are_not_equal():
    values = [0, False, 0.0, -0.0, np.float32(0), (0,), (False,), (0.0,), (-0.0,)]
    before = program(*(equation("sum", n + 1, X, axis=v) for n, v in enumerate(values)))
    assert len(forward(before)[0].items) == len(values)


def test_a_parameter_that_cannot_be_hashed_keeps_its_equations_apart():
    before = program(*(equation("round", n, X, decimals=[1]) for n in (1, 2)))
    assert len(forward(before)[0].items) == 2


def test_functions_of_the_users_are_called_as_often_as_written():
    @fg.custom_jvp
    def own(x: Any) -> Any:
        return x * 2

    own.defjvp(lambda primals, dots: (primals[0] * 2, dots[0] * 2))
    before = recorded(lambda x: own(x) + own(x), np.ones(3))
    after, _ = optimised(before)
    require_same(before, after, [np.ones(3)])
    assert len(after.equations) == len(before.equations)


def test_draws_of_one_key_are_one_draw_and_of_two_keys_two():
    def f(seed: Any) -> Any:
        first, second = fg.random.split(fg.random.key(7), 2)
        shape = (4,)
        return (
            fg.random.normal(first, shape) * seed,
            fg.random.normal(first, shape) + seed,
            fg.random.normal(second, shape) * seed,
        )

    before = recorded(f, 1.5)
    after, _ = optimised(before)
    require_same(before, after, [1.5])
    draws = [name for name in names(after) if "normal" in name]
    assert len(draws) <= 2 < len(before.equations)


# --- guards and dead code -----------------------------------------------------------------------


def test_a_question_is_asked_once():
    def f(x: Any) -> Any:
        total = np.sum(x)
        y = x * 2 if total > 0 else x
        return y * 3 if np.sum(x) > 0 else y

    before = recorded(f, np.ones(3))
    after, _ = forward(before)
    assert sum(isinstance(item, Guard) for item in before.items) == 2
    assert sum(isinstance(item, Guard) for item in after.items) == 1
    require_same(before, after, [np.ones(3)])
    with pytest.raises(fg.errors.GuardError):
        after.evaluate(-np.ones(3))


def test_a_question_with_one_answer_is_not_asked():
    ask = Guard(Variable(1, (), np.dtype(bool)), "bool", True)
    asks = Equation(PRIMITIVES["greater"], (Constant(2.0), Constant(1.0)), (), (ask.variable,))
    before = Program("f", (X,), (asks, ask, equation("sin", 2, X)), (variable(2),))
    assert names(forward(before)[0]) == ["sin"]
    assert len(forward(before)[0].items) == 1


def test_a_question_about_nan_with_one_answer_is_not_asked():
    number = Variable(1, (), DOUBLE)
    computed = Equation(PRIMITIVES["sin"], (Constant(np.float64("nan")),), (), (number,))
    ask = Guard(number, "float", float("nan"))
    before = Program("f", (X,), (computed, ask, equation("sin", 2, X)), (variable(2),))
    after, _ = forward(before)
    assert [item.primitive.name for item in after.items] == ["sin"]
    assert after.evaluate(np.zeros(3))[0].tolist() == [0.0, 0.0, 0.0]


def test_an_equation_without_results_passes():
    called = Primitive("print", lambda x: (), "callback", None, None, lambda *_: ())
    before = Program("f", (X,), (Equation(called, (X,), (), ()), equation("sin", 2, X)), (X,))
    assert forward(before)[0] == before
    assert without_dead_code(before).items == ()


def test_dead_code_keeps_guards_and_what_they_ask_about():
    before = recorded(lambda x: (np.cos(x), x * 2 if np.sum(np.sin(x)) > 0 else x)[1], np.ones(3))
    after = without_dead_code(before)
    assert names(after) == ["sin", "sum", "greater", "multiply"]
    assert after == before.pruned()


def test_dead_code_that_may_raise_stays():
    before = with_errors(recorded(lambda x: (np.log(x), x * 2)[1], np.ones(3)), divide="raise")
    assert names(without_dead_code(before)) == ["log", "multiply"]
    before = with_errors(recorded(lambda x: (np.log(x), x * 2)[1], np.ones(3)), divide="ignore")
    assert names(without_dead_code(before)) == ["multiply"]


# --- all passes ---------------------------------------------------------------------------------


def loop(n: int) -> Program:
    """The gradient of n steps with something for each pass."""

    def f(x: Any, y: Any) -> Any:
        for _ in range(n):
            x = np.tanh(x * y) * 1.0 - (-y)
            x = np.where(x > 0, x, np.broadcast_to(np.sum(y), x.shape))
        return np.sum(x[1:] * x[:-1])

    return recorded(fg.value_and_grad(f, (0, 1)), np.linspace(0, 1, 4), np.ones(4))


def test_what_becomes_of_the_first_items_depends_on_them_only():
    whole = loop(3)
    for fast_math in (False, True):
        after = forward(whole, fast_math=fast_math)[0].items
        for cut in range(len(whole.items) + 1):
            prefix = Program("f", whole.inputs, whole.items[:cut], ())
            found = forward(prefix, fast_math=fast_math)[0].items
            assert found == after[: len(found)]


@pytest.mark.parametrize("one", PASSES, ids=lambda one: one.name)
def test_what_becomes_of_the_first_items_depends_on_them_only_in_each_pass(one: Any):
    if one.rules is None:
        return
    whole = loop(2)
    after = one.run(whole).items
    for cut in range(0, len(whole.items) + 1, 3):
        found = one.run(Program("f", whole.inputs, whole.items[:cut], ())).items
        assert found == after[: len(found)]


def test_passes_find_nothing_more_in_what_they_have_made():
    once = optimised(loop(3))[0]
    assert optimised(once)[0] == once


def test_variables_that_stay_keep_their_numbers():
    whole = loop(2)
    old = {v.number: v for e in whole.equations for v in e.results}
    for found in forward(whole)[0].equations:
        assert all(old[v.number] is v for v in found.results)


class Counted:
    """Counts how often functions of the passes are called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: Any, event: str, _arg: Any) -> None:
        if event == "call" and "passes" in frame.f_code.co_filename:
            self.calls += 1


def calls(before: Program) -> int:
    counted = Counted()
    previous = sys.getprofile()
    sys.setprofile(counted)
    try:
        optimised(before)
    finally:
        sys.setprofile(previous)
    return counted.calls


def repeated(step: Callable[[Any], Any], times: int) -> Callable[[Any], Any]:
    return lambda x: functools.reduce(lambda x, _: step(x), range(times), x)


@pytest.mark.parametrize("kind", ["loop", "sum of parts", "views", "signs"])
def test_the_work_grows_as_the_program_does(kind: str):
    def chain(n: int) -> Program:
        x = np.linspace(0, 1, 4)
        if kind == "loop":
            return loop(n // 12)
        if kind == "sum of parts":
            return recorded(fg.grad(lambda x: sum(x[i % 4] * x[0] for i in range(n // 6))), x)
        if kind == "views":
            square = x.reshape(2, 2)
            return recorded(repeated(lambda x: x.T.reshape(2, 2).T, n // 3), square)
        return recorded(repeated(lambda x: x - (-x) * 2.0, n // 3), x)

    few, many = chain(200), chain(6000)
    ratio = len(many.items) / len(few.items)
    assert ratio > 20
    assert calls(many) < 1.3 * ratio * calls(few)


def test_what_each_pass_saves_can_be_printed():
    whole = loop(2)
    after, savings = optimised(whole)
    assert isinstance(savings, Savings)
    assert savings[0].name == "dead code"
    assert {saving.name for saving in savings} <= {one.name for one in PASSES}
    assert savings[0].equations_before == len(whole.equations)
    assert savings[-1].equations_after == len(after.equations)
    for first, second in itertools.pairwise(savings):
        assert first.equations_after == second.equations_before
        assert first.bytes_after == second.bytes_before
    lines = str(savings).split("\n")
    assert len(lines) == len(savings)
    for saving, line in zip(savings, lines, strict=True):
        assert str(saving.equations_after) in line


def test_a_program_of_a_function_stays_one():
    x = np.linspace(0, 1, 4)
    before = fg.make_program(lambda p: {"a": p["a"] * 1.0 + np.sin(p["a"]) * 1.0})({"a": x})
    after, _ = optimised(before)
    assert type(after) is type(before)
    np.testing.assert_array_equal(after({"a": x})["a"], before({"a": x})["a"])
    require_same(everything(before), optimised(everything(before))[0], [x])
