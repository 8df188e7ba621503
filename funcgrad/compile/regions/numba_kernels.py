"""The source of a kernel for Numba: loops over small arrays, with numbers in their bodies.

Equations of one shape share a loop, in whose body they are numbers as in `scalars_numbers`. Values
of one element are local numbers, all others flat local arrays in C order. What moves elements is a
table of places. Sums and products of matrices are read off the numbers that `scalars_rules` makes
of them: for each result, which products of which elements are added up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import cluster, kind_of_cluster, program_of
from funcgrad.compile.regions.grouping import contracted, grouped
from funcgrad.compile.regions.numba_backend import FUNCTIONS
from funcgrad.compile.regions.numba_terms import Terms
from funcgrad.compile.regions.scalars_numbers import Number, Unrolled
from funcgrad.compile.regions.scalars_operations import OPERATIONS, Operation
from funcgrad.compile.regions.scalars_rules import rule_of
from funcgrad.compile.regions.scalars_values import Value
from funcgrad.core.program import Constant, Equation, Program, Variable

__all__ = ["Kernel", "is_elementwise"]

LOOP = kind_of_cluster("loop")
_ELEMENTWISE = frozenset({*OPERATIONS, "power", "clip"})


def is_elementwise(equation: Equation) -> bool:
    """Whether each element of the result is of the elements at its place."""
    return equation.primitive.name in _ELEMENTWISE or equation.primitive.family == "python"


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a value is.

    Attributes:
        shape: its shape.
        name: of a flat array, or of a number if there is one element.
        places: where in the array its elements are, in C order.
        boolean: whether they are truth values.
        array: whether there is an array.
        boxed: as in `Value`.
    """

    shape: tuple[int, ...]
    name: str
    places: Any
    boolean: bool
    array: bool
    boxed: bool = False


