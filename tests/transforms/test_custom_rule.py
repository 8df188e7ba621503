"""custom_rule: either rule or both, the missing one derived."""

import re
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CustomRuleError
from tests.transforms.contexts import CONTEXTS, X, plain, same


def jvp(primals: Any, tangents: Any) -> Any:
    (x, y), (x_dot, y_dot) = primals, tangents
    return plain(x, y), {"a": np.cos(x) * y * x_dot + np.sin(x) * y_dot, "b": 2 * x * x_dot}


def fwd(x: Any, y: Any) -> Any:
    return plain(x, y), (x, y)


def bwd(kept: Any, ct: Any) -> Any:
    x, y = kept
    return np.cos(x) * y * ct["a"] + 2 * x * ct["b"], np.sum(np.sin(x) * ct["a"])


RULES: dict[str, dict[str, Any]] = {
    "jvp": {"jvp": jvp},
    "vjp": {"vjp": (fwd, bwd)},
    "both": {"jvp": jvp, "vjp": (fwd, bwd)},
}


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("name", CONTEXTS)
def test_a_right_rule_changes_no_result(name: str, rules: str) -> None:
    same(CONTEXTS[name](fg.custom_rule(plain, **RULES[rules])), CONTEXTS[name](plain))


def test_each_mode_uses_its_own_rule() -> None:
    f = fg.custom_rule(
        lambda x: x * 1.0,
        jvp=lambda p, t: (p[0] * 1.0, 3 * t[0]),
        vjp=(lambda x: (x * 1.0, None), lambda _kept, ct: (2 * ct,)),
    )
    assert fg.jvp(f, (1.0,), (1.0,))[1] == 3.0
    assert fg.grad(f)(1.0) == 2.0
    np.testing.assert_array_equal(fg.jacfwd(f)(X), 3 * np.eye(3))
    np.testing.assert_array_equal(fg.jacrev(f)(X), 2 * np.eye(3))


def test_a_jvp_beside_an_opaque_bwd_serves_forward_mode() -> None:
    f = fg.custom_rule(
        np.sin,
        jvp=lambda p, t: (np.sin(p[0]), np.cos(p[0]) * t[0]),
        vjp=(lambda x: (np.sin(x), x), lambda x, ct: (np.asarray(ct) * np.cos(x),)),
    )
    np.testing.assert_allclose(fg.jacfwd(f)(X), np.diag(np.cos(X)))
    np.testing.assert_allclose(fg.grad(lambda x: np.sum(f(x)))(X), np.cos(X))


def test_nondiff_arguments_are_passed_by_value() -> None:
    f = fg.custom_rule(
        lambda x, n: x**n,
        jvp=lambda n, p, t: (p[0] ** n, n * p[0] ** (n - 1) * t[0]),
        nondiff_argnums=1,
    )
    assert fg.grad(f)(3.0, 2) == 6.0


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({}, "custom_rule: plain was given neither jvp nor vjp"),
        ({"vjp": bwd}, "custom_rule: vjp is a function. A reverse rule has two parts"),
    ],
)
def test_bad_rules_are_refused(rules: dict[str, Any], words: str) -> None:
    with pytest.raises(CustomRuleError, match=re.escape(words)):
        fg.custom_rule(plain, **rules)
