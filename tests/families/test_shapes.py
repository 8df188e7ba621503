"""Sums and masks of cotangents of plain arrays, which have shortcuts for large ones."""

from typing import Any

import numpy as np
import pytest

from funcgrad.families.shapes import masked, product_to, sum_over, unbroadcast

SHAPES = [((64, 50), (50,)), ((64, 50), (64, 1)), ((8, 20, 30), (20, 1)), ((8, 20, 30), ())]
rng = np.random.default_rng(0)


def summed(x: Any, shape: tuple[int, ...]) -> Any:
    """The sum over broadcast axes, by the definition: which places read which element."""
    total = np.zeros(shape)
    places = np.broadcast_to(np.arange(total.size).reshape(shape), x.shape)
    np.add.at(total.reshape(-1), places.reshape(-1), np.ravel(x))
    return total


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("full", "shape"), SHAPES)
def test_unbroadcast_adds_the_places_that_read_an_element(
    full: tuple[int, ...], shape: tuple[int, ...], dtype: Any
) -> None:
    ct = rng.normal(size=full).astype(dtype)
    found = unbroadcast(ct, shape)
    assert (np.shape(found), found.dtype) == (shape, dtype)
    np.testing.assert_allclose(found, summed(ct, shape), atol=1000 * np.finfo(dtype).eps)


@pytest.mark.parametrize(("full", "shape"), SHAPES)
def test_a_product_is_summed_to_a_shape(full: tuple[int, ...], shape: tuple[int, ...]) -> None:
    a, b = rng.normal(size=full), rng.normal(size=full)
    found = product_to(a, b, shape)
    assert np.shape(found) == shape
    np.testing.assert_allclose(found, summed(a * b, shape), atol=1e-12)


def test_long_sums_of_float32_are_pairwise_along_the_last_axis() -> None:
    x = np.full((2, 200_000), 0.1, np.float32)
    for second in (None, np.ones_like(x)):
        found = sum_over(x, second, (-1,))
        # Pairwise sums err by a few roundings; added one by one, 200,000 terms lose four digits.
        np.testing.assert_allclose(found, 200_000 * float(np.float32(0.1)), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("size", [10, 5000])
def test_a_mask_lets_nothing_through_where_it_is_false(size: int, dtype: Any) -> None:
    ct = rng.normal(size=size).astype(dtype)
    mask = np.arange(size) % 3 == 0
    ct[1], ct[2] = np.nan, np.inf
    found = masked(mask, ct)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.where(mask, ct, np.zeros((), dtype)))
