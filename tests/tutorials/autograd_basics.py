"""A layer with a loss: nodes, gradients, switching recording off, products with the Jacobian."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

torch.manual_seed(0)
inputs = torch.ones(4)
target = torch.tensor([0.0, 1.0])
weight = torch.randn(4, 2, requires_grad=True)
bias = torch.randn(2, requires_grad=True)


def logits():
    return torch.matmul(inputs, weight) + bias


z = logits()
loss = binary_cross_entropy_with_logits(z, target)
print(weight, bias, z, loss, sep="\n")
print("nodes:", z.grad_fn, loss.grad_fn)
print("behind z:", z.grad_fn.next_functions)
print("behind the loss:", loss.grad_fn.next_functions[0][0])

loss.backward()
print(weight.grad)
print(bias.grad)

try:
    loss.backward()
except RuntimeError as error:
    print("a second time:", str(error).split(".")[0])

print(logits().requires_grad)
with torch.no_grad():
    print(logits().requires_grad)
print(logits().detach().requires_grad)

frozen = weight.detach().requires_grad_(False)
print(frozen.requires_grad, (torch.matmul(inputs, frozen) + bias).requires_grad)


@torch.no_grad()
def evaluate():
    return logits()


print(evaluate())

x = torch.eye(3, 4, requires_grad=True)
out = (x + 2).pow(3).t()
print(out)
for _ in range(2):
    out.backward(torch.ones_like(out), retain_graph=True)
    print(x.grad)
x.grad.zero_()
out.backward(torch.full_like(out, 0.5), retain_graph=True)
print(x.grad)
x.grad = None
out.backward(torch.arange(12.0).reshape(4, 3))
print(x.grad)
