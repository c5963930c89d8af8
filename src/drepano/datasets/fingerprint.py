"""What a data set holds, in a few numbers that show when it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from drepano.field import Field
from drepano.io import image_digest
from drepano.taxonomy import Taxonomy


@dataclass(frozen=True)
class FieldFacts:
    """What the fingerprint needs of one field.

    Parameters
    ----------
    id : str
    patient : str or None
    size : (int, int)
        Height and width in px.
    cells : int or None
        None where nothing is labelled.
    pixels : tuple of int
        Pixels of each class; empty without a class map.
    diameter : float or None
        Median over the cells of the diameter of a disc of their area, px; None without an instance map.
    image_digest, truth_digest : str
        SHA-256 of the image and of its maps or points.
    """

    id: str
    patient: str | None
    size: tuple[int, int]
    cells: int | None
    pixels: tuple[int, ...]
    diameter: float | None
    image_digest: str
    truth_digest: str


def field_facts(field: Field, taxonomy: Taxonomy) -> FieldFacts:
    """The facts of one field."""
    cells: int | None = None
    diameter: float | None = None
    if field.instances is not None:
        areas = np.unique(field.instances[field.instances > 0], return_counts=True)[1]
        cells = len(areas)
        diameter = float(np.median(2 * np.sqrt(areas / np.pi))) if cells else None
    elif field.points is not None:
        cells = len(field.points)
    pixels: tuple[int, ...] = ()
    if field.classes is not None:
        pixels = tuple(np.bincount(field.classes.ravel(), minlength=len(taxonomy)).tolist())
    truth = hashlib.sha256()
    for array in (field.classes, field.instances, field.points):
        truth.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    height, width = field.image.shape[:2]
    return FieldFacts(
        field.id,
        field.patient,
        (height, width),
        cells,
        pixels,
        diameter,
        image_digest(field.image),
        truth.hexdigest(),
    )


def fingerprint(facts: Iterable[FieldFacts], taxonomy: Taxonomy) -> dict[str, Any]:
    """Fields, patients, sizes, cells, their diameter in px, pixel share of classes, and a digest over it all.

    Parameters
    ----------
    facts : iterable of FieldFacts
    taxonomy : Taxonomy

    Returns
    -------
    dict
        JSON-ready; ``pixel_share`` is over all labelled pixels and None where there are none.
    """
    facts = list(facts)
    pixels = np.sum([fact.pixels for fact in facts if fact.pixels], axis=0, dtype=float)
    share = None
    if np.ndim(pixels) and pixels.sum() > 0:
        share = {
            name: float(value) for name, value in zip(taxonomy.classes, pixels / pixels.sum(), strict=True)
        }
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"{fact.id}\n{fact.patient}\n{fact.image_digest}\n{fact.truth_digest}\n".encode())
    diameters = [fact.diameter for fact in facts if fact.diameter is not None]
    labelled = [fact.cells for fact in facts if fact.cells is not None]
    return {
        "fields": len(facts),
        "patients": sorted({fact.patient for fact in facts if fact.patient is not None}),
        "smallest": _size(min(facts, key=_area)) if facts else None,
        "largest": _size(max(facts, key=_area)) if facts else None,
        "labelled_fields": len(labelled),
        "cells": sum(labelled),
        "cell_diameter": float(np.median(diameters)) if diameters else None,
        "pixel_share": share,
        "sha256": digest.hexdigest(),
    }


def _area(fact: FieldFacts) -> int:
    return fact.size[0] * fact.size[1]


def _size(fact: FieldFacts) -> str:
    return f"{fact.size[1]} x {fact.size[0]}"
