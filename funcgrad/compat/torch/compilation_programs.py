"""What is compiled of a function for one kind of arguments, and how a call is answered."""

from collections.abc import Sequence
from operator import is_
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import MOST, Break
from funcgrad.compat.torch.compilation_derivative import (
    RECORDING,
    CompiledRule,
    Inside,
    recorded_call,
    used_inputs,
)
from funcgrad.compat.torch.compilation_held import shares
from funcgrad.compat.torch.compilation_recording import (
    Draw,
    Inputs,
    MoreDraws,
    Recorder,
    Result,
    Spec,
)
from funcgrad.compat.torch.node import Node, make_node, node_class
from funcgrad.compat.torch.pytrees import unflatten
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.jitting.derived import Tape, forward_of, remember
from funcgrad.jitting.staged import MISSED, Options, Staged
from funcgrad.jitting.staging import JitStage

__all__ = ["Program"]

NODE = node_class("CompiledFunctionBackward")

SHAPES = 64
"""So many kinds of shapes are compiled; others run eagerly."""


class Program:
    """What is compiled for one kind of arguments.

    Attributes:
        name: of the function.
        eager: why it runs eagerly, if it does.
        plans: for each list of random numbers that it draws what is recorded.
        inputs: of the call that is being recorded.
    """

    __slots__ = ("eager", "inputs", "name", "plans")

    def __init__(self, name: str) -> None:
        self.name = name
        self.eager = ""
        self.plans: list[_Plan] = []
        self.inputs: Inputs | None = None

    def call(self, inputs: Inputs) -> Any:
        """The function's results.

        Raises:
            Break: if it has to run eagerly.
        """
        for plan in self.plans:
            if plan.forward is None:
                continue
            state = plan.state() if plan.draws else []
            try:
                out = plan.known(inputs)
            except BaseException:
                plan.restore(state)
                raise
            if out is not MISSED:
                return out
            plan.restore(state)
        with RECORDING:
            self.inputs = inputs
            try:
                return self._recorded(inputs)
            finally:
                self.inputs = None

    def _recorded(self, inputs: Inputs) -> Any:
        plan = self._plan(())  # what it draws becomes known
        for _ in range(2):
            state = plan.state()
            try:
                return plan.record(inputs)
            except MoreDraws as more:
                plan.restore(state)
                plan = self._plan(more.draws)
            except BaseException:
                plan.restore(state)
                raise
        raise Break("it draws other random numbers each time")

    def _plan(self, draws: tuple[Draw, ...]) -> "_Plan":
        for plan in self.plans:
            if plan.draws == draws:
                return plan
        if len(self.plans) > MOST:
            raise Break("it draws other random numbers each time")
        made = _Plan(self, draws)
        self.plans.append(made)
        return made


