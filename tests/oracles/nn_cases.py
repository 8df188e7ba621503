"""Neural networks and special functions: a table of functions and points."""

import numpy as np

from tests.oracles.points import (
    COLUMNS,
    MASK,
    D,
    Table,
    distinct,
    draw,
)

__all__ = ["NN"]

# --- neural networks and special functions ----------------------------------------------------

LOGITS = draw(3, 4, low=-4, high=4, seed=3)
ALPHAS = draw(3, 1, low=0.4, high=2)
NN: Table = {
    name: (lambda xp, x, name=name: getattr(xp.nn, name)(x), distinct(8, seed=seed) * 2)
    for seed, name in enumerate(
        [
            "relu",
            "relu6",
            "sigmoid",
            "log_sigmoid",
            "softplus",
            "silu",
            "swish",
            "gelu",
            "elu",
            "selu",
            "celu",
            "leaky_relu",
            "hard_tanh",
            "erf",
            "erfc",
            "expit",
            "softmax",
            "log_softmax",
            "logsumexp",
        ]
    )
}
NN |= {
    "gelu exact": (lambda xp, x: xp.nn.gelu(x, approximate=False), D * 2),
    "elu 0.5": (lambda xp, x: xp.nn.elu(x, 0.5), D * 2),
    "celu 2": (lambda xp, x: xp.nn.celu(x, 2.0), D * 2),
    "leaky_relu 0.3": (lambda xp, x: xp.nn.leaky_relu(x, 0.3), D * 2),
    "elu of alpha": (lambda xp, x, a: xp.nn.elu(x, a), D * 2, draw(low=0.5)),
    "celu of alpha": (lambda xp, x, a: xp.nn.celu(x, a), D * 2, draw(6, low=0.5)),
    "leaky_relu of slope": (lambda xp, x, a: xp.nn.leaky_relu(x, a), D * 2, draw(low=0.1)),
    "elu of each alpha": (lambda xp, x, a: xp.nn.elu(x, a), D * 2, ALPHAS),
    "celu of each alpha": (lambda xp, x, a: xp.nn.celu(x, a), D * 2, ALPHAS),
    "leaky_relu of each slope": (lambda xp, x, a: xp.nn.leaky_relu(x, a), D * 2, ALPHAS / 4),
    "elu of one number": (lambda xp, x, a: xp.nn.elu(x, a), np.array(-0.7), np.array(1.3)),
    "celu of one number": (lambda xp, x, a: xp.nn.celu(x, a), np.array(-0.7), np.array(1.3)),
    "leaky_relu of one number": (
        lambda xp, x, a: xp.nn.leaky_relu(x, a),
        np.array(-0.7),
        np.array(0.2),
    ),
    "learnt activations": (
        lambda xp, x, a: xp.nn.leaky_relu(xp.nn.elu(xp.nn.celu(x, a[0]), a[1]), a[2] ** 2),
        LOGITS,
        np.array([0.7, 1.3, 0.4]),
    ),
    "relu6 hard_tanh inside": (lambda xp, x: xp.nn.relu6(x + 3) * xp.nn.hard_tanh(x / 3), LOGITS),
    "softmax axis": (lambda xp, x: xp.nn.softmax(x, axis=0), LOGITS),
    "softmax axes": (lambda xp, x: xp.nn.softmax(x, axis=(0, 1)), LOGITS),
    "log_softmax axis": (lambda xp, x: xp.nn.log_softmax(x, axis=0), LOGITS),
    "softmax where": (lambda xp, x: xp.nn.softmax(x, axis=0, where=MASK), LOGITS),
    "logsumexp axis": (lambda xp, x: xp.nn.logsumexp(x, axis=1, keepdims=True), LOGITS),
    "logsumexp b": (
        lambda xp, x, b: xp.nn.logsumexp(x, axis=1, b=b),
        LOGITS,
        draw(3, 4, low=0.5, high=2),
    ),
    "large logits": (lambda xp, x: xp.nn.log_softmax(x * 100), LOGITS),
    "cross-entropy": (
        lambda xp, x: -xp.mean(xp.take_along_axis(xp.nn.log_softmax(x), COLUMNS[:, None], axis=1)),
        LOGITS,
    ),
    "layer": (
        lambda xp, w, b, x: xp.nn.gelu(x @ w + b) @ w.T,
        draw(4, 2),
        draw(2),
        LOGITS,
    ),
    "softmax of a product": (lambda xp, x, y: xp.nn.softmax(x * y), LOGITS, draw(4)),
    "logsumexp over all": (lambda xp, x: xp.nn.logsumexp(x), LOGITS),
    "logsumexp axes": (lambda xp, x: xp.nn.logsumexp(x, axis=(0, 1), keepdims=True), LOGITS),
    "logsumexp signed": (
        lambda xp, x, b: xp.nn.logsumexp(x, axis=1, b=b, return_sign=True)[0],
        LOGITS,
        draw(3, 4, seed=4),
    ),
    "lgamma": (lambda xp, x: xp.nn.lgamma(x), draw(6, low=0.1, high=20)),
    "digamma": (lambda xp, x: xp.nn.digamma(x), draw(6, low=0.1, high=20)),
    "polygamma 1": (lambda xp, x: xp.nn.polygamma(1, x), draw(6, low=0.1, high=20)),
    "polygamma 2": (lambda xp, x: xp.nn.polygamma(2, x), draw(6, low=0.1, high=20)),
}
