"""Whole training steps, the layer over PyTorch: `python -m tests.benchmarks.layer [--only W3]`.

A step is what a training loop does for one batch: `zero_grad`, forward, loss, `backward`, and the
optimiser's `step`. The program is the same for both; it starts from the same seed, and the losses
of its first steps are compared before it is timed. Both run in one process, in turn, on one core.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from tests.benchmarks import pinning, report
from tests.benchmarks.timing import Timing, interleave

__all__ = ["OWN", "PEER", "STEPS", "TOLERANCE", "Training", "built", "compare"]

OWN, PEER = "funcgrad.compat.torch", "torch"
Step = Callable[[], Any]
SEED = 0
FIRST_STEPS = 3
TOLERANCE = 2e-3
"""Relative difference of the losses: float32 sums are rounded in another order."""


@dataclass(frozen=True, slots=True)
class Training:
    """A program to compare.

    Attributes:
        title: what it trains.
        build: of a module with PyTorch's interface, and of what is done with the model before it
            is trained (such as `torch.compile`): a step, which returns the loss.
        most: how many times PyTorch's time it may take.
    """

    title: str
    build: Callable[..., Step]
    most: float


def _looped(model: Any, inputs: tuple[Any, ...], loss: Any, optimiser: Any) -> Step:
    """One step; the loss takes what the model returns."""

    def step() -> Any:
        optimiser.zero_grad()
        value = loss(model(*inputs))
        value.backward()
        optimiser.step()
        return value

    return step


def _as_it_is(model: Any) -> Any:
    return model


def _labels(torch: Any, count: int) -> Any:
    return torch.randint(0, 10, (count,))


def _perceptron(optimiser: str, **options: Any) -> Callable[..., Step]:
    def build(torch: Any, wrap: Any = _as_it_is) -> Step:
        nn = torch.nn
        model = nn.Sequential(
            nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)
        )
        x, y = torch.randn(128, 784), _labels(torch, 128)
        criterion = nn.CrossEntropyLoss()
        chosen = getattr(torch.optim, optimiser)(model.parameters(), **options)
        return _looped(wrap(model), (x,), lambda out: criterion(out, y), chosen)

    return build


def _recurrent(torch: Any, wrap: Any = _as_it_is) -> Step:
    model = torch.nn.RNN(64, 64)
    x, y = torch.randn(200, 16, 64), torch.randn(200, 16, 64)
    mse = torch.nn.MSELoss()
    chosen = torch.optim.SGD(model.parameters(), lr=0.01)
    return _looped(wrap(model), (x,), lambda out: mse(out[0], y), chosen)


def _cells(torch: Any, wrap: Any = _as_it_is) -> Step:
    cell = torch.nn.RNNCell(64, 64)
    xs, y = torch.randn(200, 16, 64), torch.randn(16, 64)
    mse = torch.nn.MSELoss()

    def model(inputs: Any) -> Any:
        h = torch.zeros(16, 64)
        for x in inputs:
            h = cell(x, h)
        return h

    chosen = torch.optim.SGD(cell.parameters(), lr=0.01)
    return _looped(wrap(model), (xs,), lambda out: mse(out, y), chosen)


def _attention(torch: Any, wrap: Any = _as_it_is) -> Step:
    nn = torch.nn
    model = nn.ModuleDict({name: nn.Linear(64, 64) for name in ("q", "k", "v", "out")})
    x, y = torch.randn(8, 128, 64), torch.randn(8, 128, 64)

    def attend(inputs: Any) -> Any:
        q, k, v = (model[name](inputs) for name in ("q", "k", "v"))
        weights = torch.softmax(q @ k.transpose(-2, -1) / 8.0, dim=-1)
        return model["out"](weights @ v)

    mse = nn.MSELoss()
    chosen = torch.optim.SGD(model.parameters(), lr=0.01)
    return _looped(wrap(attend), (x,), lambda out: mse(out, y), chosen)


def _multihead(torch: Any, wrap: Any = _as_it_is) -> Step:
    model = torch.nn.MultiheadAttention(64, 1, batch_first=True)
    x, y = torch.randn(8, 128, 64), torch.randn(8, 128, 64)
    mse = torch.nn.MSELoss()
    chosen = torch.optim.SGD(model.parameters(), lr=0.01)
    return _looped(wrap(model), (x, x, x), lambda out: mse(out[0], y), chosen)


def _lenet(size: int) -> Callable[..., Step]:
    def build(torch: Any, wrap: Any = _as_it_is) -> Step:
        nn = torch.nn
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2 if size == 28 else 0), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, 10),
        )  # fmt: skip
        x, y = torch.randn(64, 1, size, size), _labels(torch, 64)
        criterion = nn.CrossEntropyLoss()
        chosen = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        return _looped(wrap(model), (x,), lambda out: criterion(out, y), chosen)

    return build


def _digits(torch: Any, wrap: Any = _as_it_is) -> Step:
    """The network of PyTorch's MNIST example."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):  # type: ignore[misc]  # of a module that is chosen at run time
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 3, 1)
            self.conv2 = nn.Conv2d(32, 64, 3, 1)
            self.dropout1 = nn.Dropout(0.25)
            self.dropout2 = nn.Dropout(0.5)
            self.fc1 = nn.Linear(9216, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv1(x))
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = torch.flatten(self.dropout1(x), 1)
            x = self.dropout2(F.relu(self.fc1(x)))
            return F.log_softmax(self.fc2(x), dim=1)

    model = Net()
    x, y = torch.randn(64, 1, 28, 28), _labels(torch, 64)
    chosen = torch.optim.Adadelta(model.parameters(), lr=1.0)
    return _looped(wrap(model), (x,), lambda out: F.nll_loss(out, y), chosen)


