"""A function with a derivative of one's own: Legendre's P3, checked and used in a fit."""

import torch


class Legendre3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 0.5 * (5 * x**3 - 3 * x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * x**2 - 1)


p3 = Legendre3.apply
at = torch.tensor([-0.5, 0.25, 1.0], dtype=torch.float64, requires_grad=True)
value = p3(at)
print(value, value.grad_fn)
(slope,) = torch.autograd.grad(value.sum(), at, create_graph=True)
print(slope)
print(torch.autograd.grad(slope.sum(), at))
print(torch.autograd.gradcheck(p3, (at,)))

x = torch.linspace(-1, 1, 101)
y = 0.3 + 1.2 * (2.5 * x**3 - 1.5 * x)
a = torch.full((), 0.0, requires_grad=True)
b = torch.full((), -1.0, requires_grad=True)
c = torch.full((), 0.0, requires_grad=True)
d = torch.full((), 0.3, requires_grad=True)

for step in range(500):
    loss = (a + b * p3(c + d * x) - y).pow(2).sum()
    if step % 100 == 99:
        print(f"{step:4d} {loss.item():.3f}")
    loss.backward()
    with torch.no_grad():
        for p in (a, b, c, d):
            p -= 1e-4 * p.grad
            p.grad = None

print(f"y = {a.item():.3f} + {b.item():.3f} P3({abs(c.item()):.3f} + {d.item():.3f} x)")
