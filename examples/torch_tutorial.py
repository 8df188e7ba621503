"""Automatic differentiation in PyTorch's style, on NumPy.

Replace the import by `import torch` and it runs on PyTorch, with the same output but for addresses
in memory; or keep `import torch` and run it with `python -m funcgrad.compat.torch <file>`.
"""

from funcgrad.compat import torch

# --- A network of one layer ------------------------------------------------------------------

torch.manual_seed(0)
x = torch.ones(5)  # input
y = torch.zeros(3)  # what the output should be
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)

# Each result knows the operation it came from.
print(f"Gradient function for z = {z.grad_fn}")
print(f"Gradient function for loss = {loss.grad_fn}")

# --- Gradients -------------------------------------------------------------------------------

loss.backward()
print(w.grad)
print(b.grad)

# --- Switching recording off -----------------------------------------------------------------

z = torch.matmul(x, w) + b
print(z.requires_grad)

with torch.no_grad():
    z = torch.matmul(x, w) + b
print(z.requires_grad)

z = torch.matmul(x, w) + b
z_det = z.detach()
print(z_det.requires_grad)

# --- Results with axes: products of the Jacobian with a vector --------------------------------

inp = torch.eye(4, 5, requires_grad=True)
out = (inp + 1).pow(2).t()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"First call\n{inp.grad}")
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nSecond call\n{inp.grad}")  # gradients add up
inp.grad.zero_()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nCall after zeroing gradients\n{inp.grad}")
