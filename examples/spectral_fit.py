"""Resolve two tones that share one spectral line: a model fitted to an FFT, by gradient.

A struck bell sings on two frequencies so near each other that they beat,

    s(t) = Re Σⱼ cⱼ exp((2πi fⱼ - γⱼ) t),

with complex amplitudes cⱼ, frequencies fⱼ and rates of decay γⱼ. In a record of half a second the
spectrum has a line every 2 Hz: it shows one peak, and its top is off by as much. Mains hum covers
the tones in the time domain; but the record is 25 mains periods long, so in the spectrum the hum
stays in lines of its own, and the fit looks at a band without them.

The misfit of the band is minimised by Newton's method. Its gradient and its Hessian go through the
transform (`np.fft.rfft`), and the Hessian H at the minimum tells the errors, √diag(H⁻¹).

Run it with `python examples/spectral_fit.py`; it needs NumPy and funcgrad.
"""

import numpy as np

import funcgrad

RATE = 2000.0  # samples per second
COUNT = 1000  # samples
TIMES = np.arange(COUNT) / RATE  # s
LINES = np.fft.rfftfreq(COUNT, 1 / RATE)  # Hz
BAND = (LINES > 180) & (LINES < 260)
NOISE = 0.2  # of one sample
HUM = 1.5 * np.cos(2 * np.pi * 50 * TIMES + 0.4)

# One row a tone: Re c, Im c, f in Hz, log of γ in 1/s.
TRUTH = np.array([[0.8, 0.5, 221.3, np.log(3.0)], [-0.4, 0.6, 223.9, np.log(5.0)]])


def tones(parameters):
    """The signal s(t) of all tones, (COUNT,)."""
    real, imag, frequency, log_rate = parameters.T[:, :, None]
    envelope = np.exp(-np.exp(log_rate) * TIMES)
    angle = 2 * np.pi * frequency * TIMES
    return np.sum(envelope * (real * np.cos(angle) - imag * np.sin(angle)), axis=0)


def record(seed=1):
    """Synthetic data: the true tones, hum and noise."""
    noise = NOISE * np.random.default_rng(seed).normal(size=COUNT)
    return tones(TRUTH) + HUM + noise


def misfit(parameters, spectrum):
    """Negative log-likelihood: Σ |Sₖ - Mₖ|² / (N σ²) over the lines of the band."""
    difference = (spectrum - np.fft.rfft(tones(parameters)))[BAND]
    return np.sum(np.abs(difference) ** 2) / (COUNT * NOISE**2)


def minimise(function, parameters, max_steps=40):
    """Newton's method, uphill directions turned round, with steps halved until they descend."""
    value_and_gradient = funcgrad.value_and_grad(function)
    hessian = funcgrad.hessian(function)
    for step in range(max_steps):
        value, gradient = value_and_gradient(parameters)
        print(f"  step {step}: misfit {value:.2f}")
        H = hessian(parameters).reshape(parameters.size, parameters.size)
        curvatures, directions = np.linalg.eigh(H)
        downhill = directions @ (directions.T @ gradient.ravel() / np.abs(curvatures))
        gain = gradient.ravel() @ downhill
        if gain < 1e-9:
            return parameters, np.sqrt(np.diag(np.linalg.inv(H))).reshape(parameters.shape)
        length = 1.0
        while True:
            proposal = parameters - length * downhill.reshape(parameters.shape)
            if function(proposal) <= value - 1e-4 * length * gain:
                break
            length /= 2
        parameters = proposal
    raise ArithmeticError(f"no convergence in {max_steps} steps")


def main():
    """Fit and report; return the true and fitted parameters and their standard errors."""
    spectrum = np.fft.rfft(record())
    top = LINES[np.argmax(np.where(BAND, np.abs(spectrum), 0))]
    print(f"the spectrum has one peak, at {top:.0f} Hz; two tones start 1 Hz beside it:")
    start = np.array([[0.5, 0.5, top - 1, np.log(4.0)], [0.5, 0.5, top + 1, np.log(4.0)]])
    fitted, errors = minimise(lambda p: misfit(p, spectrum), start)
    for row, error, true in zip(fitted, errors, TRUTH, strict=True):
        rate, rate_error = np.exp(row[3]), np.exp(row[3]) * error[3]
        print(f"  f = {row[2]:.3f} +- {error[2]:.3f} Hz   (true value {true[2]:.3f} Hz)")
        print(
            f"  decay {rate:.2f} +- {rate_error:.2f} 1/s   (true value {np.exp(true[3]):.2f} 1/s)"
        )
    return {"fitted": fitted, "errors": errors, "truth": TRUTH, "peak": top}


if __name__ == "__main__":
    main()
