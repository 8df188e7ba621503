"""Programs of other benchmark suites: ADBench's, and sensitivities of an ODE.

Each is written once, for all namespaces with NumPy's names; none of them was looked at while the
compiler was written. There is no derivative by hand: eager funcgrad is the reference, and all
other libraries have to agree with it.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.workload import Data, Loss, Workload

__all__ = ["ADBENCH", "by_eager", "program"]

Array = NDArray[Any]


def by_eager(loss: Loss, params: Callable[[int], int]) -> Callable[..., Any]:
    """Value and gradients as eager funcgrad computes them, by the first of so many arguments."""

    def reference(*arguments: Any) -> Any:
        funcgrad = import_module("funcgrad")
        whole = partial(loss, import_module("funcgrad.numpy"))
        argnums = tuple(range(params(len(arguments))))
        return funcgrad.value_and_grad(whole, argnums=argnums)(*arguments)

    return reference


def program(
    name: str,
    title: str,
    loss: Loss,
    data: Callable[[], Data],
    small: Callable[[], Data],
    *,
    tolerance: float = 1e-8,
    torch_loss: Loss | None = None,
    params: Callable[[int], int] | None = None,
) -> Workload:
    """A workload without a derivative by hand.

    Args:
        params: How many of so many arguments are parameters, if that differs between sizes.
    """
    count = len(small().params)
    reference = by_eager(loss, params or (lambda _: count))
    return Workload(
        name, title, data, small, loss, reference, tolerance=tolerance, torch_loss=torch_loss
    )


# Bundle adjustment: cameras are eleven numbers, rotation vector r (3), centre C (3), focal length
# f, principal point x₀ (2), radial distortion κ (2); residuals are differences between projected
# points and their measured places.


def bundle_data(cameras: int, points: int, observations: int) -> Data:
    """Cameras (n, 11), points (m, 3), weights (p,); indices (p,) twice, places (p, 2)."""
    rng = np.random.default_rng(20)
    cams = rng.normal(size=(cameras, 11)) * 0.1
    cams[:, 5] -= 8.0
    cams[:, 6] += 2.0
    return Data(
        params=(
            cams,
            rng.normal(size=(points, 3)),
            rng.uniform(0.5, 1.5, observations),
        ),
        constants=(
            rng.integers(0, cameras, observations),
            rng.integers(0, points, observations),
            rng.normal(size=(observations, 2)),
        ),
    )


def bundle(
    xp: Any, cams: Any, points: Any, weights: Any, of_camera: Any, of_point: Any, places: Any
) -> Any:
    """½ Σ |w (project(camera, point) - place)|² + ½ Σ (1 - w²)²."""
    camera, point = cams[of_camera], points[of_point]
    r, offset = camera[:, :3], point - camera[:, 3:6]
    angle = xp.sqrt(xp.sum(r * r, axis=1))
    axis = r / angle[:, None]
    x, y, z = offset[:, 0], offset[:, 1], offset[:, 2]
    a, b, c = axis[:, 0], axis[:, 1], axis[:, 2]
    cos, sin = xp.cos(angle), xp.sin(angle)
    along = (a * x + b * y + c * z) * (1.0 - cos)
    rotated_x = x * cos + (b * z - c * y) * sin + a * along
    rotated_y = y * cos + (c * x - a * z) * sin + b * along
    rotated_z = z * cos + (a * y - b * x) * sin + c * along
    u, v = rotated_x / rotated_z, rotated_y / rotated_z
    square = u * u + v * v
    distortion = 1.0 + camera[:, 9] * square + camera[:, 10] * square * square
    scale = distortion * camera[:, 6]
    error_u = weights * (u * scale + camera[:, 7] - places[:, 0])
    error_v = weights * (v * scale + camera[:, 8] - places[:, 1])
    slack = 1.0 - weights * weights
    return 0.5 * xp.sum(error_u * error_u + error_v * error_v + slack * slack)


# Hand tracking: a wrist and five fingers of four bones, each turned about axes of its own;
# vertices follow the bones by weights (linear blend skinning).

FINGERS, BONES = 5, 4


def hand_data(vertices: int) -> Data:
    """Angles (23,) and translation (3,); the parts of the model, measured points (3, v)."""
    rng = np.random.default_rng(21)
    bones = 1 + FINGERS * BONES
    generators = np.zeros((3, 3, 3))
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        generators[axis, j, i], generators[axis, i, j] = 1.0, -1.0
    weights = rng.uniform(size=(bones, vertices)) ** 8
    return Data(
        params=(rng.normal(size=3 + FINGERS * BONES) * 0.3, rng.normal(size=3) * 0.1),
        constants=(
            generators,
            rng.normal(size=(bones, 3)),
            rng.normal(size=(bones, 3, vertices)),
            weights / weights.sum(axis=0),
            rng.normal(size=(3, vertices)),
        ),
    )


def hand(
    xp: Any,
    angles: Any,
    translation: Any,
    generators: Any,
    offsets: Any,
    base: Any,
    weights: Any,
    measured: Any,
) -> Any:
    """½ |Σ_bones w (R x + t) - measured|², transforms composed along each finger."""

    def turn(angle: Any, axis: int) -> Any:
        K = generators[axis]
        return xp.sin(angle) * K + (1.0 - xp.cos(angle)) * (K @ K)

    wrist = generators[0] @ generators[0] * 0.0 + xp.eye(3)
    for axis in range(3):
        wrist = wrist + wrist @ turn(angles[axis], axis)
    rotations, places = [wrist], [translation]
    for finger in range(FINGERS):
        rotation, place = wrist, translation
        for bone in range(BONES):
            number = finger * BONES + bone
            place = place + rotation @ offsets[1 + number]
            rotation = rotation + rotation @ turn(angles[3 + number], bone % 2)
            rotations.append(rotation)
            places.append(place)
    turned = xp.matmul(xp.stack(rotations), base) + xp.stack(places)[:, :, None]
    vertices = xp.sum(weights[:, None, :] * turned, axis=0)
    difference = vertices - measured
    return 0.5 * xp.sum(difference * difference)


def hand_torch(torch: Any, *arguments: Any) -> Any:
    """The same with an identity of PyTorch's default dtype taken as float64."""

    class Names:
        sin, cos, stack, matmul, sum = torch.sin, torch.cos, torch.stack, torch.matmul, torch.sum
        eye = staticmethod(partial(torch.eye, dtype=torch.float64))

    return hand(Names, *arguments)


