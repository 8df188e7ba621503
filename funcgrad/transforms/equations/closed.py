"""Programs that are the whole truth: pure functions of their inputs, with derived programs.

A `Closed` is a program without guards that holds no array of the user's: whatever it reads is among
its inputs. So what each transform makes of it is a program again, found once by running the rules
on zeros that take no memory, and kept:

    pushed(moved)            (x, ẋ) ↦ (f(x), ∂f(x) ẋ)
    mapped(size, flags)      f for all examples of a batch
    linearised(active)       x ↦ (f(x), r)  and  (r, ct, before) ↦ before + ctᵀ ∂f(x)

The reverse pair is cut out of one list: f is recorded, and then swept over with cotangents that are
inputs, by the same trace. What was written down before the sweep is the forward program, what came
after it is the backward one, and the variables that the second reads of the first are the residuals
r. The operations and their order are those of the unrolled Wengert list, so results are the same to
the last bit. `before` are the cotangents that the sweep around it has found so far: each part is
added to them in turn, as it is there.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import NATIVE
from funcgrad.core.program import Equation, Program, Variable
from funcgrad.core.wengert import Aval
from funcgrad.families.shapes import in_front
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.outline import zeros_of
from funcgrad.transforms.arguments import is_differentiable
from funcgrad.transforms.equations.derivation import Derivation, NeedsValues
from funcgrad.transforms.equations.ends import Flags, aval_of_output, fitting
from funcgrad.transforms.equations.linearised import Linearised
from funcgrad.transforms.equations.programs import (
    Found,
    applied,
    bound,
    indirect,
    numbered,
    steps_of,
)
from funcgrad.transforms.lanes import OUT_OF_BATCH
from funcgrad.transforms.replayed import Replayed
from funcgrad.transforms.saving import call
from funcgrad.transforms.vmap import lift, unlift

__all__ = ["Closed"]

# --- the function -----------------------------------------------------------------------------


class Closed:
    """A program without guards as a pure function of a flat list of values of any kind.

    Args:
        program: it.
        written: whether the user wrote its operations. Those of a derived program are applied by
            their primitives, without what operators and functions of NumPy choose by their
            operands.

    Attributes:
        program: with its variables numbered in order, so that equal functions are equal.
    """

    __slots__ = ("_apply", "_derived", "_hash", "_steps", "program")

    def __init__(self, program: Program, *, written: bool = True) -> None:
        self.program = numbered(program)
        self._apply = call if written else bound
        self._hash: int | None = None
        self._steps: Any = None
        self._derived: dict[Any, Any] = {}

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Closed) and self.program == other.program)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.program)
        return self._hash

    def __repr__(self) -> str:
        return f"<{self.program.name} of {len(self.program.items)} operations>"

    def like(self, program: Program) -> "Closed":
        """A program that is derived from this one, as a function."""
        return Closed(program, written=False)

    @property
    def outputs(self) -> tuple[Aval, ...]:
        """Shapes and dtypes of the results."""
        return tuple(map(aval_of_output, self.program.outputs))

    def zeros(self) -> list[Any]:
        """Results of zeros, in no memory."""
        return [zeros_of(aval.shape, aval.dtype) for aval in self.outputs]

    def run(self, leaves: Sequence[Any], stage: Any = None, *, direct: bool = True) -> list[Any]:
        """The results: each operation is that of the user's function, to the last bit.

        Args:
            leaves: operands, arrays or tracers.
            stage: a trace that is told (`begin`) which equation comes next.
            direct: as in `linearised`.
        """
        apply = self._apply if direct or self._apply is bound else indirect
        if stage is None and all(type(x) in NATIVE for x in leaves):
            apply = applied
        if self._steps is None:
            self._steps = steps_of(self.program)
        inputs, template, steps, outputs = self._steps
        frame: list[Any] = template.copy()
        for place, x in zip(inputs, leaves, strict=True):
            frame[place] = x
        for item, operands, params, results, errors, dead in steps:
            if stage is not None:
                stage.begin(item)
            values = [frame[i] for i in operands]
            if errors is None:
                out = apply(item.primitive, values, params)
            else:
                with np.errstate(**errors):
                    out = apply(item.primitive, values, params)
            if type(out) is tuple:
                for place, result in zip(results, out, strict=True):
                    frame[place] = result
            else:
                frame[results[0]] = out
            del out, values
            for i in dead:
                frame[i] = None
        return [frame[i] for i in outputs]

    # what leads where ---------------------------------------------------------------------------
    def varying(self, flags: Sequence[bool | None]) -> Flags:
        """Which results differ between the examples of a batch, if flagged inputs do."""
        found = Found(self.program.inputs, flags)
        for item in self.program.equations:
            own = [found[o] for o in item.operands]
            fun = dict(item.params).get("fun")
            if isinstance(fun, Replayed):
                parts = fun.varying(own)
            else:
                varies = item.primitive not in OUT_OF_BATCH if None in own else True in own
                parts = (varies,) * len(item.results)
            found.note(item.results, parts)
        return tuple(bool(found[o]) for o in self.program.outputs)

    def active(self, flags: Sequence[bool]) -> Flags:
        """Which results may have a derivative by the flagged inputs."""
        found = Found(self.program.inputs, flags)
        for item in self.program.equations:
            if item.primitive.vjp is not None and any(found[o] for o in item.operands):
                found.note(item.results, [v.dtype.kind in "fc" for v in item.results])
        return tuple(bool(found[o]) for o in self.program.outputs)

    def sources(self, results: Iterable[int]) -> set[int]:
        """Which inputs the derivatives of some results may lead to."""
        program = self.program
        chosen = set(results)
        found = {
            o.number
            for i, o in enumerate(program.outputs)
            if i in chosen and isinstance(o, Variable)
        }
        for item in reversed(program.equations):
            own = {i for i, v in enumerate(item.results) if v.number in found}
            if own and item.primitive.vjp is not None:
                fun = dict(item.params).get("fun")
                places = fun.sources(own) if isinstance(fun, Replayed) else None
                found.update(
                    o.number
                    for i, o in enumerate(item.operands)
                    if isinstance(o, Variable) and (places is None or i in places)
                )
        return {i for i, v in enumerate(program.inputs) if v.number in found}

    # derived programs ---------------------------------------------------------------------------
    def pushed(self, moved: Flags) -> tuple["Closed", Flags]:
        """Forward mode: `(inputs, tangents of the moved ones) ↦ (results, tangents)`.

        Args:
            moved: which inputs have a tangent.

        Returns:
            The function, and which results have a tangent; the others' are zero, and left away.

        Raises:
            NeedsValues: if there is no such program.
        """
        found: tuple[Closed, Flags] = self.once(("pushed", moved), lambda: self._pushed(moved))
        return found

    def _pushed(self, moved: Flags) -> tuple["Closed", Flags]:
        inputs = self.program.inputs
        stage = Derivation()
        values = [stage.start(v) for v in inputs]
        dots = [
            stage.start(Aval(v.shape, v.dtype), f"{v.name}_dot" if v.name else "") if flag else None
            for v, flag in zip(inputs, moved, strict=True)
        ]
        trace = Dual("jvp")
        outs = self.run(
            [
                x if dot is None else DualTracer(x, dot, trace)
                for x, dot in zip(values, dots, strict=True)
            ],
            stage,
        )
        trace.close()
        mine = tuple(
            isinstance(out, DualTracer) and out.owner is trace and is_differentiable(out.value)
            for out in outs
        )
        primals = [x.value if isinstance(x, DualTracer) and x.owner is trace else x for x in outs]
        tangents = [
            fitting(out.tangent, aval_of_output(v))
            for out, v, flag in zip(outs, self.program.outputs, mine, strict=True)
            if flag
        ]
        variables = [x.variable for x in (*values, *dots) if x is not None]
        program = stage.program(self.program.name, variables, [*primals, *tangents])
        return Closed(program, written=False), mine

    def mapped(
        self, size: int, flags: Flags, needed: Flags | None = None
    ) -> tuple["Closed", Flags]:
        """All examples of a batch at once; the batch axis stands in front.

        Args:
            size: number of examples.
            flags: which inputs have the axis.
            needed: which results must have it, whether they differ between examples or not.

        Returns:
            The function, and which results have the axis.

        Raises:
            NeedsValues: if there is no such program.
        """
        key = "mapped", size, flags, needed
        found: tuple[Closed, Flags] = self.once(key, lambda: self._mapped(size, flags, needed))
        return found

    def _mapped(self, size: int, flags: Flags, needed: Flags | None) -> tuple["Closed", Flags]:
        stage = Derivation()
        values = [
            stage.start(Aval((size, *v.shape), v.dtype), v.name) if flag else stage.start(v)
            for v, flag in zip(self.program.inputs, flags, strict=True)
        ]
        trace = Batch("vmap", size)
        outs = self.run([lift(trace, x, f) for x, f in zip(values, flags, strict=True)], stage)
        trace.close()
        found, out_flags = [], []
        for i, out in enumerate(outs):
            x, batched = unlift(trace, out) if isinstance(out, BatchTracer) else (out, False)
            if needed is not None and needed[i] and not batched:
                x, batched = in_front(size, x, batched=False), True
            found.append(x)
            out_flags.append(batched)
        program = stage.program(self.program.name, [x.variable for x in values], found)
        return Closed(program, written=False), tuple(out_flags)

    def inlined(self) -> "Closed":
        """The same for values that no derivative is taken by.

        Functions with derivative rules of their own are the operations that they do.
        """
        if not any(_holds_functions(item) for item in self.program.equations):
            return self
        try:
            found: Closed = self.once("inlined", self._inlined)
        except NeedsValues:
            return self
        return found

    def _inlined(self) -> "Closed":
        stage = Derivation(inlines=True)
        values = [stage.start(v) for v in self.program.inputs]
        outs = self.run(values, stage)
        return Closed(stage.program(self.program.name, [x.variable for x in values], outs))

    def linearised(self, active: Flags, *, direct: bool = True, consts: int = 0) -> "Linearised":
        """Reverse mode by the active inputs, as a pair of programs.

        Args:
            active: which inputs are.
            direct: whether the active values are staged and nothing else. Operators choose other
                records for them than for values of further transforms.
            consts: so many inputs are the same in all of many steps: the sums of the cotangents
                of their parts go on from step to step.

        Raises:
            NeedsValues: if there is no such pair.
        """
        key = "linearised", active, direct, consts
        found: Linearised = self.once(
            key, lambda: Linearised(self, active, direct=direct, consts=consts)
        )
        return found

    def once(self, key: Any, derive: Callable[[], Any]) -> Any:
        """Something that is derived from the program, which is kept.

        Raises:
            NeedsValues: if it cannot be derived.
        """
        found = self._derived.get(key)
        if found is None:
            try:
                found = derive()
            except Exception:  # noqa: BLE001  # on zeros: with values it comes again, or does not
                found = NeedsValues
            found = self._derived.setdefault(key, found)
        if found is NeedsValues:
            raise NeedsValues
        return found


def _holds_functions(item: Equation) -> bool:
    if item.primitive.family == "custom":
        return True
    fun: Any = dict(item.params).get("fun")
    return hasattr(fun, "inlined") and fun.inlined() is not fun
