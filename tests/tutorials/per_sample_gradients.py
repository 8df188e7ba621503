"""The gradient of every example of a batch, one by one and all at once."""

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

torch.manual_seed(0)


class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.fc1 = nn.Linear(1296, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(x), dim=1)


batch_size = 12
data = torch.randn(batch_size, 1, 22, 22)
targets = torch.randint(10, (batch_size,))
model = SimpleCNN()
print(model)
predictions = model(data)
loss = F.nll_loss(predictions, targets)
loss.backward()
print("loss", loss.item())


def compute_grad(sample, target):
    prediction = model(sample.unsqueeze(0))
    return torch.autograd.grad(
        F.nll_loss(prediction, target.unsqueeze(0)), list(model.parameters())
    )


per_sample = [compute_grad(data[i], targets[i]) for i in range(batch_size)]
one_by_one = [torch.stack(shards) for shards in zip(*per_sample)]
print(one_by_one[0].shape)

params = {k: v.detach() for k, v in model.named_parameters()}
buffers = {k: v.detach() for k, v in model.named_buffers()}


def compute_loss(params, buffers, sample, target):
    predictions = functional_call(model, (params, buffers), (sample.unsqueeze(0),))
    return F.nll_loss(predictions, target.unsqueeze(0))


ft_compute_grad = grad(compute_loss)
ft_compute_sample_grad = vmap(ft_compute_grad, in_dims=(None, None, 0, 0))
at_once = ft_compute_sample_grad(params, buffers, data, targets)
for (name, ft), slow in zip(at_once.items(), one_by_one):
    print(name, tuple(ft.shape), torch.allclose(ft, slow, atol=1e-4, rtol=1e-3))
for (name, ft), parameter in zip(at_once.items(), model.parameters()):
    print(name, "mean is the gradient:", torch.allclose(ft.mean(0), parameter.grad, atol=1e-5))
norms = torch.cat([g.flatten(1) for g in at_once.values()], 1).norm(dim=1)
print("norms", [round(n, 3) for n in norms.tolist()])
