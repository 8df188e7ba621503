"""Expressions about reductions, order, products, matrices and Fourier transforms.

``python -m tests.compat.torch.matrix_cases --record`` writes ``tests/data/torch_matrices.json``;
without the flag it prints where PyTorch and the layer differ. Both need PyTorch.

An expression sees `torch` and the tensors of `inputs`. Compared are type, shape and values of the
results, the nodes behind them, and the gradients by the leaves of a weighted sum of the results; or
type and words of an error.
"""

import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FOURIER", "LINALG", "PRODUCTS", "RECORDED", "REDUCTIONS", "difference", "outcome"]

RECORDED = Path(__file__).resolve().parents[2] / "data" / "torch_matrices.json"
DEPTH = 6
TOLERANCES = {"float16": 2e-2, "float32": 2e-4, "complex64": 2e-4}
"""Relative and absolute, by dtype; PyTorch adds and multiplies in an order of its own."""

WORDS = 50
"""So many characters of an error's text are compared."""


def inputs(torch: Any) -> dict[str, Any]:
    """Leaves of many types: matrices, vectors, batches, ties, NaN, nothing."""
    rng = np.random.RandomState(0)

    def real(*shape: int) -> Any:
        return np.asarray(np.round(rng.randn(*shape), 3))

    def tensor(values: Any, kind: str) -> Any:
        made = torch.tensor(values.tolist(), dtype=getattr(torch, kind)).reshape(values.shape)
        return made.requires_grad_() if made.is_floating_point() or made.is_complex() else made

    square = real(3, 3)
    hermitian = real(3, 3) + 1j * real(3, 3)
    found = {
        "m": (real(3, 4), "float32"), "n": (real(4, 5), "float32"), "v": (real(3), "float32"),
        "w": (real(3), "float32"), "v4": (real(4), "float32"), "sq": (real(3, 3), "float32"),
        "b3": (real(2, 3, 4), "float32"), "c3": (real(2, 4, 5), "float32"),
        "s": (real(), "float32"), "d": (real(3, 4), "float64"), "sqd": (real(3, 3), "float64"),
        "z": (real(3, 4) + 1j * real(3, 4), "complex64"),
        "zd": (real(3, 4) + 1j * real(3, 4), "complex128"),
        "zsq": (real(3, 3) + 1j * real(3, 3), "complex128"),
        "ties": (np.array([[1, 2, 2, 0], [3, 3, 1, 1], [0, 0, 0, 0]]), "float32"),
        "i": (rng.randint(-3, 4, (3, 4)), "int64"), "bl": (rng.rand(3, 4) > 0.5, "bool"),
        "u8": (rng.randint(0, 5, 3), "uint8"), "h": (real(3, 4), "float16"),
        "nanx": (np.array([1, np.nan, 3, 2]), "float32"), "em": (np.zeros(0), "float32"),
        "em2": (np.zeros((2, 0)), "float32"), "spd": (square @ square.T + 3 * np.eye(3), "float64"),
        "hpd": (hermitian @ hermitian.conj().T + 3 * np.eye(3), "complex128"),
        "bsq": (real(2, 3, 3), "float64"), "tall": (real(5, 3), "float64"),
        "wide": (real(3, 5), "float64"), "cnt": (np.array([0, 2, 2, 5, 1]), "int64"),
        "vd": (real(3), "float64"),
    }  # fmt: skip
    return {name: tensor(*given) for name, given in found.items()}


def chain(node: Any, depth: int = DEPTH) -> str:
    """The nodes behind a result, as text."""
    if node is None:
        return "None"
    name = type(node).__name__.replace("ReshapeAlias", "View")  # for some strides
    if name == "AccumulateGrad" or not depth:
        return name
    edges = (
        chain(following, depth - 1) + (f" {port}" if port else "")
        for following, port in node.next_functions
    )
    return f"{name}({', '.join(edges)})"


def _number(x: Any) -> Any:
    if isinstance(x, complex):
        return [_number(x.real), _number(x.imag)]
    if isinstance(x, bool | int):
        return x
    return float(f"{x:.10g}") if math.isfinite(x) else str(x)


