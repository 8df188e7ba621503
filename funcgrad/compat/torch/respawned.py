"""The script that `python -m funcgrad.compat.torch` runs, once more in a process that it spawned.

Such a process imports the main module of its parent before anything else. This module stands for
it: only here does `import torch` find the layer before the script asks for it.
"""

import os
from pathlib import Path

from funcgrad.compat.torch import install

__all__ = ["SCRIPT"]

SCRIPT = "FUNCGRAD_TORCH_SCRIPT"
"""The variable of the environment that holds the path of the script."""

if __name__ == "__mp_main__":  # run by multiprocessing
    install()
    exec(compile(Path(os.environ[SCRIPT]).read_bytes(), os.environ[SCRIPT], "exec"), globals())
