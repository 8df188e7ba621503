"""Products that sum: matmul, einsum and the functions made of them."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funcgrad import grad, vjp
from funcgrad.transforms.vmap import vmap

sys.path.insert(0, str(Path(__file__).parent))
from checking import check, normal  # test files are no package

DTYPES = [np.float64, np.complex128]
Shapes = tuple[tuple[int, ...], ...]


def operands(shapes: Shapes, dtype: Any) -> list[Any]:
    return [normal(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]


# Batches of the size of the matrices are among the shapes: (3,) times (3, 3, 3) and the like.
MATMUL: list[Shapes] = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((2, 2, 3), (3,)),
    ((2, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((2, 2, 3), (2, 3, 4)), ((3,), (2, 3, 2)),
    ((3, 3), (3, 3)), ((3,), (3, 3, 3)), ((3, 3, 3), (3,)), ((1, 2, 3), (4, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 2)), ((2, 0, 3), (3, 2)),
]  # fmt: skip
DOT: list[Shapes] = [
    ((), ()), ((), (3,)), ((3,), ()), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)),
    ((2, 2, 3), (3,)), ((2, 3), (5, 3, 4)), ((2, 2, 3), (2, 3, 4)), ((3,), (3, 3, 3)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", MATMUL, ids=str)
def test_matmul_is_right_for_every_rank(shapes: Shapes, dtype: Any) -> None:
    check(np.matmul, *operands(shapes, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", DOT, ids=str)
def test_dot_is_right_for_every_rank(shapes: Shapes, dtype: Any) -> None:
    check(np.dot, *operands(shapes, dtype), exact=False)  # BLAS may sum in another order


FUNCTIONS: dict[str, tuple[Any, Shapes]] = {
    "inner with a number": (np.inner, ((), (2,))),
    "inner of vectors": (np.inner, ((3,), (3,))),
    "inner of arrays": (np.inner, ((2, 2, 3), (4, 3))),
    "vdot of vectors": (np.vdot, ((3,), (3,))),
    "vdot of matrices": (np.vdot, ((2, 3), (3, 2))),
    "outer": (np.outer, ((2, 3), (3,))),
    "linalg.outer": (np.linalg.outer, ((2,), (3,))),
    "kron of vectors": (np.kron, ((2,), (3,))),
    "kron of ranks 1 and 2": (np.kron, ((2,), (2, 3))),
    "vecdot": (np.vecdot, ((4, 2, 3), (2, 3))),
    "vecdot of vectors": (np.vecdot, ((3,), (3,))),
    "vecdot along the first axis": (lambda a, b: np.vecdot(a, b, axis=0), ((3, 2), (3, 1))),
    "linalg.vecdot": (lambda a, b: np.linalg.vecdot(a, b, axis=0), ((3, 2), (3, 1))),
    "tensordot of one axis": (lambda a, b: np.tensordot(a, b, 1), ((2, 3, 4), (4, 3))),
    "tensordot of no axis": (lambda a, b: np.tensordot(a, b, 0), ((2, 3), (2,))),
    "tensordot of pairs": (
        lambda a, b: np.tensordot(a, b, ([1, 2], [0, 1])),
        ((2, 3, 4), (3, 4, 2)),
    ),
    "linalg.tensordot": (lambda a, b: np.linalg.tensordot(a, b, axes=2), ((2, 3, 4), (3, 4))),
    "cross": (np.cross, ((4, 3), (4, 3))),
    "cross along other axes": (lambda a, b: np.cross(a, b, axisa=0, axisc=0), ((3, 4), (4, 3))),
    "linalg.cross": (np.linalg.cross, ((3,), (4, 3))),
    "matmul with axes": (
        lambda a, b: np.matmul(a, b, axes=[(0, 1), (1, 0), (1, 0)]),
        ((2, 3), (4, 3)),
    ),
    "linalg.matmul": (np.linalg.matmul, ((2, 3), (3, 2))),
    "multi_dot of matrices": (
        lambda *chain: np.linalg.multi_dot(chain),
        ((2, 3), (3, 4), (4, 2)),
    ),
    "multi_dot between vectors": (
        lambda *chain: np.linalg.multi_dot(chain),
        ((3,), (3, 4), (4, 2), (2,)),
    ),
    "the operator": (lambda a, b: a @ b, ((2, 3), (3, 4))),
    "the reflected operator": (lambda b: np.ones((2, 3)) @ b, ((3, 4),)),
}
if hasattr(np, "matvec"):  # NumPy 2.2
    FUNCTIONS |= {
        "matvec": (np.matvec, ((2, 4, 3), (3,))),
        "vecmat": (np.vecmat, ((2, 4), (4, 3))),
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("function", "shapes"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_product_is_right_in_every_interpretation(
    function: Any, shapes: Shapes, dtype: Any
) -> None:
    check(function, *operands(shapes, dtype), exact=False)  # BLAS may sum in another order


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
@pytest.mark.parametrize("lengths", [(2, 2), (2, 3), (3, 2)])
def test_cross_takes_plane_vectors_as_numpy_still_does(lengths: tuple[int, int]) -> None:
    check(np.cross, normal(4, lengths[0]), normal(4, lengths[1], seed=1))


EINSUM: list[tuple[str, Shapes]] = [
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("ij,jk", ((2, 3), (3, 4))),
    ("ba", ((2, 3),)),
    ("ii->i", ((3, 3),)),
    ("ii", ((3, 3),)),
    ("ij->", ((2, 3),)),
    ("iij->j", ((3, 3, 2),)),
    ("iij->ij", ((3, 3, 2),)),
    ("iij,i->", ((3, 3, 2), (3,))),
    ("iijj->ij", ((2, 2, 3, 3),)),
    ("iii->i", ((2, 2, 2),)),
    ("ii,ii->", ((3, 3), (3, 3))),
    ("...ij,...jk", ((2, 3, 3), (3, 4))),
    ("...,...", ((2, 3), (3,))),
    ("a...b->...", ((2, 3, 4),)),
    ("ij,ij->i", ((2, 3), (2, 1))),
    ("ij,ij->i", ((2, 1), (2, 3))),
    (",ij->ji", ((), (2, 3))),
    ("ij,jk,kl->il", ((2, 3), (3, 2), (2, 2))),
    ("i,i,i->i", ((3,), (3,), (3,))),
    ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
    ("ij,ij->", ((0, 3), (0, 3))),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("spec", "shapes"), EINSUM, ids=str)
def test_einsum_is_right_for_every_spec(spec: str, shapes: Shapes, dtype: Any) -> None:
    check(lambda *args: np.einsum(spec, *args), *operands(shapes, dtype), exact=False)


def test_einsum_takes_lists_of_numbers() -> None:
    a, b = normal(2, 2, 3), normal(3, 4)
    check(lambda a, b: np.einsum(a, [0, 1, 2], b, [2, 3], [3, 0, 1]), a, b)
    check(lambda a, b: np.einsum(a, [Ellipsis, 0, 1], b, [1, 2]), a, b)


def test_a_large_einsum_goes_through_blas_with_the_same_result() -> None:
    a, b = normal(40, 30), normal(30, 50)
    out, pullback = vjp(lambda a, b: np.einsum("ij,jk->ik", a, b), a, b)
    np.testing.assert_allclose(out, a @ b, rtol=1e-12, atol=1e-12)
    ct = normal(40, 50)
    for found, expected in zip(pullback(ct), (ct @ b.T, a.T @ ct), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_einsum_path_depends_on_shapes_only() -> None:
    spec, shapes = "ij,jk,kl->il", ((2, 30), (30, 4), (4, 5))
    plain = operands(shapes, np.float64)
    found: list[Any] = []

    def f(*args: Any) -> Any:
        found.append(np.einsum_path(spec, *args))
        return np.sum(args[0])

    grad(f)(*plain)
    assert found[0] == np.einsum_path(spec, *plain)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ij,k", "2 terms"),
        ("ijk", "an operand of 3 axes|an operand of 2 axes"),
        ("ii", "the letter 'i' stands for lengths 2 and 3"),
    ],
)
def test_a_wrong_einsum_says_what_is_wrong(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vjp(lambda a: np.einsum(spec, a), np.ones((2, 3)))


def test_matmul_of_a_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one axis"):
        grad(lambda x: np.matmul(x, np.ones(2)))(3.0)


@pytest.mark.parametrize("function", [np.dot, np.tensordot, np.inner, np.vecdot])
def test_lengths_that_differ_are_an_error(function: Any) -> None:
    with pytest.raises(ValueError, match=r"aligned|mismatch|differ"):
        vjp(function, np.ones((2, 3)), np.ones((4, 5)))


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
@pytest.mark.parametrize(
    "function", [np.matmul, np.dot, np.outer, np.kron, np.vdot, np.tensordot, np.inner]
)
def test_dtypes_are_kept(function: Any, dtype: Any) -> None:
    a, b = operands(((3, 3), (3, 3)), dtype)
    out, pullback = vjp(function, a, b)
    assert out.dtype == dtype
    assert [ct.dtype for ct in pullback(np.ones_like(out))] == [dtype, dtype]


def test_a_real_factor_beside_a_complex_one_has_a_real_cotangent() -> None:
    a, b = normal(2, 3), normal(3, 2, dtype=np.complex128)
    check(np.matmul, a, b)
    check(lambda a, b: np.einsum("ij,jk->ik", a, b), a, b, exact=False)


def test_integer_matrices_can_be_mapped() -> None:
    a = np.arange(12).reshape(3, 2, 2)
    found = vmap(np.matmul)(a, a)
    assert found.dtype == a.dtype
    np.testing.assert_array_equal(found, a @ a)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("ranks", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_a_product_of_values_of_two_transforms_has_both_derivatives(
    ranks: tuple[int, int], swapped: bool
) -> None:
    a, b = (normal(*(3,) * rank, seed=rank + i) for i, rank in enumerate(ranks))

    def product(x: Any, y: Any) -> Any:
        return np.sum((y @ x if swapped else x @ y) ** 2)

    nested = grad(lambda y: np.sum(grad(lambda x: product(x, y))(a) ** 2))(b)
    flat = grad(lambda y: np.sum(vjp(product, a, y)[1](1.0)[0] ** 2))(b)
    step = 1e-6 * normal(*b.shape, seed=9)
    near = [np.sum(grad(product)(a, b + sign * step) ** 2) for sign in (1, -1)]
    np.testing.assert_allclose(np.sum(nested * step), (near[0] - near[1]) / 2, rtol=1e-6)
    np.testing.assert_allclose(nested, flat, rtol=1e-13)
