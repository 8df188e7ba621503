"""The network of `torch_digits.py` in functional style: plain NumPy and one `value_and_grad`.

Parameters are a dictionary of arrays with the names of the other file's `state_dict`; the network
is a function of them, and training is a function from parameters to better parameters.

Run it with `python examples/digits_functional.py`. It needs NumPy and funcgrad.
"""

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import funcgrad

DATA = Path(__file__).parent / "data"


def load_digits(seed=0):
    """Images (n, 1, 8, 8) with values in 0..1 and their digits; a fifth is held out."""
    table = np.loadtxt(DATA / "digits.csv.gz", delimiter=",", skiprows=1, dtype=np.float32)
    table = np.random.default_rng(seed).permutation(table)
    images, digits = table[:, :-1].reshape(-1, 1, 8, 8) / 16, table[:, -1].astype(int)
    held_out = len(table) // 5
    return (images[held_out:], digits[held_out:]), (images[:held_out], digits[:held_out])


def convolve(images, weight, bias):
    """Convolution of (n, c, h, w) with kernels (k, c, 3, 3), padded by one: (n, k, h, w)."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))  # (n, c, h, w, 3, 3)
    result = np.tensordot(windows, weight, axes=((1, 4, 5), (1, 2, 3)))  # (n, h, w, k)
    return np.moveaxis(result + bias, -1, 1)


def pool(images):
    """The maximum of every square of 2 x 2."""
    n, c, h, w = images.shape
    return images.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def logits(p, images):
    """Unnormalised log-probabilities of the ten digits, (n, 10)."""
    x = pool(np.maximum(convolve(images, p["features.0.weight"], p["features.0.bias"]), 0))
    x = pool(np.maximum(convolve(x, p["features.3.weight"], p["features.3.bias"]), 0))
    return x.reshape(len(x), -1) @ p["classifier.2.weight"].T + p["classifier.2.bias"]


def cross_entropy(p, images, digits):
    """Mean of -log p(digit)."""
    z = logits(p, images)
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(digits)), digits].mean()


def gradient_of_one_batch(p, images, digits):
    """Gradient of the cross-entropy by every parameter."""
    return funcgrad.grad(cross_entropy)(p, images, digits)


def init_network(rng):
    """Parameters drawn from ±1 / √(number of inputs of a sum)."""
    shapes = {
        "features.0": (16, 1, 3, 3),
        "features.3": (32, 16, 3, 3),
        "classifier.2": (10, 128),
    }
    p = {}
    for name, shape in shapes.items():
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        p[f"{name}.weight"] = rng.uniform(-bound, bound, shape).astype(np.float32)
        p[f"{name}.bias"] = rng.uniform(-bound, bound, shape[0]).astype(np.float32)
    return p


def adam(p, gradient, state, rate, b1=0.9, b2=0.999, eps=1e-8):
    """One step of Adam; the state is the number of steps and two moments."""
    step, first, second = state
    step += 1
    tree_map = funcgrad.tree.map
    first = tree_map(lambda m, g: b1 * m + (1 - b1) * g, first, gradient)
    second = tree_map(lambda v, g: b2 * v + (1 - b2) * g * g, second, gradient)
    scale = rate * np.sqrt(1 - b2**step) / (1 - b1**step)

    def moved(x, m, v):
        return (x - scale * m / (np.sqrt(v) + eps)).astype(x.dtype)

    return tree_map(moved, p, first, second), (step, first, second)


def train(p, images, digits, held_out, rng, epochs=8, batch=64, rate=4e-3):
    """Adam with a cosine schedule; prints a line for every epoch."""
    loss_and_grad = funcgrad.value_and_grad(cross_entropy)
    zeros = funcgrad.tree.map(np.zeros_like, p)
    state = (0, zeros, zeros)
    for epoch in range(epochs):
        slowed = rate * (1 + np.cos(np.pi * epoch / epochs)) / 2
        order = rng.permutation(len(digits))
        for rows in np.split(order, range(batch, len(order), batch)):
            loss, gradient = loss_and_grad(p, images[rows], digits[rows])
            p, state = adam(p, gradient, state, slowed)
        right = np.mean(logits(p, held_out[0]).argmax(axis=1) == held_out[1])
        print(f"  epoch {epoch + 1}/{epochs}: loss {loss:.4f}, held-out accuracy {right:.1%}")
    return p, right


def main():
    """Train; return the accuracy on the images that were held out."""
    rng = np.random.default_rng(1)
    training, held_out = load_digits()
    _, right = train(init_network(rng), *training, held_out, rng)
    return {"accuracy": float(right)}


if __name__ == "__main__":
    main()
