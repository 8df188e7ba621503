"""Random programs of anything that NumPy does: integers, booleans, views, Python numbers, branches.

Unlike those of `funcgrad.testing.programs` they need not be smooth, and return inputs, views of
them and of each other, and one value several times.
"""

import linecache
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["Wild", "compose"]

UNARY = (
    "np.sin({x})",
    "{x} * 2",
    "{x} + 0.5",
    "-{x}",
    "{x}.T",
    "np.sum({x})",
    "{x}[...]",
    "np.abs({x})",
    "np.exp({x} * 0.25)",
    "{x} > 0",
    "np.sum({x}, axis=0)",
    "np.sum({x}, axis=-1, keepdims=True)",
    "np.mean({x}, axis=-1)",
    "np.reshape({x}, -1)",
    "{x}[0]",
    "{x}[::-1]",
    "{x}[..., 1:]",
    "{x}[None]",
    "np.copy({x})",
    "np.astype({x}, np.float32)",
    "np.astype({x}, np.int64)",
    "np.zeros_like({x})",
    "np.ones_like({x}) * 3",
    "np.cumsum({x})",
    "np.sort({x}, axis=-1)",
    "np.argmax({x})",
    "np.max({x}, initial=-9)",
    "{x} ** 3",
    "np.sqrt(np.abs({x}))",
    "1 / ({x} + 3)",
    "np.real(np.sin({x}))",
    "np.conj({x})",
    "np.where({x} > 1, {x}, 0)",
    "np.maximum({x}, 0)",
    "np.stack([{x}, {x}])",
    "np.concatenate([{x}, {x}])",
    "np.broadcast_to({x}, (2, *np.shape({x})))",
    "np.squeeze({x} * 1)",
    "np.float32(1.5) * {x}",
    "np.any({x} > 0)",
    "{x}[{x} > 0]",
    "{x} @ {x}.T",
    "np.clip({x}, -1, 1)",
    "np.round({x} * 4)",
    "np.floor({x})",
    "np.logical_not({x})",
    "({x} if np.sum({x}) > 0 else {x} * 3)",
    "np.swapaxes({x}, 0, -1)",
    "np.outer({x}, {x})",
    "np.var({x}, axis=0)",
    "np.prod({x})",
    "np.diagonal({x})",
    "np.pad({x} + 0.0, 1)",
    "np.repeat({x}, 2)",
    "np.roll({x}, 1)",
    "np.log({x})",
)
BINARY = (
    "{x} + {y}",
    "{x} * {y}",
    "{x} - {y}",
    "{x} @ {y}",
    "{x} / {y}",
    "np.where({x} > {y}, {x}, {y})",
    "np.maximum({x}, {y})",
    "np.minimum({x}, {y})",
    "{x} < {y}",
    "{x} == {y}",
    "np.arctan2({x}, {y})",
    "np.concatenate([np.reshape({x}, -1), np.reshape({y}, -1)])",
    "{x} % 3 + {y} // 2",
    "np.hypot({x}, {y})",
    "np.power(np.abs({x}) + np.float64(0), {y})",
    "np.einsum('i...,i...->...', {x}, {y})",
    "np.broadcast_arrays({x} * 1, {y})[0]",
    "({x} if np.any({x} > {y}) else {y})",
)
LARGEST = 64


class Wild:
    """A program with inputs."""

    def __init__(self, source: str, inputs: Sequence[Any]) -> None:
        self.source = source
        self.inputs = tuple(inputs)
        file = f"<wild {hash(source):x}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        names: dict[str, Any] = {"np": np}
        exec(compile(source, file, "exec"), names)
        self.function: Callable[..., Any] = names["wild"]

    def __repr__(self) -> str:
        return f"{self.source}# called with {self.inputs!r}"


def compose(steps: Sequence[Sequence[int]], inputs: Sequence[Any], picks: Sequence[int]) -> Wild:
    """A program of one line a step; steps that NumPy refuses are left out.

    Args:
        steps: three numbers for each: the operation and two operands.
        inputs: to call it with.
        picks: which values are returned; any may be returned twice.
    """
    values: dict[str, Any] = {f"x{i}": x for i, x in enumerate(inputs)}
    lines = []
    for number, (which, first, second) in enumerate(steps):
        names = [*values]
        operations = (*UNARY, *BINARY)
        text = operations[which % len(operations)].format(
            x=names[-1 - first % len(names)], y=names[-1 - second % len(names)]
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = eval(text, {"np": np}, dict(values))
        except Exception:  # noqa: BLE001  # NumPy refuses the step
            continue
        if np.size(value) > LARGEST or np.ndim(value) > 4:
            continue
        values[f"t{number}"] = value
        lines.append(f"    t{number} = {text}\n")
    names = [*values]
    returned = ", ".join([names[-1], *(names[-1 - pick % len(names)] for pick in picks)])
    head = f"def wild({', '.join(f'x{i}' for i in range(len(inputs)))}):\n"
    return Wild(f"{head}{''.join(lines)}    return {returned},\n", inputs)
