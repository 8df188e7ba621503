"""`torch.compile`: operations and whole trainings, compiled and eager, to the last bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch

nn, F = torch.nn, torch.nn.functional

Function = Callable[..., Any]


def _bytes(tensor: Any) -> Any:
    return None if tensor is None else (tensor.shape, tensor.detach().numpy().tobytes())


def _assigned(a: Any) -> Any:
    b = a * 1
    b[1] = a[0] * 2
    b[:, 0] += 1
    return b


def _picked(a: Any) -> Any:
    return a.gather(1, torch.tensor([[0, 1], [2, 2], [4, 0]]))


LABELS = torch.tensor([0, 1, 5, 3])

OPERATIONS: dict[str, tuple[Function, tuple[tuple[int, ...], ...]]] = {
    "matrix product": (lambda a, b: a @ b, ((5, 6), (6, 4))),
    "matrix product, transposed": (lambda a, b: a @ b.T, ((5, 6), (4, 6))),
    "batched product": (lambda a, b: a @ b, ((3, 5, 6), (3, 6, 4))),
    "batched product, transposed": (lambda a, b: a @ b.mT, ((3, 5, 6), (3, 4, 6))),
    "batch times matrix": (lambda a, b: a @ b, ((3, 5, 6), (6, 4))),
    "matrix times vector": (lambda a, b: a @ b, ((5, 6), (6,))),
    "linear": (F.linear, ((5, 6), (4, 6), (4,))),
    "linear of one": (F.linear, ((6,), (4, 6), (4,))),
    "linear of a batch": (F.linear, ((3, 5, 6), (4, 6), (4,))),
    "linear without bias": (F.linear, ((5, 6), (4, 6))),
    "bilinear": (F.bilinear, ((4, 3), (4, 2), (5, 3, 2))),
    "outer": (torch.outer, ((4,), (3,))),
    "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), ((3, 5, 6), (3, 6, 2))),
    "sum of axes broadcast": (lambda a, b: a + b, ((3, 5, 6), (6,))),
    "product broadcast": (lambda a, b: a * b, ((3, 5, 6), (5, 1))),
    "quotient broadcast": (lambda a, b: a / b, ((3, 5, 6), (6,))),
    "powers": (lambda a: a**2 + a**3 + a.square(), ((3, 5, 6),)),
    "smooth": (lambda a: a.exp().log() + a.sin() * a.cos() + a.tanh(), ((3, 5, 6),)),
    "kinks": (lambda a: a.clamp(-0.5, 0.5) + a.abs() + a.relu(), ((3, 5, 6),)),
    "where": (lambda a, b: torch.where(a > b, a, b), ((3, 5, 6), (5, 6))),
    "sum": (lambda a: a.sum(), ((3, 5, 6),)),
    "sum of two axes": (lambda a: a.sum((0, 2)), ((3, 5, 6),)),
    "mean": (lambda a: a.mean(), ((30, 50, 6),)),
    "mean of an axis": (lambda a: a.mean(1), ((3, 5, 6),)),
    "var": (lambda a: a.var(1), ((3, 5, 6),)),
    "std": (lambda a: a.std(), ((3, 5, 6),)),
    "norm": (lambda a: a.norm(), ((3, 5, 6),)),
    "prod": (lambda a: a.prod(1), ((4, 3),)),
    "max": (lambda a: a.max(-1)[0] + a.amax(-1), ((3, 5, 6),)),
    "logsumexp": (lambda a: a.logsumexp(-1), ((3, 5, 6),)),
    "cumsum": (lambda a: a.cumsum(1), ((3, 5, 6),)),
    "sort": (lambda a: a.sort(1)[0] + a.topk(3, 1)[0], ((4, 3),)),
    "softmax": (lambda a: a.softmax(-1) + a.softmax(0), ((3, 5, 6),)),
    "log_softmax": (lambda a: F.log_softmax(a, -1), ((4, 6),)),
    "masked softmax": (
        lambda a: a.masked_fill(torch.eye(5, 6).bool(), -1e9).softmax(-1),
        ((5, 6),),
    ),
    "cat": (lambda a, b: torch.cat([a, b], 1), ((3, 5, 6), (3, 2, 6))),
    "stack": (lambda a, b: torch.stack([a, b], 1), ((3, 5), (3, 5))),
    "indices": (lambda a: a[:, [0, 2, 2]], ((3, 5, 6),)),
    "slices": (lambda a: a[:, 1:4:2], ((3, 5, 6),)),
    "gather": (_picked, ((3, 5),)),
    "permute": (lambda a: a.permute(2, 0, 1).contiguous().view(-1), ((3, 5, 6),)),
    "flip and roll": (lambda a: a.flip(0).roll(1, 1), ((4, 4),)),
    "repeat": (lambda a: a.repeat(2, 1) + a.expand(4, 3).repeat(2, 1), ((4, 3),)),
    "tril": (lambda a: a.tril(), ((4, 4),)),
    "writes in place": (lambda a: (a * 2).add_(1).mul_(a), ((4, 4),)),
    "parts assigned": (_assigned, ((4, 4),)),
    "layer_norm": (lambda a, w, b: F.layer_norm(a, (6,), w, b), ((3, 5, 6), (6,), (6,))),
    "rms_norm": (lambda a, w: F.rms_norm(a, (6,), w), ((3, 5, 6), (6,))),
    "instance_norm": (F.instance_norm, ((2, 3, 4, 4),)),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        ((2, 2, 5, 4),) * 3,
    ),
    "attention of three axes": (F.scaled_dot_product_attention, ((2, 5, 4),) * 3),
    "conv1d": (
        lambda a, w, b: F.conv1d(a, w, b, padding="same"),
        ((2, 3, 8), (4, 3, 3), (4,)),
    ),
    "conv3d": (F.conv3d, ((2, 3, 4, 4, 4), (4, 3, 2, 2, 2))),
    "avg_pool": (lambda a: F.avg_pool2d(a, 2), ((2, 3, 4, 4),)),
    "adaptive_avg_pool": (lambda a: F.adaptive_avg_pool2d(a, 3), ((2, 3, 4, 4),)),
    "max_pool": (lambda a: F.max_pool2d(a, 2), ((2, 3, 4, 4),)),
    "interpolate": (
        lambda a: F.interpolate(a, scale_factor=2, mode="bilinear"),
        ((2, 3, 4, 4),),
    ),
    "pad": (lambda a: F.pad(a, (1, 2)), ((2, 3),)),
    "unfold": (lambda a: F.unfold(a, 2), ((2, 3, 4, 4),)),
    "prelu": (F.prelu, ((4, 3), (3,))),
    "glu": (F.glu, ((4, 6),)),
    "mse_loss": (F.mse_loss, ((4, 6), (4, 6))),
    "l1_loss": (F.l1_loss, ((4, 6), (4, 6))),
    "smooth_l1_loss": (F.smooth_l1_loss, ((4, 6), (4, 6))),
    "huber_loss": (F.huber_loss, ((4, 6), (4, 6))),
    "nll_loss": (lambda a: F.nll_loss(a, LABELS), ((4, 6),)),
    "cross_entropy": (lambda a: F.cross_entropy(a, LABELS), ((4, 6),)),
    "cross_entropy, smoothed": (
        lambda a: F.cross_entropy(a, LABELS, label_smoothing=0.1),
        ((4, 6),),
    ),
    "cosine_similarity": (F.cosine_similarity, ((4, 6), (4, 6))),
    "normalize": (F.normalize, ((4, 6),)),
    "inverse": (lambda a: torch.linalg.inv(a + 5 * torch.eye(4, dtype=a.dtype)), ((4, 4),)),
    "determinant": (torch.linalg.det, ((4, 4),)),
    "cholesky": (
        lambda a: torch.linalg.cholesky(a @ a.T + torch.eye(4, dtype=a.dtype)),
        ((4, 4),),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_has_the_same_bits_compiled_and_eager(name: str, dtype: Any) -> None:
    function, shapes = OPERATIONS[name]
    compiled = torch.compile(function)
    torch.manual_seed(0)
    inputs = [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]
    weights = None
    found: list[list[Any]] = []
    for one in (function, compiled, compiled, compiled):
        out = one(*inputs)
        weights = torch.randn(tuple(out.shape), dtype=dtype) if weights is None else weights
        gradients = torch.autograd.grad((out * weights).sum(), inputs)
        found.append([_bytes(out), *map(_bytes, gradients)])
    assert found[1:] == found[:1] * 3
    assert vars(compiled)["_compiled"].reasons == [""], "else nothing is compared"


# --- trainings ----------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.groups = nn.GroupNorm(2, 4)
        self.out = nn.Linear(64, 3)

    def forward(self, x: Any) -> Any:
        h = F.relu(self.norm(self.first(x)), inplace=True)
        h = F.relu(h + self.groups(self.second(h)))
        return self.out(F.avg_pool2d(h, 2).flatten(1))


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop, self.out = nn.Linear(6, 16), nn.Dropout(0.3), nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.drop(torch.tanh(self.first(x)))) + 0.1 * torch.randn(3)


class Recurrent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.inner = getattr(nn, kind)(5, 7, num_layers=2, batch_first=True, dropout=0.2)
        self.out = nn.Linear(7, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.inner(x)[0][:, -1])


class Cells(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.cell, self.out = getattr(nn, kind)(5, 7), nn.Linear(7, 3)

    def forward(self, x: Any) -> Any:
        h = torch.zeros(x.shape[0], 7, dtype=x.dtype)
        pair = isinstance(self.cell, nn.LSTMCell)
        state: Any = (h, h) if pair else h
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return self.out(state[0] if pair else state)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.layer(self.words(x)).mean(1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.norm, self.out = nn.LayerNorm(8), nn.Linear(8, 3)
        self.register_buffer("mask", torch.tril(torch.ones(5, 5)).bool())

    def forward(self, x: Any) -> Any:
        q, k, v = self.q(x), self.k(x), self.v(x)
        weights = (q @ k.transpose(-2, -1) / 8**0.5).masked_fill(~self.mask, float("-inf"))
        return self.out(self.norm(x + weights.softmax(-1) @ v).mean(1))


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.inner(x, x, x)[0].mean(1))


def _activations() -> Any:
    layers: list[Any] = [nn.Linear(6, 8)]
    for kind in (nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Hardtanh, nn.Sigmoid):
        layers += [kind(), nn.Linear(8, 8)]
    return nn.Sequential(*layers, nn.LogSoftmax(-1))


def _perceptron() -> Any:
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3)
    )


def _normed() -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def _pooled() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.ConvTranspose2d(3, 2, 3),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


def _dropped() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.Dropout2d(0.4), nn.Flatten(), nn.AlphaDropout(0.2),
        nn.Linear(108, 3),
    )  # fmt: skip


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "perceptron": (_perceptron, (8, 6)),
    "activations": (_activations, (8, 6)),
    "residual network": (Residual, (6, 1, 8, 8)),
    "dropout and noise": (Noisy, (8, 6)),
    "batch norm": (_normed, (8, 6)),
    "pools": (_pooled, (6, 1, 8, 8)),
    "dropouts": (_dropped, (6, 1, 8, 8)),
    "attention": (Attention, (4, 5, 8)),
    "heads": (Heads, (4, 5, 8)),
    "encoder": (Encoder, (4, 5)),
    **{kind: (lambda kind=kind: Recurrent(kind), (4, 6, 5)) for kind in ("RNN", "LSTM", "GRU")},
    **{
        kind: (lambda kind=kind: Cells(kind), (4, 6, 5))
        for kind in ("RNNCell", "LSTMCell", "GRUCell")
    },
}
OPTIMISERS: dict[str, Function] = {
    "SGD": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    "Adam": lambda params: torch.optim.Adam(params, lr=0.01),
}
STEPS = 20


def trained(name: str, optimiser: str, dtype: Any, *, compiled: bool) -> tuple[list[Any], Any]:
    """Losses, state, versions, gradients and the next random number, as bytes; and the model."""
    build, shape = MODELS[name]
    torch.manual_seed(0)
    own = build().to(dtype)
    model = torch.compile(own) if compiled else own
    chosen = OPTIMISERS[optimiser](own.parameters())
    whole = name == "encoder"
    inputs = [
        torch.randint(0, 11, shape) if whole else torch.randn(shape, dtype=dtype) for _ in range(3)
    ]
    labels = torch.randint(0, 3, shape[:1])
    losses = []
    for step in range(STEPS):
        if step in (12, 15):
            model.train(step == 15)
        chosen.zero_grad()
        loss = F.cross_entropy(model(inputs[step % 3]), labels)
        loss.backward()
        chosen.step()
        losses.append(_bytes(loss))
    state = own.state_dict(keep_vars=True)
    found = [losses, {name: (_bytes(x), x._version) for name, x in state.items()}]
    found.append([_bytes(p.grad) for p in own.parameters()])
    return [*found, torch.rand(1).item()], model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", MODELS)
def test_training_has_the_same_bits_compiled_and_eager(
    name: str, optimiser: str, dtype: Any
) -> None:
    wanted, _ = trained(name, optimiser, dtype, compiled=False)
    found, model = trained(name, optimiser, dtype, compiled=True)
    assert found == wanted
    assert vars(model)["_compiled"].reasons == ["", ""], "training and evaluating"


def test_a_compiled_step_leaves_numpy_arrays_in_all_parameters() -> None:
    _, model = trained("residual network", "SGD", torch.float32, compiled=True)
    assert all(type(x._value) is np.ndarray for x in model.state_dict(keep_vars=True).values())
