"""Making tensors, what they tell of themselves, indexing, joining, arithmetic, NumPy."""

import numpy as np
import torch

torch.manual_seed(1)
rows = [[1, 2, 3], [4, 5, 6]]
from_rows = torch.tensor(rows)
from_array = torch.from_numpy(np.array(rows))
print(from_rows, from_array, from_rows.dtype, from_array.dtype)
print(f"like it: \n {torch.ones_like(from_rows)} \n")
print(f"random like it: \n {torch.rand_like(from_rows, dtype=torch.float)} \n")

shape = (2, 3)
print(f"{torch.rand(shape)}\n{torch.ones(shape)}\n{torch.zeros(shape)}")
print(torch.empty(shape).shape, torch.full(shape, 7), torch.arange(0, 1, 0.25))

t = torch.rand(3, 4)
print(f"shape {t.shape}, type {t.dtype}, device {t.device}")
if torch.cuda.is_available():
    t = t.to("cuda")

print("first row:", t[0])
print("first column:", t[:, 0])
print("last column:", t[..., -1])
t[:, 1] = 0
print(t)

print(torch.cat([t, t], dim=1))
print(torch.stack([t[0], t[1]]).shape)

products = [t @ t.T, t.matmul(t.T), torch.matmul(t, t.T, out=torch.empty(3, 3))]
print(products[0])
print(all(torch.equal(products[0], other) for other in products))
print(t * t)
print(torch.mul(t, 2, out=torch.rand_like(t)))

total = t.sum()
print(total, total.item(), type(total.item()))
t.add_(5)
print(t)

tensor = torch.ones(5)
array = tensor.numpy()
print(f"tensor {tensor}, array {array}")
tensor.add_(1)
print(f"tensor {tensor}, array {array}")
np.multiply(array, 3, out=array)
print(f"tensor {tensor}, array {array}")

print(torch.tensor([1.5, 2]), torch.tensor([True, False]), torch.tensor(3))
print(torch.tensor([1, 2]) / 2, torch.tensor([1, 2]) * 1.5, torch.tensor([5, 7]) // 2)
print(torch.tensor([1e-5, 1.0]), torch.tensor([1e8, 1.0]), torch.tensor([1 + 2j]))
print(torch.arange(2000))
print(torch.zeros(2, 0), torch.tensor([]), torch.ones(2, 2, dtype=torch.float64))
