"""State dicts in files of other formats than PyTorch's own: `.npz` and safetensors.

`torch.save` and `torch.load` are in `funcgrad.compat.torch.serialization`; the other modules of
this package are what they consist of.
"""

from funcgrad.compat.torch.files.npz import load_npz, save_npz
from funcgrad.compat.torch.files.tensors import load_safetensors, save_safetensors

__all__ = ["load_npz", "load_safetensors", "save_npz", "save_safetensors"]
