"""What a slightly defocused bright-field microscope makes of a layer of transparent cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Array = NDArray[np.float64]

_TYPICAL_DIAMETER = 45.0
"""Cell diameter, px, at which the lengths below are given; they grow with the magnification."""

_BLUR = 0.75
"""Standard deviation of the point spread function, px."""

_GRAIN_REACH = 0.6
"""Half the side of the square that a grain of debris is drawn in, in cell diameters."""


@dataclass(frozen=True)
class Patient:
    """How the fields of one simulated patient were taken.

    Parameters
    ----------
    grey : float
        Grey level of the background, 0 to 255.
    phase : float
        Phase shift, in radians, of light through a cell of thickness 1: sets the contrast.
    defocus : float
        Wavelength times distance from the plane of focus, px squared: sets the width of the fringes.
    absorption : float
        Share of the light that a cell of thickness 1 takes.
    """

    grey: float
    phase: float
    defocus: float
    absorption: float


PATIENTS: tuple[Patient, ...] = (
    Patient(grey=162, phase=1.45, defocus=20, absorption=0.02),
    Patient(grey=139, phase=1.9, defocus=20, absorption=0.10),
    Patient(grey=172, phase=1.5, defocus=15, absorption=0.00),
    Patient(grey=152, phase=1.7, defocus=27, absorption=0.06),
    Patient(grey=181, phase=1.25, defocus=18, absorption=0.03),
)


def transmitted(thickness: Array, patient: Patient, cell_diameter: float) -> Array:
    """Light behind the cells, 1 where there are none: Fresnel propagation, then the point spread function.

    Parameters
    ----------
    thickness : (H, W) float array
        Thickness of what lies in the field; the light at the borders wraps around.
    patient : Patient
        How the field is taken.
    cell_diameter : float
        Diameter of a discocyte, px.
    """
    magnification = cell_diameter / _TYPICAL_DIAMETER
    rows, columns = thickness.shape
    shape = (fft.next_fast_len(rows), fft.next_fast_len(columns))
    # Single precision takes half the time, and is far finer than a grey level.
    wave = np.ones(shape, dtype=np.complex64)
    covered = np.nonzero(thickness)
    wave[covered] = np.exp((1j * patient.phase + np.log(1 - patient.absorption) / 2) * thickness[covered])
    # Above the plane of focus (negative distance) a cell has a bright fringe outside and a dark one inside.
    down, right = (
        np.exp(1j * np.pi * patient.defocus * (magnification * fft.fftfreq(side)) ** 2) for side in shape
    )
    propagator = np.outer(down, right).astype(np.complex64)
    arrived = fft.ifft2(fft.fft2(wave) * propagator)[:rows, :columns]
    intensity = np.abs(arrived).astype(np.float64) ** 2
    return np.asarray(ndimage.gaussian_filter(intensity, _BLUR * magnification))


def illumination(shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Light that falls on the field, about 1: a slope across it, and less towards the corners."""
    rows = np.linspace(-1, 1, shape[0])[:, None]
    columns = np.linspace(-1, 1, shape[1])[None, :]
    slope_down, slope_right = rng.uniform(-0.04, 0.04, 2)
    vignetting = rng.uniform(0.02, 0.08)
    return np.asarray(1 + slope_down * rows + slope_right * columns - vignetting * (rows**2 + columns**2) / 2)


def debris(shape: tuple[int, int], cell_diameter: float, rng: np.random.Generator) -> Array:
    """Share of the light that grains far out of focus leave: dim discs, some with a pale ring."""
    light = np.ones(shape)
    crowd = shape[0] * shape[1] / (5 * cell_diameter) ** 2
    reach = int(np.ceil(_GRAIN_REACH * cell_diameter))
    for _ in range(int(rng.poisson(crowd))):
        row, column = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        top, left = max(row - reach, 0), max(column - reach, 0)
        rows, columns = np.ogrid[top : min(row + reach, shape[0]), left : min(column + reach, shape[1])]
        distance = np.hypot(rows - row, columns - column) / cell_diameter
        radius, softness = rng.uniform(0.06, 0.2), rng.uniform(0.02, 0.05)
        disc = 1 / (1 + np.exp((distance - radius) / softness))
        ring = np.exp(-(((distance - radius - softness) / softness) ** 2))
        light[rows, columns] *= 1 - rng.uniform(0.05, 0.25) * disc + rng.uniform(0, 0.08) * ring
    return light


def photographed(light: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Grey levels from light in grey levels: specks in the medium, shot noise, read noise, and rounding."""
    specks = ndimage.gaussian_filter(rng.standard_normal(light.shape), 1.2) * 8
    shot = rng.standard_normal(light.shape) * np.sqrt(np.maximum(light, 0)) * 0.06
    read = rng.standard_normal(light.shape) * 0.5
    return np.clip(np.rint(light + specks + shot + read), 0, 255).astype(np.uint8)
