"""A convolution network as a module: its parameters, a loss, the way back, and updates."""

import torch
import torch.nn.functional as F  # as everybody does
from torch import nn, optim

torch.manual_seed(42)


class DigitNet(nn.Module):
    """Two convolutions with pools, then three affine maps, for pictures of 28 by 28 pixels."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 5, padding=2)
        self.second = nn.Conv2d(4, 10, 5)
        self.wide = nn.Linear(10 * 5 * 5, 48)
        self.narrow = nn.Linear(48, 24)
        self.last = nn.Linear(24, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.wide(x))
        x = F.relu(self.narrow(x))
        return self.last(x)


net = DigitNet()
print(net)

params = list(net.parameters())
print(len(params), params[0].size(), sum(p.numel() for p in params))
for name, parameter in net.named_parameters():
    print(f"{name:13} {list(parameter.shape)!s:16} {parameter.abs().sum().item():.4f}")

picture = torch.randn(1, 1, 28, 28)
out = net(picture)
print(out)

net.zero_grad()
out.backward(torch.randn(1, 10))
print(net.first.bias.grad)
print(f"{net.wide.weight.grad.norm():.4f}")

target = torch.randn(10).view(1, -1)
criterion = nn.MSELoss()
loss = criterion(net(picture), target)
print(loss)

node = loss.grad_fn
while node is not None:
    print(type(node).__name__)
    inputs = [parent for parent, _ in node.next_functions if parent is not None]
    inner = [parent for parent in inputs if type(parent).__name__ != "AccumulateGrad"]
    node = inner[0] if inner else None

net.zero_grad()
print("before:", net.last.bias.grad)
loss.backward()
print("after:", net.last.bias.grad)

rate = 0.01
for parameter in net.parameters():
    parameter.data.sub_(parameter.grad.data * rate)
print(f"by hand: {criterion(net(picture), target).item():.5f}")

optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for step in range(1, 6):
    optimizer.zero_grad()
    loss = criterion(net(picture), target)
    loss.backward()
    optimizer.step()
    print(f"step {step}: {loss.item():.5f}")
print(optimizer)

batch = torch.randn(3, 1, 28, 28)
with torch.no_grad():
    print(net(batch).argmax(dim=1).shape, net(batch).requires_grad)
try:
    net(torch.randn(1, 3, 28, 28))
except RuntimeError as error:
    print(error)
try:
    net(torch.randn(1, 1, 6, 6))
except RuntimeError as error:
    print(error)