# LSTM of ADBench: gates are elementwise, a character is predicted from those before it.


def lstm_data(length: int, layers: int, characters: int) -> Data:
    """Weights and biases (layers, 4, d), three more (3, d), first state; sequence (length, d)."""
    rng = np.random.default_rng(22)
    shape = (layers, 4, characters)
    return Data(
        params=(
            rng.normal(size=shape) * 0.5,
            rng.normal(size=shape) * 0.5,
            rng.normal(size=(3, characters)) * 0.5,
        ),
        constants=(
            rng.normal(size=(layers, 2, characters)) * 0.5,
            np.eye(characters)[rng.integers(0, characters, length)],
        ),
    )


def lstm(xp: Any, weights: Any, biases: Any, extra: Any, state: Any, sequence: Any) -> Any:
    """-Σ_t y_{t+1} · log softmax(predict(y_t)) / (T - 1), with ADBench's log(2 + Σ exp)."""

    def sigmoid(x: Any) -> Any:
        return 1.0 / (1.0 + xp.exp(-x))

    hidden = [state[layer, 0] for layer in range(len(weights))]
    cells = [state[layer, 1] for layer in range(len(weights))]
    total = 0.0
    for t in range(len(sequence) - 1):
        x = sequence[t] * extra[0]
        for layer in range(len(weights)):
            w, b = weights[layer], biases[layer]
            forget = sigmoid(x * w[0] + b[0])
            ingate = sigmoid(hidden[layer] * w[1] + b[1])
            outgate = sigmoid(x * w[2] + b[2])
            change = xp.tanh(hidden[layer] * w[3] + b[3])
            cells[layer] = cells[layer] * forget + ingate * change
            hidden[layer] = outgate * xp.tanh(cells[layer])
            x = hidden[layer]
        y = x * extra[1] + extra[2]
        log_softmax = y - xp.log(xp.sum(xp.exp(y)) + 2.0)
        total = total + xp.sum(sequence[t + 1] * log_softmax)
    return -total / (len(sequence) - 1)


