"""Functions with a backward of their own that are differentiated twice."""

import torch
from torch.autograd import gradcheck, gradgradcheck

torch.manual_seed(0)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * 2 * x


x = torch.rand(3, 3, requires_grad=True, dtype=torch.double)
print(gradcheck(Square.apply, x), gradgradcheck(Square.apply, x))
y = Square.apply(x)
(g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
print(g.grad_fn is not None, torch.autograd.grad(g.sum(), x)[0])


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = torch.exp(x)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        (result,) = ctx.saved_tensors
        return result * grad_out


print(gradcheck(Exp.apply, x), gradgradcheck(Exp.apply, x))


class Sinh(torch.autograd.Function):
    """Intermediate results are returned too, so that the second derivative can see them."""

    @staticmethod
    def forward(ctx, x):
        expx, expnegx = torch.exp(x), torch.exp(-x)
        ctx.save_for_backward(expx, expnegx)
        return (expx - expnegx) / 2, expx, expnegx

    @staticmethod
    def backward(ctx, grad_out, by_expx, by_expnegx):
        expx, expnegx = ctx.saved_tensors
        grad_input = grad_out * (expx + expnegx) / 2
        grad_input = grad_input + by_expx * expx
        return grad_input - by_expnegx * expnegx


def sinh(x):
    return Sinh.apply(x)[0]


print(gradcheck(sinh, x), gradgradcheck(sinh, x))
(g,) = torch.autograd.grad(sinh(x).sum(), x, create_graph=True)
print(torch.allclose(torch.autograd.grad(g.sum(), x)[0], x.sinh()))


class SinhBad(torch.autograd.Function):
    """The saved intermediate results have no graph: the second derivative is wrong."""

    @staticmethod
    def forward(ctx, x):
        ctx.expx, ctx.expnegx = torch.exp(x), torch.exp(-x)
        return (ctx.expx - ctx.expnegx) / 2

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (ctx.expx + ctx.expnegx) / 2


(g,) = torch.autograd.grad(SinhBad.apply(x).sum(), x, create_graph=True)
try:
    (gg,) = torch.autograd.grad(g.sum(), x, allow_unused=True)
    print("wrong:", gg)
except RuntimeError as error:
    print("refused:", str(error)[:70])


def cube_forward(x):
    return x**3


def cube_backward(grad_out, x):
    return grad_out * 3 * x**2


def cube_backward_backward(grad_out, sav_grad_out, x):
    return grad_out * sav_grad_out * 6 * x


def cube_backward_backward_grad_out(grad_out, x):
    return grad_out * 3 * x**2


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return cube_forward(x)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return CubeBackward.apply(grad_out, x)


class CubeBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, grad_out, x):
        ctx.save_for_backward(x, grad_out)
        return cube_backward(grad_out, x)

    @staticmethod
    def backward(ctx, grad_out):
        x, sav_grad_out = ctx.saved_tensors
        dx = cube_backward_backward(grad_out, sav_grad_out, x)
        dgrad_out = cube_backward_backward_grad_out(grad_out, x)
        return dgrad_out, dx


x = torch.tensor(2.0, requires_grad=True, dtype=torch.double)
print(gradcheck(Cube.apply, x), gradgradcheck(Cube.apply, x))
y = Cube.apply(x)
(first,) = torch.autograd.grad(y, x, create_graph=True)
(second,) = torch.autograd.grad(first, x, create_graph=True)
print(y, first, second, sep="\n")
