"""Operations on tensors: one declaration gives the function, its node and its derivatives.

An operation is a pure function of arrays, written with functions the core can trace. Recording it
once gives the records whose reverse sweep is the node's pull, so no derivative rule is written in
this package.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.ambient import is_saved
from funcgrad.compat.torch.arguments import kind_of
from funcgrad.compat.torch.compilation_breaks import refuse
from funcgrad.compat.torch.dtypes import (
    DTYPES,
    category_of,
    dtype,
    dtype_of_numpy,
    promote_types,
)
from funcgrad.compat.torch.levels import is_tracking, untracked
from funcgrad.compat.torch.node import Node, edge_of, make_node, node_class
from funcgrad.compat.torch.recorded import DirectRule, RecordedRule, index_in
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.tensor import Tensor, holder, payload_of, register_view
from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.record import Recording, RecordTracer

__all__ = ["Op", "apply", "result_type", "rounded", "torch_type_of"]

BFLOAT16 = DTYPES["bfloat16"]


class Op:
    """An operation with its declaration.

    Attributes:
        node: name of its nodes; `None` if results never require grad.
        function: of the operands' values, and of parameters by name.
        linear: whether the function is linear in its operands, so that none need be kept.
        promote: "" (operands as they are), "same" (to their common type) or "float" (the same,
            and integers to the default type).
        view: whether the result shares the memory of the first operand.
        returns: the named tuple of several results.
        copies: whether a node keeps copies of its operands, which may then be written to: for
            what PyTorch tells from the result.
    """

    __slots__ = (
        "check", "cls", "copies", "function", "linear", "name", "promote", "returns", "view",
    )  # fmt: skip

    def __init__(
        self,
        node: str | None,
        function: Callable[..., Any],
        *,
        linear: bool = False,
        promote: str = "",
        view: bool = False,
        returns: Any = None,
        check: Callable[..., None] | None = None,
        name: str = "",
        copies: bool = False,
    ) -> None:
        self.cls = None if node is None else node_class(node)
        self.function = function
        self.linear = linear
        self.promote = promote
        self.view = view
        self.returns = returns
        self.check = check
        self.copies = copies
        self.name = name or (node or "").removesuffix("Backward0")

    def __call__(self, *operands: Any, **params: Any) -> Any:
        """Apply it to tensors and numbers."""
        return apply(self, operands, params)


def torch_type_of(operand: Any) -> dtype:
    """Data type of a tensor, an array or a Python number (of its default type)."""
    if isinstance(operand, Tensor):
        return operand.dtype
    if isinstance(operand, np.ndarray | np.generic):
        return dtype_of_numpy(operand.dtype)
    return (DTYPES["bool"], DTYPES["int64"], SETTINGS.default_dtype,
            SETTINGS.default_dtype.to_complex())[category_of(operand)]  # fmt: skip


def result_type(*operands: Any) -> dtype:
    """Common type of tensors and numbers: axes beat none, tensors beat numbers of their category.

    Tensors with axes are promoted among themselves; a tensor without axes, and then a number,
    changes the result only if it is of a higher category.
    """
    best: list[dtype | None] = [None, None, None]
    for operand in operands:
        kind = torch_type_of(operand)
        rank = 2 if not isinstance(operand, Tensor) else 0 if operand._value.ndim else 1
        before = best[rank]
        best[rank] = kind if before is None else promote_types(before, kind)
    dims, zero, wrapped = best
    found = dims
    for other in (zero, wrapped):
        if other is None:
            continue
        if found is None:
            found = other
        elif other.category > found.category:
            if other is wrapped and other.category == 2:
                found = SETTINGS.default_dtype
            elif other is wrapped and other.category == 3:
                found = (found if found.category == 2 else SETTINGS.default_dtype).to_complex()
            elif other.category == 3 and found.category == 2:
                found = found.to_complex()
            else:
                found = other if found.category else promote_types(found, other)
    if found is None:
        raise TypeError("result_type: no operands were given")
    return found


def rounded(value: Any) -> Any:
    """float32 values rounded to bfloat16; traced values are left as they are."""
    if isinstance(value, Tracer):
        refuse("it computes with bfloat16")
        return value
    return round_to_bfloat16(value)[()]


def _promoted(operands: Sequence[Any], promote: str) -> tuple[dtype, bool]:
    """The type to compute in, and whether NumPy would not choose it by itself."""
    kind = result_type(*operands)
    if promote == "float" and kind.category < 2:
        kind = SETTINGS.default_dtype
    for operand in operands:
        if isinstance(operand, Tensor):
            if operand._value.dtype != kind.numpy:
                return kind, True
        elif category_of(operand) > kind.category:
            return kind, True
    return kind, False


def _casting(function: Callable[..., Any], kept_in: np.dtype[Any]) -> Callable[..., Any]:
    def cast(*values: Any, **params: Any) -> Any:
        operands = [
            value
            if getattr(value, "dtype", kept_in) == kept_in or value is None
            else value.astype(kept_in)
            for value in values
        ]
        return function(*operands, **params)

    return cast


def apply(op: Op, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """Compute an operation, and record its node where an operand requires grad.

    Operands are tensors, Python numbers, arrays or `None`; the last two are passed on as they are.

    Raises:
        RuntimeError: for shapes that do not fit, in PyTorch's words.
    """
    function = op.function
    if params:
        if STATE.grad and any(type(x) is np.ndarray for x in params.values()):
            params = {k: x.copy() if type(x) is np.ndarray else x for k, x in params.items()}
        function = _with(function, params)
    kind: dtype | None = None
    differs = False
    if op.promote:
        kind, differs = _promoted([x for x in operands if x is not None], op.promote)
        if differs:
            function = _casting(function, kind.numpy)
    tagged = kind is BFLOAT16 if op.promote else _has_bfloat16(operands)
    values, active, traced = _values_of(operands, kind if differs else None, op.name)
    if op.check is not None:  # which must see the types before they are cast
        op.check(*(x._value if isinstance(x, Tensor) else x for x in operands), **params)
    try:
        with np.errstate(all="ignore"):  # PyTorch gives inf and nan without a word
            if traced:
                track = payload_of if STATE.grad else _outside
                out = function(*(track(x) if isinstance(x, Tensor) else x for x in operands))
                if STATE.compiling is not None and STATE.grad and op.cls is not None:
                    out = _hanging(out, operands)
                return _wrapped(op, out, operands, tagged)
            if not active or not STATE.grad or op.cls is None:
                return _wrapped(op, function(*values), operands, tagged)
            if op.copies:
                values = [x.copy() if isinstance(x, np.ndarray) else x for x in values]
            return _recorded(op, function, operands, values, tagged)
    except ValueError as error:
        raise _translated(error, op, values) from None


def _hanging(out: Any, operands: Sequence[Any]) -> Any:
    """Recorded results that hang on the operands: those of zero derivative require grad, too."""
    single = type(out) is not tuple
    outs = (out,) if single else out
    active = [x._value for x in operands if isinstance(x, Tensor) and x.requires_grad]
    free = [
        item.dtype.kind in "fc" and not (isinstance(item, Tracer) and is_tracking(item))
        for item in outs
    ]
    if not any(free) or not active:
        return out
    zero = sum(fnp.sum(fnp.where(False, x, 0)) for x in active)
    found = tuple(
        fnp.where(False, (zero if item.dtype.kind == "c" else fnp.real(zero)), item).astype(
            item.dtype
        )
        if flag
        else item
        for item, flag in zip(outs, free, strict=True)
    )
    return found[0] if single else found


def _values_of(
    operands: Sequence[Any], kind: dtype | None, name: str
) -> tuple[list[Any], bool, bool]:
    """The operands' values (constant ones cast), whether one is active, whether one is traced.

    Raises:
        TypeError: if none is a tensor.
    """
    values: list[Any] = []
    active = traced = False
    some = False
    for operand in operands:
        if not isinstance(operand, Tensor):
            values.append(operand)
            continue
        some = True
        value = operand._value
        if isinstance(value, Tracer):
            traced = True
        elif operand._requires:
            active = True
        elif kind is not None and value.dtype != kind.numpy:
            value = value.astype(kind.numpy)
        values.append(value)
    if not some and not any(isinstance(operand, np.generic) for operand in operands):
        found = kind_of(operands[0]) if operands else "nothing"
        raise TypeError(
            f"{name.lower()}(): argument 'input' (position 1) must be Tensor, not {found}"
        )
    return values, active, traced


def _outside(tensor: Tensor) -> Any:
    return untracked(tensor._value)


def _with(function: Callable[..., Any], params: dict[str, Any]) -> Callable[..., Any]:
    def bound(*values: Any) -> Any:
        return function(*values, **params)

    return bound


def _tagged(tensor: Tensor) -> None:
    """Make a float32 result one of bfloat16."""
    if tensor._value.dtype == np.float32:
        tensor._dtype = BFLOAT16
        tensor._value = rounded(tensor._value)


def _has_bfloat16(operands: Sequence[Any]) -> bool:
    for operand in operands:
        if isinstance(operand, Tensor):
            return operand._dtype is BFLOAT16
    return False


def _recorded(
    op: Op,
    function: Callable[..., Any],
    operands: Sequence[Any],
    values: list[Any],
    tagged: bool,
) -> Any:
    """The general way: record the function on its active operands, and keep the records."""
    trace = Recording("torch")
    args: list[Any] = []
    mask: list[bool] = []
    active: list[Tensor] = []
    for operand, value in zip(operands, values, strict=True):
        if isinstance(operand, Tensor) and operand._requires and value.dtype.kind in "fc":
            args.append(trace.input(value))
            mask.append(True)
            active.append(operand)
        else:
            args.append(value)
            mask.append(False)
    try:
        out = function(*args)
    finally:
        records = trace.close()
    single = type(out) is not tuple
    outs = (out,) if single else out
    results = [index_in(item, trace) for item in outs]
    plain = tuple(
        item.value if type(item) is RecordTracer and item.owner is trace else item for item in outs
    )
    kept, saved = _kept(op, mask, active, values, records)
    rule: Any = RecordedRule(function, kept, tuple(mask), results, single)
    if not op.linear and not all(mask):
        rule.others = _cells_of_inactive(operands, mask)
    state: Any = records
    count = len(active)
    if single and len(records) == count + 1 and results[0] == count:
        _, parents, pull, rest = records[-1]  # type: ignore[misc]  # a record
        if parents == (0 if count == 1 else tuple(range(count))):
            rule, state = DirectRule(rule, pull), rest
    ports = tuple(tensor._port for tensor in active)
    node = make_node(
        op.cls,  # type: ignore[arg-type]  # checked by the caller
        rule,
        tuple(map(edge_of, active)),
        ports if any(ports) else None,
        state,
        saved,
    )
    node.keeps = op.linear
    if not single:
        node.outputs = len(outs)
    tensors = [_result(op, value, node, port, tagged) for port, value in enumerate(plain)]
    if not STATE.saved_hooks:
        node.saved += _version_cells(operands, mask, tensors, records)
    return _finished(op, tensors, single, operands)


def _kept(
    op: Op, mask: Sequence[bool], active: Sequence[Tensor], values: Sequence[Any], records: Any
) -> tuple[list[Any], tuple[Any, ...]]:
    """What the rule keeps of each operand, and the version cells of those the records read."""
    residuals = [record[3] for record in records if record is not None]
    saved: list[Any] = []
    kept: list[Any] = []
    tensors = iter(active)
    for flag, value in zip(mask, values, strict=True):
        if not flag:
            kept.append(value)
            continue
        tensor = next(tensors)
        cell = tensor._cell
        if not op.copies and is_saved(value, residuals):
            saved += (cell, cell[0])
        if op.linear:
            entry = ((value.shape, value.dtype), edge_of(tensor), tensor._port, cell, None)
        else:
            entry = (value, edge_of(tensor), tensor._port, cell, cell[0])
        kept.append(entry)
    return kept, tuple(saved)


def _cells_of_inactive(operands: Sequence[Any], mask: Sequence[bool]) -> tuple[Any, ...]:
    return tuple(
        item
        for tensor, flag in zip(operands, mask, strict=True)
        if not flag and isinstance(tensor, Tensor)
        for item in (tensor._cell, tensor._cell[0])
    )


def _version_cells(
    operands: Sequence[Any], mask: Sequence[bool], tensors: Sequence[Tensor], records: Any
) -> tuple[Any, ...]:
    """Cells, with their versions, of kept results and of kept operands without derivative."""
    residuals = [record[3] for record in records if record is not None]
    others = [
        x for x, flag in zip(operands, mask, strict=True) if isinstance(x, Tensor) and not flag
    ]
    return tuple(
        item
        for tensor in (*others, *tensors)
        if type(tensor._value) is np.ndarray and is_saved(tensor._value, residuals)
        for item in (tensor._cell, tensor._cell[0])
    )


def _result(op: Op, value: Any, node: Node, port: int, tagged: bool) -> Tensor:
    tensor = holder(value)
    if tagged:
        _tagged(tensor)
    if value.dtype.kind in "fc":
        tensor._node = node
        tensor._port = port
        tensor._requires = True
        tensor._cell[1] = op.name
    return tensor


def _wrapped(op: Op, out: Any, operands: Sequence[Any], tagged: bool) -> Any:
    single = type(out) is not tuple
    tensors = []
    for item in (out,) if single else out:
        tensor = holder(item)
        if tagged:
            _tagged(tensor)
        tensors.append(tensor)
    return _finished(op, tensors, single, operands)


def _finished(op: Op, tensors: list[Tensor], single: bool, operands: Sequence[Any]) -> Any:
    if op.view:
        for port, tensor in enumerate(tensors):
            _share(op, tensor, operands, None if single else port)
    if single:
        return tensors[0]
    return op.returns(*tensors) if op.returns is not None else tuple(tensors)


def _share(op: Op, tensor: Tensor, operands: Sequence[Any], port: int | None) -> None:
    """Make a result a view of the first operand."""
    source = operands[0]
    tensor._cell = source._cell
    base = source if source._base is None else source._base
    step = (op, tuple(operands[1:]), port)
    register_view(tensor, base, (*source._path, step))


def _translated(error: ValueError, op: Op, values: Sequence[Any]) -> Exception:
    """An error of NumPy in PyTorch's words, where it is one of shapes."""
    shapes = [value.shape for value in values if hasattr(value, "shape")]
    if "broadcast" in str(error) and len(shapes) >= 2:
        rank = max(map(len, shapes))
        for i in range(1, rank + 1):
            lengths = [shape[-i] if len(shape) >= i else 1 for shape in shapes]
            first = lengths[0]
            for other in lengths[1:]:
                if other not in (first, 1) and first != 1:
                    return RuntimeError(
                        f"The size of tensor a ({first}) must match the size of tensor b ({other}) "
                        f"at non-singleton dimension {rank - i}"
                    )
                first = max(first, other)
    return error
