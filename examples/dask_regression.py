"""Logistic regression on data that never come to this process: dask arrays as values.

The loss is NumPy code, and the transforms are those for NumPy arrays. The data are a chunked dask
array, so the gradient is a dask array too: funcgrad has computed nothing, it has written down what
to compute. Two worker processes then make one chunk of the data after the other, take its part of
the gradient, and drop it; what comes back is one number for each weight. A gradient step therefore
needs as little memory here as the weights do, and a chunk on each worker.

Run it with `python examples/dask_regression.py`; it needs `pip install 'funcgrad[dask]'`.
"""

import argparse
import logging
import tempfile
import time
import tracemalloc

import dask
import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster

import funcgrad

try:
    import resource
except ImportError:  # Windows has no such module
    resource = None

FEATURES = 64


def generate(rows, chunk_rows):
    """Standard normal features, and labels drawn from a logistic model; the chunks are lazy."""
    rng = da.random.default_rng(1)
    x = rng.standard_normal((rows, FEATURES), chunks=(chunk_rows, FEATURES))
    truth = np.random.default_rng(2).normal(size=FEATURES) / np.sqrt(FEATURES)
    noise = rng.logistic(size=rows, chunks=chunk_rows)
    return x, (x @ truth + noise > 0).astype(float), truth


def loss(w, x, y):
    """Mean cross-entropy of the labels y, and a small ridge."""
    z = x @ w
    return np.mean(np.logaddexp(0, z) - y * z) + 1e-4 * np.sum(w**2)


def descend(w, x, y, rate=4.0):
    """One step of gradient descent, one pass over the chunks: the new weights, the old loss."""
    lazy = funcgrad.value_and_grad(loss)(w, x, y)
    value, gradient = dask.compute(*lazy)  # on the cluster, value and gradient together
    return w - rate * gradient, float(value)


def difference_to_numpy(w, x, y):
    """Largest difference between the gradients by dask and by NumPy on the same rows."""
    by_dask = dask.compute(funcgrad.grad(loss)(w, x, y))[0]
    by_numpy = funcgrad.grad(loss)(w, *dask.compute(x, y))
    return float(np.max(np.abs(by_dask - by_numpy)))


def resident_peak():
    """Largest resident memory of this process so far, in MB; None where it is not known."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if peak > 1e8 else peak / 1e3  # macOS counts bytes, Linux kilobytes


def main(rows=500_000, steps=5, chunks=12):
    """Start two workers, train, compare with NumPy on the first chunk, and shut down."""
    tracemalloc.start()
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=folder,
            silence_logs=logging.CRITICAL,  # of a heartbeat that meets a scheduler just closed
        ) as cluster,
        Client(cluster),
    ):
        x, y, truth = generate(rows, -(-rows // chunks))
        workers = len(cluster.workers)
        print(f"data: {x.nbytes / 1e6:.0f} MB in {x.npartitions} chunks, {workers} workers")
        w = np.zeros(FEATURES)
        for step in range(1, steps + 1):
            w, value = descend(w, x, y)
            print(f"step {step}: loss {value:.6f} at {time.perf_counter() - started:.1f} s")
        few = x.chunks[0][0]
        difference = difference_to_numpy(w, x[: min(few, 20_000)], y[: min(few, 20_000)])
        data = x.nbytes / 1e6
    allocated = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    error = float(np.max(np.abs(w - truth)))
    resident = resident_peak()
    print(f"largest error of a weight: {error:.3f}")
    print(f"largest difference to NumPy's gradient: {difference:.1e}")
    print(f"this process allocated at most {allocated:.0f} MB for data of {data:.0f} MB")
    if resident is not None:
        print(f"its resident memory, interpreter and libraries included: {resident:.0f} MB")
    return {
        "allocated": allocated,
        "data": data,
        "difference": difference,
        "error": error,
        "loss": value,
        "resident": resident,
        "weights": w,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=12)
    main(**vars(parser.parse_args()))
