"""Gaussian-process regression: which features of cell nuclei tell their fractal dimension?

The prior of the unknown function is a Gaussian process: values at x and x' have the covariance
k(x, x') = a² exp(-½ Σ (xᵢ - x'ᵢ)² / lᵢ²), with a length lᵢ for each feature, and measurements add
noise of variance s². How well the parameters explain the measurements y is their marginal
likelihood, and with the Cholesky factor L of K = k + s² 1

    -log p(y) = ½ |L⁻¹ y|² + Σ log Lᵢᵢ + ½ n log 2π.

Its gradient, through the factorisation, is what a quasi-Newton method needs to find the parameters.
A feature that does not matter gets a long length. The gradient is compared with the formula of
the textbooks, ½ tr((K⁻¹ - K⁻¹ y yᵀ K⁻¹) ∂K).

Run it with `python examples/gaussian_process.py`; it needs NumPy and funcgrad.
"""

from pathlib import Path

import numpy as np

import funcgrad

DATA = Path(__file__).parent / "data" / "breast_cancer.csv.gz"
TARGET = "mean_fractal_dimension"
FEATURES = ("mean_radius", "mean_texture", "mean_smoothness", "mean_compactness", "mean_symmetry")


def load_nuclei(seed=0, count=200):
    """Standardised features and target of some tumours to learn from, and of the others."""
    names = list(np.loadtxt(DATA, delimiter=",", max_rows=1, dtype=str))
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    table = np.random.default_rng(seed).permutation(table)
    table = (table - table[:count].mean(axis=0)) / table[:count].std(axis=0)
    x, y = table[:, [names.index(name) for name in FEATURES]], table[:, names.index(TARGET)]
    return (x[:count], y[:count]), (x[count:], y[count:])


def covariance(parameters, x, z):
    """k(x, z) for the rows of two tables."""
    lengths = np.exp(parameters["log lengths"])
    difference = (x[:, None, :] - z[None, :, :]) / lengths
    return np.exp(2 * parameters["log amplitude"] - np.sum(difference**2, axis=-1) / 2)


def whitened(parameters, x, y):
    """The Cholesky factor L of the covariance of the measurements, and L⁻¹ y."""
    noise = np.exp(2 * parameters["log noise"])
    factor = np.linalg.cholesky(covariance(parameters, x, x) + noise * np.eye(len(x)))
    return factor, np.linalg.solve(factor, y)


def loss(parameters, x, y):
    """-log p(y) of the measurements, the parameters given."""
    factor, white = whitened(parameters, x, y)
    return white @ white / 2 + np.sum(np.log(np.diag(factor))) + len(y) / 2 * np.log(2 * np.pi)


def textbook_gradient(parameters, x, y):
    """The gradient of the loss, by the formula with the inverse covariance."""
    k, noise = covariance(parameters, x, x), np.exp(2 * parameters["log noise"])
    inverse = np.linalg.inv(k + noise * np.eye(len(x)))
    weights = (inverse - np.outer(inverse @ y, inverse @ y)) / 2
    lengths = np.exp(parameters["log lengths"])
    squares = ((x[:, None, :] - x[None, :, :]) / lengths) ** 2
    return {
        "log amplitude": np.sum(weights * 2 * k),
        "log lengths": np.einsum("ij,ij,ijk->k", weights, k, squares),
        "log noise": np.trace(weights) * 2 * noise,
    }


def minimise(function, start, steps=100, tolerance=1e-3):
    """Minimise by the BFGS method: the inverse Hessian is learned from changes of the gradient."""
    flat, unravel = funcgrad.flatten_util.ravel_pytree(start)
    value_and_grad = funcgrad.value_and_grad(lambda flat: function(unravel(flat)))
    value, gradient = value_and_grad(flat)
    inverse = np.eye(len(flat)) / np.linalg.norm(gradient)
    for step in range(steps):
        size = np.max(np.abs(gradient))
        if step % 5 == 0 or size < tolerance:
            print(f"  step {step:2}: -log p = {value:8.3f}, largest slope {size:.1e}")
        if size < tolerance:
            return unravel(flat), step
        direction = -inverse @ gradient
        length = 1.0
        while True:
            moved = flat + length * direction
            new_value, new_gradient = value_and_grad(moved)
            if new_value < value + 1e-4 * length * gradient @ direction:
                break
            length /= 2
        move, change = moved - flat, new_gradient - gradient
        if move @ change > 0:
            shear = np.eye(len(flat)) - np.outer(move, change) / (move @ change)
            inverse = shear @ inverse @ shear.T + np.outer(move, move) / (move @ change)
        flat, value, gradient = moved, new_value, new_gradient
    raise ArithmeticError(f"no convergence in {steps} steps: the largest slope is {size:.1e}")


def predict(parameters, x, y, z):
    """Mean and standard deviation of the target for new rows z."""
    factor, white = whitened(parameters, x, y)
    across = np.linalg.solve(factor, covariance(parameters, x, z))
    variance = np.exp(2 * parameters["log amplitude"]) - np.sum(across**2, axis=0)
    return across.T @ white, np.sqrt(variance + np.exp(2 * parameters["log noise"]))


def main():
    """Fit and report; return the errors, the coverage and what the check of the gradient found."""
    (x, y), (new_x, new_y) = load_nuclei()
    start = {"log amplitude": 0.0, "log lengths": np.zeros(len(FEATURES)), "log noise": -1.0}
    print(f"{len(y)} tumours to learn from, {len(new_y)} held out")
    found, expected = funcgrad.grad(loss)(start, x, y), textbook_gradient(start, x, y)
    error = max(np.max(np.abs(found[key] - expected[key])) for key in start)
    print(f"the gradient through the Cholesky factor agrees with the textbook: {error:.1e}")

    parameters, steps = minimise(lambda parameters: loss(parameters, x, y), start)
    mean, deviation = predict(parameters, x, y, new_x)
    rms = np.sqrt(np.mean((mean - new_y) ** 2))
    inside = np.mean(np.abs(mean - new_y) < 2 * deviation)
    line = np.linalg.lstsq(x, y)[0]
    straight = np.sqrt(np.mean((new_x @ line - new_y) ** 2))
    print(f"{steps} steps; error of held-out tumours {rms:.3f} deviations ({straight:.3f} linear)")
    print(f"{inside:.1%} of them within two of the predicted deviations")
    lengths = np.exp(parameters["log lengths"])
    print(f"what tells the {TARGET} (lengths in deviations; a short one matters):")
    for i in np.argsort(lengths):
        print(f"  {FEATURES[i]:18} {lengths[i]:8.2f}")
    return {"error": error, "rms": rms, "linear": straight, "inside": inside, "lengths": lengths}


if __name__ == "__main__":
    main()
