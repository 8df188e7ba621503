"""Compute again instead of keeping; and measure how long it takes, without printing how long."""

import torch
from torch import nn
from torch.utils import benchmark
from torch.utils.checkpoint import checkpoint, checkpoint_sequential, set_checkpoint_early_stop

print("--- what backward keeps")
torch.manual_seed(0)


def saved_numbers(function, *args):
    """How many numbers are kept for backward, besides the result."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda x: kept.append(x.numel()) or x, lambda x: x
    ):
        result = function(*args)
    return sum(kept), result


def deep(x):
    for _ in range(20):
        x = torch.sin(x)
    return x


x = torch.rand(100, requires_grad=True)
plain, y = saved_numbers(deep, x)
short, z = saved_numbers(lambda a: checkpoint(deep, a, use_reentrant=True), x)
print(plain, short, torch.equal(y, z))
print(type(y.grad_fn).__name__, type(z.grad_fn).__name__)
(expected,) = torch.autograd.grad(y.sum(), x)
z.sum().backward()
print(torch.equal(x.grad, expected))

print("--- how often the function is called")
calls = []


def noted(x):
    calls.append(torch.is_grad_enabled())
    return (x * x).exp()


for reentrant in (True, False):
    calls.clear()
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = checkpoint(noted, x, use_reentrant=reentrant)
    before = len(calls)
    y.sum().backward()
    print(reentrant, before, calls, x.grad)

print("--- where it ends")
marks = []


def marked(x):
    y = x.sin()
    marks.append("sine")
    z = y.exp()
    marks.append("exponential")
    return z + 1


y = checkpoint(marked, x, use_reentrant=False)
marks.clear()
y.sum().backward()
print(marks)
with set_checkpoint_early_stop(False):
    y = checkpoint(marked, x, use_reentrant=False)
marks.clear()
y.sum().backward()
print(marks)

print("--- random numbers are drawn once more")


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.second = nn.Linear(16, 2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.second(x * torch.rand_like(x))


torch.manual_seed(1)
net, x = Noisy(), torch.randn(5, 6)
grads = {}
for name in ("plain", "reentrant", "other"):
    torch.manual_seed(7)
    net.zero_grad()
    start = x.clone().requires_grad_()
    y = net(start) if name == "plain" else checkpoint(net, start, use_reentrant=name == "reentrant")
    y.square().sum().backward()
    grads[name] = [start.grad, *(p.grad for p in net.parameters())]
    print(name, round(y.sum().item(), 4), torch.rand(1))
for name in ("reentrant", "other"):
    pairs = zip(grads["plain"], grads[name])
    print(name, all(torch.allclose(a, b) for a, b in pairs))

print("--- a function that does something else")
state = {"calls": 0}


def fickle(x):
    state["calls"] += 1
    return x.sin() if state["calls"] == 1 else x[:1].sin()


y = checkpoint(fickle, torch.ones(2, requires_grad=True), use_reentrant=False)
try:
    y.sum().backward()
except torch.utils.checkpoint.CheckpointError as error:
    print(str(error).splitlines()[0])
try:
    checkpoint(deep, x, use_reentrant=True, unknown=1)
except ValueError as error:
    print(error)

print("--- a tower of layers")
torch.manual_seed(2)
tower = nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(6)])
x = torch.randn(3, 8, requires_grad=True)
tower(x).sum().backward()
wanted = [p.grad.clone() for p in tower.parameters()]
for segments in (1, 2, 3):
    tower.zero_grad()
    y = checkpoint_sequential(tower, segments, x, use_reentrant=False)
    y.sum().backward()
    found = [p.grad for p in tower.parameters()]
    print(segments, round(y.sum().item(), 4), all(map(torch.allclose, found, wanted)))

print("--- training with checkpoints")
losses = {}
for saving in (False, True):
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    inputs = torch.randn(32, 4)
    targets = inputs.prod(1, keepdim=True)
    losses[saving] = []
    for _ in range(20):
        optimizer.zero_grad()
        out = checkpoint(net, inputs, use_reentrant=False) if saving else net(inputs)
        loss = nn.functional.mse_loss(out, targets)
        loss.backward()
        optimizer.step()
        losses[saving].append(loss.item())
print([f"{loss:.4f}" for loss in losses[True][::5]])
print(max(abs(a - b) for a, b in zip(losses[True], losses[False])) < 1e-6)

print("--- timing")
timer = benchmark.Timer(
    stmt="a @ b",
    setup="a, b = torch.ones(32, 32), torch.ones(32, 32)",
    label="products",
    sub_label="32 × 32",
    description="matmul",
)
measured = timer.timeit(50)
print(len(measured.times), measured.number_per_run, measured.median > 0, measured.title)
many = timer.blocked_autorange(min_run_time=0.02)
print(sum(many.raw_times) >= 0.02, many.median <= max(many.times), many.iqr >= 0)
print(repr(many).splitlines()[1:3])
print(timer.adaptive_autorange(max_run_time=0.2).number_per_run >= 1)


def of_times(description, sub_label, *times):
    task = benchmark.TaskSpec(
        "f(x)", "pass", label="sums", sub_label=sub_label, description=description
    )
    return benchmark.Measurement(1, list(times), task)


print("--- a table of times that are given")
results = [
    of_times("loop", "small", 2.1e-6, 2.0e-6, 2.2e-6, 2.1e-6),
    of_times("loop", "large", 3.1e-3, 3.0e-3, 3.1e-3, 3.2e-3),
    of_times("vector", "small", 1.2e-6, 1.1e-6, 1.2e-6, 1.3e-6),
    of_times("vector", "large", 4.0e-5, 4.1e-5, 4.0e-5, 9.0e-5),
]
print("\n".join(repr(results[0]).splitlines()[1:]))
table = benchmark.Compare(results)
table.trim_significant_figures()
table.print()
table.highlight_warnings()
table.print()
