"""What loaders with worker processes give: functions of `torch`, whose results are JSON values.

`python -m tests.compat.torch.utils.worker_cases` runs them with PyTorch and writes what they give
to `tests/data/torch_workers.json`. Workers are forked, so that sets need no pickling.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CASES", "DATA"]

DATA = Path(__file__).parents[3] / "data" / "torch_workers.json"


class Draws:
    """Sample i: its number, its worker, and numbers from the three generators of the process."""

    def __init__(self, torch: Any, n: int) -> None:
        self.torch = torch
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> list[int]:
        info = self.torch.utils.data.get_worker_info()
        assert info.seed == self.torch.initial_seed()
        assert info.dataset is self
        assert info.num_workers > info.id
        return [
            i,
            info.id,
            info.seed % 2**31,
            int(self.torch.randint(10**6, ())),
            random.randrange(10**6),
            int(np.random.randint(10**6)),  # noqa: NPY002  # the generator that workers seed
        ]


class Squares:
    """Sample i is i²."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> int:
        return i * i


class Broken(Squares):
    """Samples, of which some raise an error."""

    def __init__(self, n: int, errors: dict[int, Exception]) -> None:
        super().__init__(n)
        self.errors = errors

    def __getitem__(self, i: int) -> int:
        if i in self.errors:
            raise self.errors[i]
        return i


def stream_of(torch: Any) -> Any:
    """A stream that its workers share out, or of which each has a copy."""

    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc]  # a base that is given
        def __init__(self, lengths: list[int]) -> None:
            self.lengths = lengths

        def __iter__(self) -> Any:
            info = torch.utils.data.get_worker_info()
            start = info.id * 100
            return iter(range(start, start + self.lengths[info.id % len(self.lengths)]))

    return Stream


def loader(torch: Any, data: Any, *args: Any, **options: Any) -> Any:
    options = {"num_workers": 2, "multiprocessing_context": "fork", **options}
    return torch.utils.data.DataLoader(data, *args, **options)


def listed(batches: Any) -> list[Any]:
    return [_plain(batch) for batch in batches]


def _plain(thing: Any) -> Any:
    if isinstance(thing, list | tuple):
        return [_plain(one) for one in thing]
    if isinstance(thing, dict):
        return {key: _plain(one) for key, one in thing.items()}
    return thing.tolist() if hasattr(thing, "tolist") else thing


def raised(call: Callable[[], Any]) -> list[Any]:
    """The type of an error, the first line of its message, and its last."""
    try:
        return ["nothing raised", listed(call())]
    except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
        lines = str(error).strip().splitlines() or [""]
        return [type(error).__name__, lines[0], lines[-1] if "Original" in str(error) else ""]


def shuffled(torch: Any) -> Any:
    batches = loader(torch, Squares(10), 3, shuffle=True)
    return [[listed(batches), torch.rand(1).item()] for _ in range(3)]


def own_generator(torch: Any) -> Any:
    generator = torch.Generator().manual_seed(5)
    batches = loader(torch, Squares(7), 2, shuffle=True, generator=generator)
    before = torch.get_rng_state()
    found = [[listed(batches), torch.rand(1, generator=generator).item()] for _ in range(2)]
    return [*found, torch.equal(before, torch.get_rng_state())]


def as_without_workers(torch: Any) -> Any:
    found = []
    for count in (1, 2, 3):
        torch.manual_seed(2)
        found.append([listed(loader(torch, Squares(8), 3, shuffle=True, num_workers=count))])
    return found


def seeds_of_workers(torch: Any) -> Any:
    batches = loader(torch, Draws(torch, 6), 2)
    return [listed(batches), listed(batches), torch.rand(1).item()]


def persistent_workers(torch: Any) -> Any:
    batches = loader(torch, Draws(torch, 5), shuffle=True, persistent_workers=True)
    found = [[listed(batches), torch.rand(1).item()] for _ in range(3)]
    iterator = iter(batches)
    next(iterator)
    return [*found, listed(batches), iter(batches) is iter(batches)]


def init_function(torch: Any) -> Any:
    def init(number: int) -> None:
        torch.manual_seed(100 + number)

    class Random(Squares):
        def __getitem__(self, i: int) -> Any:
            return torch.rand(1)

    return listed(loader(torch, Random(5), worker_init_fn=init))


