"""What JAX and PyTorch compute for funcgrad.nn, as `tests/oracles/record_nn.py` has recorded it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parent.parent / "data" / "nn_oracle.json").read_text(encoding="utf-8")
)
INPUTS = {name: np.array(value) for name, value in ORACLE["inputs"].items()}
