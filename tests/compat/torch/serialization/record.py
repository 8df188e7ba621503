"""`python -m tests.compat.torch.serialization.record`, where PyTorch is installed: files it writes.

Each content is written by PyTorch to `tests/data/torch_files/<name>.pt`; what PyTorch itself reads
from it goes, as described by `contents.describe`, to `tests/data/torch_files/contents.json`. Files
of the format before 1.6 are called `<name>.old`.
"""

import importlib
import io
import json
import warnings
from pathlib import Path
from typing import Any

from tests.compat.torch.serialization.contents import CONTENTS, WHOLE, describe, make

FOLDER = Path(__file__).parents[3] / "data" / "torch_files"

OLD = ("tensor", "views", "bfloat16_views", "containers", "state_dict", "checkpoint", "adam",
       "parameter_with_attributes", "complex_values", "empty", "conjugate")  # fmt: skip
"""Contents that are written in the old format too."""

MARKED: dict[str, str] = {
    "conjugate": "it = torch.tensor([1 + 2j, -0.5j]).conj()",
    "negative": "it = torch.tensor([1 + 2j, -0.5j]).conj().imag",
    "meta": "it = torch.ones(2, 3, device='meta')",
    "counted_with_numpy": "it = {'mean': np.float64(1.5), 'row': np.arange(3.0)}",
}
"""Contents that PyTorch writes in a way that the layer reads but does not write."""

PUBLIC = (
    "torch.nn",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.utils.data",
    "torch.distributions",
    "torch.distributions.transforms",
    "torch.nn.utils.prune",
)
"""Modules whose classes may be written whole: where PyTorch defines them is recorded."""

READ_WHOLE = {*WHOLE, "counted_with_numpy"}


def main() -> None:
    """Write all files."""
    import torch  # noqa: PLC0415  # needed for recording only

    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    found: dict[str, Any] = {"torch": torch.__version__.split("+")[0]}
    for name, source in {**CONTENTS, **WHOLE, **MARKED}.items():
        for ending in (".pt", ".old") if name in OLD else (".pt",):
            stream = io.BytesIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                new = ending == ".pt"
                torch.save(make(torch, source), stream, _use_new_zipfile_serialization=new)
                (FOLDER / f"{name}{ending}").write_bytes(stream.getvalue())
                stream.seek(0)
                loaded = torch.load(stream, weights_only=name not in READ_WHOLE)
                found[f"{name}{ending}"] = describe(torch, loaded)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
    (FOLDER / "contents.json").write_text(f"{{\n{lines}\n}}\n")
    print(f"{len(found) - 1} files")
    names = {module: _names(importlib.import_module(module)) for module in PUBLIC}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(names[key])}" for key in names)
    (FOLDER.parent / "torch_class_names.json").write_text(f"{{\n{lines}\n}}\n")


def _names(module: Any) -> dict[str, str]:
    """The modules that define the public classes of a module."""
    return {
        name: thing.__module__
        for name, thing in sorted(vars(module).items())
        if isinstance(thing, type) and not name.startswith("_")
        and thing.__module__.startswith("torch.")
    }  # fmt: skip


if __name__ == "__main__":
    main()
