"""Derivatives along a direction: dual tensors, modules, own functions, `torch.func.jvp`."""

import torch
import torch.autograd.forward_ad as fwAD
from torch import nn

torch.manual_seed(0)
primal = torch.randn(4, 4)
tangent = torch.randn(4, 4)


def fn(x, y):
    return x**2 + y**2


with fwAD.dual_level():
    dual_input = fwAD.make_dual(primal, tangent)
    print(fwAD.unpack_dual(dual_input).tangent is tangent)
    plain_tensor = torch.randn(4, 4)
    dual_output = fn(dual_input, plain_tensor)
    jvp = fwAD.unpack_dual(dual_output).tangent
    print(jvp)
print(fwAD.unpack_dual(dual_output).tangent)

model = nn.Linear(5, 5)
x = torch.randn(8, 5)
params = {name: p for name, p in model.named_parameters()}
tangents = {name: torch.rand_like(p) for name, p in params.items()}
with fwAD.dual_level():
    for name, p in params.items():
        delattr(model, name)
        setattr(model, name, fwAD.make_dual(p, tangents[name]))
    out = model(x)
    along = fwAD.unpack_dual(out).tangent
print(along.shape, torch.allclose(along, x @ tangents["weight"].T + tangents["bias"], atol=1e-6))

from torch.func import functional_call  # noqa: E402  # as the lesson goes on

model = nn.Linear(5, 5)
params = dict(model.named_parameters())
with fwAD.dual_level():
    dual = {name: fwAD.make_dual(p, tangents[name]) for name, p in params.items()}
    out = functional_call(model, dual, x)
    print(torch.allclose(fwAD.unpack_dual(out).tangent, along, atol=1e-6))


class Fn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, foo):
        result = torch.exp(foo)
        ctx.result = result
        return result

    @staticmethod
    def jvp(ctx, gI):
        gO = gI * ctx.result
        del ctx.result
        return gO


primal = torch.randn(6, dtype=torch.double, requires_grad=True)
tangent = torch.randn(6)
with fwAD.dual_level():
    dual_input = fwAD.make_dual(primal, tangent)
    dual_output = Fn.apply(dual_input)
    jvp = fwAD.unpack_dual(dual_output).tangent
    print(jvp)
print(
    torch.autograd.gradcheck(
        Fn.apply,
        (primal,),
        check_forward_ad=True,
        check_backward_ad=False,
        check_undefined_grad=False,
        check_batched_grad=False,
    )
)

import torch.func as ft  # noqa: E402  # as above

primal0, tangent0 = torch.randn(3, 3), torch.randn(3, 3)
primal1, tangent1 = torch.randn(3, 3), torch.randn(3, 3)
out, along = ft.jvp(fn, (primal0, primal1), (tangent0, tangent1))
print(torch.equal(out, fn(primal0, primal1)), along)
out, one = ft.jvp(lambda x: fn(x, primal1), (primal0,), (tangent0,))
print(one)

model = nn.Linear(5, 5)
x = torch.randn(2, 5)
params = {k: v.detach() for k, v in model.named_parameters()}
tangents = {k: torch.rand_like(v) for k, v in params.items()}
out, along = ft.jvp(lambda p: functional_call(model, p, (x,)), (params,), (tangents,))
print(out, along, sep="\n")
