"""How fast funcgrad's gradients are, beside hand-written ones and those of other libraries.

From the root of the project::

    python -m tests.benchmarks                         every workload, one Markdown report
    python -m tests.benchmarks --only W1,W10_10        some of them
    python -m tests.benchmarks --json numbers.json     the raw numbers as well
    python -m tests.benchmarks --memory W4,W6          peak memory added by a gradient
    python -m tests.benchmarks --imports               import time beside NumPy's
    python -m tests.benchmarks --overhead              microseconds per array operation
    python -m tests.benchmarks --depth                 a chain of 1,000,000 recorded operations
    python -m tests.benchmarks.jit                     compiled functions: calls, compilation

Ratios are to be compared, not times: a busy machine slows all contenders alike.
"""
