"""Random tensors: `rand`, `randn`, ..., the in-place draws, and the default generator's state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch import count_draws as drawn_counts
from funcgrad.compat.torch import draws as drawn_floats
from funcgrad.compat.torch import integer_draws as drawn_integers
from funcgrad.compat.torch.compilation_breaks import concrete, is_recorded, refuse
from funcgrad.compat.torch.constructors import delivered
from funcgrad.compat.torch.creation import made, sizes_of
from funcgrad.compat.torch.dtypes import CPU, DTYPES, as_dtype, check_device, dtype
from funcgrad.compat.torch.inplace import before, check_writable, overwrite
from funcgrad.compat.torch.mapped_draws import PerExample, as_values, weights_of
from funcgrad.compat.torch.mersenne import Generator, default_generator
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.tensor import Tensor, plain_array
from funcgrad.core.tracer import Tracer

__all__ = ["manual_seed", "rand", "randn"]

count_draws, draws, integer_draws = map(PerExample, (drawn_counts, drawn_floats, drawn_integers))
INT64 = DTYPES["int64"]


def manual_seed(seed: Any) -> Generator:
    """Start the default generator again from a seed."""
    return default_generator().manual_seed(int(seed))


_WHEN_THERE_ARE_ANY = ("normal_kernel_cpu", "log_normal_cpu", "Exponential distribution")


def _floating(name: str, kind: dtype, shape: tuple[int, ...] = (1,)) -> dtype:
    """Refuse to draw real numbers as integers (for most draws, unless there are none to draw).

    Raises:
        NotImplementedError: in PyTorch's words.
    """
    if kind.category < 2 and (0 not in shape or name not in _WHEN_THERE_ARE_ANY):
        if name.endswith("distribution"):
            raise RuntimeError(
                f"{name} is a continuous probability distribution. dtype must be a floating point "
                f"but you specified {kind.c_name if name.startswith('C') else kind.legacy}"
            )
        raise NotImplementedError(f"\"{name}\" not implemented for '{kind.legacy}'")
    return kind


def _given(generator: Generator | None) -> Generator:
    return default_generator() if generator is None else generator


def _sizes(function: str, args: Any, options: dict[str, Any]) -> tuple[int, ...]:
    """Sizes given by position, or as `size`."""
    options.pop("names", None)
    if not args and "size" in options:
        args = (options.pop("size"),)
    if options or not args:
        raise TypeError(f"{function}() received an invalid combination of arguments - got ()")
    return sizes_of(args, function)


def _drawn(draw: Any, given: Generator | None, shape: Any, kind: dtype, where: Any) -> Any:
    """Numbers of a generator, or zeros on `meta`, where nothing is drawn."""
    where = STATE.device if where is None else where
    if where is not None and where is not CPU and check_device(where).type == "meta":
        return np.zeros(shape, kind.numpy)
    return draw(_given(given), shape, kind.name)


def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **options: Any,
) -> Tensor:
    """Uniform numbers on [0, 1)."""
    kind = _floating("check_uniform_bounds", as_dtype(dtype, "rand") or SETTINGS.default_dtype)
    values = _drawn(draws.uniform, generator, _sizes("rand", size, options), kind, device)
    return delivered("rand", out, made(values, kind, requires_grad, device))


def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **options: Any,
) -> Tensor:
    """Standard normal numbers."""
    shape = _sizes("randn", size, options)
    kind = as_dtype(dtype, "randn") or SETTINGS.default_dtype
    _floating("normal_kernel_cpu", kind, shape)
    values = _drawn(draws.normal, generator, shape, kind, device)
    return delivered("randn", out, made(values, kind, requires_grad, device))


def randint(
    *args: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers of [low, high): `randint(high, size)` or `randint(low, high, size)`."""
    given = list(args)
    if given and isinstance(given[-1], tuple | list):
        size = given.pop()
    if len(given) == 2:
        low, high = given
    elif len(given) == 1:
        if high is None:
            high = given[0]
        else:
            low = given[0]
    if high is None or size is None:
        raise TypeError("randint() received an invalid combination of arguments")
    kind = as_dtype(dtype, "randint") or INT64
    shape, first, last = sizes_of((size,)), int(low or 0), int(high)
    values = _drawn(
        lambda given, shape, name: integer_draws.randint(given, shape, first, last, name),
        generator, shape, kind, device,
    )  # fmt: skip
    return delivered("randint", out, made(values, kind, requires_grad, device))


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: dtype = INT64,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers 0 ... n - 1 in random order."""
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    values = _drawn(integer_draws.randperm, generator, n, dtype, device)
    return delivered("randperm", out, made(values, dtype, requires_grad, device))


def _like(draw: Any) -> Any:
    def function(input: Tensor, *args: Any, dtype: dtype | None = None, **options: Any) -> Tensor:
        """Random numbers of the size and type of another tensor."""
        for name in ("memory_format", "layout"):
            options.pop(name, None)
        kind = as_dtype(dtype, f"{draw.__name__}_like") or input.dtype
        value = concrete(input._value)
        options.setdefault("device", input.device)
        if type(value) is not np.ndarray or value.flags.c_contiguous:
            return draw(*args, tuple(value.shape), dtype=kind, **options)  # type: ignore[no-any-return]  # a tensor
        result: Any = made(np.empty_like(value, kind.numpy), kind)  # laid out as the other is
        generator = options.pop("generator", None)
        if draw is randint:
            low, high = args if len(args) > 1 else (0, *args)
            result.random_(low, high, generator=generator)
        else:
            (result.uniform_ if draw is rand else result.normal_)(generator=generator)
        result._requires = bool(options.get("requires_grad"))
        return result  # type: ignore[no-any-return]  # a tensor

    return function


# Draws have derivative zero by their parameters.
_normal_by_both = Op("NormalBackward3", lambda mean, std, *, values: (mean + std) * 0 + values)
_normal_by_mean = Op("NormalBackward1", lambda mean, *, values: mean * 0 + values)
_normal_by_std = Op("NormalBackward2", lambda std, *, values: std * 0 + values)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers; mean and standard deviation are numbers (with a size) or tensors."""
    drawn = _given(generator)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        kind = _floating("normal_kernel_cpu", as_dtype(dtype, "normal") or SETTINGS.default_dtype)
        values = draws.normal(drawn, sizes_of((size,)), kind.name, float(mean), float(std))
        return delivered("normal", out, made(values, kind, requires_grad, device or CPU))
    parts = [plain_array(x, "normal") if isinstance(x, Tensor) else x for x in (mean, std)]
    if np.any(np.less(parts[1], 0)):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    tensor = mean if isinstance(mean, Tensor) else std
    shape = np.broadcast_shapes(*(np.shape(part) for part in parts))
    z = draws.normal(drawn, shape, tensor.dtype.name)
    values = as_values(z * parts[1] + parts[0])
    if not (isinstance(mean, Tensor) and mean._requires) and not (
        isinstance(std, Tensor) and std._requires
    ):
        return made(values, tensor.dtype)
    if not isinstance(std, Tensor):
        return _normal_by_mean(mean, values=values)  # type: ignore[no-any-return]  # a tensor
    if not isinstance(mean, Tensor):
        return _normal_by_std(std, values=values)  # type: ignore[no-any-return]  # a tensor
    return _normal_by_both(mean, std, values=values)  # type: ignore[no-any-return]  # a tensor