def plain(tensor: Any) -> dict[str, Any]:
    """Type, shape and elements, as JSON has them."""
    values = tensor.detach().reshape(-1).tolist()
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "values": [_number(x) for x in values],
    }


def _seed(torch: Any, tensor: Any) -> Any:
    count = tensor.numel()
    weights = np.cos(1.7 * np.arange(count) + 0.3)
    if tensor.is_complex():
        weights = weights + 1j * np.sin(1.1 * np.arange(count))
    return torch.tensor(weights.tolist(), dtype=tensor.dtype).reshape(tuple(tensor.shape))


def outcome(torch: Any, expression: str) -> dict[str, Any]:
    """What an expression gives."""
    leaves = inputs(torch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            given = eval(expression, {"torch": torch, **leaves})
        except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
            return {"error": [type(error).__name__, str(error)[:WORDS]]}
        results = given if isinstance(given, tuple | list) else (given,)
        found: dict[str, Any] = {
            "kind": type(given).__name__ if isinstance(given, tuple) else "",
            "results": [{**plain(one), "graph": chain(one.grad_fn)} for one in results],
        }
        active = [one for one in results if one.requires_grad]
        if active:
            try:
                torch.autograd.backward(active, [_seed(torch, one) for one in active])
            except Exception as error:  # noqa: BLE001  # as above
                found["backward"] = [type(error).__name__, str(error)[:WORDS]]
            else:
                found["grads"] = {
                    name: plain(leaf.grad)
                    for name, leaf in leaves.items()
                    if leaf.requires_grad and leaf.grad is not None
                }
    return found


def _differ(mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    for key in ("dtype", "shape"):
        if mine[key] != theirs[key]:
            return f"{key} {mine[key]}, not {theirs[key]}"
    limit = TOLERANCES.get(theirs["dtype"], 1e-7)
    a, b = (np.array(one["values"], float) for one in (mine, theirs))
    return (
        "" if np.allclose(a, b, limit, limit, equal_nan=True) else f"{a.tolist()}, not {b.tolist()}"
    )


def difference(mine: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Where two outcomes differ; empty if they agree."""
    for key in ("error", "backward", "kind"):
        if mine.get(key) != theirs.get(key):
            return f"{key} {mine.get(key)}, not {theirs.get(key)}"
    if "error" in mine:
        return ""
    if len(mine["results"]) != len(theirs["results"]):
        return "the number of results"
    for one, other in zip(mine["results"], theirs["results"], strict=True):
        what = _differ(one, other)
        if not what and one["graph"] != other["graph"]:
            what = f"graph {one['graph']}, not {other['graph']}"
        if what:
            return what
    grads, others = mine.get("grads", {}), theirs.get("grads", {})
    if grads.keys() != others.keys():
        return f"gradients by {list(grads)}, not {list(others)}"
    return next(
        (
            f"gradient by {name}: {what}"
            for name in grads
            if (what := _differ(grads[name], others[name]))
        ),
        "",
    )


_ALL = [
    "sum", "mean", "prod", "max", "min", "amax", "amin", "argmax", "argmin", "all", "any", "std",
    "var", "nansum", "nanmean", "median", "nanmedian", "count_nonzero", "norm", "aminmax",
]  # fmt: skip
_ALONG = [
    *_ALL[:-2], "logsumexp", "softmax", "log_softmax", "cumsum", "cumprod", "cummax", "cummin",
    "logcumsumexp", "sort", "argsort", "mode",
]  # fmt: skip
_KEEPING = [
    "sum", "mean", "prod", "max", "min", "amax", "amin", "argmax", "all", "std", "var", "median",
    "logsumexp", "mode",
]  # fmt: skip
_ELSEWHERE = (
    {  # the NaN reaches every gradient in PyTorch, and only where it belongs here
        f"nanx.{name}({axis})"
        for name in ("prod", "cumprod", "amax", "amin")
        for axis in ("", "0", "-1")
    }
    | {f"nanx.{name}(dim=-1,keepdim=True)" for name in ("prod", "amax", "amin")}
    | {"nanx.aminmax()"}
)

_CASES = [
    "m.sum((0,1))", "m.sum((0,0))", "m.sum(5)", "m.sum(())", "m.sum([],keepdim=True)",
    "m.mean((0,-1),True)", "m.mean([])", "m.sum(0,dtype=torch.float64)",
    "i.sum(dtype=torch.float32)", "i.mean(dtype=torch.float64)", "m.mean(dtype=torch.float64)",
    "m.prod(dtype=torch.float64)", "bl.sum(dtype=torch.float16)", "m.sum(axis=0,keepdims=True)",
    "m.softmax(5)", "m.softmax(0,dtype=torch.float64)", "torch.softmax(m,-1,torch.float64)",
    "i.softmax(0,dtype=torch.float32)", "m.std((0,1))", "m.std(unbiased=False)",
    "m.std(correction=0)", "m.var(0,False)", "m.var(0,keepdim=True)", "m.var(dim=1,correction=2)",
    "torch.var_mean(m)", "torch.std_mean(m,0)",
    "torch.var_mean(m,dim=1,keepdim=True,correction=0)", "m.max(0)", "m.max(0,True)", "m.max(m)",
    "torch.max(m,d.float())", "m.max((0,1))", "m.max(5)", "m.min(m*2)", "torch.aminmax(m,dim=0)",
    "m.argmax(keepdim=True)", "m.median(0,True)", "m.kthvalue(2)", "m.kthvalue(2,0,True)",
    "m.kthvalue(9)", "s.kthvalue(1)", "m.topk(2)", "m.topk(2,0,False)", "m.topk(9)", "s.topk(1)",
    "m.sort(0,True)", "ties.sort(descending=True)", "m.sort(dim=1,stable=True)",
    "torch.sort(m,stable=True)", "torch.msort(m)", "m.argsort(0,descending=True)", "i.sort(0)",
    "bl.sort()", "nanx.sort()", "nanx.sort(descending=True)", "nanx.max(0)", "nanx.cummax(0)",
    "ties.cummax(1)", "ties.cummin(1)", "ties.max(1)", "ties.min(0)", "ties.amax(1)", "ties.max()",
    "ties.median()", "ties.median(1)", "ties.mode(1)", "ties.mode(0)", "ties.sort(1)",
    "nanx.median()", "nanx.nanmedian()", "nanx.median(0)", "nanx.nanmedian(0)", "nanx.nansum()",
    "nanx.nanmean()", "m.quantile(0.5)", "m.quantile(0.3,0)",
    "m.quantile(torch.tensor([0.2,0.9]),1)", "m.quantile(torch.tensor([0.2,0.9]),1,True)",
    "m.quantile(0.3,1,keepdim=True)", "m.quantile(0.3,keepdim=True)", "nanx.quantile(0.4)",
    "nanx.nanquantile(0.4)", "m.quantile(2.)", "i.quantile(0.5)",
    "m.quantile(0.3,0,interpolation='lower')", "m.quantile(0.3,0,interpolation='higher')",
    "m.quantile(0.3,0,interpolation='nearest')", "m.quantile(0.3,0,interpolation='midpoint')",
    "m.quantile(0.3,interpolation='x')", "m.quantile(torch.tensor(0.5,dtype=torch.float64))",
    "torch.quantile(v,0.5)", "torch.quantile(v,torch.tensor([0.5]))",
    "m.cumsum(0,dtype=torch.float64)", "i.cumsum(1)", "i.cumprod(0,dtype=torch.float32)",
    "m.diff()", "m.diff(n=2)", "m.diff(dim=0,prepend=m)", "torch.trapz(v)",
    "torch.trapezoid(m,dim=0)", "torch.trapezoid(m,v4)", "torch.trapz(m,dx=0.5)",
    "torch.cumulative_trapezoid(m)", "torch.cumulative_trapezoid(m,v4)", "torch.gradient(m)",
    "torch.gradient(v,spacing=0.5)", "torch.gradient(m,dim=0)", "torch.gradient(v,edge_order=2)",
    "bl.diff()", "i.diff()", "i.unique()", "m.unique()",
    "i.unique(return_inverse=True,return_counts=True)", "torch.unique(i,dim=0,return_counts=True)",
    "torch.unique_consecutive(i.flatten(),return_inverse=True,return_counts=True)",
    "torch.unique_consecutive(cnt)", "cnt.bincount()", "cnt.bincount(minlength=9)",
    "torch.bincount(cnt,torch.tensor([.1,.2,.3,.4,.5]))", "i.bincount()", "m.detach().histc()",
    "m.detach().histc(5,-1,1)", "torch.histogram(m.detach(),4)",
    "torch.searchsorted(v.detach().sort()[0],m.detach())",
    "torch.searchsorted(v.detach().sort()[0],m.detach(),right=True)",
    "torch.searchsorted(m.detach().sort()[0],m.detach(),side='right')",
    "torch.bucketize(m.detach(),torch.tensor([-1.,0,1]))",
    "torch.bucketize(0.5,torch.tensor([-1.,0,1]),out_int32=True)",
    "torch.searchsorted(torch.tensor([1.,2,3]),2)", "torch.sum(m,0,out=torch.zeros(4))",
    "torch.max(m.detach(),0,out=(torch.zeros(4),torch.zeros(4,dtype=torch.int64)))",
    "torch.norm(m,'nuc')", "torch.norm(m,1,dim=(0,1))", "m.norm(2,(0,1))", "m.norm('fro',0)",
    "torch.norm(m,dim=1,keepdim=True)", "m.norm(3)", "m.norm(-1,dim=0)",
    "m.norm(float('inf'))", "m.norm(float('-inf'),1)", "m.norm(dtype=torch.float64)",
    "torch.cdist(m,m+1)", "torch.cdist(m,m*2,1.)", "torch.cdist(m,m+1,3.)",
    "torch.cdist(m,m+1,float('inf'))", "torch.cdist(b3,b3+1)", "m.renorm(1,0,.5)",
    "m.renorm(2,1,.5)", "torch.dist(v,w)", "torch.dist(v,w,1)", "m.dist(m[:1]*2,3)",
    "torch.cov(m)", "torch.corrcoef(m)", "torch.cov(m[0])", "torch.cov(m,correction=0)",
    "torch.cov(i)", "torch.corrcoef(v)", "m.cov(fweights=torch.tensor([1,2,1,1]))",
    "m.cov(aweights=torch.tensor([1.,2,1,1]))",
]  # fmt: skip

PRODUCTS = [
    "m@n", "v@m", "m@v4", "v@w", "b3@c3", "b3@n", "m@c3", "b3@v4", "v@b3", "v4@c3",
    "m.detach()@c3", "b3@n.detach()", "b3.detach()@n", "b3[:1]@c3", "b3@c3[:1]", "torch.mm(m,n)",
    "torch.mv(m,v4)", "torch.dot(v,w)", "torch.vdot(z[0],z[1])", "torch.inner(v,w)",
    "torch.inner(m,m)", "torch.outer(v,w)", "torch.ger(v,w)", "torch.bmm(b3,c3)",
    "torch.einsum('ij,jk->ik',m,n)", "torch.einsum('i,i->',v,w)",
    "torch.einsum('bij,bjk->bik',b3,c3)", "torch.einsum('ii->i',sq)", "torch.einsum('ii',sq)",
    "torch.einsum('ij->ji',sq)", "torch.einsum('ij->',sq)", "torch.einsum('i,j->ij',v,w)",
    "torch.einsum('ij,kj->ik',m,m)", "torch.einsum('ij,ij->i',m,m)",
    "torch.einsum('...j,...j',m,m)", "torch.einsum('ij,kj,lj->ikl',m,m,m)",
    "torch.einsum('...ij,...jk->...ik',b3,n)", "torch.einsum('bij->ij',b3)",
    "torch.einsum('ij,i->j',m,v)", "torch.einsum(m,[0,1],n,[1,2],[0,2])",
    "torch.einsum('ij,jk->ik',m,m)", "torch.einsum('ij,jk',m)", "torch.tensordot(m,n,1)",
    "torch.tensordot(m,m,([0],[0]))", "torch.tensordot(m,m,2)", "torch.tensordot(m,m,1)",
    "torch.kron(v,w)", "torch.kron(m,v)", "torch.addmm(n[:3],m,n)",
    "torch.addmm(torch.ones(5),m,n)",
    "torch.addmm(torch.ones(5,requires_grad=True),m,n,beta=2,alpha=.5)", "torch.addmm(v,m,n)",
    "torch.addmv(v,m,v4)", "torch.addbmm(n[:3],b3,c3)", "torch.baddbmm(n[:3],b3,c3)",
    "torch.addr(sq,v,w)", "torch.addr(sq,v,w,beta=.5,alpha=2)", "torch.chain_matmul(m,n)",
    "torch.linalg.multi_dot([m,n,n.t()])", "torch.linalg.multi_dot([v,m,n,n.t(),v4])",
    "torch.linalg.multi_dot([m])", "m.detach()@v4", "m@v4.detach()", "v.detach()@m",
    "m.detach()@n", "d@m.t()", "m@m", "m@v", "v@v4", "b3@b3", "torch.mm(v,m)", "torch.mv(v,v)",
    "torch.dot(m,v)", "torch.bmm(m,m)", "torch.bmm(b3,b3)", "s@m", "torch.matmul(m,2)", "i@i.t()",
    "bl@bl.t()", "h@h.t()", "z@z.t()", "z@z.mT.conj()", "z[0]@z[1]", "z@z[0]", "b3@c3[:,None]",
    "torch.outer(m,v)", "m.matmul(n)", "m.inner(m)", "torch.matmul(m,n,out=torch.zeros(3,5))",
    "torch.mm(m.detach(),n.detach(),out=torch.zeros(3,5))",
]  # fmt: skip

LINALG = [
    "torch.linalg.norm(v*0,-2)", "torch.linalg.norm(m,-2,dim=1)", "torch.linalg.solve_ex(sqd,spd)",
    "torch.linalg.vander(s,N=3)",
    "torch.tensordot(m,m[:,:1],([1],[1]))", "torch.linalg.pinv(tall,1e-10)",
    "torch.det(sq)", "torch.linalg.det(bsq)", "torch.logdet(spd)", "torch.slogdet(spd)",
    "torch.linalg.slogdet(bsq)", "torch.linalg.slogdet(zsq)", "torch.inverse(sqd)",
    "torch.linalg.inv(bsq)", "torch.linalg.inv(zsq)", "torch.linalg.solve(sqd,vd)",
    "torch.linalg.solve(sqd,spd)", "torch.linalg.solve(bsq,spd)",
    "torch.linalg.solve(sqd,spd,left=False)", "torch.linalg.cholesky(spd)",
    "torch.linalg.cholesky(spd,upper=True)", "torch.cholesky(spd)", "torch.linalg.qr(sqd)",
    "torch.linalg.qr(tall)", "torch.linalg.qr(wide)", "torch.linalg.qr(zsq)",
    "torch.linalg.qr(bsq)", "torch.linalg.qr(tall.detach(),'complete')",
    "torch.linalg.qr(tall.detach(),'r')", "torch.linalg.qr(wide,'complete')", "torch.qr(tall)",
    "torch.linalg.svd(sqd)[0].abs()", "torch.linalg.svd(tall,full_matrices=False)[2].abs()",
    "torch.linalg.svd(wide,full_matrices=False)[0].abs()", "torch.linalg.svd(bsq)[2].abs()",
    "torch.svd(tall)[2].abs()", "torch.linalg.svd(tall.detach())[1]", "torch.linalg.svdvals(wide)",
    "torch.linalg.svdvals(zd)", "torch.linalg.eigh(spd)[1].abs()", "torch.linalg.eigh(hpd)[0]",
    "torch.linalg.eigh(spd,UPLO='U')[1].abs()", "torch.linalg.eigvalsh(spd)",
    "torch.linalg.eig(sqd)[1].abs()", "torch.linalg.lstsq(tall,tall[:,:2],driver='gelsd')",
    "torch.linalg.eigvals(sqd)", "torch.linalg.eigvals(zsq)", "torch.linalg.pinv(tall)",
    "torch.linalg.pinv(wide)", "torch.linalg.pinv(zd)", "torch.pinverse(tall)",
    "torch.linalg.lstsq(tall,tall[:,:2])", "torch.linalg.lstsq(tall,tall[:,0]).solution",
    "torch.linalg.lstsq(sqd,spd).solution", "torch.linalg.solve_triangular(spd,sqd,upper=True)",
    "torch.linalg.solve_triangular(spd,sqd,upper=False,unitriangular=True)",
    "torch.linalg.solve_triangular(spd,sqd,upper=False,left=False)",
    "torch.cholesky_solve(sqd,torch.tril(spd))", "torch.cholesky_inverse(torch.tril(spd))",
    "torch.cholesky_inverse(torch.triu(spd),upper=True)", "torch.matrix_power(sqd,3)",
    "torch.linalg.matrix_power(sqd,4)", "torch.linalg.matrix_power(sqd,5)",
    "torch.linalg.matrix_power(sqd,-2)", "torch.matrix_power(sqd,0)", "torch.matrix_power(sqd,1)",
    "torch.matrix_exp(sqd)", "torch.linalg.matrix_exp(bsq)", "torch.matrix_exp(sq)",
    "torch.matrix_exp(zsq)", "torch.cross(v,w,dim=0)", "torch.linalg.cross(v,w)",
    "torch.linalg.cross(m,m*2,dim=0)", "torch.cross(v,w)", "torch.linalg.cross(v4,v4)",
    "torch.trace(sq)", "torch.trace(i)", "torch.trace(v)", "torch.linalg.diagonal(bsq)",
    "torch.linalg.vecdot(m,m+1)", "torch.linalg.vecdot(z,z)", "torch.linalg.vander(v)",
    "torch.linalg.vander(v,N=5)", "torch.linalg.vander(m)", "torch.linalg.tensorinv(sqd,1)",
    "torch.linalg.tensorsolve(torch.eye(6).reshape(2,3,2,3)*2,m[:2,:3])", "torch.linalg.norm(v)",
    "torch.linalg.norm(m)", "torch.linalg.norm(m,2)", "torch.linalg.norm(m,-2)",
    "torch.linalg.norm(m,'nuc')", "torch.linalg.norm(m,1)", "torch.linalg.norm(m,-1)",
    "torch.linalg.norm(m,float('inf'))", "torch.linalg.norm(m,float('-inf'))",
    "torch.linalg.norm(m,'fro')", "torch.linalg.norm(v,3)", "torch.linalg.norm(v,'fro')",
    "torch.linalg.norm(m,3)", "torch.linalg.norm(m,dim=0)", "torch.linalg.norm(m,ord=2,dim=0)",
    "torch.linalg.norm(m,ord=2,dim=(0,1))", "torch.linalg.norm(b3,1,dim=(2,0),keepdim=True)",
    "torch.linalg.norm(b3,2,dim=(0,2),keepdim=True)", "torch.linalg.norm(b3,'nuc',dim=(1,2))",
    "torch.linalg.norm(b3,2)", "torch.linalg.vector_norm(m,3)",
    "torch.linalg.vector_norm(m,.5,1)",
    "torch.linalg.vector_norm(m,float('inf'),dim=0,keepdim=True)", "torch.linalg.vector_norm(z)",
    "torch.linalg.vector_norm(z,1)", "torch.linalg.vector_norm(i)", "torch.linalg.matrix_norm(b3)",
    "torch.linalg.matrix_norm(v)", "torch.linalg.cond(sqd)", "torch.linalg.cond(sqd,-2)",
    "torch.linalg.cond(sqd,1).detach()", "torch.linalg.matrix_rank(m)",
    "torch.linalg.matrix_rank(bsq)", "torch.linalg.inv(m)", "torch.linalg.inv(i[:,:3])",
    "torch.linalg.inv(torch.zeros(2,2))", "torch.linalg.inv(torch.zeros(3,2,2))",
    "torch.linalg.cholesky(-torch.eye(2))", "torch.linalg.solve(torch.zeros(2,2),torch.ones(2))",
    "torch.linalg.solve(m,m)", "torch.linalg.solve(sq,sqd)", "torch.linalg.inv_ex(sqd)",
    "torch.linalg.cholesky_ex(spd)", "torch.linalg.svd(v)", "torch.linalg.qr(v)",
    "torch.linalg.eigh(m)", "torch.det(m)", "torch.matrix_power(m,2)", "torch.linalg.pinv(i)",
    "torch.linalg.matmul(m,n)", "torch.linalg.qr(tall,'complete')", "torch.linalg.svd(tall)[1]",
]  # fmt: skip

_FOURIER = [
    "torch.fft.hfft2(z)", "torch.fft.hfftn(z,(4,5))", "torch.fft.ihfft2(m)", "torch.fft.ihfftn(b3)",
    "torch.fft.hfftn(z,dim=0,norm='ortho')", "torch.fft.ihfftn(m,norm='ortho')",
    "torch.fft.fft(m,6)", "torch.fft.fft(m,2)", "torch.fft.fft(v,dim=0,norm='ortho')",
    "torch.fft.ifft(z,norm='forward')", "torch.fft.rfft(m,5,0,'forward')", "torch.fft.irfft(z,5)",
    "torch.fft.irfft(z,6,norm='ortho')", "torch.fft.irfft(m)", "torch.fft.irfft(m,5)",
    "torch.fft.irfft2(m)", "torch.fft.irfftn(z,(4,5))", "torch.fft.fft2(sq)",
    "torch.fft.rfft2(m,(2,6))", "torch.fft.hfft(m)", "torch.fft.hfft(z,5,norm='ortho')",
    "torch.fft.ihfft(m,norm='ortho')", "torch.fft.fftn(m,dim=(0,))",
    "torch.fft.fftn(b3,(2,3),dim=(1,2))", "torch.fft.rfft(z)", "torch.fft.fft(i)",
    "torch.fft.fft(v,norm='x')", "torch.fft.fft(v,dim=3)", "torch.fft.fftfreq(5)",
    "torch.fft.fftfreq(4,0.5)", "torch.fft.rfftfreq(5,dtype=torch.float64)",
    "torch.fft.fftshift(m)", "torch.fft.ifftshift(m,dim=1)", "torch.fft.fftshift(v)",
    "torch.fft.ifftshift(v)",
]  # fmt: skip


def _reductions() -> list[str]:
    found = []
    for leaf in ["m", "s", "z", "h", "i", "bl", "u8", "ties", "em", "em2", "nanx"]:
        found += [f"{leaf}.{name}()" for name in _ALL]
        found += [f"{leaf}.{name}({axis})" for name in _ALONG for axis in (0, -1)]
        found += [f"{leaf}.{name}(dim=-1,keepdim=True)" for name in _KEEPING]
    return [one for one in found if one not in _ELSEWHERE] + _CASES


REDUCTIONS = _reductions()
FOURIER = [
    f"torch.fft.{name}({leaf})"
    for names, leaves in (
        ("fft ifft rfft ihfft fftn ifftn rfftn fft2 ifft2 rfft2", "m d b3"),
        ("fft ifft irfft hfft fftn ifftn irfftn fft2 ifft2 irfft2", "z zd"),
    )
    for name in names.split()
    for leaf in leaves.split()
] + _FOURIER
EXPRESSIONS = REDUCTIONS + PRODUCTS + LINALG + FOURIER


def main() -> None:
    """Record, or compare."""
    import torch  # noqa: PLC0415  # only recording needs it

    import funcgrad.compat.torch as layer  # noqa: PLC0415  # so that recording does not need it

    theirs = {one: outcome(torch, one) for one in EXPRESSIONS}
    if "--record" in sys.argv:
        lines = (f"{json.dumps(one)}: {json.dumps(found)}" for one, found in theirs.items())
        text = ",\n".join(lines)
        RECORDED.write_text(f'{{"torch": "{torch.__version__}", "outcomes": {{\n{text}\n}}}}\n')
    differing = 0
    for one, found in theirs.items():
        what = difference(outcome(layer, one), found)
        differing += bool(what)
        if what:
            print(f"{one}: {what}")
    print(f"{len(theirs) - differing} of {len(theirs)} agree")


if __name__ == "__main__":
    main()
