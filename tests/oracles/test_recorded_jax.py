"""funcgrad beside what JAX computed, as tests/oracles/record_jax.py has recorded it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Equation
from tests.oracles.cases import CASES, CONVENTIONS, Case, Convention
from tests.oracles.composition_cases import COMPOSITION_CASES
from tests.oracles.encoding import differences, digest, encode
from tests.oracles.mapping_cases import MAPPING_CASES
from tests.oracles.measure import gradient, quantities
from tests.oracles.namespaces import NAMED, PLAIN, Namespace
from tests.oracles.transform_cases import TRANSFORM_CASES

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parent.parent / "data" / "jax_oracle.json").read_text("utf-8")
)
TRANSFORMS = TRANSFORM_CASES | COMPOSITION_CASES | MAPPING_CASES
NAMESPACES = pytest.mark.parametrize("xp", [PLAIN, NAMED], ids=["numpy", "funcgrad.numpy"])


def require_equal(found: Any, recorded: Any, rtol: float) -> None:
    wrong = list(differences(encode(found), recorded, rtol))
    assert not wrong, "\n".join(wrong)


@NAMESPACES
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_function_and_its_derivatives_are_jax_s(xp: Namespace, case: Case):
    recorded = ORACLE["cases"][case.name]
    assert digest(case.args) == recorded["inputs"], "run tests/oracles/record_jax.py again"
    for name, quantity in quantities(case).items():
        found = encode(quantity(fg, xp, case))
        wrong = list(differences(found, recorded[name], case.rtol, name))
        assert not wrong, "\n".join(wrong)


@NAMESPACES
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_gives_jax_s_structure_and_values(xp: Namespace, name: str):
    require_equal(TRANSFORMS[name](fg, xp), ORACLE["transforms"][name], 1e-9)


@NAMESPACES
@pytest.mark.parametrize("case", CONVENTIONS, ids=lambda case: case.name)
def test_a_convention_differs_from_jax_s_where_it_is_said_to(xp: Namespace, case: Convention):
    with np.errstate(all="ignore"):
        found = gradient(fg, xp, case)
    np.testing.assert_allclose(found, case.gradient, rtol=1e-12)
    assert list(differences(encode(found), ORACLE["conventions"][case.name], 1e-9))


def test_everything_recorded_is_compared():
    assert set(ORACLE["cases"]) == {case.name for case in CASES}
    assert len(CASES) == len({case.name for case in CASES})
    assert set(ORACLE["conventions"]) == {case.name for case in CONVENTIONS}
    assert len(TRANSFORMS) == sum(map(len, (TRANSFORM_CASES, COMPOSITION_CASES, MAPPING_CASES)))
    assert set(ORACLE["transforms"]) == set(TRANSFORMS)
    assert "error" not in json.dumps(ORACLE["cases"])


# Differentiable primitives without a recorded case, and why.
UNRECORDED = {
    "bce_with_logits": "JAX has none; tests/nn compares it with PyTorch's",
    "softmax_cross_entropy": "likewise",
    "softmax_cross_entropy_with_integer_labels": "likewise",
    "complex_sign": "JAX takes it for constant; see CONVENTIONS",
    "nextafter": "JAX has no rule",
    "fmax.accumulate": "JAX has none",
    "fmin.accumulate": "JAX has none",
    **dict.fromkeys(
        [
            "expit_and_slope",
            "gelu_and_slope",
            "gelu_tanh_and_slope",
            "log_expit_and_slope",
            "product_unbroadcast",
            "silu_and_slope",
            "softplus_and_slope",
            "unbroadcast",
        ],
        "bound in compiled functions only; tests/laws compares these with the plain ones",
    ),
    "settle": "hands out derivatives at equal eigenvalues, where JAX's are NaN",
}


OF_RANDOM = {"gamma_tail", "ndtri_exp", "random_gamma"}
"""Registered when funcgrad.random is imported; tests/random/test_derivatives.py compares them."""


def primitives_of(case: Case) -> set[str]:
    """The primitives that the compared derivatives of a case apply."""

    def derivatives(*args: Any) -> Any:
        moved = replace(case, args=args)
        return [quantity(fg, PLAIN, moved) for quantity in quantities(case).values()]

    items = fg.make_program(derivatives)(*case.args).items
    return {item.primitive.name for item in items if isinstance(item, Equation)}


def test_every_differentiable_primitive_is_compared():
    differentiable = {name for name, p in PRIMITIVES.items() if p.vjp is not None}
    occurring = set().union(*map(primitives_of, CASES))
    assert differentiable - occurring - OF_RANDOM == set(UNRECORDED)


def test_the_recording_names_its_origin():
    assert ORACLE["provenance"]["jax"] == "0.10.2"


@pytest.mark.parametrize(
    ("found", "wanted", "word"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 4e-9]), "off by 4e-09"),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), "nan"),
        (np.array([1.0 + 0j]), np.array([1.0]), "complex128"),
        (np.zeros((1, 2)), np.zeros(2), r"\[1, 2\]"),
        (np.float32(1), np.float64(1), "float32"),
        (np.array([1.0, 2e-12]), np.array([1.0, 0.0]), "off by 2e-12"),
        (np.float16([1.0, 2e-3]), np.float16([1.0, 0.0]), "off by 0.002"),
        ((1.0, 2.0), [1.0, 2.0], "tuple, not list"),
        ((1.0, 2.0), (1.0,), "keys"),
        ({"a": 1.0}, {"b": 1.0}, "keys"),
        ({"a": (None, 1.0)}, {"a": (2.0, 1.0)}, r"\[a\]\[0\] is None, not a leaf"),
    ],
)
def test_a_difference_is_found(found: Any, wanted: Any, word: str):
    [said] = differences(encode(found), encode(wanted), 1e-9)
    assert re.search(word, said)