# k-means.


def means_data(n: int, d: int, k: int) -> Data:
    """Centres (k, d); points (n, d)."""
    rng = np.random.default_rng(23)
    return Data(params=(rng.normal(size=(k, d)),), constants=(rng.normal(size=(n, d)),))


def means(xp: Any, centres: Any, points: Any) -> Any:
    """Σ over points of the least squared distance to a centre."""
    difference = points[:, None, :] - centres
    return xp.sum(xp.amin(xp.sum(difference * difference, axis=2), 1))


# Lotka and Volterra's predators and prey, by Runge and Kutta's method of fourth order.


def predators_data(steps: int) -> Data:
    """Four rates, first state (2,); measured states (steps, 2)."""
    rng = np.random.default_rng(24)
    return Data(
        params=(np.array([1.1, 0.4, 0.1, 0.4]), np.array([10.0, 5.0])),
        constants=(rng.uniform(1.0, 10.0, (steps, 2)),),
    )


def _rk4(xp: Any, rates: Any, h: float) -> Callable[[Any], Any]:
    def slope(y: Any) -> Any:
        prey, predators = y[0], y[1]
        meetings = prey * predators
        return xp.stack(
            [rates[0] * prey - rates[1] * meetings, rates[2] * meetings - rates[3] * predators]
        )

    def step(y: Any) -> Any:
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return step


def predators(xp: Any, rates: Any, y: Any, measured: Any) -> Any:
    """Mean squared distance between the solution and measured states, in a Python loop."""
    step = _rk4(xp, rates, 0.05)
    total = 0.0
    for target in measured:
        y = step(y)
        error = y - target
        total = total + xp.sum(error * error)
    return total / len(measured)


SCANS = {"funcgrad.numpy": "funcgrad", "jax.numpy": "jax.lax"}


def predators_scan(xp: Any, rates: Any, y: Any, measured: Any) -> Any:
    """The same by `scan`, where a library has it."""
    if xp.__name__ not in SCANS:
        return predators(xp, rates, y, measured)
    step = _rk4(xp, rates, 0.05)

    def body(carry: Any, target: Any) -> Any:
        y, total = carry
        y = step(y)
        error = y - target
        return (y, total + xp.sum(error * error)), None

    first = (y, xp.sum(y) * 0.0)
    (_, total), _ = import_module(SCANS[xp.__name__]).scan(body, first, measured)
    return total / len(measured)


ADBENCH = (
    program(
        "bundle",
        "bundle adjustment, 49 cameras, 776 points, 3184 observations",
        bundle,
        partial(bundle_data, 49, 776, 3184),
        partial(bundle_data, 3, 4, 9),
    ),
    program(
        "hand",
        "hand tracking, 21 bones, 544 vertices",
        hand,
        partial(hand_data, 544),
        partial(hand_data, 7),
        torch_loss=hand_torch,
    ),
    program(
        "lstm",
        "LSTM of ADBench, 12 characters of 14, two layers",
        lstm,
        partial(lstm_data, 12, 2, 14),
        partial(lstm_data, 4, 2, 3),
    ),
    program(
        "k-means",
        "k-means, 10,000 points, 8 dimensions, 20 centres",
        means,
        partial(means_data, 10_000, 8, 20),
        partial(means_data, 9, 2, 3),
    ),
    program(
        "ode",
        "Lotka-Volterra, 10 RK4 steps in a Python loop",
        predators,
        partial(predators_data, 10),
        partial(predators_data, 3),
    ),
    program(
        "ode scan",
        "Lotka-Volterra, 300 RK4 steps by scan",
        predators_scan,
        partial(predators_data, 300),
        partial(predators_data, 3),
    ),
)
