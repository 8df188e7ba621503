"""Leaves, gradients of inner results, hooks, saved tensors, graphs of graphs."""

import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
w = torch.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
hidden = torch.relu(x @ w)
loss = (hidden - torch.tensor([1.0, 0.0])).pow(2).mean()
for name, tensor in (("x", x), ("w", w), ("hidden", hidden), ("loss", loss)):
    print(f"{name}: leaf {tensor.is_leaf}, {tensor.grad_fn}, grad kept {tensor.retains_grad}")
hidden.retain_grad()
loss.retain_grad()
loss.backward()
print(loss.grad, hidden.grad, x.grad, w.grad, sep="\n")

node = loss.grad_fn
while node is not None:
    print(node.name(), len(node.next_functions))
    node = next((child for child, _ in node.next_functions if child is not None), None)

x.grad = None
seen = []
handle = x.register_hook(lambda grad: seen.append(grad) or grad * 10)
(x * 3).sum().backward()
handle.remove()
print(seen, x.grad)
(x * 3).sum().backward()
print(x.grad)

a = torch.tensor(3.0, requires_grad=True)
b = a**4
(first,) = torch.autograd.grad(b, a, create_graph=True)
(second,) = torch.autograd.grad(first, a, create_graph=True)
(third,) = torch.autograd.grad(second, a)
print(b, first, second, third, sep="\n")

p = torch.tensor(2.0, requires_grad=True)
q = torch.tensor(5.0, requires_grad=True)
print(torch.autograd.grad(p * p, (p, q), allow_unused=True))
try:
    torch.autograd.grad(p * p, q)
except RuntimeError as error:
    print(str(error).split(".")[0])

e = torch.exp(torch.tensor([0.0, 1.0], requires_grad=True))
print(torch.equal(e, e.grad_fn._saved_result))
base = torch.zeros(4, requires_grad=True) * 1
view = base[1:3]
view += 5
print(base, view, base.grad_fn, sep="\n")
