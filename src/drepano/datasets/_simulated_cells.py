"""One simulated cell: its outline and how thick it is, drawn from its category's geometry.

Lengths in the drawing functions are in radii of a typical cell. A cell is drawn on a grid finer than the
pixels and averaged down, so that its thickness has no steps at the outline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drepano import taxonomy
from drepano.errors import DrepanoError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SMALLEST_DIAMETER = 12.0
"""Diameter in pixels below which the categories cannot be told apart."""

_FINER = 2
"""Fine grid points along a pixel's side."""

_HALF_SIDE = 2.2
"""Half the patch's side; no cell reaches farther from its centre."""


@dataclass(frozen=True, eq=False)
class SimulatedCell:
    """One cell on a small square patch, centred.

    Parameters
    ----------
    category : str
        One of the eight categories.
    mask : (S, S) bool array
        Pixels that the cell covers: one piece, clear of the patch's border.
    thickness : (S, S) float array
        Thickness, about 1 for the rim of a discocyte; it fades out within a pixel of the mask.
    """

    category: str
    mask: Mask
    thickness: Array


@dataclass(frozen=True, eq=False)
class _Body:
    """What a drawing function gives: where the cell is, and its thickness's parts."""

    inside: Mask
    height: float
    edge: float
    relief: Array


def check_drawable(categories: Sequence[str], cell_diameter: float) -> None:
    """Refuse categories that are unknown and diameters that are too small.

    Raises
    ------
    DrepanoError
        If a cell cannot be drawn so.
    """
    for category in categories:
        if category not in taxonomy.CATEGORIES:
            known = ", ".join(taxonomy.CATEGORIES)
            raise DrepanoError(f"category {category!r} is unknown; use one of {known}")
    if not SMALLEST_DIAMETER <= cell_diameter < np.inf:
        raise DrepanoError(
            f"cell_diameter {cell_diameter} cannot be drawn; give {SMALLEST_DIAMETER:g} px or more"
        )


def simulate_cell(category: str, rng: np.random.Generator, cell_diameter: float = 45.0) -> SimulatedCell:
    """Draw one cell, turned by a random angle.

    Parameters
    ----------
    category : str
        One of the eight categories.
    rng : numpy.random.Generator
        Where the chances come from.
    cell_diameter : float
        Diameter of a discocyte, px.

    Raises
    ------
    DrepanoError
        If the category is unknown or the diameter too small.
    """
    check_drawable([category], cell_diameter)
    radius = cell_diameter / 2
    side = 2 * int(np.ceil(_HALF_SIDE * radius)) + 1
    fine = (np.arange(side * _FINER) - (side * _FINER - 1) / 2) / (_FINER * radius)
    rows, columns = np.meshgrid(fine, fine, indexing="ij")
    angle = _any_angle(rng)
    across = columns * np.cos(angle) + rows * np.sin(angle)
    along = rows * np.cos(angle) - columns * np.sin(angle)
    body = _DRAW[category](across, along, rng)

    depth = ndimage.distance_transform_edt(body.inside) / (_FINER * radius)
    edge = min(body.edge, float(depth.max()))
    rise = 1 - np.minimum(depth / edge, 1)
    thickness = body.height * np.sqrt(1 - rise**2) * np.maximum(1 + body.relief, 0)
    coverage = _averaged(body.inside.astype(np.float64))
    mask = _largest_piece(coverage >= 0.5)
    near = ndimage.binary_dilation(mask, np.ones((3, 3)))
    return SimulatedCell(category, mask, np.where(near, _averaged(thickness), 0.0))


def _any_angle(rng: np.random.Generator) -> float:
    return float(rng.uniform(0, 2 * np.pi))


def _averaged(fine: Array) -> Array:
    side = fine.shape[0] // _FINER
    return np.asarray(fine.reshape(side, _FINER, side, _FINER).mean(axis=(1, 3)))


def _largest_piece(mask: Mask) -> Mask:
    pieces, _ = ndimage.label(mask)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    return np.asarray(pieces == areas.argmax())


def _wavy(x: Array, y: Array, waves: dict[int, float], rng: np.random.Generator) -> Mask:
    """Disc of radius 1 whose radius swings `waves[k]` k times around, on one side faster than on another."""
    around = np.linspace(-np.pi, np.pi, 361)
    warped = around + 0.3 * np.sin(around + _any_angle(rng)) + 0.1 * np.sin(2 * around + _any_angle(rng))
    radius = np.ones_like(around)
    for times, swing in waves.items():
        radius += swing * np.cos(times * warped + _any_angle(rng))
    return np.asarray(np.hypot(x, y) < np.interp(np.arctan2(y, x), around, radius))


