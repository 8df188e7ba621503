"""Losses: recorded values, closed forms, extremes, labels of every kind, and clear refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import errors, grad, jvp, nn, value_and_grad, vjp
from funcgrad.transforms.vmap import vmap
from tests.nn.oracle import INPUTS, ORACLE
from tests.primitives.checking import check

INF = np.inf
X, BINARY, PROBABILITIES = INPUTS["x"], INPUTS["binary"], INPUTS["probabilities"]
LABELS = INPUTS["labels"].astype(np.int64)
REDUCTIONS = ["mean", "sum", "none"]
over_reductions = pytest.mark.parametrize("reduction", REDUCTIONS)

rng = np.random.default_rng(3)
Z, Y = rng.normal(size=(3, 4)), rng.uniform(0.1, 0.9, size=(3, 4))


def weighted(z: Any, y: Any, reduction: str) -> Any:
    return nn.bce_with_logits(z, y, reduction, INPUTS["weight"], INPUTS["pos_weight"])


# {name: (loss of logits and targets, targets)}
LOSSES: dict[str, tuple[Callable[[Any, Any, str], Any], np.ndarray]] = {
    "bce": (lambda z, y, r: nn.bce_with_logits(z, y, r), BINARY),
    "bce weighted": (weighted, BINARY),
    "soft": (lambda z, y, r: nn.softmax_cross_entropy(z, y, reduction=r), PROBABILITIES),
    "integer": (lambda z, y, r: nn.softmax_cross_entropy(z, y, reduction=r), LABELS),
}


@over_reductions
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradients_are_those_recorded_from_torch(name: str, reduction: str) -> None:
    loss, y = LOSSES[name]
    recorded = ORACLE["losses"][f"{name} {reduction}"]
    np.testing.assert_allclose(loss(X, y, reduction), recorded["value"], rtol=1e-12)
    by_logits = grad(lambda z: loss(z, y, reduction).sum())(X)
    np.testing.assert_allclose(by_logits, recorded["gradients"][0], rtol=1e-11, atol=1e-15)
    if y.dtype.kind == "f":
        by_targets = grad(lambda y: loss(X, y, reduction).sum())(y)
        np.testing.assert_allclose(by_targets, recorded["gradients"][1], rtol=1e-11, atol=1e-15)


@over_reductions
def test_bce_agrees_with_differences_in_every_mode(reduction: str) -> None:
    # The loop over a few floats rounds otherwise than the array functions.
    check(lambda z, y: nn.bce_with_logits(z, y, reduction), Z, Y, exact=False)
    check(lambda z: nn.bce_with_logits(z, Y, reduction), Z, exact=False)
    check(lambda y: nn.bce_with_logits(Z, y, reduction), Y, exact=False)


@over_reductions
def test_weighted_bce_agrees_with_differences_in_every_mode(reduction: str) -> None:
    weight, positive = rng.uniform(0.5, 2, size=(2, 4))
    check(
        lambda z, y, w, p: nn.bce_with_logits(z, y, reduction, w, p),
        Z, Y, weight, positive, exact=False,
    )  # fmt: skip


@over_reductions
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cross_entropy_agrees_with_differences_in_every_mode(axis: int, reduction: str) -> None:
    check(lambda z, y: nn.softmax_cross_entropy(z, y, axis, reduction), Z, Y, exact=False)
    check(lambda z: nn.softmax_cross_entropy(z, Y, axis, reduction), Z, exact=False)
    check(lambda y: nn.softmax_cross_entropy(Z, y, axis, reduction), Y, exact=False)
    labels = np.arange(Z.shape[1 - axis % 2]) % Z.shape[axis]
    check(lambda z: nn.softmax_cross_entropy(z, labels, axis, reduction), Z, exact=False)


def test_cross_entropy_of_more_axes_agrees_with_differences() -> None:
    z = rng.normal(size=(2, 3, 4))
    check(lambda z: nn.softmax_cross_entropy(z, np.ones((2, 4), int), axis=1), z, exact=False)
    check(
        lambda z, y: nn.softmax_cross_entropy(z, y, axis=1), z, np.abs(z[::-1]) + 0.1, exact=False
    )
    check(lambda z: nn.softmax_cross_entropy(z, np.array(2)), z[0, 0], exact=False)


@pytest.mark.parametrize("shape", [(1,), (3,), (33,), (4, 9), ()])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_recorded_bce_is_its_closed_form_at_every_size(shape: tuple[int, ...], dtype: Any) -> None:
    z = (4 * rng.normal(size=shape)).astype(dtype)
    y = rng.uniform(size=shape).astype(dtype)
    value, (by_z, by_y) = value_and_grad(nn.bce_with_logits, argnums=(0, 1))(z, y)
    alone = value_and_grad(lambda z: nn.bce_with_logits(z, y))(z)
    wide = z.astype(np.longdouble)
    p = 1 / (1 + np.exp(-wide))
    expected = np.mean(np.log1p(np.exp(wide)) - wide * y)
    tolerance = 20 * float(np.finfo(dtype).eps)
    for found in (value, alone[0], nn.bce_with_logits(z, y)):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=tolerance)
    for found in (by_z, alone[1]):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, (p - y) / z.size, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(by_y, -z / z.size, rtol=tolerance)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (200, 10), (64, 64), (1, 4), (7,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_recorded_cross_entropy_is_its_closed_form_at_every_layout(
    shape: tuple[int, ...], dtype: Any
) -> None:
    z = rng.normal(size=shape).astype(dtype)
    labels = rng.integers(0, shape[-1], shape[:-1])
    y = nn.one_hot(labels, shape[-1], dtype=dtype)
    wide = z.astype(np.float64)
    p = np.exp(wide) / np.exp(wide).sum(axis=-1, keepdims=True)
    expected = -np.mean(np.sum(y * np.log(p), axis=-1))
    slope = (p - y) / max(labels.size, 1)
    tolerance = 20 * float(np.finfo(dtype).eps)
    for target in (labels, y):
        value, gradient = value_and_grad(lambda z, t=target: nn.softmax_cross_entropy(z, t))(z)
        assert value.dtype == gradient.dtype == dtype
        np.testing.assert_allclose(value, expected, rtol=tolerance)
        np.testing.assert_allclose(gradient, slope, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(nn.softmax_cross_entropy(z, target), expected, rtol=tolerance)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_class_numbers_may_be_integers_of_any_size(dtype: Any) -> None:
    for shape in ((300, 7), (7, 300), (2, 5, 3)):
        z = rng.normal(size=shape)
        labels = rng.integers(0, min(shape[-1], 100), shape[:-1])
        expected = value_and_grad(lambda z, y=labels: nn.softmax_cross_entropy(z, y))(z)
        small = labels.astype(dtype)
        found = value_and_grad(lambda z, y=small: nn.softmax_cross_entropy(z, y))(z)
        np.testing.assert_array_equal(found[1], expected[1])
        assert found[0] == expected[0] == nn.softmax_cross_entropy(z, small)


def test_labels_that_do_not_sum_to_one_weigh_their_row() -> None:
    y = np.array([[2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5]])
    expected = -np.sum(y * nn.log_softmax(Z), axis=1)
    np.testing.assert_allclose(
        nn.softmax_cross_entropy(Z, y, reduction="none"), expected, rtol=1e-13
    )
    np.testing.assert_allclose(
        grad(lambda z: nn.softmax_cross_entropy(z, y))(Z),
        (nn.softmax(Z) * y.sum(axis=1, keepdims=True) - y) / 3,
        rtol=1e-12,
        atol=1e-16,
    )


def test_bce_at_large_logits_and_infinity() -> None:
    z = np.array([-INF, -1e3, 1e3, INF, -1e3, 1e3, INF])
    y = np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    losses, pullback = vjp(lambda z: nn.bce_with_logits(z, y, "none"), z)
    np.testing.assert_array_equal(losses, [0, 0, 0, 0, 1e3, 1e3, INF])
    np.testing.assert_array_equal(pullback(np.ones(7))[0], [0, 0, 0, 0, -1, 1, 1])
    tangent = jvp(lambda z: nn.bce_with_logits(z, y, "none"), (z,), (np.ones(7),))[1]
    np.testing.assert_array_equal(tangent, [0, 0, 0, 0, -1, 1, 1])
    assert nn.bce_with_logits(z[:6], y[:6]) == 2e3 / 6
    assert nn.bce_with_logits(z, y) == INF


@pytest.mark.parametrize("repeat", [1, 20])
def test_the_mean_of_bce_is_finite_at_infinite_logits_that_are_right(repeat: int) -> None:
    z = np.tile([-INF, INF, 0.0], repeat)
    y = np.tile([0.0, 1.0, 1.0], repeat)
    value, gradient = value_and_grad(lambda z: nn.bce_with_logits(z, y))(z)
    np.testing.assert_allclose(value, np.log(2) / 3, rtol=1e-14)
    np.testing.assert_allclose(gradient, np.tile([0, 0, -0.5], repeat) / z.size, rtol=1e-14)


def test_cross_entropy_at_large_logits_and_infinity() -> None:
    z = np.array([[1e3, -1e3, 0.0], [-INF, 2.0, 2.0], [INF, 0.0, 0.0]])
    labels = np.array([0, 1, 0])
    for target in (labels, np.eye(3)[labels]):
        losses = nn.softmax_cross_entropy(z, target, reduction="none")
        np.testing.assert_allclose(losses, [0, np.log(2), 0])
        value, gradient = value_and_grad(lambda z, t=target: nn.softmax_cross_entropy(z, t))(z)
        np.testing.assert_allclose(value, np.log(2) / 3)
        np.testing.assert_allclose(gradient, [[0, 0, 0], [0, -1 / 6, 1 / 6], [0, 0, 0]])
    wrong = nn.softmax_cross_entropy(z, np.array([1, 0, 1]), reduction="none")
    np.testing.assert_array_equal(wrong, [2e3, INF, INF])


def test_second_derivatives_vanish_at_large_logits() -> None:
    z, y = np.array([-1e3, 1e3, INF]), np.array([1.0, 0.0, 1.0])
    slopes = grad(lambda z: nn.bce_with_logits(z, y))
    np.testing.assert_array_equal(vjp(slopes, z)[1](np.ones(3))[0], 0)
    slopes = grad(lambda z: nn.softmax_cross_entropy(z, y))
    np.testing.assert_array_equal(jvp(slopes, (np.array([1e3, -1e3, 0.0]),), (np.ones(3),))[1], 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@over_reductions
def test_dtype_is_kept_with_targets_of_any_kind(dtype: Any, reduction: str) -> None:
    z = Z.astype(dtype)
    for y in (Y.astype(dtype), Y > 0.5, (Y > 0.5).astype(int), 1, 0.5):
        out, pullback = vjp(lambda z, y=y: nn.bce_with_logits(z, y, reduction), z)
        assert out.dtype == dtype
        assert pullback(out)[0].dtype == dtype
        assert jvp(lambda z, y=y: nn.bce_with_logits(z, y, reduction), (z,), (z,))[1].dtype == dtype
    for y in (Y.astype(dtype), Y > 0.5, np.eye(3, 4, dtype=np.int8), np.array([0, 3, 1])):
        out, pullback = vjp(lambda z, y=y: nn.softmax_cross_entropy(z, y, -1, reduction), z)
        assert out.dtype == dtype
        assert pullback(out)[0].dtype == dtype


def test_integer_one_hot_vectors_are_probabilities() -> None:
    y = np.eye(3, 4, dtype=np.int64)
    np.testing.assert_allclose(
        nn.softmax_cross_entropy(Z, y), nn.softmax_cross_entropy(Z, np.arange(3)), rtol=1e-14
    )


def test_targets_of_a_wider_dtype_widen_the_loss() -> None:
    z = Z.astype(np.float32)
    value, gradient = value_and_grad(lambda z: nn.bce_with_logits(z, Y))(z)
    assert value.dtype == np.float64
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, (nn.sigmoid(z) - Y) / z.size, rtol=1e-6)


def test_targets_broadcast_to_the_logits() -> None:
    y = np.array([0.0, 1.0, 0.5, 1.0])
    full = np.broadcast_to(y, (3, 4))
    np.testing.assert_allclose(nn.bce_with_logits(Z, y), nn.bce_with_logits(Z, full), rtol=1e-14)
    np.testing.assert_allclose(
        grad(lambda y: nn.bce_with_logits(Z, y))(y), -Z.sum(axis=0) / 12, rtol=1e-13
    )
    np.testing.assert_allclose(
        nn.softmax_cross_entropy(Z, y), nn.softmax_cross_entropy(Z, full), rtol=1e-14
    )


def test_a_python_float_is_a_logit() -> None:
    assert grad(lambda z: nn.bce_with_logits(z, 1.0))(0.0) == -0.5
    assert grad(lambda y: nn.bce_with_logits(2.0, y))(0.0) == -2.0


def test_empty_rows_and_batches() -> None:
    z = np.zeros((0, 3))
    assert nn.bce_with_logits(z, z, "sum") == 0
    assert nn.bce_with_logits(z, z, "none").shape == (0, 3)
    assert nn.softmax_cross_entropy(z, z, reduction="sum") == 0
    assert nn.softmax_cross_entropy(z, np.zeros(0, int), reduction="none").shape == (0,)
    assert grad(lambda z: nn.softmax_cross_entropy(z, z, reduction="sum"))(z).shape == (0, 3)


@over_reductions
def test_vmap_is_a_loop_for_every_choice_of_batched_operands(reduction: str) -> None:
    zs, ys = np.stack([Z, 2 * Z]), np.stack([Y, Y[::-1]])
    numbers = np.array([[0, 1, 3], [2, 2, 0]])
    for loss, targets in (
        (lambda z, y: nn.bce_with_logits(z, y, reduction), ys),
        (lambda z, y: nn.softmax_cross_entropy(z, y, -1, reduction), ys),
        (lambda z, y: nn.softmax_cross_entropy(z, y, -1, reduction), numbers),
    ):
        for axes in ((0, 0), (0, None), (None, 0)):
            z, y = (
                stack if axis == 0 else stack[0]
                for stack, axis in zip((zs, targets), axes, strict=True)
            )
            looped = [
                loss(z[i] if axes[0] == 0 else z, y[i] if axes[1] == 0 else y) for i in range(2)
            ]
            np.testing.assert_allclose(vmap(loss, in_axes=axes)(z, y), np.stack(looped), rtol=1e-13)
        gradients = vmap(grad(lambda z, y, loss=loss: loss(z, y).sum()))(zs, targets)
        looped = [
            grad(lambda z, y, loss=loss: loss(z, y).sum())(z, y)
            for z, y in zip(zs, targets, strict=True)
        ]
        np.testing.assert_allclose(gradients, np.stack(looped), rtol=1e-12, atol=1e-16)


def test_per_example_logits_without_axes() -> None:
    z, y = np.array([0.5, -1.0]), np.array([1.0, 0.0])
    found = vmap(grad(nn.bce_with_logits))(z, y)
    np.testing.assert_allclose(found, nn.sigmoid(z) - y, rtol=1e-14)


def test_the_targets_may_change_after_they_were_recorded() -> None:
    y = np.array([1.0, 0.0, 1.0])
    _, pullback = vjp(lambda z: nn.bce_with_logits(z, y), np.zeros(3))
    y[:] = 7
    np.testing.assert_allclose(pullback(np.float64(3))[0], [-0.5, 0.5, -0.5])


def test_operands_are_not_modified() -> None:
    z, y, labels = Z.copy(), Y.copy(), np.array([0, 1, 2])
    value_and_grad(nn.bce_with_logits, argnums=(0, 1))(z, y)
    grad(lambda z: nn.bce_with_logits(z, y))(z)
    grad(lambda z: nn.softmax_cross_entropy(z, y))(z)
    grad(lambda z: nn.softmax_cross_entropy(z, labels))(z)
    np.testing.assert_array_equal(z, Z)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(labels, [0, 1, 2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.bce_with_logits(Z, Y, "avg"), ValueError, r"reduction='avg'.*'none'"),
        (lambda: nn.bce_with_logits(np.ones((3, 1)), np.ones(3)), ValueError,
         r"target has shape \(3,\), but the logits have shape \(3, 1\).*Reshape"),
        (lambda: nn.bce_with_logits(np.ones(3), np.ones((3, 1))), ValueError, r"Reshape"),
        (lambda: nn.bce_with_logits(np.ones(3), np.ones(4)), ValueError, r"Reshape"),
        (lambda: nn.bce_with_logits(Z, Y, weight=np.ones(3)), ValueError, r"the weight has shape"),
        (lambda: nn.bce_with_logits(Z * 1j, Y), errors.InputDtypeError, r"real numbers only"),
        (lambda: nn.bce_with_logits(Z, Y * 1j), errors.InputDtypeError, r"real numbers only"),
        (lambda: nn.softmax_cross_entropy(Z, Y, reduction=None), ValueError, r"reduction=None"),
        (lambda: nn.softmax_cross_entropy(Z, np.array([0, 4, 1])), ValueError,
         r"label is 4, but the logits have 4 classes, numbered 0 to 3"),
        (lambda: nn.softmax_cross_entropy(Z, np.array([0, -1, 1])), ValueError, r"label is -1"),
        (lambda: nn.softmax_cross_entropy(Z, np.array([0.0, 1.0, 2.0])), ValueError, r"Reshape"),
        (lambda: nn.softmax_cross_entropy_with_integer_labels(Z, np.array([0.0, 1.0, 2.0])),
         TypeError, r"labels have dtype float64.*astype\(int\)"),
        (lambda: nn.softmax_cross_entropy_with_integer_labels(Z, np.zeros(4, int)), ValueError,
         r"labels of shape \(3,\)"),
    ],
)  # fmt: skip
def test_mistakes_get_a_message_with_a_way_out(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_label_out_of_range_is_refused_while_recording_too() -> None:
    for axis in (0, 1):
        labels = np.full(Z.shape[1 - axis], 9)
        with pytest.raises(ValueError, match="a label is 9"):
            grad(lambda z, a=axis, t=labels: nn.softmax_cross_entropy(z, t, axis=a))(Z)
