"""The kernel J(x₁) J(x₂)ᵀ of a network, from Jacobians and from products with vectors."""

import torch
from torch import nn
from torch.func import functional_call, jacrev, jvp, vjp, vmap

torch.manual_seed(0)


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, (3, 3))
        self.conv2 = nn.Conv2d(8, 8, (3, 3))
        self.fc = nn.Linear(8 * 6 * 6, 4)

    def forward(self, x):
        x = self.conv1(x).relu()
        x = self.conv2(x).relu()
        return self.fc(x.flatten(1))


x_train = torch.randn(6, 3, 10, 10)
x_test = torch.randn(3, 3, 10, 10)
net = CNN()
params = {k: v.detach() for k, v in net.named_parameters()}


def fnet_single(params, x):
    return functional_call(net, params, (x.unsqueeze(0),)).squeeze(0)


def by_jacobians(func, params, x1, x2, compute="full"):
    jac1 = vmap(jacrev(func), (None, 0))(params, x1)
    jac1 = [j.flatten(2) for j in jac1.values()]
    jac2 = vmap(jacrev(func), (None, 0))(params, x2)
    jac2 = [j.flatten(2) for j in jac2.values()]
    rule = {"full": "Naf,Mbf->NMab", "trace": "Naf,Maf->NM", "diagonal": "Naf,Maf->NMa"}[compute]
    return torch.stack([torch.einsum(rule, a, b) for a, b in zip(jac1, jac2)]).sum(0)


kernel = by_jacobians(fnet_single, params, x_train, x_test)
print(kernel.shape)
print(kernel[0, 0])


def by_products(func, params, x1, x2, compute="full"):
    def one(x1, x2):
        def times(vec):
            _, pull = vjp(lambda p: func(p, x1), params)
            _, pushed = jvp(lambda p: func(p, x2), (params,), pull(vec))
            return pushed

        output = func(params, x1)
        return vmap(times)(torch.eye(output.numel()))

    result = vmap(vmap(one, (None, 0)), (0, None))(x1, x2)
    if compute == "full":
        return result
    rule = {"trace": "NMKK->NM", "diagonal": "NMKK->NMK"}[compute]
    return torch.einsum(rule, result)


again = by_products(fnet_single, params, x_test, x_train)
other = by_jacobians(fnet_single, params, x_test, x_train)
print(torch.allclose(again, other, atol=1e-4))
for compute in ("trace", "diagonal"):
    a = by_jacobians(fnet_single, params, x_train, x_test, compute)
    b = by_products(fnet_single, params, x_train, x_test, compute)
    print(compute, tuple(a.shape), torch.allclose(a, b, atol=1e-4))
print(by_jacobians(fnet_single, params, x_train, x_test, "trace"))
