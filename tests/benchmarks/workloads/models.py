"""W4, W5 and W9: large arrays, where memory traffic and matrix products are what is measured."""

from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.workload import Data, Workload

Array = NDArray[Any]
Result = tuple[Any, tuple[Any, ...]]


# W4: prices of European call options (Black and Scholes 1973), the normal distribution function
# by its tanh form (Page 1977): Φ(x) ≈ (1 + tanh(a (x + b x³))) / 2.

PAGE_A = 0.7978845608028654  # sqrt(2 / π)
PAGE_B = 0.044715


def options_data(n: int) -> Data:
    """Spot, strike, time, rate and volatility, each (n,)."""
    rng = np.random.default_rng(2)
    ranges = ((80, 120), (80, 120), (0.2, 2), (0.01, 0.1), (0.1, 0.5))
    return Data(params=tuple(rng.uniform(low, high, n) for low, high in ranges))


def options(xp: Any, S: Any, K: Any, T: Any, r: Any, sigma: Any) -> Any:
    """Σ S Φ(d₁) - K exp(-r T) Φ(d₂)."""

    def normal_cdf(x: Any) -> Any:
        return 0.5 * (1.0 + xp.tanh(PAGE_A * (x + PAGE_B * (x * x * x))))

    spread = sigma * xp.sqrt(T)
    d1 = (xp.log(S / K) + (r + 0.5 * (sigma * sigma)) * T) / spread
    d2 = d1 - spread
    return xp.sum(S * normal_cdf(d1) - K * xp.exp(-r * T) * normal_cdf(d2))


def _cdf_and_density(x: Array) -> tuple[Array, Array]:
    """Φ(x) in its tanh form, and its derivative."""
    square = x * x
    t = np.tanh(PAGE_A * x * (1 + PAGE_B * square))
    return 0.5 * (1 + t), 0.5 * (1 - t * t) * PAGE_A * (1 + 3 * PAGE_B * square)


def options_by_hand(S: Array, K: Array, T: Array, r: Array, sigma: Array) -> Result:
    """Through d₁ = numerator / spread and d₂ = d₁ - spread."""
    root = np.sqrt(T)
    spread = sigma * root
    drift = r + 0.5 * (sigma * sigma)
    d1 = (np.log(S / K) + drift * T) / spread
    cdf1, density1 = _cdf_and_density(d1)
    cdf2, density2 = _cdf_and_density(d1 - spread)
    discount = np.exp(-r * T)
    owed = K * discount
    owed_cdf2 = owed * cdf2
    value = (S * cdf1 - owed_cdf2).sum()

    ct_d2 = -owed * density2
    ct_d1 = S * density1 + ct_d2
    ct_numerator = ct_d1 / spread
    ct_spread = -ct_d2 - ct_numerator * d1
    ct_drift = ct_numerator * T
    gradient = (
        cdf1 + ct_numerator / S,
        -discount * cdf2 - ct_numerator / K,
        r * owed_cdf2 + ct_numerator * drift + 0.5 * ct_spread * sigma / root,
        T * owed_cdf2 + ct_drift,
        ct_drift * sigma + ct_spread * root,
    )
    return value, gradient


# W5: logistic regression.


def logistic_data(n: int, features: int) -> Data:
    """Weights (features,), bias; rows (n, features), labels (n,)."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, features))
    y = (rng.uniform(size=n) < 0.5) * 1.0
    return Data(params=(rng.normal(size=features) * 0.1, np.float64(0.1)), constants=(X, y))


def logistic(xp: Any, w: Any, b: Any, X: Any, y: Any) -> Any:
    """Mean negative log-likelihood of labels y under logits X w + b."""
    z = X @ w + b
    return xp.mean(xp.maximum(z, 0.0) + xp.log1p(xp.exp(-xp.abs(z))) - y * z)


def logistic_torch(torch: Any, w: Any, b: Any, X: Any, y: Any) -> Any:
    """The same by PyTorch's fused loss."""
    return torch.nn.functional.binary_cross_entropy_with_logits(X @ w + b, y)


def logistic_by_hand(w: Array, b: Array, X: Array, y: Array) -> Result:
    """∂/∂w = Xᵀ (σ(z) - y) / n."""
    z = X @ w
    z += b
    e = np.exp(-np.abs(z))
    value = (np.maximum(z, 0) + np.log1p(e) - y * z).mean()
    dz = np.where(z >= 0, 1.0, e) / (1 + e)
    dz -= y
    dz /= len(y)
    return value, (dz @ X, dz.sum())


# W9: log-likelihood of a Gaussian mixture with a Wishart prior, as in ADBench: component k has
# weight α_k, mean μ_k, and Q_k, lower triangular, a Cholesky factor of its inverse covariance:
# exp(l_k[:d]) on the diagonal and l_k[d:] below it, row by row.


@cache
def _below_diagonal(d: int) -> tuple[Array, Array]:
    return np.tril_indices(d, -1)


