"""What a node keeps of its own results, when somebody is about to write into them.

The derivative of a quotient can be told from the operands or from the quotient itself. The core's
rules keep what costs least, PyTorch keeps one of the two, and a program may count on it: a result
that PyTorch does not keep may be written to before `backward`. So before the first write the node
is given a copy of what it keeps, or, where PyTorch keeps the result, a note of the version that
`backward` asks for. Operations themselves pay nothing for this.
"""

from typing import Any

import numpy as np

from funcgrad.compat.torch.ambient import PrimitiveRule
from funcgrad.compat.torch.fast import LetterRule
from funcgrad.compat.torch.node import FREED, Node
from funcgrad.compat.torch.recorded import DirectRule, RecordedRule
from funcgrad.compat.torch.tensor import METHODS, Tensor
from funcgrad.core.primitive import Primitive

__all__ = ["RESULTS", "keep_before_write"]

_FIRST = (0,)
_BOTH = (0, 1)

RESULTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        (
            "Amax", "Amin", "Cdist", "Cholesky", "CholeskyInverse", "CholeskySolve", "CtcLoss",
            "Cumprod", "Dist", "Exp", "Exp2", "Expm1", "Hypot", "IndexReduce", "LinalgCholeskyEx",
            "LinalgDet", "LinalgHouseholderProduct", "LinalgInvEx", "LinalgLstsq",
            "LinalgLuFactorEx", "LinalgLuSolve", "LinalgPinv", "LinalgSlogdet", "LinalgSolveEx",
            "LinalgSolveTriangular", "LinalgVectorNorm", "LogSoftmax", "Logcumsumexp", "Logsumexp",
            "Median", "Nanmedian", "Ormqr", "Pdist", "Polar", "Prod", "Reciprocal", "Relu",
            "Rsqrt", "SafeSoftmax", "ScatterReduce", "SegmentReduce", "Sgn", "Sigmoid", "Softmax",
            "SpecialErfcx", "SpecialI0E", "SpecialI1", "SpecialI1E", "SpecialLogNdtr",
            "SpecialNdtri", "Sqrt", "StandardGamma", "Std", "Tan", "Tanh", "TriangularSolve",
        ),
        _FIRST,
    ),
    **dict.fromkeys(("Aminmax", "LinalgEig", "LinalgEigh", "LinalgLu", "LinalgQr"), _BOTH),
    "LinalgSvd": (0, 1, 2),
    "NativeGroupNorm": (1, 2),
    "StdMean": _FIRST,
}  # fmt: skip
"""Operations of which PyTorch keeps results, and which of them."""

NUMBERED = {
    "CopysignBackward0": _FIRST, "CopysignBackward1": _FIRST, "LdexpBackward0": _FIRST,
    "MaxBackward1": _FIRST, "MinBackward1": _FIRST, "NormBackward1": _FIRST,
    "PowBackward1": _FIRST, "PowBackward2": _FIRST, "ProdBackward1": _FIRST,
}  # fmt: skip
"""The same for those whose nodes have several classes."""


def _kept_by_torch(node: Node, port: int) -> bool:
    name = type(node).__name__
    return port in (NUMBERED.get(name) or RESULTS.get(name.removesuffix("Backward0")) or ())


def keep_before_write(tensor: Tensor) -> None:
    """Take care of the node that made a tensor whose memory may be written to from now on."""
    base = tensor if tensor._base is None else tensor._base
    node, cell = base._node, base._cell
    if not isinstance(node, Node) or node.residuals is FREED:
        return
    saved = node.saved
    noted = any(saved[at] is cell for at in range(0, len(saved), 2))
    if _kept_by_torch(node, base._port):
        if not noted:
            node.saved = (*saved, cell, cell[0])
            node.notes_result = True
    elif noted:
        _part(node, base)


METHODS["keep_before_write"] = keep_before_write


def _part(node: Node, result: Tensor) -> None:
    """Give a node a copy of the memory of its result, under a version of its own."""
    rule = node.rule
    if not isinstance(rule, LetterRule | RecordedRule | DirectRule | PrimitiveRule):
        return
    value, cell = result._value, result._cell
    copies: dict[int, Any] = {}
    node.residuals = _parted(node.residuals, value, copies)
    if isinstance(rule, PrimitiveRule):
        rule.out = _parted(rule.out, value, copies)
    own = [cell[0], cell[1]]
    node.saved = tuple([own if item is cell else item for item in node.saved])


def _parted(kept: Any, value: Any, copies: dict[int, Any]) -> Any:
    """The same with copies of the arrays that share memory with a value."""
    if isinstance(kept, np.ndarray):
        if not np.may_share_memory(kept, value):
            return kept
        if id(kept) not in copies:
            copies[id(kept)] = np.array(kept)
        return copies[id(kept)]
    if type(kept) is tuple:
        if len(kept) == 4 and isinstance(kept[0], Primitive):
            return (*kept[:3], _parted(kept[3], value, copies))
        return tuple([_parted(item, value, copies) for item in kept])
    if type(kept) is list:
        return [_parted(item, value, copies) for item in kept]
    return kept