def _spindle(
    x: Array, y: Array, half_length: float, half_width: float, taper: float, rng: np.random.Generator
) -> Mask:
    """Long body along x; `taper` is 0.5 for an ellipse, 1 for pointed ends, more for drawn-out ones."""
    profile = np.maximum(1 - (x / half_length) ** 2, 0) ** taper
    skew = 1 + rng.uniform(-0.25, 0.25) * x / half_length
    ripple = rng.uniform(0, 0.05) * np.sin(rng.uniform(4, 9) * x + _any_angle(rng))
    return np.asarray(np.abs(y) < half_width * profile * (skew + ripple * np.sign(y) + np.abs(ripple)))


def _spots(x: Array, y: Array, inside: Mask, centres: Array, heights: Array, widths: Array) -> Array:
    """Sum of round bumps, hollows where a height is negative, within the outline."""
    relief = np.zeros_like(x)
    for (centre_x, centre_y), height, width in zip(centres, heights, widths, strict=True):
        squared = (x[inside] - centre_x) ** 2 + (y[inside] - centre_y) ** 2
        relief[inside] += height * np.exp(-squared / (2 * width**2))
    return relief


def _mottle(x: Array, width: float, rng: np.random.Generator) -> Array:
    """Random field of mean 0 and standard deviation 1, its grains `width` wide."""
    step = 2 * _HALF_SIDE / x.shape[0]
    noise = ndimage.gaussian_filter(rng.standard_normal(x.shape), width / step)
    return np.asarray((noise - noise.mean()) / noise.std())