def mixture_data(n: int, d: int, components: int) -> Data:
    """α (k,), μ (k, d), l (k, d (d + 1) / 2); points (n, d), the embedding of l[d:], identity."""
    rng = np.random.default_rng(7)
    rows, columns = _below_diagonal(d)
    embedding = np.zeros((len(rows), d * d))
    embedding[np.arange(len(rows)), rows * d + columns] = 1.0
    alpha = rng.normal(size=components)
    mu = rng.normal(size=(components, d))
    factors = rng.normal(size=(components, d * (d + 1) // 2)) * 0.3
    return Data(
        params=(alpha, mu, factors), constants=(rng.normal(size=(n, d)), embedding, np.eye(d))
    )


def mixture(xp: Any, alpha: Any, mu: Any, factors: Any, X: Any, embedding: Any, eye: Any) -> Any:
    """Σ_i log Σ_k exp(α_k + log det Q_k - |Q_k (x_i - μ_k)|²/2) - n log Σ exp α + prior."""
    k, (n, d) = alpha.shape[0], X.shape
    logs, below = factors[:, :d], factors[:, d:]
    diagonal = xp.exp(logs)
    log_det = xp.sum(logs, axis=1)
    Q = xp.reshape(below @ embedding, (k, d, d)) + xp.reshape(diagonal, (k, d, 1)) * eye
    centred = X - xp.reshape(mu, (k, 1, d))
    whitened = xp.matmul(centred, xp.swapaxes(Q, 1, 2))
    terms = xp.reshape(alpha + log_det, (k, 1)) - 0.5 * xp.sum(whitened * whitened, axis=2)
    top = xp.max(terms, axis=0, keepdims=True)
    likelihood = xp.sum(xp.log(xp.sum(xp.exp(terms - top), axis=0)) + top[0])
    alpha_top = xp.max(alpha, axis=0, keepdims=True)
    norm = xp.log(xp.sum(xp.exp(alpha - alpha_top))) + alpha_top[0]
    prior = 0.5 * (xp.sum(diagonal * diagonal) + xp.sum(below * below)) - xp.sum(log_det)
    return likelihood - n * norm + prior


def mixture_torch(
    torch: Any, alpha: Any, mu: Any, factors: Any, X: Any, embedding: Any, _eye: Any
) -> Any:
    """The same by PyTorch's logsumexp, bmm and diag_embed."""
    k, (n, d) = alpha.shape[0], X.shape
    logs, below = factors[:, :d], factors[:, d:]
    diagonal = torch.exp(logs)
    log_det = logs.sum(1)
    Q = (below @ embedding).reshape(k, d, d) + torch.diag_embed(diagonal)
    whitened = torch.bmm(X - mu[:, None], Q.transpose(1, 2))
    terms = (alpha + log_det)[:, None] - 0.5 * (whitened * whitened).sum(2)
    prior = 0.5 * ((diagonal * diagonal).sum() + (below * below).sum()) - log_det.sum()
    return torch.logsumexp(terms, 0).sum() - n * torch.logsumexp(alpha, 0) + prior


def mixture_by_hand(
    alpha: Array, mu: Array, factors: Array, X: Array, _embedding: Array, _eye: Array
) -> Result:
    """Through the responsibilities (k, n) of the components for the points."""
    k, (n, d) = len(alpha), X.shape
    rows, columns = _below_diagonal(d)
    on_diagonal = np.arange(d)
    logs, below = factors[:, :d], factors[:, d:]
    diagonal = np.exp(logs)
    log_det = logs.sum(axis=1)
    Q = np.zeros((k, d, d))
    Q[:, rows, columns] = below
    Q[:, on_diagonal, on_diagonal] = diagonal
    centred = X - mu[:, None]
    whitened = centred @ Q.mT
    share = np.einsum("kni,kni->kn", whitened, whitened)
    share *= -0.5
    share += (alpha + log_det)[:, None]
    top = share.max(axis=0)
    share -= top
    np.exp(share, out=share)
    total = share.sum(axis=0)
    share /= total
    alpha_top = alpha.max()
    weights = np.exp(alpha - alpha_top)
    weight_sum = weights.sum()
    prior = 0.5 * ((diagonal * diagonal).sum() + (below * below).sum()) - log_det.sum()
    value = (np.log(total) + top).sum() - n * (np.log(weight_sum) + alpha_top) + prior

    share_sum = share.sum(axis=1)
    whitened *= -share[:, :, None]
    dQ = whitened.mT @ centred
    dmu = -(whitened.sum(axis=1)[:, None, :] @ Q)[:, 0]
    dfactors = np.empty_like(factors)
    dfactors[:, d:] = dQ[:, rows, columns] + below
    dfactors[:, :d] = (dQ[:, on_diagonal, on_diagonal] + diagonal) * diagonal
    dfactors[:, :d] += share_sum[:, None] - 1
    return value, (share_sum - n * weights / weight_sum, dmu, dfactors)


MODELS = (
    Workload(
        name="W4",
        title="Black-Scholes, 1,000,000 options",
        data=partial(options_data, 1_000_000),
        small=partial(options_data, 7),
        loss=options,
        hand=options_by_hand,
    ),
    Workload(
        name="W5",
        title="logistic regression, 100,000 × 100",
        data=partial(logistic_data, n=100_000, features=100),
        small=partial(logistic_data, n=9, features=4),
        loss=logistic,
        hand=logistic_by_hand,
        torch_loss=logistic_torch,
    ),
    Workload(
        name="W9",
        title="Gaussian mixture, d = 10, K = 25, n = 1000",
        data=partial(mixture_data, n=1000, d=10, components=25),
        small=partial(mixture_data, n=6, d=3, components=2),
        loss=mixture,
        hand=mixture_by_hand,
        tolerance=1e-7,
        torch_loss=mixture_torch,
    ),
)
