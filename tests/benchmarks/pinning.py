"""One core and one thread, so that contenders are compared on the same footing."""

import os
import sys

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
}
MARK = "FUNCGRAD_BENCHMARKS_CORE"


def run_pinned(core: int) -> None:
    """Start this program again on one core with one thread, unless that was done already.

    BLAS and OpenMP read their settings when they are loaded, so setting them here is too late.
    """
    if os.environ.get(MARK) == str(core):
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    else:
        print("This system cannot pin a process to a core: expect noisier numbers.\n", flush=True)
    environment = os.environ | SETTINGS | {MARK: str(core)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