class Kernel:
    """Writes the source of a kernel.

    Attributes:
        name: of the function.
        namespace: its global variables.
        filled: results that the kernel writes into arrays that are given behind the inputs.
        returned: results that it returns behind the truth value that says if all are finite.
        boxed: those of them that are arrays without axes.
    """

    def __init__(self, program: Program, exact: bool) -> None:
        self.name = "kernel"
        self.program = program
        self.exact = exact
        self.namespace: dict[str, Any] = dict(FUNCTIONS, np=np)
        self.results = [v for v in program.outputs if isinstance(v, Variable)]
        self.filled = [v for v in self.results if v.shape]
        self.returned = [v for v in self.results if not v.shape]
        self.boxed: set[int] = set()
        self._lines: list[str] = []
        self._known: dict[Any, _Stored] = {}
        self._tables: dict[bytes, str] = {}
        self._count = 0
        self._pad = "    "

    def text(self) -> str:
        """The source."""
        program = self.program
        names = [self._fresh("x") for _ in program.inputs]
        outs = [self._fresh("y") for _ in self.filled]
        head = f"def {self.name}({', '.join([*names, *outs])}):"
        for variable, name in zip(program.inputs, names, strict=True):
            self._known[variable.number] = self._given(name, variable)
        for equation in self._ordered():
            if equation.primitive is LOOP:
                self._loop(equation)
            else:
                self._equation(equation)
        self._finish(outs)
        return "\n".join([head, *self._lines]) + "\n"

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def _line(self, text: str) -> None:
        self._lines.append(self._pad + text)

    def _ordered(self) -> Sequence[Equation]:
        """The equations, those of one shape together where they can be."""
        equations = self.program.equations

        def kind(equation: Equation) -> Any:
            if not is_elementwise(equation):
                return None
            shape = equation.results[0].shape
            return shape if math.prod(shape) != 1 else ()

        groups = grouped(equations, kind)
        home = {i: g for g, group in enumerate(groups) for i in group}
        outside = {v.number for v in self.results}
        made: dict[int, int | None] = {}
        for i, equation in enumerate(equations):
            for o in equation.operands:
                if isinstance(o, Variable) and made.get(o.number, i) != home.get(i, -1 - i):
                    outside.add(o.number)
            made.update((v.number, home.get(i)) for v in equation.results)
        steps = {
            g: [cluster(LOOP, [equations[i] for i in group], outside, lifted=False)]
            for g, group in enumerate(groups)
        }
        return contracted(equations, steps, groups)

    # --- where values are ---------------------------------------------------------------------
    def _given(self, name: str, variable: Variable) -> _Stored:
        """An input, which may have any strides."""
        size = math.prod(variable.shape)
        boolean = variable.dtype.kind == "b"
        if not variable.shape:
            return _Stored((), name, _upto(1), boolean, array=False)
        if size == 1:
            number = self._fresh("s")
            self._line(f"{number} = {name}[{', '.join('0' for _ in variable.shape)}]")
            return _Stored(variable.shape, number, _upto(1), boolean, array=False)
        flat = name
        if len(variable.shape) > 1:
            flat = self._fresh("a")
            self._line(f"{flat} = {name}.flatten()")
        return _Stored(variable.shape, flat, _upto(size), boolean, array=True)

    def _stored(self, operand: Variable | Constant) -> _Stored:
        """Where an operand is; constants are global variables, or literals."""
        if isinstance(operand, Variable):
            return self._known[operand.number]
        found = self._known.get(operand)
        if found is None:
            value = np.asarray(operand.value)
            boolean = value.dtype.kind == "b"
            value = value if boolean else value.astype(np.float64)
            array = value.size != 1
            if array:
                name = self._fresh("c")
                self.namespace[name] = value.ravel().copy()
            else:
                name = repr(value.item())
                name = f"({name})" if name[0] == "-" else name
            found = _Stored(value.shape, name, _upto(value.size), boolean, array)
            self._known[operand] = found
        return found

    def _read(self, stored: _Stored, places: Any, i: str) -> str:
        """The element for a loop's variable, of those at some places."""
        if not stored.array:
            return stored.name
        places = np.asarray(places)
        if places.size and (places == places[0]).all():
            return f"{stored.name}[{places[0]}]"
        step = places - _upto(places.size)
        if (step == step[0]).all():
            return f"{stored.name}[{i} + {step[0]}]" if step[0] else f"{stored.name}[{i}]"
        return f"{stored.name}[{self._table(places)}[{i}]]"

    def _table(self, places: Any) -> str:
        places = np.ascontiguousarray(places, np.intp)
        key = places.tobytes()
        name = self._tables.get(key)
        if name is None:
            name = self._tables[key] = self._fresh("t")
            self.namespace[name] = places
        return name

    def _made(self, variable: Variable, boxed: bool = False) -> _Stored:
        """A place for a result; an array is made for it."""
        size = math.prod(variable.shape)
        boolean = variable.dtype.kind == "b"
        array = size != 1
        name = self._fresh("a" if array else "s")
        if array:
            self._line(f"{name} = np.empty({size}, np.{'bool_' if boolean else 'float64'})")
        stored = _Stored(variable.shape, name, _upto(size), boolean, array, boxed)
        self._known[variable.number] = stored
        return stored

    # --- one loop -----------------------------------------------------------------------------
    def _loop(self, equation: Equation) -> None:
        """Write the equations of one shape."""
        program = program_of(equation)
        wanted = [v for v in program.outputs if isinstance(v, Variable)]
        size = math.prod(program.equations[0].results[0].shape)
        if size == 0:
            for v in wanted:
                self._made(v)
            return
        made = [] if size == 1 else [self._made(v) for v in wanted]
        unrolled = Unrolled()
        lanes: dict[Any, Value] = {}
        loads: list[tuple[Number, _Stored, tuple[int, ...]]] = []
        for inner in program.equations:
            shape = inner.results[0].shape
            operands = [self._lane(o, shape, unrolled, lanes, loads) for o in inner.operands]
            result = inner.results[0]
            alone = Variable(result.number, (), result.dtype, weak=result.weak)
            one = Equation(inner.primitive, inner.operands, inner.params, (alone,))
            rule = rule_of(inner)
            assert rule is not None
            lanes[result.number] = rule.expand(unrolled, one, operands, self.exact)[0]
        outputs = [lanes[v.number].items[0] for v in wanted]
        unrolled.counted(outputs)
        if size > 1:
            self._line(f"for i in range({size}):")
            self._pad += "    "
        for number, stored, shape in loads:
            if number.reads:
                text = self._read(stored, _broadcast(stored, shape), "i")
                number.text = self._named(text) if stored.array else text
        unrolled.write(lambda _number, text: self._named(text), _text_of)
        for place, number in zip(made, outputs, strict=bool(made)):
            self._line(f"{place.name}[i] = {number.text}")
        if size > 1:
            self._pad = self._pad[:-4]
            return
        for v, number in zip(wanted, outputs, strict=True):
            boolean = v.dtype.kind == "b"
            boxed = lanes[v.number].boxed and not v.shape
            self._known[v.number] = _Stored(v.shape, number.text, _upto(1), boolean, False, boxed)

    def _named(self, text: str) -> str:
        name = self._fresh("v")
        self._line(f"{name} = {text}")
        return name

    def _lane(
        self,
        operand: Variable | Constant,
        shape: tuple[int, ...],
        unrolled: Unrolled,
        lanes: dict[Any, Value],
        loads: list[tuple[Number, _Stored, tuple[int, ...]]],
    ) -> Value:
        """One element of an operand in a loop over a shape."""
        key: Any = operand.number if isinstance(operand, Variable) else operand
        found = lanes.get(key)
        if found is None and isinstance(operand, Variable):
            found = lanes.get((key, shape))
        if found is not None:
            return found
        stored = self._stored(operand)
        if isinstance(operand, Constant) and not stored.array:
            value = np.asarray(operand.value).item()
            number = unrolled.literal(value if stored.boolean else float(value))
            return Value((), [number], stored.boolean)
        number = Number(None, ())
        loads.append((number, stored, shape))
        found = Value((), [number], stored.boolean)
        lanes[key, shape] = found
        if isinstance(operand, Variable) and operand.dtype.kind not in "fb":
            found = Value((), [unrolled.apply("convert", number)])
            lanes[key, shape] = found
        return found

    # --- other equations ----------------------------------------------------------------------
    def _equation(self, equation: Equation) -> None:
        """Write what moves elements, or adds them up."""
        rule = rule_of(equation)
        assert rule is not None
        unrolled = Unrolled()
        sources: dict[int, tuple[_Stored, int]] = {}
        values = []
        for operand in equation.operands:
            stored = self._stored(operand)
            numbers = [Number(None, ()) for _ in range(math.prod(stored.shape))]
            for number, place in zip(numbers, stored.places.tolist(), strict=True):
                sources[id(number)] = stored, place
            values.append(Value(stored.shape, numbers, stored.boolean, stored.boxed))
        found = rule.expand(unrolled, equation, values, self.exact)
        for variable, value in zip(equation.results, found, strict=True):
            terms = [Terms(number, equation.primitive.name) for number in value.items]
            if self._is_view(variable, value, terms, sources):
                continue
            place = self._made(variable, value.boxed)
            if terms and _alike(terms, sources):
                self._summed(place, terms, sources)
            else:
                self._laid(place, terms, sources)

    def _is_view(
        self,
        variable: Variable,
        value: Value,
        terms: Sequence[Terms],
        sources: dict[int, tuple[_Stored, int]],
    ) -> bool:
        """Whether all elements are elements of one array, which then stays where it is."""
        found = []
        for term in terms:
            if not term.is_element or id(term.terms[0][0]) not in sources:
                return False
            found.append(sources[id(term.terms[0][0])])
        if not found or any(stored.name != found[0][0].name for stored, _ in found):
            return False
        stored = found[0][0]
        if value.boolean != stored.boolean:
            return False
        places = np.array([place for _, place in found])
        shape = variable.shape
        if len(found) == 1:
            name = f"{stored.name}[{places[0]}]" if stored.array else stored.name
            known = _Stored(shape, name, _upto(1), value.boolean, False, value.boxed)
        elif stored.array:
            known = _Stored(shape, stored.name, places, value.boolean, True, value.boxed)
        else:
            return False
        self._known[variable.number] = known
        return True

    def _summed(
        self,
        place: _Stored,
        terms: Sequence[Terms],
        sources: dict[int, tuple[_Stored, int]],
    ) -> None:
        """Write results that are all sums of as many products of elements of the same arrays."""
        first = terms[0]
        count, width = len(first.terms), len(first.terms[0])
        indent = self._pad
        many = len(terms) > 1
        if many:
            self._line(f"for i in range({len(terms)}):")
            self._pad += "    "
        tables = []
        for factor in range(width):
            stored = sources[id(first.terms[0][factor])][0]
            places = [sources[id(t[factor])][1] for term in terms for t in term.terms]
            tables.append((stored, np.array(places)))
        total = self._fresh("s")
        index = f"i * {count} + k" if many else "k"
        if first.fold == "add":
            self._line(f"{total} = 0.0")
            self._line(f"for k in range({count}):")
            product = self._product(tables, index)
            self._line(f"    {total} += {product}")
        else:
            start = f"i * {count}" if many else "0"
            self._line(f"{total} = {self._product(tables, start)}")
            self._line(f"for k in range(1, {count}):")
            other = self._fresh("v")
            self._line(f"    {other} = {self._product(tables, index)}")
            text = _text_of(OPERATIONS[first.fold]).format(total, other)
            self._line(f"    {total} = {text}")
        if first.divisor:
            self._line(f"{total} = {total} / {first.divisor}")
        self._line(f"{place.name}{'[i]' if place.array else ''} = {total}")
        self._pad = indent

    def _product(self, tables: Sequence[tuple[_Stored, Any]], index: str) -> str:
        texts = []
        for stored, places in tables:
            text = self._read(stored, places, index)
            texts.append(f"float({text})" if stored.boolean else text)
        return " * ".join(texts)

    def _laid(
        self,
        place: _Stored,
        terms: Sequence[Terms],
        sources: dict[int, tuple[_Stored, int]],
    ) -> None:
        """Write results that are elements of several arrays, sums of a few, or zeros."""
        if not place.array:
            texts = [self._element(n, sources) for t in terms for (n,) in t.terms]
            self._line(f"{place.name} = {' + '.join(texts) or '0.0'}")
            return
        parts: dict[str, tuple[_Stored, list[int], list[int], list[bool]]] = {}
        covered = set()
        for target, term in enumerate(terms):
            for order, (number,) in enumerate(term.terms):
                stored, source = sources[id(number)]
                part = parts.setdefault(f"{stored.name} {order}", (stored, [], [], []))
                part[1].append(target)
                part[2].append(source)
                part[3].append(order > 0 or term.started)
                covered.add(target)
        if len(covered) < len(terms) or any(any(part[3]) for part in parts.values()):
            self._line(f"{place.name}[:] = {'False' if place.boolean else '0.0'}")
        for key in sorted(parts, key=lambda key: int(key.split()[1])):
            stored, targets, places, adds = parts[key]
            left = self._read(place, np.array(targets), "i")
            right = self._read(stored, np.array(places), "i")
            if stored.boolean and not place.boolean:
                right = f"float({right})"
            self._line(f"for i in range({len(targets)}):")
            self._line(f"    {left} {'+=' if any(adds) else '='} {right}")

    def _element(self, number: Number, sources: dict[int, tuple[_Stored, int]]) -> str:
        stored, place = sources[id(number)]
        text = f"{stored.name}[{place}]" if stored.array else stored.name
        return f"float({text})" if stored.boolean else text

    # --- results ------------------------------------------------------------------------------
    def _finish(self, outs: Sequence[str]) -> None:
        """Write the results, and whether all are finite."""
        check = self._fresh("s")
        self._line(f"{check} = 0.0")
        for variable, name in zip(self.filled, outs, strict=True):
            stored = self._known[variable.number]
            size = math.prod(variable.shape)
            if not size:
                continue
            flat = self._fresh("a")
            self._line(f"{flat} = {name}.reshape({size})")
            self._line(f"for i in range({size}):")
            value = self._fresh("v")
            self._line(f"    {value} = {self._read(stored, stored.places, 'i')}")
            self._line(f"    {flat}[i] = {value}")
            if not stored.boolean:
                self._line(f"    {check} += {value}")
        texts = []
        for variable in self.returned:
            stored = self._known[variable.number]
            texts.append(stored.name)
            if stored.boxed:
                self.boxed.add(variable.number)
            if not stored.boolean:
                self._line(f"{check} += {stored.name}")
        self._line(f"return {', '.join([f'isfinite({check})', *texts])}")


def _alike(terms: Sequence[Terms], sources: dict[int, tuple[_Stored, int]]) -> bool:
    """Whether all results are sums of as many products of elements of the same arrays."""
    first = terms[0]
    if first.is_element or not first.terms:
        return False
    names = [sources[id(number)][0].name for number in first.terms[0]]
    return all(
        len(term.terms) == len(first.terms)
        and all(
            len(product) == len(names)
            and all(sources[id(x)][0].name == name for x, name in zip(product, names, strict=True))
            for product in term.terms
        )
        for term in terms
    )


def _upto(n: int) -> Any:
    return np.arange(n)


def _broadcast(stored: _Stored, shape: tuple[int, ...]) -> Any:
    """The places of the elements for a loop over a shape."""
    places = stored.places.reshape(stored.shape)
    if places.size == 1:
        return places.ravel()
    return np.broadcast_to(places, shape).ravel()


def _text_of(operation: Operation) -> str:
    return operation.text
