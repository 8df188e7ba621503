"""A longer tour: types, broadcasting, functions by family, memory and copies, shapes."""

import math

import torch

torch.manual_seed(1729)
print(torch.rand(2, 3), torch.rand(2, 3))
torch.manual_seed(1729)
print(torch.rand(2, 3))
print(torch.randint(0, 10, (5,)), torch.randperm(5), torch.normal(0.0, 1.0, (2, 2)))

a = torch.ones((2, 3), dtype=torch.int16)
b = torch.rand((2, 3), dtype=torch.float64) * 20.0
print(a, b, b.to(torch.int32), sep="\n")
print((a + 1.5).dtype, (a + b).dtype, (a / 2).dtype, (a == 1).dtype)

ones = torch.zeros(2, 2) + 1
twos = torch.ones(2, 2) * 2
print(ones + 6, (twos * 14 - 1) / 9, twos**3, ones - twos, sep="\n")
print(twos ** torch.tensor([[1, 2], [3, 4]]))

wide = torch.rand(2, 4)
print(wide * (torch.ones(1, 4) * 2))
print(torch.ones(4, 3, 2) * torch.arange(6.0).reshape(3, 2))
try:
    print(torch.ones(2, 3) + torch.ones(3, 2))
except RuntimeError as error:
    print(f"refused: {error}")

numbers = torch.tensor([-1.7, -0.5, 0.5, 2.4])
print(
    torch.abs(numbers), torch.ceil(numbers), torch.floor(numbers), torch.clamp(numbers, -0.5, 0.5)
)
angles = torch.tensor([0, math.pi / 6, math.pi / 4], dtype=torch.float64)
print(torch.sin(angles), torch.asin(torch.sin(angles)), torch.cos(angles))
print(torch.bitwise_xor(torch.tensor([1, 5, 11]), torch.tensor([2, 7, 10])))
print(torch.eq(torch.tensor([[1, 2], [3, 4]]), torch.ones(1, 2)))
d = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])
print(torch.max(d), torch.max(d).item(), torch.mean(d), torch.std(d), torch.prod(d))
print(torch.unique(torch.tensor([1, 2, 1, 2, 1, 2])), d.argmax(dim=1), d.sum(0), d.cumsum(1))
print(torch.max(d, dim=1))
print(d.topk(2))

v, w = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
print(torch.linalg.cross(v, w), torch.dot(v, w), torch.outer(v, w))
m = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
print(
    m @ m,
    f"{torch.linalg.det(m).item():.4f}",
    torch.linalg.inv(m),
    torch.linalg.eigvalsh(m),
    sep="\n",
)
print(torch.linalg.solve(m, torch.tensor([1.0, 2.0], dtype=torch.float64)))

x = torch.tensor([0.0, math.pi / 4, math.pi / 2], dtype=torch.float64)
y = torch.sin(x, out=torch.empty_like(x))
print(x, y, x.sin_(), x, sep="\n")
first, second = torch.ones(2, 2), torch.ones(2, 2)
alias = first
alias[0][1] = 561
print(first, alias is first)
copy = second.clone()
copy[0][1] = 561
print(second, torch.eq(copy, second))
leaf = torch.rand(2, 2, requires_grad=True)
print(leaf, leaf.clone(), leaf.detach().clone(), sep="\n")

image = torch.rand(3, 6, 6)
print(
    image.unsqueeze(0).shape, torch.rand(1, 20).squeeze(0).shape, torch.rand(2, 2).squeeze(0).shape
)
print(image.reshape(3 * 6 * 6).shape, image.permute(1, 2, 0).shape, image.flatten(1).shape)
grid = torch.arange(6).view(2, 3)
grid.t()[0, 1] = 100
print(grid, grid.stride(), grid.t().stride(), grid.t().is_contiguous())
print([part.tolist() for part in grid.split(1, dim=1)], grid.expand(2, 2, 3).shape)
