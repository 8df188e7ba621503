"""Class numbers as vectors."""

import numpy as np
import pytest

from funcgrad import grad, nn
from funcgrad.transforms.vmap import vmap


def test_one_hot_has_a_one_at_each_class() -> None:
    np.testing.assert_array_equal(nn.one_hot(np.array([0, 2]), 3), [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(nn.one_hot(1, 3), [0, 1, 0])
    np.testing.assert_array_equal(nn.one_hot([[1], [0]], 2), [[[0, 1]], [[1, 0]]])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_one_hot_puts_the_classes_along_the_axis(axis: int) -> None:
    labels = np.array([[0, 2, 1], [3, 3, 0]])
    found = nn.one_hot(labels, 4, axis=axis)
    np.testing.assert_array_equal(found, np.moveaxis(np.eye(4)[labels], -1, axis))


def test_classes_out_of_range_give_zeros() -> None:
    np.testing.assert_array_equal(nn.one_hot(np.array([-1, 3]), 3), np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", [float, np.float32, np.float16, int, bool])
def test_one_hot_has_the_dtype_asked_for_and_is_writable(dtype: type) -> None:
    found = nn.one_hot(np.array([1]), 2, dtype=dtype)
    assert found.dtype == dtype
    found[0, 0] = 1


def test_one_hot_batches_and_stands_beside_traced_values() -> None:
    labels = np.array([[0, 2], [1, 1]])
    np.testing.assert_array_equal(
        vmap(lambda x: nn.one_hot(x, 3, axis=0))(labels),
        np.stack([nn.one_hot(x, 3, axis=0) for x in labels]),
    )
    per_example = vmap(grad(lambda z, y: (nn.one_hot(y, 3) * z).sum()))
    np.testing.assert_array_equal(
        per_example(np.ones((2, 3)), np.array([2, 0])), [[0, 0, 1], [1, 0, 0]]
    )


def test_one_hot_of_floats_is_refused() -> None:
    with pytest.raises(TypeError, match=r"float64.*integers.*astype\(int\)"):
        nn.one_hot(np.array([1.0]), 2)
