"""What to write in place of NumPy functions that have no derivative rule, for their refusals.

Each expression equals the function in its most common form; `tests/test_users.py` holds them
against NumPy.
"""

import numpy as np

from funcgrad.core.protocols import REPLACEMENTS

__all__: list[str] = []

_STOP = "or use stop_gradient(x) if its derivative is not wanted."
_DECOMPOSITION = (
    "Write it with functions of np.linalg that have rules (solve, inv, det, cholesky, svdvals), "
    f"give it a rule of its own with funcgrad.custom_jvp, {_STOP}"
)

REPLACEMENTS.update(
    {
        function: f"Write {instead}, {_STOP}"
        for function, instead in {
            np.bincount: "funcgrad.numpy.at(np.zeros(n))[x].add(weights)",
            np.convolve: "np.lib.stride_tricks.sliding_window_view(a, len(v)) @ v[::-1], which is "
            "mode 'valid' (np.pad(a, len(v) - 1) in place of a gives 'full')",
            np.correlate: "np.lib.stride_tricks.sliding_window_view(a, len(v)) @ v, which is mode "
            "'valid' of real arrays (np.pad(a, len(v) - 1) in place of a gives 'full')",
            np.linalg.cond: "s[0] / s[-1], where s = np.linalg.svdvals(x)",
            np.cov: "d @ d.T / (d.shape[1] - 1), where d = m - np.mean(m, axis=1, keepdims=True)",
            np.interp: "(1 - t) * fp[i] + t * fp[i + 1], where i = np.clip(np.searchsorted(xp, x) "
            "- 1, 0, len(xp) - 2) and t = np.clip((x - xp[i]) / (xp[i + 1] - xp[i]), 0, 1)",
            np.linalg.lstsq: "np.linalg.solve(a.T @ a, a.T @ b), if the columns of a are "
            "independent",
            np.linalg.pinv: "np.linalg.solve(a.T @ a, a.T), if the columns of a are independent",
            np.median: "np.mean(np.sort(a)[(n - 1) // 2 : n // 2 + 1]), where n = len(a)",
            np.polyval: "functools.reduce(lambda y, c: y * x + c, p)",
            np.unique: "x[np.unique(funcgrad.stop_gradient(x), return_index=True)[1]]",
            np.vander: "x[:, None] ** np.arange(n)[::-1]",
        }.items()
    }
)
REPLACEMENTS.update(
    {
        function: "Write (1 - t) * s[i] + t * s[i + 1], where s = np.sort(a), h = q * (len(a) - "
        f"1), i = min(int(h), len(a) - 2) and t = h - i{percent}, {_STOP}"
        for function, percent in {np.quantile: "", np.percentile: " (q of 1, not of 100)"}.items()
    }
)
REPLACEMENTS.update(
    {
        function: f"Write x @ np.fft.{function.__name__}(np.eye(x.shape[-1])), which is the same "
        f"linear map as a matrix, {_STOP}"
        for function in (np.fft.fft, np.fft.ifft, np.fft.rfft)
    }
)
REPLACEMENTS.update(
    dict.fromkeys(
        (
            np.linalg.eig,
            np.linalg.eigh,
            np.linalg.eigvals,
            np.linalg.eigvalsh,
            np.linalg.qr,
            np.linalg.svd,
        ),
        _DECOMPOSITION,
    )
)
