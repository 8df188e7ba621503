"""Records what JAX and PyTorch compute for funcgrad.nn: `python tests/oracles/record_nn.py`.

Writes tests/data/nn_oracle.json: values, gradients and, from JAX, second derivatives, in float64,
with the versions they came from.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
import torch

TARGET = Path(__file__).resolve().parent.parent / "data" / "nn_oracle.json"
jax.config.update("jax_enable_x64", True)

POINTS = [-1000.0, -30.0, -5.5, -2.0, -1.0, -0.75, 0.0, 0.3, 1.0, 2.5, 6.0, 7.0, 30.0, 1000.0]
POSITIVE = [0.05, 0.5, 1.0, 2.25, 10.0, 1000.0]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
    "gelu exact": lambda x: jax.nn.gelu(x, approximate=False),
    "elu": jax.nn.elu,
    "elu 0.5": lambda x: jax.nn.elu(x, 0.5),
    "selu": jax.nn.selu,
    "celu 2": lambda x: jax.nn.celu(x, 2.0),
    "leaky_relu": jax.nn.leaky_relu,
    "leaky_relu 0.3": lambda x: jax.nn.leaky_relu(x, 0.3),
    "hard_tanh": jax.nn.hard_tanh,
    "log_sigmoid": jax.nn.log_sigmoid,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
}
GAMMA: dict[str, Callable[[Any], Any]] = {
    "lgamma": jax.scipy.special.gammaln,
    "digamma": jax.scipy.special.digamma,
}


def elementwise(f: Callable[[Any], Any], points: list[float]) -> dict[str, list[float]]:
    first = jax.grad(f)
    return {
        "x": points,
        "value": [float(f(x)) for x in points],
        "first": [float(first(x)) for x in points],
        "second": [float(jax.grad(first)(x)) for x in points],
    }


def of_arrays(f: Callable[..., Any], *args: np.ndarray) -> dict[str, Any]:
    """Value, and gradient of Σ cos(k) f_k by the first argument, from JAX."""
    out = f(*args)
    ct = jnp.cos(jnp.arange(out.size, dtype=float)).reshape(out.shape)
    gradient = jax.grad(lambda x: jnp.sum(ct * f(x, *args[1:])))(args[0])
    return {"value": np.asarray(out).tolist(), "gradient": np.asarray(gradient).tolist()}


def of_torch(f: Callable[..., Any], logits: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    z = torch.tensor(logits, requires_grad=True)
    y = torch.tensor(targets, requires_grad=targets.dtype.kind == "f")
    loss = f(z, y)
    active = [z, y] if y.requires_grad else [z]
    gradients = torch.autograd.grad(loss.sum(), active)
    return {
        "value": loss.detach().numpy().tolist(),
        "gradients": [g.numpy().tolist() for g in gradients],
    }


def main() -> None:
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(3, 4)) * 3, 3)
    x[1, 2] = 800.0
    b = np.round(rng.uniform(0.1, 2, size=(3, 4)), 3)
    where = rng.random((3, 4)) < 0.7
    probabilities = np.asarray(jax.nn.softmax(rng.normal(size=(3, 4))))
    binary = np.round(rng.random((3, 4)), 3)
    labels = np.array([0, 2, 3])
    weight, pos_weight = np.round(rng.uniform(0.5, 2, size=(2, 4)), 3)
    functional = torch.nn.functional
    arrays = {
        "softmax 0": of_arrays(lambda x: jax.nn.softmax(x, 0), x),
        "softmax -1": of_arrays(jax.nn.softmax, x),
        "softmax (0, 1)": of_arrays(lambda x: jax.nn.softmax(x, (0, 1)), x),
        "softmax where": of_arrays(lambda x: jax.nn.softmax(x, -1, where=where), x),
        "log_softmax -1": of_arrays(jax.nn.log_softmax, x),
        "logsumexp None": of_arrays(jax.nn.logsumexp, x),
        "logsumexp 0": of_arrays(lambda x: jax.nn.logsumexp(x, 0), x),
        "logsumexp 1 b": of_arrays(lambda x: jax.nn.logsumexp(x, 1, b=b), x),
        "logsumexp 1 keepdims": of_arrays(lambda x: jax.nn.logsumexp(x, 1, keepdims=True), x),
        "logsumexp 1 where": of_arrays(lambda x: jax.nn.logsumexp(x, 1, where=where), x),
    }
    losses = {}
    for reduction in ("mean", "sum", "none"):
        losses[f"bce {reduction}"] = of_torch(
            lambda z, y, r=reduction: functional.binary_cross_entropy_with_logits(
                z, y, reduction=r
            ),
            x,
            binary,
        )
        losses[f"bce weighted {reduction}"] = of_torch(
            lambda z, y, r=reduction: functional.binary_cross_entropy_with_logits(
                z,
                y,
                reduction=r,
                weight=torch.tensor(weight),
                pos_weight=torch.tensor(pos_weight),
            ),
            x,
            binary,
        )
        losses[f"soft {reduction}"] = of_torch(
            lambda z, y, r=reduction: functional.cross_entropy(z, y, reduction=r), x, probabilities
        )
        losses[f"integer {reduction}"] = of_torch(
            lambda z, y, r=reduction: functional.cross_entropy(z, y, reduction=r), x, labels
        )
    record = {
        "versions": {
            "jax": jax.__version__,
            "torch": torch.__version__,
            "scipy": scipy.__version__,
            "numpy": np.__version__,
        },
        "elementwise": {
            **{name: elementwise(f, POINTS) for name, f in ACTIVATIONS.items()},
            **{name: elementwise(f, POSITIVE) for name, f in GAMMA.items()},
        },
        "polygamma": {
            "n": [0, 1, 2, 5],
            "x": POSITIVE,
            "value": scipy.special.polygamma(np.array([[0], [1], [2], [5]]), POSITIVE).tolist(),
        },
        "inputs": {
            "x": x.tolist(),
            "b": b.tolist(),
            "where": where.tolist(),
            "probabilities": probabilities.tolist(),
            "binary": binary.tolist(),
            "labels": labels.tolist(),
            "weight": weight.tolist(),
            "pos_weight": pos_weight.tolist(),
        },
        "arrays": arrays,
        "losses": losses,
    }
    TARGET.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
