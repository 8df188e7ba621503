"""`torch.nn.utils.spectral_norm`: a weight over its largest singular value, kept up by a hook."""

from typing import Any

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.distances import normalize
from funcgrad.compat.torch.nn.modules.conv import (
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.registry import MODULES

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


def default_dim(module: Any) -> int:
    """The axis of a weight that counts the results: the second one of transposed convolutions."""
    return int(isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d))


def as_matrix(weight: Any, dim: int) -> Any:
    """A weight as a matrix whose rows belong to the places of an axis."""
    if dim != 0:
        weight = weight.permute(dim, *[axis for axis in range(weight.dim()) if axis != dim])
    return weight.reshape(weight.size(0), -1)


class SpectralNorm:
    """Computes `name` from `name_orig` before each call of a module.

    The largest singular value σ ≈ uᵀ W v comes from power iterations, u ← W v / ‖W v‖ and
    v ← Wᵀ u / ‖Wᵀ u‖, one or more at each call in training mode.
    Source: Miyato, Kataoka, Koyama & Yoshida, "Spectral normalization for generative adversarial
    networks", 2018.

    Attributes:
        name: of the weight.
        dim: the axis that counts the results.
        n_power_iterations: how many at each call.
        eps: smallest norm that is divided by.
    """

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got n_power_iterations="
                f"{n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def compute_weight(self, module: Any, do_power_iteration: bool) -> Any:
        """The weight over its largest singular value."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(MODULES["torch"]["mv"](matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(normalize(MODULES["torch"]["mv"](matrix, v), dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()  # the graph keeps these, the next call changes those
        return weight / u.dot(MODULES["torch"]["mv"](matrix, v))

    def __call__(self, module: Any, inputs: Any) -> None:
        """The hook."""
        setattr(module, self.name, self.compute_weight(module, module.training))

    def remove(self, module: Any) -> None:
        """Make a parameter of the weight again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for name in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + name)
        module.register_parameter(self.name, Parameter(weight.detach()))


def _hooks(module: Any, name: str) -> list[int]:
    return [
        key
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, SpectralNorm) and hook.name == name
    ]


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Replace a weight by W / σ(W), with the parameter `name_orig`.

    Args:
        module: the owner.
        name: of the weight.
        n_power_iterations: how many at each call in training mode.
        eps: smallest norm that is divided by.
        dim: the axis that counts the results; by default that of the module's kind.

    Raises:
        RuntimeError: if it has been replaced already.
    """
    if _hooks(module, name):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, default_dim(module) if dim is None else dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    with no_grad():
        height, width = as_matrix(weight, hook.dim).size()
        kind = {"dtype": weight.dtype, "device": weight.device}
        u = normalize(empty(height, **kind).normal_(0, 1), dim=0, eps=eps)
        v = normalize(empty(width, **kind).normal_(0, 1), dim=0, eps=eps)
    delattr(module, name)
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    module._register_state_dict_hook(_Versioned(hook))
    return module


class _Versioned:
    """Notes in a state dictionary which kind of entries it has."""

    def __init__(self, hook: SpectralNorm) -> None:
        self.hook = hook

    def __call__(self, module: Any, state_dict: Any, prefix: str, local_metadata: Any) -> None:
        """The hook of `state_dict`."""
        noted = local_metadata.setdefault("spectral_norm", {})
        noted[self.hook.name + ".version"] = 1


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make a parameter of the weight again.

    Raises:
        ValueError: if it was not replaced.
    """
    found = _hooks(module, name)
    if not found:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    module._forward_pre_hooks.pop(found[0]).remove(module)
    for key, hook in list(module._state_dict_hooks.items()):
        if isinstance(hook, _Versioned) and hook.hook.name == name:
            del module._state_dict_hooks[key]
    return module
