"""A cubic fitted by gradient descent; the gradients are written out."""

import torch

torch.manual_seed(2)
x = torch.linspace(-2, 2, 400)
y = 0.5 - 1.25 * x + 0.75 * x**3
a, b, c, d = (torch.randn(()) for _ in range(4))
print(x[:5], y[-5:], a, b, c, d)

for step in range(1000):
    predicted = a + b * x + c * x**2 + d * x**3
    loss = (predicted - y).pow(2).sum().item()
    if step % 200 == 199:
        print(f"step {step:4d}: loss {loss:.4f}")
    slope = 2.0 * (predicted - y)
    a -= 1e-4 * slope.sum()
    b -= 1e-4 * (slope * x).sum()
    c -= 1e-4 * (slope * x**2).sum()
    d -= 1e-4 * (slope * x**3).sum()

print(f"y = {a.item():.4f} + {b.item():.4f} x + {c.item():.4f} x^2 + {d.item():.4f} x^3")
