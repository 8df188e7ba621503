"""Densities and distribution functions are SciPy's."""

from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch

T = torch.distributions
PLACES = np.array([0.07, 0.3, 0.52, 0.81, 0.95])
COUNTS = np.array([0.0, 1.0, 2.0, 5.0])


def made(stats: Any) -> dict[str, tuple[Any, Any, np.ndarray]]:
    """Each distribution, SciPy's, and values."""
    wide = PLACES * 6 - 3
    return {
        "Normal": (T.Normal(0.5, 2.0), stats.norm(0.5, 2), wide),
        "LogNormal": (T.LogNormal(0.5, 0.7), stats.lognorm(0.7, scale=np.exp(0.5)), PLACES * 4),
        "HalfNormal": (T.HalfNormal(2.0), stats.halfnorm(scale=2), PLACES * 4),
        "HalfCauchy": (T.HalfCauchy(2.0), stats.halfcauchy(scale=2), PLACES * 4),
        "Cauchy": (T.Cauchy(0.5, 2.0), stats.cauchy(0.5, 2), wide),
        "Uniform": (T.Uniform(-1.0, 2.0), stats.uniform(-1, 3), PLACES * 2),
        "Laplace": (T.Laplace(0.5, 2.0), stats.laplace(0.5, 2), wide),
        "Gumbel": (T.Gumbel(0.5, 2.0), stats.gumbel_r(0.5, 2), wide),
        "Exponential": (T.Exponential(2.0), stats.expon(scale=0.5), PLACES * 3),
        "Gamma": (T.Gamma(2.5, 3.0), stats.gamma(2.5, scale=1 / 3), PLACES * 3),
        "InverseGamma": (T.InverseGamma(2.5, 3.0), stats.invgamma(2.5, scale=3), PLACES * 3),
        "Chi2": (T.Chi2(3.0), stats.chi2(3), PLACES * 5),
        "Beta": (T.Beta(2.5, 0.7), stats.beta(2.5, 0.7), PLACES),
        "StudentT": (T.StudentT(3.0, 0.5, 2.0), stats.t(3, 0.5, 2), wide),
        "FisherSnedecor": (T.FisherSnedecor(3.0, 5.0), stats.f(3, 5), PLACES * 4),
        "Pareto": (T.Pareto(1.5, 3.0), stats.pareto(3, scale=1.5), 1.5 + PLACES),
        "Weibull": (T.Weibull(1.5, 2.0), stats.weibull_min(2, scale=1.5), PLACES * 3),
        "VonMises": (T.VonMises(0.5, 2.0), stats.vonmises(2.0, 0.5), wide),
        "GeneralizedPareto": (
            T.GeneralizedPareto(0.5, 2.0, 0.3),
            stats.genpareto(0.3, 0.5, 2),
            0.5 + PLACES,
        ),
        "Bernoulli": (T.Bernoulli(0.3), stats.bernoulli(0.3), np.array([0.0, 1.0])),
        "Binomial": (T.Binomial(6, torch.tensor(0.3)), stats.binom(6, 0.3), COUNTS),
        "NegativeBinomial": (
            T.NegativeBinomial(2.5, torch.tensor(0.3)),
            stats.nbinom(2.5, 0.7),
            COUNTS,
        ),
        "Geometric": (T.Geometric(0.3), stats.geom(0.3, loc=-1), COUNTS),
        "Poisson": (T.Poisson(2.5), stats.poisson(2.5), COUNTS),
    }


NAMES = [
    "Normal", "LogNormal", "HalfNormal", "HalfCauchy", "Cauchy", "Uniform", "Laplace", "Gumbel",
    "Exponential", "Gamma", "InverseGamma", "Chi2", "Beta", "StudentT", "FisherSnedecor", "Pareto",
    "Weibull", "VonMises", "GeneralizedPareto", "Bernoulli", "Binomial", "NegativeBinomial",
    "Geometric", "Poisson",
]  # fmt: skip
WITHOUT_CDF = {"StudentT", "FisherSnedecor", "Beta", "VonMises", "Bernoulli", "Binomial",
               "NegativeBinomial", "Geometric", "Poisson"}  # fmt: skip
WITHOUT_QUANTILES = WITHOUT_CDF | {"Gamma", "Chi2", "InverseGamma"}


@pytest.fixture
def doubles() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.oracle
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", NAMES)
def test_log_prob_is_scipys(name: str) -> None:
    ours, theirs, values = made(pytest.importorskip("scipy.stats"))[name]
    wanted = getattr(theirs, "logpmf" if hasattr(theirs.dist, "logpmf") else "logpdf")(values)
    np.testing.assert_allclose(ours.log_prob(torch.tensor(values)).numpy(), wanted, rtol=1e-10)


