"""Jacobians and Hessians that are sparse: their structure, and their entries alone."""

from funcgrad.sparse.derivatives import (
    hessian_sparsity,
    jacobian_sparsity,
    sparse_hessian,
    sparse_jacobian,
)
from funcgrad.sparse.matrix import SparseMatrix
from funcgrad.sparse.pattern import Pattern
from funcgrad.sparse.planning import Plan

__all__ = [
    "Pattern",
    "Plan",
    "SparseMatrix",
    "hessian_sparsity",
    "jacobian_sparsity",
    "sparse_hessian",
    "sparse_jacobian",
]
