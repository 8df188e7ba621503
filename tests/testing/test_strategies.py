"""Strategies draw what they promise, and programs run."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from funcgrad import tree
from funcgrad.testing.programs import GeneratedProgram
from funcgrad.testing.strategies import (
    arrays,
    axes,
    broadcastable_shapes,
    dtypes,
    programs,
    pytrees,
    shapes,
)

DOMAINS = [(-4.0, 4.0), (0.0, np.inf), (-np.inf, 0.0), (1.0, 3.0), (-1.0, 1.0), (0.0, 0.001)]


@given(dtype=dtypes("fc", half=True))
def test_dtypes_are_inexact(dtype: Any) -> None:
    assert np.issubdtype(dtype, np.inexact)


@pytest.mark.parametrize(
    ("kinds", "half", "drawn"),
    [
        ("f", False, {"float32", "float64"}),
        ("f", True, {"float16", "float32", "float64"}),
        ("c", False, {"complex64", "complex128"}),
        ("fc", False, {"float32", "float64", "complex64", "complex128"}),
    ],
)
def test_dtypes_are_of_the_chosen_kinds(kinds: str, half: bool, drawn: set[str]) -> None:
    for name in drawn:
        assert find(dtypes(kinds, half=half), lambda dtype, name=name: dtype == name) == name
    with pytest.raises(NoSuchExample):
        find(dtypes(kinds, half=half), lambda dtype: dtype.name not in drawn)


@given(shape=shapes(min_dims=1, max_dims=2, min_side=0, max_side=3))
def test_shapes_keep_their_bounds(shape: Any) -> None:
    assert 1 <= len(shape) <= 2
    assert all(0 <= side <= 3 for side in shape)


@given(several=broadcastable_shapes(3))
def test_broadcastable_shapes_broadcast(several: Any) -> None:
    assert len(several) == 3
    np.broadcast_shapes(*several)


@given(ndim=st.integers(0, 3), data=st.data())
def test_axes_are_accepted_by_numpy(ndim: int, data: st.DataObject) -> None:
    axis = data.draw(axes(ndim))
    np.sum(np.ones((2,) * ndim), axis=axis)


@pytest.mark.parametrize(
    ("left_out", "found"),
    [
        ({"allow_none": False}, lambda axis: axis is None),
        ({"allow_tuple": False}, lambda axis: isinstance(axis, tuple)),
        ({"negative": False}, lambda axis: min(np.atleast_1d(axis or 0), default=0) < 0),
    ],
)
def test_kinds_of_axes_can_be_left_out(left_out: Any, found: Any) -> None:
    find(axes(3), found)
    with pytest.raises(NoSuchExample):
        find(axes(3, **left_out), found)


@given(dtype=dtypes(half=True), shape=shapes(min_side=0), data=st.data())
def test_arrays_have_the_dtype_and_shape_asked_for(
    dtype: Any, shape: Any, data: st.DataObject
) -> None:
    x = data.draw(arrays(dtype, shape))
    assert isinstance(x, np.ndarray)
    assert x.dtype == dtype
    assert x.shape == shape


@given(x=arrays(dtypes(), shapes()))
def test_dtype_and_shape_may_be_strategies(x: Any) -> None:
    assert np.all(np.isfinite(x))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("distinct", [False, True])
@given(dtype=dtypes(half=True), data=st.data())
def test_arrays_stay_in_the_open_domain(
    domain: tuple[float, float], distinct: bool, dtype: Any, data: st.DataObject
) -> None:
    x = data.draw(arrays(dtype, (4,), domain=domain, distinct=distinct and dtype.kind == "f"))
    for part in (x.real, x.imag) if dtype.kind == "c" else (x,):
        assert np.all(part > domain[0])
        assert np.all(part < domain[1])


@pytest.mark.parametrize("distinct", [False, True])
@given(dtype=dtypes("f"), data=st.data())
def test_arrays_keep_their_distance_from_kinks_and_ends(
    distinct: bool, dtype: Any, data: st.DataObject
) -> None:
    x = data.draw(
        arrays(dtype, (5,), domain=(-2, 3), away_from=(0.0, 1.0), margin=0.25, distinct=distinct)
    )
    for point in (-2.0, 0.0, 1.0, 3.0):
        # A gap narrower than twice the margin shrinks it: (0, 1) leaves an eighth.
        assert np.all(np.abs(x - point) >= 0.125 - 1e-6)


def test_every_gap_between_kinks_is_drawn_from() -> None:
    strategy = arrays(np.float64, (), domain=(-2, 3), away_from=(0.0, 1.0))
    for low, high in [(-2, 0), (0, 1), (1, 3)]:
        assert low < find(strategy, lambda x, low=low, high=high: low < x < high) < high


@given(size=st.integers(2, 12), data=st.data())
def test_distinct_elements_are_apart(size: int, data: st.DataObject) -> None:
    x = data.draw(arrays(np.float64, (size,), domain=(-2, 2), away_from=(0.0,), distinct=True))
    least = min(abs(a - b) for a, b in itertools.combinations(x.tolist(), 2))
    assert least >= (4 - 4 / 16) / size / 4 - 1e-12


def test_distinct_elements_come_in_any_order() -> None:
    strategy = arrays(np.float64, (3,), distinct=True)
    for order in itertools.permutations(range(3)):
        found = find(strategy, lambda x, order=order: tuple(np.argsort(x)) == order)
        assert tuple(np.argsort(found)) == order


@given(x=arrays(np.float32, (4,), domain=(-4, 4)))
def test_values_are_short_dyadic_rationals(x: Any) -> None:
    assert np.all(x * 2.0**7 == np.round(x * 2.0**7))


def test_arrays_shrink_to_simple_numbers() -> None:
    assert find(arrays(np.float64, (2,)), lambda x: x[0] > 1).tolist() == [1.5, 0.0]
    assert find(arrays(np.complex128, ()), lambda x: x.imag < 0) == -0.5j


def test_an_empty_domain_is_refused() -> None:
    with pytest.raises(ValueError, match=r"domain \(2, 1\) is empty"):
        find(arrays(domain=(2, 1)), lambda _x: True)


@given(drawn=pytrees(arrays(np.float64, (2,))))
def test_pytrees_have_arrays_at_their_leaves(drawn: Any) -> None:
    assert all(leaf.shape == (2,) for leaf in tree.leaves(drawn))


@pytest.mark.parametrize("kind", [tuple, list, dict])
def test_pytrees_are_tuples_lists_and_dicts(kind: type) -> None:
    assert isinstance(find(pytrees(st.just(1.0)), lambda drawn: isinstance(drawn, kind)), kind)


@given(program=programs())
def test_programs_run_and_give_a_finite_scalar(program: GeneratedProgram) -> None:
    with np.errstate(all="raise", under="ignore"):
        value = program(*program.inputs)
    assert np.shape(value) == ()
    assert np.isfinite(value)


@given(program=programs(scalar=False, dtype=np.float32))
def test_programs_of_float32_stay_in_float32(program: GeneratedProgram) -> None:
    assert {out.dtype for out in program(*program.inputs)} == {np.dtype(np.float32)}


@given(program=programs())
def test_a_program_depends_on_nothing_but_its_inputs(program: GeneratedProgram) -> None:
    again = GeneratedProgram(program.source, program.inputs)
    assert again == program
    assert again(*program.inputs) == program(*program.inputs)


@given(program=programs(operations=4))
def test_a_program_can_be_run_from_what_is_printed(program: GeneratedProgram) -> None:
    names: dict[str, Any] = {}
    exec(repr(program), names)
    assert names["program"](np, *program.inputs) == program(*program.inputs)


@given(program=programs())
def test_programs_are_smooth_in_every_direction(program: GeneratedProgram) -> None:
    def shifted(t: float) -> Any:
        return program(*(x + t for x in program.inputs))

    left = (shifted(0.0) - shifted(-1e-6)) / 1e-6
    right = (shifted(1e-6) - shifted(0.0)) / 1e-6
    # One-sided differences of a smooth function differ by its second derivative times the step.
    assert math.isclose(left, right, rel_tol=1e-3, abs_tol=1e-2)


@given(program=programs(operations=7, inputs=3))
def test_programs_have_the_number_of_inputs_and_steps_asked_for(program: GeneratedProgram) -> None:
    assert len(program.inputs) == 3
    assert program.source.count(" = ") <= 7


def test_programs_shrink_to_the_step_that_matters() -> None:
    program = find(programs(operations=3), lambda program: "cumsum" in program.source)
    assert program.source.count(" = ") == 1


def test_programs_use_every_kind_of_operation() -> None:
    sources = []

    @settings(max_examples=300, database=None, phases=[Phase.generate])
    @given(program=programs())
    def collect(program: GeneratedProgram) -> None:
        sources.append(program.source)

    collect()
    text = "".join(sources)
    operations = (
        "sum( mean( var( prod( cumsum( @ einsum('ij einsum('i,i outer( [::-1] [None] array([ "
        "arange( reshape( .T broadcast_to( stack( concatenate( roll( swapaxes( flip( "
        "squeeze( transpose( ...,None] ...,:1] **1.5 logaddexp( arctan2( hypot( sqrt( log1p( tanh("
    )
    spaceless = text.replace(" ", "")
    assert [name for name in operations.split() if name not in spaceless] == []


@pytest.mark.oracle
@given(program=programs())
def test_programs_run_on_jax(program: GeneratedProgram) -> None:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        value = program(*program.inputs, xp=jax.numpy)
    np.testing.assert_allclose(value, program(*program.inputs), rtol=1e-9, atol=1e-9)
