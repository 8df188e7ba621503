"""In-place operations, indices from 0, NumPy, accumulation, and what the graph remembers."""

import numpy as np
import torch

a = torch.empty(3, 4).fill_(3.5)
b = a.add(4.0)
print(a, b, sep="\n")
a.add_(b).mul_(2)
print(a[0, 3], a[:, 2:], a.size(), a.t().shape)
c = torch.zeros(4, 2)
c.index_add_(1, torch.tensor([1, 0]), torch.arange(8.0).reshape(4, 2))
print(c)
print(torch.zeros(2, 3).masked_fill_(torch.eye(2, 3).bool(), -1), c.narrow(0, 1, 2))

numpy_ones = np.ones(4)
shared = torch.from_numpy(numpy_ones)
np.add(numpy_ones, 1, out=numpy_ones)
print(numpy_ones, shared, shared.numpy() is numpy_ones)

x = torch.ones(2, 2, requires_grad=True)
print(x, x.grad, x.grad_fn, x.data, sep="\n")
y = x + 2
z = y * y * 3
print(y.grad_fn, z.grad_fn.next_functions[0][0].next_functions[0][0])
print(z, z.mean(), sep="\n")
z.mean().backward()
print(x.grad)

x = torch.ones(2, 2, requires_grad=True)
y = x * x
y.backward(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), retain_graph=True)
y.backward(torch.ones(2, 2), retain_graph=True)
print(x.grad)
y.add_(1)
y.sum().backward()
print(x.grad)

w = torch.ones(3, requires_grad=True)
try:
    w.add_(1)
except RuntimeError as error:
    print(error)
u = w.exp()
u.mul_(2)
try:
    u.sum().backward()
except RuntimeError as error:
    print(str(error).split(":")[0])
try:
    (w * 2).backward()
except RuntimeError as error:
    print(error)

g = torch.tensor([0.1, 1.0, 0.0001])
norm_x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
doubled = norm_x * 2
while doubled.data.norm() < 1000:
    doubled = doubled * 2
doubled.backward(g)
print(doubled, norm_x.grad)
