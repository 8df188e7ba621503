"""One compiled function called from many threads."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.jitting.alike import require_same

__all__ = ["require_same_in_threads"]

CALLS = 20


def require_same_in_threads(
    compiled: Callable[..., Any], calls: Sequence[Sequence[Any]], wanted: Sequence[Any], ulps: int
) -> None:
    """Require the same results of many calls at once, each thread with arguments of its own."""
    problems: list[BaseException] = []

    def work(args: Sequence[Any], one: Any) -> None:
        try:
            for _ in range(CALLS):
                require_same(compiled(*args), one, "in a thread", ulps)
        except BaseException as problem:  # noqa: BLE001  # raised below, in the test's own thread
            problems.append(problem)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(calls, wanted, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
