"""Fourier transforms and convolutions, by NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import scipy.fft
import scipy.signal

CASES: list[tuple[Any, ...]] = [
    ("fft.fft fft.ifft fft.hfft fft.irfft", lambda f, z: f(z, axis=0)),
    ("fft.fft fft.ifft fft.rfft fft.ihfft", lambda f, s: f(s)),
    ("fft.rfft fft.ihfft", lambda f, x: f(x, 12, axis=0)),
    ("fft.fft2 fft.ifft2 fft.fftn fft.ifftn fft.irfft2 fft.irfftn", lambda f, z: f(z)),
    ("fft.rfft2 fft.rfftn", lambda f, x: f(x)),
    ("fft.fftn fft.rfftn", lambda f, t: f(t, axes=(2, 0))),
    ("fft.hfft2 fft.hfftn", lambda f, z: f(z), scipy.fft),
    ("fft.ihfft2 fft.ihfftn", lambda f, x: f(x), scipy.fft),
    ("fft.fftshift fft.ifftshift", lambda f, x: f(x, axes=0)),
    ("fft.fftshift fft.ifftshift", lambda f, t: f(t)),
    ("signal.convolve signal.correlate", lambda f, s, row: f(s, row, "same"), scipy.signal),
    ("signal.convolve signal.correlate", lambda f, w, k: f(w, k, "full"), scipy.signal),
    ("signal.fftconvolve signal.oaconvolve", lambda f, s, row: f(s, row, "full"), scipy.signal),
    ("signal.convolve2d signal.correlate2d", lambda f, x, z: f(x, z, "full"), scipy.signal),
]