def bernoulli(
    input: Tensor,
    p: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
) -> Tensor:
    """1 with the probability given by each element (or by p), else 0."""
    kind = input.dtype
    if p is not None:
        return made(draws.bernoulli(_given(generator), input._value.shape, p, kind.name), kind)
    _floating("bernoulli_tensor_cpu_p_", kind)
    values = weights_of(input)
    return _zero_slope(
        "BernoulliBackward0", input, draws.bernoulli_from(_given(generator), values, kind.name)
    )


_ZERO_SLOPES: dict[str, Op] = {}


def _zero_slope(name: str, input: Tensor, values: Any) -> Tensor:
    """A drawn tensor with a node, whose derivative is zero."""
    op = _ZERO_SLOPES.get(name)
    if op is None:
        op = _ZERO_SLOPES[name] = Op(name, lambda x, *, values: x * 0 + values)
    if not input._requires:
        return made(values, input.dtype)
    return op(input, values=values)  # type: ignore[no-any-return]  # a tensor


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Any = None,
) -> Tensor:
    """Indices drawn in proportion to weights."""
    values = weights_of(input)
    return made(
        integer_draws.multinomial(
            _given(generator), values, num_samples, replacement, input.dtype.name
        )
    )


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson numbers with the given rates."""
    rates = weights_of(input)
    values = count_draws.poisson(_given(generator), rates, input.dtype.name)
    return _zero_slope("PoissonBackward0", input, values)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of successes in `count` trials of probability `prob`."""
    counts, probs = (weights_of(x) for x in (count, prob))
    values = count_draws.binomial(_given(generator), counts, probs, count.dtype.name)
    return made(as_values(values), count.dtype)


# --- in place ---------------------------------------------------------------------------------


def _filling(name: str, draw: Any) -> Any:
    node = _NODES.get(name) or f"{name.title().removesuffix('_')}Backward0"
    replacing = Op(node, lambda x, *, values: fnp.where(False, x, values))

    def method(
        self: Tensor, *args: Any, generator: Generator | None = None, **options: Any
    ) -> Tensor:
        """Draw new values in place."""
        check_writable(self)
        if self.is_meta:
            return self
        kind = self.dtype
        if name in _KERNELS:
            _floating(_KERNELS[name], kind, tuple(self._value.shape))
        traced = isinstance(self._value, Tracer)
        array = self._value if traced else self._array()
        if is_recorded(array) and not concrete(array).flags.c_contiguous:
            refuse("it draws random numbers into a tensor that is not contiguous")
        contiguous = traced or bool(array.flags.c_contiguous)
        if contiguous:
            values = draw(_given(generator), tuple(array.shape), kind.name, True, *args, **options)
        else:  # in the order of memory
            order = np.argsort([-step for step in array.strides], kind="stable")
            shape = tuple(array.shape[axis] for axis in order)
            values = draw(_given(generator), shape, kind.name, False, *args, **options)
            values = np.asarray(values).transpose(np.argsort(order))
        result = made(as_values(values), kind)
        if self._requires and STATE.grad and not traced:
            result = replacing(before(self), values=result._array())
        return overwrite(self, result)

    return method


