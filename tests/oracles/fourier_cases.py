"""Fourier transforms: lengths, axes, norms, real and complex; a table of functions and points."""

import numpy as np

from tests.oracles.points import ZM, ZN, M, T, Table, V, Z, draw, drawz

__all__ = ["FOURIER"]

ONE_AXIS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
PLANES = ("fft2", "ifft2", "rfft2", "irfft2")
VOLUMES = ("fftn", "ifftn", "rfftn", "irfftn")
REAL = {"rfft", "ihfft", "rfft2", "rfftn"}
ZT = drawz(2, 3, 4)

FOURIER: Table = {}
for name in ONE_AXIS:
    row, matrix = (V, M) if name in REAL else (Z, ZM)
    FOURIER |= {
        f"{name}": (lambda xp, x, name=name: getattr(xp.fft, name)(x), row),
        f"{name} cut": (lambda xp, x, name=name: getattr(xp.fft, name)(x, 3), row),
        f"{name} longer": (lambda xp, x, name=name: getattr(xp.fft, name)(x, n=8), matrix),
        f"{name} axis": (lambda xp, x, name=name: getattr(xp.fft, name)(x, axis=0), matrix),
        f"{name} odd length along an axis": (
            lambda xp, x, name=name: getattr(xp.fft, name)(x, 5, axis=-2),
            matrix,
        ),
        f"{name} ortho": (lambda xp, x, name=name: getattr(xp.fft, name)(x, norm="ortho"), row),
        f"{name} forward": (
            lambda xp, x, name=name: getattr(xp.fft, name)(x, 6, 0, "forward"),
            matrix,
        ),
    }
    if name not in REAL:
        FOURIER[f"{name} of real numbers"] = (
            lambda xp, x, name=name: getattr(xp.fft, name)(x),
            M,
        )
for name in PLANES:
    matrix, stack = (M, T) if name in REAL else (ZM, ZT)
    FOURIER |= {
        f"{name}": (lambda xp, x, name=name: getattr(xp.fft, name)(x), matrix),
        f"{name} axes": (
            lambda xp, x, name=name: getattr(xp.fft, name)(x, axes=(2, 0), norm="ortho"),
            stack,
        ),
        f"{name} lengths": (
            lambda xp, x, name=name: getattr(xp.fft, name)(x, (4, 3), norm="forward"),
            matrix,
        ),
    }
for name in VOLUMES:
    matrix, stack = (M, T) if name in REAL else (ZM, ZT)
    FOURIER |= {
        f"{name}": (lambda xp, x, name=name: getattr(xp.fft, name)(x), stack),
        f"{name} of one axis": (
            lambda xp, x, name=name: getattr(xp.fft, name)(x, (5,), (0,), "ortho"),
            matrix,
        ),
        f"{name} of two axes": (
            lambda xp, x, name=name: getattr(xp.fft, name)(x, (3, 4), axes=(-1, 0)),
            stack,
        ),
    }
FOURIER |= {
    "fftshift": (lambda xp, x: xp.fft.fftshift(x), M),
    "fftshift axes": (lambda xp, x: xp.fft.fftshift(x, axes=(0, 2)), T),
    "ifftshift": (lambda xp, x: xp.fft.ifftshift(x), ZM),
    "ifftshift axis": (lambda xp, x: xp.fft.ifftshift(x, 1), ZN),
    "power spectrum": (lambda xp, x: xp.abs(xp.fft.rfft(x)) ** 2, V),
    "phases of a spectrum": (lambda xp, x: xp.angle(xp.fft.fft(x))[..., 1:2], M),
    "filter by frequencies": (
        lambda xp, x, h: xp.fft.irfft(xp.fft.rfft(x) * h, 4),
        M,
        draw(3),
    ),
    "circular convolution": (
        lambda xp, x, k: xp.real(xp.fft.ifft(xp.fft.fft(x) * xp.fft.fft(k, 5))),
        V,
        draw(3),
    ),
    "there and back": (lambda xp, z: xp.fft.ifftn(xp.fft.fftn(z) ** 2), ZM),
    "slope by frequencies": (
        lambda xp, x: xp.fft.irfft(2j * np.pi * xp.fft.rfftfreq(5) * xp.fft.rfft(x), 5),
        V,
    ),
}
