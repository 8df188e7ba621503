"""Every law for every primitive of the registry: a new primitive is tested by existing."""

from collections.abc import Callable

import numpy as np
import pytest

from funcgrad.core.primitive import PRIMITIVES
from tests.laws import laws
from tests.laws.case import Case
from tests.laws.elementwise_cases import elementwise_cases
from tests.laws.structured_cases import CALLS, structured_cases

CASES = [*elementwise_cases(), *structured_cases()]
SMOOTH = [case for case in CASES if case.primitive.vjp is not None and case.active]
DOUBLE = [c for c in SMOOTH if all(np.asarray(a).dtype.itemsize >= 8 for a in c.args)]


def over(cases: list[Case]) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    return pytest.mark.parametrize("case", cases, ids=str)


def test_every_primitive_has_cases():
    assert {case.name for case in CASES} == set(PRIMITIVES)


@over(SMOOTH)
def test_first_derivatives(case: Case):
    laws.traced_value_is_the_plain_value(case)
    laws.derivatives_keep_shape_and_dtype(case)
    laws.jvp_is_linear_in_the_tangent(case)
    laws.vjp_is_the_adjoint_of_jvp(case)
    laws.pulls_written_out_are_the_derived_ones(case)


@over([case for case in DOUBLE if case.smooth])
def test_derivatives_are_difference_quotients(case: Case):
    laws.jvp_is_the_difference_quotient(case)


@over([case for case in DOUBLE if case.smooth and case.second])
def test_second_derivatives(case: Case):
    laws.forward_over_reverse_is_reverse_over_forward(case)
    laws.second_derivative_is_the_difference_quotient(case)


@over([case for case in CASES if not case.primitive.data_dependent])
def test_batching_is_stacking(case: Case):
    laws.batching_is_stacking(case)


@over([case for case in CASES if not case.primitive.data_dependent])
def test_no_batching_rule_loops_over_the_examples(case: Case):
    laws.batching_does_not_loop(case)


@over(SMOOTH)
def test_programs(case: Case):
    laws.program_gives_the_same(case)


@over([case for case in SMOOTH if case.primitive.family == "elementwise" and not case.params])
def test_fast_paths(case: Case):
    laws.fast_path_is_the_general_path(case)


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_functions_record_what_the_rules_say(number: int):
    laws.function_is_its_program(*CALLS[number])
