"""The module objects of the layer: `torch` with its submodules, and names it lacks.

`enter` puts them into `sys.modules`, so that `import torch.nn.functional as F` finds them.
"""

import difflib
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

from funcgrad.compat.torch.registry import MODULES

__all__ = ["build", "enter", "missing"]

PACKAGES = frozenset(
    {
        "_tensor",
        "_utils",
        "autograd",
        "autograd.forward_ad",
        "autograd.function",
        "autograd.functional",
        "autograd.graph",
        "distributions",
        "distributions.bernoulli",
        "distributions.beta",
        "distributions.binomial",
        "distributions.categorical",
        "distributions.cauchy",
        "distributions.chi2",
        "distributions.constraint_registry",
        "distributions.constraints",
        "distributions.continuous_bernoulli",
        "distributions.dirichlet",
        "distributions.distribution",
        "distributions.exp_family",
        "distributions.exponential",
        "distributions.fishersnedecor",
        "distributions.gamma",
        "distributions.generalized_pareto",
        "distributions.geometric",
        "distributions.gumbel",
        "distributions.half_cauchy",
        "distributions.half_normal",
        "distributions.independent",
        "distributions.inverse_gamma",
        "distributions.kl",
        "distributions.kumaraswamy",
        "distributions.laplace",
        "distributions.lkj_cholesky",
        "distributions.log_normal",
        "distributions.logistic_normal",
        "distributions.lowrank_multivariate_normal",
        "distributions.mixture_same_family",
        "distributions.multinomial",
        "distributions.multivariate_normal",
        "distributions.negative_binomial",
        "distributions.normal",
        "distributions.one_hot_categorical",
        "distributions.pareto",
        "distributions.poisson",
        "distributions.relaxed_bernoulli",
        "distributions.relaxed_categorical",
        "distributions.studentT",
        "distributions.transformed_distribution",
        "distributions.transforms",
        "distributions.uniform",
        "distributions.utils",
        "distributions.von_mises",
        "distributions.weibull",
        "distributions.wishart",
        "nn",
        "nn.attention",
        "nn.functional",
        "nn.init",
        "nn.modules",
        "nn.modules.activation",
        "nn.modules.adaptive",
        "nn.modules.batchnorm",
        "nn.modules.channelshuffle",
        "nn.modules.container",
        "nn.modules.conv",
        "nn.modules.distance",
        "nn.modules.dropout",
        "nn.modules.flatten",
        "nn.modules.fold",
        "nn.modules.instancenorm",
        "nn.modules.lazy",
        "nn.modules.linear",
        "nn.modules.linear_cross_entropy_options",
        "nn.modules.loss",
        "nn.modules.module",
        "nn.modules.normalization",
        "nn.modules.padding",
        "nn.modules.pixelshuffle",
        "nn.modules.pooling",
        "nn.modules.rnn",
        "nn.modules.sparse",
        "nn.modules.transformer",
        "nn.modules.upsampling",
        "nn.modules.utils",
        "nn.parallel",
        "nn.parameter",
        "nn.utils",
        "nn.utils.clip_grad",
        "nn.utils.convert_parameters",
        "nn.utils.fusion",
        "nn.utils.init",
        "nn.utils.parametrizations",
        "nn.utils.parametrize",
        "nn.utils.prune",
        "nn.utils.rnn",
        "nn.utils.stateless",
        "optim",
        "optim.adadelta",
        "optim.adagrad",
        "optim.adam",
        "optim.adamax",
        "optim.adamw",
        "optim.asgd",
        "optim.lbfgs",
        "optim.lr_scheduler",
        "optim.nadam",
        "optim.optimizer",
        "optim.radam",
        "optim.rmsprop",
        "optim.rprop",
        "optim.sgd",
        "optim.sparse_adam",
        "optim.swa_utils",
        "serialization",
        "storage",
        "utils",
        "utils._pytree",
        "utils.benchmark",
        "utils.benchmark.utils",
        "utils.benchmark.utils.common",
        "utils.benchmark.utils.compare",
        "utils.benchmark.utils.timer",
        "utils.checkpoint",
        "utils.data",
        "utils.data._utils",
        "utils.data._utils.collate",
        "utils.data._utils.fetch",
        "utils.data._utils.pin_memory",
        "utils.data._utils.worker",
        "utils.data.dataloader",
        "utils.data.dataset",
        "utils.data.distributed",
        "utils.data.sampler",
    }
)
"""Modules of PyTorch that are modules here, under the same names."""

