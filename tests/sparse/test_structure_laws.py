"""Structures hold all entries that are not zero: of every primitive, and of random programs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad import tree
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.sparse import (
    structure_flow,
    structure_places,
    structure_products,
    structure_rules,
    structure_sets,
)
from funcgrad.sparse.structure import jacobian_pattern
from funcgrad.sparse.structure_flow import Flow
from funcgrad.sparse.structure_programs import RULES, propagate
from funcgrad.sparse.structure_sets import Layer, Table
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import programs
from tests.laws.case import Case
from tests.laws.elementwise_cases import elementwise_cases
from tests.laws.structured_cases import CALLS, structured_cases
from tests.sparse.structure_checks import KINDS, gradient_of_squares, nonzero, structure_of

SMOOTH = [
    case
    for case in (*elementwise_cases(), *structured_cases())
    if case.primitive.vjp is not None and any(np.size(case.args[i]) for i in case.active)
]
DOUBLE = [case for case in SMOOTH if all(np.asarray(a).dtype == np.float64 for a in case.args)]


def permuted(args: list[Any], number: int) -> list[Any]:
    """Other values of the same domains."""
    return [np.roll(np.asarray(x).reshape(-1), number).reshape(np.shape(x))[()] for x in args]


def require_all_entries(kind: str, fun: Callable[..., Any], args: list[Any]) -> None:
    found = structure_of(kind, fun, args)
    for number in range(3):
        try:
            wanted = nonzero(fun, permuted(args, number))
        except np.linalg.LinAlgError:  # these have no decomposition
            continue
        if found is not None and wanted.shape == found.shape:
            assert not np.any(wanted & ~found)


@pytest.mark.parametrize("kind", ["as recorded", "of tangents"])
@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_every_primitive_keeps_all_entries(case: Case, kind: str) -> None:
    fun, args = case.function()
    require_all_entries(kind, fun, args)


@pytest.mark.parametrize("case", DOUBLE, ids=str)
def test_the_gradient_of_every_primitive_keeps_all_entries(case: Case) -> None:
    fun, args = case.function()
    gradient = gradient_of_squares(fun, len(args))
    require_all_entries("simplified", gradient, args)


def calls() -> Iterator[Any]:
    for number, (fun, args) in enumerate(CALLS):
        kinds = [np.asarray(x).dtype.kind for x in args]
        if set(kinds) <= set("fc"):
            yield pytest.param(fun, list(args), id=str(number))


@pytest.mark.parametrize(("fun", "args"), list(calls()))
def test_functions_of_numpy_keep_all_entries(fun: Callable[..., Any], args: list[Any]) -> None:
    args = [np.asarray(x)[()] for x in args]
    if any(np.asarray(leaf).dtype.kind in "fc" for leaf in tree.leaves(fun(*args))):
        require_all_entries("simplified", fun, args)


def test_rules_are_those_of_primitives_with_derivatives() -> None:
    own = {"checkpoint_name"}
    assert all(name in own or PRIMITIVES[name].vjp is not None for name in RULES)


def test_every_primitive_with_a_derivative_has_a_rule() -> None:
    families = {"elementwise", "piecewise constant"}
    missing = {
        name
        for name, primitive in PRIMITIVES.items()
        if name not in RULES and primitive.family not in families and primitive.vjp is not None
    }
    assert not missing


@pytest.mark.parametrize("kind", KINDS)
@given(program=programs(scalar=False))
def test_random_programs_keep_all_entries(kind: str, program: GeneratedProgram) -> None:
    found = structure_of(kind, program, program.inputs)
    if found is not None:
        assert not np.any(nonzero(program, program.inputs) & ~found)


@pytest.mark.parametrize("kind", ["simplified", "of tangents"])
@given(program=programs(scalar=True))
def test_gradients_of_random_programs_keep_all_entries(
    kind: str, program: GeneratedProgram
) -> None:
    gradient = fg.grad(program, argnums=tuple(range(len(program.inputs))))
    found = structure_of(kind, gradient, program.inputs)
    if found is not None:
        assert not np.any(nonzero(gradient, program.inputs) & ~found)


@given(st.data())
def test_simplified_programs_have_no_more_entries(data: st.DataObject) -> None:
    program = data.draw(programs(scalar=False))
    before = structure_of("as recorded", program, program.inputs)
    after = structure_of("simplified", program, program.inputs)
    assert not np.any(after & ~before)


def test_a_structure_is_the_same_whatever_the_values() -> None:
    fun = lambda x: np.maximum(x[1:], x[:-1]) * np.sort(x)[1:]
    programs_of = [fg.make_program(fun)(x) for x in (np.arange(5.0), -np.arange(5.0))]
    first, second = map(jacobian_pattern, programs_of)
    assert first == second


def elements(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def matrix_of(outs: list[Flow], width: int) -> Any:
    """Sets of results as a matrix of booleans, layer by layer."""
    rows = [np.zeros((0, width), bool)]
    for out in outs:
        found = np.zeros((out.size, width), bool)
        for layer in out.sets:
            for i, number in enumerate(layer.rows.reshape(-1).tolist()):
                if number >= 0:
                    starts = layer.table.starts
                    found[i, layer.table.numbers[starts[number] : starts[number + 1]]] = True
        rows.append(found)
    return np.concatenate(rows)


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that bounds memory is so small that rules have to be coarse."""
    for module in (structure_sets, structure_flow, structure_places):
        monkeypatch.setattr(module, "FEW", 1)
    for module in (structure_rules, structure_products):
        monkeypatch.setattr(module, "LINKS", 5)
    monkeypatch.setattr(structure_products, "MASKED", 4)
    monkeypatch.setattr(structure_sets, "LARGEST", 30)


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize("case", DOUBLE, ids=str)
def test_rules_that_have_to_be_coarse_keep_all_entries(case: Case) -> None:
    fun, args = case.function()
    for one in (fun, gradient_of_squares(fun, len(args))):
        program, _ = KINDS["simplified"](one, args)
        width = sum(elements(v.shape) for v in program.inputs)
        table = Table.identity(width)
        starts = np.cumsum([0, *(elements(v.shape) for v in program.inputs)])
        flows = [
            Flow(v.shape, (Layer(table, start + np.arange(elements(v.shape)).reshape(v.shape)),))
            for v, start in zip(program.inputs, starts, strict=False)
        ]
        found = matrix_of(propagate(program, flows), width)
        assert not np.any(nonzero(one, args) & ~found)