def _dimple(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """The shallow hollow of a discocyte."""
    depth, width = rng.uniform(0.05, 0.35), rng.uniform(0.3, 0.5)
    return np.asarray(0.03 * _mottle(x, 0.15, rng) - depth * np.exp(-((np.hypot(x, y) / width) ** 4)))


def _scaled(x: Array, y: Array, size: float, aspect: float) -> tuple[Array, Array]:
    """Coordinates in which an ellipse of that size and aspect is the unit disc."""
    return x / (size * np.sqrt(aspect)), y * np.sqrt(aspect) / size


def _discocyte(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    u, v = _scaled(x, y, rng.uniform(0.85, 1.05), rng.uniform(1.0, 1.12))
    inside = _wavy(u, v, {3: rng.uniform(0, 0.016), 4: rng.uniform(0, 0.012), 5: rng.uniform(0, 0.008)}, rng)
    return _Body(inside, rng.uniform(0.75, 1.15), rng.uniform(0.15, 0.35), _dimple(u, v, rng))


def _oval(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    u, v = _scaled(x, y, rng.uniform(0.9, 1.1), rng.uniform(1.2, 1.5))
    waves = {3: rng.uniform(0.01, 0.05), 4: rng.uniform(0, 0.025), 5: rng.uniform(0, 0.012)}
    inside = _wavy(u, v, waves, rng)
    return _Body(inside, rng.uniform(0.75, 1.1), rng.uniform(0.15, 0.3), _dimple(u, v, rng))


def _elongated(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    aspect, taper = rng.uniform(1.9, 2.6), rng.uniform(0.5, 0.8)
    half_length = 0.95 * np.sqrt(aspect) * (1 + 0.15 * (taper - 0.5))
    bent = y - rng.uniform(0, 0.06) * x**2
    inside = _spindle(x, bent, half_length, half_length / aspect, taper, rng)
    return _Body(inside, rng.uniform(0.9, 1.25), rng.uniform(0.15, 0.3), 0.05 * _mottle(x, 0.12, rng))


def _sickle(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    half_length, half_width = rng.uniform(1.35, 1.65), rng.uniform(0.38, 0.5)
    bend = rng.uniform(0.14, 0.32)
    bent = y - bend * (x**2 - half_length**2 / 3)
    inside = _spindle(x, bent, half_length, half_width, rng.uniform(0.6, 1.1), rng)
    return _Body(inside, rng.uniform(0.9, 1.25), rng.uniform(0.15, 0.3), 0.05 * _mottle(x, 0.12, rng))


def _granular(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    """Outline with blunt corners and notches, a pale inside with a few spots near the rim."""
    u, v = _scaled(x, y, rng.uniform(0.85, 1.05), rng.uniform(1.0, 1.35))
    waves = {times: rng.uniform(0.0, 0.03) for times in range(3, 9)}
    fine_waves = rng.choice(np.arange(9, 14), 2, replace=False)
    waves |= {int(times): rng.uniform(0.015, 0.035) for times in fine_waves}
    inside = _wavy(u, v, waves, rng)
    count = int(rng.integers(1, 6))
    angles, radii = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.55, 0.85, count)
    centres = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    heights = rng.choice([-0.5, 0.4], count)
    spots = _spots(u, v, inside, centres, heights, rng.uniform(0.06, 0.11, count))
    return _Body(inside, rng.uniform(0.8, 1.1), rng.uniform(0.12, 0.25), spots + 0.05 * _mottle(x, 0.12, rng))


def _reticulocyte(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    """Small lobed cell with a knotted network over a part of it."""
    u, v = _scaled(x, y, rng.uniform(0.72, 0.88), rng.uniform(1.0, 1.35))
    inside = _wavy(u, v, {times: rng.uniform(0.01, 0.06) for times in (2, 3, 4, 5)}, rng)
    angle, offset, spread = _any_angle(rng), rng.uniform(0.1, 0.6), rng.uniform(0.35, 0.6)
    where = np.exp(-(np.hypot(u - offset * np.cos(angle), v - offset * np.sin(angle)) ** 2) / (2 * spread**2))
    strands = 0.6 - 1.0 * np.abs(_mottle(x, rng.uniform(0.08, 0.12), rng))
    return _Body(inside, rng.uniform(1.0, 1.3), rng.uniform(0.15, 0.3), where * strands)


def _stomatocyte(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    """Bowl seen from above: its mouth is a slit, sometimes curved."""
    u, v = _scaled(x, y, rng.uniform(0.85, 1.0), rng.uniform(1.0, 1.3))
    inside = _wavy(u, v, {3: rng.uniform(0, 0.015), 4: rng.uniform(0, 0.01)}, rng)
    turn = rng.uniform(-0.5, 0.5)
    along = u * np.cos(turn) + v * np.sin(turn)
    aside = v * np.cos(turn) - u * np.sin(turn) - rng.uniform(-0.5, 0.5) * along**2
    beyond = np.maximum(np.abs(along) - rng.uniform(0.3, 0.4), 0)
    half_width = rng.uniform(0.13, 0.3)
    mouth = 1 / (1 + np.exp((np.hypot(beyond, aside) - half_width) / 0.03))
    return _Body(inside, rng.uniform(1.1, 1.4), rng.uniform(0.15, 0.3), -rng.uniform(0.7, 0.95) * mouth)


def _echinocyte(x: Array, y: Array, rng: np.random.Generator) -> _Body:
    """Sphere set with knobs: they bulge the outline and, seen from above, fill it with dots."""
    u, v = _scaled(x, y, rng.uniform(0.68, 0.9), rng.uniform(1.0, 1.4))
    inside = _wavy(u, v, {int(rng.integers(12, 18)): rng.uniform(0.03, 0.06), 3: 0.03, 5: 0.04}, rng)
    spacing = rng.uniform(0.26, 0.36)
    steps = np.arange(-1, 1, spacing)
    centres = np.stack(np.meshgrid(steps, steps * np.sqrt(0.75)), axis=-1)
    centres[1::2, :, 0] += spacing / 2
    centres = centres.reshape(-1, 2) + rng.normal(0, 0.25 * spacing, (centres.size // 2, 2))
    heights = rng.uniform(0.3, 0.9, len(centres)) * rng.choice([-0.7, 1.0], len(centres))
    widths = spacing * rng.uniform(0.22, 0.34, len(centres))
    relief = _spots(u, v, inside, centres, heights, widths)
    return _Body(inside, rng.uniform(1.1, 1.4), rng.uniform(0.25, 0.45), relief)


_DRAW: dict[str, Callable[[Array, Array, np.random.Generator], _Body]] = {
    "Discocyte": _discocyte,
    "Oval": _oval,
    "Elongated": _elongated,
    "Sickle": _sickle,
    "Granular": _granular,
    "Reticulocyte": _reticulocyte,
    "Stomatocyte": _stomatocyte,
    "Echinocyte": _echinocyte,
}
