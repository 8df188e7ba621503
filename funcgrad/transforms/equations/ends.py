"""What stands at the ends of derived programs: results, cotangents, sums that go on.

The cotangents of parts of a constant are added up in one array, and that sum goes on from step to
step (`PartsCotangent`): it is one more input and result of a backward program.
"""

from typing import Any, TypeAlias

import numpy as np

from funcgrad.core.program import Constant, Variable
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.wengert import Aval
from funcgrad.families.shapes import cast_like, shape_of
from funcgrad.primitives.slicing import first_part

__all__ = ["Flags", "aval_of_output", "ct_name", "fitting", "merged", "opened"]

Flags: TypeAlias = tuple[bool, ...]


def aval_of_output(x: Variable | Constant) -> Aval:
    """Shape and dtype of a result of a program."""
    if isinstance(x, Variable):
        return Aval(x.shape, x.dtype)
    dtype = getattr(x.value, "dtype", None)
    return Aval(shape_of(x.value), np.result_type(type(x.value)) if dtype is None else dtype)


def ct_name(x: Variable | Constant) -> str:
    """What the cotangent of a result is called."""
    return f"d_{x.name}" if isinstance(x, Variable) and x.name else ""


def fitting(x: Any, aval: Aval) -> Any:
    """A tangent or cotangent in the shape and dtype of what it belongs to."""
    if getattr(x, "dtype", None) != aval.dtype:
        x = cast_like(x, aval.dtype) if hasattr(x, "dtype") else aval.dtype.type(x)
    if shape_of(x) != aval.shape:
        x = DISPATCH[np.broadcast_to](x, aval.shape)
    return x


def merged(record: Any, same: dict[int, int], direct: bool) -> Any:
    """A record whose parents are others, which are the same values."""
    if record is None:
        return None
    primitive, parents, pull, residuals = record
    if type(parents) is int:
        return primitive, same.get(parents, parents), pull, residuals
    found = tuple(same.get(parent, parent) for parent in parents)
    if found == parents:
        return record
    if direct and primitive.name == "multiply" and found[0] == found[1]:  # it is a square
        return primitive, found[0], lambda ct, xy: ct * (xy[0] + xy[1]), residuals
    return primitive, found, pull, residuals


def opened(records: list[Any], totals: list[Any], parent: int, common: int, before: int) -> None:
    """Change the records of a step in which there come to be several parts of a constant.

    The first part that was ever taken of a value has a record of its own. With the second one the
    record of all parts begins, whose sum is added to the cotangent of the value there.

    Args:
        records: of the step, changed.
        totals: the cotangents of its sweep.
        parent: the constant.
        common: the record of its parts.
        before: number of parts that had been taken before.
    """
    places = [i for i, record in enumerate(records) if record and record[1] == common]
    if before == 0 and places:
        first = places.pop(0)
        records[first] = first_part(records[first], parent)
    if before < 2 and places:
        primitive, _, pull, residuals = records[places[0]]

        def pull_all(ct: Any, residuals: Any) -> tuple[()]:
            part, known = pull(ct, residuals), totals[common]
            dense = (part if known is None else known + part).dense()
            total, totals[common] = totals[parent], None
            totals[parent] = dense if total is None else total + dense
            return ()

        records[places[0]] = primitive, (), pull_all, residuals
