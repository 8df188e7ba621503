"""`torch.autograd.profiler`: how often each kind of node was made, and how long a block took."""

import time
from collections import Counter
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.node import CAREFUL
from funcgrad.compat.torch.state import STATE

__all__ = ["profile", "record_function"]


class profile:  # the public name
    """A context that counts the nodes made inside, by name.

    Args:
        enabled: whether it does anything.
    """

    def __init__(self, enabled: bool = True, **_options: Any) -> None:
        self.enabled = enabled
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0

    def __enter__(self) -> "profile":
        if self.enabled:
            self.before = (STATE.anomaly, CAREFUL["made"])
            careful = self.before[1]

            def made(node: Any) -> None:
                self.counts[node.name()] += 1
                careful(node)

            STATE.anomaly, CAREFUL["made"] = True, made
            self.start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self.seconds = time.perf_counter() - self.start
            STATE.anomaly, CAREFUL["made"] = self.before

    def table(self, sort_by: str | None = None, row_limit: int = 100, **_options: Any) -> str:
        """Names and counts as text, the most frequent first."""
        del sort_by
        rows = self.counts.most_common(row_limit)
        width = max([len(name) for name, _ in rows] + [4])
        lines = [f"{'Name':<{width}}  # of Calls", f"{'-' * width}  ----------"]
        lines += [f"{name:<{width}}  {count:>10}" for name, count in rows]
        lines.append(f"CPU time total: {self.seconds * 1e3:.3f}ms")
        return "\n".join(lines)

    def key_averages(self, *_args: Any, **_options: Any) -> "profile":
        """Itself: it has a table."""
        return self

    @override
    def __str__(self) -> str:
        return self.table()


class record_function:  # the public name
    """A context that gives a block a name.

    Args:
        name: of the block.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args

    def __enter__(self) -> "record_function":
        return self

    def __exit__(self, *_: object) -> None:
        pass