STEPS: Mapping[str, Training] = {
    "W3": Training("perceptron 784-512-256-10, batch 128, SGD", _perceptron("SGD", lr=0.1), 1.5),
    "W3 Adam": Training("the same, Adam", _perceptron("Adam", lr=1e-3), 1.5),
    "W6": Training("nn.RNN, 200 steps of 16 × 64", _recurrent, 1.5),
    "W6 cell": Training("nn.RNNCell in a loop, 200 steps of 16 × 64", _cells, 1.5),
    "W11": Training("attention of four nn.Linear, 8 × 128 × 64", _attention, 1.5),
    "W11 heads": Training("nn.MultiheadAttention, one head, 8 × 128 × 64", _multihead, 1.5),
    "LeNet": Training("LeNet, 64 images of 28 × 28, SGD with momentum", _lenet(28), 2.5),
    "LeNet 32": Training("the same, 32 × 32", _lenet(32), 2.5),
    "MNIST": Training("convolutions 32 and 64 of 3 × 3, dropout, Adadelta", _digits, 2.5),
}


def losses(step: Step) -> list[float]:
    """Those of the first steps."""
    return [float(step().detach()) for _ in range(FIRST_STEPS)]


def built(training: Training) -> dict[str, tuple[Step, list[float]]]:
    """The step of each contender, from the same seed, and its first losses."""
    found = {}
    for name in (PEER, OWN):
        torch = import_module(name)
        torch.set_num_threads(1)
        torch.manual_seed(SEED)
        step = training.build(torch)
        found[name] = (step, losses(step))
    return found


def compare(training: Training, budget: float) -> dict[str, Timing]:
    """Seconds of a step of both.

    Raises:
        AssertionError: if their losses differ.
    """
    found = built(training)
    own, peer = found[OWN][1], found[PEER][1]
    for a, b in zip(own, peer, strict=True):
        assert abs(a - b) <= TOLERANCE * abs(b), f"losses {own}, PyTorch's are {peer}"
    runs = {name: step for name, (step, _) in found.items()}
    return {name: Timing(samples=samples) for name, samples in interleave(runs, budget).items()}


def _row(name: str, training: Training, timings: dict[str, Timing]) -> list[str]:
    own, peer = timings[OWN], timings[PEER]
    ratio = own.over(peer)
    verdict = "met" if ratio <= training.most else "missed"
    times = [report.seconds(statistics.median(t.samples)) for t in (peer, own)]
    return [f"{name}: {training.title}", *times, f"{ratio:.2f}", f"{training.most}", verdict]


def main() -> None:
    """Print the table of ratios."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.layer", description=__doc__)
    add = parser.add_argument
    add("--only", default="", metavar="W3,LeNet", help="those whose name contains one of these")
    add("--budget", type=float, default=5.0, metavar="SECONDS", help="timed part of each")
    add("--core", type=int, default=0, help="the core to run on (default 0)")
    arguments = parser.parse_args()
    pinning.run_pinned(arguments.core)
    rows = []
    for name, training in STEPS.items():
        if not any(part in name for part in arguments.only.split(",")):
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            rows.append(_row(name, training, compare(training, arguments.budget)))
        except Exception as problem:  # noqa: BLE001  # the report goes on
            rows.append([f"{name}: {type(problem).__name__}: {problem}", *[report.NOTHING] * 5])
    print(", ".join(f"{key} {value}" for key, value in report.machine().items()) + "\n")
    head = ["training step", "torch", "layer", "layer ÷ torch", "at most", "verdict"]
    print(report.table(head, rows))


if __name__ == "__main__":
    main()
