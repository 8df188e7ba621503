"""Logistic regression by Newton's method: is a breast tumour malignant?

The model gives the probability p = 1 / (1 + exp(-(x·w + b))) that a tumour is benign, from 30
features of its cell nuclei. Its loss is convex, so Newton steps, w ← w - H⁻¹ ∇loss with the exact
Hessian H, reach the optimum to machine precision in fewer than ten steps. At the optimum, the
inverse Hessian is the covariance of the weights (Laplace's approximation of their posterior).

Run it with `python examples/logistic_newton.py`; it needs NumPy and funcgrad.
"""

from pathlib import Path

import numpy as np

import funcgrad

DATA = Path(__file__).parent / "data" / "breast_cancer.csv.gz"
PRIOR_DEVIATION = 1.0  # of a weight, before any tumour was seen; features have deviation 1


def load_tumours(seed=0):
    """Standardised features and labels (1: benign), a fifth held out, and the features' names."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    names = np.loadtxt(DATA, delimiter=",", max_rows=1, dtype=str)[:-1]
    table = np.random.default_rng(seed).permutation(table)
    held_out = len(table) // 5
    features, labels = table[:, :-1], table[:, -1]
    seen = features[held_out:]
    features = (features - seen.mean(axis=0)) / seen.std(axis=0)
    training = features[held_out:], labels[held_out:]
    return training, (features[:held_out], labels[:held_out]), names


def logits(weights, features):
    """Log-odds of being benign; the last weight is the intercept."""
    return features @ weights[:-1] + weights[-1]


def loss(weights, features, labels):
    """-log posterior: the cross-entropy of all labels, and a Gaussian prior as small ridge."""
    z = logits(weights, features)
    ridge = np.sum(weights[:-1] ** 2) / (2 * PRIOR_DEVIATION**2)
    return np.sum(np.logaddexp(0, z) - labels * z) + ridge


def newton(weights, features, labels, tolerance=1e-9, max_steps=20):
    """Minimise the loss; return the weights, their covariance and the number of steps."""
    value_and_grad = funcgrad.value_and_grad(loss)
    hessian = funcgrad.hessian(loss)
    for step in range(max_steps):
        value, gradient = value_and_grad(weights, features, labels)
        H = hessian(weights, features, labels)
        size = np.linalg.norm(gradient)
        print(f"  step {step}: loss {value:10.6f}, norm of the gradient {size:.1e}")
        if size < tolerance:
            return weights, np.linalg.inv(H), step
        weights = weights - np.linalg.solve(H, gradient)
    raise ArithmeticError(f"no convergence in {max_steps} steps: the gradient has norm {size:.1e}")


def main():
    """Fit and report; return the accuracy, the number of steps, the weights and their errors."""
    training, (features, labels), names = load_tumours()
    print(f"{len(training[1])} tumours to learn from, {len(labels)} held out")
    weights, covariance, steps = newton(np.zeros(len(names) + 1), *training)
    accuracy = np.mean((logits(weights, features) > 0) == labels)
    print(f"converged in {steps} steps; right for {accuracy:.1%} of the held-out tumours")

    errors = np.sqrt(np.diag(covariance))
    print("what tells most (weight of the standardised feature, with its standard error):")
    for i in np.argsort(-np.abs(weights[:-1] / errors[:-1]))[:5]:
        print(f"  {names[i]:24} {weights[i]:+.2f} +- {errors[i]:.2f}")
    return {"accuracy": accuracy, "steps": steps, "weights": weights, "errors": errors}


if __name__ == "__main__":
    main()
