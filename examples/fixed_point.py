"""The shape of an orbit from radial velocities: a gradient through an iteration to convergence.

A planet pulls its star around an ellipse of eccentricity e. The velocity of the star towards us at
time t is known once Kepler's equation

    E - e sin E = M = 2 pi t / period

is solved for E, which takes an iteration: Newton's, written with `while_loop`. It stops when a step
is small, after another number of steps for each t; `vmap` solves for all times at once. Derivatives
go through all of its steps, and are those of the implicit function theorem:

    dE/de = sin E / (1 - e cos E),  dE/dM = 1 / (1 - e cos E).

With them, the orbit is fitted to noisy velocities by the method of Gauss and Newton.

Run it with `python examples/fixed_point.py`; it needs NumPy and funcgrad.
"""

import numpy as np

import funcgrad

NOISE = 1.5  # m/s, of one measured velocity
TRUTH = np.array([55.0, 0.62, 1.1, 0.4])
NAMES = ["semi-amplitude [m/s]", "eccentricity", "direction of periastron [rad]", "phase [rad]"]
TIMES = np.sort(np.random.default_rng(5).uniform(0, 3, size=80))  # in periods


def eccentric_anomaly(mean_anomaly, eccentricity, tolerance=1e-13):
    """The solution E of Kepler's equation, and the number of steps."""

    def is_far(state):
        return np.abs(state[1]) > tolerance

    def newton(state):
        E, _, count = state
        residual = E - eccentricity * np.sin(E) - mean_anomaly
        step = residual / (1 - eccentricity * np.cos(E))
        return E - step, step, count + 1

    # From here Newton's method converges for every eccentricity below 1.
    start = mean_anomaly + eccentricity * np.sign(np.sin(mean_anomaly)) * 0.85
    begin = start, np.inf + 0 * mean_anomaly, 0
    E, _, count = funcgrad.while_loop(is_far, newton, begin)
    return E, count


def velocity(orbit, time):
    """Velocity of the star at a time, in m/s."""
    amplitude, eccentricity, direction, phase = orbit
    E, _ = eccentric_anomaly(2 * np.pi * time + phase, eccentricity)
    x = np.cos(E) - eccentricity
    y = np.sqrt(1 - eccentricity**2) * np.sin(E)
    angle = np.arctan2(y, x) + direction
    return amplitude * (np.cos(angle) + eccentricity * np.cos(direction))


velocities = funcgrad.vmap(velocity, in_axes=(None, 0))


def check_derivatives():
    """Largest difference between derivatives through the iteration and the theorem's."""
    M, e = np.meshgrid(np.linspace(-3, 3, 41), np.linspace(0, 0.95, 20))
    M, e = M.ravel(), e.ravel()
    solve = funcgrad.vmap(eccentric_anomaly)
    E, count = solve(M, e)
    by_M, by_e = funcgrad.vmap(
        funcgrad.grad(lambda M, e: eccentric_anomaly(M, e)[0], argnums=(0, 1))
    )(M, e)
    slope = 1 / (1 - e * np.cos(E))
    worst = max(np.max(np.abs(by_M - slope)), np.max(np.abs(by_e - np.sin(E) * slope)))
    print(f"Kepler's equation for {M.size} pairs (M, e), in {count.min()} to {count.max()} steps:")
    print(f"  largest residual {np.max(np.abs(E - e * np.sin(E) - M)):.1e}")
    print(f"  largest difference to the implicit function theorem {worst:.1e}")
    return worst, count


def fit(measured, orbit, max_steps=50):
    """Least squares by Gauss and Newton, with damping; return the orbit and its covariance."""
    jacobian = funcgrad.jacfwd(velocities)
    residuals = velocities(orbit, TIMES) - measured
    damping = 1.0
    for step in range(max_steps):
        J = jacobian(orbit, TIMES)
        curvature = J.T @ J
        damped = curvature + damping * np.diag(np.diag(curvature))
        proposal = orbit - np.linalg.solve(damped, J.T @ residuals)
        proposal[1] = np.clip(proposal[1], 0.0, 0.97)
        new_residuals = velocities(proposal, TIMES) - measured
        gain = residuals @ residuals - new_residuals @ new_residuals
        print(f"  step {step}: chi^2 = {np.sum((residuals / NOISE) ** 2):10.3f}")
        if abs(gain) < 1e-9 * NOISE**2:
            return orbit, NOISE**2 * np.linalg.inv(curvature)
        if gain > 0:
            orbit, residuals, damping = proposal, new_residuals, damping / 10
        else:
            damping *= 10
    raise ArithmeticError(f"no convergence in {max_steps} steps")


def main():
    """Check the derivatives and fit the orbit."""
    worst, count = check_derivatives()
    noise = NOISE * np.random.default_rng(1).normal(size=TIMES.shape)
    print("Fitting the orbit:")
    orbit, covariance = fit(velocities(TRUTH, TIMES) + noise, np.array([40.0, 0.3, 0.8, 0.6]))
    errors = np.sqrt(np.diag(covariance))
    for name, value, error, true in zip(NAMES, orbit, errors, TRUTH, strict=True):
        print(f"{name:30s} {value:8.4f} +/- {error:.4f} (true {true})")
    return {"orbit": orbit, "errors": errors, "truth": TRUTH, "difference": worst, "steps": count}


if __name__ == "__main__":
    main()