class _Plan:
    """What is recorded for one list of random numbers."""

    __slots__ = ("active", "draws", "forward", "generators", "program", "staged")

    def __init__(self, program: Program, draws: tuple[Draw, ...]) -> None:
        self.program = program
        self.draws = draws
        self.generators = list({id(g): g for g in (draw.source() for draw in draws)}.values())
        self.active: tuple[bool, ...] = ()
        self.staged: Staged | None = None
        self.forward: Staged | None = None

    def state(self) -> list[Any]:
        """Of the generators that are drawn from."""
        return [(g._bits.state, g.spare) for g in self.generators]

    def restore(self, states: Sequence[Any]) -> None:
        """Give the generators back a state."""
        for generator, (bits, spare) in zip(self.generators, states, strict=True):
            generator._bits.state = bits
            generator.spare = spare

    def known(self, inputs: Inputs) -> Any:
        """The results, if a recorded path gives them."""
        staged = self.forward
        assert staged is not None
        leaves = [t._value for t in inputs.tensors]
        if self.draws:
            leaves += [draw() for draw in self.draws]
        run = staged.unit(leaves).run
        if run is None:
            return MISSED
        out = run(*leaves)
        return MISSED if out is MISSED else self.finished(inputs, leaves, out)

    def record(self, inputs: Inputs) -> Any:
        """The results, by a path that is recorded now."""
        leaves = [t._value for t in inputs.tensors]
        leaves += [draw() for draw in self.draws]
        if self.forward is None:
            active = tuple(t._requires for t in inputs.tensors) + (False,) * len(self.draws)
            self.active = active
            names = [f"x{number}" for number in range(len(leaves))]
            options = Options(max_traces=MOST, exact=True)
            self.staged = Staged(self.body, self.program.name, names, options)
            self.forward = self.staged
            if any(active):
                made = forward_of(self.staged, active)
                self.forward = Inside(made.body, made.name, names, made.options)
        unit = self.forward.unit(leaves)
        if unit.eager:
            raise Break("there are too many ways through it")
        if not unit.paths and sum(bool(u.paths) for u in self.forward.units.values()) >= SHAPES:
            raise Break("there are too many shapes of arguments", lasting=False)
        out = recorded_call(self.forward, leaves)
        tape = out[0]
        single = isinstance(tape, Tape) and sum(at is not None for at in tape.places) == 1
        if single and not tape.home:
            remember(tape, self.forward, leaves)
        return self.finished(inputs, leaves, out)

    def body(self, leaves: Sequence[Any], stage: JitStage | None) -> tuple[Spec, list[Any]]:
        """The function, as it is recorded."""
        inputs = self.program.inputs
        if stage is None or inputs is None:
            raise Break("there are too many ways through it")
        count = len(inputs.tensors)
        return Recorder(inputs, self.draws, leaves[count:], stage).run(leaves[:count])

    # --- what the user gets ---------------------------------------------------------------

    def finished(self, inputs: Inputs, leaves: Sequence[Any], out: Any) -> Any:
        """Results as tensors with their node; writes into inputs."""
        tape, outs = out
        tensors = inputs.tensors
        node = None
        if self.active and any(self.active):
            spec, places = tape.static, tape.places
            if any(place is not None for place in places):
                node = self._node(inputs, leaves, tape, outs)
        else:
            spec, places = tape, ()
        if spec.writes:
            _check_writes(spec, inputs)
        results = spec.results
        if len(results) == 1:
            found = [_made(results[0], outs, node, places, tensors)]
        else:
            made: dict[int, Any] = {}
            for result in results:
                if id(result) not in made:
                    made[id(result)] = _made(result, outs, node, places, tensors)
            found = [made[id(result)] for result in results]
        for write in spec.writes:
            tensor = tensors[write.tensor]
            np.copyto(tensor._array(), outs[write.place])
            tensor._cell[0] += write.versions
        for at, result in enumerate(results):
            if result.kind == "view":
                found[at] = _shown(tensors[result.place], result.path)
        structure = spec.structure
        return found[0] if structure.kind is None else unflatten(structure, found)

    def _node(self, inputs: Inputs, leaves: Sequence[Any], tape: Tape, outs: list[Any]) -> Node:
        tensors, spec = inputs.tensors, tape.static
        residuals = outs[tape.count :]
        if spec.writes:
            written = {write.tensor for write in spec.writes}
            values: Sequence[Any] = [
                np.array(x) if at in written else x for at, x in enumerate(leaves)
            ]
        else:
            values = leaves
        shared = spec.shared.get(len(residuals))
        if shared is None:
            shared = spec.shared[len(residuals)] = _sharing(spec, leaves[: len(tensors)], residuals)
        read, copied = shared
        for place in copied:
            residuals[place] = np.array(residuals[place])
        saved: list[Any] = []
        for at in read:
            cell = tensors[at]._cell
            saved += (cell, cell[0])
        if spec.used is None:
            spec.used = used_inputs(tape)
        every = (t for t in tensors if t._requires)
        active = [t for t, flag in zip(every, spec.used, strict=True) if flag]
        edges = tuple([t if t._node is None else t._node for t in active])
        ports = tuple([t._port for t in active])
        rule = CompiledRule(self.program.name, self.draws, inputs, tape, values, (edges, ports))
        chosen = ports if any(ports) else None
        node = make_node(NODE, rule, edges, chosen, residuals, tuple(saved))
        if tape.count > 1:
            node.outputs = tape.count
        return node


def _sharing(
    spec: Spec, leaves: Sequence[Any], residuals: Sequence[Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which inputs have memory that residuals read; which residuals read memory to be written."""
    written = {write.tensor for write in spec.writes}
    pairs = [
        (at, place)
        for at, leaf in enumerate(leaves)
        for place, residual in enumerate(residuals)
        if shares(leaf, residual)
    ]
    read = dict.fromkeys(at for at, _ in pairs if at not in written)
    copied = dict.fromkeys(place for at, place in pairs if at in written)
    return tuple(read), tuple(copied)


def _check_writes(spec: Spec, inputs: Inputs) -> None:
    """Refuse to write into memory that another tensor shows.

    Raises:
        Break: for this call.
    """
    tensors, own = inputs.tensors, inputs.own
    rest = [t._value for t in tensors[own:]]
    checked = spec.checked
    same = len(checked) == len(rest) and all(map(is_, checked, rest))
    for write in spec.writes:
        tensor = tensors[write.tensor]
        others = tensors[:own] if same and write.tensor >= own else tensors
        if (
            tensor._node is not None
            or tensor._base is not None
            or any(view() is not None for view in tensor._views or ())
            or any(shares(tensor._value, t._value) for t in others if t is not tensor)
        ):
            raise Break("it writes into a tensor that shares its memory", lasting=False)
    spec.checked = rest


def _made(
    result: Result, outs: Sequence[Any], node: Any, places: Sequence[Any], tensors: Sequence[Tensor]
) -> Any:
    """One result."""
    kind = result.kind
    if kind == "value":
        value = outs[result.place]
        tensor = object.__new__(Tensor)
        tensor._value = value
        tensor._cell = [0, None]
        if result.attributes:
            vars(tensor).update(result.attributes)
        if node is not None and places[result.place] is not None and value.dtype.kind in "fc":
            tensor._node, tensor._port, tensor._requires = node, result.place, True
            tensor._cell[1] = "CompiledFunction"
        return tensor
    if kind == "input":
        return tensors[result.place]
    if kind == "constant":
        tensor = holder(np.array(result.value))
        vars(tensor).update(result.attributes)
        return tensor
    return result.value


def _shown(tensor: Any, path: Sequence[Any]) -> Any:
    """What the steps of a view show of a tensor."""
    for op, operands, port in path:
        tensor = op(tensor, *operands)
        if port is not None:
            tensor = tensor[port]
    return tensor
