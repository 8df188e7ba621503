"""funcgrad.nn: functions of neural networks, stable at large arguments, on plain and traced arrays.

Plain arrays in give plain arrays out. Values and derivatives of any order are right at ±1e3 and,
where there is a limit, at ±inf; float16, float32 and float64 are kept.
"""

from funcgrad.nn.activations import (
    celu,
    elu,
    gelu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    swish,
)
from funcgrad.nn.encoding import one_hot
from funcgrad.nn.losses import (
    bce_with_logits,
    softmax_cross_entropy,
    softmax_cross_entropy_with_integer_labels,
)
from funcgrad.nn.normalisers import log_softmax, logsumexp, softmax
from funcgrad.nn.special import (
    digamma,
    erf,
    erfc,
    erfcx,
    erfinv,
    expit,
    lgamma,
    log_ndtr,
    ndtri,
    polygamma,
)

__all__ = [
    "bce_with_logits",
    "celu",
    "digamma",
    "elu",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "expit",
    "gelu",
    "hard_tanh",
    "leaky_relu",
    "lgamma",
    "log_ndtr",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "ndtri",
    "one_hot",
    "polygamma",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softplus",
    "swish",
]
