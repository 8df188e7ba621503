"""What is said of an error that a derivative rule raises."""

from typing import Any, NoReturn

import pytest

import funcgrad as fg


@fg.custom_vjp
def doubled(x: Any) -> Any:
    return 2 * x


def _fails(_residuals: Any, _ct: Any) -> NoReturn:
    raise KeyError("mine")


doubled.defvjp(lambda x: (2 * x, None), _fails)


def test_an_error_of_a_rule_names_the_function_it_belongs_to() -> None:
    with pytest.raises(KeyError, match="mine") as caught:
        fg.grad(doubled)(1.0)
    assert caught.value.__notes__ == ["in the reverse sweep, at the derivative of doubled"]
