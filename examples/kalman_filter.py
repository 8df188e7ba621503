"""How much of the Nile's flow is noise? The likelihood of a Kalman filter, written with `scan`.

The local level model says that the flow measured in year t is a slowly wandering level and noise,

    y[t] = level[t] + e[t],  level[t + 1] = level[t] + d[t],  var e = noise, var d = drift.

A Kalman filter goes through the years and gives the probability of each measurement from those
before; the two variances are those that make the whole series most probable. `grad` and `hessian`
of the filter find them with Newton's method, and their errors. Beside that, a gradient of the same
function by the *measurements* is the smoother: the best estimate of the level in year t from all
years, before and after, is y[t] + noise dlog p / dy[t].

Run it with `python examples/kalman_filter.py`; it needs NumPy and funcgrad.
"""

import numpy as np

import funcgrad

# Annual flow of the Nile at Aswan, 1871 to 1970, in 1e8 cubic metres (G. W. Cobb, The problem of
# the Nile, Biometrika 65, 1978).
# fmt: off
NILE = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180,
    799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833,
    701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845,
    864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649,
    846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918, 986, 797, 923, 975, 815,
    1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
], float)
# fmt: on
FIRST_YEAR = 1871


def log_likelihood(log_variances, flow):
    """log p(y[1], ..., y[n-1] | y[0]), with nothing known of the level before y[0]."""
    noise, drift = np.exp(log_variances)

    def year(state, measured):
        level, variance = state  # of the prediction for this year
        surprise, total = measured - level, variance + noise
        gain = variance / total
        log_density = -0.5 * (np.log(2 * np.pi * total) + surprise**2 / total)
        return (level + gain * surprise, (1 - gain) * variance + drift), log_density

    start = flow[0], noise + drift
    _, log_densities = funcgrad.scan(year, start, flow[1:])
    return np.sum(log_densities)


def fit(flow, log_variances, tolerance=1e-8, max_steps=30):
    """Newton's method; return the logarithms of the variances and their covariance."""
    value_and_grad = funcgrad.value_and_grad(log_likelihood)
    hessian = funcgrad.hessian(log_likelihood)
    for step in range(max_steps):
        value, gradient = value_and_grad(log_variances, flow)
        print(f"  step {step}: log p = {value:.6f}, gradient {np.linalg.norm(gradient):.1e}")
        curvature, axes = np.linalg.eigh(-hessian(log_variances, flow))
        if np.linalg.norm(gradient) < tolerance:
            return log_variances, axes @ np.diag(1 / curvature) @ axes.T
        # Where the likelihood is not concave yet, |curvature| makes it a way up; steps are bounded.
        direction = axes @ ((axes.T @ gradient) / np.maximum(np.abs(curvature), 1e-3))
        log_variances = log_variances + direction / max(1.0, np.linalg.norm(direction))
    raise ArithmeticError(f"no maximum was found in {max_steps} steps")


def smooth(log_variances, flow):
    """The level in each year from all measurements."""
    by_flow = funcgrad.grad(log_likelihood, 1)(log_variances, flow)
    return flow + np.exp(log_variances[0]) * by_flow


def main():
    """Fit the variances and smooth the series."""
    print("Fitting the variances of noise and drift:")
    start = np.log(np.var(NILE) * np.array([0.5, 0.5]))
    log_variances, covariance = fit(NILE, start)
    variances = np.exp(log_variances)
    errors = variances * np.sqrt(np.diag(covariance))
    for name, variance, error in zip(("noise", "drift"), variances, errors, strict=True):
        print(f"variance of the {name}: {variance:8.1f} +/- {error:.0f}")
    levels = smooth(log_variances, NILE)
    for year in (1871, 1898, 1913, 1970):
        i = year - FIRST_YEAR
        print(f"{year}: measured {NILE[i]:6.0f}, level {levels[i]:7.1f}")
    return {
        "variances": variances,
        "errors": errors,
        "levels": levels,
        "log_likelihood": log_likelihood(log_variances, NILE),
    }


if __name__ == "__main__":
    main()
