"""Records what JAX computes: `python -m tests.oracles.record_jax`, from the project's root.

JAX compiles each operation for each shape, which takes minutes in all. With `--new`, only cases
are computed that are not recorded, or at other points (those whose function has changed have to be
deleted from the file before), and faster if JAX_DISABLE_MOST_OPTIMIZATIONS=1 is in the environment
(but then the derivative of JAX's "norm inf complex" is NaN).

Writes tests/data/jax_oracle.json: for each case of tests/oracles/cases.py the value, a vjp, a jvp
and a Hessian-vector product, for each of transform_cases.py, composition_cases.py and
mapping_cases.py its result, in float64 and complex128. Directions are those of
tests/oracles/measure.py.
"""

import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jaxlib
import numpy as np

from tests.oracles.cases import CASES, CONVENTIONS, Case
from tests.oracles.composition_cases import COMPOSITION_CASES
from tests.oracles.encoding import digest, encode
from tests.oracles.mapping_cases import MAPPING_CASES
from tests.oracles.measure import gradient, quantities
from tests.oracles.namespaces import jax_namespace, jax_transforms
from tests.oracles.transform_cases import TRANSFORM_CASES

TARGET = Path(__file__).resolve().parent.parent / "data" / "jax_oracle.json"


def attempt(quantity: Callable[..., Any], *args: Any) -> Any:
    """An encoded result; what JAX cannot differentiate is recorded as the name of its error."""
    try:
        return encode(quantity(*args))
    except (NotImplementedError, TypeError, ValueError, AttributeError) as error:
        print(args[-1].name, quantity.__name__, type(error).__name__, str(error)[:200])
        return {"error": type(error).__name__}


def plain(found: Any) -> Any:
    """The same tree, of NumPy arrays."""
    return jax.tree.map(np.asarray, found)


def main() -> None:
    """Record and write everything."""
    jax.config.update("jax_enable_x64", True)
    ad, xp = jax_transforms(), jax_namespace()
    recorded = json.loads(TARGET.read_text("utf-8")) if "--new" in sys.argv else {}

    def kept(section: str, name: str) -> Any:
        return recorded.get(section, {}).get(name)

    def derivatives(case: Case) -> Any:
        found, inputs = kept("cases", case.name), digest(case.args)
        if found and found["inputs"] == inputs:
            return found
        table = quantities(case).items()
        return {"inputs": inputs, **{name: attempt(f, ad, xp, case) for name, f in table}}

    cases = {case.name: derivatives(case) for case in CASES}
    conventions = {
        case.name: kept("conventions", case.name) or attempt(gradient, ad, xp, case)
        for case in CONVENTIONS
    }
    calls = TRANSFORM_CASES | COMPOSITION_CASES | MAPPING_CASES
    transforms = {
        name: kept("transforms", name) or encode(plain(call(ad, xp)))
        for name, call in calls.items()
    }
    provenance = {
        "made by": "python -m tests.oracles.record_jax",
        "jax": jax.__version__,
        "jaxlib": jaxlib.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "backend": jax.default_backend(),
        "precision": "jax_enable_x64: float64 and complex128",
        "complex": "the gradient of a real u(x + iy) is du/dx - i du/dy; nothing is conjugated",
    }
    sections = {"cases": cases, "conventions": conventions, "transforms": transforms}
    lines = [f'"provenance": {json.dumps(provenance, indent=1)}']
    for name, section in sections.items():
        rows = (
            f"{json.dumps(key)}: {json.dumps(entry, separators=(',', ':'))}"
            for key, entry in section.items()
        )
        lines.append(f"{json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n}")
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