ABSENT = {
    "torch.utils.tensorboard": (
        "torch.utils.tensorboard: writing event files needs the package tensorboard and its "
        "protocol buffers, and this layer depends on NumPy alone. Write the numbers yourself, e.g. "
        "a line of a CSV file for each step, or use a writer that needs no PyTorch, such as that "
        "of the package tensorboardX."
    )
}
"""Why there is none of these, and what to do."""


def missing(module: str, name: str, known: Mapping[str, Any]) -> NoReturn:
    """Raise the AttributeError for a name that the layer lacks.

    Raises:
        AttributeError: always; it names the nearest name that is there.
    """
    if name.startswith("__"):
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    shown = "torch" if module == "torch" else f"torch.{module}"
    inner = {key for key in PACKAGES if "." not in key}
    names = [
        key
        for key, value in known.items()
        if not key.startswith("_") and (not isinstance(value, ModuleType) or key in inner)
    ]
    near = difflib.get_close_matches(name, names, 1, 0.7)
    hint = f" The nearest name is '{near[0]}'." if near else ""
    raise AttributeError(
        f"module '{shown}' has no attribute '{name}' in funcgrad's PyTorch-style layer.{hint}"
    )


class Namespace(ModuleType):
    """A module that explains which names it lacks."""

    def __getattr__(self, name: str) -> Any:
        missing(self.__name__.removeprefix("torch."), name, vars(self))


def build(front: ModuleType) -> dict[str, ModuleType]:
    """A module object for each entry of the registry, each an attribute of its parent.

    Args:
        front: the package itself, which stands for `torch`.
    """
    found: dict[str, ModuleType] = {"torch": front}
    for name in sorted({*MODULES, *PACKAGES} - {"torch"}):
        parent = front
        path = "torch"
        for part in name.split("."):
            path = f"{path}.{part}"
            module = found.get(path)
            if module is None:
                module = found[path] = _module(path, parent, part)
            parent = module
        if name not in PACKAGES:
            vars(parent).update(MODULES[name])
    return found


def _module(path: str, parent: ModuleType, part: str) -> ModuleType:
    """The package that stands for a module of PyTorch, or a new namespace."""
    name = path.removeprefix("torch.")
    if name in PACKAGES:
        module: ModuleType = vars(parent).get(part) or Namespace(path)
        vars(module).setdefault("__getattr__", lambda key: missing(name, key, vars(module)))
        return module
    module = Namespace(path)
    module.__path__ = []
    inner = sys.modules.get(f"{__package__}.{name}")  # it defines some of these names
    if inner is not None:
        vars(inner).setdefault("__getattr__", partial(getattr, module))
    setattr(parent, part, module)
    return module


def enter(modules: dict[str, ModuleType]) -> None:
    """Let `import torch` find these modules in the running program.

    Raises:
        RuntimeError: if the real PyTorch has been imported already.
    """
    present = sys.modules.get("torch")
    if present is not None and present is not modules["torch"]:
        raise RuntimeError(
            "install: PyTorch itself has been imported in this program. Its tensors and those of "
            "this layer cannot be mixed. Call install() before anything imports torch."
        )
    sys.modules.update(modules)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Says of `import torch.<name>` that the layer lacks it, and finds no file of this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> None:
        """Refuse submodules of the layer that are not there.

        Raises:
            ModuleNotFoundError: where `torch` is the layer.
        """
        front = sys.modules.get("torch")
        if fullname in ABSENT and getattr(front, "__name__", "") != "torch":
            raise ModuleNotFoundError(ABSENT[fullname], name=fullname)
        if fullname.startswith("torch.") and getattr(front, "__name__", "") != "torch":
            raise ModuleNotFoundError(
                f"No module named '{fullname}'. funcgrad's PyTorch-style layer, which stands for "
                "torch in this program, has none.",
                name=fullname,
            )
