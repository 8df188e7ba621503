"""Operations of one element at a time beside PyTorch's: recorded, and live on other values."""

import json
import math
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from tests.compat.torch.pointwise_cases import (
    CASES,
    DIFFERENT,
    OPERANDS,
    RECORDED,
    outcome,
    same,
    tensors,
)

DATA = json.loads(RECORDED.read_text())["cases"]
CHUNK = 50
CHUNKS = [CASES[start : start + CHUNK] for start in range(0, len(CASES), CHUNK)]


def test_every_case_is_recorded() -> None:
    assert list(DATA) == CASES


@pytest.mark.parametrize("cases", CHUNKS, ids=[chunk[0] for chunk in CHUNKS])
def test_results_types_graphs_gradients_and_errors_are_those_recorded(cases: list[str]) -> None:
    wrong = {
        text: verdict
        for text in cases
        if text not in DIFFERENT
        and (verdict := same(DATA[text], outcome(torch, text, tensors(torch))))
    }
    assert not wrong


def test_each_listed_difference_is_one() -> None:
    alike = [t for t in DIFFERENT if not same(DATA[t], outcome(torch, t, tensors(torch)))]
    assert not alike


@pytest.mark.oracle
@pytest.mark.parametrize("cases", CHUNKS, ids=[chunk[0] for chunk in CHUNKS])
def test_results_and_gradients_at_random_values_are_those_of_pytorch(cases: list[str]) -> None:
    real = pytest.importorskip("torch")
    wrong = {}
    for text in cases:
        if text in DIFFERENT:
            continue
        seed = sum(text.encode())
        theirs = outcome(real, text, tensors(real, np.random.default_rng(seed)))
        ours = outcome(torch, text, tensors(torch, np.random.default_rng(seed)))
        verdict = same(theirs, ours)
        if verdict:
            wrong[text] = verdict
    assert not wrong


def _second(module: Any, text: str) -> Any:
    """Gradient of the sum of squared gradients by every operand in double precision."""
    x = module.tensor([0.45, 1.1, 2.5], dtype=module.float64, requires_grad=True)
    w = module.tensor([0.3, 0.7, 1.9], dtype=module.float64, requires_grad=True)
    out = eval(text, {"torch": module, "x": x, "w": w})
    first = module.autograd.grad(
        out, [x, w], module.ones_like(out), create_graph=True, allow_unused=True
    )
    total: Any = sum((part * part).sum() for part in first if part is not None)
    second = module.autograd.grad(total, [x, w], allow_unused=True)
    return [None if part is None else part.tolist() for part in second]


