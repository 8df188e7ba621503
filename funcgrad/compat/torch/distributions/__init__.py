"""`torch.distributions`: probability distributions, changes of variables, divergences."""

from funcgrad.compat.torch.distributions import kl_pairs, kl_same  # noqa: F401  # they enter the divergences
from funcgrad.compat.torch.distributions.bernoulli import Bernoulli
from funcgrad.compat.torch.distributions.beta import Beta
from funcgrad.compat.torch.distributions.binomial import Binomial
from funcgrad.compat.torch.distributions.categorical import Categorical
from funcgrad.compat.torch.distributions.cauchy import Cauchy
from funcgrad.compat.torch.distributions.chi2 import Chi2
from funcgrad.compat.torch.distributions.constraint_registry import biject_to, transform_to
from funcgrad.compat.torch.distributions.continuous_bernoulli import ContinuousBernoulli
from funcgrad.compat.torch.distributions.dirichlet import Dirichlet
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.exponential import Exponential
from funcgrad.compat.torch.distributions.fishersnedecor import FisherSnedecor
from funcgrad.compat.torch.distributions.gamma import Gamma
from funcgrad.compat.torch.distributions.generalized_pareto import GeneralizedPareto
from funcgrad.compat.torch.distributions.geometric import Geometric
from funcgrad.compat.torch.distributions.gumbel import Gumbel
from funcgrad.compat.torch.distributions.half_cauchy import HalfCauchy
from funcgrad.compat.torch.distributions.half_normal import HalfNormal
from funcgrad.compat.torch.distributions.independent import Independent
from funcgrad.compat.torch.distributions.inverse_gamma import InverseGamma
from funcgrad.compat.torch.distributions.kl import kl_divergence, register_kl
from funcgrad.compat.torch.distributions.kumaraswamy import Kumaraswamy
from funcgrad.compat.torch.distributions.laplace import Laplace
from funcgrad.compat.torch.distributions.lkj_cholesky import LKJCholesky
from funcgrad.compat.torch.distributions.log_normal import LogNormal
from funcgrad.compat.torch.distributions.logistic_normal import LogisticNormal
from funcgrad.compat.torch.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
)
from funcgrad.compat.torch.distributions.mixture_same_family import MixtureSameFamily
from funcgrad.compat.torch.distributions.multinomial import Multinomial
from funcgrad.compat.torch.distributions.multivariate_normal import MultivariateNormal
from funcgrad.compat.torch.distributions.negative_binomial import NegativeBinomial
from funcgrad.compat.torch.distributions.normal import Normal
from funcgrad.compat.torch.distributions.one_hot_categorical import (
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from funcgrad.compat.torch.distributions.pareto import Pareto
from funcgrad.compat.torch.distributions.poisson import Poisson
from funcgrad.compat.torch.distributions.relaxed_bernoulli import RelaxedBernoulli
from funcgrad.compat.torch.distributions.relaxed_categorical import RelaxedOneHotCategorical
from funcgrad.compat.torch.distributions.studentT import StudentT
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from funcgrad.compat.torch.distributions.uniform import Uniform
from funcgrad.compat.torch.distributions.von_mises import VonMises
from funcgrad.compat.torch.distributions.weibull import Weibull
from funcgrad.compat.torch.distributions.wishart import Wishart

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
]
