"""The same cubic; the gradients come from autograd, and the steps are taken outside the graph."""

import torch

torch.manual_seed(2)
x = torch.linspace(-2, 2, 400)
y = 0.5 - 1.25 * x + 0.75 * x**3
parameters = [torch.randn((), requires_grad=True) for _ in range(4)]

for step in range(1000):
    predicted = sum(p * x**k for k, p in enumerate(parameters))
    loss = (predicted - y).pow(2).sum()
    if step % 200 == 199:
        print(f"step {step:4d}: loss {loss.item():.4f}")
    loss.backward()
    if step == 0:
        print(loss, [f"{p.grad.item():.2f}" for p in parameters])
    with torch.no_grad():
        for p in parameters:
            p -= 1e-4 * p.grad
            p.grad = None

print(" + ".join(f"{p.item():.4f} x^{k}" for k, p in enumerate(parameters)))