_KERNELS = {
    "normal_": "normal_kernel_cpu",
    "uniform_": "check_uniform_bounds",
    "log_normal_": "log_normal_cpu",
    "exponential_": "Exponential distribution",
    "cauchy_": "Cauchy distribution",
}
_NODES = {"log_normal_": "LogNormalBackward0", "bernoulli_": "BernoulliBackward2"}


def _normal(
    generator: Any, shape: Any, kind: str, contiguous: bool, mean: float = 0.0, std: float = 1.0
) -> Any:
    return draws.normal(generator, shape, kind, mean, std, contiguous=contiguous)


def _uniform(
    generator: Any,
    shape: Any,
    kind: str,
    _contiguous: bool,
    from_: float = 0.0,
    to: float = 1.0,
    **options: Any,
) -> Any:
    return draws.uniform(generator, shape, kind, options.get("from", from_), to)


def _random(
    generator: Any,
    shape: Any,
    kind: str,
    _contiguous: bool,
    from_: Any = None,
    to: Any = None,
    **options: Any,
) -> Any:
    low = options.get("from", from_)
    if low is None and to is None:
        return integer_draws.random_(generator, shape, kind)
    if to is None:
        low, to = 0, low
    return integer_draws.randint(generator, shape, low, to, kind)


def _bernoulli(generator: Any, shape: Any, kind: str, _contiguous: bool, p: Any = 0.5) -> Any:
    if isinstance(p, Tensor):
        probabilities = np.broadcast_to(plain_array(p, "bernoulli_"), shape)
        return draws.bernoulli_from(generator, np.ascontiguousarray(probabilities), kind)
    return draws.bernoulli(generator, shape, p, kind)


def _exponential(
    generator: Any, shape: Any, kind: str, _contiguous: bool, lambd: float = 1.0
) -> Any:
    return draws.exponential(generator, shape, kind, lambd)


def _geometric(generator: Any, shape: Any, kind: str, _contiguous: bool, p: float) -> Any:
    return draws.geometric(generator, shape, p, kind)


def _cauchy(
    generator: Any,
    shape: Any,
    kind: str,
    _contiguous: bool,
    median: float = 0.0,
    sigma: float = 1.0,
) -> Any:
    return draws.cauchy(generator, shape, kind, median, sigma)


def _log_normal(
    generator: Any, shape: Any, kind: str, _contiguous: bool, mean: float = 1.0, std: float = 2.0
) -> Any:
    return draws.log_normal(generator, shape, kind, mean, std)


for _name, _draw in (
    ("normal_", _normal),
    ("uniform_", _uniform),
    ("random_", _random),
    ("bernoulli_", _bernoulli),
    ("exponential_", _exponential),
    ("geometric_", _geometric),
    ("cauchy_", _cauchy),
    ("log_normal_", _log_normal),
):
    setattr(Tensor, _name, _filling(_name, _draw))


# --- the state --------------------------------------------------------------------------------


def seed() -> int:
    """Start the default generator from a seed of the system's, and return it."""
    return default_generator().seed()


def initial_seed() -> int:
    """The seed the default generator was last started from."""
    return default_generator().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, 5056 bytes."""
    return made(default_generator().get_state())


def set_rng_state(new_state: Any) -> None:
    """Set the state of the default generator."""
    values = new_state._array() if isinstance(new_state, Tensor) else np.asarray(new_state)
    default_generator().set_state(values)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **_options: Any) -> Iterator[None]:
    """Give the default generator its state back at the end of the block."""
    state = default_generator().get_state()
    try:
        yield
    finally:
        if enabled:
            default_generator().set_state(state)


for _function in (manual_seed, rand, randn, randint, randperm, normal, poisson, binomial, seed,
                  initial_seed, get_rng_state, set_rng_state):  # fmt: skip
    expose(_function.__name__, _function, method=False)
expose("bernoulli", bernoulli)
expose("multinomial", multinomial)
for _name, _source in (("rand_like", rand), ("randn_like", randn), ("randint_like", randint)):
    expose(_name, _like(_source), method=False)
expose("Generator", Generator, method=False)
MODULES["random"] = {
    function.__name__: function
    for function in (manual_seed, seed, initial_seed, get_rng_state, set_rng_state, fork_rng)
}
