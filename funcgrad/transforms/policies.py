"""What a checkpoint keeps: policies, by JAX's names.

A policy is asked for each operation inside of the checkpointed function,
`policy(primitive, *avals, **params)`, with the shapes and dtypes of the operands; where the answer
is true, the results are kept for the reverse sweep, and not computed again.
"""

from collections.abc import Callable
from typing import Any

from funcgrad.core.primitive import Primitive

__all__ = [
    "checkpoint_dots",
    "checkpoint_dots_with_no_batch_dims",
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
    "save_any_names_but_these",
    "save_anything_except_these_names",
    "save_from_both_policies",
    "save_only_these_names",
]

_NAME = "checkpoint_name"


def everything_saveable(_primitive: Primitive, *_avals: Any, **_params: Any) -> bool:
    """Keep everything: as without a checkpoint."""
    return True


def nothing_saveable(_primitive: Primitive, *_avals: Any, **_params: Any) -> bool:
    """Keep nothing but the arguments: the default."""
    return False


def dots_saveable(primitive: Primitive, *avals: Any, **_params: Any) -> bool:
    """Keep the results of matrix products, which take the longest to compute again."""
    return primitive.name == "matmul" or (primitive.name == "einsum" and len(avals) > 1)


checkpoint_dots = dots_saveable


def dots_with_no_batch_dims_saveable(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Keep the results of matrix products that are no stacks of products.

    Products with weights, in short, and not those of one example's values with each other.
    """
    if primitive.name == "matmul":
        return min(len(aval.shape) for aval in avals) <= 2
    if primitive.name == "einsum":
        return len(avals) > 1 and not _batch_letters(params["spec"])
    return False


checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable


def _batch_letters(spec: str) -> set[str]:
    """Letters that stand in at least two operands, and in the result."""
    inputs, _, output = spec.partition("->")
    operands = inputs.split(",")
    return {c for c in output if c.isalpha() and sum(c in operand for operand in operands) > 1}


def save_only_these_names(*names: str) -> Callable[..., bool]:
    """Keep what `checkpoint_name` gave one of these names, and nothing else."""

    def policy(primitive: Primitive, *_avals: Any, **params: Any) -> bool:
        return primitive.name == _NAME and params["name"] in names

    return policy


def save_any_names_but_these(*names: str) -> Callable[..., bool]:
    """Keep what `checkpoint_name` gave a name that is none of these, and nothing else."""

    def policy(primitive: Primitive, *_avals: Any, **params: Any) -> bool:
        return primitive.name == _NAME and params["name"] not in names

    return policy


def save_anything_except_these_names(*names: str) -> Callable[..., bool]:
    """Keep everything but what `checkpoint_name` gave one of these names."""

    def policy(primitive: Primitive, *_avals: Any, **params: Any) -> bool:
        return primitive.name != _NAME or params["name"] not in names

    return policy


def save_from_both_policies(
    policy_1: Callable[..., Any], policy_2: Callable[..., Any]
) -> Callable[..., bool]:
    """Keep what one policy or the other keeps."""

    def policy(primitive: Primitive, *avals: Any, **params: Any) -> bool:
        return bool(policy_1(primitive, *avals, **params) or policy_2(primitive, *avals, **params))

    return policy
