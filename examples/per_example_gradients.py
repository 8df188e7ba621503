"""Per-example gradients with `vmap(grad(f))`: which handwritten digits teach a network most?

The gradient of a mean loss hides what each example contributes. `vmap(grad(loss))` gives them all
in one pass over arrays. Their norms show which examples are hard; the trace of their covariance
over the squared norm of their mean is the gradient noise scale, the batch size at which noise and
signal of a gradient step are equal (McCandlish, Kaplan, Amodei, 2018).

Run it with `python examples/per_example_gradients.py`; it needs NumPy and funcgrad.
"""

import time
from pathlib import Path

import numpy as np

import funcgrad
from funcgrad import tree

DATA = Path(__file__).parent / "data" / "digits.csv.gz"
SHADES = " .:-=+*#@"


def load_digits():
    """Images as rows of 64 grey values in 0..1, and their digits."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    return table[:, :-1] / 16, table[:, -1].astype(int)


def loss(parameters, image, digit):
    """-log p(digit) of ONE image, from a network with one hidden layer."""
    hidden = np.tanh(image @ parameters["w1"] + parameters["b1"])
    z = hidden @ parameters["w2"] + parameters["b2"]
    z = z - np.max(z)
    return np.log(np.sum(np.exp(z))) - z[digit]


def train(parameters, images, digits, steps=100, rate=0.5):
    """Gradient descent on the mean loss; the loss of one example is mapped over all of them."""

    def mean_loss(parameters):
        return np.mean(funcgrad.vmap(loss, in_axes=(None, 0, 0))(parameters, images, digits))

    gradient = funcgrad.grad(mean_loss)
    for _ in range(steps):
        parameters = tree.map(lambda p, g: p - rate * g, parameters, gradient(parameters))
    return parameters


def as_rows(gradients):
    """Gradients of n examples, a pytree of arrays (n, ...), as one matrix (n, parameters)."""
    return np.concatenate([g.reshape(len(g), -1) for g in tree.leaves(gradients)], axis=1)


def noise_scale(rows):
    """Trace of the covariance of per-example gradients over the squared norm of their mean."""
    return np.sum(rows.var(axis=0, ddof=1)) / np.sum(rows.mean(axis=0) ** 2)


def drawing(image):
    """The 8×8 image in characters, two for a pixel."""
    shades = (image.reshape(8, 8) * (len(SHADES) - 1)).round().astype(int)
    return "\n".join("    " + "".join(2 * SHADES[shade] for shade in row) for row in shades)


def main():
    """Train, map, compare with a loop; return the norms, the digits and how they compare."""
    images, digits = load_digits()
    rng = np.random.default_rng(0)
    parameters = {
        "w1": rng.normal(scale=1 / 8, size=(64, 32)),
        "b1": np.zeros(32),
        "w2": rng.normal(scale=1 / 6, size=(32, 10)),
        "b2": np.zeros(10),
    }
    parameters = train(parameters, images, digits)

    one_gradient = funcgrad.grad(loss)
    start = time.perf_counter()
    mapped = as_rows(funcgrad.vmap(one_gradient, in_axes=(None, 0, 0))(parameters, images, digits))
    seconds_mapped = time.perf_counter() - start

    start = time.perf_counter()
    each = [one_gradient(parameters, x, digit) for x, digit in zip(images, digits, strict=True)]
    seconds_looped = time.perf_counter() - start
    looped = as_rows(tree.map(lambda *gradients: np.stack(gradients), *each))

    difference = np.abs(mapped - looped).max()
    print(f"{len(mapped)} gradients by {mapped.shape[1]} parameters each")
    print(f"  vmap {seconds_mapped:.3f} s, loop {seconds_looped:.3f} s")
    print(f"  largest difference {difference:.0e}")

    norms = np.linalg.norm(mapped, axis=1)
    print("mean norm of the gradient, digit by digit:")
    for digit in range(10):
        mean = norms[digits == digit].mean()
        print(f"  {digit}  {mean:.3f} {'#' * round(20 * mean)}")
    scale = noise_scale(mapped)
    print(f"gradient noise scale: {scale:.0f} examples")

    hardest = norms.argmax()
    print(f"the largest gradient, {norms[hardest]:.1f}, is that of this {digits[hardest]}:")
    print(drawing(images[hardest]))
    return {
        "norms": norms,
        "digits": digits,
        "difference": difference,
        "noise_scale": scale,
        "seconds": (seconds_mapped, seconds_looped),
    }


if __name__ == "__main__":
    main()
