"""funcgrad.random: random numbers from explicit keys.

A key says what is drawn: the same key gives the same numbers, on every call and under every
transform, and nothing is kept anywhere. `split` and `fold_in` make new keys. Continuous draws are
differentiable by their parameters; discrete ones carry no derivative.
"""

from funcgrad.random.continuous import (
    beta,
    chisquare,
    dirichlet,
    gamma,
    loggamma,
    lognormal,
    multivariate_normal,
    pareto,
    rayleigh,
    t,
    truncated_normal,
    weibull_min,
)
from funcgrad.random.discrete import (
    bernoulli,
    binomial,
    bits,
    categorical,
    choice,
    geometric,
    permutation,
    poisson,
    rademacher,
    randint,
)
from funcgrad.random.keys import fold_in, key, split
from funcgrad.random.standard import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    uniform,
)

__all__ = [
    "bernoulli",
    "beta",
    "binomial",
    "bits",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "exponential",
    "fold_in",
    "gamma",
    "geometric",
    "gumbel",
    "key",
    "laplace",
    "loggamma",
    "logistic",
    "lognormal",
    "multivariate_normal",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "rademacher",
    "randint",
    "rayleigh",
    "split",
    "t",
    "truncated_normal",
    "uniform",
    "weibull_min",
]
