"""PyTorch's functions by their names, for what is written on top of them."""

import sys
from typing import Any

__all__ = ["torch"]

_LAYER = __name__.rpartition(".distributions.")[0]


class _Names:
    """The layer's public names, looked up when they are first used: it is not complete before."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(sys.modules[_LAYER], name)
        setattr(self, name, value)
        return value


torch: Any = _Names()
