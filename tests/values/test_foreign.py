"""Values that speak NumPy's protocols and nothing else, through every transform.

`Foreign` raises when it is converted, so a test that passes shows that no rule asks for `ndarray`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import UnsupportedFunctionError
from tests.values.agreement import CALLS, TRANSFORMS, agree, transformed
from tests.values.foreign import ConvertedError, Foreign, plain

NOT_NUMPY = "derivatives-4"  # of digamma, which NumPy does not have
RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(6, 3)), RNG.normal(size=6), RNG.normal(size=3)


def test_a_foreign_array_refuses_to_be_converted() -> None:
    x = Foreign([1.0])
    for convert in (np.asarray, float, bool, int, np.array):
        with pytest.raises(ConvertedError):
            convert(x)
    with pytest.raises(TypeError):
        np.add.at(x, [0], 1.0)
    with pytest.raises(TypeError):
        x += 1.0


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", [name for name in CALLS if name != NOT_NUMPY])
def test_a_transform_of_a_call_is_that_of_plain_arrays_and_foreign(
    name: str, transform: str
) -> None:
    call = CALLS[name]
    expected = transformed(call, transform, lambda x: x)
    found = transformed(call, transform, Foreign)
    for one, other in zip(found, expected, strict=True):
        # Where nothing flows, the zeros may be plain ones.
        assert isinstance(one, Foreign) or not np.any(other)
    agree(plain(found), expected)


def mean_square(w: Any, x: Any, y: Any) -> Any:
    return np.mean((np.tanh(x @ w) - y) ** 2)


custom = fg.custom_vjp(np.sin)
custom.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (ct * np.cos(x),))
custom_forward = fg.custom_jvp(np.sin)
custom_forward.defjvp(lambda primals, dots: (np.sin(primals[0]), np.cos(primals[0]) * dots[0]))


def both(pair: Any) -> Any:
    out, pull = pair
    return out, pull(out)


PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {
    "of weights": lambda x, y: fg.value_and_grad(mean_square)(W, x, y),
    "of everything": lambda x, y: fg.grad(mean_square, (0, 1, 2))(W, x, y),
    "closed over": lambda x, y: fg.grad(lambda w: mean_square(w, x, y))(W),
    "weights from both sides": lambda x, y: fg.grad(lambda w: np.sum(x * w + w * x + x / w))(W),
    "a Python number": lambda x, y: fg.grad(lambda c: np.sum(x * c - c * y[:, None]))(2.0),
    "a NumPy number": lambda x, y: fg.grad(lambda c: np.sum(c**2 * x))(np.float64(2.0)),
    "has_aux": lambda x, y: fg.grad(lambda w: (np.sum(x @ w), x @ w), has_aux=True)(W),
    "a pytree": lambda x, y: fg.grad(lambda p: np.sum(p["a"] * p["b"]))({"a": x, "b": W}),
    "unused": lambda x, y: fg.grad(lambda x, y: np.sum(x), (0, 1))(x, y),
    "vjp": lambda x, y: both(fg.vjp(np.sin, x)),
    "linearize": lambda x, y: (lambda pair: (pair[0], pair[1](x)))(fg.linearize(np.sin, x)),
    "linear_transpose": lambda x, y: fg.linear_transpose(lambda x: x @ W, x)(y),
    "jvp by weights": lambda x, y: fg.jvp(lambda w: x * w, (W,), (W,)),
    "hvp": lambda x, y: fg.hvp(lambda w: mean_square(w, x, y), (W,), (W,)),
    "hessian": lambda x, y: fg.hessian(mean_square)(W, x, y),
    "jacrev": lambda x, y: fg.jacrev(lambda y: np.transpose(x) @ y)(y),
    "jacfwd": lambda x, y: fg.jacfwd(lambda w: x @ w)(W),
    "vmap of grad": lambda x, y: fg.vmap(
        fg.grad(lambda w, row, target: (row @ w - target) ** 2), in_axes=(None, 0, 0)
    )(W, x, y),
    "custom rules": lambda x, y: fg.grad(lambda x: np.sum(custom(x) * custom_forward(x)))(x),
    "stop_gradient": lambda x, y: fg.grad(lambda x: np.sum(fg.stop_gradient(x) * x))(x),
    "third order": lambda x, y: fg.grad(
        fg.grad(fg.grad(lambda s: np.sum(np.sin(s * x))))
    )(1.5),
    "a program": lambda x, y: fg.make_program(lambda x: np.sum(x * y[:, None]))(x).evaluate(x),
    "methods": lambda x, y: fg.grad(
        lambda x: x.T.reshape(-1).sum() + x.mean(axis=0).max() + x.std() + x.astype("f4").sum()
    )(x),
    "overlapping slices": lambda x, y: fg.grad(
        lambda x: np.sum(x[1:] * x[:-1]) + np.sum(x[2] * x[0] * x[-1])
    )(x),
    "every row": lambda x, y: fg.grad(lambda x: sum(np.sum(row**2) for row in x))(x),
    "repeated indices": lambda x, y: fg.grad(
        lambda x: np.sum(x[[0, 1, 1, 5], [0, 2, 2, 1]] ** 2) + np.sum(x[[3, 3, 3]] ** 2)
    )(x),
    "updates": lambda x, y: fg.grad(
        lambda y: np.sum(fnp.at(y)[1:3].set(0) ** 2)
        + np.sum(fnp.at(y)[np.array([0, 0, 3])].add(1) ** 3)
    )(y),
    "losses": lambda x, y: fg.grad(
        lambda w: fg.nn.bce_with_logits(x @ w, y > 0) + np.sum(fg.nn.sigmoid(x * w))
    )(W),
    "complex": lambda x, y: fg.grad(lambda x: np.sum(np.abs(np.exp(1j * x) * (1 + x)) ** 2))(x),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_foreign_arrays_is_that_of_plain_arrays(name: str) -> None:
    found = fg.tree.leaves(PROGRAMS[name](Foreign(X), Foreign(Y)))
    agree(plain(found), fg.tree.leaves(PROGRAMS[name](X, Y)))
    assert all(isinstance(leaf, Foreign) for leaf in found)


def test_the_gradient_by_plain_weights_is_foreign_where_the_data_are() -> None:
    value, slope = fg.value_and_grad(mean_square)(W, Foreign(X), Foreign(Y))
    assert isinstance(value, Foreign)
    assert isinstance(slope, Foreign)
    assert slope.shape == W.shape


def test_a_function_that_numpy_lacks_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFunctionError, match="erf: called with a value of type Foreign"):
        fg.grad(lambda x: np.sum(fg.nn.erf(x)))(Foreign(X))


def test_a_foreign_result_with_axes_needs_another_transform() -> None:
    with pytest.raises(fg.errors.NonScalarOutputError, match=r"returned shape \(6,\)"):
        fg.grad(lambda y: y * 2)(Foreign(Y))


def test_foreign_integers_are_refused_as_integers() -> None:
    with pytest.raises(fg.errors.InputDtypeError, match="dtype int64"):
        fg.grad(lambda x: np.sum(x))(Foreign(np.arange(3)))


def test_an_error_of_the_foreign_library_says_what_was_computed() -> None:
    with pytest.raises(ValueError, match="broadcast") as caught:
        fg.grad(lambda x: np.sum(x + np.ones(4)))(Foreign(X))
    (note,) = [note for note in caught.value.__notes__ if "Foreign" in note]
    assert note.startswith("in add at ")
    assert "test_foreign.py" in note


def test_label_numbers_out_of_range_give_nan_as_they_are_not_looked_at() -> None:
    labels = Foreign(np.array([0, 1, 2, 3, 0, 1]))
    value, slope = fg.value_and_grad(fg.nn.softmax_cross_entropy)(Foreign(X), labels)
    assert np.isnan(plain(value))
    assert np.isnan(plain(slope)[3]).all()
    assert np.isfinite(plain(slope)[:3]).all()
