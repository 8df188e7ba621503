"""Second derivatives, and functional transforms, of reductions and matrix functions.

Both are compared with PyTorch's on the same numbers, where it is installed.
"""

import importlib
from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as layer

pytestmark = pytest.mark.oracle

TWICE = [
    "(x @ w).tanh().sum()", "(v @ w).pow(2).sum()", "(x @ v).exp().sum()", "(v @ v).exp()",
    "x.sum().exp()", "x.mean(0).exp().sum()", "x.max(0)[0].exp().sum()", "x.max().exp()",
    "x.softmax(1).pow(2).sum()", "x.log_softmax(1).pow(2).sum()", "x.std()", "x.prod(0).sum()",
    "torch.addmm(v[:2], x, w).tanh().sum()", "torch.addmm(x[:, :2], x, w).tanh().sum()",
    "x.norm()", "x.logsumexp(0).sum()", "x.cumprod(0).sum()", "x.topk(2)[0].exp().sum()",
    "x.logcumsumexp(1).exp().sum()", "torch.linalg.svdvals(x).exp().sum()",
    "torch.linalg.inv(q).sum()", "torch.linalg.det(q)", "torch.matrix_exp(q).pow(2).sum()",
    "torch.linalg.eigh(q + q.mT)[0].exp().sum()", "torch.linalg.eigh(q + q.mT)[1].pow(4).sum()",
    "torch.linalg.qr(x.mT)[0].pow(3).sum()", "torch.linalg.qr(x.mT)[1].pow(2).sum()",
    "torch.linalg.pinv(x).pow(2).sum()", "torch.linalg.solve(q, x).pow(2).sum()",
    "torch.linalg.cholesky(q @ q.mT).pow(3).sum()", "torch.einsum('ij,jk->k', x, w).exp().sum()",
    "torch.fft.rfft(x).abs().pow(2).sum()", "torch.fft.irfft(torch.fft.fft(x)).pow(3).sum()",
    "torch.fft.rfft2(x).abs().sum()", "x.quantile(0.3).exp()", "x.median().exp()",
    "x.var(1).exp().sum()",
]  # fmt: skip

MAPPED = [
    "(x @ x.mT).sum()", "x.softmax(1).pow(2).sum()", "x.sum(0).exp().sum()", "x.mean().exp()",
    "x.max(0)[0].exp().sum()", "x.std()", "x.sort(1)[0][:, 0].sum()", "x.norm()", "x.prod()",
    "x.cumsum(0).exp().sum()", "x.logsumexp(1).sum()", "torch.linalg.svdvals(x).sum()",
    "torch.linalg.det(x @ x.mT)", "torch.linalg.inv(x @ x.mT).sum()",
    "torch.linalg.eigvalsh(x @ x.mT).sum()", "torch.linalg.qr(x.mT)[1].sum()",
    "torch.linalg.pinv(x).sum()", "torch.matrix_exp(x @ x.mT * 0.1).sum()",
    "torch.fft.rfft(x).abs().sum()", "torch.fft.fft2(x).real.pow(2).sum()",
    "torch.einsum('ij,kj->ik', x, x).exp().sum()", "x.median()", "x.mode()[0].sum()",
    "x.cummax(0)[0].sum()", "x.kthvalue(2)[0].sum()", "x.topk(2)[0].sum()",
    "x[0] @ x.mT @ x @ x[0]", "x.diff().pow(2).sum()", "torch.trapz(x).sum()",
    "torch.addmm(x[:, :3], x, x.mT).exp().sum()",
]  # fmt: skip


def _second_derivatives(torch: Any, expression: str) -> list[Any]:
    """The value, the gradients, and those of the sum of their sines."""
    rng = np.random.RandomState(1)
    leaves = {
        name: torch.from_numpy(rng.randn(*shape)).requires_grad_()
        for name, shape in {"x": (3, 4), "w": (4, 2), "v": (4,), "q": (3, 3)}.items()
    }
    y = eval(expression, {"torch": torch, **leaves})
    tensors = list(leaves.values())
    first = torch.autograd.grad(y, tensors, create_graph=True, allow_unused=True)
    total = sum(one.sin().sum() for one in first if one is not None)
    second = (
        torch.autograd.grad(total, tensors, allow_unused=True)
        if total.requires_grad
        else [None] * len(tensors)
    )
    shapes = [None, *(leaf.shape for leaf in tensors), *(leaf.shape for leaf in tensors)]
    return [
        np.zeros(shape) if one is None else np.asarray(one.detach().numpy())
        for one, shape in zip([y, *first, *second], shapes, strict=True)
    ]


@pytest.mark.parametrize("expression", TWICE)
def test_gradients_of_gradients_are_those_of_pytorch(expression: str) -> None:
    torch = pytest.importorskip("torch")
    found, wanted = (_second_derivatives(each, expression) for each in (layer, torch))
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("expression", MAPPED)
@pytest.mark.filterwarnings("ignore:There is a performance drop")  # PyTorch's own
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # likewise
def test_functional_transforms_give_what_those_of_pytorch_give(expression: str) -> None:
    pytest.importorskip("torch")
    values = np.random.RandomState(0).randn(2, 3, 4)
    outcomes = []
    for torch in (layer, importlib.import_module("torch")):
        function = eval(f"lambda x: {expression}", {"torch": torch})
        func, x = torch.func, torch.from_numpy(values.copy())
        outcomes.append(
            [
                np.asarray(func.grad(function)(x[0])),
                np.asarray(func.vmap(function)(x)),
                np.asarray(func.vmap(func.grad(function))(x)),
                np.asarray(func.jvp(function, (x[0],), (x[1],))[1]),
            ]
        )
    for mine, theirs in zip(*outcomes, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)
