"""`numpy.fft` on plain and traced values."""

import numpy as np

import funcgrad.primitives  # noqa: F401  # importing it fills the table
from funcgrad.core.protocols import DISPATCH

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

fftfreq = np.fft.fftfreq
rfftfreq = np.fft.rfftfreq
fft = DISPATCH[np.fft.fft]
fft2 = DISPATCH[np.fft.fft2]
fftn = DISPATCH[np.fft.fftn]
fftshift = DISPATCH[np.fft.fftshift]
hfft = DISPATCH[np.fft.hfft]
ifft = DISPATCH[np.fft.ifft]
ifft2 = DISPATCH[np.fft.ifft2]
ifftn = DISPATCH[np.fft.ifftn]
ifftshift = DISPATCH[np.fft.ifftshift]
ihfft = DISPATCH[np.fft.ihfft]
irfft = DISPATCH[np.fft.irfft]
irfft2 = DISPATCH[np.fft.irfft2]
irfftn = DISPATCH[np.fft.irfftn]
rfft = DISPATCH[np.fft.rfft]
rfft2 = DISPATCH[np.fft.rfft2]
rfftn = DISPATCH[np.fft.rfftn]
