"""Several models of one kind, called at once on the same images or on different ones."""

import copy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

torch.manual_seed(0)


class SimpleMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


num_models = 5
data = torch.randn(10, 16, 1, 28, 28)
targets = torch.randint(10, (160,))
models = [SimpleMLP() for _ in range(num_models)]
minibatches = data[:num_models]
with_different = [model(minibatch) for model, minibatch in zip(models, minibatches)]
minibatch = data[0]
with_the_same = [model(minibatch) for model in models]

params, buffers = stack_module_state(models)
print({name: tuple(value.shape) for name, value in params.items()}, buffers)
base_model = copy.deepcopy(models[0]).to("meta")


def fmodel(params, buffers, x):
    return functional_call(base_model, (params, buffers), (x,))


predictions1 = vmap(fmodel)(params, buffers, minibatches)
print(predictions1.shape)
print(torch.allclose(predictions1, torch.stack(with_different), atol=1e-3, rtol=1e-5))
predictions2 = vmap(fmodel, in_dims=(0, 0, None))(params, buffers, minibatch)
print(torch.allclose(predictions2, torch.stack(with_the_same), atol=1e-3, rtol=1e-5))
print(predictions2.argmax(-1)[:, :6])
print("they agree on", (predictions2.argmax(-1).float().var(0) == 0).sum().item(), "images")

loss = vmap(F.cross_entropy, in_dims=(0, None))(predictions2, targets[:16])
print("losses", loss)
loss.sum().backward()
print({name: tuple(value.grad.shape) for name, value in params.items()})
optimizer = torch.optim.SGD(list(params.values()), lr=0.1)
optimizer.step()
again = vmap(fmodel, in_dims=(0, 0, None))(params, buffers, minibatch)
print(vmap(F.cross_entropy, in_dims=(0, None))(again, targets[:16]))
