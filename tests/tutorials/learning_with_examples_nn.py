"""A cubic is fitted to the sine by modules: by hand, by an optimiser, by modules of one's own."""

import math
import random

import torch
from torch import nn

torch.manual_seed(3)
x = torch.linspace(-math.pi, math.pi, 2000)
y = torch.sin(x)
powers = x.unsqueeze(-1).pow(torch.tensor([1, 2, 3]))
loss_of = nn.MSELoss(reduction="sum")


def cubic():
    """A linear layer of the powers, with one column of results made flat."""
    return nn.Sequential(nn.Linear(3, 1), nn.Flatten(0, 1))


def tell(model):
    layer = model[0]
    parts = [layer.bias.item(), *layer.weight[0].tolist()]
    print(" + ".join(f"{part:.3f} x^{k}" for k, part in enumerate(parts)))


print("--- steps by hand")
model = cubic()
print(model, powers.shape)
for step in range(1000):
    predicted = model(powers)
    loss = loss_of(predicted, y)
    if step % 250 == 249:
        print(f"{step:4d} {loss.item():.3f}")
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-6 * parameter.grad
tell(model)

print("--- steps by an optimiser")
model = cubic()
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
print(optimizer)
for step in range(1000):
    loss = loss_of(model(powers), y)
    if step % 250 == 249:
        print(f"{step:4d} {loss.item():.2f}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
tell(model)


class Cubic(nn.Module):
    """Four numbers, and what they stand for."""

    def __init__(self):
        super().__init__()
        for name in "abcd":
            setattr(self, name, nn.Parameter(torch.randn(())))

    def forward(self, x):
        return self.a + x * (self.b + x * (self.c + x * self.d))

    def text(self):
        a, b, c, d = (getattr(self, name).item() for name in "abcd")
        return f"{a:.2f} + {b:.2f} x + {c:.2f} x^2 + {d:.2f} x^3"


print("--- a module")
model = Cubic()
print(model, [name for name, _ in model.named_parameters()], model.text())
optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
for step in range(1000):
    loss = loss_of(model(x), y)
    if step % 250 == 249:
        print(f"{step:4d} {loss.item():.2f}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(model.text())


class Dynamic(Cubic):
    """The cubic, with terms of degree four and five now and then: both share one number."""

    def __init__(self):
        super().__init__()
        self.e = nn.Parameter(torch.randn(()))

    def forward(self, x):
        y = super().forward(x)
        for exponent in range(4, random.randint(4, 6)):
            y = y + self.e * x**exponent
        return y


print("--- a module that is another one each time")
random.seed(5)
model = Dynamic()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-8, momentum=0.9)
for step in range(2000):
    loss = loss_of(model(x), y)
    if step % 500 == 499:
        print(f"{step:4d} {loss.item():.0f}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(model.text(), f"{model.e.item():.3f}")