@pytest.mark.oracle
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_CDF])
def test_cdf_is_scipys(name: str) -> None:
    ours, theirs, values = made(pytest.importorskip("scipy.stats"))[name]
    np.testing.assert_allclose(ours.cdf(torch.tensor(values)).numpy(), theirs.cdf(values), 1e-10)


@pytest.mark.oracle
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_QUANTILES])
def test_icdf_is_scipys(name: str) -> None:
    ours, theirs, _ = made(pytest.importorskip("scipy.stats"))[name]
    np.testing.assert_allclose(ours.icdf(torch.tensor(PLACES)).numpy(), theirs.ppf(PLACES), 1e-9)


@pytest.mark.oracle
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "VonMises"])
def test_moments_are_scipys(name: str) -> None:
    ours, theirs, _ = made(pytest.importorskip("scipy.stats"))[name]
    mean, variance = theirs.stats("mv")
    for found, wanted in ((ours.mean, mean), (ours.variance, variance)):
        if np.isfinite(wanted) and name not in ("Cauchy", "HalfCauchy"):
            np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10)


@pytest.mark.oracle
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", ["Normal", "LogNormal", "HalfNormal", "Cauchy", "Uniform",
                                  "Laplace", "Gumbel", "Exponential", "Gamma", "InverseGamma",
                                  "Chi2", "Beta", "StudentT", "Weibull", "Bernoulli", "Binomial",
                                  "Geometric", "Poisson", "GeneralizedPareto"])  # fmt: skip
def test_entropy_is_scipys(name: str) -> None:
    ours, theirs, _ = made(pytest.importorskip("scipy.stats"))[name]
    if name == "Poisson":
        with pytest.raises(NotImplementedError):
            ours.entropy()
    else:
        np.testing.assert_allclose(ours.entropy().numpy(), theirs.entropy(), rtol=1e-9)


@pytest.mark.oracle
def test_densities_of_vectors_and_matrices_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    numbers = np.random.default_rng(0)
    root = numbers.normal(size=(3, 3))
    matrix = root @ root.T + np.eye(3)
    value, mean = numbers.normal(size=3), numbers.normal(size=3)
    point = np.array([0.2, 0.5, 0.3])
    covariance = torch.tensor(matrix)
    diagonal = np.abs(mean) + 0.5
    pairs = [
        (
            T.MultivariateNormal(torch.tensor(mean), covariance).log_prob(torch.tensor(value)),
            stats.multivariate_normal(mean, matrix).logpdf(value),
        ),
        (
            T.LowRankMultivariateNormal(
                torch.tensor(mean), torch.tensor(root[:, :2]), torch.tensor(diagonal)
            ).log_prob(torch.tensor(value)),
            stats.multivariate_normal(mean, root[:, :2] @ root[:, :2].T + np.diag(diagonal)).logpdf(
                value
            ),
        ),
        (
            T.Dirichlet(torch.tensor(diagonal)).log_prob(torch.tensor(point)),
            stats.dirichlet(diagonal).logpdf(point),
        ),
        (
            T.Multinomial(6, torch.tensor(point)).log_prob(torch.tensor([1.0, 3.0, 2.0]).double()),
            stats.multinomial(6, point).logpmf([1, 3, 2]),
        ),
        (
            T.Wishart(torch.tensor(4.5).double(), covariance).log_prob(torch.tensor(2 * matrix)),
            stats.wishart(4.5, matrix).logpdf(2 * matrix),
        ),
    ]
    for found, wanted in pairs:
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (T.Gamma(2.5, 3.0), T.Normal(0.5, 1.0)),
        (T.Laplace(0.5, 1.0), T.Normal(0.0, 2.0)),
        (T.Gumbel(0.5, 1.0), T.Normal(0.0, 2.0)),
        (T.Normal(0.5, 1.0), T.Gumbel(0.0, 2.0)),
        (T.Normal(0.5, 1.0), T.Laplace(0.0, 2.0)),
        (T.Uniform(0.2, 0.7), T.Beta(2.0, 1.5)),
        (T.Beta(2.0, 1.5), T.Gamma(2.0, 1.5)),
        (T.Exponential(1.5), T.Gumbel(0.5, 1.0)),
        (T.Cauchy(0.5, 1.0), T.Cauchy(0.0, 2.0)),
        (T.ContinuousBernoulli(0.3), T.ContinuousBernoulli(0.8)),
        (T.Pareto(1.0, 4.0), T.Gamma(2.0, 1.0)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_divergence_is_the_mean_of_the_log_ratio(p: Any, q: Any) -> None:
    torch.manual_seed(0)
    draws = p.sample((10_000,))
    ratios = p.log_prob(draws) - q.log_prob(draws)
    error = float(ratios.std()) / 100  # the standard error of the mean
    assert abs(float(ratios.mean()) - float(T.kl_divergence(p, q))) < 4 * error
