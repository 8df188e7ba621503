"""Indices and labels that vmap maps, into tables that it does not: numbers of PyTorch 2.13."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch_layer: Any = import_module("funcgrad.compat.torch")
DATA = Path(__file__).parents[2] / "data" / "torch_vmap_indices.json"

EXPRESSIONS = """
v(torch.func.grad(lambda w,x,y: F.cross_entropy((x@w)[None], y[None])),(None,0,0))(W,X,lab)
v(lambda x,y:F.cross_entropy(x,y))(X,lab)
v(lambda x,y:F.cross_entropy(x[None],y[None],ignore_index=1,reduction='sum'))(X,lab)
v(lambda x,y:F.nll_loss(x,y))(X,lab)
v(lambda x,y:F.nll_loss(x[None],y[None],ignore_index=1,reduction='none'))(X,lab)
v(lambda y:F.nll_loss(X[:1],y[None]))(lab)
v(lambda y:F.cross_entropy(X,y))(S([lab,lab+1]))
v(lambda y:F.one_hot(y,3))(lab)
v(lambda y:F.one_hot(y,3))(S([lab,lab+1]))
v(lambda k:F.embedding(k,tab))(i)
v(lambda k:F.embedding(k,tr))(i)
v(lambda k:F.embedding(k,tr,padding_idx=0))(i)
v(lambda k:tab[k])(i)
v(lambda k:tr[k])(i)
v(lambda k:tab[:,k])(i)
v(lambda k:tab[k,k])(i)
v(lambda k:tab[k,1:])(i)
v(lambda k:tab[...,k])(i)
v(lambda k:tab[None,k])(i)
v(lambda k:tr[k].sum())(i)
v(lambda k:tab[k])(T([[0,2],[1,-1]]))
v(lambda k:torch.index_select(tab,0,k[None]))(i)
v(lambda k:torch.index_select(tr,1,k))(T([[0,2],[1,0]]))
v(lambda k:torch.gather(tab,1,k))(T([[[0,2]],[[1,0]]]))
v(lambda k:torch.gather(tr,0,k))(T([[[0,2]],[[1,0]]]))
v(lambda k:torch.take(tab,k))(i)
v(lambda k:torch.take(tr,k))(T([[0,-2],[1,0]]))
v(lambda k:torch.take_along_dim(tr,k,1))(T([[[0,2]]*4,[[1,0]]*4]))
v(lambda k:torch.take_along_dim(tr,k))(T([[0,2],[1,0]]))
v(lambda t,k:t[k])(tab,T([0,1,2,0]))
v(lambda t,k:t[k],(1,0))(tab,T([0,1,2]))
v(lambda t:t[T([0,1])])(tab)
v(lambda t,k:torch.gather(t,0,k))(tab,T([[0],[1],[2],[0]]))
torch.func.grad(lambda t: (v(lambda k:t[k])(i)**2).sum())(tab)
torch.func.grad(lambda t: (v(lambda k:F.embedding(k,t))(i)**2).sum())(tab)
torch.func.jacrev(lambda t: v(lambda k:torch.index_select(t,0,k[None]))(i))(tab)
torch.func.jacfwd(lambda t: v(lambda k:torch.take(t,k))(i))(tab)
torch.autograd.grad((v(lambda k:tr[k])(i)**2).sum(),tr)[0]
torch.autograd.grad((v(lambda k:F.embedding(k,tr))(i)**2).sum(),tr)[0]
torch.autograd.grad((v(lambda k:torch.gather(tr,0,k))(T([[[0,2]],[[1,0]]]))**2).sum(),tr)[0]
torch.autograd.grad((v(lambda k:torch.take(tr,k))(i)**2).sum(),tr)[0]
torch.autograd.grad((v(lambda k:torch.index_select(tr,1,k[None]))(i)**2).sum(),tr)[0]
v(v(lambda k:tab[k]))(T([[0,2],[1,3]]))
v(v(lambda a,b:tab[a,b],(None,0)),(0,None))(T([0,3]),T([0,1,2]))
v(lambda a,b:tab[a,b],(0,None))(T([0,3]),T([0,1]))
v(lambda a:tab[a,T([0,1])])(T([[0,3],[1,1]]))
v(lambda x:torch.searchsorted(torch.arange(3.),x))(torch.zeros(2))
v(lambda x:torch.searchsorted(torch.arange(3.),x))(T([[0.,1.5,4],[1,2,-1]]))
v(lambda x:torch.searchsorted(torch.arange(3.),x,right=True))(T([0.,1.]))
v(lambda s,x:torch.searchsorted(s,x))(torch.arange(6.).reshape(2,3),T([1.,4.5]))
v(lambda s:torch.searchsorted(s,T([1.,4.5])))(torch.arange(6.).reshape(2,3))
v(lambda x:torch.bucketize(x,torch.arange(3.)))(torch.zeros(2))
v(lambda x:torch.bucketize(x,torch.arange(3.),right=True))(torch.zeros(2,3))
v(lambda x:torch.searchsorted((X[:2]*10).reshape(2,3),x))(T([[[0.,1.5],[4,2]],[[1,2],[3,-1]]]))
v(lambda y:F.multi_margin_loss(X[:,:3],y))(T([[0,1,2,0],[1,1,0,2]]))
v(lambda y:F.multilabel_margin_loss(X[:1],y))(T([[[0,1,-1]],[[2,-1,0]]]))
v(lambda x,y:F.nll_loss(x[None],y[None],weight=X[0,:3]+1,reduction='sum'))(X,lab)
v(lambda y:F.nll_loss(X,y,weight=X[0,:3]+1,ignore_index=1))(S([lab,lab+1]))
v(lambda y:F.cross_entropy(X.reshape(2,3,2),y))(S([lab.reshape(2,2),lab.reshape(2,2)+1]))
v(lambda y:F.cross_entropy(X.reshape(2,3,2,1),y))(S([lab.reshape(2,2,1),lab.reshape(2,2,1)+1]))
v(torch.func.grad(lambda x,y:F.cross_entropy(x,y,label_smoothing=.2)))(X,lab)
torch.autograd.grad(v(lambda y:F.cross_entropy(tr,y))(S([lab,lab+1])).sum(),tr)[0]
torch.autograd.grad((v(lambda k:F.embedding(k,tr,padding_idx=0))(i)**2).sum(),tr)[0]
torch.autograd.grad((v(lambda k:tr[k,k])(T([[0,2],[2,2]]))**2).sum(),tr)[0]
""".strip().splitlines()


def names_of(torch: Any) -> dict[str, Any]:
    """What the expressions refer to."""
    table = torch.arange(12.0).reshape(4, 3) * 0.1
    return {
        "torch": torch,
        "T": torch.tensor,
        "S": torch.stack,
        "F": torch.nn.functional,
        "v": torch.vmap,
        "X": torch.arange(12.0).reshape(4, 3) / 10,
        "W": torch.arange(6.0).reshape(3, 2) / 7 - 0.3,
        "lab": torch.tensor([0, 1, 1, 0]),
        "tab": table,
        "tr": table.clone().requires_grad_(),
        "i": torch.tensor([0, 2]),
    }


def record() -> None:
    """Write the numbers of the installed PyTorch."""
    torch = import_module("torch")
    found: dict[str, Any] = {"version": torch.__version__}
    for text in EXPRESSIONS:
        result = eval(text, names_of(torch))
        found[text] = [str(result.dtype), list(result.shape), result.flatten().tolist()]
    DATA.write_text(json.dumps(found, indent=0) + "\n")


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_as_in_pytorch(text: str) -> None:
    dtype, shape, numbers = json.loads(DATA.read_text())[text]
    result = eval(text, names_of(torch_layer))
    assert str(result.dtype) == dtype
    assert list(result.shape) == shape
    np.testing.assert_allclose(result.detach().flatten().tolist(), numbers, rtol=2e-6, atol=1e-7)


def test_gradients_for_each_index() -> None:
    """PyTorch refuses this one: it calls item() on the index."""
    torch = torch_layer
    table, index = names_of(torch)["tab"], torch.tensor([0, 2])

    def loss(t: Any, k: Any) -> Any:
        return (t[k] ** 2).sum()

    found = torch.vmap(torch.func.grad(loss), (None, 0))(table, index)
    each = torch.stack([torch.func.grad(loss)(table, k) for k in index])
    np.testing.assert_allclose(found.numpy(), each.numpy(), rtol=1e-6)


def test_smoothing_with_weights_is_as_in_a_loop() -> None:
    torch = torch_layer
    names = names_of(torch)

    def loss(x: Any, y: Any) -> Any:
        weight = torch.tensor([1.0, 2.0, 3.0])
        return names["F"].cross_entropy(x, y, weight=weight, label_smoothing=0.1)

    rows, labels = names["X"].reshape(2, 2, 3), names["lab"].reshape(2, 2)
    found = torch.vmap(loss)(rows, labels)
    each = torch.stack([loss(x, y) for x, y in zip(rows, labels, strict=True)])
    np.testing.assert_allclose(found.numpy(), each.numpy(), rtol=1e-6)


def test_embedding_scaled_by_frequency_is_as_in_a_loop() -> None:
    torch = torch_layer
    table, index = names_of(torch)["tab"], torch.tensor([[0, 2, 2], [1, 1, 1]])

    def loss(t: Any, k: Any) -> Any:
        return (torch.nn.functional.embedding(k, t, scale_grad_by_freq=True) ** 2).sum()

    found = torch.vmap(torch.func.grad(loss), (None, 0))(table, index)
    each = torch.stack([torch.func.grad(loss)(table, k) for k in index])
    np.testing.assert_allclose(found.numpy(), each.numpy(), rtol=1e-6)


def test_one_hot_needs_the_number_of_classes() -> None:
    with pytest.raises(RuntimeError, match="explicit positive num_classes"):
        torch_layer.vmap(torch_layer.nn.functional.one_hot)(torch_layer.tensor([0, 1]))


if __name__ == "__main__" and "record" in sys.argv:
    record()
