"""Measure gravity with a pendulum: the parameters of an ODE, fitted through its solver.

A pendulum of length L with viscous drag c, released from the angle a, obeys

    θ'' = -(g / L) sin θ - c θ',    θ(0) = a,  θ'(0) = 0.

At 60° the swing is far from harmonic, so the formula g = L (2π / period)² is wrong by almost a
tenth, and only where the fit starts. Here the equation is integrated by a Runge-Kutta method, in a
plain Python loop over NumPy arrays, and g, c and a are fitted to noisy angles by the method of
Levenberg and Marquardt. `jacfwd` of the whole simulation gives the Jacobian J; the covariance of
the result is σ² (JᵀJ)⁻¹.

Run it with `python examples/ode_fit.py`; it needs NumPy and funcgrad.
"""

import numpy as np

import funcgrad

LENGTH = 1.0  # m, measured with a ruler
TIME_STEP = 0.05  # s
TIMES = TIME_STEP * np.arange(201)  # s
NOISE = 0.01  # rad, of one measured angle
TRUTH = np.array([9.81, 0.10, np.pi / 3])  # g in m/s², c in 1/s, a in rad
NAMES = ["g [m/s^2]", "c [1/s]", "a [rad]"]


def slope(state, g, c):
    """Time derivative of the state (angle in rad, angular velocity in rad/s)."""
    angle, velocity = state
    return np.stack([velocity, -g / LENGTH * np.sin(angle) - c * velocity])


def simulate(parameters):
    """Angles at all times, (201,), by the classical Runge-Kutta method of order four."""
    g, c, a = parameters
    state = np.stack([a, np.zeros_like(a)])
    angles = [a]
    for _ in TIMES[1:]:
        k1 = slope(state, g, c)
        k2 = slope(state + TIME_STEP / 2 * k1, g, c)
        k3 = slope(state + TIME_STEP / 2 * k2, g, c)
        k4 = slope(state + TIME_STEP * k3, g, c)
        state = state + TIME_STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles.append(state[0])
    return np.stack(angles)


def measure(seed=0):
    """Synthetic data: the true angles with Gaussian noise."""
    return simulate(TRUTH) + NOISE * np.random.default_rng(seed).normal(size=TIMES.shape)


def fit(measured, parameters, max_steps=30):
    """Least squares by Levenberg and Marquardt; return the parameters and their covariance."""
    jacobian = funcgrad.jacfwd(simulate)
    residuals = simulate(parameters) - measured
    damping = 1.0
    for step in range(max_steps):
        J = jacobian(parameters)
        curvature = J.T @ J
        damped = curvature + damping * np.diag(np.diag(curvature))
        proposal = parameters - np.linalg.solve(damped, J.T @ residuals)
        new_residuals = simulate(proposal) - measured
        gain = residuals @ residuals - new_residuals @ new_residuals
        chi_squared = np.sum((residuals / NOISE) ** 2)
        print(f"  step {step}: g = {parameters[0]:.4f} m/s^2, chi^2 = {chi_squared:.1f}")
        if abs(gain) < 1e-9 * NOISE**2:
            return parameters, NOISE**2 * np.linalg.inv(curvature)
        if gain > 0:
            parameters, residuals, damping = proposal, new_residuals, damping / 10
        else:
            damping *= 10
    raise ArithmeticError(f"no convergence in {max_steps} steps")


def period(angles):
    """Mean period in seconds, from the times at which the angle crosses zero."""
    before = np.flatnonzero(np.diff(np.sign(angles)) != 0)
    crossings = TIMES[before] + TIME_STEP * angles[before] / (angles[before] - angles[before + 1])
    return 2 * np.mean(np.diff(crossings))


def main():
    """Fit and report; return the true and fitted parameters and their standard errors."""
    measured = measure()
    harmonic = LENGTH * (2 * np.pi / period(measured)) ** 2
    print(f"the formula for small swings gives g = {harmonic:.2f} m/s^2")
    print(f"fit of {len(TIMES)} angles, each with an error of {NOISE} rad:")
    fitted, covariance = fit(measured, np.array([harmonic, 0.0, measured[0]]))
    errors = np.sqrt(np.diag(covariance))
    for name, value, error, true in zip(NAMES, fitted, errors, TRUTH, strict=True):
        print(f"  {name:10} {value:.4f} +- {error:.4f}   (true value {true:.4f})")
    return {"fitted": fitted, "errors": errors, "truth": TRUTH, "harmonic": harmonic}


if __name__ == "__main__":
    main()
