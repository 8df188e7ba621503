"""W1, W3, W6 and W11: layers of neural networks."""

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.workload import Data, Workload

Array = NDArray[Any]
Result = tuple[Any, tuple[Array, ...]]


# W1: the one-layer network of PyTorch's autograd tutorial.


def tutorial_data() -> Data:
    """Weights (5, 3), bias (3,); input (5,) and target (3,)."""
    rng = np.random.default_rng(0)
    return Data(
        params=(rng.normal(size=(5, 3)), rng.normal(size=3)),
        constants=(np.ones(5), np.zeros(3)),
    )


def tutorial(xp: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    """Binary cross-entropy with logits z: mean of max(z, 0) - z y + log(1 + exp(-|z|))."""
    z = x @ w + b
    return xp.mean(xp.maximum(z, 0.0) - z * y + xp.log1p(xp.exp(-xp.abs(z))))


def tutorial_torch(torch: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    """The same by PyTorch's fused loss."""
    return torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y)


def tutorial_nn(nn: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    """The same by funcgrad's fused loss."""
    return nn.bce_with_logits(x @ w + b, y)


def tutorial_by_hand(w: Array, b: Array, x: Array, y: Array) -> Result:
    """∂loss/∂z = (σ(z) - y) / n, with σ from exp(-|z|) alone."""
    z = x @ w + b
    e = np.exp(-np.abs(z))
    value = (np.maximum(z, 0.0) - z * y + np.log1p(e)).mean()
    s = 1.0 / (1.0 + e)
    dz = (np.where(z >= 0, s, 1.0 - s) - y) / z.size
    return value, (x[:, None] * dz, dz)


# W3: a multilayer perceptron.


def perceptron_data(sizes: tuple[int, ...], batch: int) -> Data:
    """Weights and bias of each layer; inputs (batch, first size), one-hot labels."""
    rng = np.random.default_rng(1)
    params: list[Array] = []
    for m, n in pairwise(sizes):
        params.append((rng.normal(size=(m, n)) / np.sqrt(m)).astype(np.float32))
        params.append(np.zeros(n, np.float32))
    x = rng.normal(size=(batch, sizes[0])).astype(np.float32)
    labels = np.eye(sizes[-1], dtype=np.float32)[rng.integers(0, sizes[-1], batch)]
    return Data(params=tuple(params), constants=(x, labels))


def perceptron(
    xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, x: Any, y: Any
) -> Any:
    """Two hidden layers with relu, then softmax cross-entropy against one-hot y."""
    h = xp.maximum(x @ W1 + b1, 0.0)
    h = xp.maximum(h @ W2 + b2, 0.0)
    z = h @ W3 + b3
    top = xp.max(z, axis=1, keepdims=True)
    log_norm = top[:, 0] + xp.log(xp.sum(xp.exp(z - top), axis=1))
    return xp.mean(log_norm - xp.sum(z * y, axis=1))


def perceptron_torch(
    torch: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, x: Any, y: Any
) -> Any:
    """The same by PyTorch's fused layers and loss."""
    h = torch.relu(torch.addmm(b1, x, W1))
    h = torch.relu(torch.addmm(b2, h, W2))
    return torch.nn.functional.cross_entropy(torch.addmm(b3, h, W3), y)


def perceptron_by_hand(
    W1: Array, b1: Array, W2: Array, b2: Array, W3: Array, b3: Array, x: Array, y: Array
) -> Result:
    """Backpropagation with every elementwise step in place."""
    h1 = x @ W1
    h1 += b1
    np.maximum(h1, 0, out=h1)
    h2 = h1 @ W2
    h2 += b2
    np.maximum(h2, 0, out=h2)
    z = h2 @ W3
    z += b3
    top = z.max(axis=1, keepdims=True)
    dz = np.exp(z - top)
    norm = dz.sum(axis=1, keepdims=True)
    value = (top[:, 0] + np.log(norm[:, 0]) - (z * y).sum(axis=1)).mean()

    dz /= norm
    dz -= y
    dz *= np.float32(1 / len(x))
    dh2 = dz @ W3.T
    dh2 *= h2 > 0
    dh1 = dh2 @ W2.T
    dh1 *= h1 > 0
    gradient = (
        x.T @ dh1,
        dh1.sum(axis=0),
        h1.T @ dh2,
        dh2.sum(axis=0),
        h2.T @ dz,
        dz.sum(axis=0),
    )
    return value, gradient


# W6: a recurrent network. Its cotangents shrink by a third a step and are subnormal in float32
# from the 160th step back, which some processors compute with many times more slowly (JAX rounds
# them to zero, the others do not). W6n is the same with larger recurrent weights and normal
# numbers throughout.


def recurrent_data(steps: int, batch: int, inputs: int, hidden: int, recurrence: float) -> Data:
    """Weights (inputs, hidden) and (hidden, hidden), bias; sequence and first state."""
    rng = np.random.default_rng(4)
    xs = rng.normal(size=(steps, batch, inputs)).astype(np.float32)
    Wx = (rng.normal(size=(inputs, hidden)) * 0.1).astype(np.float32)
    Wh = (rng.normal(size=(hidden, hidden)) * recurrence).astype(np.float32)
    return Data(
        params=(Wx, Wh, np.zeros(hidden, np.float32)),
        constants=(xs, np.zeros((batch, hidden), np.float32)),
    )


def recurrent(xp: Any, Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
    """h ← tanh(x_t Wx + h Wh + b) for every step t, then mean h²."""
    for t in range(len(xs)):
        h = xp.tanh(xs[t] @ Wx + h @ Wh + b)
    return xp.mean(h * h)


def recurrent_scan(scan: Any, xp: Any, Wx: Any, Wh: Any, b: Any, xs: Any, h: Any) -> Any:
    """The same with the loop as one operation."""

    def step(h: Any, x: Any) -> Any:
        return xp.tanh(x @ Wx + h @ Wh + b), None

    h, _ = scan(step, h, xs)
    return xp.mean(h * h)


def recurrent_by_hand(Wx: Array, Wh: Array, b: Array, xs: Array, h: Array) -> Result:
    """Backpropagation through time, a step at a time."""
    states = [h]
    for x in xs:
        h = x @ Wx
        h += states[-1] @ Wh
        h += b
        np.tanh(h, out=h)
        states.append(h)
    value = (h * h).mean()

    ct = h * np.float32(2 / h.size)
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    for t in reversed(range(len(xs))):
        h = states[t + 1]
        ct *= 1 - h * h
        dWx += xs[t].T @ ct
        dWh += states[t].T @ ct
        db += ct.sum(axis=0)
        ct = ct @ Wh.T
    return value, (dWx, dWh, db)


# W11: self-attention with one head.


def attention_data(batch: int, length: int, width: int) -> Data:
    """Input (batch, length, width) and four matrices (width, width)."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(batch, length, width)).astype(np.float32)
    matrices = ((rng.normal(size=(width, width)) / 8).astype(np.float32) for _ in range(4))
    return Data(params=(x, *matrices))


def attention(xp: Any, x: Any, Wq: Any, Wk: Any, Wv: Any, Wo: Any) -> Any:
    """Mean of o², o = softmax(q kᵀ / 8) v Wo."""
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    scores = xp.matmul(q, xp.swapaxes(k, 1, 2)) * 0.125
    weights = xp.exp(scores - xp.max(scores, axis=2, keepdims=True))
    weights = weights / xp.sum(weights, axis=2, keepdims=True)
    out = xp.matmul(xp.matmul(weights, v), Wo)
    return xp.mean(out * out)


def attention_torch(torch: Any, x: Any, Wq: Any, Wk: Any, Wv: Any, Wo: Any) -> Any:
    """The same by PyTorch's softmax and batched product."""
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    weights = torch.softmax(torch.bmm(q, k.transpose(1, 2)) * 0.125, 2)
    out = torch.bmm(weights, v) @ Wo
    return (out * out).mean()


def attention_by_hand(x: Array, Wq: Array, Wk: Array, Wv: Array, Wo: Array) -> Result:
    """One product for q, k and v, one for their gradients; softmax in place."""
    batch, length, width = x.shape
    rows = x.reshape(-1, width)
    Wqkv = np.concatenate([Wq, Wk, Wv], axis=1)
    qkv = (rows @ Wqkv).reshape(batch, length, 3 * width)
    q, k, v = qkv[..., :width], qkv[..., width : 2 * width], qkv[..., 2 * width :]
    p = q @ k.mT
    p *= np.float32(0.125)
    p -= p.max(axis=2, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=2, keepdims=True)
    mixed = p @ v
    mixed_rows = mixed.reshape(-1, width)
    out = mixed_rows @ Wo
    value = np.vdot(out, out) / out.size

    out *= np.float32(2 / out.size)
    dWo = mixed_rows.T @ out
    dmixed = (out @ Wo.T).reshape(x.shape)
    dqkv = np.empty_like(qkv)
    np.matmul(p.mT, dmixed, out=dqkv[..., 2 * width :])
    ds = dmixed @ v.mT
    ds -= (dmixed * mixed).sum(axis=2, keepdims=True)
    ds *= p
    ds *= np.float32(0.125)
    np.matmul(ds, k, out=dqkv[..., :width])
    np.matmul(ds.mT, q, out=dqkv[..., width : 2 * width])
    dqkv_rows = dqkv.reshape(-1, 3 * width)
    dW = rows.T @ dqkv_rows
    dx = (dqkv_rows @ Wqkv.T).reshape(x.shape)
    return value, (dx, dW[:, :width], dW[:, width : 2 * width], dW[:, 2 * width :], dWo)


NETWORKS = (
    Workload(
        name="W1",
        title="one layer, BCE with logits",
        data=tutorial_data,
        small=tutorial_data,
        loss=tutorial,
        hand=tutorial_by_hand,
        torch_loss=tutorial_torch,
        nn_loss=tutorial_nn,
    ),
    Workload(
        name="W3",
        title="MLP 784-512-256-10, batch 128, float32",
        data=partial(perceptron_data, sizes=(784, 512, 256, 10), batch=128),
        small=partial(perceptron_data, sizes=(7, 6, 5, 4), batch=3),
        loss=perceptron,
        hand=perceptron_by_hand,
        tolerance=2e-3,
        torch_loss=perceptron_torch,
    ),
    *(
        Workload(
            name=name,
            title=title,
            data=partial(
                recurrent_data, steps=200, batch=16, inputs=32, hidden=64, recurrence=recurrence
            ),
            small=partial(
                recurrent_data, steps=4, batch=2, inputs=3, hidden=5, recurrence=recurrence
            ),
            loss=recurrent,
            hand=recurrent_by_hand,
            tolerance=5e-3,
            scan_loss=recurrent_scan,
        )
        for name, title, recurrence in (
            ("W6", "tanh RNN, 200 steps, 64 hidden, batch 16, float32", 0.1),
            ("W6n", "W6 without subnormal numbers", 0.15),
        )
    ),
    Workload(
        name="W11",
        title="self-attention, 8 × 128 × 64, float32",
        data=partial(attention_data, batch=8, length=128, width=64),
        small=partial(attention_data, batch=2, length=3, width=4),
        loss=attention,
        hand=attention_by_hand,
        tolerance=5e-3,
        torch_loss=attention_torch,
    ),
)