def stream_with_equal_parts(torch: Any) -> Any:
    stream = stream_of(torch)
    ways = ({}, {"batch_size": 2}, {"batch_size": 2, "drop_last": True})
    found = [listed(loader(torch, stream([4, 4]), **options)) for options in ways]
    return [*found, listed(loader(torch, stream([3, 3]), batch_size=None))]


def persistent_stream(torch: Any) -> Any:
    batches = loader(torch, stream_of(torch)([3, 3]), persistent_workers=True)
    return [listed(batches), listed(batches), len(listed(batches))]


def samples_of_all_kinds(torch: Any) -> Any:
    samples = [
        {"x": np.full(2, i, np.float32), "y": (i, f"text {i}"), "z": torch.full((1, 2), i)}
        for i in range(5)
    ]
    return listed(loader(torch, samples, 2))


def without_batches(torch: Any) -> Any:
    return listed(loader(torch, Squares(4), None, sampler=[3, 1]))


def batch_sampler(torch: Any) -> Any:
    return listed(loader(torch, Squares(9), batch_sampler=[[8], [1, 2], [0, 3, 4]]))


def collate_function(torch: Any) -> Any:
    return listed(loader(torch, Squares(5), 2, collate_fn=lambda batch: {"sum": sum(batch)}))


def nothing_to_load(torch: Any) -> Any:
    return listed(loader(torch, Squares(0)))


def errors(torch: Any) -> Any:
    found = [
        raised(lambda e=error: loader(torch, Broken(3, {1: e}), num_workers=1))
        for error in (ValueError("bad"), KeyError("key"), IndexError("far"), RuntimeError("ran"))
    ]
    found.append(raised(lambda: loader(torch, Broken(2, {0: StopIteration()}), num_workers=1)))
    unicode = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    return [*found, raised(lambda: loader(torch, Broken(2, {1: unicode}), num_workers=1))]


def error_in_init(torch: Any) -> Any:
    def init(number: int) -> None:
        if number == 1:
            raise ValueError("not this one")

    return raised(lambda: loader(torch, Squares(4), worker_init_fn=init))


def error_in_collate(torch: Any) -> Any:
    return raised(lambda: loader(torch, [[1], [1, 2]], 2))


def going_on_after_an_error(torch: Any) -> Any:
    iterator = iter(loader(torch, Broken(6, {2: ValueError("two")})))
    return [raised(lambda: [next(iterator)]) for _ in range(7)]


def sample_that_requires_grad(torch: Any) -> Any:
    x = torch.ones(2, requires_grad=True)
    return [raised(lambda: loader(torch, [x * 2])), raised(lambda: loader(torch, [x]))]


def no_time(torch: Any) -> Any:
    class Slow(Squares):
        def __getitem__(self, i: int) -> int:
            if i:
                __import__("time").sleep(2.5)
            return i

    return raised(lambda: loader(torch, Slow(2), timeout=1, num_workers=1))


def as_a_string(torch: Any) -> Any:
    class Said(Squares):
        def __getitem__(self, i: int) -> str:
            text = repr(torch.utils.data.get_worker_info())
            return text[: text.index("seed")] + text[text.index(", rng") :]

    return listed(loader(torch, Said(2), batch_size=None))


CASES: dict[str, Callable[[Any], Any]] = {
    one.__name__: one
    for one in (
        shuffled, own_generator, as_without_workers, seeds_of_workers, persistent_workers,
        init_function, stream_with_equal_parts, persistent_stream, samples_of_all_kinds,
        without_batches, batch_sampler, collate_function, nothing_to_load, errors, error_in_init,
        error_in_collate, going_on_after_an_error, sample_that_requires_grad, no_time, as_a_string,
    )
}  # fmt: skip


def main() -> None:
    import torch  # noqa: PLC0415  # needed for recording only

    rows = []
    for name, case in CASES.items():
        torch.manual_seed(0)
        rows.append(f"{json.dumps(name)}: {json.dumps(case(torch))}")
    version = torch.__version__.split("+")[0]
    DATA.write_text(f'{{"torch": "{version}", "cases": {{\n' + ",\n".join(rows) + "\n}}\n")


if __name__ == "__main__":
    main()
