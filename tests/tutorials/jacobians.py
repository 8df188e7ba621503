"""Jacobians, Hessians and their products: by rows, by vmap, and by the functions for them."""

from functools import partial

import torch
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

torch.manual_seed(3)
n = 4
weight = torch.randn(n, n, dtype=torch.float64)
bias = torch.randn(n, dtype=torch.float64)
x = torch.randn(n, dtype=torch.float64)


def predict(weight, bias, x):
    return torch.nn.functional.linear(x, weight, bias).tanh()


def rows(point):
    return torch.stack(
        [
            torch.autograd.grad(predict(weight, bias, point), point, unit)[0]
            for unit in torch.eye(n, dtype=torch.float64)
        ]
    )


jacobian = rows(x.clone().requires_grad_())
print(jacobian.shape, jacobian[0], sep="\n")
_, pull = vjp(partial(predict, weight, bias), x)
(by_vmap,) = vmap(pull)(torch.eye(n, dtype=torch.float64))
by_rev = jacrev(predict, argnums=2)(weight, bias, x)
by_fwd = jacfwd(predict, argnums=2)(weight, bias, x)
print([torch.allclose(jacobian, other) for other in (by_vmap, by_rev, by_fwd)])

of_weight, of_bias = jacrev(predict, argnums=(0, 1))(weight, bias, x)
print(of_weight.shape, of_bias.shape)

of_api = hessian(predict, argnums=2)(weight, bias, x)
by_rev_rev = jacrev(jacrev(predict, argnums=2), argnums=2)(weight, bias, x)
print(of_api.shape, torch.allclose(of_api, by_rev_rev))
print(of_api[0])

batch = torch.randn(3, n, dtype=torch.float64)
many = vmap(jacrev(predict, argnums=2), in_dims=(None, None, 0))(weight, bias, batch)
summed = jacrev(lambda x: predict(weight, bias, x).sum(0))(batch).movedim(1, 0)
print(many.shape, torch.allclose(many, summed))
print(vmap(hessian(predict, argnums=2), in_dims=(None, None, 0))(weight, bias, batch).shape)


def energy(x):
    return (x.sin() * x**2).sum()


direction = torch.randn(n, dtype=torch.float64)
forward = jvp(grad(energy), (x,), (direction,))[1]
_, pull = vjp(grad(energy), x)
print(forward, torch.allclose(forward, pull(direction)[0]), sep="\n")
print(torch.autograd.functional.hessian(energy, x).diagonal())
print(torch.autograd.functional.jacobian(lambda t: t**3, torch.tensor([1.0, 2.0])))
print(vmap(grad(lambda w, x: torch.dot(w, x) ** 2), in_dims=(None, 0))(x, batch))