SECOND = (
    """
x.sin()|x.tan()|x.exp()|x.log()|x.tanh()|x.sqrt()|x.rsqrt()|x.reciprocal()|x.sigmoid()|x.erf()|x.lgamma()
x.digamma()|torch.sinc(x)|x**2|x**3|x**2.5|x**w|2**x|x/w|x*w|w-x*x|torch.atan2(x,w)|torch.hypot(x,w)
torch.logaddexp(x,w)|torch.xlogy(x,w)|torch.special.xlog1py(x,w)|torch.lerp(x,w,x)|torch.addcdiv(x,x,w)
torch.addcmul(x,x,w)|torch.special.i0(x)|torch.special.i0e(x)|torch.special.i1(x)|torch.special.i1e(x)
torch.special.erfcx(x)|torch.special.log_ndtr(x)|torch.special.entr(x)|torch.special.ndtr(x)
torch.erfinv(x/3)|torch.special.ndtri(x/3)|torch.logit(x/3)|torch.polygamma(1,x)|torch.mvlgamma(x+2,2)
torch.special.zeta(3.,x)|torch.clamp(x*x,0.5,2)|torch.where(x>1,x*x,w*w)|torch.ldexp(x,w)|torch.expm1(x)
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


@pytest.mark.oracle
@pytest.mark.parametrize("text", SECOND)
def test_second_derivatives_are_those_of_pytorch(text: str) -> None:
    real = pytest.importorskip("torch")
    for theirs, ours in zip(_second(real, text), _second(torch, text), strict=True):
        if theirs is None or ours is None:
            assert not np.any(theirs or 0)
            assert not np.any(ours or 0)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("text", [*SECOND, "torch.complex(x,w).abs()", "torch.polar(x,w).real"])
def test_vmap_equals_the_plain_call(text: str) -> None:
    x = torch.tensor([0.45, 1.1, 2.5], dtype=torch.float64)
    w = torch.tensor([0.3, 0.7, 1.9], dtype=torch.float64)
    mapped = torch.func.vmap(lambda a, b: eval(text, {"torch": torch, "x": a, "w": b}))(x, w)
    plain = eval(text, {"torch": torch, "x": x, "w": w})
    np.testing.assert_allclose(mapped.numpy(), plain.numpy(), rtol=1e-14)


@pytest.mark.parametrize("text", SECOND)
def test_func_grad_equals_backward(text: str) -> None:
    x = torch.tensor([0.45, 1.1, 2.5], dtype=torch.float64, requires_grad=True)
    w = torch.tensor([0.3, 0.7, 1.9], dtype=torch.float64)
    functional = torch.func.vjp(lambda a: eval(text, {"torch": torch, "x": a, "w": w}), x.detach())
    out = eval(text, {"torch": torch, "x": x, "w": w})
    ones = torch.ones_like(functional[0])
    (expected,) = torch.autograd.grad(out, [x], torch.ones_like(out))
    (found,) = functional[1](ones)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch.abs(zero)", 0.0),
        ("torch.relu(zero)", 0.0),
        ("torch.clamp(zero, 0, 1)", 1.0),
        ("torch.clamp(zero, -1, 0)", 1.0),
        ("torch.clamp_min(zero, 0)", 1.0),
        ("torch.maximum(zero, torch.zeros(()))", 0.5),
        ("torch.minimum(zero, torch.zeros(()))", 0.5),
        ("torch.sgn(zero)", 0.0),
        ("torch.round(zero)", 0.0),
        ("torch.nan_to_num(zero)", 1.0),
        ("torch.xlogy(zero, zero)", 0.0),
        ("zero ** 0", 0.0),
        ("zero ** 2", 0.0),
    ],
)
def test_kinks_have_the_derivative_that_is_agreed_upon(text: str, expected: float) -> None:
    zero = torch.tensor(0.0, requires_grad=True)
    with np.errstate(all="ignore"):
        out = eval(text, {"torch": torch, "zero": zero})
        (found,) = torch.autograd.grad(out, [zero])
    assert found.item() == expected


def test_out_takes_the_values_and_is_returned() -> None:
    out = torch.zeros(3)
    result = torch.add(torch.ones(3), torch.ones(3), out=out)
    assert result is out
    assert out.tolist() == [2.0, 2.0, 2.0]


def test_out_of_another_shape_is_resized() -> None:
    out = torch.zeros(0)
    torch.sin(torch.zeros(2), out=out)
    assert out.shape == (2,)


def test_a_mask_that_is_overwritten_later_does_not_change_the_gradient() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    mask = torch.tensor([True, False])
    out = torch.where(mask, x, x * 0)
    mask.logical_not_()
    (found,) = torch.autograd.grad(out, [x], torch.ones(2))
    assert found.tolist() == [1.0, 0.0]


def test_the_real_part_is_a_view_through_which_one_can_write() -> None:
    z = torch.tensor([1 + 2j, 3 - 1j])
    z.real.add_(5)
    assert z.tolist() == [6 + 2j, 8 - 1j]


def test_a_write_through_the_real_part_is_followed_by_gradients() -> None:
    leaf = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    x = torch.tensor([2.0, 5.0], requires_grad=True)
    z = leaf * 1
    z.real.mul_(x)  # z = x Re(leaf) + i Im(leaf)
    out = z.abs()
    found = torch.autograd.grad(out, [leaf, x], torch.ones(2))
    size = np.hypot([2.0, 15.0], [2.0, 1.0])
    np.testing.assert_allclose(
        found[0].numpy(), ([4.0, 75.0] / size) + 1j * ([2.0, -1.0] / size), rtol=1e-6
    )
    np.testing.assert_allclose(found[1].numpy(), [2.0, 45.0] / size, rtol=1e-6)


def test_operators_leave_foreign_operands_to_their_own_class() -> None:
    class Foreign:
        def __radd__(self, other: Any) -> str:
            return "foreign"

        __rmul__ = __rsub__ = __rtruediv__ = __rpow__ = __rmod__ = __rfloordiv__ = __radd__
        __rand__ = __rlshift__ = __radd__

        def __lt__(self, other: Any) -> bool:
            return True

        __gt__ = __lt__

    x, foreign = torch.ones(2), Foreign()
    found = [x + foreign, x * foreign, x - foreign, x / foreign, x**foreign, x % foreign,
             x // foreign, x & foreign, x << foreign]  # fmt: skip
    assert found == ["foreign"] * 9
    assert (x > foreign) is True


def test_numpy_operands_count_as_tensors_and_numpy_scalars_as_numbers() -> None:
    x = torch.ones(2)
    assert (x + np.float64(2)).dtype is torch.float32
    assert (x + np.ones(2)).dtype is torch.float64


def test_in_place_operators_keep_the_tensor() -> None:
    x = torch.tensor([4.0, 9.0])
    kept = x
    x += 1
    x -= 1
    x *= 2
    x /= 2
    x **= 2
    x //= 3
    x %= 4
    assert x is kept
    assert x.tolist() == [1.0, 3.0]


def test_bitwise_in_place_operators_keep_the_tensor() -> None:
    x = torch.tensor([6, 3])
    kept = x
    x &= 7
    x |= 8
    x ^= 1
    x <<= 1
    x >>= 1
    assert x is kept
    assert x.tolist() == [15, 10]


def test_operand_table_names_every_operand_of_the_cases() -> None:
    assert set(OPERANDS) == set(tensors(torch))


def test_an_operand_that_is_modified_later_is_noticed() -> None:
    x = torch.tensor([0.5, 0.7], requires_grad=True)
    y = x.sin()
    out = torch.erf(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(out, [x], torch.ones(2))


def test_a_negative_number_has_the_angle_pi() -> None:
    assert torch.angle(torch.tensor([-2.0])).item() == pytest.approx(math.pi)
