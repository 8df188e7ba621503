"""`torch.nn.utils.parametrizations`: orthogonal weights, and weights of bounded size."""

from enum import Enum, auto
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.constructors import empty, eye
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.distances import normalize
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.utils.parametrize import register_parametrization
from funcgrad.compat.torch.nn.utils.spectral_norm import as_matrix, default_dim
from funcgrad.compat.torch.nn.weight_norms import norm_except_dim, weight_norm_of
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

TORCH = MODULES["torch"]
LINALG = MODULES["linalg"]


class _OrthMaps(Enum):
    """How a matrix is made orthogonal."""

    matrix_exp = auto()
    cayley = auto()
    householder = auto()


def _is_orthogonal(q: Any) -> bool:
    """Whether Qᴴ Q is the unit matrix, up to rounding."""
    n, k = q.size(-2), q.size(-1)
    unit = eye(k, dtype=q.dtype)
    error = 10.0 * n * float(np.finfo(q.dtype.numpy).eps)
    return bool(TORCH["allclose"](q.mH @ q, unit, atol=error))


def _make_orthogonal(a: Any) -> Any:
    """The Q of A = Q R with a positive diagonal of R."""
    x, tau = TORCH["geqrf"](a)
    q = LINALG["householder_product"](x, tau)
    return q * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    """Makes orthogonal matrices of free ones, or of their strictly lower triangle.

    With A skew: exp(A), or the Cayley map (I + A/2)(I - A/2)⁻¹; or a product of Householder
    reflections. Trivialised maps are multiplied by a fixed base, so that training starts there.
    Source: Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", 2019.
    """

    base: Any

    def __init__(
        self, weight: Any, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map is _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    @override
    def forward(self, x: Any) -> Any:
        """The orthogonal matrix, or matrices."""
        n, k = x.size(-2), x.size(-1)
        wide = n < k
        if wide:
            x = x.mT
            n, k = k, n
        if self.orthogonal_map is _OrthMaps.householder:
            tau = 2.0 / (1.0 + (x * x).tril(-1).sum(dim=-2))
            q = LINALG["householder_product"](x, tau)
            q = q * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            q = self._of_skew(x, n, k)
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if wide else q

    def _of_skew(self, x: Any, n: int, k: int) -> Any:
        a = x.tril()
        if n != k:
            a = TORCH["cat"]([a, a.new_zeros(n, n - k).expand(*a.shape[:-2], -1, -1)], dim=-1)
        a = a - a.mH
        if self.orthogonal_map is _OrthMaps.matrix_exp:
            q = TORCH["matrix_exp"](a)
        else:
            unit = eye(n, dtype=a.dtype)
            q = LINALG["solve"](TORCH["add"](unit, a, alpha=-0.5), TORCH["add"](unit, a, alpha=0.5))
        return q[..., :k] if n != k else q

    def right_inverse(self, q: Any) -> Any:
        """What stands for an orthogonal matrix."""
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {q.shape}."
            )
        given = q
        n, k = q.size(-2), q.size(-1)
        wide = n < k
        if wide:
            q = q.mT
            n, k = k, n
        if "base" not in self._buffers:
            return self._without_base(given, q, n, k, wide)
        if _is_orthogonal(q):
            if n != k:  # completed to a square matrix
                drawn = TORCH["randn"](*q.size()[:-2], n, n - k, dtype=q.dtype, device=q.device)
                base = _make_orthogonal(TORCH["cat"]([q, drawn], dim=-1))
                base[..., :k] = q
            else:
                base = q.clone()
        else:
            base = (
                _make_orthogonal(q)
                if n == k
                else _make_orthogonal(
                    TORCH["cat"](
                        [
                            q,
                            TORCH["randn"](
                                *q.size()[:-2], n, n - k, dtype=q.dtype, device=q.device
                            ),
                        ],
                        dim=-1,
                    )
                )
            )
        self.base = base
        neutral = TORCH["zeros_like"](given)
        if self.orthogonal_map is _OrthMaps.householder:
            neutral.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return neutral

    def _without_base(self, given: Any, q: Any, n: int, k: int, wide: bool) -> Any:
        if self.orthogonal_map is not _OrthMaps.householder:
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        a, tau = TORCH["geqrf"](q)
        a.diagonal(dim1=-2, dim2=-1).sign_()
        a.diagonal(dim1=-2, dim2=-1)[tau == 0.0] *= -1
        return a.mT if wide else a


def _owned(module: Any, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """Keep a weight orthogonal: QᵀQ = I, or QQᵀ = I if it is wider than high.

    Args:
        module: the owner.
        name: of the weight.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square
            and complex matrices, else the last.
        use_trivialization: whether training starts at the weight that is there.
    """
    weight = _owned(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    kind = getattr(_OrthMaps, orthogonal_map, None)
    if kind is None:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    made = _Orthogonal(weight, kind, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


class _WeightNorm(Module):
    """g v / ‖v‖ of lengths g and a direction v.

    Source: Salimans & Kingma, "Weight normalization", 2016.
    """

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    @override
    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        """The weight."""
        return weight_norm_of(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> Any:
        """Lengths and direction of a weight."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Let a weight be g v / ‖v‖.

    Args:
        module: the owner.
        name: of the weight.
        dim: the axis whose places have lengths of their own; `None` for one length.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def upgrade(state_dict: Any, prefix: str, *_rest: Any) -> None:
        g, v = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if g in state_dict and v in state_dict:
            inner = f"{prefix}parametrizations.{name}.original"
            state_dict[inner + "0"] = state_dict.pop(g)
            state_dict[inner + "1"] = state_dict.pop(v)

    module._register_load_state_dict_pre_hook(upgrade)
    return module


class _SpectralNorm(Module):
    """A weight over its largest singular value, which comes from power iterations."""

    _u: Any
    _v: Any

    def __init__(
        self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if dim >= ndim or dim < -ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got n_power_iterations="
                f"{n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            height, width = matrix.size()
            kind = {"dtype": weight.dtype, "device": weight.device}
            u, v = empty(height, **kind).normal_(0, 1), empty(width, **kind).normal_(0, 1)
            self.register_buffer("_u", normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", normalize(v, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Any, count: int) -> None:
        with no_grad():
            for _ in range(count):
                self._u.copy_(normalize(TORCH["mv"](matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(TORCH["mv"](matrix.mH, self._u), dim=0, eps=self.eps))

    @override
    def forward(self, weight: Any) -> Any:
        """The weight over its largest singular value."""
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / TORCH["vdot"](u, TORCH["mv"](matrix, v))

    def right_inverse(self, value: Any) -> Any:
        """The value itself."""
        return value


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Let a weight be W / σ(W), with its largest singular value σ.

    Args:
        module: the owner.
        name: of the weight.
        n_power_iterations: how many at each reading in training mode.
        eps: smallest norm that is divided by.
        dim: the axis that counts the results; by default that of the module's kind.
    """
    weight = _owned(module, name)
    axis = default_dim(module) if dim is None else dim
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, axis, eps)
    )
