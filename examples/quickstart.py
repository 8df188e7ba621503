"""A first look at funcgrad: a gradient, a small network, and how to know that both are right.

1. One layer with the binary cross-entropy of its logits, differentiated by weights and bias.
2. A network that learns to read handwritten digits.
3. A check of its gradient against finite differences, and a Hessian-vector product.

Run it with `python examples/quickstart.py`. It needs NumPy and funcgrad, and takes a few seconds.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

import funcgrad
from funcgrad.testing import check_grads

DATA = Path(__file__).parent / "data"


# 1. One layer ---------------------------------------------------------------------------------


def binary_cross_entropy(logits, labels):
    """Mean of -log p(label), where p(1) = 1 / (1 + exp(-logit)); right for logits of any size."""
    return np.mean(np.logaddexp(0, logits) - labels * logits)


def one_layer():
    """Gradients by the weights (5, 3) and the bias (3,) of one layer."""
    x, y = np.ones(5), np.zeros(3)
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(5, 3)), rng.normal(size=3)

    def loss_fn(w, b):
        return binary_cross_entropy(x @ w + b, y)

    w_grad, b_grad = funcgrad.grad(loss_fn, argnums=(0, 1))(w, b)
    print(f"loss {loss_fn(w, b):.4f}")
    print(f"gradient by w:\n{w_grad}")
    print(f"gradient by b:\n{b_grad}")

    # By hand: the loss has derivative (p - y) / 3 by the logits.
    by_logits = (1 / (1 + np.exp(-(x @ w + b))) - y) / 3
    error = max(np.abs(w_grad - np.outer(x, by_logits)).max(), np.abs(b_grad - by_logits).max())
    print(f"largest difference from the formula: {error:.0e}")
    return error


# 2. Handwritten digits ------------------------------------------------------------------------


def load_digits(seed=0):
    """Images as rows of 64 grey values in 0..1 with their digits; a fifth is held out."""
    table = np.loadtxt(DATA / "digits.csv.gz", delimiter=",", skiprows=1)
    table = np.random.default_rng(seed).permutation(table)
    images, digits = table[:, :-1] / 16, table[:, -1].astype(int)
    held_out = len(table) // 5
    return (images[held_out:], digits[held_out:]), (images[:held_out], digits[:held_out])


def init_network(sizes, rng):
    """One dict of weights and bias for each layer; parameters may be any nested containers."""
    return [
        {"w": rng.normal(scale=np.sqrt(1 / m), size=(m, n)), "b": np.zeros(n)}
        for m, n in pairwise(sizes)
    ]


def logits(network, images):
    """Unnormalised log-probabilities of the ten digits, (n, 10)."""
    *hidden, last = network
    for layer in hidden:
        images = np.tanh(images @ layer["w"] + layer["b"])
    return images @ last["w"] + last["b"]


def cross_entropy(network, images, digits):
    """Mean of -log p(digit): the log of the softmax, written so that it cannot overflow."""
    z = logits(network, images)
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(digits)), digits])


def accuracy(network, images, digits):
    """Fraction of the images that are read right."""
    return np.mean(logits(network, images).argmax(axis=1) == digits)


def show_progress(done, total, message):
    """A bar that redraws itself on a terminal; a few lines where the output goes to a file."""
    on_terminal = sys.stdout.isatty()
    if on_terminal or done == total or done % max(1, total // 8) == 0:
        bar = "#" * (24 * done // total)
        end = "\r" if on_terminal and done < total else "\n"
        print(f"  epoch {done:2d}/{total} [{bar:.<24}] {message}", end=end, flush=True)


def train(network, images, digits, held_out, rng, epochs=40, batch=64, rate=0.2, momentum=0.9):
    """Stochastic gradient descent with momentum."""
    loss_and_grad = funcgrad.value_and_grad(cross_entropy)
    velocity = funcgrad.tree.map(np.zeros_like, network)
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(digits))
        for rows in np.split(order, range(batch, len(order), batch)):
            loss, gradient = loss_and_grad(network, images[rows], digits[rows])
            velocity = funcgrad.tree.map(lambda v, g: momentum * v - rate * g, velocity, gradient)
            network = funcgrad.tree.map(np.add, network, velocity)
        right = accuracy(network, *held_out)
        show_progress(epoch, epochs, f"loss {loss:.4f}, held-out accuracy {right:.1%}")
    return network


# 3. Trust -------------------------------------------------------------------------------------


def check(network, images, digits, rng):
    """Compare the loss's derivatives with finite differences; return v·Hv for a direction v."""

    def loss(network):
        return cross_entropy(network, images, digits)

    check_grads(loss, (network,), order=2, modes=("fwd", "rev"))
    print("first and second derivatives agree with finite differences, in both modes")

    direction = funcgrad.tree.map(lambda p: rng.normal(size=p.shape), network)
    curved = funcgrad.hvp(loss, (network,), (direction,))
    flat, _ = funcgrad.ravel_pytree(direction)
    flat_curved, _ = funcgrad.ravel_pytree(curved)
    curvature = flat @ flat_curved
    print(f"Hessian-vector product: norm {np.linalg.norm(flat_curved):.4f}, v.Hv = {curvature:.4f}")
    return curvature


def main():
    """Run the three parts; return the first one's error, the accuracy and the curvature."""
    print("1. one layer, differentiated in plain NumPy")
    error = one_layer()

    print("\n2. a network learns to read handwritten digits")
    rng = np.random.default_rng(1)
    training, held_out = load_digits()
    network = train(init_network([64, 64, 10], rng), *training, held_out, rng)
    right = accuracy(network, *held_out)
    print(f"read right: {right:.1%} of {len(held_out[1])} images that it had not seen")

    print("\n3. is the gradient right, and how curved is the loss?")
    curvature = check(init_network([64, 64, 10], rng), training[0][:100], training[1][:100], rng)
    return {"error": error, "accuracy": right, "curvature": curvature}


if __name__ == "__main__":
    main()
